"""All that can be called becomes a tool, and gets what the model sends. Annotations are texts here, as with PEP 563."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from agentkit.errors import ConfigurationError
from agentkit.tools import Outcome, Tool, ToolContext, tool
from agentkit.tools.annotations import code_of, returned_by
from agentkit.tools.dispatch import Dispatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.tools.conftest import MakeJob

NEW_YEAR = date(2027, 1, 1)


class Shop:
    """A shop."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find(self, day: date, *, order_id: str = "7") -> str:
        """Find an order."""
        return f"{self.name} {day:%d.%m.%y} {order_id}"

    async def find_later(self, day: date, ctx: ToolContext[int]) -> str:
        """Find an order later."""
        return f"{self.name} {day:%d.%m.%y} {ctx.deps}"

    async def __call__(self, day: date) -> str:
        """Ask the shop."""
        return self.find(day)

    @classmethod
    def opened(cls, day: date) -> str:
        """Tell whether it is open."""
        return f"{cls.__name__} {day:%d.%m.%y}"

    @staticmethod
    def closed(day: date) -> str:
        """Tell whether it is closed."""
        return f"{day:%d.%m.%y}"


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


@wrapped
def decorated(day: date) -> str:
    """Say a day."""
    return f"{day:%d.%m.%y}"


async def three(ctx: ToolContext[int], shop: str, day: date, order_id: str = "7") -> str:
    """Find an order in a shop.

    Args:
        shop: which shop
        day: which day
        order_id: which order
    """
    return f"{shop} {day:%d.%m.%y} {order_id} {ctx.deps}"


@dataclass
class Day:
    """A day."""

    day: date


SHOP = Shop("ours")
CALLED: dict[str, tuple[Callable[..., Any], list[str], str]] = {
    "method": (SHOP.find, ["day", "order_id"], "ours 01.01.27 7"),
    "async method": (SHOP.find_later, ["day"], "ours 01.01.27 9"),
    "object": (SHOP, ["day"], "ours 01.01.27 7"),
    "class method": (Shop.opened, ["day"], "Shop 01.01.27"),
    "static method": (SHOP.closed, ["day"], "01.01.27"),
    "decorated": (decorated, ["day"], "01.01.27"),
    "partial by name": (functools.partial(three, shop="x", order_id="8"), ["day"], "x 01.01.27 8 9"),
    "partial of a method": (functools.partial(SHOP.find, order_id="8"), ["day"], "ours 01.01.27 8"),
    "partial of a partial": (
        functools.partial(functools.partial(three, shop="x"), order_id="8"),
        ["day"],
        "x 01.01.27 8 9",
    ),
    "partial of an object": (functools.partial(SHOP), ["day"], "ours 01.01.27 7"),
    "class": (Day, ["day"], '{"day":"2027-01-01"}'),
}


@pytest.mark.anyio
@pytest.mark.parametrize("name", CALLED)
async def test_all_that_can_be_called(name: str, make_job: MakeJob) -> None:
    function, names, said = CALLED[name]
    made: Tool[Any, ..., Any] = tool(effect="read", name="call")(function)
    assert list(made.inputs.schema["properties"]) == names  # type: ignore[arg-type]  # a mapping
    ended: Any = await Dispatch([made]).run(make_job("call", {"day": "2027-01-01"}, deps=9))
    assert (ended.parts[0].text, ended.failed) == (said, False)


def test_what_a_partial_has_bound_is_not_the_models_to_fill() -> None:
    made = tool(effect="read", name="call")(functools.partial(three, shop="x"))
    properties: Any = made.inputs.schema["properties"]
    assert {name: each["description"] for name, each in properties.items()} == {
        "day": "which day",
        "order_id": "which order",
    }
    assert made.inputs.description == "Find an order in a shop."


def test_a_bound_method_has_a_reconcile() -> None:
    class Desk:
        async def pay(self, day: date) -> str:
            return str(day)

        async def was_paid(self, day: date) -> Outcome[str]:
            return Outcome.happened(str(day))

    desk = Desk()
    paying = tool(effect="once")(desk.pay)
    paying.reconcile(desk.was_paid)
    assert paying.spec.bound.has_reconcile


def test_static_methods_may_be_decorated_in_the_class() -> None:
    class Desk:
        @tool(effect="read")
        @staticmethod
        def above(day: date) -> str:
            return str(day)

        @staticmethod
        @tool(effect="read")
        def below(day: date) -> str:
            return str(day)

    assert Desk.above(NEW_YEAR) == Desk.below(NEW_YEAR) == "2027-01-01"
    assert Desk.above.inputs.schema == Desk.below.inputs.schema


class Yields:
    def __call__(self, day: date) -> Iterator[date]:
        yield day


class YieldsToo:
    async def __call__(self, day: date) -> AsyncIterator[date]:
        yield day


@pytest.mark.parametrize(
    ("function", "way_out"),
    [
        (Shop.find, r'`tool\(effect="read"\)\(shop.find\)`'),
        (Shop.__dict__["opened"], "above @classmethod"),
        (Yields(), "context.progress"),
        (functools.partial(YieldsToo()), "context.progress"),
    ],
)
def test_what_is_no_tool_is_refused_with_the_way_out(function: Any, way_out: str) -> None:
    with pytest.raises(ConfigurationError, match=way_out):
        tool(effect="read", name="call")(function)


def test_what_a_function_returns() -> None:
    assert returned_by(functools.partial(SHOP.find, order_id="7")) is str
    assert returned_by(SHOP) is str
    assert code_of(decorated).__name__ == "decorated"
    with pytest.raises(ConfigurationError, match="write it, as in `-> Order`"):
        returned_by(functools.partial(lambda: 1))
