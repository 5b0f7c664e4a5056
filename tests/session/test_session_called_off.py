"""A turn that is called off between the record of a start and the start itself: nothing ran, and that is known."""

from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit import Agent, Approvals, MemoryJournal, Session, ToolContext, Usage, tool
from agentkit.core.events import CancelRequested
from agentkit.core.messages import text_of
from agentkit.events import CallClosed, ModelInterrupted, ToolFinished, ToolStarted, ToolUnknown, TurnEnded
from agentkit.inbox import body_of
from agentkit.models.base import Show
from agentkit.testing import FaultyJournal, until_death
from tests.session.desk import USAGE, Answer, Played, Till, asks, facts_of, file, look, refund

pytestmark = pytest.mark.anyio

LONG = "x" * 70_000  # what is as long is written by the journal's thread, and mail is noticed meanwhile
GIVEN = {"below": {"task": "find out"}}


@tool(effect="idempotent")
async def stamp(order: str) -> str:
    """Stamp an order."""
    raise AssertionError(f"{order} is stamped")


class Desk:
    """A session whose turn is called off while its model answers with calls: behind the record of their start."""

    def __init__(self, path: Path, *calls: str, tools: Any = ()) -> None:
        self.till, self.journal, self.calls = Till(), file(path), calls
        self.model = Played(self.answer, "done")
        agent = Agent(self.model, tools=tools or [refund(), look, stamp], deps_type=Till)
        self.session = Session(agent, "s", journal=self.journal, deps=self.till)

    async def call_off(self) -> None:
        await self.journal.put("s", "cancel", "1", body_of(CancelRequested(1, "dan")), "dan")

    async def answer(self, _: Show | None) -> Answer:
        await self.call_off()
        return asks(*((name, GIVEN.get(name, {"order": "7"})) for name in self.calls), text=LONG)


async def test_a_once_call_that_never_began_is_no_unknown(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "refund")
    async with desk.session as session:
        result = await session.run("refund 7")
        assert (result.status, result.reason, result.waiting) == ("cancelled", "cancelled by dan", ())
        assert len(await facts_of(session, ToolStarted)) == len(await facts_of(session, TurnEnded)) == 1
        (told,) = await facts_of(session, ToolFinished)
        assert told.failed
        assert text_of(told.parts) == "Not run: refund was called off before it began. Nothing happened."
    assert not desk.till.done


async def test_harmless_calls_that_never_began_are_closed(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "look", "stamp")
    async with desk.session as session:
        assert (await session.run("look at 7")).status == "cancelled"
        assert [each.call for each in await facts_of(session, CallClosed)] == ["1.1.0", "1.1.1"]
        assert [each.why for each in await facts_of(session, ToolUnknown)] == ["cancelled by dan, before it began"] * 2
        assert (await session.run("and now?")).output == "done"
    assert not desk.till.done


async def test_a_sub_agent_that_never_began_is_over_too(tmp_path: Path) -> None:
    below = Played("found")
    desk = Desk(tmp_path, "below", tools=[Agent(below, name="below", deps_type=Till).as_tool()])
    async with desk.session as session:
        result = await session.run("ask below")
        assert (result.status, result.waiting) == ("cancelled", ())
        assert (await session.run("and now?")).output == "done"
    assert not below.requests


async def test_what_never_began_is_told_while_a_deferred_call_runs(tmp_path: Path) -> None:
    gate = anyio.Event()

    async def before(_: Till, __: str) -> None:
        await gate.wait()

    till, journal = Till(before=before), file(tmp_path)

    async def answer(_: Show | None) -> Answer:
        await journal.put("s", "cancel", "2", body_of(CancelRequested(2, "dan")), "dan")
        return asks(("quick", {"order": "8"}), text=LONG)

    model = Played(asks(("refund", {"order": "7"})), "it was sent for approval", answer, "done")
    tools = [refund(needs_approval="defer"), refund(name="quick")]
    async with Session(Agent(model, tools=tools, deps_type=Till), "s", journal=journal, deps=till) as session:
        (asked,) = (await session.run("refund 7")).approvals
        await session.approve(asked, by="ann")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.run, "refund 8")
            with anyio.fail_after(10):
                async for record in session.events(follow=True):
                    if isinstance(record.event, TurnEnded) and record.event.status == "cancelled":
                        break
            gate.set()
        assert [each.call for each in await facts_of(session, ToolFinished)] == ["2.1.0", "1.1.0"]
    assert till.done == ["7"]


async def test_a_model_that_was_never_asked_ends_the_turn_and_costs_nothing(tmp_path: Path) -> None:
    model = Played(asks(("refund", {"order": "7"})), "done")
    agent = Agent(model, tools=[refund(needs_approval=True)], deps_type=Till, approvals=Approvals(expire_after=0.05))
    async with file(tmp_path) as journal, Session(agent, "s", journal=journal, deps=Till()) as session:
        assert (await session.run("refund 7")).approvals
        await anyio.sleep(0.06)  # its time is up: the next drive begins with asking the model again
        await journal.put("s", "cancel", "1", body_of(CancelRequested(1, "dan")), "dan")
        result = await session.resume()
        assert (result.status, result.reason) == ("cancelled", "cancelled by dan")
        (never,) = await facts_of(session, ModelInterrupted)
        assert (never.why, never.usage) == ("cancelled by dan, before it began", Usage())
        assert (result.usage, len(model.requests)) == (USAGE, 1)
        assert (await session.run("and now?")).output == "done"


@tool(effect="read")
async def wait_for_ever(ctx: ToolContext[Till]) -> str:
    """Wait for ever."""
    try:
        await anyio.sleep_forever()
    finally:
        ctx.deps.done.append("told to stop")
    return "never"


async def test_what_runs_is_told_to_stop_where_something_beyond_any_error_ends_the_drive() -> None:
    calls = asks(("wait_for_ever", {}), ("look", {"order": "7"}))
    agent, till = Agent(Played(calls), tools=[wait_for_ever, look], deps_type=Till), Till()
    dying = FaultyJournal(MemoryJournal(), at=4, fault="die before")  # the outcome of the call that ends
    with anyio.fail_after(10):
        async with Session(agent, "s", journal=dying, deps=till) as session:
            assert await until_death(partial(session.run, "go"))
    assert till.done == ["look 7", "told to stop"]
