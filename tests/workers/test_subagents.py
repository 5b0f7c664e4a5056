"""A worker and sub-agents: a child goes on within its parent, whoever is told of it first."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agentkit import Agent, MemoryJournal, Session
from agentkit.workers.drive import drive
from tests.session.desk import Played, Till, asks, refund

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("first", ["parent", "child"])
async def test_a_worker_goes_on_with_a_child_within_its_parent(first: str) -> None:
    till, inner = Till(), Played(asks(("refund", {"order": "7"})), "refunded")
    child = Agent(inner, name="helper", tools=[refund(needs_approval=True)], deps_type=Till)
    model = Played(asks(("helper", {"task": "x"})), "done")
    agent = Agent(model, name="desk", tools=[child.as_tool()], deps_type=Till)

    @asynccontextmanager
    async def who(session_id: str) -> AsyncIterator[tuple[Agent[Till, str], Till]]:
        assert session_id == "s"
        yield agent, till

    async with MemoryJournal() as journal:
        session = Session(agent, "s", journal=journal, deps=till)
        await session.say("go", id="m1")
        assert await drive(journal, who, "s") == "waiting"
        assert await journal.ready(agents=["desk"]) == []
        (approval,) = [each async for each in journal.pending()]
        await Session(child, approval.session_id, journal=journal, deps=till).approve(approval.id, by="ann")
        ready = [each.session_id for each in await journal.ready(agents=["desk"])]
        assert sorted(ready) == sorted(["s", approval.session_id])
        assert await drive(journal, who, "s" if first == "parent" else approval.session_id) == "done"
        assert await journal.ready() == []
        assert (await session.resume()).output == "done"
    assert till.done == ["7"]
