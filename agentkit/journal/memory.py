"""The journal in memory: the same contract without a file. It lives as long as the object."""

# ruff: noqa: D102 - what each method promises is said once, in `Journal`

import sys
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio

from agentkit.core.binding import Blob
from agentkit.core.record import Record
from agentkit.core.replacing import replace
from agentkit.core.spec import Status
from agentkit.core.values import dataclass
from agentkit.core.waiting import Waiting
from agentkit.errors import JournalError, NoSuchSession, SessionBusy, SessionErased, SessionHasForks
from agentkit.journal.asking import waiting
from agentkit.journal.base import (
    BEGINS,
    MAX_TRIES,
    Appended,
    Asked,
    Batch,
    Branch,
    Head,
    Imported,
    InboxKind,
    InboxRow,
    Journal,
    Lease,
    Ready,
    shields,
)
from agentkit.journal.bells import Bells
from agentkit.journal.calls import calls
from agentkit.journal.codec import Stored, codec, usage_of
from agentkit.journal.fencing import fenced
from agentkit.journal.keeping import SPOKEN, Erasure, Old, Size, Sizes, Trace, refuse_news, tombstone

if TYPE_CHECKING:
    from agentkit.redaction import Redaction

_PAUSE = timedelta(seconds=5)  # after a claim that came to nothing, for each of them in a row


@dataclass(frozen=True, slots=True)
class _Row:
    """An event as it is held."""

    seq: int
    at: datetime
    turn: int
    step: int | None
    epoch: int
    stored: Stored


