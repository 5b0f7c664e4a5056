"""Threads that were given up, barriers, calls at the same time, and outcomes that wait to be recorded."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit import Agent, MemoryJournal, Outcome, Session, ToolContext, ToolError, tool
from agentkit.core.events import UserSaid
from agentkit.core.messages import Text, text_of
from agentkit.driver import POLL
from agentkit.events import ToolFinished, ToolStarted
from agentkit.inbox import body_of
from agentkit.journal.base import Appended, Batch, Lease
from agentkit.tools.running import strays
from tests.session.desk import Played, Till, asks, facts_of, file, refund, session_of, told, until

pytestmark = pytest.mark.anyio

PAY = asks(("pay", {"order": "7"}))


@dataclass
class Bank:
    """A blocking client: `pay` does not return before the gate is opened."""

    gate: threading.Event = field(default_factory=threading.Event)
    began: threading.Event = field(default_factory=threading.Event)
    paid: list[str] = field(default_factory=list)
    raises: Exception | None = None


@pytest.fixture
def bank() -> Iterator[Bank]:
    bank = Bank()
    yield bank
    bank.gate.set()


@tool(effect="once", timeout=0.1)
def pay(ctx: ToolContext[Bank], order: str) -> str:
    """Pay, blocking the thread."""
    ctx.deps.began.set()
    ctx.deps.gate.wait(20)
    if ctx.deps.raises is not None:
        raise ctx.deps.raises
    ctx.deps.paid.append(order)
    return f"paid {order} late"


def at(bank: Bank, journal: Any, *turns: Any) -> tuple[Session[Bank, str], Played]:
    model = Played(*(turns or (PAY, "done")))
    agent = Agent(model, tools=[pay], deps_type=Bank)
    return Session(agent, "s", journal=journal, deps=bank), model


async def test_a_thread_that_never_returns_is_unknown_and_not_repeated(bank: Bank) -> None:
    session, model = at(bank, MemoryJournal())
    result = await session.run("pay 7")
    assert "timed out" in result.unknowns[0].why
    for _ in range(2):
        assert (await session.resume()).unknowns
    assert len(await facts_of(session, ToolStarted)) == 1
    assert len(model.requests) == 1


async def test_the_late_result_of_an_abandoned_thread_is_recorded_at_the_next_resume(bank: Bank) -> None:
    session, model = at(bank, MemoryJournal())
    assert (await session.run("pay 7")).unknowns
    bank.gate.set()
    await until(lambda: bank.paid)
    await anyio.sleep(0.05)
    assert (await session.resume()).output == "done"
    assert told(model.requests[-1]) == ["paid 7 late"]
    assert bank.paid == ["7"]


async def test_the_late_proof_that_nothing_happened_is_recorded_too(bank: Bank) -> None:
    bank.raises = ToolError("no such account")
    session, model = at(bank, MemoryJournal())
    assert (await session.run("pay 7")).unknowns
    bank.gate.set()
    await anyio.sleep(0.1)
    assert (await session.resume()).output == "done"
    assert told(model.requests[-1]) == ["no such account"]


async def test_a_late_result_is_not_lost_when_the_session_was_left_before(bank: Bank, tmp_path: Path) -> None:
    session, model = at(bank, file(tmp_path))
    async with session:
        assert (await session.run("pay 7", id="m1")).unknowns
    bank.gate.set()
    await until(lambda: bank.paid)
    await anyio.sleep(0.05)
    session, model = at(bank, file(tmp_path))
    async with session:
        assert (await session.run("pay 7", id="m1")).output == "done"
    assert told(model.requests[-1]) == ["paid 7 late"]
    assert bank.paid == ["7"]


async def test_a_late_result_that_came_just_before_the_session_was_left_is_handed_over(
    bank: Bank, tmp_path: Path
) -> None:
    session, model = at(bank, file(tmp_path))
    async with session:
        assert (await session.run("pay 7", id="m1")).unknowns
        bank.gate.set()
        await until(lambda: bank.paid)
        await anyio.sleep(0.05)
    session, model = at(bank, file(tmp_path))
    async with session:
        assert (await session.run("pay 7", id="m1")).output == "done"
    assert told(model.requests[-1]) == ["paid 7 late"]


@pytest.mark.parametrize("others", [0, 14])
async def test_a_late_result_is_recorded_while_the_same_drive_is_at_something_else(bank: Bank, others: int) -> None:
    @tool(effect="once", exclusive=False, timeout=0.1)
    def pays(ctx: ToolContext[Bank]) -> str:
        return pay.function(ctx, "7")

    @tool(effect="read")
    async def watch(ctx: ToolContext[Bank]) -> str:
        await until(ctx.deps.began.is_set)
        await anyio.sleep(0.3)  # by then the payment has timed out
        ctx.deps.gate.set()
        await until(lambda: ctx.deps.paid)
        await anyio.sleep(3 * POLL)
        return "saw it"

    @tool(effect="read")
    async def tick(n: int) -> str:
        await anyio.sleep(0.2 * n)
        return "tick"

    ticks = [("tick", {"n": n}) for n in range(1, others + 1)]
    model = Played(asks(("pays", {}), ("watch", {}), *ticks), "done")
    agent = Agent(model, tools=[pays, watch, tick], deps_type=Bank)
    async with Session(agent, "s", journal=MemoryJournal(), deps=bank) as session:
        assert (await session.run("pay 7")).output == "done"
        ended = [event.call for event in await facts_of(session, ToolFinished)]
    assert ended.index("1.1.0") < ended.index("1.1.1")


async def test_while_a_tool_runs_nobody_asks_the_journal_again_and_again() -> None:
    class Counted(MemoryJournal):
        looks = 0

        async def inbox(self, *args: Any, **options: Any) -> Any:
            self.looks += 1
            return await super().inbox(*args, **options)

    journal = Counted()

    @tool(effect="read")
    async def rest() -> str:
        await anyio.sleep(0.1)
        before = journal.looks
        await anyio.sleep(3 * POLL)
        return str(journal.looks - before)

    model = Played(asks(("rest", {})), "done")
    async with Session[None, str](Agent(model, tools=[rest]), "s", journal=journal) as session:
        await session.run("rest")
    assert told(model.requests[-1]) == ["0"]


@asynccontextmanager
async def _resumed_while_it_lives(session: Session[Bank, str]) -> AsyncIterator[list[Any]]:
    """A call whose thread was given up, said not to have happened and resumed; what came of that when it is over."""
    result = await session.run("pay 7")
    await session.resolve(result.unknowns[0], Outcome.not_happened(), by="ann")
    results: list[Any] = []

    async def resume() -> None:
        results.append(await session.resume())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(resume)
        await anyio.sleep(0.3)  # its second start is recorded, and waits for the thread of the first
        yield results


async def test_said_not_to_have_happened_it_does_not_start_again_while_its_thread_lives(bank: Bank) -> None:
    session, model = at(bank, MemoryJournal())
    async with _resumed_while_it_lives(session) as results:
        assert not bank.paid
        bank.gate.set()
    assert results[0].output == "done"
    assert bank.paid == ["7"], "the first attempt did it after all"
    assert told(model.requests[-1]) == ["paid 7 late"]


async def test_cancelled_while_its_thread_lives_nobody_says_that_nothing_happened(bank: Bank) -> None:
    session, _ = at(bank, MemoryJournal())
    async with _resumed_while_it_lives(session) as results:
        await session.cancel(by="dan")
    (unknown,) = results[0].unknowns
    assert unknown.why == "an earlier attempt of this call still runs in this process"
    assert not await facts_of(session, ToolFinished)
    bank.gate.set()
    await until(lambda: not strays("s"))
    assert (await session.resume()).status == "cancelled"
    (late,) = await facts_of(session, ToolFinished)
    assert (late.failed, text_of(late.parts)) == (False, "paid 7 late")


async def test_a_cancelled_turn_does_not_wait_for_a_thread_that_never_returns(bank: Bank) -> None:
    @tool(effect="read")
    def stare(ctx: ToolContext[Bank]) -> str:
        ctx.deps.began.set()
        ctx.deps.gate.wait(20)
        return "saw"

    model = Played(asks(("stare", {})), "done")
    session = Session(Agent(model, tools=[stare], deps_type=Bank), "s", journal=MemoryJournal(), deps=bank)
    async with session, anyio.create_task_group() as tasks:
        tasks.start_soon(session.run, "look")
        await until(bank.began.is_set)
        with anyio.fail_after(5):
            await session.cancel(by="ann")
            await until(lambda: _ended(session))
        assert (await session.run("next")).output == "done"
    assert "cancelled" in told(model.requests[-1])[0]


async def _ended(session: Session[Any, Any]) -> bool:
    status = await session.status()
    return status is not None and status.status == "cancelled"


# --- order -----------------------------------------------------------------------------------------------------------


async def test_once_calls_run_one_after_another_in_the_order_asked() -> None:
    async def slower_at_first(_: Till, what: str) -> None:
        await anyio.sleep(0.05 if what == "first" else 0)

    till = Till(before=slower_at_first)
    model = Played(asks(*(("refund", {"order": order}) for order in ("first", "second", "third"))), "done")
    async with session_of(model, MemoryJournal(), till, refund()) as session:
        await session.run("go")
    assert till.done == ["first", "second", "third"]
    assert told(model.requests[-1]) == ["paid first", "paid second", "paid third"]


async def test_calls_that_are_not_exclusive_run_at_the_same_time_and_results_keep_the_order_asked() -> None:
    meeting: list[str] = []

    async def meet(_: Till, what: str) -> None:
        meeting.append(what)
        await until(lambda: len(meeting) == 3, 5)
        await anyio.sleep(0.03 if what == "first" else 0)

    till = Till(before=meet)
    model = Played(asks(*(("refund", {"order": order}) for order in ("first", "second", "third"))), "done")
    async with session_of(model, MemoryJournal(), till, refund(exclusive=False)) as session:
        await session.run("go")
    assert sorted(till.done) == ["first", "second", "third"]
    assert told(model.requests[-1]) == ["paid first", "paid second", "paid third"]


async def test_a_held_call_holds_the_exclusive_calls_behind_it_and_not_the_others() -> None:
    @tool(effect="read")
    async def peek(ctx: ToolContext[Till]) -> str:
        ctx.deps.done.append("peek")
        return "seen"

    till = Till()
    model = Played(asks(("held", {"order": "a"}), ("refund", {"order": "b"}), ("peek", {})), "done")
    tools = (refund(name="held", needs_approval=True), refund(), peek)
    async with session_of(model, MemoryJournal(), till, *tools) as session:
        result = await session.run("go")
        assert till.done == ["peek"]
        await session.approve(result.approvals[0], by="ann")
        assert (await session.resume()).output == "done"
    assert till.done == ["peek", "a", "b"]


# --- an outcome that waits to be recorded ----------------------------------------------------------------------------


class Slow(MemoryJournal):
    """Takes its time over the append that holds the first outcome; meanwhile others speak, and calls end."""

    def __init__(self, meanwhile: Any) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    async def append(self, lease: Lease, after: int, batch: Batch) -> Appended:
        meanwhile, ended = self._meanwhile, any(isinstance(placed.event, ToolFinished) for placed in batch.events)
        if ended and meanwhile is not None:
            self._meanwhile = None
            await meanwhile(self)
        return await super().append(lease, after, batch)


async def test_a_call_that_is_done_is_not_started_again_before_its_outcome_is_recorded() -> None:
    go, begun = anyio.Event(), list[str]()

    async def second_waits(_: Till, what: str) -> None:
        begun.append(what)
        if what == "second":
            await go.wait()

    async def meanwhile(journal: Slow) -> None:
        said = UserSaid((Text("hello?"),), "m2")
        await journal.put("s", "message", "m2", body_of(said), None)
        await anyio.sleep(0.05)
        go.set()
        await anyio.sleep(0.05)

    till = Till(before=second_waits)
    model = Played(asks(("refund", {"order": "first"}), ("refund", {"order": "second"})), "done", "hello")
    async with session_of(model, Slow(meanwhile), till, refund(exclusive=False)) as session:
        await session.run("go", id="m1")
        assert (await session.run("go", id="m1")).output == "done"
    assert sorted(begun) == sorted(till.done) == ["first", "second"]
