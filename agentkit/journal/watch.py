"""Watching a session live: every record once and in order, from whatever process drives. Rules: DURABLE.md."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import cast

import anyio

from agentkit.core.record import Record
from agentkit.errors import JournalError, NoSuchSession
from agentkit.journal.base import Head, Journal

LOOK_SECONDS = 1.0  # DURABLE.md, Watching live: a hint may get lost, a look each second does not
PAUSE_SECONDS = 0.05  # between two looks at least, however fast events come


async def watched(
    journal: Journal, session_id: str, *, after: int = 0, until: Callable[[Head], bool] | None = None
) -> AsyncIterator[Record]:
    """Yield the records behind number `after`: those that are there, then those that come.

    No lease is claimed and nothing is written. What a model streams is in no journal and is not among them.

    Args:
        journal: where the session is kept, open.
        session_id: its name there.
        after: the number of the last record seen; a reader that comes back with it misses none and gets none twice.
        until: asked with the session's head whenever everything it counts was yielded; True ends the watching.
            Without it only the caller ends it.

    Raises:
        NoSuchSession: the journal holds no session of this id.
        JournalError: the session has no event of number `after` yet: the number is another session's.
    """
    head = await _head(journal, session_id)
    if after > head.last_seq:
        raise JournalError(f"session {session_id!r} ends at event {head.last_seq}: there is nothing behind {after} yet")
    pause = PAUSE_SECONDS
    while True:
        # The head is read first: whatever it counts is there to be read, though perhaps as an event to be read past.
        if fresh := head.last_seq > after:
            # One look is bounded by its head. Else a fast writer would keep it going, a query for each event.
            async with aclosing(cast("AsyncGenerator[Record, None]", journal.read(session_id, after=after))) as records:
                async for record in records:
                    if record.seq > head.last_seq:
                        break
                    yield record
            after = head.last_seq
        if until is not None and until(head):
            return
        waited = await _news(journal, session_id, after, pause)
        # A row that nobody takes from the inbox is news at each look, and here it is none: look less and less often.
        pause = PAUSE_SECONDS if fresh or waited else min(2 * pause, LOOK_SECONDS)
        head = await _head(journal, session_id)


async def _head(journal: Journal, session_id: str) -> Head:
    head = await journal.head(session_id)
    if head is None:
        raise NoSuchSession(f"the journal holds no session {session_id!r}")
    return head


async def _news(journal: Journal, session_id: str, seen: int, pause: float) -> bool:
    """Wait for news; tell whether it had to be waited for."""
    await anyio.sleep(pause)
    began = anyio.current_time()
    await journal.changed(session_id, seen, LOOK_SECONDS)
    return anyio.current_time() - began >= LOOK_SECONDS / 2
