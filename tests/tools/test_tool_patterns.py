"""Regular expressions and references from outside: bounded, whatever the pattern and the text."""

import json
import time
from typing import Any

import anyio
import pytest

from agentkit import Agent, tool
from agentkit.core.commands import Refuse
from agentkit.core.messages import AssistantMessage, ToolCall, text_of
from agentkit.errors import ConfigurationError
from agentkit.models.scripted import ScriptedModel
from agentkit.tools.arguments import BadArguments
from agentkit.tools.dispatch import Dispatch
from agentkit.tools.patterns import LONGEST, Budget, TooSlow, occurs, readable
from agentkit.tools.tool import Tool
from agentkit.tools.validate import Schema

# Each makes Python's own `re` go on for hours, at 40 to 60 characters.
SLOW = [(r"^(a|aa)+$", "a" * 60 + "!"), (r"(a+)+$", "a" * 40 + "!"), (r"^(\w+\s?)*$", "a" * 40 + "!")]
DRAFT_2019 = "https://json-schema.org/draft/2019-09/schema"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
BOUND = 2.0  # seconds; the limits are a tenth of it, and the machine may be busy


def taking(parameters: dict[str, Any]) -> Tool[Any, ..., Any]:
    @tool(effect="read", name="take", parameters=parameters)
    async def take(arguments: dict[str, Any]) -> str:
        """Take it."""
        return f"took {len(arguments)}"

    return take


def around(pattern: str, text: str) -> list[tuple[dict[str, Any], Any]]:
    """Return schemas in which the pattern meets the text, and the text's place: every keyword that runs patterns."""
    by_name: dict[str, Any] = {"patternProperties": {pattern: {"type": "integer"}}}
    value: dict[str, Any] = {"value": text}
    return [
        ({"properties": {"value": {"pattern": pattern}}}, value),
        ({"properties": {"value": {"$schema": DRAFT_7, "pattern": pattern}}}, value),
        ({"$schema": DRAFT_7, "properties": {"value": {"allOf": [{"pattern": pattern}]}}}, value),
        ({"properties": {"value": by_name}}, {"value": {text: 1}}),
        ({"properties": {"value": {**by_name, "additionalProperties": False}}}, {"value": {text: 1}}),
        ({"allOf": [by_name], "unevaluatedProperties": False}, {text: 1}),
        ({"$schema": DRAFT_2019, **by_name, "unevaluatedProperties": False}, {text: 1}),
        ({"propertyNames": {"pattern": pattern}}, {text: 1}),
    ]  # fmt: skip


@pytest.mark.parametrize(("pattern", "text"), SLOW)
def test_a_catastrophic_pattern_is_ended(pattern: str, text: str) -> None:
    for schema, value in around(pattern, text):
        dispatch = Dispatch([taking({"type": "object", **schema})])
        began = time.thread_time()
        dispatch.check("1.1.0", "take", json.dumps(value), None)
        assert time.thread_time() - began < BOUND


def test_what_cannot_be_compared_in_time_does_not_run_and_says_why() -> None:
    dispatch = Dispatch([taking({"type": "object", "properties": {"value": {"pattern": SLOW[0][0]}}})])
    verdict = dispatch.check("1.1.0", "take", json.dumps({"value": SLOW[0][1]}), None)
    assert isinstance(verdict, Refuse)
    assert "the pattern ^(a|aa)+$ takes too long on this text" in text_of(verdict.event.parts)


@pytest.mark.anyio
async def test_another_session_goes_on_meanwhile() -> None:
    call = ToolCall("c", "take", json.dumps({"value": SLOW[0][1]}))
    script = ScriptedModel(AssistantMessage(calls=(call,)), AssistantMessage("It cannot be checked."))
    agent = Agent(script, tools=[taking({"type": "object", "properties": {"value": {"pattern": SLOW[0][0]}}})])
    others, ended = 0, False
    began = time.monotonic()
    async with anyio.create_task_group() as tasks:

        async def other() -> None:
            nonlocal others
            while not ended:
                await Agent(ScriptedModel(AssistantMessage("Hello."))).run("Hi")
                others += 1

        tasks.start_soon(other)
        assert (await agent.run("Take it")).output == "It cannot be checked."
        ended = True
    assert others >= 1
    assert time.monotonic() - began < 30


def test_references_that_multiply_are_ended() -> None:
    defs: dict[str, Any] = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(60)}
    schema = Schema("bomb", {"$defs": {**defs, "d60": {"type": "object"}}, "$ref": "#/$defs/d0"}, typed=False)
    began = time.thread_time()
    with pytest.raises(BadArguments, match="take too long"):
        schema.check({})
    assert time.thread_time() - began < 3


def test_a_schema_that_refers_to_itself_alone_ends() -> None:
    parameters: dict[str, Any] = {"type": "object", "$ref": "#"}

    @tool(effect="read", name="mending", parameters=parameters, nulls="absent")
    async def mending(arguments: dict[str, Any]) -> str:
        """Take it."""
        return str(arguments)

    for each in (taking(parameters), mending):
        assert isinstance(Dispatch([each]).check("1.1.0", each.name, "{}", None), Refuse)


@pytest.mark.parametrize("pattern", ["[", "(", "a" * (LONGEST + 1), "(?:" * 600 + ")" * 600, r"\cA", "(?P<a>b)(?P<a>"])
def test_a_pattern_that_cannot_be_used_is_told_when_the_agent_is_made(pattern: str) -> None:
    assert not readable(pattern)
    with pytest.raises(ConfigurationError, match="a pattern that is not usable"):
        Dispatch([taking({"type": "object", "properties": {"a": {"pattern": pattern}}})])
    with pytest.raises(ConfigurationError, match="no valid JSON Schema"):
        Dispatch([taking({"type": "object", "patternProperties": {pattern: {}}})])


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^a$", "a\n", False),  # to Python, `$` also stands before a last newline
        (r"^\$[$]$", "$$", True),
        ("a{e<=3}", "xyz", False),  # to `regex`, a fuzzy match
        ("^a{e<=3}$", "a{e<=3}", True),
        (r"^a{2}b{1,}c{,2}$", "aabbc", True),
        (r"^\p{L}+$", "éа", True),
        (r"^(?<year>\d{4})$", "2026", True),
        (r"\{x\}", "{x}", True),
    ],
)
def test_the_dialect(pattern: str, text: str, found: bool) -> None:  # noqa: FBT001 - a table's column
    assert occurs(pattern, text, Budget(1.0)) is found


def test_a_budget_that_is_spent() -> None:
    with pytest.raises(TooSlow):
        occurs("a", "a", Budget(-1.0))


def test_a_schema_nested_too_deep_is_refused() -> None:
    deep: dict[str, Any] = {"type": "object"}
    for _ in range(3000):
        deep = {"not": deep}
    with pytest.raises(ConfigurationError, match="nested too deep"):
        Schema("deep", deep)
