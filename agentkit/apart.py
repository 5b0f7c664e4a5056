"""Work in a task of its own, as its caller wants to see it: one error, and no cancel where work is shielded."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")


def alone(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one error in a task group's, so that callers get what they can name; several stay a group."""
    inner = group.exceptions[0]
    if len(group.exceptions) > 1:
        return group
    return alone(inner) if isinstance(inner, BaseExceptionGroup) else inner


async def apart(work: Callable[[], Awaitable[T]]) -> T:
    """Do work in a task of its own: a cancel of the caller's, of whatever kind, then respects what is shielded."""
    results: list[T] = []

    async def do() -> None:
        results.append(await work())

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(do)
    except BaseExceptionGroup as group:
        raise alone(group) from None
    return results[0]
