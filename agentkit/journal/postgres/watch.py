"""Telling other processes that a session has news, and hearing it from them.

NOTIFY inside an append halves what a server can take (DURABLE.md, Watching live), so it travels apart: what this
process wrote within 50 ms is one statement on a connection of its own. It is a hint; who waits looks each second, too.
"""

import threading

from agentkit.journal.bells import Bells
from agentkit.journal.postgres.link import Attempt, Link

PAUSE_SECONDS = 0.05  # between two tellings
LOOK_SECONDS = 1.0
_LISTEN_SECONDS = 0.2  # so long does closing the journal wait at most for somebody who listens
_CHANNEL = "agentkit"
_LONGEST = 7000  # bytes; Postgres takes 8000


class Notifier:
    """The chore of one thread: say which sessions have news."""

    def __init__(self) -> None:
        self._news: set[str] = set()
        self._lock = threading.Lock()

    def add(self, session_id: str) -> bool:
        """Have it said; return whether nothing else was waiting to be."""
        with self._lock:
            is_first = not self._news
            self._news.add(session_id)
        return is_first

    def pause(self) -> float | None:
        """Return how long what comes next is collected; None where there is nothing to say."""
        return PAUSE_SECONDS if self._news else None

    def __call__(self, link: Link) -> None:
        """Say it. What cannot be said is dropped: it is only a hint."""
        with self._lock:
            news, self._news = self._news, set()
        names = [name for name in news if len(name.encode(errors="replace")) <= _LONGEST]

        def work(attempt: Attempt) -> None:
            attempt.rows(
                "with quick as materialized (select set_config('synchronous_commit', 'off', true) as mode)"
                " select pg_notify(%s, name), mode from quick, unnest(%s::text[]) as each (name)",
                *(_CHANNEL, names),
            )

        link.run("telling others of news", work, patience=0, reads=True)


class Listener(Bells):
    """The chore of one thread: while somebody in this process waits for news, listen to what others say."""

    def __init__(self) -> None:
        super().__init__()
        self._is_listening = self._has_failed = False

    def pause(self) -> float | None:
        """Return almost nothing while somebody waits, as the chore itself waits; None while nobody does."""
        if self._has_failed:
            return LOOK_SECONDS
        return 0.001 if self or self._is_listening else None

    def __call__(self, link: Link) -> None:
        """Listen for a moment; or say that we do no longer, or the server would keep for us what nobody reads."""
        self._has_failed = True
        link.run("listening for news", self._listen if self else self._stop, patience=0, reads=True)
        self._has_failed = False

    def _listen(self, attempt: Attempt) -> None:
        attempt.rows(f"listen {_CHANNEL}")  # again each time, as the connection may be a new one; it costs nothing
        self._is_listening = True
        for notify in attempt.connection.notifies(timeout=_LISTEN_SECONDS):
            self.ring(notify.payload)

    def _stop(self, attempt: Attempt) -> None:
        self._is_listening = False
        attempt.rows(f"unlisten {_CHANNEL}")
