"""The embedded engine by itself: fair, patient with what comes to nothing, quiet about a journal that is away."""

import logging
from collections import Counter
from collections.abc import Sequence

import anyio
import anyio.lowlevel
import pytest

from agentkit import Agent, MemoryJournal
from agentkit.errors import JournalError
from agentkit.journal.base import Ready
from agentkit.workers import EmbeddedEngine, Rest, driving
from tests.session.desk import Played, until

pytestmark = pytest.mark.anyio


class Listing(MemoryJournal):
    """Lists sessions that tests make up; `away` is what it says instead."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names, self.looks = list(names), 0
        self.away: JournalError | None = None

    async def ready(self, *, agents: Sequence[str] = (), limit: int = 100) -> Sequence[Ready]:
        assert agents == ()
        self.looks += 1
        if self.away is not None:
            raise self.away
        return [Ready(name, "", str(self.looks)) for name in self.names][:limit]


async def test_what_stays_ready_in_vain_is_driven_ever_less_often_and_starves_nobody() -> None:
    journal, driven = Listing("vain1", "vain2", "vain3", "well"), Counter[str]()

    async def drive(session_id: str) -> Rest:
        driven[session_id] += 1
        await anyio.lowlevel.checkpoint()
        return "done" if session_id == "well" else "nothing"

    engine = EmbeddedEngine(journal, poll=0.01)
    with anyio.move_on_after(2):
        await engine.serve(drive, 1)
    assert driven["well"] > 20
    assert all(1 <= driven[f"vain{number}"] <= 4 for number in (1, 2, 3))


async def test_all_of_more_sessions_than_places_have_their_turn() -> None:
    names = [f"s{number}" for number in range(50)]
    journal, begun = Listing(*names), []

    async def drive(session_id: str) -> Rest:
        begun.append(session_id)
        journal.names.remove(session_id)
        await anyio.sleep(0.01)
        return "done"

    await EmbeddedEngine(journal, poll=0.01, leaves=True).serve(drive, 3)
    assert begun == names


async def test_a_journal_that_is_away_is_told_of_once_and_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    journal, driven = Listing("a"), []
    journal.away = JournalError("the server does not answer")

    async def drive(session_id: str) -> Rest:
        driven.append(session_id)
        journal.names.clear()
        return "done"

    engine = EmbeddedEngine(journal, poll=0.01)
    with caplog.at_level(logging.WARNING, "agentkit"):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.serve, drive, 4)
            await until(lambda: journal.looks >= 4)
            assert not driven
            journal.away = None
            await until(lambda: driven)
            engine.stop()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert "the server does not answer. Nothing is lost; it is tried again until it answers" in told[0]
    assert "it answers again" in told[1]


async def test_while_drives_fail_for_the_journals_sake_they_are_tried_one_at_a_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    journal, tries = Listing(*(f"s{number}" for number in range(100))), Counter[str]()
    full = True

    async def drive(session_id: str) -> Rest:
        tries["full" if full else "well"] += 1
        await anyio.sleep(0.01)
        if full:
            raise JournalError("the disk is full")
        journal.names.remove(session_id)
        return "done"

    engine = EmbeddedEngine(journal, poll=0.01, leaves=True)
    with caplog.at_level(logging.WARNING, "agentkit"):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.serve, drive, 5)
            await anyio.sleep(1.5)
            full = False
    assert 5 <= tries["full"] <= 12
    assert tries["well"] == 100
    assert ["full" in record.getMessage() for record in caplog.records] == [True, False]


async def test_one_session_is_not_driven_twice_at_once_and_cancel_hands_it_back() -> None:
    journal, begun = Listing("a"), []

    async def drive(session_id: str) -> Rest:
        begun.append(session_id)
        await anyio.sleep_forever()
        raise AssertionError

    engine = EmbeddedEngine(journal, poll=0.01)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(engine.serve, drive, 4)
        await until(lambda: begun)
        await anyio.sleep(0.1)
        assert begun == ["a"]
        journal.names.clear()
        await engine.cancel("a")
        await engine.cancel("no such")
        engine.stop()


async def test_enqueue_ends_the_pause_between_two_looks() -> None:
    journal = Listing()
    engine = EmbeddedEngine(journal, poll=60)

    async def drive(_: str) -> Rest:
        journal.names.clear()
        return "done"

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(engine.serve, drive, 1)
        await until(lambda: journal.looks == 1)
        journal.names.append("a")
        await engine.enqueue("a", "1")
        await until(lambda: not journal.names)
        engine.stop()


async def test_no_place_is_no_worker() -> None:
    with pytest.raises(ValueError, match="concurrency is a number of sessions above 0, not 0"):
        await EmbeddedEngine(MemoryJournal()).serve(driving(MemoryJournal(), Agent(Played())), 0)
