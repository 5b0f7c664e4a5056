"""The thread of a connection: short work is done at once while it has nothing to do, long work holds nobody up."""

import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from agentkit.errors import AppendUncertain, JournalError
from agentkit.journal.thread import IN_A_ROW, JOB_BYTES, SHY, SLOW_SECONDS, TURN, Chore, JournalThread, NoChore

pytestmark = pytest.mark.anyio


class Nothing:
    """A connection to nothing."""

    may = True

    def close(self) -> None:
        """End it."""


HERE = threading.current_thread


async def opened(chore: Chore[Nothing] | NoChore | None = None) -> JournalThread[Nothing]:
    thread = JournalThread(
        Nothing, chore or NoChore(), name="a test's", patient=lambda db, may: setattr(db, "may", may)
    )
    await thread.run(lambda _: None)
    return thread


def where(_: Nothing) -> str:
    return HERE().name


@asynccontextmanager
async def turning() -> AsyncIterator[Callable[[], int]]:
    """Let another task have its turn whenever the event loop goes on; give what says how often it has had it."""
    count = 0

    async def other() -> None:
        nonlocal count
        while True:
            await checkpoint()
            count += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        while not count:
            await checkpoint()
        yield lambda: count
        tasks.cancel_scope.cancel()


async def turns(during: Callable[[], Awaitable[None]]) -> int:
    """Return how often another task had its turn meanwhile."""
    async with turning() as so_far:
        before = so_far()
        await during()
        return so_far() - before


async def test_short_work_is_done_at_once_by_whoever_asks() -> None:
    under_test, names = await opened(), list[str]()

    async def job() -> None:
        names.append(await under_test.at_once(where))

    assert await turns(job) == 0
    assert names == [HERE().name]
    assert await under_test.run(where) == "a test's"


async def test_work_may_wait_for_locks_on_the_thread_only() -> None:
    under_test = await opened()
    assert await under_test.run(lambda db: db.may) is True
    assert await under_test.at_once(lambda db: db.may) is False
    assert await under_test.run(lambda db: db.may) is True


async def test_before_the_connection_is_open_the_thread_opens_it() -> None:
    assert await JournalThread[Nothing](Nothing, NoChore(), name="a test's").at_once(where) == "a test's"


async def test_the_event_loop_has_its_turn_all_the_same() -> None:
    under_test, names, told = await opened(), list[str](), list[int]()
    async with turning() as so_far:
        for _ in range(2 * IN_A_ROW + 2):
            names.append(await under_test.at_once(where))
            told.append(so_far())
    assert names.count("a test's") == 2
    assert max(Counter(told).values()) <= TURN


