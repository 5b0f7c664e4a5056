"""One database connection on one thread, with a queue before it.

The thread is not the event loop's: a tool that blocks the loop blocks neither the connection nor what the thread does
by itself between jobs (a lease is renewed, other processes' commits are noticed). A short job is waited for on the
spot: to tell the event loop of it costs as much as the job, and while both threads are busy each waits for the other's
turn in Python's interpreter: a crowd's jobs then cost several times as much.
"""

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

import anyio
from anyio.lowlevel import cancel_shielded_checkpoint

from agentkit.errors import JournalError
from agentkit.journal.bells import Bell

IN_A_ROW = 16  # jobs waited for on the spot, then the event loop gets its turn
SHY = 8  # jobs, behind one that took too long, that are not waited for on the spot

T = TypeVar("T")
_LOG = logging.getLogger(__name__)


class Closable(Protocol):
    """What a thread holds: a connection of whatever library."""

    def close(self) -> None:
        """End it."""
        ...


C = TypeVar("C", bound=Closable)
D_contra = TypeVar("D_contra", contravariant=True)


class Chore(Protocol[D_contra]):
    """What a thread does by itself between jobs."""

    def pause(self) -> float | None:
        """Return how many seconds lie between two times; None: nothing to do until the next job."""
        ...

    def __call__(self, db: D_contra, /) -> None:
        """Do it. It is tried again where it raises."""
        ...


class NoChore:
    """Nothing to do between jobs."""

    def pause(self) -> float | None:
        """Return None: nothing to do."""
        return None

    def __call__(self, db: object, /) -> None:
        """Do nothing."""


class _Job(Generic[C]):
    """What one caller wants done. It waits for `done`, a lock held until then, or, where it may last, for a bell."""

    __slots__ = ("bell", "done", "error", "is_last", "result", "work")

    def __init__(self, work: Callable[[C], Any], *, is_last: bool) -> None:
        self.work, self.is_last = work, is_last
        self.result: Any = None
        self.error: BaseException | None = None
        self.bell: Bell | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def run(self, db: C) -> None:
        try:
            self.result = self.work(db)
        except BaseException as error:  # noqa: BLE001 - it is raised where the job was asked for
            self.error = error
        self._end()

    def refuse(self, error: BaseException) -> None:
        self.error = error
        self._end()

    def _end(self) -> None:
        self.done.release()
        if self.bell is not None:  # asked for after `done`: who asks looks at `done` once more, and misses neither
            self.bell.ring()

    async def wait(self) -> None:
        self.bell = Bell.here()
        if not self.done.acquire(blocking=False):
            with anyio.CancelScope(shield=True):
                await self.bell.event.wait()


class _Nudge:
    """Put into the queue so that the thread looks at its chore again."""


class JournalThread(Generic[C]):
    """Runs jobs one after the other on the connection that `connect` opens, on the thread, for the first of them.

    Where `connect` fails, every job fails with its error.

    Args:
        connect: opens it. chore: what the thread does between jobs. name: the thread's.
        patience: seconds that a job is waited for on the spot; 0: never. It is no longer than an event loop may stand
            still. Behind one that took longer it is tried again after `SHY` jobs.
    """

    def __init__(
        self, connect: Callable[[], C], chore: Chore[C] | NoChore, *, name: str, patience: float = 0.0
    ) -> None:
        self._connect = connect
        self._chore = chore
        self._due = 0.0
        self._failing_since: float | None = None  # when the chore began to fail; None: it works
        self._pid = os.getpid()
        self._patience, self._shy, self._in_a_row = patience, 0, 0
        self._jobs: queue.SimpleQueue[_Job[C] | _Nudge | None] = queue.SimpleQueue()
        threading.Thread(target=self._main, name=name, daemon=True).start()

    async def run(self, work: Callable[[C], T]) -> T:
        """Return what `work` returns. Once begun it is waited for, cancelled or not: its fate must be known.

        Raises:
            JournalError: the process has forked since; a connection does not survive that.
        """
        result: T = await self._done(work)
        return result

    def nudge(self) -> None:
        """Let the thread ask its chore again whether there is something to do. Any thread may call it."""
        self._jobs.put(_Nudge())

    async def close(self, last: Callable[[C], None]) -> None:
        """Run `last` behind all jobs, close the connection, end the thread."""

        def work(db: C) -> None:
            try:
                last(db)
            finally:
                db.close()

        await self._done(work, is_last=True)

    def abandon(self) -> None:
        """End a thread whose connection never opened."""
        self._jobs.put(None)

    async def _done(self, work: Callable[[C], Any], *, is_last: bool = False) -> Any:
        if self._pid != os.getpid():
            raise JournalError("the journal was opened before this process was forked: open it here again")
        job = _Job(work, is_last=is_last)
        self._jobs.put(job)
        await self._waited(job)
        if job.error is not None:
            raise job.error
        return job.result

    async def _waited(self, job: _Job[C]) -> None:
        self._shy = max(0, self._shy - 1)
        if self._patience <= 0 or self._shy:
            await job.wait()
        elif not job.done.acquire(timeout=self._patience):
            self._shy = SHY
            await job.wait()
        elif self._in_a_row < IN_A_ROW:
            self._in_a_row += 1
        else:
            self._in_a_row = 0
            await cancel_shielded_checkpoint()

    def _main(self) -> None:
        job = self._jobs.get()
        if job is None:
            return
        try:
            db = self._connect()
        except BaseException as error:  # noqa: BLE001 - it is raised where the jobs were asked for
            while job is not None:
                if isinstance(job, _Job):
                    job.refuse(error)
                job = self._jobs.get()
            return
        while job is not None:
            if isinstance(job, _Job):
                job.run(db)
                if job.is_last:
                    return
            job = self._next(db)

    def _next(self, db: C) -> _Job[C] | _Nudge | None:
        while (pause := self._chore.pause()) is not None:
            left = self._due - time.monotonic()
            if left > 0:
                with suppress(queue.Empty):
                    return self._jobs.get(timeout=left)
            self._tend(db)
            self._due = time.monotonic() + pause
        return self._jobs.get()

    def _tend(self, db: C) -> None:
        """Do the chore. Its failing is told when it begins and when it is over, not at each of many attempts."""
        name = threading.current_thread().name
        try:
            self._chore(db)
        except Exception as error:  # noqa: BLE001 - it is no one's job: a job that meets the same will say so
            if self._failing_since is None:
                self._failing_since = time.monotonic()
                _LOG.warning("%s, trying again: %s", name, error)
            return
        if self._failing_since is not None:
            _LOG.warning("%s: it works again, after %.0f s", name, time.monotonic() - self._failing_since)
            self._failing_since = None
