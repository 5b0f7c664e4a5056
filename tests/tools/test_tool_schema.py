"""JSON Schema from hints and docstrings, and the way back to Python values."""

import dataclasses
import enum
import functools
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AfterValidator, BaseModel, Field, JsonValue
from typing_extensions import TypedDict

from agentkit.errors import ConfigurationError
from agentkit.tools import ToolContext
from agentkit.tools.arguments import BadArguments
from agentkit.tools.schema import difference, inputs_of


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    street: str
    zip: str = Field(title="Zip code", description="five digits")


class Node(BaseModel):
    name: str
    children: list["Node"] = []


@dataclasses.dataclass
class Item:
    sku: str
    title: str
    count: int = 1


class Range(TypedDict):
    low: int
    high: int


def google(order_id: str, amount: Annotated[int, Field(description="in cents")] = 5) -> None:
    """Refund an order.

    Only once.

    Args:
        order_id: which order,
            as printed on the parcel
        amount: never shown, for Field says it better

    Returns:
        Nothing of interest.
    """


def numpy(order_id: str, first: int, second: int) -> None:
    """Refund an order.

    Only once.

    Parameters
    ----------
    order_id : str
        which order, as printed on the parcel
    first, second : int
        two of a kind
    """


def rest(order_id: str, amount: int) -> None:
    """Refund an order.

    Only once.

    :param order_id: which order, as printed on the parcel
    :param int amount: how much
    """


@pytest.mark.parametrize("function", [google, numpy, rest])
def test_docstring_in_three_styles(function: Callable[..., None]) -> None:
    inputs = inputs_of(function)
    assert inputs.description == "Refund an order.\n\nOnly once."
    properties: Any = inputs.schema["properties"]
    assert properties["order_id"]["description"] == "which order, as printed on the parcel"


def test_field_description_stays() -> None:
    properties: Any = inputs_of(google).schema["properties"]
    assert properties["amount"]["description"] == "in cents"


def test_numpy_describes_two_parameters_at_once() -> None:
    properties: Any = inputs_of(numpy).schema["properties"]
    assert properties["first"]["description"] == properties["second"]["description"] == "two of a kind"


def test_a_docstring_of_no_style_is_the_description_and_strangers_are_left_out() -> None:
    def odd(a: int) -> None:
        """Refund.

        :raises
        """

    def outdated(a: int) -> None:
        """Refund.

        Args:
            b: was removed
        """

    assert inputs_of(odd).description == "Refund.\n\n:raises"
    assert inputs_of(outdated).schema["properties"] == {"a": {"type": "integer"}}


def test_no_docstring() -> None:
    def silent(a: int) -> None: ...

    assert inputs_of(silent).description == ""


def test_whole_schema() -> None:
    assert inputs_of(google).schema == {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "order_id": {"type": "string", "description": "which order, as printed on the parcel"},
            "amount": {"type": "integer", "description": "in cents", "default": 5},
        },
        "required": ["order_id"],
    }


def test_titles_go_but_a_property_named_title_stays() -> None:
    def sell(title: str, address: Address, item: Item, extra: dict[str, Any] = {"title": "x"}) -> None: ...  # noqa: B006

    schema: Any = inputs_of(sell).schema
    assert schema["properties"]["title"] == {"type": "string"}
    assert schema["properties"]["extra"]["default"] == {"title": "x"}
    assert "title" in schema["$defs"]["Item"]["properties"]
    assert schema["$defs"]["Address"]["properties"]["zip"] == {"type": "string", "description": "five digits"}
    assert "title" not in schema["$defs"]["Address"]
    assert "title" not in schema


