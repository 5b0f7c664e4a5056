"""Who answers: the agent a person named, imported from where they are.

An import path is read from the command line or from pyproject.toml, never from a journal.
"""

import inspect
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

from agentkit.agent import Agent
from agentkit.cli.project import project
from agentkit.errors import ConfigurationError
from agentkit.models import Model

Who: TypeAlias = tuple[Agent[Any, Any], Any]

_FORM = "MODULE:NAME, of an Agent without deps or of a function (session_id) -> async context manager of (agent, deps)"


@asynccontextmanager
async def opened(name: str | None, session_id: str) -> AsyncIterator[Who]:
    """Open the agent called `name`, else the project's, for one session.

    Raises:
        ConfigurationError: nobody is named, or what is named is not there or is no agent.
    """
    found = _named(name)
    if isinstance(found, Agent):
        if found.deps_type not in {object, type(None)}:
            raise ConfigurationError(
                f"agent {found.name!r} needs deps ({found.deps_type.__name__}): name a function (session_id) -> async "
                "context manager of (agent, deps) instead"
            )
        yield found, None
        return
    async with _opening(found, session_id) as pair:
        yield _checked(pair)


def _opening(found: Any, session_id: str) -> AbstractAsyncContextManager[Any]:
    if not _takes_an_id(found):
        raise ConfigurationError(f"--agent: what is there is {type(found).__name__} {found!r:.60}; give {_FORM}")
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


def nobody() -> Agent[Any, Any]:
    """Return an agent that nothing can be driven with: enough to leave a decision in an inbox."""
    return Agent(Model("nobody", base_url="http://127.0.0.1", contract="generic"), name="nobody")


def bare(model: str, base_url: str | None) -> Agent[None, str]:
    """Return an agent without tools or instructions. Raises: ConfigurationError: an unknown model."""
    return Agent(Model(model, base_url=base_url))


def _checked(pair: Any) -> Who:
    if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], Agent)):  # noqa: PLR2004 - a pair
        raise ConfigurationError(f"the function gave {type(pair).__name__}, not a pair (agent, deps)")
    return pair


def _named(name: str | None) -> Any:
    here = Path.cwd()
    if name is None:
        known = project(here)
        name, here = known.agent, known.folder
    if name is None:
        raise ConfigurationError(
            f"nobody is named to answer: give --agent {_FORM}; or write `agent` under [tool.agentkit] in pyproject.toml"
        )
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise ConfigurationError(f"--agent {name}: give {_FORM}")
    if str(here) not in sys.path:
        sys.path.insert(0, str(here))
    return _attribute(module, attribute)


def _attribute(module: str, attribute: str) -> Any:
    try:
        return attrgetter(attribute)(import_module(module))
    except AttributeError as error:
        raise ConfigurationError(f"--agent {module}:{attribute}: {error}") from error
    except ImportError as error:
        raise ConfigurationError(
            f"--agent {module}:{attribute}: {error}. Modules are looked for in the current directory, too"
        ) from error
    except Exception as error:
        raise ConfigurationError(
            f"--agent {module}:{attribute}: importing {module} raised {type(error).__name__}: {error}. What a program "
            'runs belongs under `if __name__ == "__main__":`'
        ) from error
