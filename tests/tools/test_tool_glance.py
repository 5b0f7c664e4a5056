"""What is seen at a glance to fit a schema does fit it, and everyday schemas are seen through."""

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from agentkit.tools.glance import glance
from agentkit.tools.judged import Judged
from agentkit.tools.schema import inputs_of

_NAMES = st.sampled_from(["a", "b", "é", "\ud800"])
_FEW = st.integers(-1, 3)
_LENGTH = st.integers(0, 3)


def _either(*kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(*kinds)


def _node(kind: str, **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"type": st.just(kind)}, optional=optional)


def _around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return _either(
        _node("array", items=inner, minItems=_LENGTH, maxItems=_LENGTH),
        _node(
            "object",
            properties=st.dictionaries(_NAMES, inner, max_size=3),
            required=st.lists(_NAMES, max_size=2, unique=True),
            additionalProperties=_either(st.booleans(), inner),
            description=st.just("an object"),
        ),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}, optional={"default": st.none()}),
    )


SCHEMAS = st.recursive(
    _either(
        st.sampled_from([{}, True, {"type": "null"}, {"type": "boolean"}, {"type": ["string", "null"]}, {"enum": [1]}]),
        _node("integer", minimum=_FEW, maximum=_FEW, exclusiveMinimum=_FEW, exclusiveMaximum=_FEW),
        _node("number", minimum=_FEW),
        _node("string", minLength=_LENGTH, maxLength=_LENGTH),
        _node("string", enum=st.lists(_either(_NAMES, _FEW), min_size=1, max_size=3)),
    ),
    _around,
    max_leaves=5,
)
LEAVES: list[Any] = [None, True, 0, 1, 2, 3, 2**70, 0.0, 1.0, 2.5, "", "a", "b", "é", "1", "long", "\ud800"]
INNER = [*LEAVES, [], [1], {}, {"a": 1}]
VALUES = [
    *LEAVES,
    *([], ["a", "a"], [1, 1.0], [1, 2, 3, 4], {}, {"a": 1, "b": 2, "é": 3}, {"\ud800": 1}),
    *([each] for each in INNER),
    *({"a": each} for each in INNER),
    *({"a": "b", "b": each} for each in INNER),
]


def _bare(kind: str, **rules: Any) -> dict[str, Any]:
    return {"type": kind, **rules}


EACH: list[Any] = [
    *map(_bare, ("array", "boolean", "integer", "null", "number", "object", "string")),
    *(_bare("integer", **{rule: 1}) for rule in ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum")),
    *(_bare("array", **{rule: 1}) for rule in ("maxItems", "minItems")),
    *(_bare("string", **{rule: 1}) for rule in ("maxLength", "minLength")),
    _bare("number", maximum=1),
    _bare("array", items=_bare("integer")),
    _bare("string", enum=["a", "b"]),
    _bare("string", enum=["a", 1]),
    _bare("object", properties={"a": _bare("integer")}),
    _bare("object", required=["a"]),
    _bare("object", additionalProperties=_bare("integer")),
    _bare("object", properties={"a": {"anyOf": [_bare("null"), _bare("string")]}}, required=["a"]),
    _bare("object", properties={"a": _bare("integer")}, additionalProperties=False),
]


@pytest.mark.parametrize("schema", EACH, ids=str)
def test_no_rule_is_laxer_than_the_schema(schema: Any) -> None:
    judge(schema)


@given(SCHEMAS)
def test_no_rules_together_are_laxer_than_the_schema(schema: Any) -> None:
    judge(schema)


def judge(schema: Any) -> None:
    quick = glance(schema)
    for value in VALUES if quick is not None else ():
        if quick is not None and quick(value):
            assert Draft202012Validator(schema).is_valid(value), value
            assert Draft7Validator(schema).is_valid(value), value


def typed(
    page: int,
    word: str,
    *,
    share: float = 0,
    flag: bool = False,
    kind: Literal["a", "b"] = "a",
    several: list[str] | None = None,
) -> None: ...


GIVEN = {"page": 1, "word": "x", "share": 0.5, "flag": True, "kind": "b", "several": ["y"]}


@pytest.mark.parametrize("more", [{}, {"several": None}, {"share": 1}, {"page": 2**70}])
def test_everyday_arguments_are_seen_to_fit(more: dict[str, Any]) -> None:
    quick = glance(inputs_of(typed).schema)
    assert quick is not None
    assert quick(GIVEN | more)


@pytest.mark.parametrize(
    "more", [{"page": True}, {"page": 1.0}, {"page": "1"}, {"word": 1}, {"flag": 1}, {"kind": "c"}, {"other": 1}]
)
def test_nothing_is_coerced(more: dict[str, Any]) -> None:
    quick = glance(inputs_of(typed).schema)
    assert quick is not None
    assert not quick(GIVEN | more)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "string", "format": "date"},
        {"type": "string", "pattern": "a"},
        {"type": "number", "maximum": 2**53},
        {"type": "integer", "multipleOf": 2},
        {"type": "integer", "maximum": 2.5},
        {"type": "array", "uniqueItems": True},
        {"type": "object", "required": ["a"]},
        {"type": "object", "properties": {"\ud800": {"type": "null"}}},
        {"$schema": "http://json-schema.org/draft-04/schema#", "type": "null"},
        {"$ref": "#/$defs/a"},
        False,
    ],
)
def test_of_what_it_cannot_tell_it_says_nothing(part: Any) -> None:
    assert glance({"type": "object", "properties": {"a": part}}) is None


def test_an_old_draft_is_left_to_jsonschema() -> None:
    old = "http://json-schema.org/draft-04/schema#"
    assert Judged("old", {"$schema": old, "type": "object"}).quick is None
    assert Judged("new", {"type": "object"}).quick is not None
