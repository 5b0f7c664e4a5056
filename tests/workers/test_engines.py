"""What holds on DBOS and on Temporal alike, with real servers and real worker processes."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from tests.workers.dispatched import Dispatched, shop_on
from tests.workers.staff import until

pytestmark = [pytest.mark.anyio, pytest.mark.crash]

TTL = 3.0  # seconds: of leases, and of a worker that says nothing


@pytest.fixture(params=["dbos", "temporal"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Dispatched]:
    yield from shop_on(request.param, tmp_path)


async def test_what_is_left_is_driven_to_its_end_and_a_wake_too_many_does_nothing(shop: Dispatched) -> None:
    await shop.say("a", "look:7 pay:8 hello")
    with shop.staffed() as worker:
        await until(lambda: shop.completed("a"))
        for wake in ("w1", "w1", "w2", "w1"):
            await shop.wake("a", wake)
        await shop.say("b", "look:8 pay:9 again")
        await shop.wake("b")
        await until(lambda: shop.completed("b"))
        worker.send(signal.SIGTERM)
        assert worker.ended() == 0
        assert "2 done" in worker.told()
    assert shop.twice("asked") == []
    assert sorted(words[0] for words in shop.did("paid")) == ["8", "9"]


async def test_an_approval_given_while_no_worker_runs(shop: Dispatched) -> None:
    await shop.say("a", "refund:7 a")
    with shop.staffed() as worker:

        async def asks() -> bool:
            return (await shop.head("a")).status == "waiting"

        await until(asks)
        worker.send(signal.SIGTERM)
        assert worker.ended() == 0
    async with shop.journal() as journal:
        session = shop.session(journal, "a")
        status = await session.status()
        assert status is not None
        for _ in range(2):
            await session.approve(status.approvals[0], by="ann")
    await shop.wake("a", "approved")
    await anyio.sleep(0.5)
    assert not shop.did("refunded")
    with shop.staffed():
        await until(lambda: shop.completed("a"))
    assert len(shop.did("refunded")) == 1


async def test_a_worker_killed_in_the_middle_of_its_tools(shop: Dispatched) -> None:
    shop.asks_for(pays=60)
    await shop.say("read", "look:7 hold:gate read")
    await shop.say("once", "pay:9 once")
    with shop.staffed(ttl=TTL) as first:
        await until(lambda: shop.did("holds") and shop.did("pays"))
        with shop.staffed(ttl=TTL) as second:
            await until(lambda: "drives sessions" in second.told())
            await anyio.sleep(1)
            first.send(signal.SIGKILL)
            assert await until(lambda: len(shop.did("holds")) == 2) < TTL + 5
            shop.opens("gate")

            async def rested() -> bool:
                return await shop.statuses() == {"completed": 1, "waiting": 1}

            await until(rested)
    assert shop.twice("asked") == []
    assert len(shop.did("pays")) == 1  # nobody knows whether it happened: a person is asked


async def test_a_frozen_worker_is_replaced_and_what_it_says_later_does_not_count(shop: Dispatched) -> None:
    await shop.say("a", "look:7 hold:gate a")
    with shop.staffed(ttl=TTL) as first:
        await until(lambda: shop.did("holds"))
        with shop.staffed(ttl=TTL) as second:
            await until(lambda: "drives sessions" in second.told())
            first.send(signal.SIGSTOP)
            # Temporal may give the session to the frozen one once more (docs/engines.md).
            assert await until(lambda: len(shop.did("holds")) == 2) < 2 * TTL + 5
            shop.opens("gate")
            await until(lambda: shop.completed("a"))
            first.send(signal.SIGCONT)
            await until(lambda: "another process took it over" in first.told())
            await shop.say("b", "look:8 b")
            await until(lambda: shop.completed("b"))
    assert shop.twice("asked") == []


async def test_told_to_leave_in_mid_turn_it_hands_over_at_once(shop: Dispatched) -> None:
    await shop.say("a", "look:7 hold:gate a")
    with shop.staffed("--grace", "0.5") as first:
        await until(lambda: shop.did("holds"))
        with shop.staffed() as second:
            await until(lambda: "drives sessions" in second.told())
            await anyio.sleep(1)
            first.send(signal.SIGTERM)
            assert await until(lambda: len(shop.did("holds")) == 2) < 10  # a worker that died would be missed after 15
            assert first.ended() == 0
            assert "handed back: a" in first.told()
            shop.opens("gate")
            await until(lambda: shop.completed("a"))
    assert shop.twice("asked") == []


async def test_what_the_engine_lost_the_journal_still_has(shop: Dispatched) -> None:
    await shop.say("old", "look:7 old")
    with shop.staffed() as worker:
        await until(lambda: shop.completed("old"))
        await shop.say("held", "hold:gate held")
        await until(lambda: shop.did("holds"))
        worker.send(signal.SIGSTOP)
        await shop.say("new", "look:8 new")
        await shop.wake("new")
        await shop.forgets()
        worker.send(signal.SIGCONT)
        await until(lambda: shop.completed("new"))
        shop.opens("gate")
        await until(lambda: shop.completed("held"))
    assert shop.twice("asked") == []


async def test_each_agent_has_a_queue(shop: Dispatched) -> None:
    await shop.say("first", "look:1 a")
    with shop.staffed() as support, shop.staffed(who="sales") as sales:
        await until(lambda: "drives sessions" in support.told() and "drives sessions" in sales.told())
        for number in range(4):
            await shop.say(f"a{number}", f"look:1 a{number}")
            await shop.wake(f"a{number}")
            await shop.say(f"b{number}", f"look:2 b{number}", agent="sales")
            await shop.wake(f"b{number}")

        async def all_done() -> bool:
            return await shop.statuses() == {"completed": 9}

        await until(all_done)
        pids = {words[0][0]: words[1] for words in shop.lines("asked")}
        assert pids == {"a": str(support.pid), "b": str(sales.pid)}


async def test_one_who_serves_all_learns_of_agents_as_they_come(shop: Dispatched) -> None:
    with shop.staffed("--queue", "*"):
        await shop.say("a", "look:1 a", agent="")
        await shop.say("b", "look:1 b", agent="marketing")
        for name in ("a", "b"):
            await shop.wake(name)

        async def all_done() -> bool:
            return await shop.statuses() == {"completed": 2}

        await until(all_done)


async def test_nothing_is_driven_before_its_time_nor_what_was_cancelled(shop: Dispatched) -> None:
    await shop.say("a", "look:7 a")
    with shop.staffed() as worker:
        await until(lambda: shop.completed("a"))
        async with shop.journal() as journal:
            engine, soon = shop.engine(journal), timedelta(seconds=2)
            await engine.enqueue("a", "soon", not_before=datetime.now(UTC) + soon)
            await engine.enqueue("a", "late", not_before=datetime.now(UTC) + timedelta(days=2))
            await until(lambda: shop.counts(waiting=2, ended=1))
            assert await until(lambda: shop.counts(waiting=1, ended=2)) > soon.total_seconds() - 1
            await engine.cancel("a")
            await until(lambda: shop.counts(waiting=0, ended=2))
        worker.send(signal.SIGTERM)
        assert worker.ended() == 0
        assert "1 done, 1 nothing" in worker.told()
