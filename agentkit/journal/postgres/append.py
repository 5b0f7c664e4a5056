"""Appending: fence, events and all that belongs to them in one statement, one journey to the server.

Not every batch waits for the server's disk (DURABLE.md, Durability). One whose loss costs money and nothing else, a
model's answer, is committed with `synchronous_commit = off`: it is visible to all at once, and on disk within a second,
or with the next batch that waits, as the log is written in order. If the server crashes in between, this process still
has it, and writes it again before what comes next. So it is lost only if both die at once.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from agentkit.core.events import ModelRejected, ModelResponded, ModelStarted, ToolStarted
from agentkit.errors import Fenced
from agentkit.journal.base import Appended, Batch, Lease, Placed
from agentkit.journal.codec import Stored, codec
from agentkit.journal.fencing import fenced
from agentkit.journal.postgres.link import Attempt, Row
from agentkit.journal.postgres.read import moment
from agentkit.journal.seal import Seal, Sealer

_MOST = 16  # batches of one lease that are on no disk yet

# The fence comes first; all else hangs on its row, so without it nothing is written. The clock is a table of one row,
# or it would be read anew in each place. `synchronous_commit` is set for this transaction, which is this statement.
_CLOCK = """clock as materialized (
    select coalesce(%(at)s, agentkit.now()) as now,
        case when %(quick)s then set_config('synchronous_commit', 'off', true) end as mode
)"""
_FENCE = """fence as (
    update agentkit.session set last_seq = %(last_seq)s, status = %(status)s,
        lease_until = agentkit.now() + %(ttl)s * interval '1 millisecond',
        tries = case when %(news)s then 0 else tries end
    where id = %(session)s and uid = %(uid)s and epoch = %(epoch)s and last_seq = %(after)s and owner is not null
    returning n
)"""
_PARTS = {  # what a batch may hold: the key of its values, and what is written of it
    "bodies": """events as (
    insert into agentkit.event (session, seq, at, epoch, turn, step, type, body, usage)
    select n, %(after)s + place, now, %(epoch)s, turn, step, type, body, usage
    from fence, clock, unnest(
        %(turns)s::integer[], %(steps)s::integer[], %(types)s::text[], %(bodies)b::bytea[], %(usages)b::bytea[]
    ) with ordinality as each (turn, step, type, body, usage, place)
)""",
    "hashes": """blobs as (
    insert into agentkit.blob (session, hash, data)
    select case when shared then 0 else n end, hash, data
    from fence, unnest(%(hashes)s::text[], %(shared)s::boolean[], %(data)b::bytea[]) as each (hash, shared, data)
    on conflict do nothing
)""",
    "rows": """taken as (
    update agentkit.inbox i set taken_seq = each.seq
    from fence, unnest(%(rows)s::bigint[], %(seqs)s::integer[]) as each (row, seq)
    where i.n = each.row and i.session = fence.n and i.taken_seq is null
    returning 1
)""",
    "closed": """closed as (
    delete from agentkit.question q using fence where q.session = fence.n and q.id = any(%(closed)s::text[])
)""",
    "ids": """opened as (
    insert into agentkit.question (session, id, key, number, kind, body, asked_at, expires_at, escalates_at)
    select fence.n, id, key, number, kind, body, coalesce(asked_at, now),
        coalesce(expires_at, coalesce(asked_at, now) + expires_in * interval '1 second'),
        coalesce(escalates_at, coalesce(asked_at, now) + escalates_in * interval '1 second')
    from fence, clock, unnest(
        %(ids)s::text[], %(keys)s::text[], %(numbers)s::integer[], %(kinds)s::text[], %(asks)b::bytea[],
        %(asked)s::timestamptz[], %(expires)s::timestamptz[], %(escalates)s::timestamptz[],
        %(expires_in)s::float8[], %(escalates_in)s::float8[]
    ) with ordinality as each
        (id, key, number, kind, body, asked_at, expires_at, escalates_at, expires_in, escalates_in, place)
    order by place
    on conflict (session, id) do update set n = default, key = excluded.key, number = excluded.number,
        kind = excluded.kind, body = excluded.body, asked_at = excluded.asked_at,
        expires_at = excluded.expires_at, escalates_at = excluded.escalates_at
)""",
}
_ALL_TAKEN = """, case when (select count(*) from taken) < cardinality(%(rows)s::bigint[])
    then agentkit.refused('a row of the inbox is not there to be taken') end"""


@cache
def _statement(parts: tuple[str, ...]) -> str:
    """Return the statement for batches that hold these parts: what is not there costs nothing."""
    written = ",\n".join((_CLOCK, _FENCE, *(_PARTS[part] for part in parts)))
    return f"with {written}\nselect now, mode{_ALL_TAKEN if 'rows' in parts else ''} from fence, clock"


def costs_money_only(batch: Batch) -> bool:
    """Tell whether the loss of a batch is a model's answer to be paid again, and nothing else.

    An intent decides whether an effect may be repeated: the start of any tool that does more than read waits. So do
    outcomes (an idempotent tool would run again, a `once` call become unknown), what people said or are asked, and the
    end of a turn, as its answer has been shown.
    """
    if batch.durable or batch.taken or batch.opened or batch.closed or not batch.events:
        return False
    return all(
        isinstance(placed.event, ModelStarted | ModelResponded | ModelRejected)
        or (isinstance(placed.event, ToolStarted) and placed.event.effect == "read")
        for placed in batch.events
    )


class Append:
    """A batch to append, however often it is attempted: what an earlier attempt wrote stands where this one would."""

    def __init__(self, lease: Lease, after: int, batch: Batch, ttl: int, *, seal: Seal) -> None:
        sealer = seal.of(lease.data_key, lease.session_id)
        self.lease, self.after = lease, after
        self.is_quick = costs_money_only(batch)
        self._stored = sealed(sealer, batch.events, after)
        self._last_seq = after + len(self._stored)
        values = _batch_values(after, batch, self._stored, sealer)
        self._statement = _statement(tuple(part for part in _PARTS if values[part]))
        self._values = _fence_values(lease, after, self._last_seq, ttl) | values
        self._at: datetime | None = None  # when it was written first

    def __call__(self, attempt: Attempt, *, quick: bool = False) -> Appended:
        """Append it; `quick`: without waiting for the disk. Raises: Fenced: somebody else did. Nothing was written."""
        attempt.committing = True  # one statement: what is sent may be committed
        found = attempt.named(self._statement, self._values | {"at": self._at, "quick": quick})
        if not found and attempt.doubted:
            found = self._written(attempt)
        if not found:
            raise fenced(self.lease, self.after)
        self._at = moment(found[0][0])
        return Appended(self._last_seq, self._at)

    def _written(self, attempt: Attempt) -> list[Row]:
        found = attempt.rows(
            "select at, type, body, usage from agentkit.event"
            " where session = (select n from agentkit.session where id = %s and uid = %s)"
            " and epoch = %s and seq > %s and seq <= %s order by seq",
            *(self.lease.session_id, self.lease.uid, self.lease.epoch, self.after, self._last_seq),
        )
        return found if [row[1:] for row in found] == self._stored else []


def sealed(sealer: Sealer, events: Sequence[Placed], after: int) -> list[Stored]:
    """Return events as their rows hold them, numbered from behind `after`."""
    return [sealer.event(seq, codec().encode(placed.event)) for seq, placed in enumerate(events, after + 1)]


class Appends:
    """All appends of this process: it keeps what a crash of the server may still undo. Each session has one thread."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Append]] = {}

    def __call__(self, attempt: Attempt, append: Append) -> Appended:
        """Append a batch behind all that came before it. Raises: Fenced."""
        kept = self._of(append.lease)
        quick = append.is_quick and len(kept) < _MOST
        try:
            appended = append(attempt, quick=quick)
        except Fenced:
            if not self.restore(attempt, append.lease):
                raise
            appended = append(attempt)
        if quick:
            self._kept[append.lease.session_id] = [*kept, append]
        else:
            self._kept.pop(append.lease.session_id, None)
        return appended

    def restore(self, attempt: Attempt, lease: Lease) -> bool:
        """Write again what a crash of the server has undone; return whether it had. Raises: Fenced."""
        kept = self._of(lease)
        if not kept:
            return False
        last_seqs = attempt.rows(
            "select last_seq from agentkit.session where id = %s and uid = %s and epoch = %s and owner is not null",
            *(lease.session_id, lease.uid, lease.epoch),
        )
        undone = [each for each in kept if (each.after,) >= last_seqs[0]] if last_seqs else []
        if not undone or (undone[0].after,) != last_seqs[0]:
            return False
        for each in undone:
            each(attempt)
        return True

    def forget(self, session_id: str) -> None:
        """Keep nothing of a session any more: the lease has ended, or a new one begun."""
        self._kept.pop(session_id, None)

    def _of(self, lease: Lease) -> list[Append]:
        kept = self._kept.get(lease.session_id, ())
        return [each for each in kept if (each.lease.uid, each.lease.epoch) == (lease.uid, lease.epoch)]