def test_names_no_python_attribute_could_have() -> None:
    def odd(schema: int, _hidden: Decimal, model_config: date, json: list[str], copy: str = "c") -> None: ...

    inputs = inputs_of(odd)
    given = {"schema": 1, "_hidden": "1.10", "model_config": "2026-01-31", "json": ["a"]}
    assert list(inputs.schema["properties"]) == [*given, "copy"]  # type: ignore[arg-type]
    assert inputs.convert(given) == {
        "schema": 1,
        "_hidden": Decimal("1.10"),
        "model_config": date(2026, 1, 31),
        "json": ["a"],
        "copy": "c",
    }


def everything(  # noqa: PLR0913, PLR0917 - one of each
    colour: Colour,
    when: datetime,
    lasting: timedelta,
    uid: UUID,
    pair: tuple[int, str],
    some: set[int],
    address: Address,
    item: Item,
    tree: Node,
    span: Range,
    price: float,
    how: Literal["a", 1] = "a",
    maybe: date | None = None,
    made: Annotated[list[date], Field(default_factory=list)] = ...,
    fielded: int = Field(default=3, gt=1),
) -> None: ...


UID = "12345678-1234-5678-1234-567812345678"
CONVERTED: list[tuple[str, Any, Any]] = [
    ("colour", "blue", Colour.BLUE),
    ("when", "2026-01-31T10:00:00Z", datetime(2026, 1, 31, 10, tzinfo=UTC)),
    ("lasting", "PT1H", timedelta(hours=1)),
    ("uid", UID, UUID(UID)),
    ("pair", [1, "x"], (1, "x")),
    ("some", [1, 2], {1, 2}),
    ("address", {"street": "s", "zip": "z"}, Address(street="s", zip="z")),
    ("item", {"sku": "1", "title": "t"}, Item("1", "t")),
    ("tree", {"name": "a", "children": [{"name": "b"}]}, Node(name="a", children=[Node(name="b")])),
    ("span", {"low": 1, "high": 2}, {"low": 1, "high": 2}),
    ("price", 3, 3.0),
]


def test_conversion_of_everything() -> None:
    values = inputs_of(everything).convert({name: given for name, given, _ in CONVERTED} | {"made": ["2026-01-31"]})
    assert values == {name: wanted for name, _, wanted in CONVERTED} | {
        "how": "a",
        "maybe": None,
        "made": [date(2026, 1, 31)],
        "fielded": 3,
    }
    assert isinstance(values["price"], float)


def test_plain_parameters_keep_half_a_surrogate_pair() -> None:
    def say(  # noqa: PLR0913, PLR0917 - one of each
        text: str,
        told: Annotated[str, Field(description="d")],
        many: list[str],
        free: dict[str, Any],
        anything: Any,
        json: JsonValue,
        maybe: str | None,
        day: date,
    ) -> None: ...

    half = "\ud800"
    given = {
        "text": half,
        "told": half,
        "many": [half],
        "free": {half: half},
        "anything": half,
        "json": [half],
        "maybe": half,
        "day": "2026-01-31",
    }
    assert inputs_of(say).convert(given) == given | {"day": date(2026, 1, 31)}


def test_half_a_surrogate_pair_in_a_converted_text_is_refused_with_words() -> None:
    def say(text: Annotated[str, Field(min_length=1)]) -> None: ...

    with pytest.raises(BadArguments, match="surrogate"):
        inputs_of(say).convert({"text": "\ud800"})


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (float, "3"),
        (Decimal, True),
        (date, "2026-02-30"),
        (date, "1700000000x"),
        (UUID, "nope"),
        (tuple[int, int], [1]),
    ],
)
def test_what_no_schema_can_say_is_refused(hint: Any, value: Any) -> None:
    def take(a: Any) -> None: ...

    take.__annotations__["a"] = hint
    with pytest.raises(BadArguments) as caught:
        inputs_of(take).convert({"a": value})
    assert caught.value.kind == "schema"
    assert caught.value.problems[0].startswith("`a")


