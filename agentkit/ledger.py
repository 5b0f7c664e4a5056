"""The ledger of effects: every `once` and `idempotent` call that was started, and what can be proven of it.

It is folded from the recorded events alone, so it can be read anywhere a journal can, and whoever doubts a verdict can
look at the events it follows from. `RULES` says how each verdict follows.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, cast

from agentkit import events as ev
from agentkit.core import words
from agentkit.core.record import Record
from agentkit.core.spec import Effect
from agentkit.core.values import dataclass
from agentkit.errors import SessionErased
from agentkit.journal.base import InboxRow, Journal

Verdict: TypeAlias = Literal[
    "once", "never", "unknown", "running", "given up", "ran again", "repeated", "failed", "might have run twice"
]

RULES: Mapping[Verdict, str] = MappingProxyType(
    {
        "once": "started once, and its outcome was recorded, found by reconcile, or told by a person",
        "never": "every start is proven to have had no effect: the tool failed by proof, or it was found not to have "
        "happened",
        "unknown": "started, its outcome was lost, and nobody has decided what became of it",
        "running": "started, and no outcome yet: it runs, it waits for an answer, or nobody has driven the session "
        "since its process ended",
        "given up": "started, its outcome was lost, and a person decided that nobody will know; it is not repeated",
        "ran again": "started more than once, each time after proof that the start before it had no effect",
        "repeated": "idempotent, and started more than once with the same key: harmless if the tool keeps its promise",
        "failed": "idempotent, and it ended with an error: a part of it may have taken effect",
        "might have run twice": "started again without proof that the start before it had no effect, or that proof "
        "was contradicted later, or a person let it run though an equal call may have happened",
    }
)
TWICE: Verdict = "might have run twice"

_CLOCKS = timedelta(days=1)  # between the clocks of the machines that wrote a journal, at most


@dataclass(frozen=True, slots=True)
class Start:
    """One start: when, by which process (empty where it was the session's first and said no name), in which run."""

    at: datetime
    process: str
    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody said of a call: approved, denied, answered, happened, not_happened, or unknown.

    A person's "unknown" gives the call up; that of a reconcile leaves it to a person. Of "time": nobody decided before
    the question expired.
    """

    what: str
    by: str
    source: Literal["person", "reconcile", "tool", "time"]
    at: datetime
    why: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One call with an effect.

    Attributes:
        key: its idempotency key, `uid/turn.step.index`. arguments: the hash of what it was started with.
        outcome: started, finished, failed, unknown, suspended, given up, closed, denied.
        verdict: what can be proven; `RULES` says how.
        elsewhere: it was started before the session was imported from another journal.
    """

    session_id: str
    key: str
    tool: str
    effect: Effect
    arguments: str
    starts: tuple[Start, ...]
    outcome: str
    ended_at: datetime | None
    decisions: tuple[Decision, ...]
    verdict: Verdict
    note: str = ""
    elsewhere: bool = False


@dataclass(slots=True)
class Line:
    """One call as far as its events tell."""

    call: str
    tool: str
    uid: str = ""
    effect: Effect = "read"
    arguments: str = ""
    status: str = "requested"
    starts: list[Start] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    ended_at: datetime | None = None
    note: str = ""
    twin: bool = False  # an equal call had an unknown outcome when this one was asked for
    cleared: bool = False  # proof that no start so far had an effect
    proven: bool = False  # there was such proof once
    again: bool = False  # started without proof that the start before it had no effect
    contradicted: bool = False  # a start proven to have had no effect ended after all
    elsewhere: bool = False

    @property
    def counts(self) -> bool:
        """Whether it belongs into the ledger."""
        return bool(self.starts) and self.effect != "read"


def ledger(session_id: str, records: Iterable[Record]) -> tuple[Entry, ...]:
    """Fold a session's records into its entries, in the order of their first start.

    Of a fork, what it shares belongs to the session it was made from.
    """
    book = Book(session_id)
    for record in records:
        book.take(record)
    return tuple(book.entries())


async def ledger_of(
    journal: Journal, *, since: datetime | None = None, until: datetime | None = None, session_id: str | None = None
) -> AsyncIterator[Entry]:
    """Yield the entries of all sessions of a journal that have a start in a period, one session at a time.

    What an imported session did before its import is told once, also where the session it comes from is here. Of an
    erased session nothing can be told: see `erased_of`.

    Args:
        journal: an open journal.
        since: from this moment on.
        until: before this moment.
        session_id: only this session.

    Raises:
        SessionErased: `session_id` was erased.
    """
    own: set[str] = set()
    imported: dict[str, Entry] = {}
    async for book in _books(journal, since, session_id):
        own.add(book.first_uid)
        for entry in book.entries():
            if not _begun_within(entry, since, until):
                continue
            if entry.elsewhere:
                imported.setdefault(entry.key, entry)
            else:
                yield entry
    for entry in imported.values():
        if entry.key.partition("/")[0] not in own:
            yield entry


async def erased_of(
    journal: Journal, *, since: datetime | None = None, until: datetime | None = None
) -> AsyncIterator[tuple[str, int]]:
    """Yield the erased sessions that started calls in a period, and how many.

    Of which tools they were, and what became of them, is gone with what was said.
    """
    async for each in journal.sessions(status=cast("Any", "erased")):
        started = [trace.at async for trace in journal.traces(each) if trace.type == ev.ToolStarted.__name__]
        if starts := sum(_within(at, since, until) for at in started):
            yield each, starts


async def _one(session_id: str) -> AsyncIterator[str]:
    yield session_id


async def _in_period(journal: Journal, since: datetime | None) -> AsyncIterator[str]:
    """Yield the sessions that may have a start in a period: not those whose last event came long before it."""
    past: set[str] = set()
    if since is not None:
        age = max(0.0, (datetime.now(UTC) - since).total_seconds())
        past = {each.session_id for each in await journal.older(age) if each.at < since - _CLOCKS}
    async for each in journal.sessions():
        if each not in past:
            yield each


async def _books(journal: Journal, since: datetime | None, named: str | None) -> "AsyncIterator[Book]":
    async for each in _in_period(journal, since) if named is None else _one(named):
        book = Book(each)
        try:
            async for record in journal.read(each):
                book.take(record)
            for row in await journal.inbox(each):
                book.left(row)
        except SessionErased:
            if each == named:
                raise
        else:
            yield book


def _begun_within(entry: Entry, since: datetime | None, until: datetime | None) -> bool:
    return any(_within(start.at, since, until) for start in entry.starts)


def _within(at: datetime, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or since <= at) and (until is None or at < until)


class Book:
    """A session's ledger, as far as its records were taken.

    Attributes:
        lines: every call with an effect, and those of the last answer, by position.
        first_uid: of the session as it began here; empty for an import.
    """

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.lines: dict[str, Line] = {}
        self.first_uid = ""
        self._uid = ""
        self._step: list[str] = []  # the calls of the last answer
        self._process: tuple[int, str] = (0, "")
        self._moves: dict[type[Any], Callable[[Record, Any], None]] = {
            ev.SessionStarted: self._began,
            ev.Forked: self._forked,
            ev.RunStarted: self._run,
            ev.ModelResponded: self._asked,
            ev.InboxRefused: self._refused,
            ev.ToolStarted: self._started,
            ev.CallResolved: self._resolved,
        }

    def take(self, record: Record) -> None:
        """Take the next record."""
        move = self._moves.get(type(record.event))
        if move is not None:
            move(record, record.event)
        elif (line := self.lines.get(getattr(record.event, "call", ""))) is not None:
            _settle(line, record)

    def left(self, row: InboxRow) -> None:
        """Take a row that nobody has taken yet: what a process did that had lost the session meanwhile."""
        call, _, from_a_tool = row.dedup.partition("/")
        line = self.lines.get(call) if row.kind == "resolution" and from_a_tool.startswith("tool/") else None
        if line is not None and (line.cleared or line.ended_at is not None):
            _ended_after_all(line, row.at, "its process left the outcome behind")

    def entries(self) -> Iterator[Entry]:
        """Yield what has an effect and was started."""
        doubtful: set[tuple[str, str]] = set()
        for line in sorted(filter(_counts, self.lines.values()), key=lambda line: line.starts[0].seq):
            verdict = _verdict(line)
            same = (line.tool, line.arguments)
            if line.twin and same in doubtful and verdict != "never":
                verdict = TWICE
            if verdict in {"unknown", "running", "given up"}:
                doubtful.add(same)
            yield self._entry(line, verdict)

    def _entry(self, line: Line, verdict: Verdict) -> Entry:
        return Entry(
            session_id=self.session_id,
            key=f"{line.uid}/{line.call}",
            tool=line.tool,
            effect=line.effect,
            arguments=line.arguments,
            starts=tuple(line.starts),
            outcome=line.status,
            ended_at=line.ended_at,
            decisions=tuple(line.decisions),
            verdict=verdict,
            note=line.note,
            elsewhere=line.elsewhere,
        )

    def _began(self, _: Record, event: ev.SessionStarted) -> None:
        self._uid = self.first_uid = event.uid

    def _forked(self, _: Record, event: ev.Forked) -> None:
        self._uid = event.uid
        if event.before:
            self.lines.clear()
            self._step = []
            self.first_uid = event.uid
            return
        self.first_uid = ""
        for line in self.lines.values():
            line.elsewhere = True

    def _run(self, record: Record, event: ev.RunStarted) -> None:
        self._process = (record.epoch, event.process)
        for line in self.lines.values():
            if line.status == "started":
                line.status, line.note = "unknown", "the process that ran it ended before its outcome was recorded"

    def _asked(self, record: Record, event: ev.ModelResponded) -> None:
        for key in self._step:
            if not self.lines[key].counts and self.lines[key].status not in {"deferred", "held"}:
                del self.lines[key]
        self._step = [f"{record.turn}.{record.step}.{index}" for index in range(len(event.message.calls))]
        for index, call in enumerate(event.message.calls):
            self.lines[self._step[index]] = Line(self._step[index], call.name)

    def _started(self, record: Record, event: ev.ToolStarted) -> None:
        line = self.lines[event.call]
        if line.starts and not line.cleared and line.status != "suspended":
            line.again = True
        if event.process:
            self._process = (record.epoch, event.process)
        epoch, process = self._process
        line.starts.append(Start(record.at, process if epoch == record.epoch else "", record.epoch, record.seq))
        line.uid = line.uid or self._uid
        line.effect = event.effect
        line.arguments = event.arguments
        line.status, line.ended_at, line.note = "started", None, ""
        line.cleared = line.elsewhere = False

    def _resolved(self, record: Record, event: ev.CallResolved) -> None:
        line = self.lines.get(event.call)
        if line is None:
            return
        line.decisions.append(Decision(event.kind, event.by, event.source, record.at, event.why))
        if event.kind == "not_happened":
            line.cleared = line.proven = True
        elif event.kind == "happened":
            line.status, line.ended_at = "failed" if event.failed else "finished", record.at
        elif event.source == "person":
            line.status, line.ended_at = "given up", record.at

    def _refused(self, record: Record, event: ev.InboxRefused) -> None:
        """Take news of a run that ended after everybody thought it had not."""
        call, _, from_a_tool = event.dedup.partition("/")
        late = event.kind in {"late", "kept"} or (event.kind == "resolution" and from_a_tool.startswith("tool/"))
        line = self.lines.get(call) if late else None
        if line is not None:
            _ended_after_all(line, record.at, event.why)


def _ended_after_all(line: Line, at: datetime, why: str) -> None:
    line.note = f"an earlier run of it ended after all, {at.isoformat()}: {why}"
    line.contradicted = line.contradicted or line.proven


def _counts(line: Line) -> bool:
    return line.counts


_ENDS = {ev.CallClosed: "closed", ev.CallDenied: "denied", ev.CallAnswered: "finished", ev.CallRefused: "refused"}
_SAYS = {ev.CallApproved: "approved", ev.CallDenied: "denied", ev.CallAnswered: "answered"}


def _settle(line: Line, record: Record) -> None:
    """Take an event of a call that nobody has to find out about."""
    event = record.event
    if (what := _SAYS.get(type(event))) is not None:
        why = "with other arguments" if getattr(event, "edited", None) is not None else getattr(event, "reason", "")
        by = getattr(event, "by", "")
        line.decisions.append(Decision(what, by, "time" if by == words.NOBODY else "person", record.at, why))
    if (ended := _ENDS.get(type(event))) is not None:
        line.status, line.ended_at = ended, record.at
    match event:
        case ev.CallHeld(kind=kind):
            line.status, line.twin = "held", line.twin or kind == "twin"
        case ev.CallDeferred():
            line.status = "deferred"
        case ev.ToolFinished(failed=failed):
            line.status, line.ended_at = "failed" if failed else "finished", record.at
        case ev.ToolUnknown(why=why):
            line.status, line.note, line.cleared = "unknown", why, False
        case ev.CallSuspended(text=text):
            line.status, line.note = "suspended", text
        case _:
            return


_BY_STATUS: Mapping[str, Verdict] = MappingProxyType(
    {"finished": "once", "failed": "failed", "given up": "given up", "started": "running", "suspended": "running"}
)


def _verdict(line: Line) -> Verdict:
    many, once = len(line.starts) > 1, line.effect == "once"
    if line.contradicted or line.again:
        twice: Verdict = TWICE if once else "repeated"
        return twice if many else "unknown"
    if line.cleared or (once and line.status == "failed"):
        return "never"
    if many and line.status == "finished":
        return "ran again"
    return _BY_STATUS.get(line.status, "unknown")
