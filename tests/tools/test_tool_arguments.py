"""Raw argument strings, read strictly."""

import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentkit.tools.arguments import BadArguments, fingerprint, quoted, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(st.characters(exclude_categories=())), JSON, max_size=5)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(OBJECTS)
def test_every_object_is_read_as_it_is(value: dict[str, Any]) -> None:
    assert read(json.dumps(value, ensure_ascii=False)) == value


@given(st.text() | JSON.map(json.dumps) | OBJECTS.map(lambda value: json.dumps(value)[:-1]))
def test_any_text_is_an_object_or_malformed(raw: str) -> None:
    value = attempt(raw)
    if isinstance(value, BadArguments):
        assert value.kind == "malformed"
        assert len(value.told("find")) < 400
    else:
        assert not raw.strip() or json.loads(raw) == value


def attempt(raw: str) -> dict[str, Any] | BadArguments:
    try:
        return read(raw)
    except BadArguments as bad:
        return bad


@pytest.mark.parametrize("raw", ["", " ", "\n"])
def test_nothing_means_no_arguments(raw: str) -> None:
    assert read(raw) == {}


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 2}}', 'the key "c" is there twice'),
        ('{"a": NaN}', "NaN is not"),
        ('{"a": Infinity}', "Infinity is not"),
        ('{"a": [-Infinity]}', "-Infinity is not"),
        ('{"a": 1e999}', "1e999 is too large"),
        ('{"a": -1e999}', "-1e999 is too large"),
        ('{"a": ' + "9" * 5000 + "}", "too many digits"),
        ("[1]", "an object is needed, not [1]"),
        ("null", "an object is needed, not null"),
        ('"{}"', 'an object is needed, not "{}"'),
        ('{"a": 1', "at character 7"),
        ("{'a': 1}", "at character 1"),
        ('{"a": 1} {"a": 2}', "Extra data"),
        ('{"a":' * 100_000, "nested too deep"),
    ],
)
def test_malformed(raw: str, problem: str) -> None:
    with pytest.raises(BadArguments) as caught:
        read(raw)
    assert caught.value.kind == "malformed"
    assert problem in caught.value.told("find")
    assert "exactly one JSON object" in caught.value.told("find")


@given(OBJECTS)
def test_equal_arguments_have_one_fingerprint(value: dict[str, Any]) -> None:
    turned = dict(reversed(value.items()))
    assert fingerprint(value) == fingerprint(turned)
    assert len(fingerprint(value)) == 22


@given(OBJECTS, OBJECTS)
def test_different_arguments_have_two(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (fingerprint(one) == fingerprint(other)) is same


def test_too_deep_for_a_fingerprint() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    with pytest.raises(BadArguments, match="nested too deep"):
        fingerprint(deep)


def test_quoted_values_are_short_and_utf8() -> None:
    assert quoted("é\ud800") == '"é\\ud800"'
    assert len(quoted("x" * 10_000)) == 81
    assert quoted(math.pi) == "3.141592653589793"