def test_a_users_validator_speaks_and_a_broken_one_only_refuses() -> None:
    def even(value: int) -> int:
        if value == 7:
            raise KeyError(value)
        if value % 2:
            raise ValueError("must be even")
        return value

    def take(a: Annotated[int, AfterValidator(even)]) -> None: ...

    inputs = inputs_of(take)
    assert inputs.convert({"a": 2}) == {"a": 2}
    with pytest.raises(BadArguments, match="must be even"):
        inputs.convert({"a": 1})
    with pytest.raises(BadArguments, match=r"could not be converted \(KeyError\)"):
        inputs.convert({"a": 7})


def test_a_default_that_is_no_json_is_not_told_and_still_given() -> None:
    marker = object()

    def take(a: Any = marker, b: Annotated[str, AfterValidator(str.upper)] = marker) -> None: ...  # type: ignore[assignment]

    inputs = inputs_of(take)
    assert inputs.schema["properties"] == {"a": {}, "b": {"type": "string"}}
    values = inputs.convert({})
    assert values["a"] is marker


@pytest.mark.parametrize(
    "hint", ["ToolContext", "ToolContext[Shop]", "agentkit.ToolContext[Shop]", ToolContext, ToolContext[int]]
)
@pytest.mark.parametrize("place", [0, 1])
def test_the_context_is_known_by_its_annotation(hint: Any, place: int) -> None:
    def first(ctx: Any, order_id: str) -> None: ...

    def last(order_id: str, ctx: Any) -> None: ...

    function = (first, last)[place]
    function.__annotations__["ctx"] = hint
    inputs = inputs_of(function)
    assert inputs.context == "ctx"
    assert inputs.schema["properties"] == {"order_id": {"type": "string"}}


def test_an_annotated_context_and_one_by_keyword() -> None:
    def keyword(order_id: str, *, ctx: Annotated[ToolContext[int], "note"]) -> None: ...

    assert inputs_of(keyword).context == "ctx"


def test_partials_and_bound_methods_fall_out() -> None:
    class Shop:
        def find(self, order_id: str) -> str:
            """Find."""
            return order_id

    assert list(inputs_of(Shop().find).schema["properties"]) == ["order_id"]  # type: ignore[arg-type]
    bound = functools.partial(google, "7")
    assert list(inputs_of(bound).schema["properties"]) == ["amount"]  # type: ignore[arg-type]


def _bare(a) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001


def _args(*a: int) -> None: ...


def _kwargs(**a: int) -> None: ...


def _positional(a: int, /) -> None: ...


def _two(a: ToolContext, b: ToolContext[int]) -> None: ...


def _callable(a: Callable[[], int]) -> None: ...


def _class(a: int) -> None: ...


_class.__annotations__["a"] = type("Own", (), {})


def _missing(a: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "way_out"),
    [
        (_bare, "`a: str`"),
        (_args, r"`\*a: int` cannot be filled"),
        (_kwargs, "Name each argument"),
        (_positional, "Name each argument"),
        (_two, "keep one"),
        (_callable, "no JSON Schema"),
        (_class, "_class: a parameter's type has no JSON Schema"),
        (_missing, "outside `if TYPE_CHECKING`"),
    ],
)
def test_what_no_model_can_fill_is_refused_with_the_way_out(function: Callable[..., Any], way_out: str) -> None:
    with pytest.raises(ConfigurationError, match=way_out):
        inputs_of(function)


def test_differences_of_parameters() -> None:
    def one(ctx: ToolContext, a: int) -> None: ...

    def same(ctx: ToolContext, a: int) -> None: ...

    def order(a: int, ctx: ToolContext) -> None: ...

    def hint(ctx: ToolContext, a: str) -> None: ...

    def context(ctx: int, a: int) -> None: ...

    mine = inputs_of(one)
    assert difference(mine, inputs_of(same)) == ""
    assert "(ctx, a), not (a, ctx)" in difference(mine, inputs_of(order))
    assert "`a` has different annotations" in difference(mine, inputs_of(hint))
    assert "`ctx` is a ToolContext in one" in difference(mine, inputs_of(context))
