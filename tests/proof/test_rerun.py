"""The loop once more on recorded answers: the same events, or the first that would be another one."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Limits, MemoryJournal, Session, Upgrades, replay
from agentkit.events import CallHeld
from agentkit.journal.export import import_
from agentkit.proof.rerun import Rerun
from tests.journal.stored.agents import World, agent_named, rows_of
from tests.session.desk import Played, Till, asks, look, refund

pytestmark = pytest.mark.anyio

STORED = Path(__file__).parents[1] / "journal" / "stored" / "v1"
EXPECTED = json.loads((STORED / "expected.json").read_text("utf-8"))
TURNS = (asks(("look", {"order": "1"}), ("refund", {"order": "1"})), "done")
REFUND = refund()


async def rerun(journal: MemoryJournal, name: str, agent: Agent[Any, Any], deps: object) -> Rerun:
    again = Rerun(journal, name, agent, deps)
    await again.go()
    return again


@pytest.mark.parametrize("file", EXPECTED["files"])
async def test_today_records_what_was_recorded_in_every_stored_session(file: str) -> None:
    rows, compared = rows_of(STORED), 0
    for name, about in EXPECTED["files"][file].items():
        journal = MemoryJournal()
        lines = gzip.decompress((STORED / about["lines"]).read_bytes()).splitlines(keepends=True)
        await import_(journal, lines, uid="u")
        again = await rerun(journal, name, agent_named(about["agent"], rows), World())
        assert (name, again.difference) == (name, None)
        assert again.events == sum(about["events"].values())
        compared += again.events
    assert compared > 300


async def recorded(*tools: Any, limits: Limits | None = None) -> MemoryJournal:
    journal = MemoryJournal()
    agent = Agent(Played(*TURNS), tools=tools, deps_type=Till, limits=limits or Limits())
    async with Session(agent, "s", journal=journal, deps=Till()) as session:
        assert (await session.run("go", id="m1")).status == "completed"
    return journal


def same_agent() -> Agent[Till, str]:
    return Agent(Played(), tools=[look, REFUND], deps_type=Till)


async def test_a_tool_that_asks_now_is_the_first_difference() -> None:
    journal = await recorded(look, REFUND)
    assert (await rerun(journal, "s", same_agent(), Till())).difference is None
    asking = Agent(Played(), tools=[look, refund(needs_approval=True)], deps_type=Till)
    again = await rerun(journal, "s", asking, Till())
    assert "recorded was ToolStarted(call='1.1.1'" in str(again.difference)
    assert "today's loop records CallHeld(call='1.1.1', kind='approval'" in str(again.difference)
    assert again.why == ("tools refund.needs_approval changed",)
    assert (await replay(journal, "s", asking)).same, "the model would be told the same"


async def test_a_limit_and_a_vanished_tool_are_seen() -> None:
    journal = await recorded(look, REFUND)
    short = Agent(Played(*TURNS), tools=[look, REFUND], deps_type=Till, limits=Limits(steps=1))
    again = await rerun(journal, "s", short, Till())
    assert "recorded was ModelStarted(attempt=1" in str(again.difference)
    assert "today's loop records LimitReached(kind='steps'" in str(again.difference)
    assert "limits steps was 50, is 1 now" in again.why
    async with Session(short, "short", journal=journal, deps=Till()) as session:
        assert (await session.run("go", id="m1")).status == "limit"
    again = await rerun(journal, "short", same_agent(), Till())
    assert "recorded was LimitReached(kind='steps'" in str(again.difference)
    assert "today's loop records ModelStarted(attempt=1" in str(again.difference)
    again = await rerun(journal, "s", Agent(Played(), tools=[look], deps_type=Till), Till())
    assert "today's loop records CallRefused(call='1.1.1', kind='unknown_tool'" in str(again.difference)


async def test_a_limit_that_would_not_be_met_today_is_seen_before_a_call_that_it_stopped() -> None:
    twice = Played(asks(("refund", {"order": "1"}), ("refund", {"order": "2"})), "done")
    journal, short = MemoryJournal(), Limits(tool_calls=1)
    agent = Agent(twice, tools=[look, REFUND], deps_type=Till, limits=short)
    async with Session(agent, "s", journal=journal, deps=Till()) as session:
        assert (await session.run("go", id="m1")).status == "limit"
    assert (await rerun(journal, "s", agent, Till())).difference is None
    again = await rerun(journal, "s", same_agent(), Till())
    assert "recorded was LimitReached(kind='tool_calls'" in str(again.difference)
    assert "today's loop records ToolStarted(call='1.1.1'" in str(again.difference)


async def test_a_policy_that_raises_is_a_refusal_as_it_is_in_the_loop() -> None:
    def broken(order: str) -> bool:
        raise RuntimeError(f"no policy for {order}")

    journal = await recorded(look, REFUND)
    agent = Agent(Played(), tools=[look, refund(needs_approval=broken)], deps_type=Till)
    again = await rerun(journal, "s", agent, Till())
    assert "today's loop records CallRefused(call='1.1.1', kind='policy'" in str(again.difference)


async def test_what_an_upgrade_asked_again_is_no_difference() -> None:
    journal, asking = MemoryJournal(), refund(needs_approval=True)
    old = Agent(Played(*TURNS), tools=[look, asking], deps_type=Till)
    async with Session(old, "s", journal=journal, deps=Till()) as session:
        assert (await session.run("go", id="m1")).status == "waiting"
    upgrades = Upgrades(settings="ask")
    new = Agent(Played(*TURNS), tools=[look, asking], deps_type=Till, settings={"temperature": 0.5}, upgrades=upgrades)
    async with Session(new, "s", journal=journal, deps=Till()) as session:
        result = await session.resume()
        await session.approve(result.approvals[0], by="ann")
        assert (await session.resume()).status == "completed"
        held = [record.seq async for record in session.events() if isinstance(record.event, CallHeld)]
    assert len(held) == 2
    assert (await rerun(journal, "s", new, Till())).difference is None
    assert not (await replay(journal, "s", new)).same, "the first request was sent with other settings"
