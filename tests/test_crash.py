"""A process may die, a disk may fill, a caller may cancel: at every append, whatever the tools do."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from agentkit import Agent, Approvals, MemoryJournal, Outcome, Session, Tool, ToolContext, ToolError, tool
from agentkit.core.loop import fold
from agentkit.core.messages import AssistantMessage, ToolCall
from agentkit.errors import JournalError
from agentkit.events import CallDenied
from agentkit.models import Model
from agentkit.testing import FaultyJournal, PositionedModel, until_death

pytestmark = [pytest.mark.anyio, pytest.mark.crash]

BEHAVIOURS = ("right", "fails early", "fails after its effect", "hangs", "hangs before its effect")
CALLS = (
    ToolCall("a", "refund", '{"order": "7"}'),
    ToolCall("b", "no_such_tool", "{}"),
    ToolCall("c", "charge", '{"order": "8"}'),
    ToolCall("d", "look", '{"order": "9"}'),
)


def positioned() -> PositionedModel:
    return PositionedModel(AssistantMessage(None, reasoning="r0", calls=CALLS))


@dataclass
class World:
    """What the tools did, and how they behave."""

    behaviour: str
    effects: Counter[str] = field(default_factory=Counter)
    nobody: bool = False  # decides about the refund

    async def act(self, key: str) -> str:
        if self.behaviour == "fails early":
            raise ToolError("the bank is closed")
        if self.behaviour == "hangs before its effect":
            await anyio.sleep(0.02)
        await anyio.lowlevel.checkpoint()
        self.effects[key] += 1
        if self.behaviour == "fails after its effect":
            raise RuntimeError("lost the answer")
        if self.behaviour == "hangs":
            await anyio.sleep(30)
        await anyio.lowlevel.checkpoint()
        return "done"


@cache
def tools(*, reconciles: bool) -> list[Tool[World, ..., Any]]:
    @tool(effect="once", needs_approval=True, timeout=0.05)
    async def refund(ctx: ToolContext[World], order: str) -> str:
        """Refund an order."""
        assert order
        return await ctx.deps.act(ctx.idempotency_key)

    @tool(effect="once", timeout=0.05)
    async def charge(ctx: ToolContext[World], order: str) -> str:
        """Charge an order."""
        assert order
        return await ctx.deps.act(ctx.idempotency_key)

    @tool(effect="read", timeout=0.05)
    async def look(ctx: ToolContext[World], order: str) -> str:
        """Look at an order."""
        return f"order {order} for {ctx.session_id}"

    if reconciles:

        @charge.reconcile
        async def was_charged(ctx: ToolContext[World], order: str) -> Outcome[str]:
            assert order
            return Outcome.happened("done") if ctx.deps.effects[ctx.idempotency_key] else Outcome.not_happened()

    return [refund, charge, look]


def program(journal: Any, model: Model, world: World, *, reconciles: bool) -> Session[World, str]:
    patience = Approvals(expire_after=0.2, escalate_after=0.02, escalate_to="bob") if world.nobody else Approvals()
    agent = Agent(model, tools=tools(reconciles=reconciles), deps_type=World, approvals=patience)
    return Session(agent, "s", journal=journal, deps=world)


async def to_the_end(session: Session[World, str], world: World) -> None:
    """What the caller's program does, every time it is started: ask, let people decide truthfully, ask again."""
    for text, name in (("please", "m1"), ("and now?", "m2")):
        result = await session.run(text, id=name)
        for _ in range(12):
            if result.status == "completed":
                break
            assert result.status == "waiting", result
            for approval in result.approvals:
                await (anyio.sleep(0.05) if world.nobody else session.approve(approval, by="ann"))
            for unknown in result.unknowns:
                happened = world.effects[unknown.idempotency_key] > 0
                truth = Outcome.happened("done") if happened else Outcome.not_happened()
                if world.behaviour in {"hangs", "fails after its effect"}:
                    assert happened or world.behaviour == "hangs" or unknown.why
                if not happened and world.behaviour == "hangs before its effect":
                    world.behaviour = "right"
                await session.resolve(unknown, truth, by="bob")
            result = await session.resume()
        assert result.status == "completed", result


