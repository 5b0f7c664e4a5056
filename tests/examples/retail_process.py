"""A process of its own that serves customers: started, killed and started again by the tests, always the same program.

`python -m tests.examples.retail_process '{"journal": …, "base_url": …, "customers": [{"id", "shop", "messages"}, …]}'`

It prints "ready" before it touches anything, and then how each customer's session rests.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

import anyio

from agentkit import Agent, Model, Result, Session, SQLiteJournal, Tool, tool
from examples.retail.desk import desk
from examples.retail.shop import Change, ResultT, Shop

SLOW = 0.15  # seconds, on either side of a change


class Watched(Shop):
    """A shop that takes its time on both sides of a change, and notes it if it is asked twice for the same."""

    def perform(self, change: Change[ResultT], *, key: str) -> ResultT:
        if self.recorded(change, key=key) is not None:
            self.path.with_suffix(".twice").write_text(key)
        time.sleep(Random().uniform(0, SLOW))  # noqa: S311 - any moment will do
        result = super().perform(change, key=key)
        time.sleep(Random().uniform(0, SLOW))  # noqa: S311 - as above
        return result


def forgetful(agent: Agent[Shop]) -> Agent[Shop]:
    """The same desk with tools that cannot find out what became of a call."""
    return replace(agent, tools=[_unasked(each) if each.effect == "once" else each for each in agent.tools])


def _unasked(known: Tool[Shop, ..., Any]) -> Tool[Shop, ..., Any]:
    return tool(effect="once", needs_approval=known.declared.needs_approval)(known.function)


async def serve(agent: Agent[Shop], journal: Path, customer: dict[str, Any]) -> Result[str] | None:
    """Say everything the customer says, approve whatever is to be approved, and stop where more is needed."""
    result = None
    shop = Watched(Path(customer["shop"]))
    async with Session(agent, customer["id"], journal=SQLiteJournal(journal), deps=shop) as session:
        for number, message in enumerate(customer["messages"], 1):
            async with session.stream(message, id=str(number)) as stream:
                result = await stream.result()
            while result.approvals:
                for approval in result.approvals:
                    await session.approve(approval, by="ann")
                result = await session.resume()
            if result.status != "completed":
                break
    return result


async def main(work: dict[str, Any], say: Callable[[str], object]) -> None:
    """Serve them one after the other."""
    model = Model("deepseek-flash", base_url=work["base_url"], contract="deepseek-v4")
    agent = desk(model, approval=True)
    if work.get("forgetful"):
        agent = forgetful(agent)
    say("ready")
    for customer in work["customers"]:
        result = await serve(agent, Path(work["journal"]), customer)
        say(result.status if result else "nothing was said")


def fork(work: dict[str, Any], pipe: Connection) -> None:
    """Be the whole program, in a process that was forked because it starts faster."""
    anyio.run(main, work, pipe.send)


if __name__ == "__main__":
    anyio.run(main, json.loads(sys.argv[1]), lambda line: print(line, flush=True))  # noqa: T201 - the test reads it
