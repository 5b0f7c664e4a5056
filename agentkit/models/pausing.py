"""Telling when a coroutine is about to wait, without a task of its own to watch it."""

from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class pausing(Generic[T]):  # noqa: N801 - it is called like a function and awaited
    """Await a coroutine, and call `before` each time just before it waits.

    What `before` raises is raised where the coroutine would have waited, so that it can clean up.
    """

    def __init__(self, what: Coroutine[Any, Any, T], before: Callable[[], None]) -> None:
        self._what = what
        self._before = before

    def __await__(self) -> Generator[Any, Any, T]:
        """Pass on all that the coroutine waits for, whichever event loop it is."""
        steps = self._what.__await__()
        go: Callable[[Any], Any] = steps.send
        given: Any = None
        while True:
            try:
                awaited = go(given)
            except StopIteration as done:
                result: T = done.value
                return result
            try:
                self._before()
                go, given = steps.send, (yield awaited)
            except BaseException as error:  # noqa: BLE001 - a cancellation, too: it belongs to the coroutine
                go, given = steps.throw, error
