"""Who waits for news in this process: an event of an event loop, for any thread to set."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import anyio
from anyio.lowlevel import current_token

from agentkit.journal.base import MAIL_ONLY


class Bell(NamedTuple):
    """An event of one event loop that any thread can ring."""

    event: anyio.Event
    post: Callable[[Callable[[], Any]], Any]
    seen: int = 0  # events up to this number are no news to whoever waits; MAIL_ONLY: none are

    @classmethod
    def here(cls, seen: int = 0) -> "Bell":
        """Return a bell of the running event loop."""
        loop: Any = current_token().native_token
        # What anyio.from_thread.run_sync waits for we must not: a blocked loop would hold up the thread.
        return cls(anyio.Event(), getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon, seen)

    def ring(self) -> None:
        """Wake whoever waits for the event. Where the loop has ended, nobody does."""
        with suppress(RuntimeError):
            self.post(self.event.set)


class Bells:
    """Who waits for news of which session."""

    def __init__(self) -> None:
        self._for_events: dict[str, set[Bell]] = {}
        self._for_mail: dict[str, set[Bell]] = {}  # apart: whoever drives waits for mail, and of them there are many
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._for_events or self._for_mail)

    @contextmanager
    def waiting(self, session_id: str, seen: int) -> Iterator[Bell]:
        """Yield a bell that the session's news will ring, but for events up to number `seen`."""
        bell, known = Bell.here(seen), self._for_mail if seen >= MAIL_ONLY else self._for_events
        with self._lock:
            known.setdefault(session_id, set()).add(bell)
        try:
            yield bell
        finally:
            with self._lock:
                known[session_id].discard(bell)
                if not known[session_id]:
                    del known[session_id]

    def asked(self) -> list[tuple[str, int]]:
        """Return for which sessions events are waited for, and up to which number all who wait have seen them."""
        with self._lock:
            return [(name, min(bell.seen for bell in bells)) for name, bells in self._for_events.items()]

    def posted(self) -> list[str]:
        """Return for which sessions mail alone is waited for."""
        with self._lock:
            return list(self._for_mail)

    def ring(self, session_id: str, upto: int | None = None) -> None:
        """Wake those who wait for news of a session; where it is events, up to which number is said (or MAIL_ONLY)."""
        if session_id not in self._for_events and (upto is not None or session_id not in self._for_mail):
            return  # who begins to wait just now looks for himself behind that
        with self._lock:
            bells = [bell for bell in self._for_events.get(session_id, ()) if upto is None or bell.seen < upto]
            bells += self._for_mail.get(session_id, ()) if upto is None else ()
        for bell in bells:
            bell.ring()
