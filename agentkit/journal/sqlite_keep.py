"""Keeping and erasing in a journal file: what it holds by size and by age, and how a session leaves it for good."""

import json
import sqlite3
from pathlib import Path
from typing import NamedTuple

from agentkit.errors import NoSuchSession, SessionHasForks
from agentkit.journal.codec import usage_of
from agentkit.journal.keeping import REMOVED, SPOKEN, Old, Size, Sizes, Trace, Wanted, refuse_news, tombstone
from agentkit.journal.owner import Owner
from agentkit.journal.seal import Seal
from agentkit.journal.sqlite_open import code_of, explained, synchronise, waiting
from agentkit.journal.sqlite_read import NOW, PAGE, moment
from agentkit.journal.sqlite_transaction import name_of, transaction
from agentkit.journal.sqlite_write import lasts, refuse_while_alive

_LOOK_SECONDS = 1  # how long one try to empty the log waits for others, so that leases are renewed between two
_SPOKEN = ", ".join(f"'{name}'" for name in SPOKEN)
_FAMILY = """
    with recursive family (n, id, uid) as (
        select n, id, uid from session where id = ?
        union select s.n, s.id, s.uid from session s join family f
            on s.parent = f.id or (f.uid <> '' and s.id > f.uid || '/' and s.id < f.uid || '0'))
    select n, id, data_key_id, owner, lease_until, lease_ms, parent is not null
    from session where n in (select n from family) and erased_at is null order by n"""
# No index begins with the session of a blob: one walk through them is for all sessions.
_SIZES = f"""
    with contents (session, bytes) as materialized (
        select session, sum(length(data)) from blob where session is not null group by session)
    select s.id, s.status,
        (select count(*) from event where session = s.n),
        (select ifnull(sum(length(body) + ifnull(length(usage), 0) + length(type)), 0) from event where session = s.n),
        (select ifnull(sum(length(body)), 0) from event where session = s.n and type in ({_SPOKEN})),
        ifnull(c.bytes, 0),
        (select ifnull(sum(length(body)), 0) from inbox where session = s.n),
        (select ifnull(sum(length(body)), 0) from question where session = s.n)
    from session s left join contents c on c.session = s.n"""  # noqa: S608 - names of types
_OLD = """
    select s.id, s.status, s.owner, s.lease_until, s.lease_ms, s.erased_at is not null, NOW,
        exists (select 1 from inbox where session = s.n and taken_seq is null),
        ifnull((select at from event where session = s.n order by seq desc limit 1), s.created_at) as last
    from session s where last <= NOW - ? order by last""".replace("NOW", NOW)


class _Member(NamedTuple):
    n: int
    id: str
    key: str | None
    owner: str | None
    until: int | None
    lease_ms: int | None
    is_fork: bool


def erase(db: sqlite3.Connection, wanted: Wanted, seal: Seal) -> list[str]:
    """Erase sessions in one transaction. Those that are erased are passed over.

    What is deleted is overwritten with zeros (`secure_delete`); `scrub` sees to what lies in the log and in free pages.
    The names of data keys stay: `destroy_keys` sees to them once it is certain that the sessions are gone.

    Raises:
        NoSuchSession, SessionBusy, SessionHasForks, KeyMissing, JournalError: nothing was erased.
    """
    db.execute("pragma secure_delete = on")
    try:
        with transaction(db, "erasure", durable=True) as now:
            family = _family(db, wanted)
            if wanted.older is not None:
                refuse_news([each.id for each in family], older(db, round(1000 * wanted.older)))
            claimant = Owner.this_process("erasure")
            for each in family:
                seal.may_destroy(each.key)
                if each.owner is not None and each.until is not None and lasts(now, each.until, each.lease_ms):
                    refuse_while_alive(each.id, Owner.parse(each.owner), claimant, each.until)
            going = json.dumps([each.n for each in family])
            db.execute("delete from blob where session in (select value from json_each(?))", (going,))
            for each in family:
                _erase(db, each, now, structure=wanted.structure)
    finally:
        db.execute("pragma secure_delete = off")
    return [each.id for each in family]


def _family(db: sqlite3.Connection, wanted: Wanted) -> list[_Member]:
    found: dict[int, _Member] = {}
    asked = set(wanted.session_ids)
    for session_id in dict.fromkeys((*wanted.session_ids, *wanted.calls)):
        members = [_Member(*row) for row in db.execute(_FAMILY, (session_id,))]
        if not members and not _is_erased(db, session_id):
            raise NoSuchSession(f"the journal holds no session {session_id!r}: nothing was erased")
        others = [each.id for each in members if each.id not in asked and each.is_fork]
        if others and not wanted.forks:
            raise SessionHasForks(session_id, others)
        found |= {each.n: each for each in members}
    return list(found.values())


