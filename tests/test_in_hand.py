"""What is known is not lost: outcomes in hand when the disk fills, the connection breaks, or the caller cancels."""

from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from agentkit import Agent, MemoryJournal, Outcome, ScriptedModel, Session, tool
from agentkit.core import events as ev
from agentkit.core.messages import AssistantMessage, ToolCall, text_of
from agentkit.errors import AppendUncertain, Fenced, JournalError
from agentkit.testing import FaultyJournal

pytestmark = pytest.mark.anyio


def program(journal: Any, act: Callable[[], Any]) -> Session[None, str]:
    @tool(effect="once")
    async def pay(order: str) -> str:
        """Pay an order."""
        await act()
        return f"paid {order}"

    @pay.reconcile
    async def was_paid(order: str) -> Outcome[str]:
        raise AssertionError(f"{order}: nobody knows, a person has to look")

    model = ScriptedModel(AssistantMessage(calls=(ToolCall("c", "pay", '{"order":"7"}'),)), "done")
    return Session(Agent(model, tools=[pay]), "s", journal=journal)


async def recorded(session: Session[None, str], kind: type) -> list[Any]:
    return [record.event async for record in session.events() if isinstance(record.event, kind)]


async def nothing() -> None:
    await anyio.lowlevel.checkpoint()


async def at_the_outcome(fault: Any) -> tuple[FaultyJournal, Session[None, str]]:
    """A session whose append of the tool's outcome fails."""
    counting = FaultyJournal(MemoryJournal())
    async with program(counting, nothing) as session:
        await session.run("pay order 7", id="m")
        places = [record.epoch for record in [r async for r in session.events()]]
    assert places
    for at in range(1, counting.appends + 1):
        faulty = FaultyJournal(MemoryJournal(), at=at, fault=fault)
        session = program(faulty, nothing)
        await session.__aenter__()
        with pytest.raises(JournalError):
            await session.run("pay order 7", id="m")
        if any(isinstance(kept.event, ev.ToolFinished) for kept in session._recorder.kept):  # noqa: SLF001 - what is in hand
            return faulty, session
        await session.__aexit__(None, None, None)
    raise AssertionError("no append held the outcome")


@pytest.mark.parametrize("fault", ["full", "uncertain before", "uncertain after"])
async def test_an_outcome_in_hand_is_recorded_first_when_the_session_goes_on(fault: str) -> None:
    _, session = await at_the_outcome(fault)
    result = await session.run("pay order 7", id="m")
    assert result.output == "done"
    finished = await recorded(session, ev.ToolFinished)
    assert [text_of(event.parts) for event in finished] == ["paid 7"]
    assert await recorded(session, ev.CallResolved) == []
    assert await recorded(session, ev.InboxRefused) == []
    await session.__aexit__(None, None, None)


async def test_an_outcome_in_hand_that_has_no_place_any_more_is_recorded_as_refused() -> None:
    faulty, session = await at_the_outcome("full")
    other = program(faulty, nothing)
    async with other:
        waiting = await other.resume()
        assert [each.tool for each in waiting.unknowns] == ["pay"]
        await other.resolve(waiting.unknowns[0], Outcome.happened("paid, says Ann"), by="ann")
        assert (await other.resume()).status == "completed"
    result = await session.resume()
    assert result.status == "completed"
    refused = await recorded(session, ev.InboxRefused)
    assert [event.kind for event in refused] == ["kept"]
    await session.__aexit__(None, None, None)


async def test_a_cancelled_caller_leaves_a_started_once_call_a_moment_to_end() -> None:
    scope = anyio.CancelScope()

    async def act() -> None:
        scope.cancel()
        await anyio.sleep(0.05)

    async with program(MemoryJournal(), act) as session:
        with scope:
            await session.run("pay order 7", id="m")
        assert scope.cancelled_caught
        finished = await recorded(session, ev.ToolFinished)
        assert [text_of(event.parts) for event in finished] == ["paid 7"]
        assert (await session.run("pay order 7", id="m")).output == "done"


async def test_nothing_is_recorded_after_an_append_whose_fate_is_unknown() -> None:
    faulty, session = await at_the_outcome("uncertain after")
    appends = faulty.appends
    recorder = session._recorder  # noqa: SLF001 - the writer itself is what this test is about
    with pytest.raises(AppendUncertain, match="loaded again"):
        await recorder.record(ev.ToolUnknown("1.1.0", "cut off"))
    assert faulty.appends == appends
    assert ev.ToolUnknown("1.1.0", "cut off") in [kept.event for kept in recorder.kept]
    await session.__aexit__(None, None, None)


async def test_an_outcome_of_a_fenced_process_reaches_the_new_owner() -> None:
    journal = MemoryJournal()
    taken_over: list[str] = []

    async def act() -> None:
        head = await journal.head("s")
        assert head
        recorder = session._recorder  # noqa: SLF001 - another process takes the session over
        assert recorder.lease
        await journal.release(recorder.lease)
        lease = await journal.claim("s", uid="", agent="", owner="other")
        taken_over.append(str(lease.epoch))
        await journal.release(lease)

    session = program(journal, act)
    async with session:
        with pytest.raises(Fenced):
            await session.run("pay order 7", id="m")
        assert taken_over
    again = program(journal, nothing)
    async with again:
        result = await again.resume()
        assert result.status == "completed" or result.unknowns
        assert [event.source for event in await recorded(again, ev.CallResolved)] == ["tool"]


async def test_an_answer_that_could_not_be_written_is_not_dropped_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    said = []
    for at in range(1, 9):
        faulty = FaultyJournal(MemoryJournal(), at=at, fault="full")
        with pytest.raises(JournalError):
            async with program(faulty, nothing) as session:
                await session.run("pay order 7", id="m")
        said += [record.getMessage() for record in caplog.records]
        caplog.clear()
        if said:
            break
    assert said == [
        "session 's' is left with facts that could not be written (ModelResponded): a model answer will be asked again"
    ]
