"""A desk killed at random moments, for good, and started again: every change is made, and none is made twice."""

import json
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import pytest
from anyio import to_thread

from agentkit import Agent, Model, Outcome, Session, SQLiteJournal, replay
from agentkit.emulator import Emulator, Reply
from examples.retail.desk import desk
from examples.retail.load import load
from examples.retail.shop import Shop
from tests.examples.retail_process import forgetful, fork
from tests.examples.retail_tasks import TASKS, expected, left_behind, morning, needs_real, turns

pytestmark = [needs_real, pytest.mark.anyio, pytest.mark.crash]

ONCE = {each.name for each in desk("deepseek-flash").tools if each.effect == "once"}
FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(["tests.examples.retail_process", "agentkit.models.openai", "agentkit.models.prices"])
PAUSE = 0.03  # seconds before each answer of the model
KILLS = 4


def changes(task: dict[str, Any]) -> list[str]:
    """The calls that change something."""
    return [asked["tool"] for asked in task["calls"] if asked["tool"] in ONCE and not asked["error"]]


BUSY = [task for task in TASKS if len(changes(task)) > 1 and len(task["calls"]) > 4]


@dataclass(frozen=True)
class Desk:
    """One customer at a desk that is killed.

    Attributes:
        forgetful: its tools cannot find out what became of a call, so a person must.
    """

    number: int
    task: dict[str, Any]
    forgetful: bool

    @property
    def message(self) -> str:
        """The first message: it names the conversation in the emulator's script."""
        return f"{self.task['customer']['reason_for_call']} ({self.number})"

    def script(self) -> list[Reply]:
        """The model's side."""
        return [replace(reply, delay=PAUSE) for reply in turns(self.task, 1, Random(self.number))]  # noqa: S311

    @property
    def moments(self) -> list[float]:
        """When it is killed, in seconds after each start: the first time for certain before it is through."""
        luck, shortest = Random(self.number), PAUSE * (len(self.task["calls"]) + 3)  # noqa: S311 - chosen, not secret
        return [luck.uniform(0, shortest), *(luck.uniform(0, shortest + 0.5) for _ in range(KILLS - 1))]

    def __str__(self) -> str:
        return f"{self.number}, task {self.task['id']}{', forgetful' if self.forgetful else ''}"


DESKS = [Desk(number, BUSY[number * 7 % len(BUSY)], number % 2 == 1) for number in range(50)] if BUSY else []
SOME = 6


@pytest.fixture
async def service() -> AsyncIterator[Emulator]:
    async with Emulator({each.message: each.script() for each in DESKS}) as emulator:
        yield emulator


@dataclass(frozen=True)
class Files:
    """What outlives a process."""

    journal: Path
    shop: Path

    def result(self, key: str) -> Any:
        """What came of the change under an idempotency key, by the shop's books; None if nothing did."""
        with Shop(self.shop).reading() as db:
            row = db.execute("SELECT result FROM change_log WHERE idempotency_key = ?", (key,)).fetchone()
        return json.loads(row["result"]) if row else None

    @property
    def changed(self) -> list[str]:
        """The tools by which the shop was changed."""
        with Shop(self.shop).reading() as db:
            return [row["tool"] for row in db.execute("SELECT tool FROM change_log")]


async def resolve(files: Files, agent: Agent[Shop]) -> None:
    """Be the person who looks into the shop's books and says what became of a call."""
    async with Session(agent, "customer", journal=SQLiteJournal(files.journal), deps=Shop(files.shop)) as session:
        result = await session.status()
        assert result is not None
        assert result.unknowns
        for unknown in result.unknowns:
            found = files.result(unknown.idempotency_key)
            outcome = Outcome.not_happened() if found is None else Outcome.happened(found)
            await session.resolve(unknown, outcome, by="ann")


async def life(mine: Desk, files: Files, service: Emulator, seconds: float) -> str:
    """Run the program, always the same, kill it after so many seconds, and tell how the session rests, or "killed"."""
    customer = {"id": "customer", "shop": str(files.shop), "messages": [mine.message, "Is that all?", "Goodbye."]}
    work = {"journal": str(files.journal), "base_url": service.base_url, "customers": [customer]}
    ours, theirs = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=fork, args=(work | {"forgetful": mine.forgetful}, theirs))
    with ours, theirs:
        process.start()
        assert await to_thread.run_sync(ours.recv) == "ready"
        await to_thread.run_sync(process.join, seconds)
        process.kill()
        await to_thread.run_sync(process.join)
        killed = process.exitcode == -signal.SIGKILL
        assert killed or process.exitcode == 0
        process.close()
        return "killed" if killed else str(ours.recv())


@pytest.mark.parametrize(
    "mine", [pytest.param(each, marks=pytest.mark.full if each.number >= SOME else (), id=str(each)) for each in DESKS]
)
async def test_killed_at_any_moment_and_run_again(mine: Desk, service: Emulator, tmp_path: Path) -> None:
    files = Files(tmp_path / "journal.db", load(tmp_path / "shop.db", morning()[0]).path)
    agent = desk(Model("deepseek-flash", base_url=service.base_url, contract="deepseek-v4"))
    agent = forgetful(agent) if mine.forgetful else agent

    lives = [await life(mine, files, service, moment) for moment in mine.moments]
    assert lives[0] == "killed"
    while lives[-1] != "completed":
        assert len(lives) < KILLS + 2 * len(changes(mine.task)) + 1, lives
        if lives[-1] == "waiting":
            await resolve(files, agent)
        lives.append(await life(mine, files, service, 60))

    assert left_behind(Shop(files.shop)) == expected(mine.task)
    assert sorted(files.changed) == sorted(changes(mine.task))
    assert not files.shop.with_suffix(".twice").exists()
    assert service.counts.by_status == {200: service.counts.requests}
    lost = service.counts
    assert (lost.reasoning_missing, lost.reasoning_altered, lost.content_altered, lost.arguments_altered) == (0,) * 4
    again = await replay(SQLiteJournal(files.journal), "customer", agent)
    assert again.same, again.difference
