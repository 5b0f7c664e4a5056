"""Sub-agents that wait for approval while the talk goes on, that answer with a type, and crashes around either."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from agentkit import Agent, Limits, MemoryJournal, Session, replay
from agentkit.events import CallDeferred, OutputRefused, ToolFinished, UserSaid
from agentkit.journal import Journal
from agentkit.testing import FaultyJournal, until_death
from tests.session.desk import Played, Till, asks, facts_of, file, look, refund, told

pytestmark = pytest.mark.anyio

ASK = asks(("helper", {"task": "Refund order 7."}))
PAY = asks(("refund", {"order": "7"}))


class Found(BaseModel):
    """What was found."""

    order: str
    colour: str


def session(journal: Journal, till: Till, model: Played, child: Agent[Till, Any], **about: Any) -> Session[Till, str]:
    agent = Agent(model, name="desk", tools=[child.as_tool(**about)], deps_type=Till)
    return Session(agent, "s", journal=journal, deps=till)


# --- deferred --------------------------------------------------------------------------------------------------------


async def test_a_deferred_sub_agent_runs_once_it_is_approved_and_its_outcome_opens_a_turn() -> None:
    till, inner, model = Till(), Played(PAY, "refunded"), Played(ASK, "sent", "It is blue.", "Good news.")
    child = Agent(inner, name="helper", tools=[refund()], deps_type=Till)
    async with session(journal := MemoryJournal(), till, model, child, needs_approval="defer") as desk:
        first = await desk.run("refund 7")
        assert (first.output, len(await facts_of(desk, CallDeferred)), inner.requests) == ("sent", 1, [])
        assert (await desk.run("which colour?")).output == "It is blue."
        await desk.approve(first.approvals[0], by="ann")
        result = await desk.resume()
        assert (result.turn, result.output, result.approvals) == (3, "Good news.", ())
        assert [said.about for said in await facts_of(desk, UserSaid)] == ["", "", "1.1.0"]
        assert told(model.requests[-1], "user")[-1].endswith("refunded")
        assert result.usage.input_tokens == 30, "what it used counts in the turn that its outcome opens"
        agent = Agent(model, name="desk", tools=[child.as_tool(needs_approval="defer")], deps_type=Till)
        assert (await replay(journal, "s", agent)).same
    assert till.done == ["7"]


async def test_a_deferred_sub_agent_may_use_what_a_whole_turn_may() -> None:
    till, model = Till(), Played(ASK, asks(("helper", {"task": "x"})), "sent", "Good news.")
    child = Agent(Played(PAY, "refunded"), name="helper", tools=[refund()], deps_type=Till)
    tools = [child.as_tool(needs_approval="defer")]
    agent = Agent(model, name="desk", tools=tools, deps_type=Till, limits=Limits(steps=3))
    async with Session(agent, "s", journal=MemoryJournal(), deps=till) as desk:
        first, _ = (await desk.run("refund 7")).approvals
        await desk.approve(first, by="ann")
        result = await desk.resume()
        assert (result.output, result.status) == ("Good news.", "completed")
    assert till.done == ["7"]


async def test_a_deferred_sub_agent_may_ask_for_itself_too() -> None:
    till, model = Till(), Played(ASK, "sent", "Good news.")
    child = Agent(Played(PAY, "refunded"), name="helper", tools=[refund(needs_approval=True)], deps_type=Till)
    async with session(MemoryJournal(), till, model, child, needs_approval="defer") as desk:
        (approval,) = (await desk.run("refund 7")).approvals
        await desk.approve(approval, by="ann")
        waits = await desk.resume()
        (inner,) = waits.approvals
        assert (waits.output, inner.tool, till.done) == ("sent", "refund", [])
        await desk.approve(inner, by="ann")
        assert (await desk.resume()).output == "Good news."
    assert till.done == ["7"]


async def test_what_may_be_deferred_below_settles_below_and_above() -> None:
    """A sub-agent's own deferred call: the child's turn ends, and so does the call; its outcome stays the child's."""
    till, model = Till(), Played(ASK, "It was sent.")
    child = Agent(
        Played(PAY, "sent for approval", "paid"), name="helper", tools=[refund(needs_approval="defer")], deps_type=Till
    )
    async with session(journal := MemoryJournal(), till, model, child) as desk:
        assert (await desk.run("refund 7")).output == "It was sent."
        (end,) = await facts_of(desk, ToolFinished)
        assert end.child is not None
        (waiting,) = [each async for each in journal.pending()]
        assert waiting.session_id == end.child.session_id
        async with Session(child, waiting.session_id, journal=journal, deps=till) as below:
            await below.approve(waiting.id, by="ann")
            assert (await below.resume()).output == "paid"
    assert till.done == ["7"]


