"""Law 1: check, then write, then believe. The one place where a session's state is assigned."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

import anyio

from agentkit.core.binding import Blob, hashed
from agentkit.core.commands import Verdict
from agentkit.core.deltas import Delta
from agentkit.core.events import (
    AgentBound,
    AnyEvent,
    CallAnswered,
    CallApproved,
    CallDenied,
    CallResolved,
    Forked,
    InboxRefused,
    RunStarted,
    ToolFinished,
    ToolStarted,
    TurnResumed,
    UserSaid,
)
from agentkit.core.loop import apply, commands, follows
from agentkit.core.messages import Part, Stored, Text
from agentkit.core.record import Record
from agentkit.core.state import Phase, State
from agentkit.errors import AppendUncertain, Fenced, JournalError
from agentkit.inbox import body_of
from agentkit.journal.base import Batch, InboxRow, Journal, Lease, Placed
from agentkit.questions import asked, open_calls

LARGE = 64 * 1024  # bytes: a longer text is a blob of its own (DURABLE.md, Tables)

_BY_PEOPLE = (
    *(UserSaid, CallApproved, CallDenied, CallAnswered, CallResolved, TurnResumed, InboxRefused),
    *(RunStarted, AgentBound, Forked),  # the first facts of another process, whenever it came
)

Subscriber = Callable[[Record | Sequence[Delta]], None]


@dataclass(slots=True)
class Clock:
    """Times the core must not know: of events that are still talked about, and of the open turn without waiting."""

    times: dict[int, datetime]
    turn: int = 0
    worked: timedelta = timedelta()
    last: datetime | None = None
    mark: float = 0.0  # when the last event was seen, by this process's own clock

    def saw(self, record: Record) -> None:
        """Count the time to this event, unless a person, or a dead process, was waited for."""
        if record.turn != self.turn:
            self.turn, self.worked = record.turn, timedelta()
        elif self.last is not None and not isinstance(record.event, _BY_PEOPLE):
            self.worked += record.at - self.last
        self.last, self.mark = record.at, time.monotonic()
        self.times[record.seq] = record.at

    def forget(self, state: State) -> None:
        """Keep only the times of events that open calls name."""
        named = {number for call in state.calls for number in (call.question, call.started)}
        self.times = {number: at for number, at in self.times.items() if number in named}


class Lates:
    """Outcomes of calls that were given up as unknown and ended after all, until somebody records them.

    They belong to the process: a thread may outlive the `Session` it ran for, and the next one records what it did.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: dict[str, list[ToolFinished]] = {}  # by the session's uid

    def put(self, uid: str, event: ToolFinished) -> None:
        """Leave an outcome, from any thread."""
        with self._lock:
            self._waiting.setdefault(uid, []).append(event)

    def take(self, uid: str) -> ToolFinished | None:
        """Return the oldest outcome, None if there is none."""
        with self._lock:
            waiting = self._waiting.get(uid, [])
            event = waiting.pop(0) if waiting else None
            if not waiting:
                self._waiting.pop(uid, None)
            return event

    def __contains__(self, uid: str) -> bool:
        return uid in self._waiting


lates = Lates()


