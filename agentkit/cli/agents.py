"""Who answers: the agent a person named, imported from where they are.

An import path is read from the command line or from pyproject.toml, never from a journal.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agentkit.agent import Agent
from agentkit.cli.named import found
from agentkit.cli.project import project
from agentkit.errors import ConfigurationError
from agentkit.models import Model
from agentkit.workers.who import FORM, Pair, answering

_FORM = f"MODULE:NAME, of {FORM}"


@asynccontextmanager
async def opened(name: str | None, session_id: str) -> AsyncIterator[Pair]:
    """Open the agent called `name`, else the project's, for one session.

    Raises:
        ConfigurationError: nobody is named, or what is named is not there or is no agent.
    """
    async with answering(named(name), session_id) as pair:
        yield pair


def nobody() -> Agent[Any, Any]:
    """Return an agent that nothing can be driven with: enough to leave a decision in an inbox."""
    return Agent(Model("nobody", base_url="http://127.0.0.1", contract="generic"), name="nobody")


def bare(model: str, base_url: str | None) -> Agent[None, str]:
    """Return an agent without tools or instructions. Raises: ConfigurationError: an unknown model."""
    return Agent(Model(model, base_url=base_url))


def named(name: str | None) -> Any:
    """Return what is called `name`, else the project's agent.

    Raises:
        ConfigurationError: nobody is named, or it cannot be imported.
    """
    here = Path.cwd()
    if name is None:
        known = project(here)
        name, here = known.agent, known.folder
    if name is None:
        raise ConfigurationError(
            f"nobody is named to answer: give --agent {_FORM}; or write `agent` under [tool.agentkit] in pyproject.toml"
        )
    return found(name, here, "--agent", _FORM)
