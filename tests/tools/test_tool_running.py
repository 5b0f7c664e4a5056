"""Running a tool's function: real tasks, real threads, real time-outs."""

import asyncio
import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from agentkit.core.events import CallSuspended, ToolFinished, ToolUnknown
from agentkit.core.messages import Text, text_of
from agentkit.core.spec import Effect
from agentkit.errors import NeedsAnswer, ToolError
from agentkit.tools import ToolContext, tool
from agentkit.tools.dispatch import Dispatch, Job

pytestmark = pytest.mark.anyio

MakeJob = Callable[..., Job]
EFFECTS: list[Effect] = ["read", "idempotent", "once"]


def made(function: Callable[..., Any], **declared: Any) -> Dispatch:
    fields: dict[str, Any] = {"effect": "once", "name": "work"} | declared
    return Dispatch([tool(**fields)(function)])


def shown(event: object) -> str:
    assert isinstance(event, ToolFinished)
    return text_of(event.parts)


# --- ends ------------------------------------------------------------------------------------------------------------


async def test_an_async_tool_gets_converted_arguments_and_its_context(make_job: MakeJob) -> None:
    seen: list[str] = []

    async def work(price: float, ctx: ToolContext[str], many: list[int] | None = None) -> dict[str, Any]:
        await ctx.progress("half way")
        return {"price": price, "deps": ctx.deps, "key": ctx.idempotency_key, "session": ctx.session_id, "many": many}

    job = make_job("work", {"price": 3}, deps="shop", idempotency_key="u/2.1.0", progress=seen.append)
    event = await made(work).run(job)
    assert event == ToolFinished(
        "2.1.0", (Text('{"price":3.0,"deps":"shop","key":"u/2.1.0","session":"desk","many":null}'),)
    )
    assert seen == ["half way"]


async def test_a_sync_tool_runs_in_a_thread_and_can_tell_its_progress(make_job: MakeJob) -> None:
    seen: list[str] = []
    threads: list[threading.Thread] = []

    def work(ctx: ToolContext) -> str:
        threads.append(threading.current_thread())
        anyio.from_thread.run(ctx.progress, "half way")
        return "done"

    event = await made(work).run(make_job("work", progress=seen.append))
    assert shown(event) == "done"
    assert seen == ["half way"]
    assert threads[0] is not threading.main_thread()


async def test_a_plain_function_that_returns_an_awaitable_is_awaited(make_job: MakeJob) -> None:
    async def inner(a: int) -> str:
        await anyio.lowlevel.checkpoint()
        return f"done {a}"

    @wraps(inner)
    def work(*args: Any, **kwargs: Any) -> Any:
        return inner(*args, **kwargs)

    assert shown(await made(work).run(make_job("work", {"a": 1}))) == "done 1"


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("threaded", [True, False])
async def test_tool_error_is_told_as_it_is(make_job: MakeJob, effect: Effect, threaded: bool) -> None:  # noqa: FBT001
    event = await made(raising(ToolError("No such order. Ask for the number."), threaded), effect=effect).run(
        make_job("work")
    )
    assert shown(event) == "No such order. Ask for the number."
    assert isinstance(event, ToolFinished)
    assert event.failed


@pytest.mark.parametrize("effect", EFFECTS)
async def test_a_tool_that_needs_an_answer_is_suspended(make_job: MakeJob, effect: Effect) -> None:
    event = await made(raising(NeedsAnswer("Which one?")), effect=effect).run(make_job("work"))
    assert event == CallSuspended("2.1.0", "question", "Which one?")


@pytest.mark.parametrize("effect", ["read", "idempotent"])
@pytest.mark.parametrize("threaded", [True, False])
async def test_another_exception_is_told_by_its_class_and_kept_in_full(
    make_job: MakeJob,
    effect: Effect,
    threaded: bool,  # noqa: FBT001
) -> None:
    event = await made(raising(KeyError("sk-secret"), threaded), effect=effect).run(make_job("work"))
    assert isinstance(event, ToolFinished)
    assert event.failed
    assert shown(event) == "Error: work failed (KeyError)."
    assert event.detail is not None
    assert "sk-secret" in event.detail
    assert "Traceback" in event.detail


@pytest.mark.parametrize("error", [KeyError("x"), ConnectionError("x"), TimeoutError("x"), StopIteration("x")])
@pytest.mark.parametrize("threaded", [True, False])
async def test_a_once_tool_that_raises_is_unknown(make_job: MakeJob, error: Exception, threaded: bool) -> None:  # noqa: FBT001
    event = await made(raising(error, threaded)).run(make_job("work"))
    assert isinstance(event, ToolUnknown)
    assert "raised" in event.why
    assert event.detail is not None


async def test_a_class_named_as_proof_fails_a_once_tool(make_job: MakeJob) -> None:
    event = await made(raising(FileNotFoundError("x")), no_effect=(ValueError, OSError)).run(make_job("work"))
    assert shown(event) == "Error: work failed (FileNotFoundError); nothing was changed."


async def test_a_tool_error_without_a_text_still_says_something(make_job: MakeJob) -> None:
    assert shown(await made(raising(ToolError())).run(make_job("work"))) == "Error: work failed."