class Recorder:
    """A session in memory, exactly as it is in the journal.

    Attributes:
        state: what follows from everything recorded. clock: when.
        kept: outcomes that could not be written (full disk); they are recorded first when the session goes on.
        stale: the fate of an append is not known; the state has to be loaded again.
    """

    def __init__(self, journal: Journal, session_id: str) -> None:
        self.journal, self.session_id = journal, session_id
        self.state = State()
        self.clock = Clock({})
        self.lease: Lease | None = None
        self.subscribers: list[Subscriber] = []
        self.kept: list[AnyEvent] = []
        self.stale = False
        self._lock = anyio.Lock()

    async def load(self, *, show: bool = False) -> None:
        """Fold what the journal has and this memory has not; `show` it to those who watch."""
        async with self._lock:
            state = self.state
            fresh: list[AnyEvent] = []
            async for record in self.journal.read(self.session_id, after=state.seq):
                state = apply(state, record.event)
                self.clock.saw(record)
                if not state.calls:
                    self.clock.forget(state)
                fresh.append(record.event)
                if show:
                    self.publish(record)
            self.state, self.stale = state, False
            self.kept = [event for event in self.kept if _slimmed((event,))[0][0] not in fresh]

    async def record(
        self,
        *events: AnyEvent,
        verdicts: Mapping[str, Verdict] | None = None,
        row: InboxRow | None = None,
        blobs: Sequence[Blob] = (),
        then: bool = True,
    ) -> None:
        """Record facts and all that follows from them (`then`), as one batch. Nothing of it can be cancelled.

        Raises:
            ProtocolError: a fact cannot follow from the state. Nothing was written.
            Fenced: somebody else drives the session now. Nothing was written.
            JournalError: the batch could not be written; the facts are in `kept`.
        """
        with anyio.CancelScope(shield=True):
            async with self._lock:
                slim, large = _slimmed(events)
                state, placed = _given(self.state, slim)
                if then:
                    state, placed = _following(state, placed, verdicts or {})
                if placed:
                    batch = self._batch(state, placed, row, (*blobs, *large))
                    await self._append(state, batch, events if row is None else ())

    def _batch(self, state: State, placed: Sequence[Placed], row: InboxRow | None, blobs: Sequence[Blob]) -> Batch:
        before, after = open_calls(self.state), open_calls(state)
        return Batch(
            events=placed,
            blobs=blobs,
            taken=() if row is None else ((row.n, 0),),
            opened=[
                asked(state, call, self.clock.times)
                for name, call in after.items()
                if name not in before or before[name].because != call.because
            ],
            closed=[name for name in before if name not in after],
            status=standing(state),
            durable=any(isinstance(p.event, ToolStarted) and p.event.effect == "once" for p in placed),
        )

    async def _append(self, state: State, batch: Batch, events: Sequence[AnyEvent]) -> None:
        if self.stale:
            self.kept.extend(event for event in events if event not in self.kept)
            raise AppendUncertain("nothing more was written: the session has to be loaded again first")
        if self.lease is None:
            raise Fenced("nothing was written: this process does not drive the session")
        first = self.state.seq + 1
        try:
            appended = await self.journal.append(self.lease, self.state.seq, batch)
        except Fenced:
            await self.hand_over(events)
            raise
        except JournalError as error:
            self.stale = isinstance(error, AppendUncertain)
            self.kept.extend(event for event in events if event not in self.kept)
            raise
        self.state = state
        self.kept = [event for event in self.kept if event not in events]
        for number, placed in enumerate(batch.events, first):
            record = Record(number, appended.at, placed.turn, placed.step, placed.event, self.lease.epoch)
            self.clock.saw(record)
            self.publish(record)
        if not state.calls:
            self.clock.forget(state)

    async def hand_over(self, events: Sequence[AnyEvent]) -> None:
        """Leave outcomes that only this process knows to whoever drives the session now."""
        for event in events:
            if isinstance(event, ToolFinished):
                fact = CallResolved(event.call, 0, "happened", "tool", "the process that ran it", event.parts)
                body = body_of(fact)
                await self.journal.put(self.session_id, "resolution", f"{event.call}/tool/{hashed(body)}", body, None)

    def publish(self, news: Record | Sequence[Delta]) -> None:
        """Show something to all who watch this session in this process."""
        for subscriber in self.subscribers:
            subscriber(news)

    def left(self) -> float | None:
        """Return the seconds the open turn may still take; None without a limit, or when it is ending already."""
        bound, open_turn = self.state.bound, self.state.phase in {Phase.THINKING, Phase.ACTING}
        if bound is None or bound.limits.seconds is None or not open_turn or self.state.ending:
            return None
        since = time.monotonic() - self.clock.mark
        return bound.limits.seconds - self.clock.worked.total_seconds() - since


def _given(state: State, events: Sequence[AnyEvent]) -> tuple[State, list[Placed]]:
    placed: list[Placed] = []
    for event in events:
        before, state = state, apply(state, event)
        placed.append(_place(event, before, state))
    return state, placed


def _following(state: State, placed: list[Placed], verdicts: Mapping[str, Verdict]) -> tuple[State, list[Placed]]:
    while (following := follows(state, verdicts)) is not None:
        before, state = state, apply(state, following)
        placed.append(_place(following, before, state))
    return state, placed


def _place(event: AnyEvent, before: State, after: State) -> Placed:
    where = after if before.phase is Phase.IDLE else before
    idle = where.phase is Phase.IDLE
    return Placed(event, where.turn, None if idle else where.step)


def _slimmed(events: Sequence[AnyEvent]) -> tuple[list[AnyEvent], list[Blob]]:
    blobs: list[Blob] = []
    slim = [_slim(event, blobs) if isinstance(event, ToolFinished) else event for event in events]
    return slim, blobs


def _slim(event: ToolFinished, blobs: list[Blob]) -> ToolFinished:
    parts = tuple(_stored(part, blobs) for part in event.parts)
    return event if parts == event.parts else ToolFinished(event.call, parts, event.failed, event.detail)


def _stored(part: Part, blobs: list[Blob]) -> Part:
    if not isinstance(part, Text) or len(part.text) * 4 < LARGE:
        return part
    data = part.text.encode("utf-8", "surrogatepass")
    if len(data) <= LARGE:
        return part
    blobs.append(Blob(hashed(data), data))
    return Stored(blobs[-1].hash, len(data))


def standing(state: State) -> str:
    """Return the word the journal files the session under: open, waiting, faulted, idle, or how the last turn ended."""
    if state.phase is Phase.IDLE:
        return state.turns[-1].status if state.turns else "idle"
    if state.phase is Phase.FAULTED:
        return "faulted"
    return "waiting" if open_calls(state) and not commands(state) else "open"
