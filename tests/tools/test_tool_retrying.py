"""Trying again inside one call: what is tried again, what never is, and who gets to see it."""

import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from agentkit import ToolError, tool
from agentkit.core.events import CallSuspended, ToolFinished
from agentkit.core.messages import text_of
from agentkit.core.spec import Effect
from agentkit.errors import NeedsAnswer
from agentkit.tools.dispatch import Dispatch, Job

pytestmark = pytest.mark.anyio

MakeJob = Callable[..., Job]


class Flaky:
    """A tool whose attempts end as the list says; the last entry repeats."""

    def __init__(self, *ends: Any, threaded: bool = False, first_wait: float = 0.01, **declared: Any) -> None:
        self.attempts = 0
        self.keys: list[str] = []

        def plain() -> str:
            end = ends[min(self.attempts, len(ends) - 1)]
            self.attempts += 1
            if isinstance(end, Exception):
                raise end
            return str(end)

        async def work() -> str:
            end = ends[min(self.attempts, len(ends) - 1)]
            if end == "hang":
                self.attempts += 1
                await anyio.sleep_forever()
            return plain()

        made: Any = tool(**{"effect": "read", "name": "work", "retries": 2, **declared})
        self.dispatch = Dispatch([made(plain if threaded else work)], first_wait=first_wait)


async def run(flaky: Flaky, make_job: MakeJob, seen: list[str] | None = None) -> ToolFinished:
    event = await flaky.dispatch.run(make_job("work", progress=(seen if seen is not None else []).append))
    assert isinstance(event, ToolFinished)
    return event


@pytest.mark.parametrize("effect", ["read", "idempotent"])
@pytest.mark.parametrize("threaded", [True, False])
async def test_a_failed_attempt_is_made_again_and_people_see_it(
    make_job: MakeJob,
    effect: Effect,
    threaded: bool,  # noqa: FBT001
) -> None:
    seen: list[str] = []
    flaky = Flaky(ConnectionError("the line broke"), OSError("again"), "fine", effect=effect, threaded=threaded)
    event = await run(flaky, make_job, seen)
    assert (text_of(event.parts), event.failed, flaky.attempts) == ("fine", False, 3)
    assert event.detail is not None
    assert "attempt 1 of 3: Traceback" in event.detail
    assert "ConnectionError: the line broke" in event.detail
    assert "attempt 2 of 3: Traceback" in event.detail
    assert event.detail.endswith("attempt 3 of 3: it went well")
    assert [each.partition(";")[0] for each in seen] == [
        "attempt 1 of 3 failed (ConnectionError)",
        "attempt 2 of 3 failed (OSError)",
    ]


async def test_the_last_failure_is_the_models_and_all_are_peoples(make_job: MakeJob) -> None:
    flaky = Flaky(ConnectionError("one"), ValueError("two"), KeyError("three"))
    event = await run(flaky, make_job)
    assert (text_of(event.parts), event.failed, flaky.attempts) == ("Error: work failed (KeyError).", True, 3)
    assert event.detail is not None
    assert [word in event.detail for word in ("one", "two", "three")] == [True] * 3


@pytest.mark.parametrize(
    ("end", "declared"),
    [
        (ToolError("No such order."), {}),
        (ExceptionGroup("", [ToolError("No such order.")]), {}),
        (ValueError("x"), {"no_effect": (ValueError,), "effect": "idempotent"}),
        (ConnectionError("x"), {"retries": 0}),
    ],
)
async def test_what_the_tool_itself_says_is_final(make_job: MakeJob, end: Exception, declared: dict[str, Any]) -> None:
    flaky = Flaky(end, "fine", **declared)
    event = await run(flaky, make_job)
    assert event.failed
    assert flaky.attempts == 1
    assert "attempt" not in (event.detail or "")


async def test_a_question_is_asked_and_not_tried_again(make_job: MakeJob) -> None:
    flaky = Flaky(ConnectionError("x"), NeedsAnswer("Which one?"), "fine")
    assert await flaky.dispatch.run(make_job("work")) == CallSuspended("2.1.0", "question", "Which one?")
    assert flaky.attempts == 2


async def test_each_attempt_has_the_tools_time(make_job: MakeJob) -> None:
    event = await run(flaky := Flaky("hang", "hang", "fine", timeout=0.02), make_job)
    assert (text_of(event.parts), flaky.attempts) == ("fine", 3)
    assert "attempt 1 of 3: cut off" in str(event.detail)


async def test_a_thread_that_is_still_busy_is_not_joined_by_a_second(make_job: MakeJob, gate: threading.Event) -> None:
    began: list[int] = []

    def work() -> str:
        began.append(1)
        gate.wait()
        return "done"

    dispatch = Dispatch([tool(effect="idempotent", retries=3, timeout=0.02)(work)])
    event = await dispatch.run(make_job("work"))
    assert isinstance(event, ToolFinished)
    assert "timed out" in text_of(event.parts)
    assert began == [1]


async def test_each_attempt_is_a_start_that_the_rate_counts(make_job: MakeJob) -> None:
    flaky = Flaky(ConnectionError("x"), ConnectionError("x"), "fine", rate=20)
    began = anyio.current_time()
    await run(flaky, make_job)
    assert anyio.current_time() - began > 0.09


async def test_a_cancel_between_attempts_ends_the_call(make_job: MakeJob) -> None:
    flaky, ended = Flaky(ConnectionError("x"), first_wait=1000), []
    with anyio.move_on_after(0.05):
        ended.append(await flaky.dispatch.run(make_job("work")))
    assert (ended, flaky.attempts) == ([], 1)
