"""People, time and processes at once: one outcome, the same in the journal and in the world."""

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

from agentkit import Agent, Approvals, Session
from agentkit.core.loop import fold
from agentkit.errors import AlreadyDecided, ApprovalVoid, NothingToResume
from agentkit.events import (
    CallApproved,
    CallClosed,
    CallDenied,
    CancelRequested,
    InboxRefused,
    ToolFinished,
    ToolStarted,
    TurnEnded,
    UserSaid,
)
from tests.forked import Forked
from tests.session.desk import Played, Till, asks, facts, facts_of, file, refund

pytestmark = [pytest.mark.anyio, pytest.mark.crash]

ROOT = Path(__file__).parents[2]
PAY = asks(("refund", {"order": "7"}))
SHARES, FEW, MANY = 4, 25, 250  # of many, a thousand in all
TOO_LATE = (AlreadyDecided, ApprovalVoid, NothingToResume)
SETTLED = (ToolFinished, CallDenied, CallClosed)


class Race:
    """One held call, two sessions on one file, and everything that can befall the call, at random moments."""

    def __init__(self, path: Path, number: int) -> None:
        self.random = Random(number)  # noqa: S311 - chance, not secrets
        self.till = Till()
        self.name = f"race-{number}"
        self.expires = self.random.choice([None, 0.001, 0.003, 0.006, 0.01])
        self.sessions = [self.session(path) for _ in range(2)]
        self.said: list[str] = []

    def session(self, path: Path) -> Session[Till, str]:
        agent = Agent(
            Played(PAY, "done"),
            tools=[refund(needs_approval=True)],
            deps_type=Till,
            approvals=Approvals(expire_after=self.expires),
        )
        return Session(agent, self.name, journal=file(path), deps=self.till)

    async def attempt(self, name: str, act: Callable[[], Awaitable[object]]) -> None:
        await anyio.sleep(self.random.random() * 0.012)
        try:
            await act()
        except TOO_LATE:
            return
        self.said.append(name)

    async def run(self) -> None:
        one, other = self.sessions
        async with one, other:
            approvals = (await one.run("refund 7", id="m1")).approvals
            if not approvals:  # its time was up before anybody could look
                assert self.expires is not None
                self.check(await facts(one))
                return
            (asked,) = approvals
            acts: dict[str, Callable[[], Awaitable[object]]] = {
                "approve": lambda: one.approve(asked, by="ann"),
                "approve again": lambda: other.approve(asked, by="bob"),
                "deny": lambda: other.deny(asked, by="eve", reason="no"),
                "cancel": lambda: one.cancel(by="dan"),
                "resume": one.resume,
                "resume elsewhere": other.resume,
            }
            chosen = self.random.sample(sorted(acts), self.random.randrange(2, len(acts) + 1))
            async with anyio.create_task_group() as tasks:
                for name in chosen:
                    tasks.start_soon(self.attempt, name, acts[name])
            result = await one.resume()
            if result.status == "waiting":  # nobody said anything that counts
                assert not {"approve", "approve again", "deny", "cancel"} & set(self.said)
                await one.deny(asked, by="the end", reason="no")
                await other.resume()
            self.check(await facts(one))

    def check(self, events: list[Any]) -> None:
        settled = [event for event in events if isinstance(event, SETTLED)]
        assert len(settled) == 1, settled
        starts = [event for event in events if isinstance(event, ToolStarted)]
        ended = [event for event in events if isinstance(event, TurnEnded)]
        cancels = [event for event in events if isinstance(event, CancelRequested)]
        ran = isinstance(settled[0], ToolFinished)
        assert (len(starts), self.till.paid.total()) == ((1, 1) if ran else (0, 0))
        assert len(ended) == 1
        assert ended[0].status == ("cancelled" if cancels else "completed")
        if starts:
            approvals = [event for event in events if isinstance(event, CallApproved)]
            assert len(approvals) == 1, "nothing ran that nobody approved"
        if isinstance(settled[0], CallDenied) and settled[0].by == "agentkit":
            assert self.expires is not None
        fold(events)


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("races", [FEW, pytest.param(MANY, marks=pytest.mark.full)])
async def test_approve_deny_cancel_and_time_in_a_race(tmp_path: Path, share: int, races: int) -> None:
    outcomes: dict[str, int] = {}
    for number in range(share * races, (share + 1) * races):
        race = Race(tmp_path, number)
        with anyio.fail_after(60):
            await race.run()
        async with race.session(tmp_path) as session:
            (end,) = [event for event in await facts(session) if isinstance(event, SETTLED)]
            kind = type(end).__name__ + (" in time" if isinstance(end, CallDenied) and end.by != "agentkit" else "")
            outcomes[kind] = outcomes.get(kind, 0) + 1
    assert set(outcomes) == {"ToolFinished", "CallDenied", "CallDenied in time", "CallClosed"}, outcomes
    assert min(outcomes.values()) > races // 50, f"a race that always ends alike proves nothing: {outcomes}"


