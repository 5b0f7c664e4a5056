"""What the model sends reaches the function as the right Python value: JSON of a value gives back the value."""

import dataclasses
import enum
import string
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, NewType, NotRequired, TypeAlias
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel, create_model
from typing_extensions import TypeAliasType, TypedDict

from agentkit.tools.arguments import BadArguments, read
from agentkit.tools.judged import Judged
from agentkit.tools.schema import Inputs, inputs_of


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Point(NamedTuple):
    x: int
    name: str = "here"


@dataclasses.dataclass
class Item:
    sku: str
    when: date
    raw: bytes = b""
    more: "list[Item]" = dataclasses.field(default_factory=list)


class Range(TypedDict):
    low: Decimal
    high: NotRequired[Decimal]


class Node(BaseModel):
    name: str
    at: datetime | None = None
    children: list["Node"] = []


class Coded(BaseModel):
    model_config = ConfigDict(val_json_bytes="base64", ser_json_bytes="base64")
    data: bytes


Ids = RootModel[list[UUID]]
OrderId = NewType("OrderId", int)
Plain: TypeAlias = dict[str, list[int]]
Tree = TypeAliasType("Tree", "list[Tree] | int")

_zones: Any = st.none() | st.integers(-840, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_days = st.dates(date(1, 1, 1))
_moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=_zones)  # noqa: DTZ001
_spans = st.timedeltas(timedelta(days=-900_000), timedelta(days=900_000))
_decimals = st.decimals(-(10**20), 10**20, allow_nan=False, places=9)
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_items: Any = st.recursive(
    st.builds(Item, _texts, _days, st.binary(max_size=5)),
    lambda inner: st.builds(Item, _texts, _days, st.binary(max_size=5), st.lists(inner, max_size=2)),
    max_leaves=4,
)
_nodes: Any = st.recursive(
    st.builds(Node, name=_texts, at=st.none() | _moments),
    lambda inner: st.builds(Node, name=_texts, at=st.none() | _moments, children=st.lists(inner, max_size=2)),
    max_leaves=4,
)

TYPES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "str": (str, _texts),
    "int": (int, st.integers(-(10**30), 10**30)),
    "bool": (bool, st.booleans()),
    "float": (float, st.floats(allow_nan=False, allow_infinity=False)),
    "None": (None, st.none()),
    "bytes": (bytes, st.binary(max_size=20)),
    "long bytes": (Annotated[bytes, Field(min_length=5, max_length=6)], st.binary(min_size=5, max_size=6)),
    "date": (date, _days),
    "datetime": (datetime, _moments),
    "time": (time, st.times()),
    "timedelta": (timedelta, _spans),
    "uuid": (UUID, st.uuids()),
    "decimal": (Decimal, _decimals),
    "literal": (Literal["a", 1, True], st.sampled_from(["a", 1, True])),
    "enum": (Colour, st.sampled_from(Colour)),
    "int enum": (Level, st.sampled_from(Level)),
    "optional": (date | None, st.none() | _days),
    "union": (int | str | list[float], st.integers() | _texts),
    "union of classes": (Item | Node, _items | _nodes),
    "list": (list[date], st.lists(_days, max_size=3)),
    "sequence": (Sequence[int], st.lists(st.integers(), max_size=3)),
    "tuple": (tuple[int, date], st.tuples(st.integers(), _days)),
    "tuple of many": (tuple[UUID, ...], st.lists(st.uuids(), max_size=3).map(tuple)),
    "set": (set[date], st.sets(_days, max_size=3)),
    "frozenset": (frozenset[str], st.frozensets(_texts, max_size=3)),
    "dict": (dict[str, date], st.dictionaries(_texts, _days, max_size=3)),
    "mapping": (Mapping[str, int], st.dictionaries(_texts, st.integers(), max_size=3)),
    "dict by number": (dict[int, str], st.dictionaries(st.integers(-99, 99), _texts, max_size=3)),
    "dict by day": (dict[date, int], st.dictionaries(_days, st.integers(), max_size=3)),
    "any": (Any, st.recursive(st.none() | st.booleans() | st.integers() | _texts, lambda x: st.lists(x, max_size=2))),
    "json": (JsonValue, st.dictionaries(_texts, st.integers() | st.none(), max_size=3)),
    "annotated": (Annotated[int, Field(ge=3, description="three or more")], st.integers(3)),
    "pattern": (Annotated[str, Field(pattern="^[a-z]+$")], st.text(string.ascii_lowercase, min_size=1)),
    "named tuple": (Point, st.builds(Point, st.integers(), _texts)),
    "dataclass": (Item, _items),
    "typed dict": (Range, st.fixed_dictionaries({"low": _decimals}, optional={"high": _decimals})),
    "model": (Node, _nodes),
    "model with base64": (Coded, st.builds(Coded, data=st.binary(max_size=5))),
    "root model": (Ids, st.lists(st.uuids(), max_size=3).map(Ids)),
    "new type": (OrderId, st.integers()),
    "alias": (Plain, st.dictionaries(_texts, st.lists(st.integers(), max_size=2), max_size=2)),
    "recursive alias": (Tree, st.recursive(st.integers(), lambda x: st.lists(x, max_size=2), max_leaves=4)),
    "path": (PurePosixPath, st.sampled_from([PurePosixPath("a/b"), PurePosixPath("/")])),
    "address": (IPv4Address, st.ip_addresses(v=4)),
    "fraction": (Fraction, st.fractions(max_denominator=99)),
}


