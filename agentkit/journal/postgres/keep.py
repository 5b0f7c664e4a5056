"""Keeping and erasing on a server: what it holds by size and by age, and what can be promised of an erased session.

A server's write-ahead log, its backups and the unused space of its tables hold what was deleted, for how long is up to
whoever runs it. So nothing is promised of a session without a data key but that agentkit no longer reads it.
"""

from typing import NamedTuple

from agentkit.errors import NoSuchSession, SessionHasForks
from agentkit.journal.codec import usage_of
from agentkit.journal.keeping import REMOVED, SPOKEN, Erasure, Old, Size, Sizes, Trace, Wanted, refuse_news, tombstone
from agentkit.journal.owner import Owner
from agentkit.journal.postgres.link import Attempt, transaction
from agentkit.journal.postgres.read import PAGE, moment
from agentkit.journal.postgres.write import refuse_while_alive
from agentkit.journal.seal import Seal

REMAINS = (
    "what was said is deleted, but it was not sealed with a data key: it stays readable in the server's write-ahead "
    "log until that is recycled, in the unused space of its tables until that is written over (VACUUM FULL does it at "
    "once), and in every backup and replica slot that is older than this erasure"
)
_TABLES = ("session", "event", "inbox", "blob", "question")
_FAMILY = """
    with recursive family (n, id, uid) as (
        select n, id, uid from agentkit.session where id = %s
        union select s.n, s.id, s.uid from agentkit.session s join family f
            on s.parent = f.id or (f.uid <> '' and starts_with(s.id, f.uid || '/')))
    select n, id, data_key_id, owner, lease_until, agentkit.lasts(lease_until, lease_ms), parent is not null
    from agentkit.session where n in (select n from family) and erased_at is null order by n for update"""
_SIZES = """
    select s.id, s.status, coalesce(e.many, 0), coalesce(e.bytes, 0)::bigint, coalesce(e.spoken, 0)::bigint,
        coalesce(b.bytes, 0)::bigint, coalesce(i.bytes, 0)::bigint, coalesce(q.bytes, 0)::bigint
    from agentkit.session s
    left join (select session, count(*) as many,
            sum(length(body) + coalesce(length(usage), 0) + length(type)) as bytes,
            sum(length(body)) filter (where type = any(%s)) as spoken
        from agentkit.event group by session) e on e.session = s.n
    left join (select session, sum(length(data)) as bytes from agentkit.blob group by session) b on b.session = s.n
    left join (select session, sum(length(body)) as bytes from agentkit.inbox group by session) i on i.session = s.n
    left join (select session, sum(length(body)) as bytes from agentkit.question group by session) q
        on q.session = s.n"""
_OLD = """
    select s.id, s.status, s.owner, coalesce(agentkit.lasts(s.lease_until, s.lease_ms), false), s.erased_at is not null,
        exists (select from agentkit.inbox i where i.session = s.n and i.taken_seq is null), last.at
    from agentkit.session s, lateral (select coalesce(
        (select e.at from agentkit.event e where e.session = s.n order by e.seq desc limit 1), s.created_at) as at) last
    where last.at <= agentkit.now() - %s * interval '1 second' order by last.at"""


class _Member(NamedTuple):
    n: int
    id: str
    key: str | None
    owner: str | None
    until: object
    lasts: bool | None
    is_fork: bool


