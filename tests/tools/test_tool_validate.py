"""Raw arguments against the schema: argument, rule, value."""

import enum
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from agentkit.errors import ConfigurationError
from agentkit.tools.arguments import BadArguments
from agentkit.tools.judged import Judged
from agentkit.tools.schema import inputs_of
from agentkit.tools.validate import Schema


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Address(BaseModel, extra="forbid"):
    zip: str


def order(  # noqa: PLR0913, PLR0917 - one of each
    order_id: str,
    amount: int,
    price: float = 1.0,
    size: Size | None = None,
    address: Address | None = None,
    mark: str | int = "",
    tags: Annotated[set[str], Field(min_length=1, max_length=2)] = frozenset(),  # type: ignore[assignment]
    score: Annotated[float, Field(ge=0, lt=10)] = 0,
    rank: Annotated[int, Field(gt=0, le=5, multiple_of=2)] = 2,
    code: Annotated[str, Field(min_length=2, max_length=3, pattern="^[a-z]+$")] = "ab",
    kind: Literal["a", "b"] = "a",
    fixed: Literal["x"] = "x",
    when: str = Field(default="", json_schema_extra={"format": "date-time"}),
    day: str = Field(default="", json_schema_extra={"format": "date"}),
) -> None: ...


SCHEMA = Judged("order", inputs_of(order).schema)
GOOD: dict[str, Any] = {"order_id": "7", "amount": 1}


def problems(**changed: Any) -> tuple[str, ...]:
    with pytest.raises(BadArguments) as caught:
        SCHEMA.check(GOOD | changed)
    assert caught.value.kind == "schema"
    return caught.value.problems


UNIQUE = Schema("unique", {"type": "object", "properties": {"a": {"uniqueItems": True}}}, typed=False)


def test_items_are_compared_in_no_more_time_than_it_takes_to_read_them() -> None:
    begun = time.thread_time()
    UNIQUE.check({"a": [{"k": each} for each in range(5_000)]})
    assert time.thread_time() - begun < 5, "each with each takes minutes, in which the loop stands still"


@pytest.mark.parametrize(
    ("items", "unique"),
    [
        ([1, 1.0], False),
        ([1, True], True),
        ([{"a": 1, "b": [2.0]}, {"b": [2], "a": 1}], False),
        (["1", 1, "x", '"x', "[", []], True),
        (["1", 1, "x", "x"], False),
        ("aa", True),
    ],
)
def test_items_are_equal_as_json_is(items: Any, unique: bool) -> None:  # noqa: FBT001 - a table
    if unique:
        UNIQUE.check({"a": items})
    else:
        with pytest.raises(BadArguments, match="must not hold an item twice"):
            UNIQUE.check({"a": items})


def test_a_number_that_no_float_can_hold_is_refused_and_breaks_nothing() -> None:
    schema = Schema("parts", {"type": "object", "properties": {"a": {"multipleOf": 0.01}}}, typed=False)
    with pytest.raises(BadArguments, match="cannot be compared"):
        schema.check({"a": 10**400})


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"amount": "1"}, '`amount` must be an integer, not "1"'),
        ({"amount": 1.0}, "`amount` must be an integer, not 1.0"),
        ({"amount": True}, "`amount` must be an integer, not true"),
        ({"order_id": None}, "`order_id` must be a string, not null"),
        ({"price": "3"}, '`price` must be a number, not "3"'),
        ({"price": True}, "`price` must be a number, not true"),
        ({"size": "m"}, '`size` must be one of "s", "l", not "m"'),
        ({"address": {"zip": 1}}, "`address.zip` must be a string, not 1"),
        ({"address": {}}, "`address.zip` is missing"),
        ({"address": {"zip": "1", "no": 1}}, "`address.no` is no parameter (known: zip)"),
        ({"address": 3}, "`address` must be Address or null, not 3"),
        ({"mark": []}, "`mark` must be a string or an integer, not []"),
        ({"tags": []}, "`tags` must have at least 1 items, not []"),
        ({"tags": ["a", "b", "c"]}, '`tags` must have at most 2 items, not ["a", "b", "c"]'),
        ({"tags": ["a", "a"]}, '`tags` must not hold an item twice, not ["a", "a"]'),
        ({"tags": ["a", 1]}, "`tags[1]` must be a string, not 1"),
        ({"score": -1}, "`score` must be at least 0, not -1"),
        ({"score": 10}, "`score` must be less than 10, not 10"),
        ({"rank": 0}, "`rank` must be more than 0, not 0"),
        ({"rank": 6}, "`rank` must be at most 5, not 6"),
        ({"rank": 3}, "`rank` must be a multiple of 2, not 3"),
        ({"code": "a"}, '`code` must have at least 2 characters, not "a"'),
        ({"code": "abcd"}, '`code` must have at most 3 characters, not "abcd"'),
        ({"code": "A1"}, '`code` must match the pattern ^[a-z]+$, not "A1"'),
        ({"kind": "c"}, '`kind` must be one of "a", "b", not "c"'),
        ({"fixed": "y"}, '`fixed` must be "x", not "y"'),
        ({"when": "1700000000"}, '`when` must be a valid date-time, not "1700000000"'),
        ({"day": "2026-02-30"}, '`day` must be a valid date, not "2026-02-30"'),
        ({"nonsense": 1}, "`nonsense` is no parameter (known: order_id, amount, "),
    ],
)
def test_one_problem(changed: dict[str, Any], problem: str) -> None:
    (told,) = problems(**changed)
    assert told.startswith(problem)


