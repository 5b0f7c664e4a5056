"""The desk: an agent that knows the shop's rules and has its tools."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agentkit import Agent, Model
from examples.retail.seed import seeded
from examples.retail.shop import Shop
from examples.retail.tools import desk_tools

_INSTRUCTIONS = Path(__file__).with_name("instructions.md")


def desk(model: Model | str, *, approval: bool = True) -> Agent[Shop]:
    """The shop's desk.

    Args:
        model: A name from agentkit's contract table, or a `Model` of your own.
        approval: Whether a person must approve what moves money.
    """
    return Agent(
        model,
        name="retail-desk",
        instructions=_INSTRUCTIONS.read_text(encoding="utf-8"),
        tools=desk_tools(approval=approval),
        deps_type=Shop,
    )


@asynccontextmanager
async def open_desk(session_id: str) -> AsyncIterator[tuple[Agent[Shop], Shop]]:  # noqa: ARG001 - one shop for all
    """The desk with its small shop in `shop.db`, as agentkit's commands take it.

    `agentkit chat --agent examples.retail.desk:open_desk`

    Args:
        session_id: Whose conversation it is.
    """
    yield desk("deepseek-flash"), seeded(Path("shop.db"))