@dataclass(slots=True)
class _Held:
    """A session."""

    head: Head
    events: list[_Row] = field(default_factory=list)
    inbox: dict[tuple[str, str], InboxRow] = field(default_factory=dict)
    untaken: dict[int, tuple[str, str]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    parent: "_Held | None" = None
    fork_seq: int = 0

    @property
    def last_at(self) -> datetime:
        """When the last event came, or else the session."""
        return self.events[-1].at if self.events else self.head.created_at

    def line(self) -> "Iterator[tuple[_Held, int]]":
        """Yield this session and those it comes from, each with the last number that counts here."""
        held, upto = self, sys.maxsize
        yield held, upto
        while held.parent is not None:
            held, upto = held.parent, min(upto, held.fork_seq)
            yield held, upto


class MemoryJournal(Journal):
    """A journal without a file, for tests and for conversations nobody wants to keep.

    Events are kept as the bytes a file would hold, so that what cannot be stored fails here too. A lease has no end:
    the process that holds it is this one.
    """

    def __init__(self, *, redaction: "Redaction | None" = None) -> None:
        self.redaction = redaction
        self._sessions: dict[str, _Held] = {}
        self._shared: dict[str, bytes] = {}
        self._questions: dict[tuple[str, str], Asked] = {}
        self._bells = Bells()
        self._rows = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, t: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        return None

    async def sessions(self, *, status: Status | None = None) -> AsyncIterator[str]:
        for held in reversed(tuple(self._sessions.values())):
            if status is None or held.head.status == status:
                yield held.head.session_id

    async def pending(self) -> AsyncIterator[Waiting]:
        async for session_id, asked in self.asked():
            yield waiting(session_id, asked)

    async def head(self, session_id: str) -> Head | None:
        held = self._sessions.get(session_id) or self._sessions.get(tombstone(session_id))
        return replace(held.head, session_id=session_id) if held else None

    async def claim(self, session_id: str, *, uid: str, agent: str, owner: str) -> Lease:
        held = self._made(session_id)
        if held.head.owner is not None:
            raise SessionBusy(session_id, owner=f"this process ({held.head.owner})", until=None)
        fresh = held.head.last_seq == 0
        if fresh:
            held.head = replace(held.head, uid=uid, agent=agent)
        epoch, tries = held.head.epoch + 1, held.head.tries + 1
        held.head = replace(held.head, epoch=epoch, owner=owner, lease_until=None, tries=tries)
        head, now = held.head, datetime.now(UTC)
        return Lease(session_id, head.epoch, head.last_seq, created=fresh, tries=head.tries, at=now, uid=head.uid)

    async def release(self, lease: Lease, *, trouble: str | None = None) -> None:
        held = self._sessions.get(lease.session_id)
        if held and (held.head.uid, held.head.epoch) == (lease.uid, lease.epoch):
            tries = held.head.tries if trouble is not None else 0
            until = None if trouble is None else datetime.now(UTC) + _PAUSE * tries
            held.head = replace(held.head, owner=None, lease_until=until, tries=tries, trouble=trouble)

    @shields
    async def append(self, lease: Lease, after: int, batch: Batch) -> Appended:
        held = self._sessions.get(lease.session_id)
        mine = (lease.uid, lease.epoch, after)
        if held is None or (held.head.uid, held.head.epoch, held.head.last_seq) != mine or held.head.owner is None:
            raise fenced(lease, after)
        at = datetime.now(UTC)
        rows = [
            _Row(seq, at, placed.turn, placed.step, lease.epoch, codec().encode(placed.event))
            for seq, placed in enumerate(batch.events, after + 1)
        ]
        taken = {n: after + 1 + index for n, index in batch.taken}
        if not taken.keys() <= held.untaken.keys():
            raise JournalError("a row of the inbox is not there to be taken: nothing was written")
        held.events += rows
        for n, seq in taken.items():
            key = held.untaken.pop(n)
            held.inbox[key] = replace(held.inbox[key], taken_seq=seq)
        self._store(held, batch.blobs)
        self._questions |= {(lease.session_id, asked.id): _timed(asked, at) for asked in batch.opened}
        for name in batch.closed:
            self._questions.pop((lease.session_id, name), None)
        tries = 0 if batch.news else held.head.tries
        held.head = replace(held.head, last_seq=after + len(rows), status=batch.status, tries=tries)
        self._bells.ring(lease.session_id, held.head.last_seq)
        return Appended(held.head.last_seq, at)

    async def adopt(self, session: Imported) -> None:
        self._refuse_erased(session.session_id)
        if session.session_id in self._sessions:
            raise JournalError(f"there is a session {session.session_id!r} already: nothing was written")
        rows = [_Row(r.seq, r.at, r.turn, r.step, r.epoch, codec().encode(r.event)) for r in session.records]
        held = self._made(session.session_id)
        held.events = rows
        last = rows[-1].seq if rows else 0
        held.head = replace(held.head, uid=session.uid, agent=session.agent, status=session.status, last_seq=last)
        self._store(held, session.blobs)

    async def fork(self, branch: Branch) -> None:
        self._refuse_erased(branch.parent, branch.session_id)
        parent = self._sessions.get(branch.parent)
        if parent is None:
            raise NoSuchSession(f"the journal holds no session {branch.parent!r}")
        if branch.session_id in self._sessions:
            raise JournalError(f"there is a session {branch.session_id!r} already: nothing was written")
        if not 0 < branch.seq <= parent.head.last_seq:
            raise JournalError(f"session {branch.parent!r} has no event {branch.seq}: nothing was written")
        at = datetime.now(UTC)
        rows = [
            _Row(seq, at, placed.turn, placed.step, 0, codec().encode(placed.event))
            for seq, placed in enumerate(branch.events, branch.seq + 1)
        ]
        held = self._made(branch.session_id)
        held.events, held.parent, held.fork_seq = rows, parent, branch.seq
        last = branch.seq + len(rows)
        held.head = replace(held.head, uid=branch.uid, agent=branch.agent, status="open", last_seq=last)

    async def read(self, session_id: str, *, after: int = 0) -> AsyncIterator[Record]:
        self._refuse_erased(session_id)
        held = self._sessions.get(session_id)
        for each, upto in reversed(tuple(held.line())) if held else ():
            first, last = (bisect_right(each.events, seq, key=lambda row: row.seq) for seq in (after, upto))
            for row in each.events[first:last]:
                if (event := codec().decode(row.stored)) is not None:
                    yield Record(row.seq, row.at, row.turn, row.step, event, row.epoch)

    async def blob(self, session_id: str, name: str) -> bytes:
        self._refuse_erased(session_id)
        held = self._sessions.get(session_id)
        found = (each.blobs[name] for each, _ in held.line() if name in each.blobs) if held else iter(())
        data = next(found, self._shared.get(name))
        if data is None:
            raise JournalError(f"session {session_id!r} has no contents named {name!r}: the journal is damaged")
        return data

    async def put(
        self, session_id: str, kind: InboxKind, dedup: str, body: bytes, by: str | None, *, agent: str = ""
    ) -> InboxRow:
        self._refuse_erased(session_id)
        if session_id not in self._sessions and kind not in BEGINS:
            raise NoSuchSession(f"the journal holds no session {session_id!r}")
        held = self._made(session_id, agent)
        if (kind, dedup) not in held.inbox:
            self._rows += 1
            held.untaken[self._rows] = (kind, dedup)
            held.inbox[kind, dedup] = InboxRow(self._rows, kind, dedup, body, by, datetime.now(UTC))
            self._bells.ring(session_id)
        return held.inbox[kind, dedup]

    async def inbox(self, session_id: str, *, taken: bool = False) -> Sequence[InboxRow]:
        held = self._sessions.get(session_id)
        if held is None:
            return ()
        return tuple(held.inbox.values() if taken else (held.inbox[key] for key in held.untaken.values()))

    async def ready(self, *, agents: Sequence[str] = (), limit: int = 100) -> Sequence[Ready]:
        found = [
            Ready(name, held.head.agent, f"{held.head.epoch}.{max(held.untaken, default=0)}")
            for name, held in self._sessions.items()
            if self._is_due(name, held) and (not agents or held.head.agent in {"", *agents})
        ]
        return sorted(found, key=lambda ready: self._sessions[ready.session_id].head.status != "open")[:limit]

    def _is_due(self, session_id: str, held: _Held) -> bool:
        head, now = held.head, datetime.now(UTC)
        paused = head.lease_until is not None and head.lease_until > now
        if head.owner is not None or paused or head.tries >= MAX_TRIES or head.erased:
            return False
        asked = (each for (name, _), each in self._questions.items() if name == session_id)
        times = (time for each in asked for time in (each.expires_at, each.escalates_at))
        owed = head.status == "open" and head.epoch > 0
        return owed or bool(held.untaken) or any(time is not None and time <= now for time in times)

    async def forks(self, session_id: str) -> Sequence[str]:
        parent = self._sessions.get(session_id)
        return [] if parent is None else [name for name, held in self._sessions.items() if held.parent is parent]

    async def asked(self, session_id: str | None = None) -> AsyncIterator[tuple[str, Asked]]:
        for (owner, _), asked in tuple(self._questions.items()):
            if session_id in (None, owner):
                yield owner, asked

    async def erase(
        self, *session_ids: str, forks: bool = False, structure: bool = True, older: float | None = None
    ) -> Erasure:
        going: dict[str, _Held] = {}
        for session_id in (*session_ids, *await calls(self, *session_ids)):
            if session_id not in self._sessions and tombstone(session_id) not in self._sessions:
                raise NoSuchSession(f"the journal holds no session {session_id!r}: nothing was erased")
            family = {name: held for name, held in self._family(session_id).items() if not held.head.erased}
            others = [name for name, held in family.items() if name not in session_ids and held.parent is not None]
            if others and not forks:
                raise SessionHasForks(session_id, others)
            going |= family
        if older is not None:
            refuse_news(going, await self.older(older))
        for name, held in going.items():
            if held.head.owner is not None:
                raise SessionBusy(name, owner=f"this process ({held.head.owner})", until=None)
        for name, held in going.items():
            self._erase(name, held, structure=structure)
        return Erasure(tuple(going))

    def _family(self, session_id: str) -> dict[str, _Held]:
        """Return a session, all that share its past, and the calls of these."""
        first = self._sessions.get(session_id)
        found = {} if first is None else {session_id: first}
        look = list(found.values())
        while look:
            one = look.pop()
            fresh = {
                name: held
                for name, held in self._sessions.items()
                if name not in found and (held.parent is one or (one.head.uid and name.startswith(f"{one.head.uid}/")))
            }
            found |= fresh
            look += fresh.values()
        return found

    def _erase(self, session_id: str, held: _Held, *, structure: bool) -> None:
        del self._sessions[session_id]
        self._questions = {key: asked for key, asked in self._questions.items() if key[0] != session_id}
        held.inbox, held.untaken, held.blobs = {}, {}, {}
        held.events = [replace(row, stored=row.stored._replace(body=b"")) for row in held.events]
        head = replace(held.head, status="erased", epoch=held.head.epoch + 1, trouble=None, erased_at=datetime.now(UTC))
        held.head = replace(head, session_id=tombstone(session_id))
        if structure:
            self._sessions[held.head.session_id] = held
        self._bells.ring(session_id)

    async def vacuum(self) -> None:
        return None

    async def older(self, seconds: float) -> Sequence[Old]:
        limit = datetime.now(UTC) - timedelta(seconds=seconds)
        old = [
            Old(
                name,
                held.head.status,
                held.last_at,
                held.head.owner is not None or bool(held.untaken),
                held.head.erased,
            )
            for name, held in self._sessions.items()
            if held.last_at <= limit
        ]
        return sorted(old, key=lambda each: each.at)

    async def sizes(self) -> Sizes:
        found = [self._size(name, held) for name, held in self._sessions.items()]
        shared = sum(map(len, self._shared.values()))
        return Sizes(sorted(found, key=lambda size: size.bytes, reverse=True), shared, None, None, None)

    def _size(self, session_id: str, held: _Held) -> Size:
        stored = [row.stored for row in held.events]
        return Size(
            session_id,
            held.head.status,
            len(stored),
            sum(len(each.type) + len(each.body) + len(each.usage or b"") for each in stored),
            sum(len(each.body) for each in stored if each.type in SPOKEN),
            sum(map(len, held.blobs.values())),
            sum(len(row.body) for row in held.inbox.values()),
            sum(len(asked.body) for (name, _), asked in self._questions.items() if name == session_id),
        )

    async def traces(self, session_id: str) -> AsyncIterator[Trace]:
        held = self._sessions.get(session_id) or self._sessions.get(tombstone(session_id))
        for row in held.events if held else ():
            yield Trace(row.seq, row.at, row.turn, row.step, row.epoch, row.stored.type, usage_of(row.stored.usage))

    def _refuse_erased(self, *session_ids: str) -> None:
        for session_id in session_ids:
            held = self._sessions.get(session_id) or self._sessions.get(tombstone(session_id))
            if held is not None and held.head.erased_at is not None:
                raise SessionErased(session_id, held.head.erased_at)

    async def changed(self, session_id: str, seen: int, timeout: float) -> None:  # noqa: ASYNC109 - a long poll
        with anyio.move_on_after(timeout):
            while True:
                with self._bells.waiting(session_id, seen) as bell:
                    if self._has_news(session_id, seen):
                        return
                    await bell.event.wait()

    def _has_news(self, session_id: str, seen: int) -> bool:
        held = self._sessions.get(session_id)
        return held is not None and (held.head.last_seq > seen or bool(held.untaken))

    def _made(self, session_id: str, agent: str = "") -> _Held:
        self._refuse_erased(session_id)
        if session_id not in self._sessions:
            head = Head(session_id, "", agent, 0, 0, "idle", None, None, datetime.now(UTC))
            self._sessions[session_id] = _Held(head)
        return self._sessions[session_id]

    def _store(self, held: _Held, blobs: Sequence[Blob]) -> None:
        for blob in blobs:
            (self._shared if blob.shared else held.blobs).setdefault(blob.hash, blob.data)


def _timed(asked: Asked, now: datetime) -> Asked:
    at = asked.asked_at or now
    expires, escalates = (
        moment if moment is not None or seconds is None else at + timedelta(seconds=seconds)
        for moment, seconds in ((asked.expires_at, asked.expires_in), (asked.escalates_at, asked.escalates_in))
    )
    return replace(asked, asked_at=at, expires_at=expires, escalates_at=escalates, expires_in=None, escalates_in=None)