@pytest.mark.parametrize(
    ("inside", "failed"),
    [
        ([ToolError("a"), ToolError("b")], "a\nb"),
        ([ToolError("a"), ExceptionGroup("", [ValueError("x")])], "Error: work failed (ToolError, ValueError)"),
        ([ToolError("a"), ConnectionError()], None),
        ([NeedsAnswer("a"), ConnectionError()], None),
    ],
)
async def test_groups_are_what_is_in_them(make_job: MakeJob, inside: list[Exception], failed: str | None) -> None:
    event = await made(raising(ExceptionGroup("many", inside)), no_effect=(ValueError,)).run(make_job("work"))
    if failed is None:
        assert isinstance(event, ToolUnknown)
    else:
        assert shown(event).startswith(failed)


async def test_a_question_out_of_a_task_group(make_job: MakeJob) -> None:
    async def work() -> None:
        async with anyio.create_task_group():
            raise NeedsAnswer("Which one?")

    assert isinstance(await made(work).run(make_job("work")), CallSuspended)


@pytest.mark.parametrize("threaded", [True, False])
async def test_a_stray_cancellation_inside_a_tool_is_an_end_like_others(make_job: MakeJob, threaded: bool) -> None:  # noqa: FBT001
    body = raising(asyncio.CancelledError(), threaded)
    once = await made(body).run(make_job("work"))
    assert isinstance(once, ToolUnknown)
    assert once.detail is not None
    assert "from inside" in once.detail
    assert shown(await made(body, effect="read").run(make_job("work"))).startswith("Error: work failed")


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_the_programs_end_passes_through(make_job: MakeJob, end: type[BaseException]) -> None:
    dispatch, job = made(raising(end(), threaded=True)), make_job("work")
    with pytest.raises(end):
        anyio.run(dispatch.run, job)
    assert not dispatch.alive(job.idempotency_key)


def raising(error: BaseException, threaded: bool = False) -> Callable[..., Any]:  # noqa: FBT001, FBT002
    def plain() -> str:
        raise error

    async def waiting() -> str:
        await anyio.lowlevel.checkpoint()
        raise error

    return plain if threaded else waiting


# --- edited ----------------------------------------------------------------------------------------------------------


async def test_a_result_of_edited_arguments_says_so_first(make_job: MakeJob) -> None:
    async def work(a: int) -> str:
        if a == 1:
            raise ToolError("no")
        return f"got {a}"

    note = 'Note: a person changed the arguments to {"a": %d} before the call ran.\n'
    dispatch = made(work)
    assert shown(await dispatch.run(make_job("work", {"a": 2}, edited=True))) == note % 2 + "got 2"
    assert shown(await dispatch.run(make_job("work", {"a": 1}, edited=True))) == note % 1 + "no"


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effect", EFFECTS)
async def test_an_async_tool_out_of_time(make_job: MakeJob, effect: Effect) -> None:
    event = await made(anyio.sleep_forever, effect=effect, timeout=0.01).run(make_job("work"))
    if effect == "once":
        assert event == ToolUnknown("2.1.0", "work timed out after 0.01 s")
    else:
        assert event == ToolFinished("2.1.0", (Text("Error: work timed out after 0.01 s."),), failed=True)


@pytest.mark.parametrize("effect", ["read", "once"])
async def test_an_exception_on_the_way_out_of_a_time_out(make_job: MakeJob, effect: Effect) -> None:
    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ConnectionError("while closing")

    event = await made(work, effect=effect, timeout=0.01).run(make_job("work"))
    told = event.why if isinstance(event, ToolUnknown) else shown(event)
    assert "timed out after 0.01 s" in told
    assert not isinstance(event, CallSuspended)
    assert event.detail is not None
    assert "while closing" in event.detail


async def test_one_that_fails_before_it_could_be_told_to_stop_has_failed(make_job: MakeJob) -> None:
    async def work() -> None:
        time.sleep(0.05)  # noqa: ASYNC251 - the event loop stands still, as with a careless tool
        raise ValueError("its own fault")

    assert (
        shown(await made(work, effect="read", timeout=0.01).run(make_job("work"))) == "Error: work failed (ValueError)."
    )


async def test_a_tool_that_finishes_though_its_time_is_over_has_finished(make_job: MakeJob) -> None:
    async def work() -> str:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.05)
        return "paid"

    assert shown(await made(work, timeout=0.01).run(make_job("work"))) == "paid"


async def test_waiting_for_a_place_is_not_the_tools_time(make_job: MakeJob) -> None:
    busy: list[int] = []
    most: list[int] = []

    async def work() -> str:
        busy.append(1)
        most.append(len(busy))
        await anyio.sleep(0.1)
        busy.pop()
        return "done"

    dispatch = Dispatch([tool(effect="read", timeout=0.25)(work)], concurrency=2)
    events: list[object] = []

    async def one(n: int) -> None:
        events.append(await dispatch.run(make_job("work", idempotency_key=f"u/1.1.{n}")))

    async with anyio.create_task_group() as group:
        for n in range(8):
            group.start_soon(one, n)
    assert {shown(event) for event in events} == {"done"}
    assert max(most) == 2


async def test_the_calls_of_one_session_leave_room_for_those_of_another(make_job: MakeJob) -> None:
    """A worker drives many sessions of one agent: their tools must not wait for each other."""
    here, all_here = [], anyio.Event()

    async def work() -> str:
        here.append(1)
        if len(here) == 3:
            all_here.set()
        await all_here.wait()
        return "done"

    dispatch = Dispatch([tool(effect="read")(work)], concurrency=1)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for n in range(3):
                group.start_soon(dispatch.run, make_job("work", idempotency_key=f"u{n}/1.1.0", session_id=f"s{n}"))
    assert len(here) == 3
