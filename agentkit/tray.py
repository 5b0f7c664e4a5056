"""Where what is done is put down, for one who takes it up: a queue of the event loop's own thread.

anyio's memory streams let the event loop go round once at each receive, whether or not there is something to receive;
a driver receives twice in a step, and rarely has to wait. Where somebody does wait, four times in a step, it is for a
future of asyncio: twelve calls fewer each time than for an event (benchmarks/growth.py counts). Trio has events alone.
"""

from collections import deque
from typing import Any, Generic, TypeVar

import anyio
from anyio.lowlevel import current_token

T = TypeVar("T")


class Tray(Generic[T]):
    """A queue without an end. Only one may take from it, in the event loop it was made in."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._waits: Any = None  # what whoever takes has waited for last
        self._future = getattr(current_token().native_token, "create_future", None)  # none in Trio's loop

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Put something behind all that lies there."""
        self._items.append(item)
        if self._waits is None:
            return
        if self._future is None:
            self._waits.set()
        elif not self._waits.done():  # it is, where whoever waited was told already, or called off
            self._waits.set_result(None)

    async def take(self) -> T:
        """Take what has lain there longest, waiting until there is something. A cancellation loses nothing."""
        while not self._items:
            if self._future is None:
                self._waits = anyio.Event()
                await self._waits.wait()
            else:
                self._waits = self._future()
                await self._waits
        return self._items.popleft()
