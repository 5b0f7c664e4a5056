"""One drive: how it rests, and that it waits for no other process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from agentkit import Agent, Approval, Journal, Session, SQLiteJournal, tool
from agentkit.errors import Fenced, JournalError, Unreachable
from agentkit.journal.base import MAX_TRIES
from agentkit.journal.places import open_journal
from agentkit.testing import Fault, FaultyJournal
from agentkit.workers.drive import drive
from tests.session.desk import Played, Till, asks, file, refund

pytestmark = pytest.mark.anyio


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with file(tmp_path) as journal:
        yield journal


async def say(journal: Journal, text: str = "hello", name: str = "m1") -> None:
    await Session(Agent(Played()), "s", journal=journal).say(text, id=name)


async def test_a_session_nobody_knows_is_nothing(journal: Journal) -> None:
    assert await drive(journal, Agent(Played()), "s") == "nothing"
    assert await journal.head("s") is None


async def test_a_turn_that_ends_is_done_and_then_there_is_nothing_to_do(journal: Journal) -> None:
    await say(journal)
    assert await drive(journal, Agent(Played("hi")), "s") == "done"
    assert await drive(journal, Agent(Played("hi")), "s") == "nothing"
    assert await journal.ready() == []


async def test_a_turn_that_waits_for_a_person_says_so(journal: Journal) -> None:
    @asynccontextmanager
    async def who(session_id: str) -> AsyncIterator[tuple[Agent[Till, str], Till]]:
        assert session_id == "s"
        model = Played(asks(("refund", {"order": "7"})))
        yield Agent(model, tools=[refund(needs_approval=True)], deps_type=Till), Till()

    await say(journal)
    assert await drive(journal, who, "s") == "waiting"
    assert await journal.ready() == []


async def test_a_session_that_another_process_drives_is_left_to_it_at_once(journal: Journal) -> None:
    await say(journal)
    lease = await journal.claim("s", uid="u", agent="agent", owner="another")
    with anyio.fail_after(2):
        assert await drive(journal, Agent(Played()), "s") == "busy"
    await journal.release(lease)
    assert await drive(journal, Agent(Played()), "s") == "done"


async def test_a_models_fault_is_recorded_told_and_nobody_tries_again_unasked(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    await say(journal)
    model = Played(Unreachable("no line"))
    assert await drive(journal, Agent(model), "s") == "faulted"
    assert "session 's': the model service failed: no line. Its turn waits for `agentkit revive s`" in caplog.text
    assert await drive(journal, Agent(model), "s") == "nothing"
    assert len(model.requests) == 1
    head = await journal.head("s")
    assert head is not None
    assert (head.status, head.tries) == ("faulted", 0)
    await say(journal, "and now?", "m2")
    assert await drive(journal, Agent(Played("well")), "s") == "done"


async def test_who_answers_fails_before_anything_is_claimed_and_it_counts(journal: Journal) -> None:
    def who(session_id: str) -> "asynccontextmanager[None]":  # type: ignore[valid-type]
        raise LookupError(f"no customer {session_id}")

    await say(journal)
    rests = [await drive(journal, who, "s") for _ in range(MAX_TRIES + 1)]
    assert rests == ["failed", "failed", "dead", "dead"]
    head = await journal.head("s")
    assert head is not None
    assert (head.tries, head.trouble) == (MAX_TRIES, "LookupError: no customer s")
    assert await journal.ready() == []


async def test_an_agent_that_cannot_be_is_a_reason_too(journal: Journal) -> None:
    await say(journal)
    assert await drive(journal, Agent(Played(), deps_type=Till), "s") == "failed"
    head = await journal.head("s")
    assert head is not None
    assert head.trouble is not None
    assert "needs deps (Till)" in head.trouble


async def test_a_journal_that_fails_is_raised(journal: Journal) -> None:
    await say(journal)
    with pytest.raises(JournalError, match="disk is full"):
        await drive(FaultyJournal(journal, at=2, fault="full"), Agent(Played()), "s")
    assert await drive(journal, Agent(Played()), "s") == "done"


IN_HAND: list[tuple[int, Fault]] = [(3, "full"), (3, "uncertain before"), (4, "full"), (4, "uncertain after")]


async def test_a_session_whose_records_are_damaged_is_a_dead_letter_that_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with SQLiteJournal(tmp_path / "db") as journal:
        agent = Agent(Played("one"), name="support")
        await say(journal)
        assert await drive(journal, agent, "s") == "done"
        await say(journal, "and now?", "m2")
        await journal._file.writer.run(lambda db: db.execute("update event set body = x'00' where seq = 3"))  # noqa: SLF001 - damage
        for _ in range(MAX_TRIES - 1):
            with pytest.raises(JournalError, match="event 3"):
                await drive(journal, agent, "s")
        assert await drive(journal, agent, "s") == "dead"
        assert "session 's' is a dead letter: 3 tries in a row came to nothing. The last: " in caplog.text
        assert "event 3" in str((await journal.head("s") or pytest.fail("gone")).trouble)


@pytest.mark.parametrize(("at", "fault"), IN_HAND)  # the answer and the call's start; the call's outcome
async def test_what_is_in_hand_waits_for_the_journal(journal: Journal, fault: Fault, at: int) -> None:
    till, model = Till(), Played(asks(("refund", {"order": "7"})))

    @asynccontextmanager
    async def who(_: str) -> AsyncIterator[tuple[Agent[Till, str], Till]]:
        yield Agent(model, tools=[refund()], deps_type=Till), till

    await say(journal)
    assert await drive(FaultyJournal(journal, at=at, fault=fault), who, "s") == "done"
    assert list(till.paid.values()) == [1]
    assert len(model.requests) == 2
    head = await journal.head("s")
    assert head is not None
    assert (head.status, head.tries) == ("completed", 0)


async def test_a_session_that_was_taken_over_is_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    place = tmp_path / "db"
    async with open_journal(place, ttl=60) as journal:
        await say(journal)

        async def lose_it(_: object) -> str:
            raise Fenced("another process has it")

        assert await drive(journal, Agent(Played(lose_it)), "s") == "fenced"
    assert "another process took it over while this one was away" in caplog.text


async def test_a_full_disk_is_no_fault_of_the_session(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "db") as journal:

        async def most_pages(number: int) -> None:
            await journal._file.writer.run(lambda db: db.execute(f"pragma max_page_count = {number}").fetchone())  # noqa: SLF001 - SQLite's own full disk

        async def fill(_: object) -> str:
            await most_pages(1)  # as many as there are
            return "x" * 100_000

        await say(journal)
        with anyio.move_on_after(1) as scope:
            await drive(journal, Agent(Played(fill)), "s")
        assert scope.cancelled_caught
        head = await journal.head("s")
        assert head is not None
        assert (head.tries, head.trouble) == (0, None)
        await most_pages(10_000)
        assert await drive(journal, Agent(Played("well")), "s") == "done"


async def test_a_drive_that_is_cut_off_is_ready_again_also_beside_what_waits_for_a_person(journal: Journal) -> None:
    begun = anyio.Event()

    @tool(effect="read", exclusive=False)
    async def slow() -> str:
        """Take long."""
        begun.set()
        await anyio.sleep_forever()
        raise AssertionError

    model = Played(asks(("held", {}), ("slow", {})))

    @tool(effect="once", needs_approval=True, exclusive=False)
    async def held() -> str:
        """Wait for a person."""
        return "done"

    await say(journal)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(drive, journal, Agent(model, tools=[slow, held]), "s")
        await begun.wait()
        tasks.cancel_scope.cancel()
    head = await journal.head("s")
    assert head is not None
    assert (head.status, head.owner, head.tries) == ("open", None, 0)
    assert [each.session_id for each in await journal.ready()] == ["s"]
    assert [type(each) async for each in journal.pending()] == [Approval]
