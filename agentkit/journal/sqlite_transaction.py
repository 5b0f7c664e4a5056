"""A transaction that writes to a journal file: how the lock is taken, and what a failure means for what was written."""

import os
import sqlite3
import time
from functools import partial
from types import TracebackType

from agentkit.errors import AppendUncertain, JournalError
from agentkit.journal.sqlite_open import Connection, code_of, explained, synchronise

YIELDING_SECONDS = 0.001  # for which the CPU is yielded to whoever holds the lock, where nobody may wait long
# A sleep of no time lasts 50 µs and longer, half as long as the lock is held.
_yield = getattr(os, "sched_yield", partial(time.sleep, 0))
_CERTAIN = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY)  # at commit: nothing has reached the log


class transaction:  # noqa: N801 - it reads as `with transaction(…)`; a generator costs 3 µs, an append 60 to 100
    """Hold the write lock; commit at the end, or leave nothing. Gives the time in milliseconds, as `NOW` tells it.

    Args:
        db: a connection without a transaction.
        what: what is being written, for the error's text.
        durable: the commit survives power loss, and with it all commits before it.

    Raises:
        JournalError: it failed for certain, nothing was written.
        AppendUncertain: it failed at commit in a way that leaves open what the disk holds.
    """

    __slots__ = ("_db", "_durable", "_what")

    def __init__(self, db: sqlite3.Connection, what: str, *, durable: bool = False) -> None:
        self._db, self._what, self._durable = db, what, durable

    def __enter__(self) -> int:
        self._leave()  # a Ctrl-C just where the last one ended may have kept it from doing so
        try:
            synchronise(self._db, full=self._durable)
            _begin(self._db)
            return (time.time_ns() + 500_000) // 1_000_000
        except BaseException as error:
            self._leave()
            if isinstance(error, sqlite3.Error):
                raise self._failed(error) from error
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                _commit(self._db, self._what)
        except sqlite3.Error as failed:
            raise self._failed(failed) from failed
        finally:
            self._leave()
        if isinstance(error, sqlite3.Error | UnicodeEncodeError):
            raise self._failed(error) from error

    def _leave(self) -> None:
        if self._db.in_transaction:
            self._db.execute("rollback")

    def _failed(self, error: sqlite3.Error | UnicodeEncodeError) -> JournalError:
        if isinstance(error, UnicodeEncodeError):
            words = f"An id or a name holds half a character: {error}"
            return JournalError(f"{self._what}: nothing was written. {words}")
        (waited,) = self._db.execute("pragma busy_timeout").fetchone()
        cause = explained(error, name_of(self._db), waited=waited / 1000)
        ours = JournalError(f"{self._what}: nothing was written. {cause}")
        ours.passing = cause.passing
        return ours


def _begin(db: sqlite3.Connection) -> None:
    """Take the write lock, which another process holds for 0.1 ms as a rule.

    Where SQLite may wait it does so itself, in sleeps of a millisecond and longer; where it may not, the CPU is yielded
    to whoever holds the lock, for a moment.
    """
    yields, until = isinstance(db, Connection) and db.is_patient is False, 0.0
    while yields and (not until or time.perf_counter() < until):
        try:
            db.execute("begin immediate")
        except sqlite3.OperationalError as error:
            if code_of(error) != sqlite3.SQLITE_BUSY:
                raise
            until = until or time.perf_counter() + YIELDING_SECONDS
            _yield()
        else:
            return
    db.execute("begin immediate")


def name_of(db: sqlite3.Connection) -> str:
    """Return the path of the connection's file."""
    path: str = db.execute("pragma database_list").fetchone()[2]
    return path


def _commit(db: sqlite3.Connection, what: str) -> None:
    try:
        db.execute("commit")
    except sqlite3.Error as error:
        if code_of(error) in _CERTAIN:
            raise
        cause = explained(error, name_of(db))
        ours = AppendUncertain(
            f"{what}: it failed at commit, written or not is known when the session is loaded again. {cause}"
        )
        ours.passing = cause.passing
        raise ours from error
