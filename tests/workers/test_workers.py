"""Worker processes on one journal: what they take, what they leave, what happens when one dies, freezes or stops."""

import signal

import anyio
import pytest

from agentkit.events import CallDenied, RunStarted, ToolFinished, ToolUnknown
from tests.session.desk import facts, facts_of
from tests.workers.staff import Shop, until

pytestmark = [pytest.mark.anyio, pytest.mark.crash]


async def test_what_one_process_leaves_another_drives(shop: Shop) -> None:
    await shop.say("a", "look:7 pay:8 hello")
    with shop.worker() as worker:
        await until(lambda: shop.completed("a"))
        await shop.say("b", "look:8 pay:9 hello")
        assert await until(lambda: shop.completed("b")) < 5
        worker.send(signal.SIGTERM)
        assert worker.ended() == 0
        assert "leaves: 2 drives (2 done)" in worker.told()


async def test_a_worker_takes_only_the_sessions_of_its_queues(shop: Shop) -> None:
    await shop.say("mine", "one")
    await shop.say("theirs", "two", agent="sales")
    await shop.say("anybodys", "three", agent="")
    with shop.worker("--once") as worker:
        assert worker.ended() == 0
    assert [(await shop.head(name)).last_seq > 0 for name in ("mine", "theirs", "anybodys")] == [True, False, True]
    with shop.worker("--once", "--queue", "sales", who="sales") as worker:
        assert worker.ended() == 0
    assert await shop.completed("theirs")


async def test_no_more_than_so_many_at_once(shop: Shop) -> None:
    for number in range(6):
        await shop.say(f"s{number}", f"wait:0.3 m{number}")
    with shop.worker("--once", "--concurrency", "2") as worker:
        assert worker.ended() == 0
    running = most = 0
    for verb, *_ in shop.lines("did"):
        running += 1 if verb == "waits" else -1
        most = max(most, running)
    assert (most, running) == (2, 0)
    assert await shop.statuses() == {"completed": 6}


async def test_many_workers_share_the_work_and_nothing_is_done_twice(shop: Shop) -> None:
    for number in range(24):
        await shop.say(f"s{number}", f"look:{number} pay:{number} wait:0.2 s{number}")
    with shop.worker("--concurrency", "2") as one, shop.worker("--concurrency", "2") as two:
        await until(lambda: len({words[1] for words in shop.lines("asked")}) == 2)

        async def all_done() -> bool:
            return await shop.statuses() == {"completed": 24}

        await until(all_done)
        for worker in (one, two):
            worker.send(signal.SIGTERM)
            assert worker.ended() == 0
    assert shop.twice("asked") == []
    assert sorted(words[0] for words in shop.did("paid")) == sorted(str(number) for number in range(24))


async def test_what_a_killed_worker_drove_is_taken_over_at_once(shop: Shop) -> None:
    shop.asks_for(pays=60)
    for number in range(4):
        await shop.say(f"s{number}", f"look:{number} hold:gate s{number}")
    await shop.say("once", "pay:9 once")
    with shop.worker() as first, shop.worker("--queue", "nobody") as bystander:
        await until(lambda: len(shop.did("holds")) == 4 and shop.did("pays"))
        assert bystander.lives
        with shop.worker() as second:
            await until(lambda: "drives sessions" in second.told())
            first.send(signal.SIGKILL)
            assert await until(lambda: len(shop.did("holds")) == 8) < 10
            shop.opens("gate")

            async def rested() -> bool:
                return await shop.statuses() == {"completed": 4, "waiting": 1}

            await until(rested)
    assert shop.twice("asked") == []
    async with shop.journal() as journal:
        session = shop.session(journal, "once")
        assert len(await facts_of(session, RunStarted)) == 1  # by the one that took over
        assert not await facts_of(session, ToolFinished)
    assert len(shop.did("pays")) == 1
    assert not shop.did("paid")


async def test_told_to_stop_it_lets_finish_what_it_drives_and_takes_nothing_new(shop: Shop) -> None:
    await shop.say("a", "hold:gate a")
    with shop.worker() as worker:
        await until(lambda: shop.did("holds"))
        worker.send(signal.SIGTERM)
        await until(lambda: "SIGTERM: no new session is taken. 1 session may finish for 30 s" in worker.told())
        await shop.say("b", "look:1 b")
        await anyio.sleep(1)
        assert not shop.did("look")
        shop.opens("gate")
        assert worker.ended() == 0
    assert await shop.statuses() == {"completed": 1, "idle": 1}
    assert "handed back" not in worker.told()


