"""Opening a journal file: it is made private from its first byte, recognised before it is touched, and WAL or nothing.

Everything that can be wrong with a path is said in words: what, where, and what to do.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agentkit.errors import ForeignJournal, JournalError
from agentkit.journal.sqlite_upgrades import STEPS, VERSION

APPLICATION_ID = 0x61676B74  # "agkt"
BUSY_SECONDS = 30.0

# Bytes. A row is split only where it does not fit a page, and the rest of the page before it stays empty: with large
# pages a file is 1.1 to 2.2 times its conversation, depending on how the rows happen to fit; with small ones most rows
# are split, and it keeps to the budget (DURABLE.md, Tables). An append costs a third more for it, 0.03 ms.
_PAGE_SIZE = 512
_CHECKPOINT_PAGES = 8000  # as many bytes as SQLite's default, for its default page size


class Connection(sqlite3.Connection):
    """A connection to a journal, used by one thread at a time.

    Attributes:
        is_full: whether a commit is on the disk when it returns; None: not said yet.
        is_patient: whether it waits for the file's lock, and folds the log into the file where that has grown; None:
            not said yet.
    """

    is_full: bool | None = None
    is_patient: bool | None = None


def be_patient(db: sqlite3.Connection, patient: bool) -> None:  # noqa: FBT001 - a callback's only word
    """Say whether the next statements may take long, if that is not what was said last: it costs 16 µs."""
    if isinstance(db, Connection) and db.is_patient is not patient:
        db.is_patient = None  # until all of it is said
        db.execute(f"pragma busy_timeout = {round(1000 * BUSY_SECONDS) if patient else 0}")
        db.execute(f"pragma wal_autocheckpoint = {_CHECKPOINT_PAGES if patient else 0}")
        db.is_patient = patient


@contextmanager
def waiting(db: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Let statements in here wait for the file's lock no longer than that, each of them."""
    (before,) = db.execute("pragma busy_timeout").fetchone()
    db.execute(f"pragma busy_timeout = {min(before, round(1000 * seconds))}")
    try:
        yield
    finally:
        db.execute(f"pragma busy_timeout = {before}")


def synchronise(db: sqlite3.Connection, *, full: bool) -> None:
    """Say whether the next commits are to survive power loss, if that is not what was said last: it costs 8 µs."""
    if isinstance(db, Connection) and db.is_full is full:
        return
    db.execute(f"pragma synchronous = {'full' if full else 'normal'}")
    if isinstance(db, Connection):
        db.is_full = full


def open_writer(path: Path, *, create: bool) -> sqlite3.Connection:
    """Open the file for writing; make it, with `create`, where there is none; one of an earlier format is upgraded.

    Raises:
        ForeignJournal: not a journal of agentkit, or of a later format. It was not touched.
        JournalError: it cannot be opened, written, or switched to WAL.
    """
    try:
        _prepare(path, create=create)
    except OSError as error:
        raise JournalError(f"{path} cannot be used: {error.strerror}") from error
    db = _connection(path)
    try:
        db.execute(f"pragma page_size = {_PAGE_SIZE}")  # of a new file; an existing one keeps its own
        db.execute("begin")
        version = _version(db, path)
        db.execute("commit")
        switch_to_wal(db, path)
        db.execute(
            "pragma fullfsync = on"
        )  # where the system has it, `synchronous = full` means the disk, not its cache
        if version < VERSION:
            _upgrade(db, path)
    except sqlite3.Error as error:
        db.close()
        raise explained(error, path) from error
    except BaseException:
        db.close()
        raise
    return db


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a second connection that cannot write, to a file that `open_writer` has opened."""
    db = _connection(path)
    db.execute("pragma query_only = on")
    return db


def _connection(path: Path) -> Connection:
    return sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, factory=Connection, check_same_thread=False
    )


def switch_to_wal(db: sqlite3.Connection, path: Path) -> None:
    """Put the database into WAL mode, and check that it is.

    Raises:
        JournalError: the file system has no shared memory, or the database is none that can be in WAL mode.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while (mode := _wal(db)) is None:  # SQLite does not wait by itself where two processes switch a new file at once
        if time.monotonic() > deadline:
            raise JournalError(f"{path}: another process holds the file's lock: look for one that hangs")
        time.sleep(0.01)
    if mode != "wal":
        raise JournalError(
            f"{path}: write-ahead logging is not possible here (SQLite says {mode!r}), and without it a crash can lose "
            "the journal. Put the file on a local disk, not on a network file system"
        )