def test_good_arguments() -> None:
    SCHEMA.check(GOOD | {"price": 3, "size": None, "when": "2026-01-31T10:00:00Z", "address": {"zip": "1"}})


def test_all_that_is_missing_is_told_once() -> None:
    with pytest.raises(BadArguments) as caught:
        SCHEMA.check({})
    assert caught.value.problems == ("`order_id` is missing", "`amount` is missing")


def test_at_most_five_problems_are_told() -> None:
    assert len(problems(amount="1", price="", size=1, mark=[], tags=[], score=-1, rank=0, code="")) == 5


def check(schema: dict[str, Any], value: Any) -> str:
    with pytest.raises(BadArguments) as caught:
        Judged("any", schema).check(value)
    return caught.value.problems[0]


def test_less_usual_rules() -> None:
    assert check({"not": {}}, {}) == "they must obey not: {}, not {}"
    assert check({"oneOf": [{"type": "object"}, {"minProperties": 0}]}, {}).startswith("they must be exactly one of")
    assert check({"properties": {"a": {"anyOf": [{"const": 1}, {"enum": [2, 3]}]}}}, {"a": 4}).startswith(
        "`a` must be 1"
    )
    assert check({"additionalProperties": {"type": "string"}}, {"a": 1}) == "`a` must be a string, not 1"


def test_recursive_schema_and_deep_value() -> None:
    schema: dict[str, Any] = {"$defs": {"n": {"properties": {"a": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"}
    deep: dict[str, Any] = {}
    for _ in range(sys.getrecursionlimit()):
        deep = {"a": deep}
    with pytest.raises(BadArguments) as caught:
        Schema("tree", schema).check(deep)
    assert caught.value.kind == "malformed"


def test_a_schema_that_is_none() -> None:
    with pytest.raises(ConfigurationError, match="odd are no valid JSON Schema"):
        Schema("odd", {"type": "strnig"})


def test_a_pattern_python_cannot_read_is_told_when_the_agent_is_made() -> None:
    with pytest.raises(ConfigurationError, match="no valid JSON Schema"):
        Schema("odd", {"properties": {"a": {"pattern": "["}}})


def test_nothing_is_fetched() -> None:
    asked: list[str] = []

    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with pytest.raises(ConfigurationError, match="nothing is fetched"):
            Schema("far", {"$ref": f"http://127.0.0.1:{server.server_port}/schema.json"}).check({})
        server.shutdown()
        thread.join()
    assert asked == []


VALUES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-3, 12) | st.floats(-3, 12) | st.text(max_size=4) | st.just([])
)
GIVEN = st.dictionaries(
    st.sampled_from(["order_id", "amount", "price", "size", "mark", "score", "rank", "code", "kind", "more"]), VALUES
)
PLAIN = Draft202012Validator(dict(inputs_of(order).schema))


@given(GIVEN)
def test_the_verdict_is_jsonschemas_but_for_whole_floats(value: dict[str, Any]) -> None:
    whole = any(isinstance(each, float) and each.is_integer() for each in value.values())
    told = attempt(value)
    assert len(told) <= 10
    assert (not told) is PLAIN.is_valid(value) or (whole and told)


def attempt(value: dict[str, Any]) -> tuple[str, ...]:
    try:
        SCHEMA.check(value)
    except BadArguments as bad:
        return bad.problems
    return ()
