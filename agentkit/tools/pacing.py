"""How many calls of one tool run at once, and how fast they start, over all sessions of this process.

`concurrency` counts calls in one event loop, which a process has one of as a rule. `rate` holds for the whole process:
two starts lie at least 1/rate seconds apart, so that no second ever sees more, and a burst is spread out instead of
refused. (`aiolimiter` counts on asyncio alone; agentkit runs on anyio, and this much of it is a clock and a lock.)
"""

import os
from threading import Lock
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

import anyio
from anyio.lowlevel import RunVar

from agentkit.tools.tool import Tool

_Any = Tool[Any, ..., Any]


class _Beat:
    """When a tool may start next, on the process's clock. Loops in several threads may ask."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._next = 0.0

    def take(self, gap: float) -> float:
        """Take the moment if it has come; else return the seconds until it comes, and nothing is taken."""
        with self._lock:
            now = monotonic()
            if now < self._next:
                return self._next - now
            self._next = now + gap
            return 0.0


class _Door:
    """Where the calls of a tool wait in this event loop, in the order they came."""

    def __init__(self, most: float) -> None:
        self.places = anyio.CapacityLimiter(most)
        self.queue = anyio.Lock()


_beats: WeakKeyDictionary[_Any, _Beat] = WeakKeyDictionary()
_beats_lock = Lock()
_doors: RunVar[WeakKeyDictionary[_Any, _Door]] = RunVar("agentkit_doors")


def places(tool: _Any) -> tuple[anyio.CapacityLimiter, ...]:
    """Return what hands out a tool's places. Without `concurrency` nothing does; processes are as many as CPUs."""
    declared = tool.declared
    most = declared.concurrency or ((os.cpu_count() or 1) if declared.process else None)
    return () if most is None else (_door(tool, most).places,)


async def moment(tool: _Any) -> None:
    """Wait until a tool may start once more. Who is cancelled meanwhile takes no turn."""
    rate = tool.declared.rate
    if rate is None:
        return
    with _beats_lock:
        beat = _beats.setdefault(tool, _Beat())
    async with _door(tool, 1).queue:
        wait = beat.take(1 / rate)
        while wait > 0:
            await anyio.sleep(wait)
            wait = beat.take(1 / rate)


def _door(tool: _Any, most: float) -> _Door:
    doors = _doors.get(None)
    if doors is None:
        doors = WeakKeyDictionary()
        _doors.set(doors)
    return doors.setdefault(tool, _Door(most))
