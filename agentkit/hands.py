"""Tasks that do one piece of work after another: to enter a new one for each command is a tenth of a step.

Work is started in a task that has nothing to do, or in a new one, so it never waits for other work. It has its context
variables for itself, as in a task of its own: a copy of what they are where it is started.
"""

from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, TypeAlias

from anyio.abc import TaskGroup

from agentkit.tray import Tray

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


class Hands:
    """The tasks of one task group that work. Whoever leaves the group ends them first, or cancels it."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self.scope = type(tasks.cancel_scope)  # which library runs the event loop is not looked up at each command
        self._idle: list[Tray[Apart | None]] = []

    def start(self, work: Work) -> None:
        """Do a piece of work, beside all that was started before. What it raises ends the task group."""
        if self._idle:
            tray = self._idle.pop()
        else:
            tray = Tray()
            self._tasks.start_soon(self._go_on, tray)
        tray.put(Apart(work, copy_context()))

    def end(self) -> None:
        """Let the tasks go that have nothing to do; one that still works would wait for more, and the group for it.

        A task of a group that is cancelled keeps its frames, and all they know, until Python's garbage collector comes
        by (anyio's callback holds the error, whose traceback holds the callback): of a session, the conversation.
        """
        while self._idle:
            self._idle.pop().put(None)

    async def _go_on(self, tray: "Tray[Apart | None]") -> None:
        try:
            while (work := await tray.take()) is not None:
                await work
                self._idle.append(tray)
        finally:  # a cancel of the group ends a task that waits, and work that is shielded may still be started
            if tray in self._idle:
                self._idle.remove(tray)
            elif len(tray):
                self._tasks.start_soon(self._go_on, tray)


class Apart:
    """Work that is awaited in a context of its own: a task's cannot be changed."""

    def __init__(self, work: Work, context: Context) -> None:
        self._work, self._context = work, context

    def __await__(self) -> Generator[Any, Any, None]:
        run = self._context.run
        work = run(self._work)
        step: Callable[[Any], Any] = work.send
        given: Any = None
        while True:
            try:
                wanted = run(step, given)
            except StopIteration:
                return
            finally:
                given = None  # an error holds the frames it went through, this one among them
            try:
                step, given = work.send, (yield wanted)
            except BaseException as error:  # noqa: BLE001 - it is for the work: a cancel, or the end of the event loop
                step, given = work.throw, error
