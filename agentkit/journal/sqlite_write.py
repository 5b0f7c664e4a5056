"""What is written to a journal file, one function per transaction.

The clock is the database's, read once in each transaction; the fence is one UPDATE that matches epoch and last_seq.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from agentkit.core.binding import Blob
from agentkit.errors import AppendUncertain, Fenced, JournalError, NoSuchSession, SessionBusy
from agentkit.journal.base import Appended, Batch, Branch, Imported, InboxKind, InboxRow, Lease
from agentkit.journal.codec import codec
from agentkit.journal.owner import Owner
from agentkit.journal.sqlite_open import code_of, explained
from agentkit.journal.sqlite_read import inbox_row, milliseconds, moment

NOW = "cast(round((julianday('now') - 2440587.5) * 86400000) as integer)"  # milliseconds since 1970, UTC
_EVENT = "insert into event (session, seq, type, turn, step, epoch, body, usage, at) values (?,?,?,?,?,?,?,?,?)"
_CERTAIN = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY)  # at commit: nothing has reached the log


class Fact(NamedTuple):
    """A row for the inbox, as it is given."""

    session_id: str
    kind: InboxKind
    dedup: str
    body: bytes
    by: str | None


@contextmanager
def transaction(db: sqlite3.Connection, what: str, *, durable: bool = False) -> Iterator[int]:
    """Hold the write lock; commit at the end, or leave nothing. Yields the database's time in milliseconds.

    Args:
        db: a connection without a transaction.
        what: what is being written, for the error's text.
        durable: the commit survives power loss, and with it all commits before it.

    Raises:
        JournalError: it failed for certain, nothing was written.
        AppendUncertain: it failed at commit in a way that leaves open what the disk holds.
    """
    try:
        db.execute(f"pragma synchronous = {'full' if durable else 'normal'}")
        db.execute("begin immediate")
        (now,) = db.execute(f"select {NOW}").fetchone()
        yield now
        _commit(db, what)
    except sqlite3.Error as error:
        raise JournalError(f"{what}: nothing was written. {explained(error, name_of(db))}") from error
    except UnicodeEncodeError as error:
        raise JournalError(f"{what}: nothing was written. An id or a name holds half a character: {error}") from error
    finally:
        if db.in_transaction:
            db.execute("rollback")


def name_of(db: sqlite3.Connection) -> str:
    """Return the path of the connection's file."""
    path: str = db.execute("pragma database_list").fetchone()[2]
    return path


def claim(db: sqlite3.Connection, session_id: str, named: tuple[str, str], owner: Owner, ttl: int) -> Lease:
    """Take the lease for `ttl` milliseconds. `named`: uid and agent of a session that holds no event yet.

    Raises:
        SessionBusy: its owner's lease has not run out, and it is not proven dead.
    """
    with transaction(db, f"claim of session {session_id!r}") as now:
        db.execute("insert or ignore into session (id, created_at) values (?, ?)", (session_id, now))
        row = "select owner, lease_until, epoch, last_seq from session where id = ?"
        held_by, until, epoch, last_seq = db.execute(row, (session_id,)).fetchone()
        if held_by is not None and until > now:
            _refuse_while_alive(session_id, Owner.parse(held_by), owner, until)
        db.execute(
            "update session set epoch = ?, owner = ?, lease_until = ? where id = ?",
            (epoch + 1, owner.text(), now + ttl, session_id),
        )
        if not last_seq:
            db.execute("update session set uid = ?, agent = ? where id = ?", (*named, session_id))
    return Lease(session_id, epoch + 1, last_seq, created=last_seq == 0)


def renew(db: sqlite3.Connection, held: dict[str, tuple[int, int]]) -> None:
    """Renew leases, given as session id to (epoch, milliseconds); those that are no longer ours are left alone."""
    with transaction(db, "renewal of leases") as now:
        db.executemany(
            "update session set lease_until = ? where id = ? and epoch = ? and owner is not null",
            [(now + ttl, session_id, epoch) for session_id, (epoch, ttl) in held.items()],
        )


def release(db: sqlite3.Connection, held: dict[str, int]) -> None:
    """Give leases back, given as session id to epoch; those that are no longer ours are left alone."""
    with transaction(db, "release of leases"):
        db.executemany(
            "update session set owner = null, lease_until = null where id = ? and epoch = ?", list(held.items())
        )


def append(db: sqlite3.Connection, lease: Lease, after: int, batch: Batch, ttl: int) -> Appended:
    """Append a batch, all of it or nothing.

    Raises:
        Fenced: somebody else owns the session. Nothing was written.
        JournalError: it failed for certain; also: a value that cannot be stored, an inbox row that is not there.
        AppendUncertain: it failed at commit.
    """
    session_id, last_seq = lease.session_id, after + len(batch.events)
    stored = [codec().encode(placed.event) for placed in batch.events]
    with transaction(db, f"append to session {session_id!r}", durable=batch.durable) as now:
        fence = db.execute(
            "update session set last_seq = ?, status = ?, lease_until = ?"
            " where id = ? and epoch = ? and last_seq = ? and owner is not null returning n",
            (last_seq, batch.status, now + ttl, session_id, lease.epoch, after),
        ).fetchall()
        if not fence:
            raise Fenced(
                f"session {session_id!r} was taken over behind event {after}: nothing was written. "
                "Run again with the same message id to get its result"
            )
        ((n,),) = fence
        db.executemany(
            _EVENT,
            [
                (n, seq, kind, placed.turn, placed.step, lease.epoch, body, usage, now)
                for seq, (placed, (kind, body, usage)) in enumerate(zip(batch.events, stored, strict=True), after + 1)
            ],
        )
        _store(db, n, batch.blobs)
        _take(db, [(after + 1 + index, row, n) for row, index in batch.taken])
        _ask(db, n, batch, now)
    return Appended(last_seq, moment(now))


