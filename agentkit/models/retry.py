"""Asking again, in one place: only before any byte of an answer has come, and never where it cannot help.

400, 401, 402, 403, 404 and 422 are final (CONTRACTS.md, section 7, point 9); 408, 409, 429, 5xx and connections that
failed are tried again, at the time the service asks for, else after waits that grow at random.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from agentkit.errors import ModelError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long. `first` and `longest` bound our own waits, `asked` caps a service's; in seconds."""

    attempts: int = 4
    first: float = 0.5
    longest: float = 20.0
    asked: float = 60.0


PATIENCE: Final = Patience()


class NotYet(Exception):  # noqa: N818 - a demand, not an error: asking again may help
    """Nothing of an answer has come and asking again may help; `wait` is what the service asks for, in seconds."""

    def __init__(self, error: ModelError, wait: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


async def patiently(ask: Callable[[], Awaitable[T]], patience: Patience = PATIENCE) -> T:
    """Call `ask` until it does not raise `NotYet`.

    Raises:
        ModelError: the last `NotYet`'s, when the attempts are spent; and whatever else `ask` raises, at once.
    """
    grown = wait_random_exponential(multiplier=patience.first, max=patience.longest)

    def wait(state: RetryCallState) -> float:
        raised = state.outcome.exception() if state.outcome is not None else None
        asked = raised.wait if isinstance(raised, NotYet) else None
        return grown(state) if asked is None else min(asked, patience.asked)

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(NotYet),
        stop=stop_after_attempt(patience.attempts),
        wait=wait,
        sleep=anyio.sleep,
        reraise=True,
    )

    async def attempt() -> T:  # tenacity awaits only what is declared `async`
        return await ask()

    try:
        return await retrying(attempt)
    except NotYet as spent:
        raise spent.error from spent.__cause__
