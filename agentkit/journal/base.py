"""What a journal is: the append-only truth of sessions, fenced, with an inbox for everybody else.

The methods before `_` are for programs; the rest is spoken by `session` and `driver`. Rules: DURABLE.md.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Literal, Self, TypeAlias

from agentkit.core.binding import Blob
from agentkit.core.events import AnyEvent
from agentkit.core.record import Record
from agentkit.core.spec import Status
from agentkit.core.waiting import Waiting

InboxKind: TypeAlias = Literal["message", "approval", "denial", "answer", "resolution", "cancel", "child", "resume"]
AskedKind: TypeAlias = Literal["approval", "twin", "question", "unknown"]
Resting: TypeAlias = Literal["idle", "open", "waiting", "faulted"]


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


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to append: valid for one epoch."""

    session_id: str
    epoch: int
    last_seq: int
    created: bool  # the claim created the session's row (journal holds no event yet)


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


class Journal(ABC):
    """Where events are kept. Open it with `async with`; `Session` opens a journal that is not open yet by itself."""

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
        """Take the lease; make the session's row if there is none.

        Raises:
            SessionBusy: a live process holds it. (A provably dead owner on this machine is replaced at once.)
        """

    @abstractmethod
    async def release(self, lease: Lease) -> None:
        """Give the lease back; nothing happens if it is no longer ours."""

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

    @abstractmethod
    async def blob(self, session_id: str, name: str) -> bytes:
        """Return contents by hash. Raises: JournalError: there are none (a damaged journal)."""

    @abstractmethod
    async def put(self, session_id: str, kind: InboxKind, dedup: str, body: bytes, by: str | None) -> InboxRow:
        """Insert a row without a lease, or return the row that has this (kind, dedup) already: compare its body.

        Raises:
            NoSuchSession: no session of this id (except for kind `message`, which makes the session's row wait).
        """

    @abstractmethod
    async def inbox(self, session_id: str, *, taken: bool = False) -> Sequence[InboxRow]:
        """Return rows nobody has taken yet, oldest first; with `taken`, all rows."""

    @abstractmethod
    def asked(self, session_id: str | None = None) -> AsyncIterator[tuple[str, Asked]]:
        """Yield (session id, question) for all that waits for people, oldest first."""

    @abstractmethod
    async def changed(self, session_id: str, seen: int, timeout: float) -> None:  # noqa: ASYNC109 - a long poll: running out of time is no error
        """Return when the session has events behind `seen` or an untaken inbox row, or after `timeout` seconds.

        In this process that is at once; across processes it may poll.
        """
