"""The thread of a connection: a short job is waited for on the spot, a long one holds nobody up."""

import threading
import time
from collections.abc import Awaitable, Callable

import anyio
import pytest
from anyio.lowlevel import checkpoint

from agentkit.journal.thread import IN_A_ROW, JournalThread, NoChore

pytestmark = pytest.mark.anyio


class Nothing:
    """A connection to nothing."""

    def close(self) -> None:
        """End it."""


def thread(patience: float) -> JournalThread[Nothing]:
    return JournalThread(Nothing, NoChore(), name="a test's", patience=patience)


async def turns(during: Callable[[], Awaitable[None]]) -> int:
    """Return how often another task had its turn meanwhile."""
    count = 0

    async def other() -> None:
        nonlocal count
        while True:
            await checkpoint()
            count += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        await checkpoint()
        count = 0
        await during()
        tasks.cancel_scope.cancel()
    return count


async def test_a_short_job_is_waited_for_on_the_spot() -> None:
    under_test = thread(patience=30.0)

    async def job() -> None:
        assert await under_test.run(lambda _: threading.current_thread().name) == "a test's"

    assert await turns(job) == 0


async def test_the_event_loop_has_its_turn_all_the_same() -> None:
    under_test = thread(patience=30.0)

    async def jobs() -> None:
        for _ in range(4 * IN_A_ROW):
            await under_test.run(lambda _: None)

    assert await turns(jobs) >= 3


async def test_a_long_job_does_not_hold_the_event_loop_up() -> None:
    under_test = thread(patience=0.001)
    go_on = threading.Event()

    async def job() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(under_test.run, lambda _: go_on.wait(30))
            await anyio.sleep(0.01)  # a loop that stands still would not come here before the job ended
            go_on.set()

    start = time.monotonic()
    await turns(job)
    assert time.monotonic() - start < 20


async def test_behind_a_long_job_the_next_is_not_waited_for_on_the_spot() -> None:
    under_test = thread(patience=0.001)
    await under_test.run(lambda _: time.sleep(0.01))
    assert await turns(lambda: under_test.run(lambda _: None)) > 0


async def test_an_error_is_raised_where_the_job_was_asked_for() -> None:
    def fails(_: Nothing) -> None:
        raise ZeroDivisionError

    for patience in (30.0, 0.0):
        with pytest.raises(ZeroDivisionError):
            await thread(patience).run(fails)


@pytest.mark.parametrize("patience", [30.0, 0.0])
async def test_a_job_that_has_begun_is_waited_for_though_it_is_cancelled(patience: float) -> None:
    under_test, done = thread(patience), list[int]()

    def work(_: Nothing) -> None:
        time.sleep(0.05)
        done.append(1)

    with anyio.CancelScope() as scope:
        scope.cancel()
        await under_test.run(work)
    assert done == [1]