async def test_what_writes_much_counts_as_many() -> None:
    under_test, half = await opened(), (IN_A_ROW // 2 - 1) * JOB_BYTES
    assert [await under_test.at_once(where, half) for _ in range(3)] == [*2 * [HERE().name], "a test's"]


async def test_long_work_does_not_hold_the_event_loop_up() -> None:
    under_test, go_on = await opened(), threading.Event()

    async def job() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(under_test.run, lambda _: go_on.wait(30))
            await anyio.sleep(0.01)  # a loop that stands still would not come here before the job ended
            go_on.set()

    start = time.monotonic()
    await turns(job)
    assert time.monotonic() - start < 20


async def test_while_the_thread_works_short_work_waits_behind_it() -> None:
    under_test, go_on, order = await opened(), threading.Event(), list[str]()

    async def long() -> None:
        await under_test.run(lambda _: go_on.wait(30))
        order.append("long")

    async def short() -> None:
        order.append(await under_test.at_once(where))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(long)
        await anyio.sleep(0.01)
        tasks.start_soon(short)
        await anyio.sleep(0.01)
        go_on.set()
    assert order == ["long", "a test's"]


async def test_behind_slow_work_the_next_goes_to_the_thread_for_a_while() -> None:
    under_test = await opened()
    await under_test.at_once(lambda _: time.sleep(2 * SLOW_SECONDS))
    assert [await under_test.at_once(where) for _ in range(SHY + 1)] == SHY * ["a test's"] + [HERE().name]


async def test_what_fails_for_a_reason_that_passes_is_done_again_on_the_thread() -> None:
    under_test, tried = await opened(), list[str]()

    def locked(_: Nothing) -> str:
        tried.append(HERE().name)
        if len(tried) == 1:
            error = JournalError("others hold the lock")
            error.passing = True
            raise error
        return "written"

    assert await under_test.at_once(locked) == "written"
    assert tried == [HERE().name, "a test's"]
    assert await under_test.at_once(where) == HERE().name


@pytest.mark.parametrize(
    ("kind", "passing"), [(JournalError, False), (AppendUncertain, True), (ZeroDivisionError, True)]
)
async def test_what_may_have_had_an_effect_is_not_done_again(kind: type[Exception], *, passing: bool) -> None:
    under_test, tried = await opened(), list[str]()

    def fails(_: Nothing) -> None:
        tried.append(HERE().name)
        error: Any = kind("it broke")
        error.passing = passing
        raise error

    with pytest.raises(kind, match="it broke"):
        await under_test.at_once(fails)
    assert tried == [HERE().name]
    assert await under_test.at_once(where) == HERE().name


async def test_two_event_loops_never_use_the_connection_at_the_same_time() -> None:
    under_test, inside, met = await opened(), list[int](), list[int]()

    def work(_: Nothing) -> None:
        inside.append(1)
        time.sleep(0.0005)
        met.append(len(inside))
        inside.pop()

    async def many() -> None:
        for _ in range(40):
            await under_test.at_once(work)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(anyio.to_thread.run_sync, anyio.run, many)
    assert len(met) == 120
    assert set(met) == {1}


async def test_an_error_is_raised_where_the_job_was_asked_for() -> None:
    def fails(_: Nothing) -> None:
        raise ZeroDivisionError

    under_test = await opened()
    for ask in (under_test.run, under_test.at_once):
        with pytest.raises(ZeroDivisionError):
            await ask(fails)


async def test_a_job_that_has_begun_is_waited_for_though_it_is_cancelled() -> None:
    under_test, done = await opened(), list[int]()

    def work(_: Nothing) -> None:
        time.sleep(0.05)
        done.append(1)

    for ask in (under_test.run, under_test.at_once):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await ask(work)
    assert done == [1, 1]


async def test_behind_its_last_job_nothing_is_waited_for_that_nobody_does() -> None:
    under_test, begun, go_on = await opened(), threading.Event(), threading.Event()

    def last(_: Nothing) -> None:
        begun.set()
        go_on.wait(30)

    async def ask() -> None:
        with pytest.raises(JournalError, match="was closed before"):
            await under_test.run(where)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(under_test.close, last)
            await anyio.to_thread.run_sync(begun.wait, 30)
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            go_on.set()
        for asked in (under_test.run, under_test.at_once):
            with pytest.raises(JournalError, match="open it again"):
                await asked(where)


async def test_a_thread_that_was_abandoned_refuses_what_is_asked_of_it() -> None:
    under_test = JournalThread[Nothing](Nothing, NoChore(), name="a test's")
    under_test.abandon()
    with anyio.fail_after(20), pytest.raises(JournalError, match="was closed before"):
        await under_test.run(where)


async def test_a_connection_that_cannot_be_told_to_wait_fails_the_job_and_the_thread_goes_on() -> None:
    broken = [True]

    def patient(_: Nothing, may: bool) -> None:  # noqa: FBT001 - as the thread calls it
        if may and broken:
            broken.pop()
            raise ZeroDivisionError

    under_test = JournalThread[Nothing](Nothing, NoChore(), name="a test's", patient=patient)
    with anyio.fail_after(20):
        with pytest.raises(ZeroDivisionError):
            await under_test.run(where)
        assert await under_test.run(where) == "a test's"


class Timed:
    """Notes when it is done."""

    def __init__(self) -> None:
        self.every, self.done = 30.0, list[float]()

    def pause(self) -> float | None:
        """Return what it was told."""
        return self.every

    def __call__(self, _: Nothing) -> None:
        """Note it."""
        self.done.append(time.monotonic())


async def test_a_chore_whose_pause_has_become_shorter_does_not_sleep_for_the_longer_one() -> None:
    chore = Timed()
    under_test = await opened(chore)
    await under_test.run(lambda _: None)
    assert len(chore.done) == 1
    chore.every = 0.01
    under_test.nudge()
    with anyio.fail_after(20):
        while len(chore.done) < 3:  # noqa: ASYNC110 - what a thread does is no event of a loop
            await anyio.sleep(0.005)
    await under_test.close(lambda _: None)
