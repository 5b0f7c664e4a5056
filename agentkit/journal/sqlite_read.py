"""What is read from a journal file, a page at a time: one short query each, so no reader ever holds up a writer."""

import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from agentkit.core.record import Record
from agentkit.errors import JournalError
from agentkit.journal.base import Asked, AskedKind, Head, InboxRow
from agentkit.journal.codec import Stored, codec
from agentkit.journal.owner import Owner

PAGE = 100  # rows
_INBOX = (
    "select n, kind, dedup, body, by, at, taken_seq from inbox"
    " where session = (select n from session where id = ?) order by n"
)
_UNTAKEN = _INBOX.replace("order", "and taken_seq is null order")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def moment(milliseconds: int) -> datetime:
    """Return the time that so many milliseconds since 1970 mean."""
    return _EPOCH + milliseconds * _MILLISECOND


def milliseconds(at: datetime) -> int:
    """Return a time as milliseconds since 1970."""
    return (at - _EPOCH) // _MILLISECOND


def head(db: sqlite3.Connection, session_id: str) -> Head | None:
    """Return a session's row."""
    row = db.execute(
        "select uid, agent, epoch, last_seq, status, owner, lease_until, created_at from session where id = ?",
        (session_id,),
    ).fetchone()
    if row is None:
        return None
    uid, agent, epoch, last_seq, status, owner, until, created_at = row
    holder = Owner.parse(owner) if owner else None
    if holder is not None and holder.is_dead():
        holder = until = None
    held_by, lease = None if holder is None else str(holder), _moment_or_none(until)
    return Head(session_id, uid, agent, epoch, last_seq, status, held_by, lease, moment(created_at))


def sessions(db: sqlite3.Connection, status: str | None, before: int) -> list[tuple[int, str]]:
    """Return a page of (row, session id), newest first, of rows before `before`."""
    found = db.execute(
        "select n, id from session where n < ?1 and (?2 is null or status = ?2) order by n desc limit ?3",
        (before, status, PAGE),
    )
    return found.fetchall()


def events(db: sqlite3.Connection, session_id: str, after: int) -> list[tuple[Any, ...]]:
    """Return a page of a session's rows behind `after`, in order, for `record`."""
    rows: list[tuple[Any, ...]] = []
    for n, upto in reversed(line(db, session_id)):
        if after < upto and len(rows) < PAGE:
            rows += db.execute(
                "select seq, at, turn, step, epoch, type, body, usage from event"
                " where session = ? and seq > ? and seq <= ? order by seq limit ?",
                (n, after, upto, PAGE - len(rows)),
            ).fetchall()
    return rows


def line(db: sqlite3.Connection, session_id: str) -> list[tuple[int, int]]:
    """Return the rows of a session and those it comes from, each with the last number that counts here."""
    found, upto, name = [], sys.maxsize, session_id
    while row := db.execute("select n, parent, fork_seq from session where id = ?", (name,)).fetchone():
        n, name, fork_seq = row
        found.append((n, upto))
        if name is None:
            break
        upto = min(upto, fork_seq)
    return found


def record(session_id: str, row: tuple[Any, ...]) -> Record | None:
    """Return a row of `events` as a record; None for an unknown event that may be read past.

    Raises:
        JournalError: the row cannot be read; which one is said.
    """
    seq, at, turn, step, epoch, *stored = row
    try:
        event = codec().decode(Stored(*stored))
    except JournalError as error:
        raise type(error)(f"session {session_id!r}, event {seq}: {error}") from error
    return None if event is None else Record(seq, moment(at), turn, step, event, epoch)


def blob(db: sqlite3.Connection, session_id: str, name: str) -> bytes | None:
    """Return contents by name: the session's own, or shared ones."""
    for n, _ in line(db, session_id):
        row = db.execute(
            "select data from blob where hash = ? and ifnull(session, 0) in (0, ?) limit 1", (name, n)
        ).fetchone()
        if row:
            data: bytes = row[0]
            return data
    return None


def inbox(db: sqlite3.Connection, session_id: str, *, taken: bool) -> list[InboxRow]:
    """Return a session's rows nobody has taken, or all, oldest first."""
    found = db.execute(_INBOX if taken else _UNTAKEN, (session_id,))
    return [inbox_row(row) for row in found.fetchall()]


def inbox_row(row: tuple[Any, ...]) -> InboxRow:
    """Return a row of the inbox, its columns in the order of `InboxRow`."""
    n, kind, dedup, body, by, at, taken_seq = row
    return InboxRow(n, kind, dedup, body, by, moment(at), taken_seq)


def asked(db: sqlite3.Connection, session_id: str | None, after: int) -> list[tuple[int, str, Asked]]:
    """Return a page of (row, session id, question) behind row `after`, oldest first."""
    found = db.execute(
        "select q.rowid, s.id, q.id, number, kind, key, body, asked_at, q.expires_at"
        " from question q join session s on s.n = q.session"
        " where q.rowid > ?1 and (?2 is null or s.id = ?2) order by q.rowid limit ?3",
        (after, session_id, PAGE),
    )
    return [(row[0], row[1], _asked(*row[2:])) for row in found.fetchall()]


def has_news(db: sqlite3.Connection, session_id: str, seen: int) -> bool:
    """Tell whether the session has events behind `seen` or an untaken inbox row."""
    row = db.execute(
        "select last_seq > ? or exists (select 1 from inbox where session = s.n and taken_seq is null)"
        " from session s where id = ?",
        (seen, session_id),
    ).fetchone()
    return row is not None and bool(row[0])


def version(db: sqlite3.Connection) -> int:
    """Return a number that changes whenever another connection, of any process, has committed."""
    found: int = db.execute("pragma data_version").fetchone()[0]
    return found


def _moment_or_none(ms: int | None) -> datetime | None:
    return None if ms is None else moment(ms)


def _asked(id_: str, number: int, kind: AskedKind, call: str, body: bytes, *times: int | None) -> Asked:
    asked_at, expires_at = (_moment_or_none(time) for time in times)
    return Asked(id_, number, kind, call, body, asked_at, expires_at)
