"""What a tool may declare about arguments that are not quite right: repaired, dropped, absent; and that it is seen."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from agentkit import Agent, MemoryJournal, Session, ToolContext, tool
from agentkit.cli.phrases import phrase
from agentkit.core.commands import Go, Hold, Refuse, Verdict
from agentkit.core.events import CallHeld, ModelResponded, ToolStarted
from agentkit.core.messages import AssistantMessage, ToolCall, ToolMessage, text_of
from agentkit.errors import ConfigurationError
from agentkit.models.scripted import ScriptedModel
from agentkit.tools.dispatch import Dispatch
from agentkit.tools.tool import Tool


class Address(BaseModel, extra="forbid"):
    city: str
    street: str = "unknown"


async def order(item: str, count: int = 1, note: str | None = "none", to: Address | None = None) -> str:
    """Order something."""
    return f"{count} {item} {note} {to}"


def ordering(**policies: Any) -> Tool[Any, ..., Any]:
    made: Tool[Any, ..., Any] = tool(effect="read", **policies)(order)
    return made


def check(raw: str, **policies: Any) -> Verdict:
    return Dispatch([ordering(**policies)]).check("1.1.0", "order", raw, None)


def mended(raw: str, **policies: Any) -> tuple[Any, str]:
    verdict = check(raw, **policies)
    assert isinstance(verdict, Go), verdict
    return (None if verdict.mended is None else json.loads(verdict.mended)), verdict.how


@pytest.mark.parametrize(
    "raw", ['{"item": "tea", "count": null}', '{"item": "tea", "colour": "red"}', '{"item": "tea",}', "{'item': 'tea'}"]
)
def test_nothing_of_it_happens_by_default(raw: str) -> None:
    assert isinstance(check(raw), Refuse)


def test_null_for_an_optional_parameter_is_as_if_absent() -> None:
    raw = '{"item": "tea", "count": null, "to": {"city": "Rome", "street": null}}'
    assert mended(raw, nulls="absent") == (
        {"item": "tea", "to": {"city": "Rome"}},
        "null taken as absent: count, to.street",
    )


def test_null_that_is_a_value_and_null_for_a_required_parameter_stay() -> None:
    assert mended('{"item": "tea", "note": null, "to": null}', nulls="absent") == (None, "")
    assert isinstance(check('{"item": null}', nulls="absent"), Refuse)


def test_extra_properties_are_dropped() -> None:
    raw = '{"item": "tea", "colour": "red", "to": {"city": "Rome", "zip": 1}}'
    assert mended(raw, extras="drop") == (
        {"item": "tea", "to": {"city": "Rome"}},
        "not parameters, dropped: colour, to.zip",
    )
    assert isinstance(check(raw, nulls="absent"), Refuse)


@pytest.mark.parametrize(
    "raw",
    ['{"item": "tea",}', "{'item': 'tea'}", '{"item": "tea"', '```json\n{"item": "tea"}\n```', '{item: "tea"} // x'],
)
def test_broken_json_is_repaired(raw: str) -> None:
    assert mended(raw, repair=True) == ({"item": "tea"}, "broken JSON repaired")


@pytest.mark.parametrize(
    "raw",
    [
        "tea",
        "[1",
        "{",
        '{"item": "tea", "item": "milk"}',
        '{"item": NaN}',
        '{"count": 1e999',
        '{"a":' * 5000,
        "[" * 50_000,
        '{"item": "' + "x" * 30_000,
        "",
    ],
)
def test_what_is_not_repaired(raw: str) -> None:
    assert isinstance(check(raw, repair=True), Refuse)


def test_what_fits_is_untouched() -> None:
    assert mended('{"item": "tea"}', repair=True, nulls="absent", extras="drop") == (None, "")


@given(st.text(max_size=60) | st.text('{}[]",:\\ea1\n', max_size=60))
def test_repair_never_breaks(raw: str) -> None:
    verdict = check(raw, repair=True, nulls="absent", extras="drop")
    assert isinstance(verdict, Go | Refuse)
    if isinstance(verdict, Go):
        again = check(verdict.mended if verdict.mended is not None else raw, repair=True)
        assert isinstance(again, Go)
        assert (again.arguments, again.mended) == (verdict.arguments, None)


def test_schemas_from_elsewhere_are_followed_as_far_as_they_are_plain() -> None:
    parameters: dict[str, Any] = {
        "type": "object",
        "properties": {
            "rows": {"type": "array", "items": {"$ref": "#/$defs/row"}},
            "free": {"type": "object"},
            "any": True,
            "either": {"anyOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]},
        },
        "additionalProperties": False,
        "$defs": {"row": {"properties": {"id": {"type": "integer"}}, "additionalProperties": False}},
    }

    @tool(effect="read", name="take", parameters=parameters, nulls="absent", extras="drop")
    async def take(arguments: dict[str, Any]) -> str:
        """Take it."""
        return str(arguments)

    more = '"free": {"x": null}, "any": {"y": null}, "either": {"a": null}, "z": 1'
    raw = '{"rows": [{"id": 1, "x": 2}, {"id": null}], ' + more + "}"
    verdict = Dispatch([take]).check("1.1.0", "take", raw, None)
    assert isinstance(verdict, Go)
    assert json.loads(verdict.mended or "") == {
        "rows": [{"id": 1}, {}], "free": {"x": None}, "any": {"y": None}, "either": {"a": None},
    }  # fmt: skip
    assert verdict.how == "not parameters, dropped: rows[0].x, z; null taken as absent: rows[1].id"


@pytest.mark.parametrize("policy", [{"nulls": "drop"}, {"extras": "ignore"}])
def test_words_that_are_not_known(policy: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="use "):
        ordering(**policy)


async def ran(raw: str, made: Tool[Any, ..., Any]) -> tuple[list[Any], list[str]]:
    """Return what was recorded of a session with one call, and what people read of it."""
    script = ScriptedModel(AssistantMessage(calls=(ToolCall("c", made.name, raw),)), AssistantMessage("Done."))
    journal = MemoryJournal()
    async with Session(Agent(script, tools=[made]), "s", journal=journal) as session:
        result = await session.run("Go")
        if result.status == "waiting":
            assert result.approvals[0].arguments == {"item": "tea"}
            await session.approve(result.approvals[0], by="ann")
            result = await session.resume()
        assert result.output == "Done."
        said = [text_of(m.parts) for m in await session.messages() if isinstance(m, ToolMessage)]
        events = [record.event async for record in session.events()]
    return events, said


@pytest.mark.anyio
async def test_the_transcript_keeps_the_bytes_and_the_start_says_what_was_done() -> None:
    raw = '{"item": "tea", "colour": "red",}'
    events, said = await ran(raw, ordering(repair=True, extras="drop"))
    answer = next(event for event in events if isinstance(event, ModelResponded))
    (start,) = (event for event in events if isinstance(event, ToolStarted))
    assert answer.message.calls[0].arguments == raw
    assert start.mended == '{"item": "tea"}'
    assert start.how == "broken JSON repaired; not parameters, dropped: colour"
    assert said == [f'Note: the call ran with {{"item": "tea"}} ({start.how}).\n1 tea none None']
    shown = phrase(start, {})
    assert shown is not None
    assert 'with {"item": "tea"} (broken JSON repaired; not parameters, dropped: colour)' in shown.text


@pytest.mark.anyio
async def test_a_person_agrees_to_what_will_run() -> None:
    got: list[str] = []

    @tool(effect="once", needs_approval=True, extras="drop")
    async def buy(_: ToolContext[Any], item: str) -> str:
        """Buy it."""
        got.append(item)
        return "bought"

    events, said = await ran('{"item": "tea", "colour": "red"}', buy)
    held = [e for e in events if isinstance(e, CallHeld)]
    assert [e.mended for e in held] == ['{"item": "tea"}']
    shown = phrase(held[0], {})
    assert shown is not None
    assert "dropped: colour" in shown.text
    assert got == ["tea"]
    assert said[0].startswith("Note: the call ran with")


def test_an_approval_is_needed_of_mended_arguments_as_of_others() -> None:
    verdict = check('{"item": "tea", "x": 1}', extras="drop", needs_approval=True)
    assert isinstance(verdict, Hold)
    assert verdict.mended == '{"item": "tea"}'
