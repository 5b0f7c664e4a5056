"""What a journal is: the append-only truth of sessions, fenced, with an inbox for everybody else.

The methods before `_` are for programs; the rest is spoken by `session` and `driver`. Rules: DURABLE.md.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import field
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeAlias, TypeVar

from agentkit.core.binding import Blob
from agentkit.core.events import AnyEvent
from agentkit.core.record import Record, Row
from agentkit.core.spec import Status
from agentkit.core.values import dataclass
from agentkit.core.waiting import Waiting
from agentkit.journal.keeping import Erasure, Old, Sizes, Trace

if TYPE_CHECKING:
    from agentkit.redaction import Redaction

InboxKind: TypeAlias = Literal[
    "message", "approval", "denial", "answer", "resolution", "cancel", "child", "resume", "takeover", "handback"
]
BEGINS: frozenset[InboxKind] = frozenset({"message", "takeover"})  # what makes a session, where there is none
AskedKind: TypeAlias = Literal["approval", "twin", "question", "unknown"]
Resting: TypeAlias = Literal["idle", "open", "waiting", "faulted"]

MAIL_ONLY = 2**62  # `seen`, of who waits for the inbox and for no events
MAX_TRIES = 3  # claims in a row that recorded no news: after them a session is a dead letter


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a session without folding it."""

    session_id: str
    uid: str
    agent: str
    epoch: int
    last_seq: int
    status: str  # of Resting, or the last turn's Status
    owner: str | None  # None too where it is proven dead
    lease_until: datetime | None
    created_at: datetime
    tries: int = 0  # claims since the last news
    trouble: str | None = None  # what the last of them ended with, in words
    erased_at: datetime | None = None

    @property
    def erased(self) -> bool:
        """Whether nothing but its structure is left."""
        return self.erased_at is not None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to append: valid for one epoch."""

    session_id: str
    epoch: int
    last_seq: int
    created: bool  # the claim created the session's row (journal holds no event yet)
    tries: int = 1  # claims since the last news, this one included
    at: datetime | None = field(default=None, compare=False)  # when it was taken, by the journal's clock
    data_key: str | None = field(default=None, compare=False)  # the name of the key that what is said is sealed with
    uid: str = field(default="", compare=False)  # of the session
    row: int = field(default=0, compare=False)  # of the session, where the journal knows it by a number; 0: not known


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A fact from outside the driving process. `body` is JSON; `taken_seq` is None while nobody has taken it."""

    n: int
    kind: InboxKind
    dedup: str
    body: bytes
    by: str | None
    at: datetime
    taken_seq: int | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """An event to append, with its place in the conversation."""

    event: AnyEvent
    turn: int
    step: int | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A row of the question table: what waits for people, rebuildable from the events."""

    id: str
    number: int  # seq of the event that opened it
    kind: AskedKind
    call: str
    body: bytes  # JSON: what a person needs to decide
    asked_at: datetime | None = None  # stamped by the journal
    expires_at: datetime | None = None
    escalates_at: datetime | None = None
    expires_in: float | None = None  # seconds from `asked_at`: from it the journal computes the times, by its own clock
    escalates_in: float | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """One append: all of it in one transaction, or none."""

    events: Sequence[Placed]
    blobs: Sequence[Blob] = ()
    taken: Sequence[tuple[int, int]] = ()  # (inbox row n, index of the event in `events` that took it)
    opened: Sequence[Asked] = ()
    closed: Sequence[str] = ()  # ids of questions that no longer wait
    status: str = "open"
    durable: bool = False  # a `once` tool's start: survives power loss (DURABLE.md, Durability)
    news: bool = True  # it holds more than a beginning: the claims since the last news count from zero again


@dataclass(frozen=True, slots=True)
class Appended:
    """What came of an append."""

    last_seq: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Imported:
    """A session that comes from elsewhere, whole.

    `uid` is a new one: the old journal may still be driven. That it differs from the one in `SessionStarted` is how a
    driver knows that approvals among the records were not given here.
    """

    session_id: str
    uid: str
    agent: str
    status: str
    records: Sequence[Record]
    blobs: Sequence[Blob]


@dataclass(frozen=True, slots=True)
class Branch:
    """A fork to be made: a session that shares another's events up to number `seq`, and goes on with `events`."""

    session_id: str
    uid: str
    agent: str
    parent: str  # the other session's id
    seq: int
    events: Sequence[Placed]


