"""What is read from a journal file, a page at a time: one short query each, so no reader ever holds up a writer."""

import json
import sqlite3
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from agentkit.core.record import Row
from agentkit.errors import JournalError, SessionErased
from agentkit.journal.base import MAX_TRIES, Asked, AskedKind, Head, InboxRow, Ready
from agentkit.journal.codec import Stored, codec
from agentkit.journal.keeping import tombstone
from agentkit.journal.owner import Owner
from agentkit.journal.seal import PLAIN, Mail, Seal, Sealer

PAGE = 100  # rows

LastMail: TypeAlias = tuple[int, int, str, int]
"""A row of the inbox, by number, session, dedup and time."""

_INBOX = (
    "select i.n, i.kind, i.dedup, i.body, i.by, i.at, i.taken_seq, s.data_key_id from session s"
    " join inbox i on i.session = s.n where s.id = ? order by i.n"
)
_UNTAKEN = _INBOX.replace("order", "and i.taken_seq is null order")
NOW = "cast(round((julianday('now') - 2440587.5) * 86400000) as integer)"  # milliseconds since 1970, UTC
# What was begun and lies still goes before what is new: in a long queue, a dead worker's sessions would be the last.
# The last column: whether the lease lasts, as `sqlite_write.lasts` tells. Each candidate has an index of its own; a
# cross join keeps its order: else SQLite prefers to walk through all sessions.
_READY = """
    with clock (now) as materialized (select NOW),
    due (session, row, since) as (
        select session, n, at from inbox where taken_seq is null
        union all select n, 0, 0 from session where status = 'open' and epoch > 0
        union all select session, 0, expires_at from question, clock where expires_at <= now
        union all select session, 0, escalates_at from question, clock where escalates_at <= now)
    select s.id, s.agent, s.epoch, max(row), s.owner,
        now < s.lease_until and (s.lease_ms is null or s.lease_until <= now + 2 * s.lease_ms)
    from due cross join session s on s.n = due.session cross join clock
    where s.tries < ?1 and (?2 = '[]' or s.agent = '' or s.agent in (select value from json_each(?2)))
    group by s.n order by min(since), s.n""".replace("NOW", NOW)
_ASKED = (
    "select q.rowid, s.id, data_key_id, q.id, number, kind, key, body, asked_at, q.expires_at, q.escalates_at"
    " from question q join session s on s.n = q.session where q.rowid > ?1 order by q.rowid limit ?3"
)
_ASKED_OF_ONE = _ASKED.replace("order", "and q.session = (select n from session where id = ?2) order")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def moment(milliseconds: int) -> datetime:
    """Return the time that so many milliseconds since 1970 mean."""
    return _EPOCH + milliseconds * _MILLISECOND


def milliseconds(at: datetime) -> int:
    """Return a time as milliseconds since 1970."""
    return (at - _EPOCH) // _MILLISECOND


def head(db: sqlite3.Connection, session_id: str, seal: Seal) -> Head | None:
    """Return a session's row."""
    row = db.execute(
        "select uid, agent, epoch, last_seq, status, owner, lease_until, created_at, tries, trouble, erased_at,"
        " data_key_id"
        " from session where id in (?, ?)",
        (session_id, tombstone(session_id)),
    ).fetchone()
    if row is None:
        return None
    uid, agent, epoch, last_seq, status, owner, until, created_at, tries, trouble, erased_at, key = row
    holder = Owner.parse(owner) if owner else None
    if holder is not None and holder.is_dead():
        holder = until = None
    held_by, lease = None if holder is None else str(holder), _moment_or_none(until)
    words = seal.trouble_of(key, session_id, trouble)
    driven = (held_by, lease, moment(created_at), tries, words)
    return Head(session_id, uid, agent, epoch, last_seq, status, *driven, _moment_or_none(erased_at))


def sessions(db: sqlite3.Connection, status: str | None, before: int) -> list[tuple[int, str]]:
    """Return a page of (row, session id), newest first, of rows before `before`."""
    found = db.execute(
        "select n, id from session where n < ?1 and (?2 is null or status = ?2) order by n desc limit ?3",
        (before, status, PAGE),
    )
    return found.fetchall()


