"""A program in a process of its own: `python -m tests.session.session_worker FOLDER ACTION [WORD …]`.

The world is in the folder: `bank` holds a line for each refund, `asked` one for each request to the model. It prints
what came of it as JSON.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import anyio

from agentkit import Agent, Outcome, Result, Session, SQLiteJournal, ToolContext, tool
from agentkit.core.contract import Contract
from agentkit.errors import AgentkitError
from agentkit.journal.base import Lease
from agentkit.models.base import Body, Reply, Show
from tests.session.desk import Played, asks

FOLDER, ACTION, *WORDS = sys.argv[1:]
KILL = WORDS[0] if ACTION in {"desk", "below"} else ""


class Bank:
    """A service with a ledger on disk."""

    def __init__(self, folder: str) -> None:
        self.ledger = Path(folder) / "bank"
        self.ledger.touch()

    async def refund(self, order_id: str, idempotency_key: str) -> str:
        write(self.ledger, idempotency_key)
        return f"refunded {order_id}"

    async def receipt(self, idempotency_key: str) -> str | None:
        return "refunded 7" if idempotency_key in self.ledger.read_text().split() else None


def write(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")


def line(name: str) -> None:
    """Die here, if it is the line to die at."""
    if name == KILL:
        os.kill(os.getpid(), signal.SIGKILL)


class Asked(Played):
    """Writes down that it was asked; thinks for a moment."""

    async def call(self, body: Body, contract: Contract, show: Show | None) -> Reply:
        write(Path(FOLDER) / "asked", str(os.getpid()))
        line("thinking")
        await anyio.sleep(0 if ACTION in {"desk", "below"} else 0.3)
        if ACTION == "block":
            time.sleep(2)  # noqa: ASYNC251 - that is the point
        return await super().call(body, contract, show)


@tool(effect="once", needs_approval=True)
async def refund(ctx: ToolContext[Bank], order_id: str) -> str:
    """Refund an order in full."""
    line("before the refund")
    result = await ctx.deps.refund(order_id, idempotency_key=ctx.idempotency_key)
    line("after the refund")
    return result


@refund.reconcile
async def was_refunded(ctx: ToolContext[Bank], order_id: str) -> Outcome[str]:
    return await found(ctx, order_id)


async def found(ctx: ToolContext[Bank], order_id: str) -> Outcome[str]:
    """Look into the ledger."""
    assert order_id
    receipt = await ctx.deps.receipt(ctx.idempotency_key)
    return Outcome.happened(receipt) if receipt else Outcome.not_happened()


class Counting(SQLiteJournal):
    """Counts how often a lease was asked for."""

    claims = 0

    async def claim(self, session_id: str, *, uid: str, agent: str, owner: str) -> Lease:
        self.claims += 1
        return await super().claim(session_id, uid=uid, agent=agent, owner=owner)


class Named(Asked):
    """Asked, with a name: it may die at each request, before it is answered."""

    def __init__(self, name: str, *turns: Any) -> None:
        super().__init__(*turns)
        self.who = name

    async def call(self, body: Body, contract: Contract, show: Show | None) -> Reply:
        line(f"{self.who} {sum(self.asked.values()) + 1}")
        return await super().call(body, contract, show)


def shown(result: Result[Any]) -> dict[str, Any]:
    return {"status": result.status, "text": result.text, "turn": result.turn}


async def desk() -> dict[str, Any]:
    """The approval example of the design, with a name for each line."""
    shop = Bank(FOLDER)
    model = Asked(asks(("refund", {"order_id": "7"})), "Your refund is on its way.")
    support = Agent(model, deps_type=Bank, tools=[refund])
    line("start")
    async with Session(support, "customer-4711", journal=SQLiteJournal(Path(FOLDER) / "db"), deps=shop) as session:
        line("entered")
        result = await session.run("Please refund order 7.", id="msg-1")
        line("ran")
        for approval in result.approvals:
            line("approving")
            await session.approve(approval, by="ann")
            line("approved")
        result = await session.resume()
        line("resumed")
    line("left")
    return shown(result)


@tool(effect="once")
async def pay(ctx: ToolContext[Bank], order_id: str) -> str:
    """Pay."""
    line("before the refund")
    result = await ctx.deps.refund(order_id, idempotency_key=ctx.idempotency_key)
    line("after the refund")
    return result


@pay.reconcile
async def was_paid(ctx: ToolContext[Bank], order_id: str) -> Outcome[str]:
    return await found(ctx, order_id)


async def below() -> dict[str, Any]:
    """A desk that hands its task to a sub-agent, which pays."""
    inner = Named("helper", asks(("pay", {"order_id": "7"})), "It is paid.")
    helper = Agent(inner, name="helper", deps_type=Bank, tools=[pay])
    model = Named("desk", asks(("helper", {"task": "Pay order 7."})), "Your refund is on its way.")
    support = Agent(model, deps_type=Bank, tools=[helper.as_tool()])
    async with Session(support, "s", journal=SQLiteJournal(Path(FOLDER) / "db"), deps=Bank(FOLDER)) as session:
        result = await session.run("Please refund order 7.", id="msg-1")
        line("ran")
    return shown(result)


async def say() -> dict[str, Any]:
    """Say something to a session that others may drive."""
    text, name, ttl = (*WORDS, "15")[:3]
    journal = Counting(Path(FOLDER) / "db", ttl=float(ttl))
    async with Session(Agent(Asked("one", "two", "three")), "s", journal=journal) as session:
        try:
            result = shown(await session.run(text, id=name))
        except AgentkitError as error:
            result = {"error": type(error).__name__, "text": str(error)}
    return {**result, "claims": journal.claims}


block = say

if __name__ == "__main__":
    print(json.dumps(anyio.run({"desk": desk, "below": below, "say": say, "block": block}[ACTION])))  # noqa: T201 - the tests read it