def put(db: sqlite3.Connection, fact: Fact) -> InboxRow:
    """Insert a row into the inbox, or return the one that has its (kind, dedup).

    Raises:
        NoSuchSession: no session of this id, and the row is no message.
    """
    with transaction(db, f"{fact.kind} for session {fact.session_id!r}") as now:
        if fact.kind == "message":
            db.execute("insert or ignore into session (id, created_at) values (?, ?)", (fact.session_id, now))
        session = db.execute("select n from session where id = ?", (fact.session_id,)).fetchone()
        if session is None:
            raise NoSuchSession(f"the journal holds no session {fact.session_id!r}")
        row = (*session, *fact[1:], now)
        db.execute("insert or ignore into inbox (session, kind, dedup, body, by, at) values (?,?,?,?,?,?)", row)
        same = "select n, kind, dedup, body, by, at, taken_seq from inbox where session = ? and kind = ? and dedup = ?"
        return inbox_row(db.execute(same, row[:3]).fetchone())


def adopt(db: sqlite3.Connection, session: Imported) -> None:
    """Create a session with everything in it. Raises: JournalError: there is one of this id."""
    stored = [codec().encode(record.event) for record in session.records]
    last_seq = session.records[-1].seq if session.records else 0
    with transaction(db, f"import of session {session.session_id!r}", durable=True) as now:
        made = db.execute(
            "insert or ignore into session (id, uid, agent, status, last_seq, created_at)"
            " values (?,?,?,?,?,?) returning n",
            (session.session_id, session.uid, session.agent, session.status, last_seq, now),
        ).fetchall()
        if not made:
            raise JournalError(f"there is a session {session.session_id!r} already: nothing was written")
        ((n,),) = made
        db.executemany(
            _EVENT,
            [
                (n, r.seq, kind, r.turn, r.step, r.epoch, body, usage, milliseconds(r.at))
                for r, (kind, body, usage) in zip(session.records, stored, strict=True)
            ],
        )
        _store(db, n, session.blobs)


def fork(db: sqlite3.Connection, branch: Branch) -> None:
    """Create a session that shares its parent's events up to number `branch.seq`.

    Raises:
        NoSuchSession: there is no parent.
        JournalError: there is a session of this id, or the parent has no such event. Nothing was written.
    """
    stored = [codec().encode(placed.event) for placed in branch.events]
    last_seq = branch.seq + len(stored)
    with transaction(db, f"fork of session {branch.parent!r}", durable=True) as now:
        parent = db.execute("select last_seq from session where id = ?", (branch.parent,)).fetchone()
        if parent is None:
            raise NoSuchSession(f"the journal holds no session {branch.parent!r}")
        if not 0 < branch.seq <= parent[0]:
            raise JournalError(f"session {branch.parent!r} has no event {branch.seq}: nothing was written")
        made = db.execute(
            "insert or ignore into session (id, uid, agent, status, last_seq, parent, fork_seq, created_at)"
            " values (?,?,?,'open',?,?,?,?) returning n",
            (branch.session_id, branch.uid, branch.agent, last_seq, branch.parent, branch.seq, now),
        ).fetchall()
        if not made:
            raise JournalError(f"there is a session {branch.session_id!r} already: nothing was written")
        ((n,),) = made
        db.executemany(
            _EVENT,
            [
                (n, seq, kind, placed.turn, placed.step, 0, body, usage, now)
                for seq, (placed, (kind, body, usage)) in enumerate(
                    zip(branch.events, stored, strict=True), branch.seq + 1
                )
            ],
        )


def _refuse_while_alive(session_id: str, holder: Owner, claimant: Owner, until: int) -> None:
    if holder.is_same_process(claimant):
        raise SessionBusy(session_id, owner=f"this process ({holder.name})", until=moment(until))
    if not holder.is_dead():
        raise SessionBusy(session_id, owner=str(holder), until=moment(until))


def _commit(db: sqlite3.Connection, what: str) -> None:
    try:
        db.execute("commit")
    except sqlite3.Error as error:
        if code_of(error) in _CERTAIN:
            raise
        raise AppendUncertain(
            f"{what}: it failed at commit, written or not is known when the session is loaded again. "
            f"{explained(error, name_of(db))}"
        ) from error


def _store(db: sqlite3.Connection, session: int, blobs: Iterable[Blob]) -> None:
    db.executemany(
        "insert or ignore into blob (hash, session, data) values (?, ?, ?)",
        [(blob.hash, None if blob.shared else session, blob.data) for blob in blobs],
    )


def _take(db: sqlite3.Connection, taken: list[tuple[int, int, int]]) -> None:
    done = db.executemany("update inbox set taken_seq = ? where n = ? and session = ? and taken_seq is null", taken)
    if taken and done.rowcount != len(taken):
        raise JournalError("a row of the inbox is not there to be taken: nothing was written")


def _ask(db: sqlite3.Connection, session: int, batch: Batch, now: int) -> None:
    db.executemany("delete from question where session = ? and id = ?", [(session, id_) for id_ in batch.closed])
    db.executemany(
        "insert or replace into question (id, session, key, number, kind, body, asked_at, expires_at)"
        " values (?,?,?,?,?,?,?,?)",
        [
            (
                asked.id,
                session,
                asked.call,
                asked.number,
                asked.kind,
                asked.body,
                milliseconds(asked.asked_at) if asked.asked_at else now,
                milliseconds(asked.expires_at) if asked.expires_at else None,
            )
            for asked in batch.opened
        ],
    )
