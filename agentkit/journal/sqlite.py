"""The journal in one SQLite file: embedded, private, shared by the processes of one machine."""

# ruff: noqa: D102 - what each method promises is said once, in `Journal`

import os
import sys
from collections.abc import AsyncIterator, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
from anyio.lowlevel import cancel_shielded_checkpoint

from agentkit.core.record import Record, Row
from agentkit.core.spec import Status
from agentkit.core.waiting import Waiting
from agentkit.errors import ErasureUnfinished, JournalError
from agentkit.journal import sqlite_keep, sqlite_read, sqlite_write
from agentkit.journal.asking import waiting
from agentkit.journal.base import (
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
from agentkit.journal.calls import calls
from agentkit.journal.keeping import FINISH, Erasure, Old, Sizes, Trace, Wanted, finished
from agentkit.journal.owner import Owner
from agentkit.journal.seal import Seal
from agentkit.journal.sqlite_file import POLL_SECONDS, SQLiteFile, enter

if TYPE_CHECKING:
    from agentkit.journal.keys import KeyRing
    from agentkit.redaction import Redaction

_SHORT_BYTES = 64 * 1024  # less than this is written in well under a millisecond: a binding's contents, as a rule
_PAUSE_SECONDS = 0.1  # between two looks of an erasure that waits for others


class SQLiteJournal(Journal):
    """A journal in a file of its own, mode 0600. Up to about four processes, or 100 commits per second, may share it.

    Args:
        path: the file. Never on a network file system.
        ttl: seconds after which the lease of a process that stopped renewing it runs out. A process that is proven
            dead on this machine is replaced at once.
        create: make the file where there is none; else a missing one is an error.
        wait: seconds that an erasure waits for programs that read an old state of the file.
        keys: data keys outside the file, one a session (journal/keys.py): what is said is sealed with them.
        redaction: rules applied before anything is written (agentkit/redaction.py).
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        ttl: float = 15.0,
        create: bool = True,
        wait: float = 10.0,
        keys: "KeyRing | None" = None,
        redaction: "Redaction | None" = None,
    ) -> None:
        if ttl <= 0:
            raise ValueError(f"ttl is a number of seconds above 0, not {ttl}")
        self._path, self._ttl, self._create = os.fspath(path), round(ttl * 1000), create
        self._seal, self.redaction, self._wait = Seal(keys), redaction, wait
        self._entered = 0
        self._open: SQLiteFile | None = None

    async def __aenter__(self) -> Self:
        if self._open is None:
            self._open = enter(self._path, create=self._create)
        self._entered += 1
        try:
            await self._open.open()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, t: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self._entered -= 1
        if not self._entered:
            file, self._open = self._file, None
            with anyio.CancelScope(shield=True):
                await file.leave()

    @property
    def _file(self) -> SQLiteFile:
        if self._open is None:
            raise JournalError(f"the journal {self._path} is not open: use `async with journal:` around this")
        return self._open

    async def sessions(self, *, status: Status | None = None) -> AsyncIterator[str]:
        before = sys.maxsize
        while page := await self._file.read(partial(sqlite_read.sessions, status=status, before=before)):
            for _, session_id in page:
                yield session_id
            before = page[-1][0]

    async def pending(self) -> AsyncIterator[Waiting]:
        async for session_id, asked in self.asked():
            yield waiting(session_id, asked)

    async def head(self, session_id: str) -> Head | None:
        return await self._file.look(partial(sqlite_read.head, session_id=session_id, seal=self._seal))

    async def claim(self, session_id: str, *, uid: str, agent: str, owner: str) -> Lease:
        return await self._file.claim(session_id, (uid, agent), Owner.this_process(owner), self._ttl, seal=self._seal)

    async def release(self, lease: Lease, *, trouble: str | None = None) -> None:
        await self._file.release(lease, trouble, seal=self._seal)

    @shields
    async def append(self, lease: Lease, after: int, batch: Batch) -> Appended:
        given, writer = sqlite_write.encoded(batch), self._file.writer
        work = partial(sqlite_write.append, lease=lease, after=after, given=given, ttl=self._ttl, seal=self._seal)
        is_short = given.size < _SHORT_BYTES and not batch.durable
        appended = await (writer.at_once(work, given.size) if is_short else writer.run(work))
        self._file.watch.ring(lease.session_id, appended.last_seq)
        return appended

    async def put(
        self, session_id: str, kind: InboxKind, dedup: str, body: bytes, by: str | None, *, agent: str = ""
    ) -> InboxRow:
        fact = sqlite_write.Fact(session_id, kind, dedup, body, by, agent)
        work, writer = partial(sqlite_write.put, fact=fact, seal=self._seal), self._file.writer
        row = await (writer.at_once(work, len(body)) if len(body) < _SHORT_BYTES else writer.run(work))
        self._file.watch.ring(session_id)
        return row

    async def adopt(self, session: Imported) -> None:
        await self._file.writer.run(partial(sqlite_write.adopt, session=session, seal=self._seal))

    async def fork(self, branch: Branch) -> None:
        await self._file.writer.run(partial(sqlite_write.fork, branch=branch, seal=self._seal))

    async def read(self, session_id: str, *, after: int = 0) -> AsyncIterator[Record]:
        async for page in self.pages(session_id, after=after):
            for row in page:
                yield Record(*row)

    async def pages(self, session_id: str, *, after: int = 0) -> AsyncIterator[Sequence[Row]]:
        page = partial(sqlite_read.events, session_id=session_id, seal=self._seal)
        while rows := await self._file.look(partial(page, after=after)):
            yield sqlite_read.decoded(session_id, rows)
            after = rows[-1][0]
            if len(rows) == sqlite_read.PAGE:  # a long history is read and decoded beside other work
                await cancel_shielded_checkpoint()

    async def blob(self, session_id: str, name: str) -> bytes:
        data = await self._file.read(partial(sqlite_read.blob, session_id=session_id, name=name, seal=self._seal))
        if data is None:
            raise JournalError(f"session {session_id!r} has no contents named {name!r}: the journal is damaged")
        return data

    async def inbox(self, session_id: str, *, taken: bool = False) -> Sequence[InboxRow]:
        work = partial(sqlite_read.inbox, session_id=session_id, seal=self._seal, taken=taken)
        return await self._file.look(work)

    async def ready(self, *, agents: Sequence[str] = (), limit: int = 100) -> Sequence[Ready]:
        return await self._file.read(partial(sqlite_read.ready, agents=agents, limit=limit))

    async def forks(self, session_id: str) -> Sequence[str]:
        return await self._file.read(partial(sqlite_read.forks, session_id=session_id))

    async def asked(self, session_id: str | None = None) -> AsyncIterator[tuple[str, Asked]]:
        after, work = 0, partial(sqlite_read.asked, session_id=session_id, seal=self._seal)
        while page := await self._file.read(partial(work, after=after)):
            for _, of, asked in page:
                yield of, asked
            after = page[-1][0]

    async def erase(
        self, *session_ids: str, forks: bool = False, structure: bool = True, older: float | None = None
    ) -> Erasure:
        wanted = Wanted(session_ids, forks, structure, older, await calls(self, *session_ids))
        work = partial(sqlite_keep.erase, wanted=wanted, seal=self._seal)
        erased = await self._file.writer.run(work)
        for session_id in erased:
            self._file.watch.ring(session_id)
        await finished(self.vacuum)
        return Erasure(tuple(erased))

    async def vacuum(self) -> None:
        await self._file.writer.run(partial(sqlite_keep.destroy_keys, seal=self._seal))
        deadline = anyio.current_time() + self._wait
        while not await self._file.writer.run(sqlite_keep.scrub):
            if anyio.current_time() > deadline:
                raise ErasureUnfinished(
                    f"{self._path}: others hold an old state of the file, so what is gone from the journal still lies "
                    f"in its files as bytes. End the reading that has been open for so long; then {FINISH}"
                )
            await anyio.sleep(_PAUSE_SECONDS)

    async def older(self, seconds: float) -> Sequence[Old]:
        return await self._file.read(partial(sqlite_keep.older, milliseconds=round(1000 * seconds)))

    async def sizes(self) -> Sizes:
        return await self._file.read(partial(sqlite_keep.sizes, path=self._path))

    async def traces(self, session_id: str) -> AsyncIterator[Trace]:
        after = 0
        while page := await self._file.read(partial(sqlite_keep.traces, session_id=session_id, after=after)):
            for trace in page:
                yield trace
            after = page[-1].seq

    async def changed(self, session_id: str, seen: int, timeout: float) -> None:  # noqa: ASYNC109 - a long poll
        file = self._file
        news = partial(sqlite_read.has_news, session_id=session_id, seen=seen)
        with anyio.move_on_after(timeout):
            while True:
                with file.watch.waiting(session_id, seen) as bell:
                    if await file.look(news):
                        return
                    with anyio.move_on_after(POLL_SECONDS):
                        await bell.event.wait()
                    if not bell.event.is_set():
                        if file.watch.is_asleep:
                            file.reader.nudge()  # from now on it looks for others' commits
                        await bell.event.wait()
