"""A worker in a process of its own: `python -m tests.durable.crew GROUND WORLD PORT CONCURRENCY TAKES`.

It is what `agentkit worker` does, with a time to live that a test chooses. What its tool does is in WORLD/effects, a
line before ("began") and a line for the effect itself ("did"), each with the call's key and the process's pid; it
takes TAKES seconds between them, and as many behind.
"""

import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from agentkit import Agent, Model, ToolContext, tool
from agentkit.core.spec import Limits
from agentkit.workers import driving, work
from tests.durable.engines import Ground
from tests.durable.world import World, done

NAME = "crew"


@tool(effect="once")
async def book(ctx: ToolContext[World], session: str, step: int) -> str:
    """Book a step of a session."""
    pid = str(os.getpid())
    ctx.deps.note("effects", "began", ctx.idempotency_key, session, str(step), pid)
    await anyio.sleep(ctx.deps.takes)
    ctx.deps.note("effects", "did", ctx.idempotency_key, session, str(step), pid)
    await anyio.sleep(ctx.deps.takes)
    return done(session, step)


@tool(effect="once", needs_approval=True)
async def pay(ctx: ToolContext[World], session: str, step: int) -> str:
    """Book a step of a session, if a person agrees."""
    return await book(ctx, session, step)


def agent_of(port: int) -> Agent[World, str]:
    """Return who answers."""
    model = Model(
        "clerk", base_url=f"http://127.0.0.1:{port}/v1", contract="generic", headers={"x-worker": str(os.getpid())}
    )
    return Agent(model, name=NAME, tools=[book, pay], deps_type=World, limits=Limits(steps=None))


async def main() -> None:
    """Work until SIGTERM."""
    told, folder, port, concurrency, takes = sys.argv[1:]
    ground = Ground(**json.loads(told))
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    agent, world = agent_of(int(port)), World(Path(folder), float(takes))

    @asynccontextmanager
    async def who(_: str) -> AsyncIterator[tuple[Agent[Any, Any], Any]]:
        yield agent, world

    async with ground.journal() as journal:
        engine = ground.open(journal)
        tally = await work(engine, driving(journal, who), concurrency=int(concurrency), grace=10, tell=say)
    say(str(tally))


def say(line: str) -> None:
    """Tell whoever reads this worker's log."""
    print(line, flush=True)  # noqa: T201 - the tests read it


if __name__ == "__main__":
    anyio.run(main)
