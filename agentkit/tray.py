"""Where what is done is put down, for one who takes it up: a queue of the event loop's own thread.

anyio's memory streams let the event loop go round once at each receive, whether or not there is something to receive;
a driver receives twice in a step, and rarely has to wait.
"""

from collections import deque
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")


class Tray(Generic[T]):
    """A queue without an end. Only one may take from it."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._put = anyio.Event()
        self._event = type(self._put)  # which library runs the event loop is not looked up at each wait

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Put something behind all that lies there."""
        self._items.append(item)
        self._put.set()

    async def take(self) -> T:
        """Take what has lain there longest, waiting until there is something. A cancellation loses nothing."""
        while not self._items:
            self._put = self._event()
            await self._put.wait()
        return self._items.popleft()
