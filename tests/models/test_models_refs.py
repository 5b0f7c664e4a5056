"""Schemas without references, for services that refuse them."""

import json
from typing import Any

import pytest

from agentkit.core.contract import Contract
from agentkit.core.spec import Binding, BoundTool, Limits, Settings, ToolSpec
from agentkit.errors import ConfigurationError
from agentkit.models import contracts, wire
from agentkit.models.refs import MOST, inlined
from agentkit.tools.validate import Schema

NODE = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}], "default": {"$ref": "data of the user's"}},
    },
}


AGAIN = {"type": "object", "description": "Again of the form of the whole, in which this stands."}


@pytest.mark.parametrize(
    ("schema", "without"),
    [
        ({"type": "object"}, {"type": "object"}),
        (
            {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string"}}},
            {"properties": {"a": {"type": "string"}}},
        ),
        (
            {"properties": {"a": {"$ref": "#/definitions/A/items"}}, "definitions": {"A": {"items": {"enum": [1]}}}},
            {"properties": {"a": {"enum": [1]}}},
        ),
        (
            {
                "items": {"$ref": "#/$defs/A", "description": "mine"},
                "$defs": {"A": {"enum": [1], "title": "A"}},
            },
            {"items": {"enum": [1], "title": "A", "description": "mine"}},
        ),
        (
            {"items": {"$ref": "#/$defs/A", "minLength": 2}, "$defs": {"A": {"type": "string"}}},
            {"items": {"allOf": [{"type": "string"}], "minLength": 2}},
        ),
        (
            {"anyOf": [{"$ref": "#/anyOf/1"}, {"const": {"$ref": "#/nothing"}}]},
            {"anyOf": [{"const": {"$ref": "#/nothing"}}, {"const": {"$ref": "#/nothing"}}]},
        ),
        (
            {"properties": {"$defs": {}, "$ref": {}, "a": {"$ref": "#/properties/b~1c%20d"}, "b/c d": {"enum": [1]}}},
            {"properties": {"$defs": {}, "$ref": {}, "a": {"enum": [1]}, "b/c d": {"enum": [1]}}},
        ),
        ({"items": {"$ref": "https://example.org/a.json"}}, {"items": {"$ref": "https://example.org/a.json"}}),
        (
            {"items": {"$ref": "#/$defs/A"}, "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"type": "null"}}},
            {"items": {"type": "null"}},
        ),
        (
            {"type": "object", "properties": {"me": {"$ref": "#"}}},
            {"type": "object", "properties": {"me": {"type": "object", "properties": {"me": AGAIN}}}},
        ),
    ],
)
def test_what_a_reference_names_takes_its_place(schema: Any, without: Any) -> None:
    before = json.dumps(schema)
    assert inlined("f", schema) == without
    assert json.dumps(schema) == before


def test_a_recursion_is_cut_where_it_begins_again_and_says_so() -> None:
    schema = {"type": "object", "properties": {"tree": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": NODE}}
    tree: Any = inlined("f", schema)["properties"]["tree"]
    again = {"type": "object", "description": "Again of the form of Node, in which this stands."}
    assert tree["properties"]["next"]["anyOf"] == [again, {"type": "null"}]
    assert tree["properties"]["next"]["default"] == {"$ref": "data of the user's"}
    Schema("f", inlined("f", schema)).check({"tree": {"name": "a", "next": {"name": "b", "next": {"name": "c"}}}})


def test_what_cannot_be_unfolded_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"of f refers to #/\$defs/B, which is not in it"):
        inlined("f", {"items": {"$ref": "#/$defs/B"}, "$defs": {"A": {}}})
    with pytest.raises(ConfigurationError, match="which is not in it"):
        inlined("f", {"items": [{"$ref": "#/items/7"}]})
    doubling: dict[str, Any] = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
    with pytest.raises(ConfigurationError, match=f"of f has more than {MOST} parts"):
        inlined("f", {"items": {"$ref": "#/$defs/d0"}, "$defs": {**doubling, "d40": {}}})


def bound(contract: Contract) -> Binding:
    schema: Any = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string"}}}
    spec = ToolSpec(BoundTool("f", "d", "read", exclusive=False, has_reconcile=False), "F.", schema)
    return Binding("a", "m", "", (spec,), Settings(), contract, Limits(), "1")


@pytest.mark.parametrize("way", ["chat", "responses"])
def test_the_row_says_what_is_sent(way: Any) -> None:
    keep = Contract(id="x", wire=way)
    kept, without = (wire.head(bound(row)).decode() for row in (keep, replace_row(keep, schema_refs="inline")))
    assert '"$defs":{"A"' in kept
    assert "$" not in without
    assert '"properties":{"a":{"type":"string"}}' in without
    assert without == wire.head(bound(replace_row(keep, schema_refs="inline"))).decode()


def replace_row(row: Contract, **fields: Any) -> Contract:
    return row.model_copy(update=fields)


def test_rows_that_ask_for_it() -> None:
    assert {row.id for row in contracts.rows() if row.schema_refs == "inline"} == {"gemini-openai"}
    assert {row.id: row.tool_parts for row in contracts.rows() if row.tool_parts} == {
        "openai-responses": ("image", "file")
    }
