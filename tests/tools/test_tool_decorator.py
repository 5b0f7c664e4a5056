"""`@tool(...)`: what it makes, and what it says where it cannot."""

import functools
import inspect
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

import agentkit
from agentkit.errors import ConfigurationError
from agentkit.tools import Outcome, Tool, ToolContext, tool
from agentkit.tools.decorator import tool as same_tool


@tool(effect="once")
async def refund(ctx: ToolContext[int], order_id: str, amount: int = 1) -> str:
    """Refund an order."""
    return f"{order_id}: {amount} of {ctx.deps}"


@pytest.mark.anyio
async def test_a_tool_is_called_like_its_function() -> None:
    assert await refund(ToolContext(9), "7", amount=3) == "7: 3 of 9"
    assert refund.name == refund.function.__name__ == "refund"
    assert refund.__doc__ == "Refund an order."
    assert list(inspect.signature(refund).parameters) == ["ctx", "order_id", "amount"]
    assert repr(refund) == "<Tool refund (once)>"


@pytest.mark.anyio
async def test_a_context_of_a_test_needs_only_deps() -> None:
    seen: list[str] = []
    await ToolContext("deps").progress("half")
    await ToolContext("deps", on_progress=seen.append).progress("half")
    assert seen == ["half"]
    assert ToolContext("deps").idempotency_key


def make(**declared: Any) -> Tool[Any, ..., Any]:
    def find(order_id: str) -> str:
        """Find."""
        return order_id

    fields: dict[str, Any] = {"effect": "read"} | declared
    return tool(**fields)(find)


@pytest.mark.parametrize(("effect", "alone"), [("read", False), ("idempotent", False), ("once", True)])
def test_once_is_exclusive_unless_it_says_otherwise(effect: str, alone: bool) -> None:  # noqa: FBT001
    assert make(effect=effect).spec.bound.exclusive is alone
    assert make(effect=effect, exclusive=not alone).spec.bound.exclusive is not alone


def test_the_digest_covers_what_is_told_and_relied_on() -> None:
    def rule(order_id: str) -> bool:
        return order_id == "7"

    variants = [
        make(),
        make(effect="idempotent"),
        make(effect="once"),
        make(exclusive=True),
        make(needs_approval=True),
        make(needs_approval=rule),
        make(needs_approval=functools.partial(rule)),
        make(name="other"),
        refund,
    ]
    digests = [each.digest for each in variants]
    assert len(set(digests)) == len(digests)
    assert all(len(each) == 22 for each in digests)
    assert make().digest == make(timeout=3, no_effect=(ValueError,)).digest


def test_the_digest_is_the_same_in_every_process() -> None:
    assert make().digest == "8haPJx-ouUhoic37Hf2UKg"


def test_the_spec_says_whether_there_is_a_reconcile() -> None:
    @tool(effect="once")
    async def pay(amount: int) -> int:
        return amount

    before = pay.spec

    @pay.reconcile
    async def was_paid(amount: int) -> Outcome[int]:
        return Outcome.happened(amount)

    assert (before.bound.has_reconcile, pay.spec.bound.has_reconcile) == (False, True)
    assert before.bound.digest == pay.spec.bound.digest


@pytest.mark.parametrize(
    ("declared", "way_out"),
    [
        ({"effect": "write"}, 'write `@tool\\(effect="read"\\)`'),
        ({"needs_approval": "always"}, "use True, False, 'defer', or a function"),
        ({"needs_approval": anyio.sleep}, "Drop async"),
        ({"needs_approval": lambda amount: amount > 1}, "`amount` is none of the tool's \\(order_id\\)"),
        ({"no_effect": ValueError}, "tuple of exception classes"),
        ({"no_effect": (KeyboardInterrupt,)}, "tuple of exception classes"),
        ({"timeout": 0}, "seconds above 0"),
        ({"timeout": float("nan")}, "seconds above 0"),
        ({"timeout": float("inf")}, "seconds above 0"),
        ({"name": "find order"}, "1 to 64 letters"),
        ({"name": ""}, "1 to 64 letters"),
        ({"name": "x" * 65}, "1 to 64 letters"),
    ],
)
def test_values_that_cannot_work(declared: dict[str, Any], way_out: str) -> None:
    with pytest.raises(ConfigurationError, match=way_out):
        make(**declared)


def test_without_parentheses_or_effect() -> None:
    with pytest.raises(TypeError, match=r'write `@tool\(effect="read"\)`'):
        tool(refund.function)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r'write `@tool\(effect="read"\)`'):
        tool()  # type: ignore[call-overload]


def test_a_rule_may_take_everything_or_have_defaults() -> None:
    assert make(needs_approval=lambda **_: True).declared.needs_approval
    assert make(needs_approval=lambda order_id, limit=3: bool(order_id and limit)).declared.needs_approval


def _yields(a: int) -> Iterator[int]:
    yield a


def _yields_not(a: int) -> int:
    return a


async def _yields_too(a: int) -> AsyncIterator[int]:
    yield a


@pytest.mark.parametrize(
    ("function", "way_out"),
    [
        (_yields, "context.progress"),
        (_yields_too, "context.progress"),
        (lambda: 1, 'name="find_order"'),
        (functools.partial(_yields_not, 3), "cannot be a tool's name"),
        (functools.partial(int, "3"), "wrap it in a function"),
        (3, "decorates a function, not 3"),
    ],
)
def test_what_is_no_tool(function: Callable[..., Any], way_out: str) -> None:
    with pytest.raises(ConfigurationError, match=way_out):
        tool(effect="read")(function)


def test_reconcile_belongs_to_once_tools() -> None:
    async def check(order_id: str) -> Outcome[str]:
        return Outcome.happened(order_id)

    with pytest.raises(ConfigurationError, match="simply run again"):
        make().reconcile(check)
    fits = make(effect="once")
    fits.reconcile(check)
    assert fits.check is check
    with pytest.raises(ConfigurationError, match="twice"):
        fits.reconcile(check)


def test_reconcile_has_exactly_the_tools_parameters() -> None:
    async def other(order_id: int) -> Outcome[str]:
        return Outcome.happened(str(order_id))

    def plain(order_id: str) -> Outcome[str]:
        return Outcome.happened(order_id)

    with pytest.raises(ConfigurationError, match="exactly the parameters of find: `order_id` has different"):
        make(effect="once").reconcile(other)
    with pytest.raises(ConfigurationError, match="write `async def`"):
        make(effect="once").reconcile(plain)  # type: ignore[arg-type]


def test_the_names_are_the_decorator_and_not_the_module_of_its_name() -> None:
    assert agentkit.tool is same_tool
    assert agentkit.tools.tool is same_tool
    assert agentkit.Tool is Tool


def test_importing_tools_does_not_load_jsonschema() -> None:
    program = "import sys, agentkit.tools.tool, agentkit; agentkit.tool; print('jsonschema' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"
