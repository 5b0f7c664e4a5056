"""How many calls of a tool run at once and how fast they start: over all sessions, and not counted as its time."""

import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from agentkit import tool
from agentkit.core.events import ToolFinished
from agentkit.core.messages import text_of
from agentkit.tools.dispatch import Dispatch, Job
from agentkit.tools.tool import Tool

pytestmark = pytest.mark.anyio

MakeJob = Callable[..., Job]


class Busy:
    """A tool that tells how many of its calls were at work at once, and when each began."""

    def __init__(self, seconds: float = 0.02, **declared: Any) -> None:
        self.now = self.most = 0
        self.began: list[float] = []

        async def work() -> str:
            self.now += 1
            self.most = max(self.most, self.now)
            self.began.append(time.monotonic())
            await anyio.sleep(seconds)
            self.now -= 1
            return "done"

        self.tool: Tool[Any, ..., Any] = tool(effect="read", **declared)(work)


async def crowd(make_job: MakeJob, used: Tool[Any, ..., Any], calls: int, sessions: int = 4) -> list[str]:
    """Run calls of several sessions at once, each session with a dispatch of its own, as a server does."""
    said: list[str] = []
    dispatches = [Dispatch([used]) for _ in range(sessions)]

    async def one(n: int) -> None:
        job = make_job("work", idempotency_key=f"u{n}/1.1.0", session_id=f"s{n % sessions}")
        event = await dispatches[n % sessions].run(job)
        assert isinstance(event, ToolFinished)
        said.append(text_of(event.parts))

    async with anyio.create_task_group() as group:
        for n in range(calls):
            group.start_soon(one, n)
    return said


@pytest.mark.parametrize(("declared", "most"), [({}, 12), ({"concurrency": 1}, 1), ({"concurrency": 3}, 3)])
async def test_so_many_calls_run_at_once_over_all_sessions(
    make_job: MakeJob, declared: dict[str, Any], most: int
) -> None:
    busy = Busy(timeout=0.5, **declared)
    assert await crowd(make_job, busy.tool, 12) == ["done"] * 12
    assert busy.most == most


async def test_two_tools_do_not_wait_for_each_other(make_job: MakeJob) -> None:
    one, other = Busy(concurrency=1), Busy(concurrency=1)
    async with anyio.create_task_group() as group:
        for busy in (one, other):
            group.start_soon(crowd, make_job, busy.tool, 2)
    assert min(other.began) < max(one.began)


async def test_starts_keep_their_distance_over_all_sessions(make_job: MakeJob) -> None:
    busy = Busy(rate=25, timeout=0.03)
    await crowd(make_job, busy.tool, 8)
    gaps = [after - before for before, after in zip(busy.began, busy.began[1:], strict=False)]
    assert min(gaps) > 0.035  # 0.04 less what the event loop is late with the one before
    assert busy.began[-1] - busy.began[0] > 0.27


def test_a_rate_holds_over_runs_of_an_event_loop_and_over_threads(make_job: MakeJob) -> None:
    busy = Busy(0, rate=25)
    for _ in range(2):
        anyio.run(crowd, make_job, busy.tool, 1)
    threads = [threading.Thread(target=anyio.run, args=(crowd, make_job, busy.tool, 1)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(busy.began) - min(busy.began) > 0.1


async def test_who_gives_up_waiting_takes_nobodys_turn(make_job: MakeJob) -> None:
    busy = Busy(0, rate=5)
    dispatch = Dispatch([busy.tool])
    await dispatch.run(make_job("work"))
    for _ in range(20):
        with anyio.move_on_after(0.001):
            await dispatch.run(make_job("work"))
    await dispatch.run(make_job("work"))
    assert 0.15 < busy.began[-1] - busy.began[0] < 1.0


async def test_a_place_is_given_back_however_a_call_ends(make_job: MakeJob) -> None:
    async def work(how: str) -> str:
        if how == "raise":
            raise ValueError(how)
        await anyio.sleep(60 if how == "hang" else 0)
        return "done"

    dispatch = Dispatch([tool(effect="read", concurrency=1, timeout=0.02)(work)])
    with anyio.fail_after(5):
        for how in ("raise", "hang", "return"):
            event = await dispatch.run(make_job("work", {"how": how}))
        with anyio.move_on_after(0.001):
            await dispatch.run(make_job("work", {"how": "hang"}))
        event = await dispatch.run(make_job("work", {"how": "return"}))
    assert isinstance(event, ToolFinished)
    assert text_of(event.parts) == "done"


@pytest.mark.parametrize("effect", ["read", "once"])
async def test_a_call_off_while_waiting_leaves_no_doubt(make_job: MakeJob, effect: Any) -> None:
    """A `once` call that never began is known not to have happened; another one may simply run again later."""
    begun: list[int] = []

    async def work(n: int) -> str:
        begun.append(n)
        await anyio.sleep(0.05)
        return "done"

    dispatch = Dispatch([tool(effect=effect, concurrency=1)(work)])
    ended: list[object] = []
    async with anyio.create_task_group() as group:
        group.start_soon(dispatch.run, make_job("work", {"n": 1}))
        await anyio.sleep(0.01)
        with anyio.CancelScope() as scope:
            scope.cancel()
            ended.append(await dispatch.run(make_job("work", {"n": 2})))
    assert begun == [1]
    if effect == "read":
        assert ended == []
    else:
        (event,) = ended
        assert isinstance(event, ToolFinished)
        assert event.failed
        assert text_of(event.parts) == "Not run: work waited for its place when it was called off. Nothing happened."
