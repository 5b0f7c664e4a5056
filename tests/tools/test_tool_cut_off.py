"""Calls that are cut off, by their time or by a cancel: real threads that live on, and what becomes known of them."""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest

from agentkit.core.events import ToolFinished, ToolUnknown
from agentkit.core.messages import Text, text_of
from agentkit.core.spec import Effect
from agentkit.errors import ToolError
from agentkit.tools import tool
from agentkit.tools.dispatch import Dispatch, Job
from agentkit.tools.running import Thread

pytestmark = pytest.mark.anyio

MakeJob = Callable[..., Job]
EFFECTS: list[Effect] = ["read", "idempotent", "once"]


def made(function: Callable[..., Any], **declared: Any) -> Dispatch:
    fields: dict[str, Any] = {"effect": "once", "name": "work"} | declared
    return Dispatch([tool(**fields)(function)])


def shown(event: object) -> str:
    assert isinstance(event, ToolFinished)
    return text_of(event.parts)


async def until(true: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not true():  # noqa: ASYNC110 - a thread's end, seen from outside
            await anyio.sleep(0.005)


# --- threads that do not return --------------------------------------------------------------------------------------


async def test_a_thread_out_of_time_lives_on_and_reports(make_job: MakeJob, gate: threading.Event) -> None:
    late: list[object] = []

    def work() -> str:
        gate.wait()
        return "paid"

    dispatch, job = made(work, timeout=0.3), make_job("work", late=late.append)
    assert isinstance(await dispatch.run(job), ToolUnknown)
    assert dispatch.alive(job.idempotency_key)
    assert made(work).alive(job.idempotency_key), "another session of this process has to know"
    assert not dispatch.alive("other")
    assert late == []
    gate.set()
    await until(lambda: not dispatch.alive(job.idempotency_key))
    assert late == [ToolFinished("2.1.0", (Text("paid"),))]


@pytest.mark.parametrize("error", [ToolError("no"), ConnectionError("perhaps"), SystemExit()])
async def test_what_a_late_thread_proves_is_reported_and_what_it_leaves_open_too(
    make_job: MakeJob, gate: threading.Event, error: BaseException
) -> None:
    late: list[object] = []

    def work() -> str:
        gate.wait()
        raise error

    dispatch, job = made(work, timeout=0.3), make_job("work", late=late.append)
    assert isinstance(await dispatch.run(job), ToolUnknown)
    gate.set()
    await until(lambda: not dispatch.alive(job.idempotency_key))
    (told,) = late
    if isinstance(error, ToolError):
        assert shown(told) == "no"
    else:
        assert isinstance(told, ToolUnknown)


async def test_a_late_read_changes_nothing(make_job: MakeJob, gate: threading.Event) -> None:
    late: list[object] = []

    def work() -> str:
        gate.wait()
        return "found"

    dispatch, job = made(work, effect="read", timeout=0.3), make_job("work", late=late.append)
    assert shown(await dispatch.run(job)) == "Error: work timed out after 0.3 s."
    gate.set()
    await until(lambda: not dispatch.alive(job.idempotency_key))
    assert late == []


async def test_a_call_that_waits_for_a_place_does_not_hold_up_by_a_lost_thread(
    make_job: MakeJob, gate: threading.Event
) -> None:
    def work(wait: bool) -> str:  # noqa: FBT001
        if wait:
            gate.wait()
        return "done"

    dispatch = Dispatch([tool(effect="once", timeout=0.5)(work)], concurrency=1)
    lost = await dispatch.run(make_job("work", {"wait": True}, idempotency_key="u/1.1.0"))
    assert isinstance(lost, ToolUnknown)
    assert shown(await dispatch.run(make_job("work", {"wait": False}, idempotency_key="u/1.1.1"))) == "done"


# --- cancelling ------------------------------------------------------------------------------------------------------


async def cancelled(dispatch: Dispatch, job: Job, ready: Callable[[], bool]) -> object | None:
    """Run a job, cancel it when it is ready; return what it says all the same, None if it raised the cancellation."""
    said: list[object] = []

    async def run() -> None:
        said.append(await dispatch.run(job))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await until(ready)
            group.cancel_scope.cancel()
    return said[0] if said else None


@pytest.mark.parametrize("effect", EFFECTS)
async def test_cancelling_a_thread_does_not_hang_and_it_reports(
    make_job: MakeJob, gate: threading.Event, effect: Effect
) -> None:
    late: list[object] = []
    begun = threading.Event()

    def work() -> str:
        begun.set()
        gate.wait()
        return "paid"

    dispatch, job = made(work, effect=effect), make_job("work", late=late.append)
    assert await cancelled(dispatch, job, begun.is_set) is None
    assert dispatch.alive(job.idempotency_key)
    gate.set()
    await until(lambda: not dispatch.alive(job.idempotency_key))
    assert [shown(event) for event in late] == ["paid"]


async def test_cancelling_reaches_an_async_tool(make_job: MakeJob) -> None:
    seen: list[str] = []

    async def work() -> None:
        seen.append("begun")
        try:
            await anyio.sleep_forever()
        finally:
            seen.append("cleaned up")

    dispatch, job = made(work), make_job("work")
    assert await cancelled(dispatch, job, lambda: bool(seen)) is None
    assert seen == ["begun", "cleaned up"]
    assert not dispatch.alive(job.idempotency_key)


async def test_a_known_outcome_survives_a_cancellation(make_job: MakeJob) -> None:
    seen: list[str] = []

    async def work() -> str:
        seen.append("begun")
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.05)
        return "paid"

    assert shown(await cancelled(made(work), make_job("work"), lambda: bool(seen))) == "paid"


