"""Strict forms of schemas: the same values, or a reason; and tools that are told in them."""

import logging
from collections.abc import Callable
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from agentkit import Agent, MemoryJournal, Session, Tool, tool
from agentkit.core.contract import StrictTools
from agentkit.core.messages import ToolMessage, text_of
from agentkit.emulator import Call, Emulator, Reply
from agentkit.models import Model
from agentkit.tools.strict import Loose, strict, strict_specs, undone
from agentkit.tools.validate import Schema


def closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


LEAVES = st.one_of(
    st.builds(lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more}, *[st.integers(0, 3)] * 2),
    st.sampled_from(
        [
            *({"type": "boolean"}, {"type": "null"}, {"const": 7}, {"enum": ["a", None]}, {"type": ["string", "null"]}),
            *({"type": "string"}, {"$ref": "#/$defs/N"}, {"enum": [1, "b"]}),
        ]
    ),
)


def _grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from("abc")
    return st.one_of(
        st.builds(lambda items, least: {"type": "array", "items": items, "minItems": least}, inner, st.integers(0, 1)),
        st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda told, needed: closed(told, *(needed & told.keys())),
            st.dictionaries(names, inner, max_size=3),
            st.sets(names),
        ),
    )


NODES = st.recursive(LEAVES, _grown, max_leaves=6)
SCHEMAS = st.builds(
    lambda told, needed: (
        closed(told, *(needed & told.keys()))
        | {"$defs": {"N": closed({"v": {"type": "boolean"}, "n": {"$ref": "#/$defs/N"}}, "v")}}
    ),
    st.dictionaries(st.sampled_from("xyz"), NODES, min_size=1, max_size=3),
    st.sets(st.sampled_from("xyz")),
)


