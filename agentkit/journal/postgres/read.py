"""What is read from the server, a page at a time: one short query each, so no reader ever holds up a writer."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from agentkit.core.record import Record
from agentkit.errors import JournalError, SessionErased
from agentkit.journal.base import MAX_TRIES, Asked, Head, InboxRow, Ready
from agentkit.journal.codec import Stored, codec
from agentkit.journal.keeping import tombstone
from agentkit.journal.owner import Owner
from agentkit.journal.postgres.link import Attempt, Row
from agentkit.journal.seal import PLAIN, Mail, Seal, Sealer

PAGE = 100  # rows
_INBOX = (
    "select s.data_key_id, i.n, kind, dedup, body, by, at, taken_seq"
    " from agentkit.session s join agentkit.inbox i on i.session = s.n"
    " where s.id = %s and (%s or taken_seq is null) order by i.n"
)

# What was begun and lies still goes before what is new: in a long queue, a dead worker's sessions would be the last.
# The last column: whether the lease lasts. Each candidate has an index of its own.
_READY = """
with due (session, row, since) as (
    select session, n, at from agentkit.inbox where taken_seq is null
    union all select n, 0, '-infinity' from agentkit.session where status = 'open' and epoch > 0
    union all select session, 0, expires_at from agentkit.question where expires_at <= now()
    union all select session, 0, escalates_at from agentkit.question where escalates_at <= now()
)
select s.id, s.agent, s.epoch, max(row), s.owner, agentkit.lasts(s.lease_until, s.lease_ms)
from due join agentkit.session s on s.n = due.session
where s.tries < %s and (%s::text[] = '{}' or s.agent = '' or s.agent = any(%s::text[]))
group by s.n order by min(since), s.n
"""


def moment(at: datetime) -> datetime:
    """Return a time of the database as one of ours."""
    return at.astimezone(UTC)


def _moment_or_none(at: datetime | None) -> datetime | None:
    return None if at is None else moment(at)


def head(attempt: Attempt, session_id: str, seal: Seal) -> Head | None:
    """Return a session's row."""
    found = attempt.rows(
        "select uid, agent, epoch, last_seq, status, owner, lease_until, created_at, tries, trouble, erased_at,"
        " data_key_id from agentkit.session where id in (%s, %s)",
        *(session_id, tombstone(session_id)),
    )
    if not found:
        return None
    uid, agent, epoch, last_seq, status, owner, until, created_at, tries, trouble, erased_at, key = found[0]
    holder = Owner.parse(owner) if owner else None
    if holder is not None and holder.is_dead():
        holder = until = None
    held_by = None if holder is None else str(holder)
    lease = _moment_or_none(until)
    words = seal.trouble_of(key, session_id, trouble)
    driven = (held_by, lease, moment(created_at), tries, words)
    return Head(session_id, uid, agent, epoch, last_seq, status, *driven, _moment_or_none(erased_at))


def sessions(attempt: Attempt, status: str | None, before: int) -> list[Row]:
    """Return a page of (row, session id), newest first, of rows before `before`."""
    return attempt.rows(
        "select n, id from agentkit.session where n < %s and (%s::text is null or status = %s)"
        " order by n desc limit %s",
        *(before, status, status, PAGE),
    )


def events(attempt: Attempt, session_id: str, after: int, seal: Seal) -> list[Row]:
    """Return a page of a session's rows behind `after`, in order, opened, for `record`. Raises: SessionErased."""
    rows: list[Row] = []
    for n, upto, key in reversed(line(attempt, session_id)):
        if after < upto and len(rows) < PAGE:
            found = attempt.rows(
                "select seq, at, turn, step, epoch, type, body, usage from agentkit.event"
                " where session = %s and seq > %s and seq <= %s order by seq limit %s",
                *(n, after, upto, PAGE - len(rows)),
            )
            rows += found if key is None else _opened(found, seal.of(key, session_id))
    return rows


def _opened(rows: list[Row], sealer: Sealer) -> list[Row]:
    return [(*row[:5], *sealer.event_of(row[0], Stored(*row[5:]))) for row in rows]


def line(attempt: Attempt, session_id: str) -> list[Row]:
    """Return the rows of a session and those it comes from: number, the last number that counts here, data key.

    Raises:
        SessionErased: there is nothing left to read.
    """
    found = attempt.rows(
        "with recursive line (n, parent, fork_seq, upto, depth, key, erased_at) as ("
        " select n, parent, fork_seq, 2147483647, 0, data_key_id, erased_at"
        " from agentkit.session where id in (%s, %s)"
        " union all"
        " select s.n, s.parent, s.fork_seq, least(line.upto, line.fork_seq), depth + 1, s.data_key_id, s.erased_at"
        " from line join agentkit.session s on s.id = line.parent where line.erased_at is null"
        ") select n, upto, key, erased_at from line order by depth",
        *(session_id, tombstone(session_id)),
    )
    if erased := [at for *_, at in found if at is not None]:
        raise SessionErased(session_id, moment(erased[0]))
    return [row[:3] for row in found]


