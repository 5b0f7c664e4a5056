"""Telling other processes that a session has news, and hearing it from them.

NOTIFY inside an append halves what a server can take (DURABLE.md, Watching live), so it travels apart: what this
process wrote within 50 ms is one statement on a connection of its own. It is a hint; who waits looks each second, too,
and for the many that wait for mail alone one look is made.
"""

import threading
import time
from functools import partial

from agentkit.journal.base import MAIL_ONLY
from agentkit.journal.bells import Bells
from agentkit.journal.postgres.link import Attempt, Link
from agentkit.journal.postgres.read import with_mail

PAUSE_SECONDS = 0.05  # between two tellings
LOOK_SECONDS = 1.0
_LISTEN_SECONDS = 0.2  # so long does closing the journal wait at most for somebody who listens
_EVENTS, _MAIL = "agentkit", "agentkit_mail"  # channels: who drives has made the events, and waits for mail alone
_LONGEST = 7000  # bytes; Postgres takes 8000


class Notifier:
    """The chore of one thread: say which sessions have news."""

    def __init__(self) -> None:
        self._news: dict[str, str] = {}  # session id: channel
        self._lock = threading.Lock()

    def add(self, session_id: str, *, mail: bool) -> bool:
        """Have it said; return whether nothing else was waiting to be."""
        with self._lock:
            is_first = not self._news
            self._news[session_id] = _MAIL if mail else self._news.get(session_id, _EVENTS)
        return is_first

    def pause(self) -> float | None:
        """Return how long what comes next is collected; None where there is nothing to say."""
        return PAUSE_SECONDS if self._news else None

    def __call__(self, link: Link) -> None:
        """Say it. What cannot be said is dropped: it is only a hint."""
        with self._lock:
            news, self._news = self._news, {}
        names = {name: of for name, of in news.items() if len(name.encode(errors="replace")) <= _LONGEST}

        def work(attempt: Attempt) -> None:
            attempt.rows(
                "with quick as materialized (select set_config('synchronous_commit', 'off', true) as mode)"
                " select pg_notify(channel, name), mode"
                " from quick, unnest(%s::text[], %s::text[]) as each (channel, name)",
                *(list(names.values()), list(names)),
            )

        link.run("telling others of news", work, patience=0, reads=True)


class Listener(Bells):
    """The chore of one thread: while somebody in this process waits for news, listen to what others say."""

    def __init__(self) -> None:
        super().__init__()
        self._is_listening = self._has_failed = False
        self._looked = 0.0  # when it was looked for mail last

    def pause(self) -> float | None:
        """Return almost nothing while somebody waits, as the chore itself waits; None while nobody does."""
        if self._has_failed:
            return LOOK_SECONDS
        return 0.001 if self or self._is_listening else None

    def __call__(self, link: Link) -> None:
        """Listen for a moment; or say that we do no longer, or the server would keep for us what nobody reads."""
        self._has_failed = True
        if time.monotonic() - self._looked >= LOOK_SECONDS and (waiting := self.posted()):
            look = partial(with_mail, session_ids=waiting)
            for session_id in link.run("looking for mail", look, patience=0, reads=True):
                self.ring(session_id)
            self._looked = time.monotonic()
        link.run("listening for news", self._listen if self else self._stop, patience=0, reads=True)
        self._has_failed = False

    def _listen(self, attempt: Attempt) -> None:
        attempt.rows(f"listen {_EVENTS}")  # again each time, as the connection may be a new one; it costs nothing
        attempt.rows(f"listen {_MAIL}")
        self._is_listening = True
        for notify in attempt.connection.notifies(timeout=_LISTEN_SECONDS):
            self.ring(notify.payload, None if notify.channel == _MAIL else MAIL_ONLY)

    def _stop(self, attempt: Attempt) -> None:
        self._is_listening = False
        attempt.rows("unlisten *")
