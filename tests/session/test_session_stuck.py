"""Nothing keeps a session from coming to rest: hung reconciles and threads, callers who leave, big results."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit import Limits, MemoryJournal, Outcome, Session, ToolContext, tool
from agentkit.events import CallResolved, InboxRefused, ToolStarted
from agentkit.testing import Died, FaultyJournal
from tests.session.desk import Played, Till, asks, facts_of, file, lose_the_line, refund, session_of, told, until

pytestmark = pytest.mark.anyio

PAY = asks(("refund", {"order": "7"}))


def hung_reconcile() -> Any:
    """Return a `once` tool whose reconcile never answers."""

    @tool(effect="once", name="refund")
    async def pay(ctx: ToolContext[Till], order: str) -> str:
        return await ctx.deps.pay(ctx.idempotency_key, order)

    @pay.reconcile
    async def was_paid(ctx: ToolContext[Till], order: str) -> Outcome[str]:
        ctx.deps.asked += 1
        await anyio.sleep(60)
        return Outcome.happened(order)

    return pay


async def rests(session: Session[Any, Any]) -> Any:
    with anyio.fail_after(8):
        return await session.resume()


async def test_a_hung_reconcile_ends_when_the_turn_is_cancelled() -> None:
    till = Till(trouble=lose_the_line)
    async with session_of(Played(PAY, "done"), MemoryJournal(), till, hung_reconcile()) as session:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.run, "go")
            await until(lambda: till.asked)
            await session.cancel(by="ann")
            with anyio.move_on_after(8) as scope:
                await until(lambda: facts_of(session, CallResolved))
            tasks.cancel_scope.cancel()
        assert not scope.cancelled_caught
        status = await session.status()
        assert status
        await session.resolve(status.unknowns[0], Outcome.happened("paid 7"), by="ann")
        assert (await rests(session)).status == "cancelled"
    assert till.done == ["7"]


async def test_a_hung_reconcile_ends_at_the_limit_of_seconds() -> None:
    till = Till(trouble=lose_the_line)
    limits = Limits(seconds=0.3)
    async with session_of(Played(PAY, "done"), MemoryJournal(), till, hung_reconcile(), limits=limits) as session:
        with anyio.move_on_after(8) as scope:
            result = await session.run("go")
        assert not scope.cancelled_caught
        assert result.status == "waiting"
        await session.resolve(result.unknowns[0], Outcome.happened("paid 7"), by="ann")
        assert (await rests(session)).status == "limit"


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()


def blocking(gate: threading.Event) -> Any:
    @tool(effect="once", timeout=0.1, name="refund")
    def pay(ctx: ToolContext[Till], order: str) -> str:
        ctx.deps.done.append(order)
        gate.wait(20)
        return f"paid {order}"

    return pay


@pytest.mark.parametrize("how", ["cancel", "limit"])
async def test_a_thread_that_blocks_the_next_try_does_not_keep_an_ending_turn(how: str, gate: threading.Event) -> None:
    till = Till()
    limits = Limits(seconds=0.6 if how == "limit" else None)
    async with session_of(Played(PAY, "done"), MemoryJournal(), till, blocking(gate), limits=limits) as session:
        (unknown,) = (await session.run("go")).unknowns
        await session.resolve(unknown, Outcome.not_happened(), by="ann")
        results: list[Any] = []

        async def resume() -> None:
            results.append(await session.resume())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(resume)
            await anyio.sleep(0.2)
            if how == "cancel":
                await session.cancel(by="bob")
            with anyio.move_on_after(6):
                await until(lambda: results)
            tasks.cancel_scope.cancel()
        assert results, "it came to rest"
        assert results[0].unknowns, "it is known that the call waits for a person"
    assert till.done == ["7"]


async def test_a_caller_who_leaves_does_not_take_anothers_message_along() -> None:
    began = anyio.Event()

    async def slowly(_: object) -> str:
        began.set()
        await anyio.sleep(0.2)
        return "one"

    model = Played(slowly, "two")
    outputs: list[str] = []
    async with session_of(model, MemoryJournal()) as session:

        async def first() -> None:
            with anyio.CancelScope() as scope:
                scopes.append(scope)
                await session.run("first", id="m1")

        async def second() -> None:
            outputs.append((await session.run("second", id="m2")).output)

        scopes: list[anyio.CancelScope] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first)
            await began.wait()
            tasks.start_soon(second)
            await anyio.sleep(0.05)
            scopes[0].cancel()
        assert outputs == ["two"]
        assert (await session.run("first", id="m1")).output == "one"


@pytest.mark.parametrize("size", [65_535, 65_537, 300_000])
async def test_a_large_result_reaches_the_model_whole_also_after_a_restart(size: int, tmp_path: Path) -> None:
    @tool(effect="read", result_limit=200_000)
    async def read_it() -> str:
        """Read a lot."""
        return "é" * (size // 2) + "x" * (size % 2)

    one, two = Played(asks(("read_it", {})), "done"), Played(asks(("read_it", {})), "done", "again")
    async with session_of(one, file(tmp_path), Till(), read_it) as session:
        await session.run("go")
    async with session_of(two, file(tmp_path), Till(), read_it) as session:
        await session.run("again?")
    (first,), (second,) = told(one.requests[-1]), told(two.requests[-1])
    assert first == second == "é" * (size // 2) + "x" * (size % 2)


async def test_a_call_lost_with_its_process_again_and_again_is_given_up_as_failed() -> None:
    journal, till, model = MemoryJournal(), Till(), Played(asks(("look_", {"order": "7"})), "done")

    @tool(effect="read")
    async def look_(ctx: ToolContext[Till], order: str) -> str:
        ctx.deps.done.append(order)
        raise Died

    for _ in range(3):
        faulty = FaultyJournal(journal)
        with pytest.raises((Died, BaseExceptionGroup)):
            async with session_of(model, faulty, till, look_) as session:
                await session.run("go", id="m1")
        await faulty.bury()
    async with session_of(model, journal, till, look_) as session:
        assert (await session.run("go", id="m1")).output == "done"
        assert len(await facts_of(session, ToolStarted)) == 3
    assert "the process died each time" in told(model.requests[-1])[0]


async def test_answers_in_a_row_are_decided_while_nobody_drives_and_taken_in_order() -> None:
    calls = asks(*(("refund", {"order": str(n)}) for n in range(5)))
    till, model = Till(), Played(calls, "done")
    tools = refund(needs_approval=True, exclusive=False)
    async with session_of(model, MemoryJournal(), till, tools) as session:
        approvals = (await session.run("go")).approvals
        for number, approval in enumerate(approvals):
            if number % 2:
                await session.deny(approval, by="ann", reason=f"no {number}")
            else:
                await session.approve(approval, by="ann")
        assert (await session.resume()).output == "done"
        assert not await facts_of(session, InboxRefused)
    assert sorted(till.done) == ["0", "2", "4"]
    assert [words[:4] for words in told(model.requests[-1])] == ["paid", "Not ", "paid", "Not ", "paid"]