def values(schema: dict[str, Any], defs: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that fit a schema of the kinds above."""
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return st.one_of(*(values(each, defs, depth) for each in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of(*(OF_KIND[kind](schema, defs, depth) for kind in kinds))


def _lists(schema: dict[str, Any], defs: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    return st.lists(values(schema["items"], defs, depth), min_size=schema.get("minItems", 0), max_size=2)


def _objects(schema: dict[str, Any], defs: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    told = schema["properties"]
    if depth > 2:  # a list that has no end otherwise
        return st.just(None).flatmap(lambda _: st.fixed_dictionaries({n: _short(told[n]) for n in schema["required"]}))
    each = {name: st.deferred(lambda s=part: values(s, defs, depth + 1)) for name, part in told.items()}  # type: ignore[misc]  # the loop's own
    needed = {name: each[name] for name in schema["required"]}
    return st.fixed_dictionaries(needed, optional={name: each[name] for name in told if name not in needed})


OF_KIND: dict[str, Callable[..., st.SearchStrategy[Any]]] = {
    "object": _objects,
    "array": _lists,
    "integer": lambda schema, *_: st.integers(schema["minimum"], schema["maximum"]),
    "string": lambda *_: st.text("ab", max_size=2),
    "boolean": lambda *_: st.booleans(),
    "null": lambda *_: st.none(),
}


def _short(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.booleans() if schema.get("type") == "boolean" else st.none()


def filled(value: Any, schema: dict[str, Any], check: Schema, defs: dict[str, Any]) -> Any:
    """The strict form of a value: null where a key is absent."""
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        fit = next(each for each in schema["anyOf"] if check.fits(value, each))
        return filled(value, fit, check, defs)
    if isinstance(value, dict):
        told = schema["properties"].items()
        return {name: filled(value[name], each, check, defs) if name in value else None for name, each in told}
    return [filled(each, schema["items"], check, defs) for each in value] if isinstance(value, list) else value


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCHEMAS, st.data())
def test_a_strict_form_says_the_same(schema: dict[str, Any], data: st.DataObject) -> None:
    form = strict(schema)
    loose_check, strict_check = Schema("t", schema), Schema("t", form)
    there = data.draw(values(form, form["$defs"]))
    assume(strict_check.fits(there, form))
    back = undone(there, schema, loose_check.fits)
    assert loose_check.fits(back, schema), (there, back)
    mine = data.draw(values(schema, schema["$defs"]))
    assume(loose_check.fits(mine, schema))
    assert undone(mine, schema, loose_check.fits) == mine
    made = filled(mine, schema, loose_check, schema["$defs"])
    assert strict_check.fits(made, form), (mine, made)
    again = undone(made, schema, loose_check.fits)
    assert loose_check.fits(again, schema)


def test_an_optional_key_is_nullable_and_back() -> None:
    schema = closed({"a": {"type": "string", "description": "A.", "default": "x"}, "b": {"type": "integer"}}, "b")
    form = strict(schema)
    assert form == closed(
        {
            "a": {"description": "A. Default: x", "anyOf": [{"type": "string"}, {"type": "null"}]},
            "b": {"type": "integer"},
        },
        *"ab",
    )
    assert undone({"a": None, "b": 1}, schema, Schema("t", schema).fits) == {"b": 1}


TEXT = {"type": "string"}
LOOSE: list[tuple[Any, str]] = [
    (closed({"a": {}}, "a"), "a may be anything"),
    (closed({"a": True}, "a"), "a may be anything"),
    (closed({"a": TEXT | {"minLength": 2}}, "a"), "a: minLength is not in OpenAI's subset"),
    (closed({"a": TEXT | {"format": "regex"}}, "a"), "a: format regex"),
    (closed({"a": {"type": "array"}}, "a"), r"a\[\] may be anything"),
    (closed({"a": {"type": "array", "items": TEXT, "uniqueItems": True}}, "a"), "a: uniqueItems"),
    (closed({"a": {"type": "object"}}, "a"), "a: keys that are not named"),
    ({"type": "object", "properties": {"a": TEXT}, "additionalProperties": TEXT}, "keys that are not named"),
    (closed({"a": TEXT}, "b"), "b is required and has no schema"),
    (closed({"a": {"not": TEXT}}, "a"), "a: not is not in"),
    (closed({"a": {"allOf": [TEXT, TEXT]}}, "a"), "a: allOf"),
    (closed({"a": {"anyOf": [TEXT], "minLength": 2}}, "a"), "a: minLength beside anyOf"),
    (closed({"a": {"oneOf": [TEXT, TEXT]}}, "a"), "a: oneOf, and nothing shows"),
    (closed({"a": {"$ref": "other.json"}}, "a"), "a: other.json refers to nothing"),
    (closed({"a": {"enum": [{}]}}, "a"), "a: a choice of values that are no"),
    (closed({"a": {"enum": ["b"], "type": "integer"}}, "a"), "a: values that are not of the type"),
    (closed({"a": {"enum": ["b"], "maxLength": 1}}, "a"), "a: more than a choice"),
    (closed({"a": {"minimum": 1}}, "a"), "a: no type"),
    (closed({"a": {"type": ["integer", "null"], "default": 3}}), "a may be null or left out, and the two differ"),
    ({"anyOf": [closed({})]}, "the whole is no object"),
]


@pytest.mark.parametrize(("schema", "why"), LOOSE)
def test_what_has_no_strict_form_says_why(schema: dict[str, Any], why: str) -> None:
    with pytest.raises(Loose, match=why):
        strict(schema)


def test_a_nest_may_be_too_deep() -> None:
    schema = closed({"a": TEXT}, "a")
    for _ in range(10):
        schema = closed({"a": schema}, "a")
    with pytest.raises(Loose, match="nested too deep"):
        strict(schema)


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(ge=1)


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str] | None = None


class Owner(BaseModel):
    pet: Cat | Dog = Field(discriminator="kind")
    other: "Owner | None" = None


def test_models_with_discriminated_unions_have_a_strict_form() -> None:
    form = strict(Owner.model_json_schema()["$defs"]["Owner"] | {"$defs": Owner.model_json_schema()["$defs"]})
    assert form["properties"]["pet"]["anyOf"] == [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]
    assert form["required"] == ["pet", "other"]


@tool(effect="read")
async def find(city: str, days: int) -> str:
    """Find."""
    return f"{city} {days}"


@tool(effect="read")
async def greet(name: str = "you") -> str:
    """Greet."""
    return f"hello {name}"


def test_deepseek_knows_no_null_and_all_are_strict_or_none() -> None:
    row = StrictTools(path="/beta", all_or_none=True, subset="deepseek")
    told, why = strict_specs([find.spec], row)
    assert (told[0].strict, why) == (True, ())
    told, why = strict_specs([find.spec, greet.spec], row)
    assert [spec.strict for spec in told] == [False, False]
    assert why[0] == "greet: name is optional, and DeepSeek's subset knows no null"
    assert "none is" in why[1]
    told, why = strict_specs([find.spec, greet.spec], StrictTools(all_or_none=True))
    assert ([spec.strict for spec in told], why) == ([True, True], ())


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("contract", "tools", "path"),
    [("deepseek-v4", (find,), "/beta/"), ("deepseek-v4", (find, greet), "/v1/"), ("openai", (find, greet), "/v1/")],
)
async def test_services_take_strict_tools(
    contract: str, tools: tuple[Tool[object, ..., Any], ...], path: str, caplog: pytest.LogCaptureFixture
) -> None:
    calls = [Call("greet", '{"name": null}')] if greet in tools and contract == "openai" else []
    replies = [Reply("", None, [Call("find", '{"city": "Ulm", "days": 2}'), *calls]), Reply("Done.")]
    async with Emulator({"*": replies}, contract=contract) as server:
        model = Model("m", base_url=server.base_url, contract=contract, api_key="k")
        with caplog.at_level(logging.WARNING, "agentkit"):
            agent = Agent(model, tools=tools, settings={"strict_tools": True})
        async with Session(agent, "s", journal=MemoryJournal()) as session:
            assert (await session.run("Which?")).output == "Done."
            said = [text_of(m.parts) for m in await session.messages() if isinstance(m, ToolMessage)]
        asked = server.requests[0]
    assert said == (["Ulm 2", "hello you"] if calls else ["Ulm 2"])
    assert asked.path.startswith(path)
    assert asked.body is not None
    is_strict = [each["function"].get("strict", False) for each in asked.body["tools"]]
    assert is_strict == [path == "/beta/" or contract == "openai"] * len(tools)
    assert ("knows no null" in caplog.text) is (contract == "deepseek-v4" and len(tools) == 2)


class Bill(BaseModel):
    lines: dict[str, int]


def test_an_answer_whose_schema_has_no_strict_form_is_logged_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    model = Model("m", base_url="http://127.0.0.1:9/v1", contract="openai")
    with caplog.at_level(logging.INFO, "agentkit"):
        Agent(model, name="clerk", output_type=Owner)
        assert caplog.text == ""
        Agent(model, name="clerk", output_type=Bill)
    told = "agent 'clerk': its answer's schema is sent to 'm' (contract 'openai') non-strict: lines: keys that are"
    assert [(each.levelname, told in each.getMessage()) for each in caplog.records] == [("INFO", True)]
