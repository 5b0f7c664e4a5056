"""The journal on a Postgres server: many processes, on many machines."""

# ruff: noqa: D102 - what each method promises is said once, in `Journal`

import math
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import anyio

from agentkit.core.record import Record
from agentkit.core.spec import Status
from agentkit.core.waiting import Waiting
from agentkit.errors import JournalError, KeyMissing
from agentkit.journal.address import redacted
from agentkit.journal.asking import waiting
from agentkit.journal.base import (
    MAIL_ONLY,
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
    Wakes,
)
from agentkit.journal.calls import calls
from agentkit.journal.fencing import fenced
from agentkit.journal.keeping import Erasure, Old, Sizes, Trace, Wanted, finished
from agentkit.journal.owner import Owner
from agentkit.journal.postgres import keep, read, write
from agentkit.journal.postgres.append import Append
from agentkit.journal.postgres.database import Database, enter
from agentkit.journal.postgres.link import Attempt
from agentkit.journal.postgres.watch import LOOK_SECONDS
from agentkit.journal.seal import Seal

if TYPE_CHECKING:
    from agentkit.journal.keys import KeyRing
    from agentkit.redaction import Redaction

T = TypeVar("T")


class PostgresJournal(Journal):
    """A journal in the schema `agentkit` of a Postgres database (13 or later). It needs `agentkit-reasoning[postgres]`.

    Args:
        url: the database's address, `postgresql://user@host/name`, with any of libpq's options. Give the password by
            `~/.pgpass` or PGPASSFILE rather than in it.
        ttl: seconds after which the lease of a process that stopped renewing it runs out. A process that is proven
            dead on this machine is replaced at once. While the server is away, what is asked is tried again for twice
            as long.
        create: make the tables where there are none; else their lack is an error.
        wakes: told of each row that is put into an inbox, in the transaction that puts it there: a dispatcher's queue.
        keys: data keys outside the database, one a session (journal/keys.py): what is said is sealed with them.
        redaction: rules applied before anything is written (agentkit/redaction.py).
    """

    def __init__(
        self,
        url: str,
        *,
        ttl: float = 15.0,
        create: bool = True,
        wakes: Wakes | None = None,
        keys: "KeyRing | None" = None,
        redaction: "Redaction | None" = None,
    ) -> None:
        if ttl <= 0:
            raise ValueError(f"ttl is a number of seconds above 0, not {ttl}")
        self._url, self._ttl, self._create = url, round(ttl * 1000), create
        self._patience = 2 * ttl  # a server that is away for longer has cost the leases anyway
        self._wakes, self._entered = wakes, 0
        self._seal, self.redaction = Seal(keys), redaction
        self._open: Database | None = None

    def __repr__(self) -> str:
        return f"PostgresJournal({redacted(self._url)!r})"

    async def __aenter__(self) -> Self:
        if self._open is None:
            self._open = enter(self._url)
        self._entered += 1
        try:
            await self._open.open(create=self._create)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, t: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self._entered -= 1
        if not self._entered:
            database, self._open = self._database, None
            with anyio.CancelScope(shield=True):
                await database.leave()

    @property
    def _database(self) -> Database:
        if self._open is None:
            raise JournalError(f"the journal {redacted(self._url)} is not open: use `async with journal:` around this")
        return self._open

    async def _read(self, what: str, work: Callable[[Attempt], T]) -> T:
        return await self._database.read(what, work, patience=self._patience)

    async def _write(self, session_id: str, what: str, work: Callable[[Attempt], T]) -> T:
        return await self._database.write(session_id, what, work, patience=self._patience)

    async def sessions(self, *, status: Status | None = None) -> AsyncIterator[str]:
        before = sys.maxsize
        while page := await self._read("sessions", partial(read.sessions, status=status, before=before)):
            for _, session_id in page:
                yield session_id
            before = page[-1][0]

    async def pending(self) -> AsyncIterator[Waiting]:
        async for session_id, asked in self.asked():
            yield waiting(session_id, asked)

    async def head(self, session_id: str) -> Head | None:
        return await self._read(f"session {session_id!r}", partial(read.head, session_id=session_id, seal=self._seal))

    async def claim(self, session_id: str, *, uid: str, agent: str, owner: str) -> Lease:
        claim = write.Claim(session_id, (uid, agent), Owner.this_process(owner), self._ttl, seal=self._seal)
        return await self._database.claim(claim, patience=self._patience)

    async def release(self, lease: Lease, *, trouble: str | None = None) -> None:
        await self._database.release(lease, trouble, seal=self._seal, patience=self._patience)

    async def append(self, lease: Lease, after: int, batch: Batch) -> Appended:
        try:
            append = Append(lease, after, batch, self._ttl, seal=self._seal)
        except KeyMissing as error:
            head = await self.head(lease.session_id)
            if head is None or (head.uid, head.epoch) != (lease.uid, lease.epoch):
                # Erased, key and all, and perhaps made anew since: whoever held it is fenced.
                raise fenced(lease, after) from error
            raise
        return await self._database.append(append, patience=self._patience)

    async def put(
        self, session_id: str, kind: InboxKind, dedup: str, body: bytes, by: str | None, *, agent: str = ""
    ) -> InboxRow:
        fact = write.Fact(session_id, kind, dedup, body, by, agent)
        work = partial(write.put, fact=fact, wakes=self._wakes, seal=self._seal)
        row = await self._write(session_id, f"{kind} for session {session_id!r}", work)
        self._database.told(session_id)
        return row

    async def adopt(self, session: Imported) -> None:
        work = partial(write.adopt, session=session, seal=self._seal)
        await self._write(session.session_id, f"import of session {session.session_id!r}", work)

    async def fork(self, branch: Branch) -> None:
        work = partial(write.fork, branch=branch, seal=self._seal)
        await self._write(branch.session_id, f"fork of session {branch.parent!r}", work)

    async def read(self, session_id: str, *, after: int = 0) -> AsyncIterator[Record]:
        what = f"events of session {session_id!r}"
        page = partial(read.events, session_id=session_id, seal=self._seal)
        while rows := await self._read(what, partial(page, after=after)):
            for row in rows:
                if (record := read.record(session_id, row)) is not None:
                    yield record
            after = rows[-1][0]

    async def blob(self, session_id: str, name: str) -> bytes:
        what = f"contents of session {session_id!r}"
        data = await self._read(what, partial(read.blob, session_id=session_id, name=name, seal=self._seal))
        if data is None:
            raise JournalError(f"session {session_id!r} has no contents named {name!r}: the journal is damaged")
        return data

    async def inbox(self, session_id: str, *, taken: bool = False) -> Sequence[InboxRow]:
        what = f"inbox of session {session_id!r}"
        return await self._read(what, partial(read.inbox, session_id=session_id, seal=self._seal, taken=taken))

    async def ready(self, *, agents: Sequence[str] = (), limit: int = 100) -> Sequence[Ready]:
        return await self._read("what is ready", partial(read.ready, agents=agents, limit=limit))

    async def forks(self, session_id: str) -> Sequence[str]:
        return await self._read(f"forks of {session_id!r}", partial(read.forks, session_id=session_id))

    async def asked(self, session_id: str | None = None) -> AsyncIterator[tuple[str, Asked]]:
        after, work = 0, partial(read.asked, session_id=session_id, seal=self._seal)
        while page := await self._read("questions", partial(work, after=after)):
            for _, of, asked in page:
                yield of, asked
            after = page[-1][0]

    async def erase(
        self, *session_ids: str, forks: bool = False, structure: bool = True, older: float | None = None
    ) -> Erasure:
        wanted = Wanted(session_ids, forks, structure, older, await calls(self, *session_ids))
        work = keep.Erase(wanted, self._seal)
        erased = await self._write("", "erasure", work)
        for session_id in erased.session_ids:
            self._database.told(session_id)
        await finished(self.vacuum)
        return erased

    async def vacuum(self) -> None:
        await self._write("", "data keys", partial(keep.destroy_keys, seal=self._seal))
        await self._write("", "vacuum", keep.vacuum)

    async def older(self, seconds: float) -> Sequence[Old]:
        return await self._read("ages", partial(keep.older, seconds=seconds))

    async def sizes(self) -> Sizes:
        return await self._read("sizes", keep.sizes)

    async def traces(self, session_id: str) -> AsyncIterator[Trace]:
        after, what = 0, f"structure of session {session_id!r}"
        while page := await self._read(what, partial(keep.traces, session_id=session_id, after=after)):
            for trace in page:
                yield trace
            after = page[-1].seq

    async def changed(self, session_id: str, seen: int, timeout: float) -> None:  # noqa: ASYNC109 - a long poll
        news = partial(read.has_news, session_id=session_id, seen=seen)
        with anyio.move_on_after(timeout):
            while True:
                with self._database.listening(session_id, seen) as bell:
                    if await self._read(f"session {session_id!r}", news):
                        return
                    with anyio.move_on_after(LOOK_SECONDS if seen < MAIL_ONLY else math.inf):
                        await bell.event.wait()
