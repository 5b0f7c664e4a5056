"""A journal file as this process has it open: once, however many journals, sessions and event loops use it.

One thread renews the leases this process holds, and writes what may take long: what is short, whoever asks writes.
Another reads and notices what other processes commit.
"""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from agentkit.errors import JournalError
from agentkit.journal import sqlite_write
from agentkit.journal.base import MAIL_ONLY, Lease
from agentkit.journal.bells import Bells
from agentkit.journal.owner import Owner
from agentkit.journal.renewal import Held, Renewal
from agentkit.journal.seal import Seal
from agentkit.journal.sqlite_open import be_patient, explained, open_reader, open_writer, waiting
from agentkit.journal.sqlite_read import LastMail, mail, version, with_news
from agentkit.journal.thread import JournalThread

T = TypeVar("T")
POLL_SECONDS = 0.05  # DURABLE.md, Watching live
LONG_LOG = 64_000_000  # bytes. It is folded into the file long before, unless several processes write all the time
_FOLDING_SECONDS, _AGAIN_SECONDS = 0.5, 5  # how long others are waited for then, and the time between two tries
_CHECKPOINT_SECONDS = 1  # closing does not wait longer for other processes that read

_OPEN: dict[tuple[int, str], "SQLiteFile"] = {}
_LOCK = threading.Lock()
_LOG = logging.getLogger(__name__)


class _Watch(Bells):
    """The reader's chore: while somebody waits for news, look whether anybody has committed, and for whom it is news.

    This process's own commits count too: to wake all who wait at each of them is the work of a crowd for nothing. Nor
    is it asked after each who waits for mail: what has come since the last look is asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen = 0  # the file's version
        self._last: LastMail | None = None
        self.is_asleep = False

    def pause(self) -> float | None:
        self.is_asleep = True  # before the look: who comes in between either is seen by it, or finds this, and nudges
        if not self:
            return None
        self.is_asleep = False
        return POLL_SECONDS

    def __call__(self, db: sqlite3.Connection) -> None:
        if (now := version(db)) == self._seen:
            return
        last, mailed = mail(db, self._last)
        for session_id in with_news(db, self.asked()):
            self.ring(session_id, MAIL_ONLY)
        for session_id in mailed:
            self.ring(session_id)
        self._seen, self._last = now, last  # not before: a look that fails is made again


class SQLiteFile:
    """The two threads of one file, and who waits for its news. Got by `enter`, given back by `leave`."""

    def __init__(self, key: tuple[int, str], *, create: bool) -> None:
        path = Path(key[1])
        self._key, self._users, self._is_open = key, 0, False
        self._leases, self.watch = Renewal(_renew), _Watch()
        self._log, self._again = Path(f"{path}-wal"), 0.0
        writes, reads = f"{path.name} writer", f"{path.name} reader"
        self.writer = JournalThread(
            lambda: open_writer(path, create=create), self._leases, name=writes, patient=self._patient
        )
        self.reader = JournalThread(lambda: open_reader(path), self.watch, name=reads, patient=be_patient)

    def _patient(self, db: sqlite3.Connection, patient: bool) -> None:  # noqa: FBT001 - a callback's only word
        """As `be_patient`; who may wait empties a log that has grown long.

        SQLite begins a log anew only where nobody has written since it was folded: it grows while several processes
        write all the time. Where they do not let it be emptied either, it is tried again after a while.
        """
        be_patient(db, patient)
        if not patient or time.monotonic() < self._again or not _is_long(self._log):
            return
        self._again = time.monotonic() + _AGAIN_SECONDS
        with suppress(sqlite3.Error), waiting(db, _FOLDING_SECONDS):  # the job behind it meets the same, and says so
            db.execute("pragma wal_checkpoint(truncate)").fetchone()

    async def open(self) -> None:
        """Wait until the file is open. Raises: JournalError, ForeignJournal: as `sqlite_open.open_writer`."""
        if not self._is_open:
            await self.writer.run(lambda _: None)
        self._is_open = True

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returns, on the reader's thread. Raises: JournalError: the file cannot be read."""
        return await self.reader.run(self._told(work))

    async def look(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """As `read`, for short work, which is done at once."""
        return await self.reader.at_once(self._told(work))

    def _told(self, work: Callable[[sqlite3.Connection], T]) -> Callable[[sqlite3.Connection], T]:
        def told(db: sqlite3.Connection) -> T:
            try:
                return work(db)
            except sqlite3.Error as error:
                raise explained(error, self._key[1]) from error
            except UnicodeEncodeError as error:
                raise JournalError(f"an id or a name holds half a character: {error}") from error

        return told

    async def claim(self, session_id: str, named: tuple[str, str], owner: Owner, ttl: int, *, seal: Seal) -> Lease:
        """Take a lease and renew it from now on. Raises: as `sqlite_write.claim`."""

        def work(db: sqlite3.Connection) -> Lease:
            lease = sqlite_write.claim(db, session_id, named, owner, ttl, seal=seal)
            if self._leases.hold(lease, ttl):
                self.writer.nudge()
            return lease

        return await self.writer.at_once(work)

    async def release(self, lease: Lease, trouble: str | None, *, seal: Seal) -> None:
        """Give a lease back, and renew it no longer."""

        def work(db: sqlite3.Connection) -> None:
            self._leases.drop(lease)
            sqlite_write.release(db, [lease], seal.trouble(lease.data_key, lease.session_id, trouble))

        await self.writer.at_once(work)

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
            sqlite_write.release(db, self._leases.drop_all())
            with waiting(db, _CHECKPOINT_SECONDS):
                db.execute("pragma wal_checkpoint(truncate)").fetchone()
        except (JournalError, sqlite3.Error) as error:  # nothing recorded is at stake: leases run out, the log is read
            _LOG.warning("%s was not closed cleanly: %s", self._key[1], error)


def _renew(db: sqlite3.Connection, held: Collection[Held], patience: float) -> None:
    with waiting(db, patience):
        sqlite_write.renew(db, held)


def _is_long(log: Path) -> bool:
    try:
        return log.stat().st_size > LONG_LOG
    except FileNotFoundError:
        return False


def enter(path: str | os.PathLike[str], *, create: bool) -> SQLiteFile:
    """Return the file as this process has it open, or will have when somebody has awaited `open`."""
    key = (os.getpid(), os.path.realpath(path))
    with _LOCK:
        file = _OPEN.get(key)
        if file is None:
            file = _OPEN[key] = SQLiteFile(key, create=create)
        file._users += 1  # noqa: SLF001 - the count and the table change under one lock
    return file
