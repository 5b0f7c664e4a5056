"""Two processes at once: one outcome, the same in the journal and in the world."""

import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
import pytest

from agentkit import Approval, Journal, Session
from agentkit.events import (
    CallApproved,
    CallClosed,
    CallDenied,
    ToolFinished,
    ToolStarted,
    ToolUnknown,
    TurnEnded,
    UserSaid,
)
from tests.durable.crash import ROOT, Crew, Process, crew, settled
from tests.durable.crew import agent_of
from tests.durable.engines import DATABASES, ground
from tests.durable.plan import Plan
from tests.forked import Forked

pytestmark = [pytest.mark.anyio, pytest.mark.crash]

ROUNDS = 4
SERVER = pytest.mark.parametrize("engine", [pytest.param(DATABASES[0], marks=pytest.mark.full), DATABASES[1]])
BOTH = pytest.mark.parametrize("engine", DATABASES)
SETTLED = (ToolFinished, CallDenied, CallClosed)


class Callers:
    """Two other processes on a plan's journal, ready to act at the same moment."""

    def __init__(self, hired: Crew) -> None:
        words = [hired.plan.ground.words(), str(hired.plan.folder), str(hired.port)]
        command = [sys.executable, "-W", "ignore", "-m", "tests.durable.caller", *words]
        self.processes: list[Process] = [
            Forked(command, text=True, cwd=ROOT, env=hired.environment, stdin=PIPE, stdout=PIPE) for _ in range(2)
        ]

    async def ready(self) -> None:
        assert [await self._line(each) for each in self.processes] == ["ready"] * 2

    async def do(self, *orders: list[str]) -> list[dict[str, Any]]:
        """Let each do one thing at the same time; return what came of it."""
        for process, order in zip(self.processes, orders, strict=False):
            assert process.stdin is not None
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        return [json.loads(await self._line(each)) for each in self.processes[: len(orders)]]

    async def _line(self, process: Process) -> str:
        assert process.stdout is not None
        with anyio.fail_after(60):
            return (await anyio.to_thread.run_sync(process.stdout.readline, abandon_on_cancel=True)).strip()

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


@asynccontextmanager
async def office(engine: str, folder: Path) -> AsyncIterator[tuple[Crew, Journal, Callers]]:
    plan = Plan(ground(engine, folder), folder, sessions=1, steps=1)
    async with crew(plan) as (hired, journal):
        callers = Callers(hired)
        try:
            await callers.ready()
            yield hired, journal, callers
        finally:
            callers.end()


async def said(journal: Journal, name: str) -> list[Any]:
    return [record.event async for record in journal.read(name)]


async def held(hired: Crew, journal: Journal, name: str) -> Approval:
    """Bring a session to where it asks a person."""
    result = await Session(agent_of(hired.port), name, journal=journal, deps=hired.world).run(f"{name}: 1 payments")
    (approval,) = result.approvals
    return approval


def effects(hired: Crew) -> Counter[str]:
    return Counter(f"{words[2]}/{words[3]}" for words in hired.did())


# On a file: tests/session/test_session_same_program.py.
@SERVER
async def test_two_messages_from_two_processes_are_two_turns(engine: str, tmp_path: Path) -> None:
    async with office(engine, tmp_path) as (hired, journal, callers):
        one, other = await callers.do(["s", "run", "a: 2 steps", "m1"], ["s", "run", "b: 2 steps", "m2"])
        assert (one["text"], other["text"]) == ("a: all 2 steps are done", "b: all 2 steps are done")
        assert {one["turn"], other["turn"]} == {1, 2}
        events = await said(journal, "s")
        assert sorted(str(event.id) for event in events if isinstance(event, UserSaid)) == ["m1", "m2"]
        assert [event.status for event in events if isinstance(event, TurnEnded)] == ["completed"] * 2
        assert effects(hired) == Counter(["a/0", "a/1", "b/0", "b/1"])


@SERVER  # as above
async def test_one_message_from_two_processes_is_one_turn(engine: str, tmp_path: Path) -> None:
    async with office(engine, tmp_path) as (hired, journal, callers):
        one, other = await callers.do(["s", "run", "a: 2 steps", "m1"], ["s", "run", "a: 2 steps", "m1"])
        assert one == other == {"status": "completed", "text": "a: all 2 steps are done", "turn": 1}
        assert len([event for event in await said(journal, "s") if isinstance(event, UserSaid)]) == 1
        assert effects(hired) == Counter(["a/0", "a/1"])


@SERVER  # on a file: tests/cli/test_cli_decide.py
async def test_an_approval_while_all_workers_are_down_waits_for_the_first(engine: str, tmp_path: Path) -> None:
    async with office(engine, tmp_path) as (hired, journal, callers):
        hired.hire()
        await Session(agent_of(hired.port), "s0", journal=journal, deps=hired.world).say("s0: 1 payments", id="m1")
        await settled(hired, journal, seconds=40)
        assert hired.end() == [0]
        ((_, asked),) = [each async for each in journal.asked("s0")]
        assert await callers.do(["s0", "approve", asked.id]) == [{"approved": asked.id}]
        await anyio.sleep(0.3)
        assert effects(hired) == {}
        hired.hire()
        await settled(hired, journal, seconds=40)
        assert effects(hired) == {"s0/0": 1}
        assert [event.status for event in await said(journal, "s0") if isinstance(event, TurnEnded)] == ["completed"]


@BOTH
async def test_a_double_approval_is_one(engine: str, tmp_path: Path) -> None:
    async with office(engine, tmp_path) as (hired, journal, callers):
        for number in range(ROUNDS):
            name = f"s{number}"
            asked = (await held(hired, journal, name)).id
            done = await callers.do([name, "approve and resume", asked], [name, "approve and resume", asked])
            assert done == [{"status": "completed"}] * 2
            events = await said(journal, name)
            assert len([event for event in events if isinstance(event, CallApproved)]) == 1
            assert len([event for event in events if isinstance(event, ToolStarted)]) == 1
        assert effects(hired) == Counter(f"s{number}/0" for number in range(ROUNDS))


@BOTH
@pytest.mark.parametrize("against", ["cancel", "deny"])
async def test_approve_against_cancel_or_deny_has_one_outcome(engine: str, against: str, tmp_path: Path) -> None:
    async with office(engine, tmp_path) as (hired, journal, callers):
        outcomes: Counter[str] = Counter()
        for number in range(ROUNDS):
            name = f"s{number}"
            asked = (await held(hired, journal, name)).id
            other = [name, "cancel"] if against == "cancel" else [name, "deny", asked]
            done = await callers.do([name, "approve and resume", asked], other)
            events = await said(journal, name)
            found = [event for event in events if isinstance(event, SETTLED)]
            ends = [event for event in events if isinstance(event, TurnEnded)]
            assert (len(found), len(ends)) == (1, 1), (done, events[5:])
            (settled_by,), (ended,) = found, ends
            ran = isinstance(settled_by, ToolFinished)
            assert effects(hired)[f"{name}/0"] == int(ran)
            # A tool that was cut off by the cancel, and not back in its grace time, makes who asks wait for a moment.
            meanwhile = {"waiting"} if any(isinstance(event, ToolUnknown) for event in events) else set()
            assert {each.get("status", ended.status) for each in done} - meanwhile <= {ended.status}, (done, events)
            assert {each["error"] for each in done if "error" in each} <= {"AlreadyDecided", "ApprovalVoid"}, done
            outcomes[type(settled_by).__name__] += 1
        print(f"\n{engine}, approve against {against}: {dict(outcomes)}")  # noqa: T201 - how the races ended
