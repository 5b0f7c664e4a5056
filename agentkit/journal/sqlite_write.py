"""What is written to a journal file, one function per transaction.

The clock is the database's, which is the machine's, read once in each transaction; the fence is one UPDATE that
matches epoch and last_seq.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from agentkit.core.binding import Blob
from agentkit.errors import JournalError, NoSuchSession, SessionBusy
from agentkit.journal.base import (
    BEGINS,
    MAX_TRIES,
    Appended,
    Asked,
    Batch,
    Branch,
    Imported,
    InboxKind,
    InboxRow,
    Lease,
    Placed,
)
from agentkit.journal.codec import Stored, codec
from agentkit.journal.fencing import fenced
from agentkit.journal.owner import Owner
from agentkit.journal.renewal import Held
from agentkit.journal.seal import Mail, Seal, Sealer
from agentkit.journal.sqlite_read import inbox_row, milliseconds, moment, refuse_erased
from agentkit.journal.sqlite_transaction import transaction

_EVENT = "insert into event (session, seq, type, turn, step, epoch, body, usage, at) values (?,?,?,?,?,?,?,?,?)"
_KNOWN = "select n, data_key_id from session where id = ? and erased_at is null"
_CLAIMED = (
    "select n, data_key_id, owner, lease_until, lease_ms, epoch, last_seq, tries, uid from session"
    " where id = ? and erased_at is null"
)
_FENCE = (
    # An erased session's number may be another's by now, and so may its id: it is asked which one it is.
    "update session set last_seq = ?, status = ?, lease_until = ?, tries = iif(?, 0, tries)"
    " where n = ? and id = ? and uid = ? and epoch = ? and last_seq = ? and owner is not null"
)
_GO_ON = (  # where nothing else changes no index has to; the thread renews the lease, so half of it is always left
    "update session set last_seq = ? where n = ? and id = ? and uid = ? and epoch = ? and last_seq = ?"
    " and owner is not null and status = ? and lease_until between ? and ? and (tries = 0 or not ?)"
)


class Fact(NamedTuple):
    """A row for the inbox, as it is given."""

    session_id: str
    kind: InboxKind
    dedup: str
    body: bytes
    by: str | None
    agent: str = ""  # of a session that the row creates


def claim(
    db: sqlite3.Connection, session_id: str, named: tuple[str, str], owner: Owner, ttl: int, *, seal: Seal
) -> Lease:
    """Take the lease for `ttl` milliseconds. `named`: uid and agent of a session that holds no event yet.

    Raises:
        SessionBusy: its owner's lease has not run out, and it is not proven dead. SessionErased. KeyMissing.
    """
    with transaction(db, f"claim of session {session_id!r}") as now:
        row = db.execute(_CLAIMED, (session_id,)).fetchone()
        if row is None:
            _new(db, seal, id=session_id, created_at=now)
            row = db.execute(_CLAIMED, (session_id,)).fetchone()
        n, key, held_by, until, lease_ms, epoch, last_seq, tries, uid = row
        if held_by is not None and lasts(now, until, lease_ms):
            refuse_while_alive(session_id, Owner.parse(held_by), owner, until)
        db.execute(
            "update session set epoch = ?, owner = ?, lease_until = ?, lease_ms = ?, tries = ? where n = ?",
            (epoch + 1, owner.text(), now + ttl, ttl, tries + 1, n),
        )
        if not last_seq:
            db.execute("update session set uid = ?, agent = ? where n = ?", (*named, n))
    taken: dict[str, Any] = {"at": moment(now), "data_key": key, "uid": uid if last_seq else named[0], "row": n}
    return Lease(session_id, epoch + 1, last_seq, created=last_seq == 0, tries=tries + 1, **taken)


def renew(db: sqlite3.Connection, held: Iterable[Held]) -> None:
    """Renew leases, each for so many milliseconds; those that are no longer ours are left alone."""
    with transaction(db, "renewal of leases") as now:
        db.executemany(
            "update session set lease_until = ? where id = ? and uid = ? and epoch = ? and owner is not null",
            [(now + ttl, lease.session_id, lease.uid, lease.epoch) for lease, ttl in held],
        )


def release(db: sqlite3.Connection, held: Iterable[Lease], trouble: str | None = None) -> None:
    """Give leases back; those that are no longer ours are left alone.

    Without `trouble` the tries count from zero again; it is written as it is given. With it the lease lasts a while,
    nobody's: whoever claims the session gets it, but `ready` leaves it out.
    """
    with transaction(db, "release of leases") as now:
        db.executemany(
            "update session set owner = null, lease_until = iif(?1 is null, null, ?4 + lease_ms * tries / ?5),"
            " tries = iif(?1 is null, 0, tries), trouble = ?1 where id = ?2 and uid = ?6 and epoch = ?3",
            [(trouble, each.session_id, each.epoch, now, MAX_TRIES, each.uid) for each in held],
        )


class Encoded(NamedTuple):
    """A batch with its events as they are stored, and the bytes of what is in it, contents and questions included."""

    batch: Batch
    events: Sequence[Stored]
    size: int


def encoded(batch: Batch) -> Encoded:
    """Encode what is to be appended. Raises: JournalError: a value in it cannot be stored."""
    events = [codec().encode(placed.event) for placed in batch.events]
    size = sum(len(each.body) for each in events) + sum(len(each.body) for each in batch.opened)
    return Encoded(batch, events, size + sum(len(blob.data) for blob in batch.blobs))


def append(db: sqlite3.Connection, lease: Lease, after: int, given: Encoded, ttl: int, *, seal: Seal) -> Appended:
    """Append a batch, all of it or nothing.

    Raises:
        Fenced: somebody else owns the session. Nothing was written.
        JournalError: it failed for certain; also: an inbox row that is not there.
        AppendUncertain: it failed at commit.
    """
    batch, stored, _ = given
    n, session_id = lease.row, lease.session_id
    with transaction(db, f"append to session {session_id!r}", durable=batch.durable) as now:
        _fence(db, lease, after, batch, now, ttl)
        sealer = seal.of(lease.data_key, session_id)  # not before: of an erased session the key is gone
        _insert(db, (n, lease.epoch, now), zip(batch.events, stored, strict=True), sealer, after=after)
        if batch.blobs:
            _store(db, n, batch.blobs, sealer)
        if batch.taken:
            _take(db, [(after + 1 + index, row, n) for row, index in batch.taken])
        if batch.opened or batch.closed:
            _ask(db, n, batch, now, sealer)
    return Appended(after + len(stored), moment(now))


def _fence(db: sqlite3.Connection, lease: Lease, after: int, batch: Batch, now: int, ttl: int) -> None:
    """Take the batch's numbers. Raises: Fenced: they are not ours."""
    last_seq, held = after + len(batch.events), (lease.row, lease.session_id, lease.uid, lease.epoch, after)
    if db.execute(_GO_ON, (last_seq, *held, batch.status, now + ttl // 2, now + 2 * ttl, batch.news)).rowcount:
        return
    if not db.execute(_FENCE, (last_seq, batch.status, now + ttl, batch.news, *held)).rowcount:
        raise fenced(lease, after)


def put(db: sqlite3.Connection, fact: Fact, *, seal: Seal) -> InboxRow:
    """Insert a row into the inbox, or return the one that has its (kind, dedup).

    Raises:
        NoSuchSession: no session of this id, and the row begins none. SessionErased. KeyMissing.
    """
    with transaction(db, f"{fact.kind} for session {fact.session_id!r}") as now:
        known = db.execute(_KNOWN, (fact.session_id,)).fetchone()
        if known is not None:
            n, sealer = known[0], seal.of(known[1], fact.session_id)
        elif fact.kind in BEGINS:
            n, sealer = _new(db, seal, id=fact.session_id, agent=fact.agent, created_at=now)
        else:
            refuse_erased(db, fact.session_id)
            raise NoSuchSession(f"the journal holds no session {fact.session_id!r}")
        mail = sealer.mail(fact.kind, Mail(fact.dedup, fact.by, fact.body))
        row = (n, fact.kind, mail.dedup, mail.body, mail.by, now)
        db.execute("insert or ignore into inbox (session, kind, dedup, body, by, at) values (?,?,?,?,?,?)", row)
        same = "select n, kind, dedup, body, by, at, taken_seq from inbox where session = ? and kind = ? and dedup = ?"
        return inbox_row(db.execute(same, row[:3]).fetchone(), sealer)


def adopt(db: sqlite3.Connection, session: Imported, *, seal: Seal) -> None:
    """Create a session with everything in it. Raises: JournalError: there is one of this id; as `claim`."""
    stored = [codec().encode(record.event) for record in session.records]
    last_seq = session.records[-1].seq if session.records else 0
    with transaction(db, f"import of session {session.session_id!r}", durable=True) as now:
        about = {"uid": session.uid, "agent": session.agent, "status": session.status, "last_seq": last_seq}
        made = _made(db, seal, id=session.session_id, created_at=now, **about)
        if made is None:
            raise JournalError(f"there is a session {session.session_id!r} already: nothing was written")
        n, sealer = made
        db.executemany(
            _EVENT,
            [
                (n, r.seq, kind, r.turn, r.step, r.epoch, body, usage, milliseconds(r.at))
                for r, each in zip(session.records, stored, strict=True)
                for kind, body, usage in (sealer.event(r.seq, each),)
            ],
        )
        _store(db, n, session.blobs, sealer)


def fork(db: sqlite3.Connection, branch: Branch, *, seal: Seal) -> None:
    """Create a session that shares its parent's events up to number `branch.seq`.

    Raises:
        NoSuchSession: there is no parent.
        JournalError: there is a session of this id, or the parent has no such event. Nothing was written.
    """
    stored = [codec().encode(placed.event) for placed in branch.events]
    last_seq = branch.seq + len(stored)
    with transaction(db, f"fork of session {branch.parent!r}", durable=True) as now:
        parent = db.execute("select last_seq from session where id = ?", (branch.parent,)).fetchone()
        refuse_erased(db, branch.parent)
        if parent is None:
            raise NoSuchSession(f"the journal holds no session {branch.parent!r}")
        if not 0 < branch.seq <= parent[0]:
            raise JournalError(f"session {branch.parent!r} has no event {branch.seq}: nothing was written")
        about = {"uid": branch.uid, "agent": branch.agent, "status": "open", "last_seq": last_seq}
        past = {"parent": branch.parent, "fork_seq": branch.seq}
        made = _made(db, seal, id=branch.session_id, created_at=now, **about, **past)
        if made is None:
            raise JournalError(f"there is a session {branch.session_id!r} already: nothing was written")
        n, sealer = made
        _insert(db, (n, 0, now), zip(branch.events, stored, strict=True), sealer, after=branch.seq)


def lasts(now: int, until: int, lease_ms: int | None) -> bool:
    """Tell whether a lease has not run out. All in milliseconds; `lease_ms`: how long it was given for.

    One that ends later than it ever could was given before the clock was set back: nobody waits for such an end.
    """
    return now < until and (lease_ms is None or until <= now + 2 * lease_ms)


def refuse_while_alive(session_id: str, holder: Owner, claimant: Owner, until: int) -> None:
    """Ask about a lease that has not run out. Raises: SessionBusy: its holder is not proven dead."""
    if holder.is_same_process(claimant):
        raise SessionBusy(session_id, owner=f"this process ({holder.name})", until=moment(until))
    if not holder.is_dead():
        raise SessionBusy(session_id, owner=str(holder), until=moment(until))


def _made(db: sqlite3.Connection, seal: Seal, **columns: Any) -> tuple[int, Sealer] | None:
    """As `_new`; None where there is one of this id."""
    return None if db.execute(_KNOWN, (columns["id"],)).fetchone() else _new(db, seal, **columns)


def _new(db: sqlite3.Connection, seal: Seal, **columns: Any) -> tuple[int, Sealer]:
    """Make a session's row, with a data key where the journal has any. Raises: SessionErased. KeyMissing."""
    refuse_erased(db, columns["id"])
    newest = db.execute("select data_key_id from session where erased_at is null order by n desc limit 1").fetchone()
    key = seal.make(newest[0] if newest else None)
    columns["data_key_id"] = key
    marks = ", ".join("?" * len(columns))
    insert = f"insert into session ({', '.join(columns)}) values ({marks}) returning n"  # noqa: S608 - our own names
    ((n,),) = db.execute(insert, tuple(columns.values())).fetchall()
    return n, seal.of(key, columns["id"])


def _insert(
    db: sqlite3.Connection,
    about: tuple[int, int, int],
    events: Iterable[tuple[Placed, Stored]],
    sealer: Sealer,
    *,
    after: int,
) -> None:
    """Write events behind number `after`; `about`: of which session, in which epoch, written when."""
    session, epoch, at = about
    db.executemany(
        _EVENT,
        [
            (session, seq, kind, placed.turn, placed.step, epoch, body, usage, at)
            for seq, (placed, each) in enumerate(events, after + 1)
            for kind, body, usage in (sealer.event(seq, each),)
        ],
    )


def _store(db: sqlite3.Connection, session: int, blobs: Sequence[Blob], sealer: Sealer) -> None:
    db.executemany(
        "insert or ignore into blob (hash, session, data) values (?, ?, ?)",
        [
            (blob.hash, None, blob.data)
            if blob.shared
            else (sealer.name(blob.hash), session, sealer.data(blob.hash, blob.data))
            for blob in blobs
        ],
    )


def _take(db: sqlite3.Connection, taken: list[tuple[int, int, int]]) -> None:
    done = db.executemany("update inbox set taken_seq = ? where n = ? and session = ? and taken_seq is null", taken)
    if done.rowcount != len(taken):
        raise JournalError("a row of the inbox is not there to be taken: nothing was written")


def _ask(db: sqlite3.Connection, session: int, batch: Batch, now: int, sealer: Sealer) -> None:
    db.executemany("delete from question where session = ? and id = ?", [(session, id_) for id_ in batch.closed])
    db.executemany(
        "insert or replace into question"
        " (id, session, key, number, kind, body, asked_at, expires_at, escalates_at) values (?,?,?,?,?,?,?,?,?)",
        [
            (*(asked.id, session, asked.call, asked.number, asked.kind), body, *_times(asked, now))
            for asked in batch.opened
            for body in (sealer.question(asked.id, asked.body),)
        ],
    )


def _times(asked: Asked, now: int) -> tuple[int, int | None, int | None]:
    """Return when it was asked, when it expires and when it escalates."""
    at = now if asked.asked_at is None else milliseconds(asked.asked_at)
    return at, _due(asked.expires_at, asked.expires_in, at), _due(asked.escalates_at, asked.escalates_in, at)


def _due(moment: datetime | None, seconds: float | None, at: int) -> int | None:
    if moment is not None:
        return milliseconds(moment)
    return None if seconds is None else at + round(seconds * 1000)
