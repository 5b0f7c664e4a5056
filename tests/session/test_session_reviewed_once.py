"""A `once` effect happens once, whatever ends at the wrong moment: a thread that comes late, a cancel, a twin."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit import Agent, MemoryJournal, Outcome, Session, ToolContext, tool
from agentkit.events import CallResolved
from agentkit.tools.running import lives
from tests.session.desk import Played, Till, asks, facts_of, file, session_of, until

pytestmark = pytest.mark.anyio

PAY = ("pay", {"order": "7"})


@dataclass
class Bank:
    """A world whose payments are made by a thread, when the gate opens."""

    gate: threading.Event = field(default_factory=threading.Event)
    paid: list[str] = field(default_factory=list)
    error: Exception | None = None
    key: str = ""


@pytest.fixture
def bank() -> Iterator[Bank]:
    bank = Bank()
    yield bank
    bank.gate.set()


@tool(effect="once", timeout=0.1, exclusive=False)
def pay(ctx: ToolContext[Bank], order: str) -> str:
    """Pay an order."""
    bank = ctx.deps
    bank.key = ctx.idempotency_key
    bank.gate.wait(20)
    bank.paid.append(order)
    if bank.error is not None:
        raise bank.error
    return f"paid {order}"


def banking(model: Played, bank: Bank, *tools: Any) -> Session[Bank, str]:
    return Session(Agent(model, tools=[pay, *tools], deps_type=Bank), "s", journal=MemoryJournal(), deps=bank)


async def unknown_of(session: Session[Any, Any]) -> Any:
    """Wait for the call nobody knows the outcome of."""
    found: list[Any] = []

    async def there() -> bool:
        status = await session.status()
        found[:] = status.unknowns if status else ()
        return bool(found)

    await until(there)
    return found[0]


# --- threads that end late -------------------------------------------------------------------------------------------


async def test_a_late_success_that_nobody_has_taken_yet_keeps_its_call_from_starting_again(bank: Bank) -> None:
    go = anyio.Event()

    @tool(effect="read")
    async def other(ctx: ToolContext[Bank]) -> str:
        """Do something else, and let the thread end while the loop is busy."""
        await go.wait()
        ctx.deps.gate.set()
        while lives(ctx.deps.key):
            time.sleep(0.005)  # noqa: ASYNC251 - the loop must be busy: both outcomes wait when it looks again
        return "ok"

    model = Played(asks(PAY, ("other", {})), "done")
    async with banking(model, bank, other) as session, anyio.create_task_group() as tasks:
        tasks.start_soon(session.run, "go")
        await session.resolve(await unknown_of(session), Outcome.not_happened(), by="ann")
        await until(lambda: facts_of(session, CallResolved))
        go.set()
    assert bank.paid == ["7"]


async def test_a_late_failure_of_unknown_effect_takes_back_that_it_did_not_happen(bank: Bank) -> None:
    bank.error = ConnectionError("the line broke after the effect")
    async with banking(Played(asks(PAY), "done"), bank) as session:
        unknown = (await session.run("go")).unknowns[0]
        await session.resolve(unknown, Outcome.not_happened(), by="ann")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.resume)
            await until(lambda: facts_of(session, CallResolved))
            assert bank.paid == []
            bank.gate.set()
        assert bank.paid == ["7"]
        assert (await session.resume()).unknowns, "a person is asked again"


# --- cancelled by asyncio itself -------------------------------------------------------------------------------------


async def test_a_native_cancel_during_the_claim_leaves_no_lease_behind(tmp_path: Path) -> None:
    async with session_of(Played("one", "two"), file(tmp_path)) as session:
        await session.run("a", id="m1")
        await session.say("b", id="m2")
        other = _writing(tmp_path)
        task = asyncio.create_task(session.resume())
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.sleep(0.05)
        other.close()
        with pytest.raises(asyncio.CancelledError):
            await task
        with anyio.fail_after(3):
            assert (await session.resume()).output == "two"


async def test_a_wait_for_that_gives_up_during_the_claim_leaves_no_lease_behind(tmp_path: Path) -> None:
    async with session_of(Played("one", "two"), file(tmp_path)) as session:
        await session.run("a", id="m1")
        await session.say("b", id="m2")
        other = _writing(tmp_path)
        asyncio.get_running_loop().call_later(0.25, other.close)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(session.resume(), 0.1)
        await asyncio.sleep(0.25)
        with anyio.fail_after(3):
            assert (await session.resume()).output == "two"


def _writing(folder: Path) -> sqlite3.Connection:
    """Return another program's connection in the middle of a transaction; closing it rolls back."""
    other = sqlite3.connect(folder / "desk.db", isolation_level=None)
    other.execute("begin immediate")
    return other


@pytest.mark.parametrize("turns", range(12))
async def test_a_native_cancel_in_any_turn_of_the_loop_after_an_effect_ends_the_run(turns: int) -> None:
    running: list[asyncio.Task[Any]] = []
    paid: list[str] = []

    @tool(effect="once", name="pay")
    async def cancelled_soon(order: str) -> str:
        """Pay an order, and let the caller be cancelled some turns of the loop later."""
        paid.append(order)
        _after(turns, running[0].cancel)
        return f"paid {order}"

    journal = MemoryJournal()
    session = Session(Agent(Played(asks(PAY), "done"), tools=[cancelled_soon]), "s", journal=journal)
    running.append(asyncio.create_task(session.run("go", id="m1")))
    _, pending = await asyncio.wait(running, timeout=1)
    for task in pending:
        task.cancel()
        await asyncio.wait(running, timeout=1)
    assert not pending, "the run hangs"
    async with Session(Agent(Played(asks(PAY), "done"), tools=[cancelled_soon]), "s", journal=journal) as again:
        await again.run("go", id="m1")
    assert paid == ["7"]


def _after(turns: int, call: Any) -> None:
    loop = asyncio.get_running_loop()
    if turns:
        loop.call_soon(_after, turns - 1, call)
    else:
        loop.call_soon(call)


# --- equal calls -----------------------------------------------------------------------------------------------------


async def test_a_call_that_did_not_happen_does_not_start_again_while_its_twin_is_unknown() -> None:
    keys: list[str] = []

    @tool(effect="once", name="pay", exclusive=False)
    async def breaks_twice(ctx: ToolContext[Till], order: str) -> str:
        """Pay an order."""
        keys.append(ctx.idempotency_key)
        if len(keys) <= 2:
            raise ConnectionError
        return f"paid {order}"

    @breaks_twice.reconcile
    async def was_paid(ctx: ToolContext[Till], order: str) -> Outcome[str]:  # noqa: ARG001 - as the tool's
        return Outcome.not_happened() if ctx.idempotency_key.endswith(".1") else Outcome.unknown()

    async with session_of(Played(asks(PAY, PAY), "done"), MemoryJournal(), Till(), breaks_twice) as session:
        result = await session.run("go")
    assert len(keys) == 2
    assert result.status == "waiting"
