"""Trying a failed body again: inside one started call, and only where the effect allows it.

Never tried again: what the tool itself said of its failure (`ToolError`, `no_effect`), a question, and a call whose
thread is still busy with the attempt before. The model sees one result; people see every attempt in its `detail`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio
from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt, wait_random_exponential

from agentkit.core.events import ToolFinished
from agentkit.tools.attempts import Patience, Tried
from agentkit.tools.results import Fact

LONGEST = 20.0  # seconds: a wait is random up to twice as long as the one before it might have been


async def repeated(attempt: Callable[[], Awaitable[Tried]], patience: Patience, tell: Callable[[str], None]) -> Fact:
    """Make several attempts, as `attempts.tried` says."""
    attempts = patience.attempts
    before: list[str] = []

    async def once() -> Tried:  # tenacity awaits only what is declared `async`
        return await attempt()

    def note(state: RetryCallState) -> None:
        failed: Tried = state.outcome.result() if state.outcome is not None else Tried(ToolFinished("", ()))
        number, wait = f"attempt {state.attempt_number} of {attempts}", state.upcoming_sleep
        tell(f"{number} failed ({failed.why}); the next one in {wait:.1f} s")
        before.append(f"{number}: {_detail(failed)}")

    retrying = AsyncRetrying(
        retry=retry_if_result(lambda end: end.again),
        stop=stop_after_attempt(attempts),
        wait=wait_random_exponential(multiplier=patience.first, max=LONGEST),
        sleep=anyio.sleep,
        before_sleep=note,
        retry_error_callback=lambda state: None if state.outcome is None else state.outcome.result(),
    )
    last: Tried = await retrying(once)
    if not before or not isinstance(last.fact, ToolFinished):
        return last.fact
    number = len(before) + 1
    end = _detail(last) if last.fact.failed else "it went well"
    return replace(last.fact, detail="\n".join([*before, f"attempt {number} of {attempts}: {end}"]))


def _detail(end: Tried) -> str:
    return (end.fact.detail if isinstance(end.fact, ToolFinished) else None) or end.why
