"""Read by mypy, never run: what of tools is a type error (each `type: ignore` here is one) and what is not."""

# ruff: noqa: ARG001 - nothing here runs
from collections.abc import Coroutine, Sequence
from typing import Any, assert_type

from agentkit import Agent, MemoryJournal, Model, Outcome, Result, Session, Tool, ToolContext, tool


class Shop:
    """Some deps."""


class BookShop(Shop):
    """More of them."""


class Bank:
    """Others."""


@tool(effect="read")
async def now(zone: str) -> str:
    return zone


@tool(effect="read")
def add(one: int, *, other: int = 1) -> int:
    return one + other


@tool(effect="once", needs_approval=True)
async def refund(ctx: ToolContext[Shop], order_id: str) -> str:
    return order_id


@tool(effect="once")
def pay(ctx: ToolContext[Shop], amount: int) -> int:
    return amount


@tool(effect="once")
async def book(ctx: ToolContext[Bank], amount: int) -> int:
    return amount


@tool(effect="idempotent")
async def log(ctx: ToolContext, text: str) -> None: ...


# A tool has the type of its function.
asked: Tool[Shop, ..., Coroutine[Any, Any, str]] = refund
told: Tool[object, ..., Coroutine[Any, Any, str]] = now
when: Coroutine[Any, Any, str] = now("CET")
refunded: Coroutine[Any, Any, str] = refund(ToolContext(Shop()), order_id="7")
assert_type(add(1, other=2), int)
assert_type(pay(ToolContext(Shop()), 3), int)
add("1")  # type: ignore[arg-type]
add(1, 2)  # type: ignore[call-arg]
pay(ToolContext(Bank()), 3)  # type: ignore[arg-type]

# Tools are contravariant in deps: one that asks for less fits where there is more, and not the other way round.
shop: Sequence[Tool[Shop, ..., Any]] = [now, add, refund, pay, log]
bookshop: Sequence[Tool[BookShop, ..., Any]] = [now, refund, *shop]
nothing: Sequence[Tool[None, ..., Any]] = [now, add, log]
wrong: Sequence[Tool[Shop, ..., Any]] = [now, book]  # type: ignore[list-item]
less: Sequence[Tool[object, ..., Any]] = [refund]  # type: ignore[list-item]


# A reconcile has the tool's parameters and an outcome of its result, for tools sync and async.
@refund.reconcile
async def was_refunded(ctx: ToolContext[Shop], order_id: str) -> Outcome[str]:
    return Outcome.happened(order_id) if order_id else Outcome.not_happened()


@pay.reconcile
async def was_paid(ctx: ToolContext[Shop], amount: int) -> Outcome[int]:
    return Outcome.unknown() if amount else Outcome.not_happened()


@refund.reconcile  # type: ignore[arg-type]
async def wrong_outcome(ctx: ToolContext[Shop], order_id: str) -> Outcome[int]:
    return Outcome.happened(1)


@pay.reconcile  # type: ignore[arg-type]
async def wrong_outcome_of_a_sync_tool(ctx: ToolContext[Shop], amount: int) -> Outcome[str]:
    return Outcome.happened("1")


@refund.reconcile  # type: ignore[arg-type]
async def wrong_parameters(ctx: ToolContext[Shop], amount: int) -> Outcome[str]:
    return Outcome.happened("1")


@refund.reconcile  # type: ignore[arg-type]
async def no_outcome(ctx: ToolContext[Shop], order_id: str) -> str:
    return order_id


@refund.reconcile  # type: ignore[arg-type]
def not_async(ctx: ToolContext[Shop], order_id: str) -> Outcome[str]:
    return Outcome.happened(order_id)


assert_type(Outcome.happened(3), Outcome[int])


# The decorator: an effect is a must.
@tool  # type: ignore[call-overload]
def bare(a: int) -> int:
    return a


@tool()  # type: ignore[call-overload, untyped-decorator]
def no_effect(a: int) -> int:
    return a


@tool(effect="write")  # type: ignore[call-overload, untyped-decorator]
def no_such_effect(a: int) -> int:
    return a


# What an agent answers is what its results hold.
typed = Agent("deepseek-flash", output_type=Shop)
assert_type(typed, Agent[object, Shop])


def takes_text(text: str) -> None: ...


async def answers(deps: None) -> None:
    assert_type((await typed.run("hi")).output, Shop)
    assert_type((await Agent("deepseek-flash").run("hi")).output, str)
    assert_type((await Agent("deepseek-flash", output_type=list[int]).run("hi")).output, list[int])
    async with Session(typed, "s", journal=MemoryJournal(), deps=deps) as session:
        assert_type((await session.run("hi")).output, Shop)
        assert_type(await (session.stream("hi")).result(), Result[Shop])
        takes_text((await session.resume()).output)  # type: ignore[arg-type]


# The models of an agent: one, or several in their order, each a Model or a name.
Agent("deepseek-flash")
Agent(["deepseek-flash", Model("m", base_url="http://127.0.0.1")])
Agent((Model("m", base_url="http://127.0.0.1"), Model("n", base_url="http://127.0.0.1")))
Agent([1])  # type: ignore[list-item]
Agent(None)  # type: ignore[arg-type]
