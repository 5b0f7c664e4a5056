"""agentkit beside itself: what a session of ten times the steps costs, sending left out, and how big its file gets."""

import gc
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from sqlite3 import connect
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from agentkit import Agent, Journal, Limits, MemoryJournal, ScriptedModel, Session, SQLiteJournal
from agentkit.messages import AssistantMessage, ToolCall
from benchmarks.work import QUESTION, THINKING, look_up

CPU_BUDGET = 12.0  # 1,000 steps against 100: linear is 10
SIZE_BUDGET = 1.5  # bytes of the file against bytes of the conversation

Opens = Callable[[Path], Journal]


class InProcess(ScriptedModel):
    """Answers from the last message alone: a service's part, which grows with the history, is left out."""

    last: Any = None  # the last request

    async def call(self, body: Any, contract: Any, show: Any) -> Any:
        """Play the next reply."""
        self.last = body
        return await super().call(replace(body, messages=body.messages[-1:]), contract, show)


def growth(repeats: int) -> list[str]:
    """Return the rows of a table: CPU of 1,000 steps against 100, with each journal."""
    kinds: dict[str, Opens] = {"MemoryJournal": lambda _: MemoryJournal(), "SQLiteJournal": SQLiteJournal}
    rows = []
    for name, opens in kinds.items():
        short, long = [], []
        for _ in range(repeats):
            short.append(_cpu(100, opens))
            long.append(_cpu(1000, opens))
        ratio = median(long) / median(short)
        rows.append(
            f"| {name} | {median(short) * 10:.2f} | {median(long):.2f} | {ratio:.1f} | {CPU_BUDGET:g} "
            f"| {_verdict(ratio, CPU_BUDGET)} |"
        )
    return rows


def sizes() -> list[str]:
    """Return the rows of a table: a file's bytes against those of the conversation in it."""
    rows = []
    for size in (1_000, 4_000):
        with TemporaryDirectory() as folder:
            path = Path(folder, "growth.db")
            sent = run(200, size, SQLiteJournal(path))
            with closing(connect(path)) as db:
                db.execute("pragma wal_checkpoint(truncate)")
            ratio = path.stat().st_size / sent
        rows.append(
            f"| 200 steps, results of {size:,} bytes | {sent:,} | {ratio:.2f} | {SIZE_BUDGET:g} "
            f"| {_verdict(ratio, SIZE_BUDGET)} |"
        )
    return rows


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
    calls = [ToolCall(f"call_00_{n:022d}", "look_up", f'{{"page":{n},"size":{size}}}') for n in range(1, steps)]
    asking = [AssistantMessage(reasoning=THINKING, calls=(call,)) for call in calls]
    model = InProcess(*asking, "Done.")
    agent: Agent[None] = Agent(model, tools=[look_up], limits=Limits(steps=None, repeats=None))
    async with Session(agent, name, journal=journal) as session:
        result = await session.run(QUESTION)
    if result.steps != steps:
        raise RuntimeError(f"{result.steps} steps of {steps}: {result.reason}")
    return model.last


CPU_HEADER = (
    "| journal | CPU ms per step, 100 steps | CPU ms per step, 1,000 steps | 1,000 steps / 100 steps | budget | |",
    "|---|---:|---:|---:|---:|---|",
)
SIZE_HEADER = ("| session | bytes of the conversation | file / conversation | budget | |", "|---|---:|---:|---:|---|")
