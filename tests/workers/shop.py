"""A shop whose agents workers drive: `--agent tests.workers.shop:support`.

The world is in the folder that SHOP names: `asked` holds a line for each request to the model, `did` one for each thing
a tool did, `pids` the processes that had a hand in it. What the model does is written in the message: one word a
step, like `look:7 pay:8`, and in the end it says what it was asked.
"""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from agentkit import Agent, Approvals, ToolContext, Usage, tool
from agentkit.core.contract import Contract
from agentkit.errors import BalanceExhausted
from agentkit.messages import AssistantMessage, ToolCall
from agentkit.models import Model
from agentkit.models.base import Answered, Body, Reply, Show

FOLDER = Path(os.environ["SHOP"])


def note(name: str, *words: str) -> None:
    """Write a line into a file of the world, in one write."""
    file = os.open(FOLDER / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, (" ".join(words) + "\n").encode())
    os.close(file)


def pause(name: str) -> float:
    """Return the seconds that a file of the world asks for."""
    path = FOLDER / name
    return float(path.read_text()) if path.exists() else 0.0


class Clerk(Model):
    """Does what the last message says, a word a step."""

    def __init__(self) -> None:
        super().__init__("clerk", base_url="http://127.0.0.1", contract="generic")

    async def call(self, body: Body, contract: Contract, show: Show | None) -> Reply:  # noqa: ARG002 - a model's face
        messages: list[dict[str, Any]] = [json.loads(message) for message in body.messages]
        said = max(index for index, each in enumerate(messages) if each["role"] == "user")
        words = str(messages[said]["content"]).split()
        step = sum(each["role"] == "assistant" for each in messages[said:])
        turn = sum(each["role"] == "user" for each in messages)
        note("asked", f"{words[-1]}/{turn}.{step}", str(os.getpid()))
        await anyio.sleep(pause("thinks"))
        if (FOLDER / "broke").exists():
            raise BalanceExhausted("nobody paid the model's bill", status=402)
        word = words[step] if step < len(words) else "said"
        if word == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        name, _, argument = word.partition(":")
        if not argument:
            return Answered(AssistantMessage(f"done: {' '.join(words)}"), "stop", Usage(10, 0, 5, 1))
        call = ToolCall(f"c{step}", name, json.dumps({"what": argument}))
        return Answered(AssistantMessage(None, calls=(call,)), "tool_calls", Usage(10, 0, 5, 1))


@tool(effect="read")
async def look(what: str) -> str:
    """Look something up."""
    note("did", "look", what)
    return f"{what} is blue"


@tool(effect="once")
async def pay(ctx: ToolContext[object], what: str) -> str:
    """Pay, which takes a moment."""
    note("did", "pays", what, ctx.idempotency_key)
    await anyio.sleep(pause("pays"))
    note("did", "paid", what, ctx.idempotency_key)
    return f"paid {what}"


@tool(effect="once", needs_approval=True)
async def refund(ctx: ToolContext[object], what: str) -> str:
    """Pay back."""
    note("did", "refunded", what, ctx.idempotency_key)
    return f"refunded {what}"


@tool(effect="read")
async def wait(what: str) -> str:
    """Take so many seconds."""
    note("did", "waits", what, str(os.getpid()))
    await anyio.sleep(float(what))
    note("did", "waited", what, str(os.getpid()))
    return f"waited {what}"


@tool(effect="read")
async def hold(what: str) -> str:
    """Wait until the world has a file of this name."""
    note("did", "holds", what, str(os.getpid()))
    while not (FOLDER / what).exists():  # noqa: ASYNC110 - another process makes it
        await anyio.sleep(0.02)
    return f"held {what}"


@tool(effect="read")
async def leave(what: str) -> str:
    """Leave the process, as a library that calls `sys.exit` does."""
    sys.exit(f"leaving because of {what}")


support = Agent(Clerk(), name="support", tools=[look, pay, refund, wait, hold, leave])
brisk = Agent(Clerk(), name="brisk", tools=[refund], approvals=Approvals(expire_after=1))
sales = Agent(Clerk(), name="sales", tools=[look])


@asynccontextmanager
async def closed(session_id: str) -> AsyncIterator[tuple[Agent[None, str], None]]:
    """Answer nobody while the shop is closed."""
    note("asked", session_id, "closed")
    if (FOLDER / "closed").exists():
        raise ConnectionError("the shop's database does not answer")
    yield support, None