async def deferred(journal: Journal, till: Till, inner: Played, model: Played) -> None:
    child = Agent(inner, name="helper", tools=[refund(reconciles=True)], deps_type=Till)
    async with session(journal, till, model, child, needs_approval="defer") as desk:
        result = await desk.run("refund 7", id="m1")
        for approval in result.approvals:
            await desk.approve(approval, by="ann")
        result = await desk.resume()
        assert (result.turn, result.output) == (2, "Good news.")


# --- an answer of a type ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tools", [(), (look,)])
async def test_the_answer_of_a_type_is_the_calls_result_once_it_fits(tools: tuple[Any, ...]) -> None:
    right = '{"order":"7","colour":"blue"}'
    gives = (lambda text: asks(("final_answer", text))) if tools else str
    inner, model = Played(gives("{}"), gives(right)), Played(ASK, "done")
    child = Agent(inner, name="helper", output_type=Found, tools=tools, deps_type=Till)
    async with session(journal := MemoryJournal(), Till(), model, child) as desk:
        assert (await desk.run("go")).output == "done"
        (end,) = await facts_of(desk, ToolFinished)
        assert (end.failed, told(model.requests[-1])) == (False, [right])
        assert end.child is not None
        async with Session(child, end.child.session_id, journal=journal, deps=Till()) as below:
            assert (await below.resume()).output == Found(order="7", colour="blue")


async def test_an_answer_that_never_fits_is_a_failed_result() -> None:
    model = Played(ASK, "It could not.")
    child = Agent(Played(*["no JSON"] * 9), name="helper", output_type=Found, deps_type=Till)
    async with session(MemoryJournal(), Till(), model, child) as desk:
        assert (await desk.run("go")).output == "It could not."
        (end,) = await facts_of(desk, ToolFinished)
        assert end.failed
        assert told(model.requests[-1])[0].startswith("Error: helper failed, and could not finish its task")


async def typed_below(journal: Journal, till: Till, inner: Played, model: Played) -> None:
    child = Agent(inner, name="helper", output_type=Found, tools=[refund(reconciles=True)], deps_type=Till)
    async with session(journal, till, model, child) as desk:
        assert (await desk.run("go", id="m1")).output == "done"


async def typed(journal: Journal, till: Till, _: Played, model: Played) -> None:
    agent = Agent(model, output_type=Found, tools=[refund(reconciles=True)], deps_type=Till)
    async with Session(agent, "s", journal=journal, deps=till) as desk:
        assert (await desk.run("go", id="m1")).output == Found(order="7", colour="blue")


async def typed_alone(journal: Journal, till: Till, _: Played, model: Played) -> None:
    agent = Agent(model, output_type=Found, deps_type=Till)
    async with Session(agent, "s", journal=journal, deps=till) as desk:
        assert (await desk.run("go", id="m1")).output == Found(order="7", colour="blue")
        assert len(await facts_of(desk, OutputRefused)) == 1


RIGHT = '{"order":"7","colour":"blue"}'
FINAL = asks(("final_answer", RIGHT))
WRONG = asks(("final_answer", "{}"))
Work = Callable[[Journal, Till, Played, Played], Any]
WORKS: dict[str, tuple[Work, list[Any], list[Any], int]] = {  # with the turns below, those above, and what is paid
    "deferred": (deferred, [PAY, "refunded"], [ASK, "sent", "Good news."], 1),
    "typed below": (typed_below, [PAY, WRONG, FINAL], [ASK, "done"], 1),
    "typed": (typed, [], [PAY, WRONG, FINAL], 1),
    "typed alone": (typed_alone, [], ["no JSON", RIGHT], 0),
}


@pytest.mark.crash
@pytest.mark.parametrize("fault", ["die before", "die after"])
@pytest.mark.parametrize("name", WORKS)
async def test_killed_around_every_append_nothing_is_paid_or_asked_twice(name: str, fault: Any, tmp_path: Path) -> None:
    work, below, above, paid = WORKS[name]
    for at in range(1, 60):
        till, inner, model = Till(), Played(*below), Played(*above)
        folder = tmp_path / str(at)
        folder.mkdir()
        faulty = FaultyJournal(file(folder), at=at, fault=fault)
        died = await until_death(lambda: work(faulty, till, inner, model))  # noqa: B023 - called here
        await work(file(folder), till, inner, model)
        assert sum(till.paid.values()) == paid
        again = sum(inner.asked.values()) + sum(model.asked.values()) - len(below) - len(above)
        assert again <= (1 if died else 0), "at most the answer that was being recorded is asked for again"
        if not died:
            assert at > 4
            return
    raise AssertionError("it never got through")
