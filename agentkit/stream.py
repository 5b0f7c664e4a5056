"""Watching a run: the same run, with its records and deltas passed on. It lives in a task of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Generic, Self, TypeVar

import anyio
from anyio.abc import TaskGroup

from agentkit.core.deltas import Delta
from agentkit.core.record import Record
from agentkit.recorder import Subscriber
from agentkit.result import Result

OutT = TypeVar("OutT", covariant=True)
News = Record | Delta


class Feed:
    """What a slow reader has still to read. Deltas of one kind, step and attempt that wait are merged (law 9)."""

    def __init__(self) -> None:
        self._waiting: list[Record | tuple[Delta, list[str]]] = []
        self._news, self._closed = anyio.Event(), False

    def put(self, news: Record | Sequence[Delta]) -> None:
        """Take a record, or the deltas of one network read."""
        if isinstance(news, Record):
            self._waiting.append(news)
        else:
            for delta in news:
                self._merge(delta)
        self._news.set()

    def _merge(self, delta: Delta) -> None:
        last = self._waiting[-1] if self._waiting else None
        same = (delta.kind, delta.step, delta.attempt)
        if isinstance(last, tuple) and (last[0].kind, last[0].step, last[0].attempt) == same:
            last[1].append(delta.text)
        else:
            self._waiting.append((delta, [delta.text]))

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True
        self._news.set()

    async def read(self) -> AsyncIterator[News]:
        """Yield what comes, until the feed is closed and empty."""
        while True:
            batch, self._waiting = self._waiting, []
            for item in batch:
                yield item if isinstance(item, Record) else _merged(*item)
            if not self._waiting and self._closed:
                return
            if not self._waiting:
                self._news = anyio.Event()
                await self._news.wait()


def _merged(delta: Delta, texts: list[str]) -> Delta:
    return Delta(delta.kind, "".join(texts), delta.step, delta.attempt)


class Stream(Generic[OutT]):
    """A run to watch: iterate it for records and deltas, then ask for the `result`.

    Leaving its `async with` waits until the session rests, and raises a fault nobody has asked for yet; leaving it by
    an exception stops the run (calls of `once` tools that have started get a moment to end).
    """

    def __init__(
        self,
        run: Callable[[], Awaitable[Result[OutT]]],
        subscribe: Callable[[Subscriber], AbstractContextManager[None]],
    ) -> None:
        self._run, self._subscribe = run, subscribe
        self._feed = Feed()
        self._done = anyio.Event()
        self._result: Result[OutT] | None = None
        self._error: Exception | None = None
        self._asked = False  # whether somebody was told of the error
        self._tasks: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._drive)
        return self

    async def __aexit__(self, t: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        if self._tasks is None:
            return
        if e is not None:
            self._tasks.cancel_scope.cancel()
        try:
            await self._tasks.__aexit__(t, e, tb)
        except BaseExceptionGroup as group:
            if e is not None and group.exceptions == (e,):
                return  # it goes on its way by itself
            raise
        if e is None and self._error is not None and not self._asked:
            raise self._error

    async def _drive(self) -> None:
        try:
            with self._subscribe(self._feed.put):
                self._result = await self._run()
        except Exception as error:  # noqa: BLE001 - it is raised where the result is asked for
            self._error = error
        finally:
            self._feed.close()
            self._done.set()

    async def __aiter__(self) -> AsyncIterator[News]:
        """Yield records and deltas as they come, until the session rests. A fault of the run is raised at the end."""
        async for news in self._feed.read():
            yield news
        await self.result()

    async def result(self) -> Result[OutT]:
        """Wait until the session rests, and return how. Raises: the fault of the run."""
        await self._done.wait()
        self._asked = True
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise anyio.ClosedResourceError
        return self._result
