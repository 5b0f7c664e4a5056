"""Law 1: check, then write, then believe. The one place where a session's state is assigned."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import starmap
from math import inf
from typing import NamedTuple, Protocol, TypeAlias

import anyio

from agentkit.clock import Clock, working
from agentkit.core.binding import Blob, hashed
from agentkit.core.commands import Verdict
from agentkit.core.cutting import Cut
from agentkit.core.deltas import Delta
from agentkit.core.events import (
    AgentBound,
    AnyEvent,
    CallResolved,
    CallSuspended,
    Forked,
    InboxRefused,
    ModelFailed,
    ModelInterrupted,
    ModelRejected,
    ModelResponded,
    ModelStarted,
    RunStarted,
    SessionStarted,
    ToolFinished,
    ToolStarted,
    ToolUnknown,
)
from agentkit.core.loop import apply, commands, follows, take
from agentkit.core.messages import Text
from agentkit.core.progress import hinted
from agentkit.core.record import Record
from agentkit.core.replacing import done, draft, replace
from agentkit.core.state import Call, Phase, State
from agentkit.core.values import dataclass
from agentkit.errors import AppendUncertain, Fenced, JournalError, ProtocolError, RedactionFailed
from agentkit.ids import process_name
from agentkit.inbox import body_of
from agentkit.journal.base import Batch, InboxRow, Journal, Lease, Placed
from agentkit.lates import lates
from agentkit.questions import asked, open_calls
from agentkit.redaction import redacted
from agentkit.slimming import slimmed

# What a crash loop records too.
BEGINNINGS: frozenset[type] = frozenset({SessionStarted, RunStarted, AgentBound, Forked, ModelStarted, ToolStarted})
OUTCOMES = (ModelResponded, ModelRejected, ModelInterrupted, ModelFailed, ToolFinished, ToolUnknown, CallSuspended)

Subscriber = Callable[[Record | Sequence[Delta]], None]


class Following(Protocol):
    """Says what follows from a fact: what the core says, and who answers next where an agent has several models."""

    def next(self, before: State, state: State, verdicts: Mapping[str, Verdict]) -> AnyEvent | None:
        """Return the next fact that nobody performs; what is not in `before` is new."""
        ...

    def blobs(self, event: AnyEvent) -> Sequence[Blob]:
        """Return the contents that such a fact names."""
        ...


class _OfCore:
    """What follows by the core alone."""

    def next(self, _: State, state: State, verdicts: Mapping[str, Verdict]) -> AnyEvent | None:
        return follows(state, verdicts)

    def blobs(self, _: AnyEvent) -> Sequence[Blob]:
        return ()


@dataclass(frozen=True, slots=True)
class Kept:
    """An outcome that could not be written, and the attempt it is the outcome of."""

    event: AnyEvent
    attempt: tuple[int, int, int]  # turn, step, attempt

    def fits(self, state: State) -> bool:
        """Tell whether its place is still open: an answer does not name its attempt, an event of a call does."""
        of_model = isinstance(self.event, (ModelResponded, ModelRejected, ModelInterrupted, ModelFailed))
        return not of_model or self.attempt == (state.turn, state.step, state.attempt)


class _Given(NamedTuple):
    """What `record` is given."""

    events: tuple[AnyEvent, ...]
    verdicts: Mapping[str, Verdict]
    row: InboxRow | None
    blobs: Sequence[Blob]
    then: bool
    since: State | None


_Step: TypeAlias = tuple[Placed, bool]  # an event of a batch, and whether something was in flight before it


class Recorder:
    """A session in memory, exactly as it is in the journal.

    Attributes:
        state: what follows from everything recorded. clock: when. following: what follows beyond that.
        kept: outcomes that could not be written (full disk); they are recorded first when the session goes on.
        stale: the fate of an append is not known; the state has to be loaded again.
    """

    def __init__(self, journal: Journal, session_id: str) -> None:
        self.journal, self.session_id = journal, session_id
        self.state = State()
        self.clock = Clock()
        self.lease: Lease | None = None
        self.following: Following = _OfCore()
        self.subscribers: list[Subscriber] = []
        self.kept: list[Kept] = []
        self._named = 0  # the last run that has said which process it is of
        self.stale = False
        self._at = datetime.min.replace(tzinfo=UTC)  # of the last append
        self._lock = anyio.Lock(fast_acquire=True)
        self._shields = getattr(journal.append, "shields", False)

    async def load(self, *, show: bool = False) -> None:
        """Fold what the journal has and this memory has not; `show` it to those who watch."""
        async with self._lock:
            state, clock = draft(self.state), self.clock.copy()
            fresh: list[Record] = []
            async for page in self.journal.pages(self.session_id, after=state.seq):
                for row in page:
                    clock.saw(row, working=working(state))
                    state = take(state, row[4], row[0])  # an event that was read past has a number too
                    if not state.calls:
                        clock.forget(state)
                if show or self.kept:  # else it is dropped at once: a long history is never held twice
                    fresh += starmap(Record, page)
            self.state, self.clock, self.stale = done(state), clock, False
            if self.kept:
                events = [record.event for record in fresh]
                self.kept = [kept for kept in self.kept if slimmed((kept.event,))[0][0] not in events]
        for record in fresh if show else ():
            self.publish(record)

    def reach(self, seq: int) -> None:
        """Count events of a later version behind the last one that was read, which this version may ignore."""
        self.state = replace(self.state, seq=max(seq, self.state.seq))

    async def record(
        self,
        *events: AnyEvent,
        verdicts: Mapping[str, Verdict] | None = None,
        row: InboxRow | None = None,
        blobs: Sequence[Blob] = (),
        then: bool = True,
        since: State | None = None,
    ) -> None:
        """Record facts and all that follows from them (`then`), as one batch. Nothing of it can be cancelled.

        `since` is the state behind which everything counts as new, where that is not the one on disk: the batch before
        this one held an outcome, and not yet what follows from it.

        Raises:
            ProtocolError: a fact cannot follow from the state. Nothing was written.
            Fenced: somebody else drives the session now. Nothing was written.
            JournalError: the batch could not be written; the facts are in `kept`.
        """
        given = _Given(events, verdicts or {}, row, blobs, then, since)
        if self._shields and not self._lock.locked():  # then nothing below waits where a cancel can reach it
            self._lock.acquire_nowait()
            try:
                await self._record(given)
            finally:
                self._lock.release()
            return
        with anyio.CancelScope(shield=True):
            async with self._lock:
                await self._record(given)

    async def _record(self, given: _Given) -> None:
        events = tuple([hinted(self.state, event) for event in self._redacted(given.events, given.row)])
        slim, large = slimmed(events)
        state, steps = _given(self.state, slim)
        if given.then:
            state = self._follow(given.since or self.state, (state, steps), given.verdicts, large)
        if steps:
            batch = self._batch(state, [placed for placed, _ in steps], given.row, (*given.blobs, *large))
            await self._append(state, batch, events if given.row is None else ())
            self._show(batch, [was_working for _, was_working in steps])

    def _follow(
        self, since: State, given: tuple[State, list[_Step]], verdicts: Mapping[str, Verdict], blobs: list[Blob]
    ) -> State:
        state, steps = given
        while (event := self.following.next(since, state, verdicts)) is not None:
            event = self._signed(redacted(self.journal.redaction, event), steps)
            before, state = state, apply(state, event)
            steps.append((_place(event, before, state), working(before)))
            blobs += self.following.blobs(event)
        return state

    def _signed(self, event: AnyEvent, steps: Sequence[_Step]) -> AnyEvent:
        """Return the start of a call with the process it is of, where nothing in this run has said so."""
        if not isinstance(event, ToolStarted) or event.effect == "read" or self.lease is None:
            return event
        known = self._named == self.lease.epoch or any(_says_who(placed.event) for placed, _ in steps)
        return event if known else replace(event, process=process_name())

    def _batch(self, state: State, placed: Sequence[Placed], row: InboxRow | None, blobs: Sequence[Blob]) -> Batch:
        before, after, kinds = open_calls(self.state), open_calls(state), {type(p.event) for p in placed}
        return Batch(
            events=placed,
            blobs=blobs,
            taken=() if row is None else ((row.n, 0),),
            opened=[
                asked(state, call, self.clock.times)
                for name, call in after.items()
                if name not in before or _told(before[name]) != _told(call)
            ],
            closed=[name for name in before if name not in after],
            status=standing(state),
            news=not kinds <= BEGINNINGS,
            durable=ToolStarted in kinds and any(getattr(p.event, "effect", "") == "once" for p in placed),
        )

    async def _append(self, state: State, batch: Batch, events: Sequence[AnyEvent]) -> None:
        if self.stale:
            self._keep(events)
            raise AppendUncertain("nothing more was written: the session has to be loaded again first")
        if self.lease is None:
            raise Fenced("nothing was written: this process does not drive the session")
        try:
            self._at = (await self.journal.append(self.lease, self.state.seq, batch)).at
        except Fenced:
            with anyio.CancelScope(shield=True):
                await self.hand_over(events)
            raise
        except JournalError as error:
            self.stale = isinstance(error, AppendUncertain)
            self._keep(events)
            raise
        self.state = state
        if self._named != self.lease.epoch and any(_says_who(placed.event) for placed in batch.events):
            self._named = self.lease.epoch
        if self.kept:
            self.kept = [kept for kept in self.kept if kept.event not in events]

    def _redacted(self, events: Sequence[AnyEvent], row: InboxRow | None) -> tuple[AnyEvent, ...]:
        """Return facts as the rules leave them. Raises: RedactionFailed: what only this process knows is in `kept`."""
        if self.journal.redaction is None:
            return tuple(events)
        try:
            return tuple(redacted(self.journal.redaction, event) for event in events)
        except RedactionFailed:
            self._keep(events if row is None else ())
            raise

    def _keep(self, events: Sequence[AnyEvent]) -> None:
        """Keep outcomes only: what opens a run is made anew by the next one."""
        now, known = (self.state.turn, self.state.step, self.state.attempt), [kept.event for kept in self.kept]
        self.kept += [Kept(event, now) for event in events if isinstance(event, OUTCOMES) and event not in known]

    def _show(self, batch: Batch, worked: Sequence[bool]) -> None:
        first = self.state.seq - len(batch.events) + 1
        epoch = self.lease.epoch if self.lease else 0
        self.clock.sync(self._at)
        for number, (placed, was_working) in enumerate(zip(batch.events, worked, strict=True), first):
            row = (number, self._at, placed.turn, placed.step, placed.event, epoch)
            self.clock.saw(row, working=was_working)
            self.publish(Record(*row))
        if not self.state.calls:
            self.clock.forget(self.state)

    async def kept_of(self, call: str) -> tuple[str, Cut] | None:
        """Return the whole text of a result that was cut, and the cut; None where none was.

        Raises:
            JournalError: it could not be read.
        """
        cut = self.state.cut(call)
        if cut is None:
            return None
        if isinstance(cut.whole, Text):
            return cut.whole.text, cut
        return (await self.journal.blob(self.session_id, cut.whole.hash)).decode("utf-8", "surrogatepass"), cut

    async def record_kept(self) -> None:
        """Record what could not be written before; what has no place any more is recorded as refused."""
        self.kept = [replace(kept, event=redacted(self.journal.redaction, kept.event)) for kept in self.kept]
        for kept in list(self.kept):
            why = "the model was asked again since"
            if kept.fits(self.state):
                try:
                    await self.record(kept.event, then=False)
                    continue
                except ProtocolError as error:
                    why = str(error)
            self.kept.remove(kept)
            await self.record(InboxRefused("kept", getattr(kept.event, "call", ""), why), then=False)

    async def hand_over(self, events: Sequence[AnyEvent]) -> None:
        """Leave outcomes that only this process knows to whoever drives the session next.

        Of a session that was erased since, nothing is kept: not in another one that was begun under its id, either.
        """
        for given in events:
            event = redacted(self.journal.redaction, given)
            if not isinstance(event, ToolFinished):
                continue
            head = await self.journal.head(self.session_id)
            if head is None or head.erased or head.uid != self.state.uid:
                text = "session %r was erased while call %s ran: what came of it is not kept"
                logging.getLogger("agentkit").warning(text, self.session_id, event.call)
                continue
            by = "the process that ran it"
            resolved = CallResolved(event.call, 0, "happened", "tool", by, event.parts, failed=event.failed)
            body = body_of(replace(resolved, cut=event.cut))
            await self.journal.put(self.session_id, "resolution", f"{event.call}/tool/{hashed(body)}", body, None)

    async def leave(self) -> None:
        """Hand over what is in hand when the session is left: kept outcomes of tools, and late ones."""
        await self.hand_over([kept.event for kept in self.kept])
        lost = [type(kept.event).__name__ for kept in self.kept if not isinstance(kept.event, ToolFinished)]
        if lost:
            text = "session %r is left with facts that could not be written (%s): a model answer will be asked again"
            logging.getLogger("agentkit").warning(text, self.session_id, ", ".join(lost))
        self.kept.clear()
        while (late := lates.take(self.state.uid)) is not None:
            try:
                await self.hand_over((late,))
            except JournalError:
                lates.put(self.state.uid, late)
                raise

    def publish(self, news: Record | Sequence[Delta]) -> None:
        """Show something to all who watch this session in this process."""
        for subscriber in self.subscribers:
            subscriber(news)

    def left(self) -> float:
        """Return the seconds the open turn may still take; infinite without a limit, or when it is ending already."""
        bound, open_turn = self.state.bound, self.state.phase in {Phase.THINKING, Phase.ACTING}
        if bound is None or bound.limits.seconds is None or not open_turn or self.state.ending:
            return inf
        return bound.limits.seconds - self.clock.spent(working=working(self.state))


def _told(call: Call) -> tuple[str, str]:
    """What people are told of an open question that may change while it is open."""
    return call.because, call.escalated_to


def _says_who(event: AnyEvent) -> bool:
    return isinstance(event, RunStarted) or (isinstance(event, ToolStarted) and event.process != "")


def _given(state: State, events: Sequence[AnyEvent]) -> tuple[State, list[_Step]]:
    steps: list[_Step] = []
    for event in events:
        before, state = state, apply(state, event)
        steps.append((_place(event, before, state), working(before)))
    return state, steps


def _place(event: AnyEvent, before: State, after: State) -> Placed:
    where = after if before.phase is Phase.IDLE else before
    idle = where.phase is Phase.IDLE
    return Placed(event, where.turn, None if idle else where.step)


def standing(state: State) -> str:
    """Return the word the journal files the session under: open, waiting, faulted, idle, or how the last turn ended."""
    rests = state.phase in {Phase.IDLE, Phase.FAULTED}
    # Something is owed at rest only where a deferred call is; elsewhere also where a drive was cut off.
    if (state.deferred or not rests) and (commands(state) or follows(state, {}) is not None):
        return "open"
    if state.phase is Phase.IDLE:
        return state.turns[-1].status if state.turns else "idle"
    if state.phase is Phase.FAULTED:
        return "faulted"
    asks = open_calls(state) or any(call.status == "suspended" for call in state.every_call)
    return "waiting" if asks or state.muted else "open"
