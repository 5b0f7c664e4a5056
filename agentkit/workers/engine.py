"""The face of an engine: what tells a worker which session to drive next, and nothing more.

The whole duty of an engine is to call `drive(session_id)` at least once for each session that has something to do, and
again where the worker that did so died. All else is decided by the journal, and so is the same on every engine.
Source: DURABLE.md, "The engine's face".
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

Rest: TypeAlias = Literal["done", "waiting", "nothing", "busy", "fenced", "faulted", "failed", "dead"]
"""How one drive of a session came to rest. None of them asks the engine to try again at once: what is left to do is
in the journal, and the sweep (`Journal.ready`) finds it.

done     what was owed is performed and recorded: the turn has ended
faulted  the model service failed, which is recorded: nobody asks it again until somebody resumes, cancels or says more
waiting  what was owed is performed, and the turn waits for a person
nothing  there was nothing to do, or no such session: nothing was recorded
busy     another live process drives it
fenced   another process took it over while this one was away: what this one did since then was not recorded
failed   an exception ended the drive; it counts as a try, and the journal keeps its text
dead     a dead letter: `MAX_TRIES` claims in a row recorded nothing. It was not driven
"""

Drive: TypeAlias = Callable[[str], Awaitable[Rest]]
"""Drives one session, named by its id, until it rests. Safe to repeat, and to cancel: the session is handed back.

Raises:
    JournalError: the journal cannot be used now. Whether the session was driven is in the journal: try again later.
"""


class Engine(Protocol):
    """Dispatches sessions to workers."""

    async def enqueue(
        self, session_id: str, wake: str, *, not_before: datetime | None = None, tx: Any | None = None
    ) -> None:
        """See to it that some worker drives the session.

        Promised: after it returns, `drive(session_id)` begins at least once, at or behind `not_before`. The same
        `session_id` and `wake` again is nothing. Not promised: that it is driven only once, or by whom.

        Args:
            session_id: the session.
            wake: what is new there (`Ready.wake`).
            not_before: a moment with a time zone, None: now. A drive before it does no harm, so a sweep may be early.
            tx: a connection of the engine's database in the middle of a transaction: it takes effect with its commit,
                and is undone with it. None: a transaction of its own. An engine without such a thing ignores it.
        """
        ...

    async def serve(self, drive: Drive, concurrency: int) -> None:
        """Drive what is enqueued, at most `concurrency` sessions at once in this process, until `stop`.

        Promised: one session is not driven twice at once by this process; a worker that died is noticed, and what it
        drove is driven by another; an error of the journal or of the engine's own server is waited out, not raised.
        Cancelled, it cancels what it drives, so that each session is handed back, and ends when they are.
        """
        ...

    def stop(self) -> None:
        """Take no new session. `serve` returns when those that are driven rest."""
        ...

    async def cancel(self, session_id: str) -> None:
        """Forget what is enqueued for a session, and hand it back where this process drives it.

        It ends no turn: that is a fact, left in the inbox by `Session.cancel`, and reaches whoever drives.
        """
        ...