def events(db: sqlite3.Connection, session_id: str, after: int, seal: Seal) -> list[tuple[Any, ...]]:
    """Return a page of a session's rows behind `after`, in order, opened, for `decoded`. Raises: SessionErased."""
    rows: list[tuple[Any, ...]] = []
    for n, upto, key in reversed(line(db, session_id)):
        if after < upto and len(rows) < PAGE:
            found = db.execute(
                "select seq, at, turn, step, epoch, type, body, usage from event"
                " where session = ? and seq > ? and seq <= ? order by seq limit ?",
                (n, after, upto, PAGE - len(rows)),
            ).fetchall()
            rows += found if key is None else _opened(found, seal.of(key, session_id))
    return rows


def _opened(rows: list[tuple[Any, ...]], sealer: Sealer) -> list[tuple[Any, ...]]:
    return [(*row[:5], *sealer.event_of(row[0], Stored(*row[5:]))) for row in rows]


def line(db: sqlite3.Connection, session_id: str) -> list[tuple[int, int, str | None]]:
    """Return the rows of a session and those it comes from: row, the last number that counts here, data key.

    Raises:
        SessionErased: there is nothing left to read.
    """
    found, upto, name = list[tuple[int, int, str | None]](), sys.maxsize, session_id
    what = "select n, parent, fork_seq, data_key_id, erased_at from session where id = ?"
    while row := db.execute(what, (name,)).fetchone():
        n, name, fork_seq, key, erased_at = row
        if erased_at is not None:
            raise SessionErased(session_id, moment(erased_at))
        found.append((n, upto, key))
        if name is None:
            break
        upto = min(upto, fork_seq)
    if not found:
        refuse_erased(db, session_id)
    return found


def refuse_erased(db: sqlite3.Connection, session_id: str) -> None:
    """Ask before a session is made. Raises: SessionErased: there was one of this id."""
    row = db.execute(
        "select erased_at from session where id in (?, ?) and erased_at is not null",
        (session_id, tombstone(session_id)),
    ).fetchone()
    if row is not None:
        raise SessionErased(session_id, moment(row[0]))


def decoded(session_id: str, rows: Sequence[tuple[Any, ...]]) -> list[Row]:
    """Return rows of `events` as the fields of records; an unknown event that may be read past is none.

    Raises:
        JournalError: a row cannot be read; which one is said.
    """
    decode, found, last = codec().decode, list[Row](), (0, _EPOCH)
    for seq, at, turn, step, epoch, name, body, usage in rows:
        try:
            event = decode((name, body, usage))
        except JournalError as error:
            raise type(error)(f"session {session_id!r}, event {seq}: {error}") from error
        if at != last[0]:
            last = at, moment(at)
        if event is not None:
            found.append((seq, last[1], turn, step, event, epoch))
    return found


def blob(db: sqlite3.Connection, session_id: str, name: str, seal: Seal) -> bytes | None:
    """Return contents by name: the session's own, or shared ones."""
    for n, _, key in line(db, session_id):
        sealer = seal.of(key, session_id)
        row = db.execute(
            "select data, session is null from blob"
            " where (hash = ? and ifnull(session, 0) = ?) or (hash = ? and ifnull(session, 0) = 0) limit 1",
            (sealer.name(name), n, name),
        ).fetchone()
        if row:
            data: bytes = row[0] if row[1] else sealer.data_of(name, row[0])
            return data
    return None


def inbox(db: sqlite3.Connection, session_id: str, seal: Seal, *, taken: bool) -> list[InboxRow]:
    """Return a session's rows nobody has taken, or all, oldest first."""
    found = db.execute(_INBOX if taken else _UNTAKEN, (session_id,)).fetchall()
    sealer = seal.of(found[0][-1], session_id) if found else PLAIN
    return [inbox_row(row[:-1], sealer) for row in found]


