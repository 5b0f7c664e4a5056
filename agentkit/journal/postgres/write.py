"""What is written to the server beside appends (`append`), one function per transaction.

The clock is the database's, read once in each transaction. Every function may be called
again when the connection was lost at its commit, and then finds out whether it got through before.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

from agentkit.core.binding import Blob
from agentkit.errors import JournalError, NoSuchSession, SessionBusy, SessionErased
from agentkit.journal.base import BEGINS, MAX_TRIES, Branch, Imported, InboxKind, InboxRow, Lease, Wakes
from agentkit.journal.codec import codec
from agentkit.journal.keeping import tombstone
from agentkit.journal.owner import Owner
from agentkit.journal.postgres.append import sealed
from agentkit.journal.postgres.link import Attempt, Row, transaction
from agentkit.journal.postgres.read import inbox_row, moment, wake_of
from agentkit.journal.renewal import Held
from agentkit.journal.seal import Mail, Seal, Sealer


class Fact(NamedTuple):
    """A row for the inbox, as it is given."""

    session_id: str
    kind: InboxKind
    dedup: str
    body: bytes
    by: str | None
    agent: str = ""  # of a session that the row creates


class Claim:
    """A claim, however often it is attempted: its mark tells an attempt that got through without our hearing of it.

    `named`: uid and agent of a session that holds no event yet. `ttl`: milliseconds.
    """

    def __init__(self, session_id: str, named: tuple[str, str], owner: Owner, ttl: int, *, seal: Seal) -> None:
        self.session_id, self.ttl = session_id, ttl
        self._named, self._owner = named, owner
        self._mark, self._seal = uuid4(), seal

    def __call__(self, attempt: Attempt) -> Lease:
        """Take the lease. Raises: SessionBusy: its owner's lease has not run out, and it is not proven dead."""
        session_id = self.session_id
        with transaction(attempt):
            found: list[Row] = []
            while not found:  # an erasure between the two looks may leave nothing at all
                _known(attempt, session_id) or _made(attempt, self._seal, id=session_id)
                found = attempt.rows(
                    "select owner, lease_until, agentkit.lasts(lease_until, lease_ms), epoch, last_seq, tries, claim,"
                    " agentkit.now(), data_key_id, uid from agentkit.session where id = %s for update",
                    session_id,
                )
            held_by, until, is_live, epoch, last_seq, tries, mark, now, key, uid = found[0]
            uid = uid if last_seq else self._named[0]
            if mark != self._mark:
                if held_by is not None and is_live:
                    refuse_while_alive(session_id, Owner.parse(held_by), self._owner, until)
                epoch, tries = epoch + 1, tries + 1
                attempt.rows(
                    "update agentkit.session set epoch = %s, tries = %s, owner = %s, claim = %s, lease_ms = %s,"
                    " lease_until = agentkit.now() + %s * interval '1 millisecond',"
                    " uid = case when last_seq = 0 then %s else uid end,"
                    " agent = case when last_seq = 0 then %s else agent end where id = %s",
                    *(epoch, tries, self._owner.text(), self._mark, self.ttl, self.ttl, *self._named, session_id),
                )
        created = last_seq == 0
        return Lease(session_id, epoch, last_seq, created=created, tries=tries, at=now, data_key=key, uid=uid)


def renew(attempt: Attempt, held: Collection[Held]) -> None:
    """Renew leases, each for so many milliseconds; those that are no longer ours are left alone."""
    attempt.rows(  # what a crash of the server undoes of it is renewed the next time: no need to wait for the disk
        # A row that somebody holds (our own append, which renews it; a claimer) is passed over: waiting for it
        # would cost all others their leases.
        "with quick as materialized (select set_config('synchronous_commit', 'off', true) as mode),"
        " ours as materialized (select n, each.ttl from agentkit.session s"
        " join unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[]) as each (id, uid, epoch, ttl)"
        " on s.id = each.id and s.uid = each.uid and s.epoch = each.epoch"
        " where s.owner is not null for no key update of s skip locked)"
        " update agentkit.session s set lease_until = agentkit.now() + ours.ttl * interval '1 millisecond'"
        " from quick, ours where s.n = ours.n and mode is not null",
        *(*_names([lease for lease, _ in held]), [ttl for _, ttl in held]),
    )