@dataclass(frozen=True, slots=True)
class Ready:
    """A session that somebody should drive now. `wake` is another text whenever there is something new to do."""

    session_id: str
    agent: str
    wake: str


class Wakes(Protocol):
    """Tells a dispatcher, in the transaction that leaves a row in an inbox, that a session has something to do."""

    def wake(self, connection: Any, session_id: str, wake: str) -> None:
        """Tell it. `connection` is the journal's own, in the middle of that transaction."""
        ...


_F = TypeVar("_F", bound=Callable[..., Any])


def shields(append: _F) -> _F:
    """Say of an `append` that no cancel reaches it where it waits: whoever appends need not keep it off."""
    append.shields = True  # type: ignore[attr-defined]  # what overrides it in a class that extends this one says nothing
    return append


class Journal(ABC):
    """Where events are kept. Open it with `async with`; `Session` opens a journal that is not open yet by itself.

    Attributes:
        redaction: rules applied to facts before they are believed or written (agentkit/redaction.py).
    """

    redaction: "Redaction | None" = None

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(
        self, t: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None: ...

    @abstractmethod
    def sessions(self, *, status: Status | None = None) -> AsyncIterator[str]:
        """Yield the ids of sessions, newest first; with `status`, those whose last turn ended (or rests) so."""

    @abstractmethod
    def pending(self) -> AsyncIterator[Waiting]:
        """Yield everything that waits for people in all sessions, oldest first, with what they need to decide."""

    @abstractmethod
    async def head(self, session_id: str) -> Head | None:
        """Return what is known of a session without reading its events; None if there is none."""

    @abstractmethod
    async def claim(self, session_id: str, *, uid: str, agent: str, owner: str) -> Lease:
        """Take the lease; make the session's row if there is none. It counts as a try until there is news.

        Raises:
            SessionBusy: a live process holds it. (A provably dead owner on this machine is replaced at once.)
            SessionErased: there was a session of this id. So do all methods that make or read one.
            KeyMissing: what is stored is sealed, and its key is not there. So do all methods that read.
        """

    @abstractmethod
    async def release(self, lease: Lease, *, trouble: str | None = None) -> None:
        """Give the lease back; nothing happens if it is no longer ours.

        Without `trouble` driving has ended as it should, and the tries count from zero again; else it says what befell,
        and `ready` leaves the session out for a third of a lease's time per try, so that what befalls every process at
        once has time to pass. A claim goes through meanwhile.
        """

    @abstractmethod
    async def append(self, lease: Lease, after: int, batch: Batch) -> Appended:
        """Append `batch` behind event `after`, and renew the lease.

        Raises:
            Fenced: epoch or last_seq moved on: somebody else owns the session. Nothing was written.
            AppendUncertain: the fate of the commit is not known.
            JournalError: it failed for certain (full disk); nothing was written.
        """

    @abstractmethod
    async def adopt(self, session: Imported) -> None:
        """Create a session with everything in it, places and times as they were, in one transaction.

        Raises:
            JournalError: there is a session of this id; nothing was written.
        """

    @abstractmethod
    async def fork(self, branch: Branch) -> None:
        """Create a session that shares its parent's past, in one transaction. Nothing of the past is copied.

        Its numbers go on behind `branch.seq`; `read` and `blob` follow the chain of parents.

        Raises:
            NoSuchSession: there is no parent. JournalError: there is a session of the new id, or the parent has no
                event `branch.seq`. Nothing was written.
        """

    @abstractmethod
    def read(self, session_id: str, *, after: int = 0) -> AsyncIterator[Record]:
        """Yield the session's events behind `after`, in order; of a fork, those it shares with its parent first."""

    async def pages(self, session_id: str, *, after: int = 0) -> AsyncIterator[Sequence[Row]]:
        """Yield what `read` does, many at a time and as bare fields: how a long history is folded fast."""
        async for told in self.read(session_id, after=after):
            yield [(told.seq, told.at, told.turn, told.step, told.event, told.epoch)]

    @abstractmethod
    async def blob(self, session_id: str, name: str) -> bytes:
        """Return contents by hash. Raises: JournalError: there are none (a damaged journal)."""

    @abstractmethod
    async def put(
        self, session_id: str, kind: InboxKind, dedup: str, body: bytes, by: str | None, *, agent: str = ""
    ) -> InboxRow:
        """Insert a row without a lease, or return the row that has this (kind, dedup) already: compare its body.

        `agent` is the name of who is to answer in a session that the row creates: whose worker takes it up.

        Raises:
            NoSuchSession: no session of this id (except for kind `message`, which makes the session's row wait).
        """

    @abstractmethod
    async def inbox(self, session_id: str, *, taken: bool = False) -> Sequence[InboxRow]:
        """Return rows nobody has taken yet, oldest first; with `taken`, all rows."""

    @abstractmethod
    async def ready(self, *, agents: Sequence[str] = (), limit: int = 100) -> Sequence[Ready]:
        """Return sessions that somebody should drive now, those that have waited longest first.

        No live process holds them, fewer than `MAX_TRIES` claims in a row came to nothing, the pause after the last of
        those is over (`release`), and: a row lies in the inbox; or something is owed, and they have been driven here
        before (a fork, and an import, wait for a person to begin); or the time of a question has come (`expires_at`,
        `escalates_at`).

        Args:
            agents: only sessions of these agents, and those that name none yet. Empty: all.
            limit: at most so many.
        """

    @abstractmethod
    async def forks(self, session_id: str) -> Sequence[str]:
        """Return the ids of the sessions that were forked from this one, directly."""

    @abstractmethod
    def asked(self, session_id: str | None = None) -> AsyncIterator[tuple[str, Asked]]:
        """Yield (session id, question) for all that waits for people, oldest first."""

    # --- keeping and erasing -----------------------------------------------------------------------------------------

    @abstractmethod
    async def erase(
        self, *session_ids: str, forks: bool = False, structure: bool = True, older: float | None = None
    ) -> Erasure:
        """Erase sessions: all of them, or none. What an erasing that was cut off left in files, `vacuum` finishes.

        The sessions of their sub-agents go with them (journal/calls.py).

        Gone are the bodies of events, contents, inbox, questions, the data key, and the session's id, in whose place a
        hash of it stays, so that nobody drives it again. Types, turns, usage and times stay for an audit (`traces`);
        without `structure` nothing stays, and a new session may get the id.

        Args:
            *session_ids: which.
            forks: those that share a session's past go with it.
            structure: keep what says nothing of what was said.
            older: only if none of them has mail, or an event younger than so many seconds, when they are erased.

        Raises:
            NoSuchSession: one of them is not there. SessionBusy: a live process drives one.
            SessionHasForks: there are forks that are not named. KeyMissing: one is sealed, and no keys were given.
            JournalError: one is not so old any more. After all of these nothing was erased.
            ErasureUnfinished: bytes are left in a file that others hold, or that cannot be written: `vacuum` finishes.
        """

    @abstractmethod
    async def vacuum(self) -> None:
        """Finish erasures that were cut off, data keys included, and give back the space of what is gone.

        Raises:
            ErasureUnfinished: others hold the file, or a data key is to be destroyed and no keys were given.
        """

    @abstractmethod
    async def older(self, seconds: float) -> Sequence[Old]:
        """Return the sessions whose last event is older, oldest first, by the journal's clock."""

    @abstractmethod
    async def sizes(self) -> Sizes:
        """Return what each session takes, and all together. It reads the whole journal."""

    @abstractmethod
    def traces(self, session_id: str) -> AsyncIterator[Trace]:
        """Yield what is known of a session's own events without their content, also of an erased one."""

    @abstractmethod
    async def changed(self, session_id: str, seen: int, timeout: float) -> None:  # noqa: ASYNC109 - a long poll: running out of time is no error
        """Return when the session has events behind `seen` or an untaken inbox row, or after `timeout` seconds.

        In this process that is at once; across processes it may poll. Whoever drives waits with `seen=MAIL_ONLY`, and
        of them there may be thousands: while no mail comes that must cost next to nothing.
        """
