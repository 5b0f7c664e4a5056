"""agentkit beside itself: what a session of ten times the steps costs, sending left out, and how big its file gets."""

import gc
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from sqlite3 import connect
from statistics import median
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import anyio

from agentkit import Agent, Journal, Limits, MemoryJournal, ScriptedModel, Session, SQLiteJournal
from agentkit.messages import AssistantMessage, ToolCall
from benchmarks.work import QUESTION, THINKING, look_up

CPU_BUDGET = 12.0  # 1,000 steps against 100: linear is 10
SIZE_BUDGET = 1.5  # bytes of the file against bytes of the conversation
CALLS_BUDGET = 1.01  # the file's threads wake the loop a time more or less
EARLY, LATE = 50, 950  # steps whose Python calls are counted
_AROUND = 10  # steps before and after: a wait more or less is a few calls

Opens = Callable[[Path], Journal]
_KINDS: dict[str, Opens] = {"MemoryJournal": lambda _: MemoryJournal(), "SQLiteJournal": SQLiteJournal}


class InProcess(ScriptedModel):
    """Answers from the last message alone: a service's part, which grows with the history, is left out."""

    last: Any = None  # the last request
    heed: Callable[[], None] | None = None  # called at each request

    async def call(self, body: Any, contract: Any, show: Any) -> Any:
        """Play the next reply."""
        self.last = body
        if self.heed is not None:
            self.heed()
        return await super().call(replace(body, messages=body.messages[-1:]), contract, show)


def alone(repeats: int) -> dict[str, dict[str, float]]:
    """Return, for each journal, seconds of CPU of 100 and 1,000 steps, and Python calls in an early and a late one."""
    told = {}
    for name, opens in _KINDS.items():
        short, long = [], []
        for _ in range(repeats):
            short.append(_cpu(100, opens))
            long.append(_cpu(1000, opens))
        with TemporaryDirectory() as folder:
            early, late = counted(opens(Path(folder, "growth.db")), EARLY, LATE)
        told[name] = {"cpu 100": median(short), "cpu 1000": median(long), "early": early, "late": late}
    return told


def rows(told: dict[str, dict[str, float]]) -> list[str]:
    """Return the rows of a table of what `alone` found."""
    shown = []
    for name, each in told.items():
        ratio, same = each["cpu 1000"] / each["cpu 100"], each["late"] <= CALLS_BUDGET * each["early"]
        kept = "kept" if same and ratio <= CPU_BUDGET else "**broken**"
        shown.append(
            f"| {name} | {each['cpu 100'] * 10:.2f} | {each['cpu 1000']:.2f} | {ratio:.1f} | {CPU_BUDGET:g} "
            f"| {each['early']:,g} | {each['late']:,g} | {kept} |"
        )
    return shown


def counted(journal: Journal, early: int, late: int) -> tuple[float, float]:
    """Hold a session and return how many Python calls a step takes, the median around each of two steps."""
    total, at = [0], [0]

    def count(_frame: FrameType, event: str, _of: Any) -> None:
        if event == "call":
            total[0] += 1

    model = _model(late + 2 * _AROUND, 1_000)
    model.heed = lambda: at.append(total[0])
    threading.setprofile(count)
    sys.setprofile(count)
    try:
        anyio.run(_hold, _agent(model), journal, "growth")
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    each = [after - before for before, after in pairwise(at)]
    return tuple(median(each[step - _AROUND : step + _AROUND + 1]) for step in (early, late))  # type: ignore[return-value]


def sizes() -> list[str]:
    """Return the rows of a table: a file's bytes against those of the conversation in it."""
    shown = []
    for size in (1_000, 4_000):
        with TemporaryDirectory() as folder:
            path = Path(folder, "growth.db")
            sent = run(200, size, SQLiteJournal(path))
            with closing(connect(path)) as db:
                db.execute("pragma wal_checkpoint(truncate)")
            ratio = path.stat().st_size / sent
        shown.append(
            f"| 200 steps, results of {size:,} bytes | {sent:,} | {ratio:.2f} | {SIZE_BUDGET:g} "
            f"| {_verdict(ratio, SIZE_BUDGET)} |"
        )
    return shown


def _verdict(ratio: float, budget: float) -> str:
    return "kept" if ratio <= budget else "**broken**"


def _cpu(steps: int, opens: Opens) -> float:
    with TemporaryDirectory() as folder:
        journal = opens(Path(folder, "growth.db"))
        gc.collect()
        start = time.process_time()
        run(steps, 1_000, journal)
        return time.process_time() - start


def run(steps: int, size: int, journal: Journal) -> int:
    """Run a session of `steps` steps with results of `size` bytes; return the bytes of its last request."""
    last = anyio.run(hold, journal, "growth", steps, size)
    return len(last.head) + sum(map(len, last.messages)) + len(last.messages)


async def hold(journal: Journal, name: str, steps: int, size: int) -> Any:
    """Hold a session of `steps` steps with results of `size` bytes; return its last request.

    Raises:
        RuntimeError: it ended early.
    """
    model = _model(steps, size)
    await _hold(_agent(model), journal, name)
    return model.last


def again_and_again(steps: int, size: int) -> Callable[[Journal, str], Awaitable[None]]:
    """Return what holds such a session, each time with one and the same agent, as a program does."""
    model = _model(steps, size)
    agent = _agent(model)

    async def one(journal: Journal, name: str) -> None:
        model.requests.clear()
        await _hold(agent, journal, name)

    return one


def _model(steps: int, size: int) -> InProcess:
    asked = [ToolCall(f"call_00_{n:022d}", "look_up", f'{{"page":{n},"size":{size}}}') for n in range(1, steps)]
    return InProcess(*(AssistantMessage(reasoning=THINKING, calls=(call,)) for call in asked), "Done.")


def _agent(model: InProcess) -> Agent[None]:
    return Agent(model, tools=[look_up], limits=Limits(steps=None, repeats=None))


async def _hold(agent: Agent[None], journal: Journal, name: str) -> None:
    async with Session(agent, name, journal=journal) as session:
        result = await session.run(QUESTION)
    if result.status != "completed":
        raise RuntimeError(f"{result.steps} steps: {result.reason}")


HEADER = (
    "| journal | CPU ms per step, 100 steps | 1,000 steps | 1,000 / 100 steps | budget | calls, step 50 | step 950 | |",
    "|---|---:|---:|---:|---:|---:|---:|---|",
)
SIZE_HEADER = ("| session | bytes of the conversation | file / conversation | budget | |", "|---|---:|---:|---:|---|")