def _wal(db: sqlite3.Connection) -> str | None:
    try:
        mode: str = db.execute("pragma journal_mode = wal").fetchone()[0]
    except sqlite3.OperationalError as error:
        if code_of(error) != sqlite3.SQLITE_BUSY:
            raise
        return None
    return mode


def explained(error: sqlite3.Error, path: Path | str, *, waited: float = BUSY_SECONDS) -> JournalError:
    """Return SQLite's error as ours, with what to do; `waited`: seconds, at most, for the lock."""
    kind, words = _WORDS.get(code_of(error), (JournalError, "SQLite failed"))
    ours = kind(f"{path}: {words.format(waited)} ({error})")
    ours.passing = code_of(error) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR}
    return ours


def code_of(error: sqlite3.Error) -> int:
    """Return SQLite's plain result code; an extended one holds it in its last byte. Python's own errors have none."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


_WORDS: dict[int, tuple[type[JournalError], str]] = {
    sqlite3.SQLITE_NOTADB: (ForeignJournal, "this is not a journal, nor any SQLite database: name another file"),
    sqlite3.SQLITE_CANTOPEN: (JournalError, "the file, or its -wal beside it, cannot be opened: look at its rights"),
    sqlite3.SQLITE_READONLY: (JournalError, "the file cannot be written: look at its rights"),
    sqlite3.SQLITE_CORRUPT: (JournalError, "the file is damaged: restore a copy"),
    sqlite3.SQLITE_IOERR: (JournalError, "the file system cannot read or write it: look at the disk and its limits"),
    sqlite3.SQLITE_FULL: (JournalError, "the disk is full: make room and resume"),
    sqlite3.SQLITE_BUSY: (
        JournalError,
        "others held the file's lock for {:.0f} s: does one hang, do more than four write all the time?",
    ),
}


def _prepare(path: Path, *, create: bool) -> None:
    if path.is_dir():
        raise JournalError(f"{path} is a directory: name a file in it")
    if create:
        _make(path)
    if not path.exists():
        raise JournalError(f"{path} does not exist: there is no journal here. Look at the path")
    here = os.access in os.supports_effective_ids
    for place in (path, path.parent):
        if not os.access(place, os.R_OK | os.W_OK, effective_ids=here):
            raise JournalError(f"{place} cannot be written by this user: a journal needs its file and its directory")


def _make(path: Path) -> None:
    """Make an empty private file. One that exists is not opened: closing it would drop this process's SQLite locks."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    except FileNotFoundError:
        raise JournalError(f"{path.parent} does not exist: make the directory first") from None


def _version(db: sqlite3.Connection, path: Path) -> int:
    """Return the file's format; 0: it is new and empty. In a transaction, as another process may be making it just now.

    Raises:
        ForeignJournal: the database is another program's, or its format a later one.
    """
    (application,) = db.execute("pragma application_id").fetchone()
    (version,) = db.execute("pragma user_version").fetchone()
    (tables,) = db.execute("select count(*) from sqlite_master").fetchone()
    if (application, version, tables) == (0, 0, 0):
        return 0
    if application != APPLICATION_ID:
        raise ForeignJournal(f"{path} is a database of another program: it was left as it is. Name another file")
    if version > VERSION:
        raise ForeignJournal(
            f"{path} is a journal of format {version}; this version of agentkit reads up to {VERSION}. Update agentkit"
        )
    return int(version)


def _upgrade(db: sqlite3.Connection, path: Path) -> None:
    """Take the steps that the file lacks, in one transaction."""
    db.execute("begin immediate")
    try:
        for step in STEPS[_version(db, path) :]:  # read again: perhaps somebody was quicker
            for statement in step:
                db.execute(statement)
        db.execute(f"pragma application_id = {APPLICATION_ID}")
        db.execute(f"pragma user_version = {VERSION}")
        db.execute("commit")
    except BaseException:
        if db.in_transaction:  # a commit that fails for want of room has rolled back already
            db.execute("rollback")
        raise
