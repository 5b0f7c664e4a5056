"""A real catalogue: BFCL's 8,726 functions become tools, and its 3,302 gold calls get plain jsonschema's verdict."""

import json
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agentkit import tool
from agentkit.core.commands import Go
from agentkit.core.events import ToolFinished
from agentkit.core.messages import text_of
from agentkit.tools.dispatch import Dispatch
from agentkit.tools.tool import Tool
from tests.fetched import bfcl
from tests.tools.conftest import MakeJob

# The catalogue writes its types in Python's words and in Java's.
WORDS = {
    "dict": "object", "float": "number", "tuple": "array", "String": "string", "Array": "array", "ArrayList": "array",
    "HashMap": "object", "Boolean": "boolean", "long": "integer", "double": "number", "char": "string",
}  # fmt: skip
ANYTHING = {"any", ""}


def mapped(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of the catalogue's dialect as JSON Schema."""
    rest = dict(schema)
    if "properties" in rest:
        rest["properties"] = {name: mapped(each) for name, each in rest["properties"].items()}
    for inner in ("items", "additionalProperties"):
        if isinstance(rest.get(inner), dict):
            rest[inner] = mapped(rest[inner])
    kind = rest.pop("type", "any")
    return rest if kind in ANYTHING else {**rest, "type": WORDS.get(kind, kind)}


def as_tool(function: dict[str, Any]) -> Tool[Any, ..., Any]:
    return _made(json.dumps(function, sort_keys=True))


@cache
def _made(described: str) -> Tool[Any, ..., Any]:
    """Make a tool; the catalogue gives the same function many times."""
    function = json.loads(described)
    name = function["name"].replace(".", "_")[:64]

    @tool(effect="read", name=name, description=function["description"], parameters=mapped(function["parameters"]))
    async def take(arguments: dict[str, Any]) -> dict[str, Any]:
        """Take them."""
        return arguments

    return take


def test_every_function_is_accepted() -> None:
    count = 0
    for _, questions in bfcl():
        for each in questions:
            count += len(each.get("function", ()))
            tools = {made.name: made for made in map(as_tool, each.get("function", ()))}
            assert len(Dispatch(list(tools.values())).specs) == len(tools)
    assert count == 8726


def gold(accepted: dict[str, list[Any]]) -> dict[str, Any]:
    """Return the call whose arguments are the first accepted ones; "" stands for an argument left out."""
    first = {name: [value for value in values if value != ""] for name, values in accepted.items()}
    return {name: values[0] for name, values in first.items() if values}


@pytest.mark.anyio
async def test_every_gold_call_gets_plain_jsonschemas_verdict_and_arrives_as_it_is(make_job: MakeJob) -> None:
    count, ran = 0, 0
    questions = dict(bfcl())
    for file, answers in bfcl("possible_answer/"):
        functions = {each["id"]: each.get("function", ()) for each in questions[file]}
        for answer in answers:
            calls = [call for call in answer["ground_truth"] if isinstance(call, dict)]
            known = {function["name"]: function for function in functions[answer["id"]]} if calls else {}
            for name, accepted in ((name, accepted) for call in calls for name, accepted in call.items()):
                count, made, arguments = count + 1, as_tool(known[name]), gold(accepted)
                dispatch, raw = Dispatch([made]), json.dumps(arguments)
                started = isinstance(dispatch.check("1.1.0", made.name, raw, None), Go)
                assert started is Draft202012Validator(made.inputs.schema).is_valid(arguments), (name, arguments)
                if started:
                    end = await dispatch.run(make_job(made.name, raw))
                    assert isinstance(end, ToolFinished)
                    assert json.loads(text_of(end.parts)) == arguments
                    ran += 1
    assert (count, ran) == (3302, 3060)
