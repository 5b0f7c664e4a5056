"""A program in a process of its own that does what it is told: `python -m tests.durable.caller GROUND WORLD PORT`.

Each line it reads is JSON, [session, verb, words …]; what came of it is printed as JSON.
"""

import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio

from agentkit import Journal, Session
from agentkit.errors import AgentkitError
from tests.durable.crew import agent_of
from tests.durable.engines import Ground
from tests.durable.world import World


async def run(session: Session[World, str], text: str, name: str) -> dict[str, Any]:
    result = await session.run(text, id=name)
    return {"status": result.status, "text": result.text, "turn": result.turn}


async def approve(session: Session[World, str], asked: str) -> dict[str, Any]:
    await session.approve(asked, by=f"person {os.getpid()}")
    return {"approved": asked}


async def approve_and_resume(session: Session[World, str], asked: str) -> dict[str, Any]:
    await session.approve(asked, by=f"person {os.getpid()}")
    return {"status": (await session.resume()).status}


async def deny(session: Session[World, str], asked: str) -> dict[str, Any]:
    await session.deny(asked, by=f"person {os.getpid()}", reason="no")
    return {"status": (await session.resume()).status}


async def cancel(session: Session[World, str]) -> dict[str, Any]:
    await session.cancel(by=f"person {os.getpid()}")
    return {"cancelled": True}


VERBS: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
    "run": run,
    "approve": approve,
    "approve and resume": approve_and_resume,
    "deny": deny,
    "cancel": cancel,
}


async def obey(journal: Journal, world: World, port: int) -> None:
    """Do what each line says, until there is none."""
    agent = agent_of(port)
    while line := await anyio.to_thread.run_sync(sys.stdin.readline):
        name, verb, *words = json.loads(line)
        try:
            done = await VERBS[verb](Session(agent, name, journal=journal, deps=world), *words)
        except AgentkitError as error:
            done = {"error": type(error).__name__, "text": str(error)}
        print(json.dumps(done), flush=True)  # noqa: T201 - the test reads it


async def main() -> None:
    """Open the journal, say so, obey."""
    ground, folder, port = sys.argv[1:]
    async with Ground(**json.loads(ground)).journal() as journal:
        print("ready", flush=True)  # noqa: T201 - the test waits for it
        await obey(journal, World(Path(folder)), int(port))


if __name__ == "__main__":
    anyio.run(main)
