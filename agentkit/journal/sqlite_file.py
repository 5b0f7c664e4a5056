"""A journal file as this process has it open: once, however many journals, sessions and event loops use it.

One thread writes and renews the leases this process holds; another reads and notices what other processes commit.
"""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from agentkit.errors import JournalError
from agentkit.journal import sqlite_write
from agentkit.journal.base import Lease
from agentkit.journal.bells import Bells
from agentkit.journal.owner import Owner
from agentkit.journal.seal import Seal
from agentkit.journal.sqlite_open import explained, open_reader, open_writer, waiting
from agentkit.journal.sqlite_read import version, with_news
from agentkit.journal.thread import JournalThread

T = TypeVar("T")
POLL_SECONDS = 0.05  # DURABLE.md, Watching live
_PATIENCE = 0.002  # seconds; an append takes 0.1 ms, unless the disk is slow or others hold the file's lock
_CHECKPOINT_SECONDS = 1  # closing does not wait longer for other processes that read

_OPEN: dict[tuple[int, str], "SQLiteFile"] = {}
_LOCK = threading.Lock()
_LOG = logging.getLogger(__name__)


class _Renewal:
    """The writer's chore: renew every held lease three times within its TTL."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[int, int]] = {}  # session id: epoch, TTL in milliseconds; of the writer's thread
        self._shortest = 0  # of their TTLs; what is shorter than needed costs a look

    def hold(self, lease: Lease, ttl: int) -> None:
        """Renew a lease from now on. Asked between all jobs, `pause` must not walk over a crowd's leases."""
        self.held[lease.session_id] = (lease.epoch, ttl)
        self._shortest = min(ttl, self._shortest or ttl)

    def drop(self, lease: Lease) -> None:
        """Renew a lease no longer."""
        if self.held.get(lease.session_id, (0, 0))[0] == lease.epoch:
            del self.held[lease.session_id]
        self._shortest = self._shortest if self.held else 0

    def pause(self) -> float | None:
        return self._shortest / 3000 or None

    def __call__(self, db: sqlite3.Connection) -> None:
        """Renew. It may fail: the fence protects the journal, the lease only saves work.

        Jobs wait behind it: it does not wait for the lock longer than until it is due again.
        """
        with waiting(db, self.pause() or 0):
            sqlite_write.renew(db, self.held)


class _Watch(Bells):
    """The reader's chore: while somebody waits for news, look whether anybody has committed, and for whom it is news.

    This process's own commits count too: to wake all who wait at each of them is the work of a crowd for nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen = 0

    def pause(self) -> float | None:
        return POLL_SECONDS if self else None

    def __call__(self, db: sqlite3.Connection) -> None:
        if (now := version(db)) != self._seen:
            for session_id in with_news(db, self.asked()):
                self.ring(session_id)
            self._seen = now


class SQLiteFile:
    """The two threads of one file, and who waits for its news. Got by `enter`, given back by `leave`."""

    def __init__(self, key: tuple[int, str], *, create: bool) -> None:
        path = Path(key[1])
        self._key, self._users, self._is_open = key, 0, False
        self._leases, self.watch = _Renewal(), _Watch()
        writes, reads = f"{path.name} writer", f"{path.name} reader"
        self.writer = JournalThread(
            lambda: open_writer(path, create=create), self._leases, name=writes, patience=_PATIENCE
        )
        self.reader = JournalThread(lambda: open_reader(path), self.watch, name=reads, patience=_PATIENCE)

    async def open(self) -> None:
        """Wait until the file is open. Raises: JournalError, ForeignJournal: as `sqlite_open.open_writer`."""
        if not self._is_open:
            await self.writer.run(lambda _: None)
        self._is_open = True

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returns, on the reader's thread. Raises: JournalError: the file cannot be read."""

        def told(db: sqlite3.Connection) -> T:
            try:
                return work(db)
            except sqlite3.Error as error:
                raise explained(error, self._key[1]) from error
            except UnicodeEncodeError as error:
                raise JournalError(f"an id or a name holds half a character: {error}") from error

        return await self.reader.run(told)

    async def claim(self, session_id: str, named: tuple[str, str], owner: Owner, ttl: int, *, seal: Seal) -> Lease:
        """Take a lease and renew it from now on. Raises: as `sqlite_write.claim`."""

        def work(db: sqlite3.Connection) -> Lease:
            lease = sqlite_write.claim(db, session_id, named, owner, ttl, seal=seal)
            self._leases.hold(lease, ttl)
            return lease

        return await self.writer.run(work)

    async def release(self, lease: Lease, trouble: str | None, *, seal: Seal) -> None:
        """Give a lease back, and renew it no longer."""

        def work(db: sqlite3.Connection) -> None:
            self._leases.drop(lease)
            words = sqlite_write.sealed_trouble(db, lease.session_id, trouble, seal)
            sqlite_write.release(db, {lease.session_id: lease.epoch}, words)

        await self.writer.run(work)

    async def leave(self) -> None:
        """Give the file back; the last to do so releases what is held, folds the log into the file, and closes it."""
        with _LOCK:
            self._users -= 1
            if self._users:
                return
            del _OPEN[self._key]
        if self._is_open:
            await self.reader.close(lambda _: None)
            await self.writer.close(self._settle)
        else:
            self.reader.abandon()
            self.writer.abandon()

    def _settle(self, db: sqlite3.Connection) -> None:
        try:
            sqlite_write.release(db, {session_id: epoch for session_id, (epoch, _) in self._leases.held.items()})
            with waiting(db, _CHECKPOINT_SECONDS):
                db.execute("pragma wal_checkpoint(truncate)").fetchone()
        except (JournalError, sqlite3.Error) as error:  # nothing recorded is at stake: leases run out, the log is read
            _LOG.warning("%s was not closed cleanly: %s", self._key[1], error)


def enter(path: str | os.PathLike[str], *, create: bool) -> SQLiteFile:
    """Return the file as this process has it open, or will have when somebody has awaited `open`."""
    key = (os.getpid(), os.path.realpath(path))
    with _LOCK:
        file = _OPEN.get(key)
        if file is None:
            file = _OPEN[key] = SQLiteFile(key, create=create)
        file._users += 1  # noqa: SLF001 - the count and the table change under one lock
    return file