async def test_approve_and_cancel_in_a_race_between_two_sessions(tmp_path: Path) -> None:
    for number in range(40):
        till, random = Till(), Random(number)  # noqa: S311 - chance, not secrets
        agent = Agent(Played(PAY, "done"), tools=[refund(needs_approval=True)], deps_type=Till)
        one, other = (Session(agent, f"c-{number}", journal=file(tmp_path), deps=till) for _ in range(2))
        async with one, other:
            (asked,) = (await one.run("refund 7")).approvals

            async def approve(session: Any = one, asked: Any = asked, wait: float = random.random() / 200) -> None:
                await anyio.sleep(wait)
                try:
                    await session.approve(asked, by="ann")
                    await session.resume()
                except TOO_LATE:
                    return

            async def cancel(session: Any = other, wait: float = random.random() / 200) -> None:
                await anyio.sleep(wait)
                await session.cancel(by="dan")

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(approve)
                tasks.start_soon(cancel)
            result = await other.resume()
            assert result.status in {"completed", "cancelled"}
            assert till.paid.total() == len(await facts_of(one, ToolStarted)) == len(await facts_of(one, ToolFinished))
            assert len(await facts_of(one, TurnEnded)) == 1


async def test_a_double_approval_is_one(tmp_path: Path) -> None:
    till = Till()
    agent = Agent(Played(PAY, "done"), tools=[refund(needs_approval=True)], deps_type=Till)
    sessions = [Session(agent, "s", journal=file(tmp_path), deps=till) for _ in range(6)]
    async with sessions[0] as first:
        (asked,) = (await first.run("refund 7")).approvals

        async def approve(session: Session[Till, str], by: str) -> None:
            async with session:
                await session.approve(asked, by=by)
                assert (await session.resume()).output == "done"

        async with anyio.create_task_group() as tasks:
            for number, session in enumerate(sessions[1:]):
                tasks.start_soon(approve, session, f"person {number}")
        assert len(await facts_of(first, CallApproved)) == 1
        assert not await facts_of(first, InboxRefused)
    assert till.done == ["7"]


_SAY = """
import sys, json, anyio
from agentkit import Agent, Session, SQLiteJournal
from tests.session.desk import Played

async def main(path, word):
    agent = Agent(Played(*[f"answer {n}" for n in range(20)]))
    async with Session(agent, "s", journal=SQLiteJournal(path)) as session:
        results = [await session.run(f"{word} {n}", id=f"{word}-{n}") for n in range(5)]
    print(json.dumps([[each.turn, each.output] for each in results]))

anyio.run(main, *sys.argv[1:])
"""


async def test_two_messages_for_one_session_from_two_processes(tmp_path: Path) -> None:
    words = ["one", "other"]
    command = [sys.executable, "-c", _SAY, str(tmp_path / "desk.db")]
    talks = [Forked([*command, word], stdout=subprocess.PIPE, text=True, cwd=ROOT) for word in words]
    said = [json.loads(talk.communicate(timeout=60)[0]) for talk in talks]
    turns = [turn for results in said for turn, _ in results]
    assert sorted(turns) == list(range(1, 11)), "each message had a turn of its own"
    assert {output for results in said for _, output in results} == {f"answer {n}" for n in range(10)}
    async with Session(Agent(Played()), "s", journal=file(tmp_path)) as session:
        messages = await facts_of(session, UserSaid)
        assert sorted(str(each.id) for each in messages) == sorted(f"{w}-{n}" for w in words for n in range(5))
        for word in words:
            mine = [each.id for each in messages if str(each.id).startswith(word)]
            assert mine == [f"{word}-{n}" for n in range(5)], "in the order they were said"
