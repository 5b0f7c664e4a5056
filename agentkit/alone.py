"""`Agent.run`: one turn with a journal in memory, for what need not survive the process."""

from typing import TYPE_CHECKING, Any

from agentkit.core.messages import Content
from agentkit.errors import ConfigurationError
from agentkit.journal.memory import MemoryJournal
from agentkit.result import Result
from agentkit.session import Session
from agentkit.subagent import asking
from agentkit.tools.tool import Outcome

if TYPE_CHECKING:
    from agentkit.agent import Agent


async def run(agent: "Agent[Any, Any]", message: Content, deps: Any) -> Result[Any]:
    """Run one turn; an outcome that is not known is given up, since nobody can be asked. Raises: as `Agent.run`."""
    if asks := asking(agent):
        raise ConfigurationError(
            f"{', '.join(asks)} may need approval, which Agent.run cannot wait for. Use "
            "`async with Session(agent, id, journal=…) as session: await session.run(…)`."
        )
    async with Session[Any, Any](agent, "run", journal=MemoryJournal(), deps=deps) as session:
        result = await session.run(message)
        while result.unknowns or result.approvals:
            for twin in result.approvals:
                await session.deny(twin, by="agentkit", reason="nobody can be asked here")
            for unknown in result.unknowns:
                await session.resolve(unknown, Outcome.unknown(), by="agentkit")
            result = await session.resume()
        return result
