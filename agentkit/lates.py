"""Outcomes of calls that were given up as unknown and ended after all, until somebody records them."""

from threading import Lock
from typing import TypeAlias

from agentkit.core.events import ToolFinished, ToolUnknown

Late: TypeAlias = ToolFinished | ToolUnknown


class Lates:
    """They belong to the process: a thread may outlive the `Session` it ran for, and the next one records its end."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: dict[str, list[Late]] = {}  # by the session's uid

    def put(self, uid: str, event: Late) -> None:
        """Leave an outcome, from any thread."""
        with self._lock:
            self._waiting.setdefault(uid, []).append(event)

    def take(self, uid: str) -> Late | None:
        """Return the oldest outcome, None if there is none."""
        with self._lock:
            waiting = self._waiting.get(uid, [])
            event = waiting.pop(0) if waiting else None
            if not waiting:
                self._waiting.pop(uid, None)
            return event

    def __contains__(self, uid: str) -> bool:
        return uid in self._waiting


lates = Lates()