async def check(session: Session[World, str], world: World) -> None:
    recorder = session._recorder  # noqa: SLF001 - the state in memory is what this test is about
    events = [record.event async for record in session.events()]
    assert fold(events) == recorder.state
    assert recorder.state.flight is None
    assert all(count == 1 for count in world.effects.values()), world.effects
    if world.behaviour != "fails early":
        assert len(world.effects) == (1 if world.nobody else 2)
        assert any(isinstance(event, CallDenied) and event.by == "agentkit" for event in events) == world.nobody


async def once_killed(at: int, fault: Any, behaviour: str, *, reconciles: bool, nobody: bool = False) -> int:
    """Run the program on a journal that fails at append `at`, then again on a good one; return the appends seen."""
    inner, model, world = MemoryJournal(), positioned(), World(behaviour, nobody=nobody)
    faulty = FaultyJournal(inner, at=at, fault=fault)

    async def first() -> None:
        async with program(faulty, model, world, reconciles=reconciles) as session:
            await to_the_end(session, world)

    died = await until_death(first)
    assert died == (0 < at <= faulty.appends)  # what time decides at once is one append, or two
    await faulty.bury()
    recorded = await answered(inner)
    paid = dict(model.asked)
    async with program(inner, model, world, reconciles=reconciles) as session:
        await to_the_end(session, world)
        await check(session, world)
    for position in range(recorded):
        assert model.asked[position] == paid[position], f"answer {position} was recorded and paid again"
    return faulty.appends


async def answered(journal: MemoryJournal) -> int:
    if await journal.head("s") is None:
        return 0
    return sum([type(record.event).__name__ == "ModelResponded" async for record in journal.read("s")])


@pytest.mark.parametrize("reconciles", [True, False])
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize("fault", ["die before", "die after"])
async def test_killed_around_every_append(behaviour: str, fault: str, *, reconciles: bool) -> None:
    appends = await once_killed(0, fault, behaviour, reconciles=reconciles)
    assert appends > 8
    for at in range(1, appends + 1):
        await once_killed(at, fault, behaviour, reconciles=reconciles)


@pytest.mark.parametrize("fault", ["die before", "die after"])
async def test_time_runs_out_for_people_around_every_append(fault: str) -> None:
    appends = await once_killed(0, fault, "right", reconciles=True, nobody=True)
    assert appends > 8
    for at in range(1, appends + 1):
        await once_killed(at, fault, "right", reconciles=True, nobody=True)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize("fault", ["full", "uncertain before", "uncertain after"])
async def test_a_failing_append_loses_nothing_in_hand(behaviour: str, fault: Any) -> None:
    for at in range(1, 40):
        inner, model, world = MemoryJournal(), positioned(), World(behaviour)
        faulty = FaultyJournal(inner, at=at, fault=fault)
        async with program(faulty, model, world, reconciles=True) as session:
            try:
                await to_the_end(session, world)
            except JournalError:
                events = [record.event async for record in session.events()]
                recorder = session._recorder  # noqa: SLF001
                assert recorder.stale or fold(events) == recorder.state
            await to_the_end(session, world)
            await check(session, world)
            if faulty.appends < at:
                return


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
async def test_cancelled_at_every_append(behaviour: str) -> None:
    for at in range(1, 40):
        inner, model, world = MemoryJournal(), positioned(), World(behaviour)
        scope = anyio.CancelScope()
        faulty = FaultyJournal(inner, at=at, fault="call", calls=scope.cancel)
        async with program(faulty, model, world, reconciles=True) as session:
            with scope:
                await to_the_end(session, world)
            events = [record.event async for record in session.events()]
            assert fold(events) == session._recorder.state  # noqa: SLF001
            await to_the_end(session, world)
            await check(session, world)
        if faulty.appends < at:
            return
