"""A program that drives what others watch: `python -m tests.session.watch_worker FOLDER drive URL | append COUNT`."""

import sys
from pathlib import Path

import anyio

from agentkit import Agent, Limits, Session, SQLiteJournal, tool
from agentkit.core.events import UserSaid
from agentkit.core.messages import Text
from agentkit.journal.base import Batch, Placed
from agentkit.models import Model

FOLDER, ACTION, WORD = sys.argv[1:]


@tool(effect="read")
async def look(order: str) -> str:
    """Look an order up."""
    await anyio.sleep(0.01)
    return f"order {order} is blue"


async def drive() -> None:
    """Say "go" once, whoever said it before, and drive until rest."""
    agent = Agent(Model("deepseek-flash", base_url=WORD), tools=[look], limits=Limits(steps=100))
    async with Session(agent, "s", journal=SQLiteJournal(Path(FOLDER) / "desk.db")) as session:
        await session.run("go", id="m-1")


async def append() -> None:
    """Append as fast as the journal takes it, one event at a time."""
    async with SQLiteJournal(Path(FOLDER) / "desk.db") as journal:
        lease = await journal.claim("s", uid="u", agent="a", owner="writer")
        for last in range(lease.last_seq, lease.last_seq + int(WORD)):
            await journal.append(lease, last, Batch([Placed(UserSaid((Text("x"),)), 1, 1)]))
        await journal.release(lease)


if __name__ == "__main__":
    anyio.run({"drive": drive, "append": append}[ACTION])
