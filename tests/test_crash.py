"""A process may die, a disk may fill, a caller may cancel: at every append, whatever the tools do."""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from agentkit import Agent, MemoryJournal, Outcome, Session, Tool, ToolContext, ToolError, tool
from agentkit.core.contract import Contract
from agentkit.core.loop import fold
from agentkit.core.messages import AssistantMessage, ToolCall
from agentkit.core.spec import Usage
from agentkit.errors import JournalError
from agentkit.models import Model
from agentkit.models.base import Answered, Body, Reply, Show
from agentkit.testing import Died, FaultyJournal, ill_formed

pytestmark = [pytest.mark.anyio, pytest.mark.crash]

BEHAVIOURS = ("right", "fails early", "fails after its effect", "hangs", "hangs before its effect")
CALLS = (
    ToolCall("a", "refund", '{"order": "7"}'),
    ToolCall("b", "no_such_tool", "{}"),
    ToolCall("c", "charge", '{"order": "8"}'),
    ToolCall("d", "look", '{"order": "9"}'),
)


class Positioned(Model):
    """Answers by how many answers the request holds, so that a resumed program just goes on; judges each request."""

    def __init__(self) -> None:
        super().__init__("positioned", base_url="http://127.0.0.1", contract="generic")
        self.asked: Counter[int] = Counter()

    async def call(self, body: Body, contract: Contract, show: Show | None) -> Reply:  # noqa: ARG002 - the face of a model
        request = {"messages": [json.loads(fragment) for fragment in body.messages]}
        assert ill_formed(request) is None, ill_formed(request)
        position = sum(message["role"] == "assistant" for message in request["messages"])
        self.asked[position] += 1
        await anyio.lowlevel.checkpoint()
        calls = CALLS if position == 0 else ()
        text = None if calls else f"answer {position}"
        return Answered(AssistantMessage(text, reasoning=f"r{position}", calls=calls), "stop", Usage(10, 0, 5, 1))


@dataclass
class World:
    """What the tools did, and how they behave."""

    behaviour: str
    effects: Counter[str] = field(default_factory=Counter)

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
    agent = Agent(model, tools=tools(reconciles=reconciles), deps_type=World)
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
                await session.approve(approval, by="ann")
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
        assert len(world.effects) == 2


async def once_killed(at: int, fault: Any, behaviour: str, *, reconciles: bool) -> int:
    """Run the program on a journal that fails at append `at`, then again on a good one; return the appends seen."""
    inner, model, world = MemoryJournal(), Positioned(), World(behaviour)
    faulty = FaultyJournal(inner, at=at, fault=fault)
    try:
        async with program(faulty, model, world, reconciles=reconciles) as session:
            await to_the_end(session, world)
    except BaseExceptionGroup as group:
        rest = group.split(Died)[1]
        assert rest is None, rest
    except Died:
        pass
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


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize("fault", ["full", "uncertain before", "uncertain after"])
async def test_a_failing_append_loses_nothing_in_hand(behaviour: str, fault: Any) -> None:
    for at in range(1, 40):
        inner, model, world = MemoryJournal(), Positioned(), World(behaviour)
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
        inner, model, world = MemoryJournal(), Positioned(), World(behaviour)
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
