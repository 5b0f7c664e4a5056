"""Who answers: what a program names as an agent, opened for one session."""

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

from agentkit.agent import Agent
from agentkit.errors import ConfigurationError

Pair: TypeAlias = tuple[Agent[Any, Any], Any]
Who: TypeAlias = Agent[Any, Any] | Callable[[str], AbstractAsyncContextManager[Pair]]

FORM = "an Agent without deps or a function (session_id) -> async context manager of (agent, deps)"


@asynccontextmanager
async def answering(who: Who, session_id: str) -> AsyncIterator[Pair]:
    """Open who answers in one session, with deps.

    Raises:
        ConfigurationError: it is neither an agent without deps nor a function that gives both.
    """
    check(who)
    if isinstance(who, Agent):
        yield who, None
        return
    async with _opening(who, session_id) as pair:
        yield _checked(pair)


def check(who: Who) -> None:
    """Check what can be known without a session. Raises: ConfigurationError: as `answering`."""
    if isinstance(who, Agent):
        if who.deps_type not in {object, type(None)}:
            raise ConfigurationError(
                f"agent {who.name!r} needs deps ({who.deps_type.__name__}): name a function (session_id) -> async "
                "context manager of (agent, deps) instead"
            )
    elif not _takes_an_id(who):
        raise ConfigurationError(f"--agent: what is there is {type(who).__name__} {who!r:.60}; give {FORM}")


def _opening(found: Any, session_id: str) -> AbstractAsyncContextManager[Any]:
    opening = found(session_id)
    if not isinstance(opening, AbstractAsyncContextManager):
        raise ConfigurationError(
            f"--agent: {found.__name__} returned {type(opening).__name__}, no async context manager: write "
            "`@asynccontextmanager` above it, and `yield agent, deps` in it"
        )
    return opening


def _takes_an_id(found: Any) -> bool:
    if not callable(found) or inspect.iscoroutinefunction(found):
        return False
    try:
        inspect.signature(found).bind("id")
    except (TypeError, ValueError):
        return False
    return True


def _checked(pair: Any) -> Pair:
    if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], Agent)):  # noqa: PLR2004 - a pair
        raise ConfigurationError(f"the function gave {type(pair).__name__}, not a pair (agent, deps)")
    return pair
