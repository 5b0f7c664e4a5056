"""A shop in a process of its own: `python -m tests.ledger.ledger_worker FOLDER TOOL WHEN`.

The model asks for TOOL once. Where WHEN says so, the process kills itself before or after the
effect, or freezes before it. `bank` in the
folder holds a line with the key for each effect.
"""

import json
import os
import signal
import sys
from pathlib import Path

import anyio

from agentkit import Agent, Outcome, Session, SQLiteJournal, ToolContext, tool
from tests.session.desk import Played, asks

FOLDER, TOOL, WHEN = Path(sys.argv[1]), sys.argv[2], sys.argv[3]


def act(key: str) -> str:
    if WHEN == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    if WHEN == "frozen":
        os.kill(os.getpid(), signal.SIGSTOP)
    with (FOLDER / "bank").open("a") as bank:
        bank.write(f"{key}\n")
    if WHEN == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return "paid"


@tool(effect="once")
async def pay(ctx: ToolContext[None], order: str) -> str:
    """Pay for an order."""
    assert order
    return act(ctx.idempotency_key)


@tool(effect="once")
async def charge(ctx: ToolContext[None], order: str) -> str:
    """Charge an order."""
    assert order
    return act(ctx.idempotency_key)


@charge.reconcile
async def was_charged(ctx: ToolContext[None], order: str) -> Outcome[str]:
    assert order
    happened = (FOLDER / "bank").exists() and ctx.idempotency_key in (FOLDER / "bank").read_text().split()
    return Outcome.happened("paid") if happened else Outcome.not_happened()


@tool(effect="idempotent")
async def put(ctx: ToolContext[None], order: str) -> str:
    """Put an order on the list."""
    assert order
    return act(ctx.idempotency_key)


async def shop() -> None:
    agent = Agent(Played(asks((TOOL, {"order": "7"})), "done"), tools=[pay, charge, put])
    async with Session(agent, "customer", journal=SQLiteJournal(FOLDER / "desk.db", ttl=1)) as session:
        result = await session.run(f"please {TOOL} order 7", id="m1")
        print(json.dumps({"status": result.status, "pid": os.getpid()}))  # noqa: T201 - the tests read it


if __name__ == "__main__":
    anyio.run(shop)
