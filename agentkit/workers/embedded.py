"""The engine without a server: the journal is the queue, its leases are the exclusion.

What `Journal.ready` lists is driven, the longest waiting first. A look that finds nothing new to do costs one query;
between two looks lies `poll` seconds, or nothing where this process has just finished something.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import anyio
from anyio.abc import TaskGroup

from agentkit.errors import JournalError
from agentkit.journal.base import Journal, Ready
from agentkit.workers.engine import Drive, Rest
from agentkit.workers.outage import Outage, jittered

_LOG = logging.getLogger("agentkit")
_VAIN: frozenset[Rest] = frozenset({"nothing", "busy", "failed"})
_FIRST, _LONGEST = 0.5, 60.0  # seconds until a session that was driven in vain is tried again


@dataclass(frozen=True, slots=True)
class _Pause:
    times: int
    until: float


@dataclass(slots=True)
class _Now:
    """What one `serve` is about."""

    drive: Drive
    concurrency: int
    tasks: TaskGroup
    driven: dict[str, anyio.CancelScope] = field(default_factory=dict)


class EmbeddedEngine:
    """Drives sessions from the journal itself, SQLite or Postgres. It is an `Engine`.

    Args:
        journal: open, and open until `serve` has ended.
        agents: only sessions of agents with these names, and those that name none; empty: all.
        poll: seconds between two looks at the journal while there is nothing to do; jittered.
        leaves: `serve` ends when nothing is ready and nothing is driven.
    """

    def __init__(
        self, journal: Journal, *, agents: Sequence[str] = (), poll: float = 0.5, leaves: bool = False
    ) -> None:
        self._journal, self._agents, self._poll, self._leaves = journal, tuple(agents), poll, leaves
        self._pauses: dict[str, _Pause] = {}
        self._now: _Now | None = None
        self._stirred = anyio.Event()
        self._stopping = False
        self._held_until = -math.inf
        self._looking, self._driving = Outage("the journal cannot be read"), Outage("the journal failed a session")

    async def enqueue(
        self, session_id: str, wake: str, *, not_before: datetime | None = None, tx: Any | None = None
    ) -> None:
        """Look at the journal at once: what is to be driven, and when, is in it already."""
        del session_id, wake, not_before, tx
        self._stirred.set()

    async def serve(self, drive: Drive, concurrency: int) -> None:
        """Drive what is ready until `stop`: see `Engine.serve`."""
        if concurrency < 1:
            raise ValueError(f"concurrency is a number of sessions above 0, not {concurrency}")
        async with anyio.create_task_group() as tasks:
            self._now = now = _Now(drive, concurrency, tasks)
            while not self._stopping:
                self._stirred = anyio.Event()
                pause = await self._look(now)
                if pause is None:
                    return
                with anyio.move_on_after(pause):
                    await self._stirred.wait()

    def stop(self) -> None:
        """Take no new session."""
        self._stopping = True
        self._stirred.set()

    async def cancel(self, session_id: str) -> None:
        """Hand a session back, where this process drives it."""
        if self._now is not None and session_id in self._now.driven:
            self._now.driven[session_id].cancel()

    # --- looking -----------------------------------------------------------------------------------------------------

    async def _look(self, now: _Now) -> float | None:
        """Start what is ready, as far as there is room; return the seconds until the next look, None for no other."""
        held, room = self._held_until - anyio.current_time(), self._room(now)
        if held > 0 or not room:
            return held if held > 0 else math.inf
        limit = room + len(self._pauses) + len(now.driven)
        try:
            ready = await self._journal.ready(agents=self._agents, limit=limit)
        except JournalError as error:
            return self._looking.again(error)
        self._looking.over()
        if len(ready) < limit:
            self._forget(ready)
        for session_id in self._free(now, ready)[:room]:
            now.driven[session_id] = anyio.CancelScope()
            now.tasks.start_soon(self._drive, now, session_id)
        return None if self._leaves and not now.driven else jittered(self._poll)

    def _room(self, now: _Now) -> int:
        """Return how many sessions may be started; while the journal fails, one at a time, to see how it goes."""
        room = now.concurrency - len(now.driven)
        return min(room, 1) if self._driving.on else room

    def _free(self, now: _Now, ready: Sequence[Ready]) -> list[str]:
        time = anyio.current_time()
        paused = {name for name, pause in self._pauses.items() if pause.until > time}
        return [each.session_id for each in ready if each.session_id not in paused | now.driven.keys()]

    def _forget(self, ready: Sequence[Ready]) -> None:
        """Forget the pauses of sessions that have nothing to do any more."""
        listed = {each.session_id for each in ready}
        time = anyio.current_time()
        for name in [name for name, pause in self._pauses.items() if name not in listed and pause.until <= time]:
            del self._pauses[name]

    # --- driving -----------------------------------------------------------------------------------------------------

    async def _drive(self, now: _Now, session_id: str) -> None:
        try:
            with now.driven[session_id]:
                rest = await now.drive(session_id)
                self._driving.over()
                self._note(session_id, rest)
        except JournalError as error:
            if self._held_until <= anyio.current_time():  # several at once are one time
                self._held_until = anyio.current_time() + self._driving.again(error)
        finally:
            del now.driven[session_id]
            self._stirred.set()

    def _note(self, session_id: str, rest: Rest) -> None:
        """Remember who was driven in vain, so that it is not driven again at once and for ever."""
        before = self._pauses.pop(session_id, None)
        if rest in _VAIN:
            times = before.times if before else 0
            seconds = jittered(min(_LONGEST, _FIRST * 2 ** min(times, 10)))
            self._pauses[session_id] = _Pause(times + 1, anyio.current_time() + seconds)