def _fence_values(lease: Lease, after: int, last_seq: int, ttl: int) -> dict[str, Any]:
    held = {"session": lease.session_id, "uid": lease.uid, "epoch": lease.epoch, "after": after}
    return {**held, "last_seq": last_seq, "ttl": ttl}


def _batch_values(after: int, batch: Batch, stored: Sequence[Stored], sealer: Sealer) -> dict[str, Any]:
    blobs = sorted(batch.blobs, key=lambda blob: blob.hash)  # in one order everywhere: no deadlock over shared ones
    opened = {asked.id: asked for asked in batch.opened}
    return {
        "status": batch.status,
        "news": batch.news,
        "turns": [placed.turn for placed in batch.events],
        "steps": [placed.step for placed in batch.events],
        "types": [each.type for each in stored],
        "bodies": [each.body for each in stored],
        "usages": [each.usage for each in stored],
        "hashes": [blob.hash if blob.shared else sealer.name(blob.hash) for blob in blobs],
        "shared": [blob.shared for blob in blobs],
        "data": [blob.data if blob.shared else sealer.data(blob.hash, blob.data) for blob in blobs],
        "rows": [row for row, _ in batch.taken],
        "seqs": [after + 1 + index for _, index in batch.taken],
        "closed": [id_ for id_ in batch.closed if id_ not in opened],
        "ids": [asked.id for asked in opened.values()],
        "keys": [asked.call for asked in opened.values()],
        "numbers": [asked.number for asked in opened.values()],
        "kinds": [asked.kind for asked in opened.values()],
        "asks": [sealer.question(asked.id, asked.body) for asked in opened.values()],
        "asked": [asked.asked_at for asked in opened.values()],
        "expires": [asked.expires_at for asked in opened.values()],
        "escalates": [asked.escalates_at for asked in opened.values()],
        "expires_in": [asked.expires_in for asked in opened.values()],
        "escalates_in": [asked.escalates_in for asked in opened.values()],
    }