class Erase:
    """An erasure, however often it is attempted: what an earlier attempt erased without our hearing of it counts."""

    def __init__(self, wanted: Wanted, seal: Seal) -> None:
        self._wanted, self._seal = wanted, seal
        self._before: list[_Member] = []

    def __call__(self, attempt: Attempt) -> Erasure:
        """Erase all or none; data keys are left to `destroy_keys`. Raises: as `Journal.erase`; nothing was erased."""
        with transaction(attempt):
            found = self._family(attempt)
            if self._wanted.older is not None:
                refuse_news([each.id for each in found], older(attempt, self._wanted.older))
            claimant = Owner.this_process("erasure")
            for each in found:
                self._seal.may_destroy(each.key)
                if each.owner is not None and each.lasts:
                    refuse_while_alive(each.id, Owner.parse(each.owner), claimant, each.until)
            for each in found:
                self._erase(attempt, each)
            done = found or (self._before if attempt.doubted else [])
            self._before = done
        sealed = all(each.key is not None for each in done)
        return Erasure(tuple(each.id for each in done), "" if sealed else REMAINS)

    def _family(self, attempt: Attempt) -> list[_Member]:
        """Return all that goes, locked: what was forked meanwhile is seen at the second look."""
        found: dict[int, _Member] = {}
        asked = set(self._wanted.session_ids)
        for session_id in dict.fromkeys((*self._wanted.session_ids, *self._wanted.calls)):
            members: list[_Member] = []
            while len(now := [_Member(*row) for row in attempt.rows(_FAMILY, session_id)]) > len(members):
                members = now
            is_ours = attempt.doubted and session_id in {each.id for each in self._before}
            if not members and not is_ours and not _is_erased(attempt, session_id):
                raise NoSuchSession(f"the journal holds no session {session_id!r}: nothing was erased")
            others = [each.id for each in members if each.id not in asked and each.is_fork]
            if others and not self._wanted.forks:
                raise SessionHasForks(session_id, others)
            found |= {each.n: each for each in members}
        return list(found.values())

    def _erase(self, attempt: Attempt, session: _Member) -> None:
        for table in ("inbox", "question", "blob"):
            attempt.rows(f"delete from agentkit.{table} where session = %s", session.n)  # noqa: S608 - our own tables
        structure, name = self._wanted.structure, tombstone(session.id)
        if structure:
            attempt.rows("update agentkit.event set body = '' where session = %s", session.n)
        else:
            attempt.rows("delete from agentkit.event where session = %s", session.n)
        parent = name if structure else None
        attempt.rows("update agentkit.session set parent = %s where parent = %s", parent, session.id)
        if not structure and session.key is None:
            attempt.rows("delete from agentkit.session where n = %s", session.n)
            return
        attempt.rows(
            "update agentkit.session set id = %s, status = %s, epoch = epoch + 1, owner = null, claim = null,"
            " lease_until = null, trouble = null, expires_at = null, erased_at = agentkit.now() where n = %s",
            *(name, "erased" if structure else REMOVED, session.n),
        )


def destroy_keys(attempt: Attempt, seal: Seal) -> None:
    """Destroy the data keys of sessions whose erasure is certain; whoever is killed here does it again.

    Raises: as `Seal.destroy`.
    """
    found = attempt.rows(
        "select n, data_key_id from agentkit.session where erased_at is not null and data_key_id is not null"
    )
    if not found:
        return
    for _, key in found:
        seal.destroy(key)
    gone = [n for n, _ in found]
    with transaction(attempt):
        attempt.rows("delete from agentkit.session where status = %s and n = any(%s)", REMOVED, gone)
        attempt.rows("update agentkit.session set data_key_id = null where n = any(%s)", gone)


def _is_erased(attempt: Attempt, session_id: str) -> bool:
    return bool(
        attempt.rows(
            "select 1 from agentkit.session where id in (%s, %s) and erased_at is not null",
            *(session_id, tombstone(session_id)),
        )
    )


def vacuum(attempt: Attempt) -> None:
    """Make the space of deleted rows usable again. The server gives it back to the disk by VACUUM FULL only."""
    for table in _TABLES:
        attempt.rows(f"vacuum agentkit.{table}")


def older(attempt: Attempt, seconds: float) -> list[Old]:
    """Return the sessions whose last event is at least so old, oldest first."""
    found: list[Old] = []
    for session_id, status, owner, lasts, erased, mail, last in attempt.rows(_OLD, seconds):
        driven = owner is not None and lasts and not Owner.parse(owner).is_dead()
        found.append(Old(session_id, status, moment(last), mail or driven, erased))
    return found


def sizes(attempt: Attempt) -> Sizes:
    """Return what the database holds, largest session first."""
    found = (Size(*row) for row in attempt.rows(_SIZES, list(SPOKEN)))
    ((shared,),) = attempt.rows("select coalesce(sum(length(data)), 0)::bigint from agentkit.blob where session = 0")
    ((disk,),) = attempt.rows(
        "select sum(pg_total_relation_size(oid))::bigint from pg_class"
        " where relnamespace = 'agentkit'::regnamespace and relkind = 'r'"
    )
    return Sizes(sorted(found, key=lambda size: size.bytes, reverse=True), shared, disk, None, None)


def traces(attempt: Attempt, session_id: str, after: int) -> list[Trace]:
    """Return a page of what is known of a session's own events without their content."""
    found = attempt.rows(
        "select seq, at, turn, step, epoch, type, usage from agentkit.event"
        " where session = (select n from agentkit.session where id in (%s, %s)) and seq > %s order by seq limit %s",
        *(session_id, tombstone(session_id), after, PAGE),
    )
    return [
        Trace(seq, moment(at), turn, step, epoch, kind, usage_of(usage))
        for seq, at, turn, step, epoch, kind, usage in found
    ]
