"""A worker freezes in the middle of a tool, another takes over, the first one thaws: its record is refused."""

from pathlib import Path

import pytest

from agentkit import Outcome, Session
from agentkit.events import InboxRefused, ToolStarted, TurnEnded
from agentkit.testing import FrozenWorker
from tests.durable.crash import crew, parked, settled, until
from tests.durable.crew import agent_of
from tests.durable.engines import DATABASES, ground
from tests.durable.plan import Plan

pytestmark = [pytest.mark.anyio, pytest.mark.crash]

TTL = 1.0


# On a file the journal's fence holds by tests/journal/test_journal_processes.py; the whole way again in the full suite.
@pytest.mark.parametrize("engine", [pytest.param(DATABASES[0], marks=pytest.mark.full), DATABASES[1]])
async def test_a_zombie_is_refused_says_so_and_stops(engine: str, tmp_path: Path) -> None:
    plan = Plan(ground(engine, tmp_path, TTL), tmp_path, sessions=2, steps=1, takes=1.0)
    async with crew(plan) as (hired, journal):
        session, other = (Session(agent_of(hired.port), name, journal=journal, deps=hired.world) for name in plan.names)
        await session.say("s0: 1 steps", id="m1")
        async with FrozenWorker(hired.command, journal, "s0", at=ToolStarted, env=hired.environment) as zombie:
            hired.hire()
            await until(hired, lambda: parked(journal))
            (unknown,) = (await parked(journal)).values()
            assert hired.did() == []
            await session.resolve(unknown, Outcome.not_happened(), by="ann")
            await settled(hired, journal, seconds=30, names=["s0"])
            records = [each async for each in session.events()]
            assert isinstance(records[-1].event, TurnEnded)
            hired.end()

            zombie.thaw()
            await zombie.says("'s0': another process took it over while this one was away")
            later = [each.event async for each in session.events(after=records[-1].seq)]
            # What it knows it may only leave in the inbox, where it is taken as what it is: too late.
            assert all(isinstance(event, InboxRefused) for event in later)
            await other.say("s1: 1 steps", id="m1")
            await settled(hired, journal, seconds=30)
            assert await zombie.stop() == 0
            assert "1 fenced" in zombie.said
            late, key = str(zombie.pid), unknown.idempotency_key
        # It happened twice, as it must where a process thaws: under one key, which is what the key is for.
        assert [words[1] for words in hired.did() if words[2] == "s0"] == [key, key]
        assert [words[2] for words in hired.did() if words[4] == late] == ["s0", "s1"]
