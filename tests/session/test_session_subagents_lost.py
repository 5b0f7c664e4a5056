"""What nobody knows of in a sub-agent's session is asked above it, and known to the next one."""

from typing import Any

import anyio
import pytest

from agentkit import Agent, MemoryJournal, Outcome, Session
from agentkit.events import ToolFinished
from agentkit.journal import Journal
from agentkit.messages import Text
from agentkit.proof import replay
from tests.session.desk import Played, Till, asks, facts_of, hang, lose_the_line, refund, until

pytestmark = pytest.mark.anyio

ASK = asks(("helper", {"task": "Refund order 7."}))
FIRST = asks(("middle", {"task": "x"}))
PAY = asks(("refund", {"order": "7"}))
TWIN = "an equal call was made, and its outcome is not known"


def helper(model: Any) -> Agent[Till, str]:
    return Agent(model, name="helper", tools=[refund()], deps_type=Till)


def agent(model: Any, below: Agent[Till, str]) -> Agent[Till, str]:
    return Agent(model, name="desk", tools=[below.as_tool()], deps_type=Till)


def desk(model: Any, journal: Journal, till: Till, below: Agent[Till, str]) -> Session[Till, str]:
    return Session(agent(model, below), "s", journal=journal, deps=till)


async def test_what_a_cancelled_child_leaves_unknown_is_asked_above() -> None:
    """Else the turn was over, and nobody was ever told that order 7 may be refunded."""
    till, journal = Till(trouble=hang), MemoryJournal()
    inmost = helper(Played(PAY))
    middle: Agent[Till, str] = Agent(Played(ASK), name="middle", tools=[inmost.as_tool()], deps_type=Till)
    async with desk(model := Played(FIRST), journal, till, middle) as session:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.run, "go")
            await until(lambda: till.done)
            await session.cancel(by="ann")
        result = await session.resume()
        (unknown,) = result.unknowns
        assert (result.status, unknown.tool) == ("waiting", "refund")
    async with desk(model, journal, till, middle) as session:
        assert (await session.resume()).unknowns == (unknown,)
        await session.resolve(unknown, Outcome.happened("paid 7"), by="bob")
        assert (await session.resume()).status == "cancelled"
        (end,) = await facts_of(session, ToolFinished)
        assert end.parts == (Text("Not finished: cancelled by ann. What it had done by then is done."),)
        assert (await replay(journal, "s", agent(Played(FIRST), middle))).same
    assert till.done == ["7"]


async def test_what_was_given_up_below_is_a_twin_in_the_next_child() -> None:
    """Else the model hands the same task to a new session, which knows of nothing and pays once more."""
    till, journal = Till(trouble=lose_the_line), MemoryJournal()
    child = helper(Played(PAY, "I do not know"))
    async with desk(Played(ASK, ASK, "done"), journal, till, child) as session:
        (unknown,) = (await session.run("go")).unknowns
        await session.resolve(unknown, Outcome.unknown(), by="bob")
        (twin,) = (await session.resume()).approvals
        assert (till.done, twin.tool, twin.why) == (["7"], "refund", TWIN)
        await session.deny(twin, by="bob", reason="one is enough")
        assert (await session.resume()).output == "done"
    assert till.done == ["7"]
