"""The crash experiment: N sessions of S steps, three workers, one of them killed; then everything is counted.

What is counted comes from three sides that know nothing of each other: the journal, the model service's bill, and the
world in which the tool took effect.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from agentkit import Journal, Outcome, Session, UnknownOutcome
from agentkit.core.record import Record
from agentkit.core.waiting import Waiting
from tests.durable.counting import (
    Killed,
    check_bill,
    check_effects,
    check_nothing_lost,
    check_parked,
    resumed_after,
)
from tests.durable.crew import agent_of
from tests.durable.engines import Ground
from tests.durable.plan import Plan
from tests.durable.world import World, done
from tests.forked import Forked

ROOT = Path(__file__).parents[2]
ASKED = 4  # events, from SessionStarted to ModelStarted
Process = subprocess.Popen[str]


class Crew:
    """The processes of one experiment. All of them are gone when it is left."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.world = plan, World(plan.folder)
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.service = self._start("service", [str(plan.folder), str(plan.thinks)], told=subprocess.PIPE)
        assert self.service.stdout is not None
        self.port = int(self.service.stdout.readline())
        self.workers: list[Process] = []

    def _start(self, module: str, words: Sequence[str], *, told: int | None = None) -> Process:
        with (self.plan.folder / f"{module}.log").open("a") as log:
            command = [sys.executable, "-W", "ignore", "-m", f"tests.durable.{module}", *words]
            out = log if told is None else told
            return Forked(command, text=True, cwd=ROOT, env=self.environment, stdout=out, stderr=log)

    def hire(self) -> Process:
        """Start a worker."""
        self.workers.append(self._start("crew", self.words))
        return self.workers[-1]

    @property
    def words(self) -> list[str]:
        """What a worker is told."""
        plan = self.plan
        told = (plan.ground.words(), plan.folder, self.port, plan.concurrency, plan.takes)
        return [str(each) for each in told]

    @property
    def command(self) -> list[str]:
        """What starts a worker in `environment`, from anywhere."""
        return [sys.executable, "-W", "ignore", "-m", "tests.durable.crew", *self.words]

    @property
    def log(self) -> str:
        """What the workers said."""
        path = self.plan.folder / "crew.log"
        return path.read_text() if path.exists() else ""

    def did(self) -> list[tuple[str, ...]]:
        """Return what took effect, in order: did, key, session, step, pid."""
        return [line.words for line in self.world.lines("effects") if line.words[0] == "did"]

    def end(self) -> list[int]:
        """Stop the workers as an operator would; return their exit codes."""
        for worker in self.workers:
            worker.send_signal(signal.SIGTERM)
        codes = [worker.wait(40) for worker in self.workers]
        self.workers.clear()
        return codes

    def kill(self) -> None:
        """End whatever is left."""
        for process in (*self.workers, self.service):
            process.kill()
            process.communicate()


@asynccontextmanager
async def crew(plan: Plan, direct: Ground | None = None) -> AsyncIterator[tuple[Crew, Journal]]:
    """Open the service and the journal, and end everything at the end. `direct`: around what disturbs them."""
    hired = Crew(plan)
    try:
        async with (direct or plan.ground).journal() as journal:
            yield hired, journal
    finally:
        hired.kill()


async def say_everything(plan: Plan, journal: Journal, port: int) -> None:
    """Leave every session's message, as an API process would."""
    agent, engine = agent_of(port), plan.ground.open(journal)
    for name in plan.names:
        session = Session(agent, name, journal=journal, deps=World(plan.folder))
        await session.say(f"{name}: {plan.steps} steps", id="m1")
        await plan.ground.wake(engine, name, "m1")


async def kill_one(hired: Crew, journal: Journal, chance: random.Random) -> Killed:
    """Kill a worker in the middle of a turn, at a random moment, when between a fifth and three fifths of all is done.

    It is frozen while it is looked whether it is in the middle of one: at another moment nobody would feel its death.
    """
    plan, fraction = hired.plan, chance.uniform(0.2, 0.6)
    with anyio.fail_after(600):
        while _effects(hired) < fraction * plan.sessions * plan.steps:
            assert all(worker.poll() is None for worker in hired.workers), hired.log
            await anyio.sleep(0.02)
    await anyio.sleep(chance.uniform(0, 0.1))
    while True:
        victim = chance.choice(await _busy(hired, journal))
        victim.send_signal(signal.SIGSTOP)
        if victim in await _busy(hired, journal):
            break
        victim.send_signal(signal.SIGCONT)
    hired.workers.remove(victim)
    at = time.time()
    victim.kill()
    victim.communicate()
    return Killed(victim.pid, at, fraction)


async def _busy(hired: Crew, journal: Journal) -> list[Process]:
    """Return the workers that drive a turn of which start, binding, message and a model's call are recorded."""
    heads = [await journal.head(name) for name in hired.plan.names]
    open_turns = [head for head in heads if head is not None and head.status == "open" and head.last_seq >= ASKED]
    owners = {(head.owner or "").partition(" ")[0] for head in open_turns}  # SQLite's tells more behind the name
    busy = [each for each in hired.workers if any(owner.endswith(f":{each.pid}") for owner in owners)]
    assert busy, "all is done: nobody would feel a death any more"
    return busy


def _effects(hired: Crew) -> int:
    path = hired.plan.folder / "effects"
    return path.read_bytes().count(b" did ") if path.exists() else 0


