"""One attempt at a call: its own task or thread, its time, and what is known of it when it has to be left alone.

A thread cannot be stopped. One that is given up lives on: `lives` says so to every session of the process, so that
nothing starts the call again meanwhile, and what it does in the end is reported after all.
"""

import inspect
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from math import inf
from threading import Lock
from typing import Any

from anyio import CancelScope, CapacityLimiter, create_task_group, current_time, get_cancelled_exc_class, to_thread

from agentkit.core.events import ToolFinished, ToolUnknown
from agentkit.tools.results import Ended, Fact, Raised, Returned, fact, fleeting, timed_out
from agentkit.tools.tool import Tool
from agentkit.tools.worker import Lost

# Set where a process serves many sessions: a tool that calls `sys.exit` has failed, and the other sessions go on.
# Elsewhere a program's own signal may be behind it, and it passes through.
outlives_exit: ContextVar[bool] = ContextVar("outlives_exit", default=False)

_living: set[str] = set()  # of the process, not of a session: the next one must know of threads this one left behind
_strays: dict[str, str] = {}  # of those, the ones whose thread was given up, each with its session's id


def lives(key: str) -> bool:
    """Tell whether an attempt with this idempotency key is still running in this process."""
    return key in _living


def strays(session_id: str) -> bool:
    """Tell whether a thread that was given up is still running for a session, in this process."""
    return session_id in tuple(_strays.values())


@dataclass
class Body:
    """Code of a user's, run in a task of its own for at most `timeout` seconds (None: no limit)."""

    call: Callable[[], Awaitable[Any]]
    timeout: float | None
    ended: Ended | None = None
    late: bool = False  # its time was over, and it was told to stop

    async def run(self) -> None:
        """Run it. A cancellation raised inside, by nobody outside, ends this task only and shows as `ended` None."""
        async with create_task_group() as group:
            scope = group.cancel_scope
            scope.deadline = inf if self.timeout is None else current_time() + self.timeout
            group.start_soon(self._bare, scope)

    async def _bare(self, scope: CancelScope) -> None:
        try:
            value = await self.call()
        except Exception as error:  # noqa: BLE001 - every end of a tool is a fact
            self.ended = Raised(error)
        except SystemExit as left:
            if not outlives_exit.get():
                raise
            self.ended = Raised(Lost(f"it tried to end the process: SystemExit({left.code!r})"))
        else:
            self.ended = Returned(value)
        finally:  # the group is cancelled from outside too; and one that blocked the event loop was told nothing
            self.late = scope.cancel_called and current_time() >= scope.deadline


class Thread:
    """A synchronous function in a thread. `after` is called in the thread if it ends when nobody waits any more."""

    def __init__(self, call: Callable[[], Any], after: Callable[[Ended | None], None]) -> None:
        self.ended: Ended | None = None
        self._call = call
        self._after = after
        self._lock = Lock()  # the end of the thread and the end of the waiting may meet
        self._begun = self._over = self._left = False

    async def run(self) -> Any:
        """Run it. Waiting for a place happened before, where time does not count: hence a limiter of its own."""
        value = await to_thread.run_sync(self._work, abandon_on_cancel=True, limiter=CapacityLimiter(1))
        return await value if inspect.isawaitable(value) else value

    def leave(self) -> bool:
        """Stop waiting; tell whether the thread goes on without us."""
        with self._lock:
            self._left = True
            return self._begun and not self._over

    def _work(self) -> Any:
        with self._lock:
            if self._left:
                return None
            self._begun = True
        ended: Ended | None = None
        try:
            value = self._call()
            if not inspect.isawaitable(value):  # of an async function that looks like a plain one: not done yet
                ended = Returned(value)
        except Exception as error:
            ended = Raised(error)
            raise
        else:
            return value
        finally:
            self._end(ended)

    def _end(self, ended: Ended | None) -> None:
        with self._lock:
            self.ended, self._over = ended, True
            left = self._left
        if left:
            self._after(ended)


@dataclass
class Attempt:
    """One run of a tool's function.

    Attributes:
        call: its position, "2.1.0". key: its idempotency key.
        values: the converted arguments, the context among them.
        session_id: whose call it is.
        note: what every result begins with.
        late: gets the outcome of a thread that was given up as unknown and ended after all, in that thread.
        elsewhere: runs the function in place of this process.
        begun: from then on it may have done something.
        fleeting: why it failed, where another attempt might not; empty otherwise.
    """

    tool: Tool[Any, ..., Any]
    call: str
    key: str
    values: dict[str, Any]
    note: str
    late: Callable[[ToolFinished | ToolUnknown], None]
    session_id: str
    elsewhere: Callable[[], Awaitable[Any]] | None = None
    begun: bool = False
    fleeting: str = ""
    _news: bool = False  # an outcome after the end of waiting would not contradict what was recorded

    async def run(self) -> Fact:
        """Run to the end, or to the time-out. Where it is cancelled and its outcome is known all the same: that."""
        declared, self.begun = self.tool.declared, True
        self._news = declared.effect == "once"  # another one's time-out is recorded as a failure
        here = partial(self.tool.function, **self.values)
        thread = Thread(here, self._ended_late) if self.tool.threaded and self.elsewhere is None else None
        body = Body(self.elsewhere or (here if thread is None else thread.run), declared.timeout)
        _living.add(self.key)
        try:
            await body.run()
        except BaseException as end:
            self._news = True
            known = self._fact(body, thread)
            if known is None or isinstance(known, ToolUnknown) or not isinstance(end, get_cancelled_exc_class()):
                raise
            return known
        return self._fact(body, thread) or self._cut_off(body)

    def _fact(self, body: Body, thread: Thread | None) -> Fact | None:
        """Stop waiting, and return what is known. A thread that ends in this very moment is known or late, not lost."""
        if thread is not None:
            _strays[self.key] = self.session_id  # before it is left: from then on it may end at any time
        if thread is None or not thread.leave():
            self._ended()
        ended = (thread.ended if thread else None) or body.ended
        self.fleeting = fleeting(self.tool.declared, ended)
        return None if ended is None else fact(self.call, self.tool.declared, ended, self.note, late=body.late)

    def _cut_off(self, body: Body) -> Fact:
        if body.late:
            return timed_out(self.call, self.tool.declared, self.note)
        stray = Lost("the body was cancelled from inside: an awaited task or future of its own was cancelled")
        return fact(self.call, self.tool.declared, Raised(stray), self.note)

    def _ended_late(self, ended: Ended | None) -> None:
        try:
            if self._news:
                name = self.tool.declared.name
                lost = ToolUnknown(self.call, f"{name} ended at last, and not in a way that tells what it did")
                known = lost if ended is None else fact(self.call, self.tool.declared, ended, self.note)
                if isinstance(known, ToolFinished | ToolUnknown):
                    self.late(known)
        finally:
            self._ended()

    def _ended(self) -> None:
        _living.discard(self.key)
        _strays.pop(self.key, None)