def release(attempt: Attempt, held: Collection[Lease], trouble: str | None = None) -> None:
    """Give leases back; those that are no longer ours are left alone.

    Without `trouble` the tries count from zero again. With it the lease lasts a while, nobody's: whoever claims the
    session gets it, but `ready` leaves it out. It is written as it is given.
    """
    attempt.rows(
        "update agentkit.session s set owner = null, claim = null, lease_until ="
        " case when not %s then agentkit.now() + lease_ms * tries / %s * interval '1 millisecond' end,"
        " tries = case when %s then 0 else tries end, trouble = %s"
        " from unnest(%s::text[], %s::text[], %s::bigint[]) as each (id, uid, epoch)"
        " where s.id = each.id and s.uid = each.uid and s.epoch = each.epoch",
        *(trouble is None, MAX_TRIES, trouble is None, trouble, *_names(held)),
    )


def _names(held: Collection[Lease]) -> tuple[list[str], list[str], list[int]]:
    """Return ids, uids and epochs."""
    return [each.session_id for each in held], [each.uid for each in held], [each.epoch for each in held]


def put(attempt: Attempt, fact: Fact, wakes: Wakes | None, *, seal: Seal) -> InboxRow:
    """Insert a row into the inbox, or return the one that has its (kind, dedup).

    Raises:
        NoSuchSession: no session of this id, and the row begins none.
    """
    with transaction(attempt):
        session: list[Row] = []
        while not session:  # as in a claim
            if not _known(attempt, fact.session_id):
                if fact.kind not in BEGINS:
                    raise NoSuchSession(f"the journal holds no session {fact.session_id!r}")
                _made(attempt, seal, id=fact.session_id, agent=fact.agent)
            session = attempt.rows(  # the lock keeps an erasure away, and nobody else
                "select n, epoch, data_key_id from agentkit.session where id = %s for key share", fact.session_id
            )
        ((n, epoch, key),) = session
        sealer = seal.of(key, fact.session_id)
        mail = sealer.mail(fact.kind, Mail(fact.dedup, fact.by, fact.body))
        found = attempt.rows(
            "insert into agentkit.inbox (session, kind, dedup, body, by, at)"
            " values (%s, %s, %s, %s, %s, agentkit.now()) on conflict do nothing"
            " returning n, kind, dedup, body, by, at, taken_seq",
            *(n, fact.kind, mail.dedup, mail.body, mail.by),
        ) or attempt.rows(
            "select n, kind, dedup, body, by, at, taken_seq from agentkit.inbox"
            " where session = %s and kind = %s and dedup = %s",
            *(n, fact.kind, mail.dedup),
        )
        row = inbox_row(found[0], sealer)
        if wakes is not None and row.taken_seq is None:
            ((newest,),) = attempt.rows("select max(n) from agentkit.inbox where session = %s and taken_seq is null", n)
            wakes.wake(attempt.connection, fact.session_id, wake_of(epoch, newest))
    return row


def adopt(attempt: Attempt, session: Imported, *, seal: Seal) -> None:
    """Create a session with everything in it. Raises: JournalError: there is one of this id."""
    stored = [codec().encode(record.event) for record in session.records]
    last_seq = session.records[-1].seq if session.records else 0
    with transaction(attempt):
        about = {"uid": session.uid, "agent": session.agent, "status": session.status, "last_seq": last_seq}
        made = _new(attempt, seal, id=session.session_id, **about)
        if made is None:
            return
        n, sealer = made
        rows = [
            (n, r.seq, r.at, r.epoch, r.turn, r.step, *sealer.event(r.seq, each))
            for r, each in zip(session.records, stored, strict=True)
        ]
        _insert(attempt, rows)
        _store(attempt, n, session.blobs, sealer)


