"""What a journal tells of its sessions without driving them: who waits for what, and how each stands."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit import Journal, MemoryJournal, Outcome
from agentkit.errors import BalanceExhausted, NeedsAnswer
from agentkit.events import TurnEnded
from tests.session.desk import Played, Till, asks, facts_of, file, look, lose_the_line, refund, session_of

pytestmark = pytest.mark.anyio

PAY = asks(("refund", {"order": "7"}))


@pytest.fixture(params=["memory", "file"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    return MemoryJournal() if request.param == "memory" else file(tmp_path)


async def pending(journal: Journal) -> list[Any]:
    async with journal:
        return [waiting async for waiting in journal.pending()]


async def found(journal: Journal, status: Any) -> list[str]:
    async with journal:
        return [name async for name in journal.sessions(status=status)]


async def test_pending_shows_what_the_result_shows(journal: Journal) -> None:
    async def ask(_: Till, what: str) -> None:
        raise NeedsAnswer(f"Really {what}?")

    async def trouble(till: Till, what: str) -> None:
        await (lose_the_line if what == "lost" else ask)(till, what)

    calls = asks(*((name, {"order": order}) for name, order in (("held", "a"), ("refund", "lost"), ("refund", "x"))))
    tools = refund(name="held", needs_approval=True), refund(exclusive=False)
    async with session_of(Played(calls), journal, Till(trouble=trouble), *tools) as session:
        result = await session.run("go", id="m1")
        assert [type(each).__name__ for each in result.waiting] == ["Approval", "UnknownOutcome", "Question"]
        assert sorted(await pending(journal), key=lambda each: str(each.id)) == list(result.waiting)
        assert await found(journal, "waiting") == ["s"]
        again = await session.resume()
        assert again.waiting == result.waiting
        assert sorted(await pending(journal), key=lambda each: str(each.id)) == list(result.waiting)


async def test_pending_tells_what_reconcile_said(journal: Journal) -> None:
    till = Till(trouble=lose_the_line, found=RuntimeError("the bank is closed"))
    async with session_of(Played(PAY), journal, till, refund(reconciles=True)) as session:
        result = await session.run("go")
        assert "the bank is closed" in result.unknowns[0].why
        assert await pending(journal) == list(result.unknowns)
        assert await pending(journal) == list((await session.resume()).unknowns)


async def test_an_unknown_outcome_says_what_cut_it_off_and_what_reconcile_said() -> None:
    till = Till(trouble=lose_the_line, found=RuntimeError("the bank is closed"))
    async with session_of(Played(PAY), MemoryJournal(), till, refund(reconciles=True)) as session:
        (unknown,) = (await session.run("go")).unknowns
        assert "ConnectionError" in unknown.why
        assert "the bank is closed" in unknown.why


async def test_how_a_session_stands(journal: Journal) -> None:
    model = Played("one", PAY, "two", [BalanceExhausted("no", status=402), "three"])
    async with session_of(model, journal, Till(), refund(needs_approval=True), look) as session:
        await session.run("a")
        assert await found(journal, "completed") == ["s"]
        result = await session.run("b")
        assert await found(journal, "waiting") == ["s"]
        await session.approve(result.approvals[0], by="ann")
        await session.resume()
        assert (await found(journal, "completed"), await found(journal, "waiting")) == (["s"], [])
        with pytest.raises(BalanceExhausted):
            await session.run("c")
        assert await found(journal, "faulted") == ["s"]
        await session.cancel(by="ann")
        assert await found(journal, "cancelled") == ["s"]
        assert await pending(journal) == []


async def test_a_message_behind_a_turn_that_faults_is_answered_and_the_first_gets_its_fault() -> None:
    began, outcomes = anyio.Event(), dict[str, object]()

    async def refuses(_: object) -> Exception:
        began.set()
        await anyio.sleep(0.1)
        return BalanceExhausted("no balance", status=402)

    async with session_of(Played([refuses, "fine"]), MemoryJournal()) as session:

        async def run(text: str) -> None:
            try:
                outcomes[text] = (await session.run(text, id=text)).output
            except BalanceExhausted as error:
                outcomes[text] = error.status

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, "first")
            await began.wait()
            tasks.start_soon(run, "second")
        assert outcomes == {"first": 402, "second": "fine"}
        assert [event.status for event in await facts_of(session, TurnEnded)] == ["failed", "completed"]


async def test_a_turn_cancelled_with_an_unknown_call_waits_and_then_the_next_message_is_answered() -> None:
    till, model = Till(trouble=lose_the_line), Played(PAY, "done")
    async with session_of(model, MemoryJournal(), till, refund()) as session:
        (unknown,) = (await session.run("go")).unknowns
        await session.cancel(by="ann")
        waiting = await session.run("next", id="m2")
        assert waiting.unknowns == (unknown,)
        await session.resolve(unknown, Outcome.unknown(), by="ann")
        assert (await session.resume()).output == "done"
        assert [event.status for event in await facts_of(session, TurnEnded)] == ["cancelled", "completed"]