def takes(hint: Any) -> Inputs:
    def function(a: Any) -> None: ...

    function.__annotations__["a"] = hint
    return inputs_of(function)


def sent(inputs: Inputs, arguments: str) -> Any:
    """Return what the function gets where a model writes these arguments."""
    given = read(arguments)
    Judged("function", inputs.schema).check(given)
    return inputs.convert(given)["a"]


@pytest.mark.parametrize("name", TYPES)
def test_json_of_a_value_gives_back_the_value(name: str) -> None:
    hint, values = TYPES[name]
    inputs = takes(hint)
    writer = create_model("Given", __config__=ConfigDict(ser_json_bytes="base64"), a=(hint, ...))

    @given(values)
    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def each(value: Any) -> None:
        got = sent(inputs, writer.model_construct(a=value).model_dump_json())
        assert got == value
        assert type(got) is type(value)

    each()


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (int, '"1"'),
        (int, "1.0"),
        (int, "true"),
        (str, "1"),
        (bool, "1"),
        (bool, '"yes"'),
        (float, '"1.5"'),
        (float, "true"),
        (date, "20000"),
        (date, '"2026-01-31T00:00:00"'),
        (datetime, '"1700000000"'),
        (datetime, '"2026-01-31"'),
        (time, "3600"),
        (time, '"3600"'),
        (timedelta, "3600"),
        (timedelta, '"3600"'),
        (UUID, "1"),
        (Decimal, "true"),
        (Decimal, '"NaN"'),
        (bytes, '"not base64!"'),
        (bytes, "[1]"),
        (Annotated[bytes, Field(max_length=2)], '"AAAA"'),
        (Colour, '"RED"'),
        (Level, "3"),
        (Literal[1], "true"),
        (list[int], "{}"),
        (set[int], "[1, 1]"),
        (tuple[int, str], "[1]"),
        (dict[int, str], '{"x": "a"}'),
        (Point, "[]"),
        (Item, '{"sku": "s", "when": "2026-01-31", "color": "red"}'),
        (Node, '{"name": "n", "children": [{"name": "n", "colour": 1}]}'),
        (Range, '{"low": 1, "middle": 2}'),
        (Ids, '["x"]'),
    ],
)
def test_nothing_is_coerced_and_nothing_is_dropped(hint: Any, value: str) -> None:
    with pytest.raises(BadArguments):
        sent(takes(hint), f'{{"a": {value}}}')


class Tolerant(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: str


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str


def test_a_class_that_says_what_becomes_of_unknown_properties_is_heard() -> None:
    assert sent(takes(Tolerant), '{"a": {"name": "n", "more": 1}}') == Tolerant(name="n")
    assert sent(takes(Open), '{"a": {"name": "n", "more": 1}}').model_extra == {"more": 1}


def test_bytes_are_base64_of_either_alphabet() -> None:
    inputs = takes(bytes)
    assert inputs.schema["properties"] == {"a": {"type": "string", "contentEncoding": "base64"}}
    assert sent(inputs, '{"a": "+/8="}') == sent(inputs, '{"a": "-_8="}') == b"\xfb\xff"


def test_lazy_items_are_what_was_sent() -> None:
    assert list(sent(takes(Iterable[date]), '{"a": ["2026-01-31"]}')) == [date(2026, 1, 31)]
