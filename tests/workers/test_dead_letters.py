"""What comes to nothing is tried so often, and then left with its reason until a person says otherwise."""

import sqlite3
from contextlib import closing

import psycopg
import pytest

from agentkit.core.messages import text_of
from agentkit.events import ToolFinished
from agentkit.journal.base import MAX_TRIES
from tests.session.desk import facts_of
from tests.workers.staff import Shop, until

pytestmark = [pytest.mark.anyio, pytest.mark.crash]


async def test_a_session_that_kills_its_processes_is_a_dead_letter_and_others_go_on(shop: Shop) -> None:
    await shop.say("poison", "crash now")
    told = ""
    for _ in range(1 + MAX_TRIES):  # the first one records the message, which is news
        assert (await shop.head("poison")).tries < MAX_TRIES
        with shop.worker("--once", "--concurrency", "1") as worker:
            assert worker.ended() < 0
            told = worker.told()
    assert "'poison' is driven for the last time: 2 tries in a row came to nothing" in told
    await shop.say("a", "look:1 a")
    with shop.worker("--once") as worker:
        assert worker.ended() == 0
    assert await shop.completed("a")
    assert len(shop.lines("asked")) == 1 + MAX_TRIES + 2
    assert (await shop.head("poison")).tries == MAX_TRIES
    listed = shop.command("sessions", "--status", "dead")
    assert "agentkit revive poison" in listed
    assert "its process died and left no word" in listed
    assert "3 tries in a row" in listed


async def test_a_revived_dead_letter_is_driven_again(shop: Shop) -> None:
    (shop.folder / "closed").touch()
    await shop.say("a", "look:1 a")
    with shop.worker("--once", who="closed", ttl=1) as worker:
        assert worker.ended() == 1
    assert len(shop.lines("asked")) == 1
    with shop.worker(who="closed", ttl=1) as worker:
        await until(lambda: "No worker drives it until" in worker.told())
        assert worker.told().count("No worker drives it until") == 1
    assert len(shop.lines("asked")) == MAX_TRIES
    head = await shop.head("a")
    assert (head.tries, head.trouble) == (MAX_TRIES, "ConnectionError: the shop's database does not answer")
    with shop.worker("--once", who="closed") as worker:
        assert worker.ended() == 0
    assert len(shop.lines("asked")) == MAX_TRIES
    (shop.folder / "closed").unlink()
    assert "is no dead letter any more" in shop.command("revive", "a")
    with shop.worker("--once", who="closed") as worker:
        assert worker.ended() == 0
    assert await shop.completed("a")
    assert (await shop.head("a")).trouble is None


async def test_the_pause_after_a_failure_holds_for_every_worker(shop: Shop) -> None:
    (shop.folder / "closed").touch()
    await shop.say("a", "look:1 a")
    for _ in range(1 + MAX_TRIES):
        with shop.worker("--once", who="closed", ttl=600) as worker:
            worker.ended()
    assert len(shop.lines("asked")) == 1
    assert (await shop.head("a")).tries == 1


async def test_a_failure_that_passes_is_forgotten(shop: Shop) -> None:
    async def forgotten() -> bool:
        head = await shop.head("a")
        return (head.tries, head.trouble) == (0, None)

    (shop.folder / "closed").touch()
    await shop.say("a", "look:1 a")
    with shop.worker(who="closed") as worker:
        await until(lambda: shop.lines("asked"))
        (shop.folder / "closed").unlink()
        await until(lambda: shop.completed("a"))
        await until(forgotten)  # the session is given back a moment after its turn has ended
        assert worker.lives


def damage(place: str) -> None:
    """Spoil a record of each session."""
    if place.startswith("postgresql:"):
        with psycopg.connect(place) as server:
            server.execute("update agentkit.event set body = '\\x00' where seq = 3")
        return
    with closing(sqlite3.connect(place)) as file, file:
        file.execute("update event set body = x'00' where seq = 3")


async def test_a_worker_that_leaves_says_so_where_the_journal_failed_a_session(shop: Shop) -> None:
    await shop.say("a", "look:1 a")
    with shop.worker("--once") as worker:
        assert worker.ended() == 0
    await shop.say("a", "look:2 a", id="m2")
    damage(shop.place)
    with shop.worker("--once") as worker:
        assert worker.ended() == 1
        assert "1 drive (1 failed)" in worker.told()


async def test_a_tool_that_leaves_the_process_does_not_take_the_worker_along(shop: Shop) -> None:
    await shop.say("a", "leave:here a")
    await shop.say("b", "wait:1 look:1 b")
    with shop.worker("--once") as worker:
        assert worker.ended() == 0
    assert await shop.statuses() == {"completed": 2}
    async with shop.journal() as journal:
        (finished,) = await facts_of(shop.session(journal, "a"), ToolFinished)
    assert finished.failed
    assert "SystemExit('leaving because of here')" in text_of(finished.parts) + str(finished.detail)


async def test_a_failed_turn_waits_for_somebody_and_revive_is_one(shop: Shop) -> None:
    (shop.folder / "broke").touch()
    await shop.say("a", "look:1 a")
    with shop.worker("--once") as worker:
        assert worker.ended() == 0
    assert (await shop.head("a")).status == "faulted"
    (shop.folder / "broke").unlink()
    with shop.worker("--once") as worker:
        assert worker.ended() == 0
    assert (await shop.head("a")).status == "faulted"
    assert "is to be tried again by a worker" in shop.command("revive", "a")
    with shop.worker("--once") as worker:
        assert worker.ended() == 0
    assert await shop.completed("a")


async def test_there_is_nothing_to_revive_in_a_session_that_is_well(shop: Shop) -> None:
    await shop.say("a", "hello")
    with shop.worker("--once") as worker:
        assert worker.ended() == 0
    assert "nothing to revive" in shop.command("revive", "a")
    with shop.worker("--once") as worker:
        assert worker.ended() == 0
        assert "0 drives" in worker.told()
