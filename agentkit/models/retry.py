"""Asking again, in one place: only before any byte of an answer has come, and never where it cannot help.

400, 401, 402, 403, 404 and 422 are final (CONTRACTS.md, section 7, point 9); 408, 409, 429, 5xx and connections that
failed are tried again, at the time the service asks for, else after waits that grow at random.

Who is refused for being one of too many backs off for all who ask there (`Gate`): one of them asks in place of all,
and what that one is refused counts as an attempt of each who waits. So nobody waits longer than alone, and a service
in trouble hears one request instead of one per session. Each that is let in then makes room for one more: the queue
comes back by doubling, not all at once.
"""

import math
from collections.abc import Awaitable, Callable
from copy import copy
from types import TracebackType
from typing import Final, TypeVar

import anyio
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from agentkit.core.values import dataclass
from agentkit.errors import ModelError, Overloaded, RateLimited

T = TypeVar("T")

_LET_IN: Final = 5.0  # seconds without a refusal after which a request counts as let in: answers take longer than that
_WIDE: Final = 64  # so many at once are no queue any more


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

    @property
    def for_all(self) -> bool:
        """Whether others who ask there would hear the same: too many, or down for a time that the service knows."""
        return isinstance(self.error, RateLimited) or (isinstance(self.error, Overloaded) and self.wait is not None)


class Gate:
    """The back-off that all who ask one endpoint share; times are the event loop's, in seconds.

    Attributes:
        closings: how often it was closed, ever. refusals: how often since somebody was let in.
    """

    def __init__(self) -> None:
        self.closings = self.refusals = 0
        self.why: ModelError | None = None
        self._opens = -math.inf
        self._room = math.inf  # how many may wait for an answer at once
        self._away: dict[object, float] = {}  # who waits for one, and since when
        self._changed: anyio.Event | None = None  # of those who wait

    async def changes(self, wait: float) -> None:
        """Wait until something has changed, at most so long."""
        changed = self._changed = self._changed or anyio.Event()
        with anyio.move_on_after(wait):
            await changed.wait()

    def wait(self) -> float:
        """Return how long somebody who comes now has to wait at least; 0 or less: they may go."""
        if not self.closings:
            return 0.0
        now = anyio.current_time()
        if now < self._opens:
            return self._opens - now
        if self._room == math.inf:
            return 0.0
        recent = sorted(since for since in self._away.values() if since > now - _LET_IN)
        return recent[0] + _LET_IN - now if len(recent) >= self._room else 0.0

    def go(self, who: object) -> None:
        """Let somebody go."""
        self._away[who] = anyio.current_time()

    def back(self, who: object, closing: int, *, let_in: bool) -> None:
        """Take note that somebody came back; one who went since it was closed and was let in makes room for more."""
        del self._away[who]
        if let_in and closing == self.closings:
            self.refusals = 0
            self._room = self._room + 1 if self._room < _WIDE else math.inf
        self._stir()

    def close(self, seconds: float, why: ModelError, closing: int, *, asked: bool) -> None:
        """Close it. One who went before it was closed last brings no news, unless the service `asked` for longer."""
        now = anyio.current_time()
        if closing < self.closings:
            self._opens = max(self._opens, now + seconds) if asked else self._opens
            return
        self.closings += 1
        self.refusals += 1
        self._opens, self._room, self.why = now + seconds, 1, why
        self._stir()

    def _stir(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None


class Turn:
    """One request's way through a gate, as often as it has to be made: a context around each posting."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.closing = -1  # number of the closing after which it went last

    async def come(self) -> None:
        """Wait for this one's turn. Raises: NotYet: one who went first was refused, and that counts for all."""
        seen = self.gate.closings
        while (wait := self.gate.wait()) > 0:
            await self.gate.changes(wait)
            if self.gate.closings > seen and self.gate.why is not None:
                raise NotYet(copy(self.gate.why), 0)

    async def __aenter__(self) -> None:
        """Go, when it is this one's turn. Raises: as `come`."""
        await self.come()
        self.closing = self.gate.closings
        self.gate.go(self)

    async def __aexit__(self, t: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        """Come back. A final refusal is an answer, too: the service had the time for it."""
        self.gate.back(self, self.closing, let_in=e is None or isinstance(e, ModelError))


async def patiently(ask: Callable[[], Awaitable[T]], patience: Patience = PATIENCE, turn: Turn | None = None) -> T:
    """Call `ask` until it does not raise `NotYet`. With a `turn`, which `ask` takes, others there back off too.

    Raises:
        ModelError: the last `NotYet`'s, when the attempts are spent; and whatever else `ask` raises, at once.
    """
    try:
        return await ask()
    except NotYet as error:
        heard: list[NotYet] = [error]
    grown = wait_random_exponential(multiplier=patience.first, max=patience.longest)

    def wait(state: RetryCallState) -> float:
        raised = state.outcome.exception() if state.outcome is not None else None
        asked = min(raised.wait, patience.asked) if isinstance(raised, NotYet) and raised.wait is not None else None
        if turn is None or not isinstance(raised, NotYet) or not raised.for_all:
            return grown(state) if asked is None else asked
        longer = copy(state)  # what others were refused makes the wait grow, too
        longer.attempt_number = max(state.attempt_number, turn.gate.refusals + 1)
        seconds = grown(longer) if asked is None else asked
        turn.gate.close(seconds, raised.error, turn.closing, asked=asked is not None)
        return 0  # the gate is where the wait is spent

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(NotYet),
        stop=stop_after_attempt(patience.attempts),
        wait=wait,
        sleep=anyio.sleep,
        reraise=True,
    )

    async def attempt() -> T:  # tenacity awaits only what is declared `async`
        if heard:
            raise heard.pop()
        return await ask()

    try:
        return await retrying(attempt)
    except NotYet as spent:
        raise spent.error from spent.__cause__