async def until(hired: Crew, holds: Callable[[], Awaitable[object]], seconds: float = 30) -> None:
    """Wait until something holds."""
    with anyio.move_on_after(seconds):
        while not await holds():  # noqa: ASYNC110 - what other processes do
            await anyio.sleep(0.02)
        return
    raise AssertionError(f"not within {seconds} s\n{hired.log}")


async def settled(hired: Crew, journal: Journal, *, seconds: float, names: Sequence[str] = ()) -> None:
    """Wait until no session (or none of these) has anything to do: its turn has ended, or it waits for a person."""
    left, why = list(names or hired.plan.names), ""  # who rests stays so: not asked again, which costs the workers time

    async def at_rest() -> bool:
        nonlocal why
        assert all(worker.poll() is None for worker in hired.workers), hired.log
        while left and not (why := await _restless(left[-1], journal)):
            left.pop()
        return not left

    try:
        await until(hired, at_rest, seconds)
    except AssertionError as error:
        raise AssertionError(f"{why}: {error}") from None


async def _restless(name: str, journal: Journal) -> str:
    left = await journal.inbox(name)  # first: a row that is taken between the two looks changes the status
    head = await journal.head(name)
    rests = not left and head is not None and head.status in {"completed", "waiting"}
    return "" if rests else f"session {name} is {head and head.status}"


async def histories(plan: Plan, journal: Journal) -> dict[str, list[Record]]:
    """Return all that is recorded."""
    return {name: [record async for record in journal.read(name)] for name in plan.names}


async def parked(journal: Journal) -> dict[str, UnknownOutcome]:
    """Return what waits for a person, by idempotency key; nothing but unknown outcomes may."""
    found: list[Waiting] = [each async for each in journal.pending()]
    assert all(isinstance(each, UnknownOutcome) for each in found), found
    return {each.idempotency_key: each for each in found if isinstance(each, UnknownOutcome)}


async def decide_truthfully(hired: Crew, journal: Journal, unknowns: dict[str, UnknownOutcome]) -> tuple[int, int]:
    """Look into the world and say what happened; return how many had happened and how many had not."""
    did = {words[1]: words for words in hired.did()}
    agent, engine = agent_of(hired.port), hired.plan.ground.open(journal)
    for key, unknown in unknowns.items():
        session = Session(agent, unknown.session_id, journal=journal, deps=hired.world)
        truth = Outcome.happened(done(did[key][2], int(did[key][3]))) if key in did else Outcome.not_happened()
        await session.resolve(unknown, truth, by="ann")
        await hired.plan.ground.wake(engine, unknown.session_id, unknown.id)
    happened = sum(key in did for key in unknowns)
    return happened, len(unknowns) - happened


@dataclass(frozen=True)
class Figures:
    """What came of an experiment; seconds."""

    seed: int
    killed_at: float  # part of all steps
    parked: int
    happened: int
    asked_twice: int  # answers that were under way at the kill
    resumed: list[float]
    wall: float
    steps_per_second: float

    def __str__(self) -> str:
        first, last = (self.resumed[0], self.resumed[-1]) if self.resumed else (0.0, 0.0)
        return (
            f"seed {self.seed}: killed at {self.killed_at:.0%}; {len(self.resumed)} sessions were its own, resumed "
            f"first after {first:.1f} s, all after {last:.1f} s; {self.parked} parked ({self.happened} had happened), "
            f"{self.asked_twice} answers asked for twice; {self.steps_per_second:.0f} steps/s, {self.wall:.0f} s in all"
        )


async def experiment(plan: Plan) -> Figures:
    """Run it, and check everything; what is returned is for people."""
    chance, began = random.Random(plan.seed), time.time()  # noqa: S311 - chance
    print(f"\n{plan.ground.engine}: {plan.sessions} x {plan.steps}, SEED={plan.seed}")  # noqa: T201 - to run it again
    async with crew(plan) as (hired, journal):
        for _ in range(plan.workers):
            hired.hire()
        await say_everything(plan, journal, hired.port)
        killed = await kill_one(hired, journal, chance)
        await settled(hired, journal, seconds=60 + plan.sessions * plan.steps / 10)
        unknowns, before = await parked(journal), await histories(plan, journal)
        check_parked(before, unknowns, hired.world, killed.pid)
        resumed = resumed_after(killed, before)
        happened, _ = await decide_truthfully(hired, journal, unknowns)
        await settled(hired, journal, seconds=30 + plan.sessions * plan.steps / 10)
        wall = time.time() - began
        assert await parked(journal) == {}
        records = await histories(plan, journal)
        codes = hired.end()
        assert codes == [0] * (plan.workers - 1), hired.log
        check_nothing_lost(plan, records)
        lost = check_bill(plan, records, hired.world)
        check_effects(plan, hired.world)
    assert len(unknowns) + lost <= plan.concurrency, "each session of its own had one thing in flight"
    assert resumed, "a death that nobody felt proves nothing"
    rate = _rate(hired.world, killed.at)
    figures = Figures(plan.seed, killed.fraction, len(unknowns), happened, lost, resumed, wall, rate)
    assert resumed[-1] <= plan.ground.ttl + 5, f"later than {plan.ground.ttl + 5} s: {figures}"
    return figures


def _rate(world: World, until: float) -> float:
    """Return the steps per second of all workers, until one was killed."""
    at = [line.at for line in world.lines("effects") if line.words[0] == "did" and line.at <= until]
    return len(at) / (at[-1] - at[0]) if len(at) > 1 else 0.0
