"""An edit that a tool's own policy cannot judge is refused, and the session goes on."""

import pytest

from agentkit import Agent, MemoryJournal, ScriptedModel, Session, tool
from agentkit.events import CallApproved, InboxRefused
from agentkit.inbox import body_of
from agentkit.messages import AssistantMessage, ToolCall

pytestmark = pytest.mark.anyio


def large(amount: int) -> bool:
    if amount > 1000:
        raise RuntimeError("the ledger of large amounts is closed")
    return True


@tool(effect="once", needs_approval=large)
async def pay(amount: int) -> str:
    """Pay an amount."""
    return f"paid {amount}"


async def test_an_edit_the_policy_cannot_judge_is_refused_and_a_good_one_works() -> None:
    asks = AssistantMessage(calls=(ToolCall("c", "pay", '{"amount": 5}'),))
    journal = MemoryJournal()
    async with Session(Agent(ScriptedModel(asks, "done"), tools=[pay]), "s", journal=journal) as session:
        result = await session.run("pay 5")
        number = int(result.approvals[0].id.split("-")[1])
        body = body_of(CallApproved("1.1.0", number, "ann", '{"amount": 2000}'))
        await journal.put("s", "approval", "raw", body, "ann")
        waiting = await session.resume()
        assert waiting.approvals
        (refused,) = [r.event async for r in session.events() if isinstance(r.event, InboxRefused)]
        assert "could not be decided (RuntimeError)" in refused.why
        await session.approve(waiting.approvals[0], by="ann", arguments={"amount": 7})
        assert (await session.resume()).output == "done"