async def test_an_unknown_one_raises_the_cancellation(make_job: MakeJob) -> None:
    seen: list[str] = []

    async def work() -> str:
        seen.append("begun")
        try:
            await anyio.sleep_forever()
        finally:
            raise ConnectionError("while closing")

    assert await cancelled(made(work), make_job("work"), lambda: bool(seen)) is None


async def test_a_call_cancelled_while_it_waits_for_a_place_never_begins(
    make_job: MakeJob, gate: threading.Event
) -> None:
    begun: list[str] = []

    def work(n: int) -> str:
        begun.append(str(n))
        gate.wait()
        return "done"

    dispatch = Dispatch([tool(effect="once")(work)], concurrency=1)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(dispatch.run, make_job("work", {"n": 1}, idempotency_key="u/1.1.1"))
            await until(lambda: begun == ["1"])
            second = make_job("work", {"n": 2}, idempotency_key="u/1.1.2")
            ended = await cancelled(dispatch, second, lambda: True)
            assert isinstance(ended, ToolFinished)  # no doubt is left: a person need not be asked
            assert ended.failed
            assert "Nothing happened" in text_of(ended.parts)
            assert not dispatch.alive("u/1.1.2")
            gate.set()
    assert begun == ["1"]


# --- the moment the thread ends and the waiting ends together -------------------------------------------------------


async def test_an_outcome_between_the_cancellation_and_the_giving_up_is_not_lost(
    make_job: MakeJob, gate: threading.Event
) -> None:
    over = threading.Event()
    said: list[object] = []

    def work() -> str:
        gate.wait()
        over.set()
        return "paid"

    async def run() -> None:
        said.append(await dispatch.run(job))

    dispatch, job = made(work), make_job("work", late=said.append)
    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await until(lambda: dispatch.alive(job.idempotency_key))
        await anyio.sleep(0.05)
        group.cancel_scope.cancel()
        gate.set()
        over.wait()
        time.sleep(0.05)  # noqa: ASYNC251 - the loop stands still: the thread ends before the task hears of its end
    assert [shown(event) for event in said] == ["paid"]
    assert not dispatch.alive(job.idempotency_key)


async def test_a_thread_given_up_before_it_began_never_begins() -> None:
    begun: list[str] = []
    thread = Thread(partial(begun.append, "begun"), lambda _: None)
    assert not thread.leave()
    await thread.run()
    assert begun == []
    assert thread.ended is None