def fork(attempt: Attempt, branch: Branch, *, seal: Seal) -> None:
    """Create a session that shares its parent's events up to number `branch.seq`.

    Raises:
        NoSuchSession: there is no parent.
        JournalError: there is a session of this id, or the parent has no such event. Nothing was written.
    """
    last_seq = branch.seq + len(branch.events)
    with transaction(attempt):
        _known(attempt, branch.parent)
        parent = attempt.rows("select last_seq from agentkit.session where id = %s for key share", branch.parent)
        if not parent:
            _known(attempt, branch.parent)
            raise NoSuchSession(f"the journal holds no session {branch.parent!r}")
        if not 0 < branch.seq <= parent[0][0]:
            raise JournalError(f"session {branch.parent!r} has no event {branch.seq}: nothing was written")
        about = {"uid": branch.uid, "agent": branch.agent, "status": "open", "last_seq": last_seq}
        made = _new(attempt, seal, id=branch.session_id, parent=branch.parent, fork_seq=branch.seq, **about)
        if made is None:
            return
        n, sealer = made
        ((now,),) = attempt.rows("select agentkit.now()")
        stored = sealed(sealer, branch.events, branch.seq)
        _insert(
            attempt,
            [
                (n, seq, now, 0, placed.turn, placed.step, *each)
                for seq, (placed, each) in enumerate(zip(branch.events, stored, strict=True), branch.seq + 1)
            ],
        )


def refuse_while_alive(session_id: str, holder: Owner, claimant: Owner, until: Any) -> None:
    """Ask about a lease that has not run out. Raises: SessionBusy: its holder is not proven dead."""
    if holder.is_same_process(claimant):
        raise SessionBusy(session_id, owner=f"this process ({holder.name})", until=moment(until))
    if not holder.is_dead():
        raise SessionBusy(session_id, owner=str(holder), until=moment(until))


def _known(attempt: Attempt, session_id: str) -> bool:
    """Tell whether there is a session of this id. Raises: SessionErased: there was one."""
    found = attempt.rows(
        "select erased_at from agentkit.session where id in (%s, %s)", session_id, tombstone(session_id)
    )
    if found and found[0][0] is not None:
        raise SessionErased(session_id, moment(found[0][0]))
    return bool(found)


def _made(attempt: Attempt, seal: Seal, **columns: Any) -> tuple[int, Sealer] | None:
    """Make a session's row, with a data key where the journal has any; None where somebody was quicker."""
    newest = attempt.rows("select data_key_id from agentkit.session where erased_at is null order by n desc limit 1")
    key = seal.make(newest[0][0] if newest else None)
    columns["data_key_id"] = key
    marks = ", ".join(["%s"] * len(columns))
    made = attempt.rows(
        f"insert into agentkit.session ({', '.join(columns)}, created_at) values ({marks}, agentkit.now())"  # noqa: S608 - our own names
        " on conflict do nothing returning n",
        *columns.values(),
    )
    if not made:
        if key is not None:
            seal.destroy(key)
        return None
    return made[0][0], seal.of(key, columns["id"])


def _new(attempt: Attempt, seal: Seal, **columns: Any) -> tuple[int, Sealer] | None:
    """Make a session's row; None where an earlier attempt made it. Raises: JournalError: there is one of this id."""
    session_id, uid = columns["id"], columns["uid"]
    if not _known(attempt, session_id) and (made := _made(attempt, seal, **columns)) is not None:
        return made
    if attempt.doubted and attempt.rows("select 1 from agentkit.session where id = %s and uid = %s", session_id, uid):
        return None
    raise JournalError(f"there is a session {session_id!r} already: nothing was written")


def _insert(attempt: Attempt, rows: Sequence[Row]) -> None:
    with attempt.connection.cursor() as cursor:
        cursor.executemany(
            "insert into agentkit.event (session, seq, at, epoch, turn, step, type, body, usage)"
            " values (%s, %s, %s, %s, %s, %s, %s, %b, %b)",
            rows,
        )


def _store(attempt: Attempt, session: int, blobs: Sequence[Blob], sealer: Sealer) -> None:
    with attempt.connection.cursor() as cursor:
        cursor.executemany(
            "insert into agentkit.blob (session, hash, data) values (%s, %s, %b) on conflict do nothing",
            [
                (0, blob.hash, blob.data)
                if blob.shared
                else (session, sealer.name(blob.hash), sealer.data(blob.hash, blob.data))
                for blob in blobs
            ],
        )