def _is_erased(db: sqlite3.Connection, session_id: str) -> bool:
    names = (session_id, tombstone(session_id))
    return bool(db.execute("select 1 from session where id in (?, ?) and erased_at is not null", names).fetchone())


def _erase(db: sqlite3.Connection, session: _Member, now: int, *, structure: bool) -> None:
    for table in ("inbox", "question"):
        db.execute(f"delete from {table} where session = ?", (session.n,))  # noqa: S608 - our own tables
    name = tombstone(session.id)
    if structure:
        db.execute("update event set body = x'' where session = ?", (session.n,))
    else:
        db.execute("delete from event where session = ?", (session.n,))
    db.execute("update session set parent = ? where parent = ?", (name if structure else None, session.id))
    if not structure and session.key is None:
        db.execute("delete from session where n = ?", (session.n,))
        return
    db.execute(
        "update session set id = ?, status = ?, epoch = epoch + 1, owner = null, lease_until = null,"
        " trouble = null, expires_at = null, erased_at = ? where n = ?",
        (name, "erased" if structure else REMOVED, now, session.n),
    )


def destroy_keys(db: sqlite3.Connection, seal: Seal) -> None:
    """Destroy the data keys of sessions whose erasure is on the disk; whoever is killed here does it again.

    Raises: as `Seal.destroy`.
    """
    found = db.execute(
        "select n, data_key_id from session where erased_at is not null and data_key_id is not null"
    ).fetchall()
    if not found:
        return
    for _, key in found:
        seal.destroy(key)
    gone = json.dumps([n for n, _ in found])
    with transaction(db, "what is left of data keys", durable=True):
        these = "n in (select value from json_each(?))"
        db.execute(f"delete from session where status = ? and {these}", (REMOVED, gone))  # noqa: S608 - as above
        db.execute(f"update session set data_key_id = null where {these}", (gone,))  # noqa: S608 - as above


def scrub(db: sqlite3.Connection) -> bool:
    """Write the file anew without what is free, and empty the log; False while others hold the file.

    Only then is no byte left of what was deleted. Readers of an old state keep the log, and writers keep the lock.
    """
    try:
        with waiting(db, _LOOK_SECONDS):
            synchronise(db, full=True)
            db.execute("vacuum")
            busy, _, _ = db.execute("pragma wal_checkpoint(truncate)").fetchone()
    except sqlite3.Error as error:
        if code_of(error) not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise explained(error, name_of(db)) from error
        return False
    return not busy


def older(db: sqlite3.Connection, milliseconds: int) -> list[Old]:
    """Return the sessions whose last event is at least so old, oldest first."""
    found: list[Old] = []
    for session_id, status, owner, until, lease_ms, erased, now, mail, last in db.execute(_OLD, (milliseconds,)):
        driven = owner is not None and lasts(now, until, lease_ms) and not Owner.parse(owner).is_dead()
        found.append(Old(session_id, status, moment(last), bool(mail) or driven, bool(erased)))
    return found


def sizes(db: sqlite3.Connection, path: str) -> Sizes:
    """Return what the file holds, largest session first."""
    sessions = sorted((Size(*row) for row in db.execute(_SIZES)), key=lambda size: size.bytes, reverse=True)
    (shared,) = db.execute("select ifnull(sum(length(data)), 0) from blob where session is null").fetchone()
    (page,), (pages,), (free,) = (
        db.execute(f"pragma {name}").fetchone() for name in ("page_size", "page_count", "freelist_count")
    )
    log = Path(f"{path}-wal")
    return Sizes(sessions, shared, page * pages, log.stat().st_size if log.exists() else 0, page * free)


def traces(db: sqlite3.Connection, session_id: str, after: int) -> list[Trace]:
    """Return a page of what is known of a session's own events without their content."""
    found = db.execute(
        "select seq, at, turn, step, epoch, type, usage from event"
        " where session = (select n from session where id in (?, ?)) and seq > ? order by seq limit ?",
        (session_id, tombstone(session_id), after, PAGE),
    )
    return [
        Trace(seq, moment(at), turn, step, epoch, kind, usage_of(usage))
        for seq, at, turn, step, epoch, kind, usage in found.fetchall()
    ]
