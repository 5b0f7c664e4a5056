"""Times the core must not know: of events that are still talked about, and of the open turn without waiting."""

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from agentkit.core.events import RunStarted
from agentkit.core.record import Row
from agentkit.core.state import State


@dataclass(slots=True)
class Clock:
    """What time it is in a session.

    Attributes:
        times: when events were recorded, by number; kept while an open call names them.
        worked: how long something was in flight in the open turn. Waiting for people does not count, nor does the time
            until another process goes on with what a dead one left.
        mark: when the last event was seen, by this process's own clock.
        synced: a time by the journal's clock, and when that was by this process's own.
    """

    times: dict[int, datetime] = field(default_factory=dict)
    turn: int = 0
    worked: timedelta = timedelta()
    last: datetime | None = None
    mark: float = 0.0
    synced: tuple[datetime, float] | None = None

    def sync(self, at: datetime | None) -> None:
        """Learn what time it is by the journal's clock; where it does not say, by this machine's."""
        self.synced = (at or datetime.now(UTC), time.monotonic())

    def now(self) -> datetime:
        """Return the time by the journal's clock: between two looks at it, this process's own goes on."""
        at, mark = self.synced or (datetime.now(UTC), time.monotonic())
        return at + timedelta(seconds=time.monotonic() - mark)

    def saw(self, row: Row, *, working: bool) -> None:
        """Take an event, as the fields of its record; `working`: something was in flight before it."""
        seq, at, turn, _, event, _ = row
        if turn != self.turn:
            self.turn, self.worked = turn, timedelta()
        elif self.last is not None and working and not isinstance(event, RunStarted):
            self.worked += at - self.last
        self.last, self.mark = at, time.monotonic()
        self.times[seq] = at

    def forget(self, state: State) -> None:
        """Keep only the times of events that open calls name."""
        if not state.every_call:
            self.times = {}
            return
        named = {number for call in state.every_call for number in (call.question, call.started)}
        self.times = {number: at for number, at in self.times.items() if number in named}

    def copy(self) -> "Clock":
        """Return a clock that goes its own way."""
        return replace(self, times=dict(self.times))

    def spent(self, *, working: bool) -> float:
        """Return the seconds worked in the open turn until now."""
        since = time.monotonic() - self.mark if working else 0.0
        return self.worked.total_seconds() + since


def working(state: State) -> bool:
    """Tell whether something is in flight: a model call, or a call of a tool."""
    if state.flight is not None:
        return True
    for call in state.every_call:  # noqa: SIM110 - asked before every event: `any` takes three times as long
        if call.status == "started":
            return True
    return False
