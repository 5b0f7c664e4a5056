"""One database connection, and one thread that works on it, with a queue before it.

The thread is not the event loop's: a tool that blocks the loop blocks neither the connection nor what the thread does
by itself between jobs (a lease is renewed, other processes' commits are noticed). A job known to be short is done
`at_once` instead, by whoever asks, while the thread has nothing to do: to go there and back costs more than the job
itself, and in a crowd many times as much, as both threads wait for each other's turn in Python's interpreter.
"""

import logging
import math
import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import anyio
from anyio.lowlevel import cancel_shielded_checkpoint

from agentkit.errors import AppendUncertain, JournalError
from agentkit.journal.bells import Bell

IN_A_ROW = 512  # jobs done at once; the next goes to the thread, which may fold the log into the file meanwhile
JOB_BYTES = 4096  # of what a job writes: a larger one counts as so many as it holds of these
TURN = 64  # jobs done at once; then the event loop has its turn
SHY = 8  # jobs that go to the thread behind one that was slow
PATIENCE_SECONDS = 0.002  # for the thread to finish what it does
SLOW_SECONDS = 0.05  # an append takes 0.1 ms; a process that others crowd out of the CPU may lose some 10 ms in it

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
    """What one caller wants the thread to do. It waits for a bell."""

    __slots__ = ("bell", "error", "is_last", "result", "work")

    def __init__(self, work: Callable[[C], Any], *, is_last: bool) -> None:
        self.work, self.is_last = work, is_last
        self.result: Any = None
        self.error: BaseException | None = None
        self.bell = Bell.here()

    def run(self, db: C) -> None:
        try:
            self.result = self.work(db)
        except BaseException as error:  # noqa: BLE001 - it is raised where the job was asked for
            self.error = error
        self.bell.ring()

    def refuse(self, error: BaseException) -> None:
        self.error = error
        self.bell.ring()

    async def outcome(self) -> Any:
        with anyio.CancelScope(shield=True):
            await self.bell.event.wait()
        if self.error is not None:
            raise self.error
        return self.result


class _Nudge:
    """Put into the queue so that the thread looks at its chore again."""


class JournalThread(Generic[C]):
    """Runs jobs one after the other on the connection that `connect` opens, on the thread, for the first of them.

    Where `connect` fails, every job fails with its error.

    Args:
        connect: opens it; a connection that any thread may use, where jobs are done at once.
        chore: what the thread does between jobs. name: the thread's.
        patient: told before a job whether it may wait for others' locks: on the thread it may, at once it may not.
    """

    def __init__(
        self,
        connect: Callable[[], C],
        chore: Chore[C] | NoChore,
        *,
        name: str,
        patient: Callable[[C, bool], None] = lambda _, __: None,
    ) -> None:
        self._connect, self._chore, self._patient = connect, chore, patient
        self._tended = -math.inf  # when the chore was done last
        self._failing_since: float | None = None  # when the chore began to fail; None: it works
        self._pid = os.getpid()
        self._jobs: queue.SimpleQueue[_Job[C] | _Nudge | None] = queue.SimpleQueue()
        self._turn = threading.Lock()  # whoever uses the connection holds it
        self._db: C | None = None  # while it is open
        self._in_a_row = self._shy = 0
        self._has_ended = False
        threading.Thread(target=self._live, name=name, daemon=True).start()

    async def run(self, work: Callable[[C], T]) -> T:
        """Return what `work` returns. Once begun it is waited for, cancelled or not: its fate must be known.

        Raises:
            JournalError: the process has forked since; a connection does not survive that.
        """
        result: T = await self._queued(work)
        return result

    async def at_once(self, work: Callable[[C], T], size: int = 0) -> T:
        """As `run`, for short work, which is done here and now unless the thread has longer to do.

        To go to the thread is dear, 0.5 ms and more where a core has to wake for it, and is done now and then only:
        behind so many jobs, or bytes (`size`: what this one writes), that the log is due to be folded.

        Work that fails for a reason that passes (others hold a lock), for certain without an effect, is done again on
        the thread, which waits for the reason to pass.
        """
        before = self._in_a_row
        self._in_a_row += 1 + size // JOB_BYTES
        if self._in_a_row // TURN > before // TURN:
            await cancel_shielded_checkpoint()
        if self._pid == os.getpid() and (db := self._free()) is not None:
            start = time.perf_counter()
            try:
                self._patient(db, False)  # noqa: FBT003 - a callback's only word
                return work(db)
            except JournalError as error:
                if isinstance(error, AppendUncertain) or not error.passing:
                    raise
            finally:
                self._turn.release()
                if time.perf_counter() - start > SLOW_SECONDS:
                    self._shy = SHY
        return await self.run(work)

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

        await self._queued(work, is_last=True)

    def abandon(self) -> None:
        """End a thread whose connection never opened."""
        self._jobs.put(None)

    async def _queued(self, work: Callable[[C], Any], *, is_last: bool = False) -> Any:
        if self._pid != os.getpid():
            raise JournalError("the journal was opened before this process was forked: open it here again")
        self._in_a_row, self._shy = 0, max(0, self._shy - 1)
        job = _Job(partial(self._patiently, work), is_last=is_last)
        self._jobs.put(job)
        if self._has_ended:  # put behind the thread's own look at what is left, or before it
            self._refuse_all()
        return await job.outcome()

    def _patiently(self, work: Callable[[C], T], db: C) -> T:
        self._patient(db, True)  # noqa: FBT003 - a callback's only word
        return work(db)

    def _refuse_all(self) -> None:
        """Refuse what lies in the queue of a thread that has ended: nobody would ever do it."""
        with suppress(queue.Empty):
            while True:
                if isinstance(job := self._jobs.get_nowait(), _Job):
                    job.refuse(JournalError("the journal was closed before this was begun: open it again"))

    def _free(self) -> C | None:
        """Take the connection's turn and return it, where it is open and free before long.

        The event loop stands still meanwhile, so that the thread has Python's interpreter for itself: going on beside
        it, each of the thread's statements would wait for the interpreter longer than it takes.
        """
        if self._shy or self._in_a_row > IN_A_ROW:
            return None
        if not self._turn.acquire(timeout=PATIENCE_SECONDS):
            self._shy = SHY
            return None
        if self._db is None:
            self._turn.release()
            return None
        return self._db

    def _live(self) -> None:
        try:
            self._main()
        finally:
            self._has_ended = True
            self._refuse_all()

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
        self._db = db
        while job is not None:
            if isinstance(job, _Job):
                with self._turn:
                    self._db = None if job.is_last else db
                    job.run(db)
                if job.is_last:
                    return
            job = self._next(db)

    def _next(self, db: C) -> _Job[C] | _Nudge | None:
        while (pause := self._chore.pause()) is not None:
            left = self._tended + pause - time.monotonic()  # a nudge may tell of a shorter pause
            if left > 0:
                with suppress(queue.Empty):
                    return self._jobs.get(timeout=left)
                continue
            self._tend(db)
            self._tended = time.monotonic()
        return self._jobs.get()

    def _tend(self, db: C) -> None:
        """Do the chore. Its failing is told when it begins and when it is over, not at each of many attempts."""
        name = threading.current_thread().name
        try:
            with self._turn:
                self._patiently(self._chore, db)
        except Exception as error:  # noqa: BLE001 - it is no one's job: a job that meets the same will say so
            if self._failing_since is None:
                self._failing_since = time.monotonic()
                _LOG.warning("%s, trying again: %s", name, error)
            return
        if self._failing_since is not None:
            _LOG.warning("%s: it works again, after %.0f s", name, time.monotonic() - self._failing_since)
            self._failing_since = None