@pytest.mark.parametrize("how", ["grace", "second signal"])
async def test_what_does_not_finish_in_time_is_handed_back_and_taken_over_at_once(shop: Shop, how: str) -> None:
    await shop.say("a", "hold:gate a")
    with shop.worker("--grace", "0.5" if how == "grace" else "60") as first:
        await until(lambda: shop.did("holds"))
        with shop.worker() as second:
            await until(lambda: "drives sessions" in second.told())
            first.send(signal.SIGTERM)
            if how == "second signal":
                await until(lambda: "no new session" in first.told())
                first.send(signal.SIGINT)
            assert first.ended() == 0
            assert "handed back: a" in first.told()
            assert await until(lambda: len(shop.did("holds")) == 2) < 5
            shop.opens("gate")
            await until(lambda: shop.completed("a"))
    assert shop.twice("asked") == []


async def test_a_frozen_worker_is_replaced_and_its_record_refused_when_it_thaws(shop: Shop) -> None:
    shop.asks_for(thinks=1)
    await shop.say("a", "look:1 a")
    with shop.worker(ttl=1) as first:
        await until(lambda: shop.lines("asked"))
        first.send(signal.SIGSTOP)
        with shop.worker(ttl=1) as second:
            await until(lambda: shop.completed("a"))
            second.send(signal.SIGTERM)
            assert second.ended() == 0
        async with shop.journal() as journal:
            before = await facts(shop.session(journal, "a"))
        first.send(signal.SIGCONT)
        await until(lambda: "another process took it over" in first.told())
        async with shop.journal() as journal:
            assert await facts(shop.session(journal, "a")) == before
        await shop.say("b", "look:2 b")
        await until(lambda: ["2"] in shop.did("look"))
        assert first.lives


async def test_a_cancel_reaches_a_tool_in_another_process(shop: Shop) -> None:
    await shop.say("a", "hold:gate a")
    with shop.worker():
        await until(lambda: shop.did("holds"))
        async with shop.journal() as journal:
            session = shop.session(journal, "a")
            with anyio.fail_after(3):
                await session.cancel(by="ann")

            async def cancelled() -> bool:
                result = await session.status()
                return result is not None and result.status == "cancelled"

            assert await until(cancelled) < 1


async def test_a_once_call_that_a_cancel_cuts_off_is_unknown_and_nobody_repeats_it(shop: Shop) -> None:
    shop.asks_for(pays=60)
    await shop.say("a", "pay:1 a")
    with shop.worker():
        await until(lambda: shop.did("pays"))
        async with shop.journal() as journal:
            session = shop.session(journal, "a")
            await session.cancel(by="ann")

            async def cut_off() -> bool:
                return len(await facts_of(session, ToolUnknown)) == 1

            assert await until(cut_off) < 4
    assert len(shop.did("pays")) == 1
    assert not shop.did("paid")


async def test_a_decision_made_while_no_worker_lives_takes_effect_when_one_does(shop: Shop) -> None:
    await shop.say("a", "refund:7 a")
    with shop.worker("--once") as worker:
        assert worker.ended() == 0
    async with shop.journal() as journal:
        session = shop.session(journal, "a")
        result = await session.status()
        assert result is not None
        (approval,) = result.approvals
        await session.approve(approval, by="ann")
        await session.approve(approval, by="ann")
    assert not shop.did("refunded")
    with shop.worker("--once") as worker:
        assert worker.ended() == 0
    assert len(shop.did("refunded")) == 1
    assert await shop.completed("a")


async def test_an_approval_that_nobody_gives_expires_in_the_hands_of_a_worker(shop: Shop) -> None:
    await shop.say("a", "refund:7 a", agent="brisk")
    with shop.worker("--once", who="brisk") as worker:
        assert worker.ended() == 0
    assert (await shop.head("a")).status == "waiting"
    with shop.worker(who="brisk") as worker:
        await until(lambda: shop.completed("a"))
        await anyio.sleep(1)
        worker.send(signal.SIGTERM)
        assert worker.ended() == 0
        assert "1 drive" in worker.told()
    async with shop.journal() as journal:
        (denied,) = await facts_of(shop.session(journal, "a"), CallDenied)
    assert denied.by == "agentkit"
    assert not shop.did("refunded")
