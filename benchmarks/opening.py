"""What one session costs to open in a file with thousands of others, and what a look at all of them costs."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from agentkit import Agent, Journal, ScriptedModel, Session, SQLiteJournal
from benchmarks.crowd import gather, lend
from benchmarks.work import look_up

BUDGET = 20.0  # milliseconds, the median
_OPENED = 200  # sessions

HEADER = (
    "| what, in a file of so many sessions | sessions | found | median ms | p95 ms | CPU ms, median | budget | |",
    "|---|---:|---:|---:|---:|---:|---:|---|",
)


def opening(sessions: int) -> list[str]:
    """Return the rows of a table."""
    return anyio.run(_opening, sessions)


async def _opening(sessions: int) -> list[str]:
    with TemporaryDirectory() as folder:
        path = Path(folder, "crowd.db")
        names = await gather(path, sessions)
        agent: Agent[None] = Agent(ScriptedModel(), tools=[look_up, lend])
        some = names[:: max(1, len(names) // _OPENED)]

        def opened(name: str, journal: Journal | None = None) -> Callable[[], Awaitable[int]]:
            return partial(_opened, Session(agent, name, journal=journal or SQLiteJournal(path)))

        rows = []
        async with SQLiteJournal(path) as journal:
            took = [await _timed(opened(name, journal)) for name in some]
            rows.append(_row("open one and load it, journal open", sessions, took, BUDGET))
            looks: dict[str, Callable[[], Awaitable[int]]] = {
                "what is ready (the first 100)": lambda: _length(journal.ready()),
                "all that waits for people": lambda: _count(journal.pending()),
                "all ids": lambda: _count(journal.sessions()),
            }
            for what, look in looks.items():
                rows.append(_row(what, sessions, [await _timed(look) for _ in range(20)], None))
        took = [await _timed(opened(name)) for name in some]
        rows.insert(1, _row("open the file, one session, and load it", sessions, took, BUDGET))
        return rows


async def _opened(session: Session[None, str]) -> int:
    async with session:
        await session.status()
    return 1


async def _length(found: Awaitable[Any]) -> int:
    return len(await found)


async def _count(found: AsyncIterator[Any]) -> int:
    return len([1 async for _ in found])


async def _timed(act: Callable[[], Awaitable[int]]) -> tuple[int, float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    found = await act()
    return found, 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)


def _row(what: str, sessions: int, took: list[tuple[int, float, float]], budget: float | None) -> str:
    middle, worst = median(wall for _, wall, _ in took), quantiles((wall for _, wall, _ in took), n=20)[-1]
    cpu = median(cpu for _, _, cpu in took)
    verdict = "| |" if budget is None else f"{budget:g} | {'kept' if middle < budget else '**broken**'} |"
    return f"| {what} | {sessions:,} | {took[0][0]} | {middle:.1f} | {worst:.1f} | {cpu:.1f} | {verdict}"
