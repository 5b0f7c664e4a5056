"""What the engines with a server have in common: names of queues, the places of one process, and what got lost."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import anyio

from agentkit.journal.base import Journal, Ready
from agentkit.workers.engine import Drive, Rest

Left: TypeAlias = Rest | Literal["handed back", "outage"]
"""How a drive ended for an engine's own record: as `Rest`, or cut off in mid-turn, or the journal did not answer."""

_QUEUE = "agentkit"
_LONGEST = 60.0  # seconds until something that stays undone is enqueued again


@dataclass(frozen=True, slots=True)
class Pace:
    """The times of an engine, in seconds.

    Attributes:
        ttl: without a sign of life for so long a worker counts as dead. The journal's `ttl`: a shorter one only makes
            others try in vain, the lease is the guarantee.
        sweep: between two looks for dead workers and lost sessions; jittered.
        poll: between two looks of DBOS at one queue.
        keep: how long DBOS keeps the row of a drive that has ended.
    """

    ttl: float = 15.0
    sweep: float = 2.0
    poll: float = 0.25
    keep: float = 3600.0


def queue_of(agent: str) -> str:
    """Return the queue of an agent's sessions; of those that name none: a queue that all workers serve."""
    return f"{_QUEUE}.{agent}" if agent else _QUEUE


class Places:
    """The sessions that one process drives: never one twice, and at most so many at once.

    Args:
        drive: see `engine.Drive`. concurrency: how many.
    """

    def __init__(self, drive: Drive, concurrency: int) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency is a number of sessions above 0, not {concurrency}")
        self._drive, self._free = drive, anyio.Semaphore(concurrency)
        self._driven: dict[str, anyio.CancelScope] = {}

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._driven

    async def drive(self, session_id: str) -> Left:
        """Drive a session as soon as there is a place. Raises: JournalError."""
        if session_id in self._driven:
            return "busy"
        self._driven[session_id] = anyio.CancelScope()
        try:
            with self._driven[session_id]:
                async with self._free:
                    return await self._drive(session_id)
        finally:
            del self._driven[session_id]
        return "handed back"

    def hand_back(self, session_id: str | None = None) -> None:
        """Cut off the drive of one session, if there is one here, or of all."""
        for name, scope in self._driven.items():
            if session_id in {None, name}:
                scope.cancel()


class Lost:
    """Finds sessions that should be driven, and lets those alone for a while that stay so.

    Whoever asks must leave out what its engine still has. `ready` is the truth, whatever an engine lost or ended.
    """

    def __init__(self, journal: Journal, agents: Sequence[str], first: float) -> None:
        self._journal, self._agents, self._first = journal, tuple(agents), first
        self._tried: dict[str, _Tried] = {}

    async def found(self) -> Sequence[Ready]:
        """Return what is ready and due. Raises: JournalError."""
        ready = await self._journal.ready(agents=self._agents)
        # Another wake: it was driven meanwhile, or somebody left something. Then it waits for another reason, and anew.
        wakes = {each.session_id: each.wake for each in ready}
        self._tried = {name: known for name, known in self._tried.items() if wakes.get(name) == known.wake}
        now = time.monotonic()
        return [each for each in ready if (known := self._tried.get(each.session_id)) is None or known.until <= now]

    def enqueued(self, each: Ready) -> None:
        """Note that a session was enqueued: not again at once, and each time later, while it stays ready as it is."""
        known = self._tried.get(each.session_id)
        times = known.times if known else 0
        pause = min(_LONGEST, self._first * 2 ** min(times, 10))
        self._tried[each.session_id] = _Tried(each.wake, times + 1, time.monotonic() + pause)


@dataclass(frozen=True, slots=True)
class _Tried:
    wake: str
    times: int
    until: float
