"""One SQLite connection on one thread, with a queue before it.

The thread is not the event loop's: a tool that blocks the loop blocks neither the connection nor what the thread does
by itself between jobs (a lease is renewed, other processes' commits are noticed).
"""

import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

import anyio
from anyio.lowlevel import current_token

from agentkit.errors import JournalError

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
Connect = Callable[[], sqlite3.Connection]


class Chore(Protocol):
    """What a thread does by itself between jobs."""

    def pause(self) -> float | None:
        """Return how many seconds lie between two times; None: nothing to do until the next job."""
        ...

    def __call__(self, db: sqlite3.Connection) -> None:
        """Do it. It is tried again where it raises."""
        ...


class Bell(NamedTuple):
    """An event of one event loop that any thread can ring."""

    event: anyio.Event
    post: Callable[[Callable[[], Any]], Any]

    @classmethod
    def here(cls) -> "Bell":
        """Return a bell of the running event loop."""
        loop: Any = current_token().native_token
        # What anyio.from_thread.run_sync waits for we must not: a blocked loop would hold up the thread.
        return cls(anyio.Event(), getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon)

    def ring(self) -> None:
        """Wake whoever waits for the event. Where the loop has ended, nobody does."""
        with suppress(RuntimeError):
            self.post(self.event.set)


@dataclass(slots=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    is_last: bool = False
    bell: Bell = field(default_factory=Bell.here)
    result: Any = None
    error: BaseException | None = None

    def run(self, db: sqlite3.Connection) -> None:
        try:
            self.result = self.work(db)
        except BaseException as error:  # noqa: BLE001 - it is raised where the job was asked for
            self.error = error
        self.bell.ring()

    def refuse(self, error: BaseException) -> None:
        self.error = error
        self.bell.ring()


class SQLiteThread:
    """Runs jobs one after the other on the connection that `connect` opens, on the thread, for the first of them.

    Where `connect` fails, every job fails with its error.
    """

    def __init__(self, connect: Connect, chore: Chore, *, name: str) -> None:
        self._connect = connect
        self._chore = chore
        self._due = 0.0
        self._pid = os.getpid()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        threading.Thread(target=self._main, name=name, daemon=True).start()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returns. Once begun it is waited for, cancelled or not: its fate must be known.

        Raises:
            JournalError: the process has forked since; a connection does not survive that.
        """
        result: T = await self._done(work)
        return result

    async def close(self, last: Callable[[sqlite3.Connection], None]) -> None:
        """Run `last` behind all jobs, close the connection, end the thread."""

        def work(db: sqlite3.Connection) -> None:
            try:
                last(db)
            finally:
                db.close()

        await self._done(work, is_last=True)

    def abandon(self) -> None:
        """End a thread whose connection never opened."""
        self._jobs.put(None)

    async def _done(self, work: Callable[[sqlite3.Connection], Any], *, is_last: bool = False) -> Any:
        if self._pid != os.getpid():
            raise JournalError("the journal was opened before this process was forked: open it here again")
        job = _Job(work, is_last)
        self._jobs.put(job)
        with anyio.CancelScope(shield=True):
            await job.bell.event.wait()
        if job.error is not None:
            raise job.error
        return job.result

    def _main(self) -> None:
        job = self._jobs.get()
        if job is None:
            return
        try:
            db = self._connect()
        except BaseException as error:  # noqa: BLE001 - it is raised where the jobs were asked for
            while job is not None:
                job.refuse(error)
                job = self._jobs.get()
            return
        while job is not None:
            job.run(db)
            job = None if job.is_last else self._next(db)

    def _next(self, db: sqlite3.Connection) -> _Job | None:
        while (pause := self._chore.pause()) is not None:
            left = self._due - time.monotonic()
            if left > 0:
                with suppress(queue.Empty):
                    return self._jobs.get(timeout=left)
            try:
                self._chore(db)
            except (sqlite3.Error, JournalError) as error:  # it is no one's job: a job that meets the same will say so
                _LOG.warning("%s, trying again: %s", threading.current_thread().name, error)
            self._due = time.monotonic() + pause
        return self._jobs.get()