def record(session_id: str, row: Row) -> Record | None:
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


def blob(attempt: Attempt, session_id: str, name: str, seal: Seal) -> bytes | None:
    """Return contents by name: the session's own, or shared ones."""
    sealers = {n: seal.of(key, session_id) for n, _, key in line(attempt, session_id)}
    if not sealers:
        return None
    places = {0: name} | {n: sealer.name(name) for n, sealer in sealers.items()}
    found = attempt.rows(
        "select session, data from agentkit.blob"
        " where (session, hash) in (select * from unnest(%s::bigint[], %s::text[])) limit 1",
        *(list(places), list(places.values())),
    )
    if not found:
        return None
    n, data = found[0]
    return sealers.get(n, PLAIN).data_of(name, data)


def inbox(attempt: Attempt, session_id: str, seal: Seal, *, taken: bool) -> list[InboxRow]:
    """Return a session's rows nobody has taken, or all, oldest first."""
    found = attempt.rows(_INBOX, session_id, taken)
    return [inbox_row(row, seal.of(key, session_id)) for key, *row in found]


def inbox_row(row: Sequence[Any], sealer: Sealer) -> InboxRow:
    """Return a row of the inbox, its columns in the order of `InboxRow`."""
    n, kind, dedup, body, by, at, taken_seq = row
    mail = sealer.mail_of(kind, Mail(dedup, by, body))
    return InboxRow(n, kind, mail.dedup, mail.body, mail.by, moment(at), taken_seq)


def asked(attempt: Attempt, session_id: str | None, after: int, seal: Seal) -> list[tuple[int, str, Asked]]:
    """Return a page of (row, session id, question) behind row `after`, oldest first."""
    found = attempt.rows(
        "select q.n, s.id, s.data_key_id, q.id, number, kind, key, body, asked_at, q.expires_at, q.escalates_at"
        " from agentkit.question q join agentkit.session s on s.n = q.session"
        " where q.n > %s and (%s::text is null or s.id = %s) order by q.n limit %s",
        *(after, session_id, session_id, PAGE),
    )
    return [(row[0], row[1], _asked(seal.of(row[2], row[1]), *row[3:])) for row in found]


def has_news(attempt: Attempt, session_id: str, seen: int) -> bool:
    """Tell whether the session has events behind `seen` or an untaken inbox row."""
    found = attempt.rows(
        "select last_seq > %s or exists (select from agentkit.inbox where session = s.n and taken_seq is null)"
        " from agentkit.session s where id = %s",
        *(seen, session_id),
    )
    return bool(found and found[0][0])


def with_mail(attempt: Attempt, session_ids: Sequence[str]) -> list[str]:
    """Return those of the sessions that have an untaken inbox row."""
    found = attempt.rows(
        "select id from agentkit.session s where id = any(%s)"
        " and exists (select from agentkit.inbox where session = s.n and taken_seq is null)",
        list(session_ids),
    )
    return [session_id for (session_id,) in found]


def ready(attempt: Attempt, agents: Sequence[str], limit: int) -> list[Ready]:
    """Return sessions that somebody should drive now, those that have waited longest first."""
    is_dead = cache(lambda owner: Owner.parse(owner).is_dead())
    sessions: list[Ready] = []
    for session_id, agent, epoch, row, owner, lease_lasts in attempt.rows(_READY, MAX_TRIES, *[list(agents)] * 2):
        if not lease_lasts or (owner is not None and is_dead(owner)):
            sessions.append(Ready(session_id, agent, wake_of(epoch, row)))
        if len(sessions) == limit:
            break
    return sessions


def wake_of(epoch: int, row: int) -> str:
    """Return the text of a wake: of a session's epoch, and the newest row of its inbox that nobody has taken."""
    return f"{epoch}.{row}"


def forks(attempt: Attempt, session_id: str) -> list[str]:
    """Return the ids of the sessions that were forked from this one, oldest first."""
    return [
        name for (name,) in attempt.rows("select id from agentkit.session where parent = %s order by n", session_id)
    ]


def _asked(sealer: Sealer, *row: Any) -> Asked:
    id_, number, kind, call, body, *times = row
    asked_at, expires_at, escalates_at = (_moment_or_none(time) for time in times)
    return Asked(id_, number, kind, call, sealer.question_of(id_, body), asked_at, expires_at, escalates_at)
