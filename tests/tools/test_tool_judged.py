"""A schema that is known to be a good one is compiled when it is first used; any other is judged at once."""

import sys
from typing import Any

import pytest

from agentkit.errors import ConfigurationError
from agentkit.tools.arguments import BadArguments
from agentkit.tools.judged import Judged

PLAIN: list[Any] = [
    True,
    {},
    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"},
    {"$schema": "http://json-schema.org/draft-07/schema", "type": "object"},
    {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
    {"properties": {"a": {"pattern": "^x"}}},
]
OTHERS: list[Any] = [
    {"$schema": "http://json-schema.org/draft-04/schema#", "type": "object"},
    {"$schema": "urn:of-its-own", "type": "object"},
    {"minProperties": 1},
]
BAD: list[tuple[Any, str]] = [
    ({"type": "objekt"}, "objekt"),
    ({"properties": {"a": {"pattern": "("}}}, "a pattern that is not usable"),
    ({"required": "a"}, "is not of type 'array'"),
    ({"$schema": 7}, "is not of type 'string'"),
    ({"$schema": ["draft"]}, "is not of type 'string'"),
]


@pytest.mark.parametrize("schema", PLAIN)
def test_a_plain_schema_is_compiled_when_it_is_used(schema: Any) -> None:
    judged = Judged("look", schema)
    assert "compiled" not in vars(judged)
    judged.compiled.check({"a": 1})
    assert "compiled" in vars(judged)


def test_what_is_seen_to_fit_needs_nothing_compiled() -> None:
    judged = Judged("look", PLAIN[2])
    judged.check({"a": 1})
    assert "compiled" not in vars(judged)
    with pytest.raises(BadArguments, match="integer"):
        judged.check({"a": "x"})


@pytest.mark.parametrize("schema", OTHERS)
def test_any_other_one_is_judged_at_once(schema: Any) -> None:
    assert "compiled" in vars(Judged("look", schema))


@pytest.mark.parametrize(("schema", "why"), BAD)
def test_a_bad_one_is_refused_at_once(schema: Any, why: str) -> None:
    with pytest.raises(ConfigurationError, match=f"the parameters of look are no valid JSON Schema: .*({why})"):
        Judged("look", schema)


def test_one_nested_too_deep_is_refused_at_once() -> None:
    schema: dict[str, Any] = {}
    for _ in range(sys.getrecursionlimit()):
        schema = {"items": schema}
    with pytest.raises(ConfigurationError, match="the parameters of look are nested too deep"):
        Judged("look", schema)


def test_types_count_where_they_are_python_s() -> None:
    whole = {"properties": {"a": {"type": "integer"}}}
    Judged("look", whole, typed=False).compiled.check({"a": 1.0})
    with pytest.raises(BadArguments, match="integer"):
        Judged("look", whole).compiled.check({"a": 1.0})