def inbox_row(row: tuple[Any, ...], sealer: Sealer) -> InboxRow:
    """Return a row of the inbox, its columns in the order of `InboxRow`."""
    n, kind, dedup, body, by, at, taken_seq = row
    mail = sealer.mail_of(kind, Mail(dedup, by, body))
    return InboxRow(n, kind, mail.dedup, mail.body, mail.by, moment(at), taken_seq)


def asked(db: sqlite3.Connection, session_id: str | None, after: int, seal: Seal) -> list[tuple[int, str, Asked]]:
    """Return a page of (row, session id, question) behind row `after`, oldest first."""
    found = db.execute(_ASKED if session_id is None else _ASKED_OF_ONE, (after, session_id, PAGE))
    return [(row[0], row[1], _asked(seal.of(row[2], row[1]), *row[3:])) for row in found.fetchall()]


def has_news(db: sqlite3.Connection, session_id: str, seen: int) -> bool:
    """Tell whether the session has events behind `seen` or an untaken inbox row."""
    row = db.execute(
        "select last_seq > ? or exists (select 1 from inbox where session = s.n and taken_seq is null)"
        " from session s where id = ?",
        (seen, session_id),
    ).fetchone()
    return row is not None and bool(row[0])


def mail(db: sqlite3.Connection, behind: LastMail | None) -> tuple[LastMail | None, list[str]]:
    """Return the last row of the inbox, and the sessions that have untaken ones behind the one that was last before.

    Where that is not known or no longer there, all that have any are returned: a deleted row's number is given again.
    """
    last = db.execute("select n, session, dedup, at from inbox where n = (select max(n) from inbox)").fetchone()
    same = "select n, session, dedup, at from inbox where n = ?"
    of = "select s.id from inbox join session s on s.n = inbox.session where taken_seq is null"
    if behind is not None and db.execute(same, behind[:1]).fetchone() == behind:
        found = db.execute(f"{of} and inbox.n > ?", behind[:1])
    else:
        found = db.execute(of)
    return last, [session_id for (session_id,) in found]


def with_news(db: sqlite3.Connection, waiting: Sequence[tuple[str, int]]) -> list[str]:
    """Return those sessions that `has_news` is true of, in one look. `waiting`: pairs of id and `seen`."""
    if not waiting:
        return []
    found = db.execute(
        "select s.id from json_each(?) each join session s on s.id = json_extract(each.value, '$[0]')"
        " where s.last_seq > json_extract(each.value, '$[1]')"
        " or exists (select 1 from inbox where session = s.n and taken_seq is null)",
        (json.dumps(waiting),),
    )
    return [session_id for (session_id,) in found]


def ready(db: sqlite3.Connection, agents: Sequence[str], limit: int) -> list[Ready]:
    """Return sessions that somebody should drive now: work that was begun first, then what has waited longest."""
    found = db.execute(_READY, (MAX_TRIES, json.dumps(list(agents))))
    sessions: list[Ready] = []
    for session_id, agent, epoch, row, owner, lease_lasts in found:
        if not lease_lasts or (owner is not None and Owner.parse(owner).is_dead()):
            sessions.append(Ready(session_id, agent, f"{epoch}.{row}"))
        if len(sessions) == limit:
            break
    return sessions


def forks(db: sqlite3.Connection, session_id: str) -> list[str]:
    """Return the ids of the sessions that were forked from this one, oldest first."""
    found = db.execute("select id from session where parent = ? order by n", (session_id,))
    return [name for (name,) in found]


def version(db: sqlite3.Connection) -> int:
    """Return a number that changes whenever another connection, of any process, has committed."""
    found: int = db.execute("pragma data_version").fetchone()[0]
    return found


def _moment_or_none(ms: int | None) -> datetime | None:
    return None if ms is None else moment(ms)


def _asked(sealer: Sealer, name: str, number: int, kind: AskedKind, *rest: Any) -> Asked:
    call, body, *times = rest
    asked_at, expires_at, escalates_at = map(_moment_or_none, times)
    opened = sealer.question_of(name, body)
    return Asked(name, number, kind, call, opened, asked_at, expires_at, escalates_at)
