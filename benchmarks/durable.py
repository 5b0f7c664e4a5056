"""How many steps a second are recorded, beside a LangGraph checkpointer and DBOS.

A step is a model's answer with one tool call, and the call's result of 1,000 bytes. The model is in process and costs
next to nothing. `alone` leaves it, the tool and the loop out: only what such sessions write is written again.
"""

import os
import platform
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import anyio

from agentkit.events import ModelResponded
from agentkit.journal import open_journal
from benchmarks.workers import PINNED, Command, Took, agentkit, dbos, langgraph, started
from tests.postgres import server

WANTED = 3.0  # times the steps per second that LangGraph's checkpointer records
_CHECKPOINTER = "LangGraph SqliteSaver alone"


@dataclass(frozen=True, slots=True)
class Cell:
    """Who is compared, the first with each that is not agentkit; on what, and how much work there is."""

    database: str
    who: dict[str, Command]
    workers: int
    sessions: int  # of each worker in a round
    steps: int


def cells(*, small: bool) -> Iterator[Cell]:
    """Yield what is measured; in `small`, agentkit alone is."""
    alone = {"agentkit, recording alone": agentkit("alone")}
    whole = {"agentkit, whole sessions": agentkit("whole")}
    graph = {"LangGraph, durability sync": langgraph("sync"), "LangGraph, durability async": langgraph("async")}
    both = ((alone, {_CHECKPOINTER: langgraph("alone")}), (whole, graph))
    if small:
        yield Cell("SQLite", alone, 2, 1, 10)
        yield Cell("Postgres", whole, 1, 1, 5)
        return
    for ours, theirs in both:
        for steps, sessions, workers in ((20, 20, (1, 2, 4)), (100, 4, (1, 2, 4)), (400, 1, (1,))):
            yield from (Cell("SQLite", ours | theirs, each, sessions, steps) for each in workers)
    for each in (1, 2, 4):
        yield Cell("Postgres", alone | whole | {"DBOS, its own steps": dbos}, each, 2, 20)
    yield Cell("SQLite", whole | {"DBOS, its own steps": dbos}, 1, 2, 20)


def throughput(cell: Cell, rounds: int) -> list[str]:
    """Measure a cell, everybody in turns; return the rows of a table.

    Raises:
        RuntimeError: a worker failed, or not every step is in agentkit's journal.
    """
    took: dict[str, list[Took]] = defaultdict(list)
    with ExitStack() as stack:
        home = stack.enter_context(TemporaryDirectory())
        teams = {}
        for (who, command), n in zip(cell.who.items(), count(), strict=False):
            place = server().fresh() if cell.database == "Postgres" else str(Path(home, f"{n}.db"))
            commands = [command(place, f"w{worker}", cell.sessions, cell.steps) for worker in range(cell.workers)]
            if who.startswith("agentkit"):
                stack.callback(check, place, cell.workers * cell.steps * (1 + cell.sessions * rounds))
            teams[who] = stack.enter_context(started(commands, cell.workers * cell.sessions * cell.steps))
        for turn in range(rounds):
            for who, team in teams.items():
                took[who].append(team.round(str(turn)))
    first = next(iter(took.values()))
    return [_row(cell, who, turns, None if who.startswith("agentkit") else first) for who, turns in took.items()]


def check(place: str, steps: int) -> None:
    """Look whether so many answers are in a journal. Raises: RuntimeError: they are not."""
    found = anyio.run(_answers, place)
    if found != steps:
        raise RuntimeError(f"{place} holds {found} steps of {steps}")


async def _answers(place: str) -> int:
    async with open_journal(place) as journal:
        names = [name async for name in journal.sessions()]
        return len(
            [1 for name in names async for record in journal.read(name) if isinstance(record.event, ModelResponded)]
        )


def _row(cell: Cell, who: str, turns: Sequence[Took], ours: Sequence[Took] | None) -> str:
    rate, cpu = median(each.rate for each in turns), median(each.cpu for each in turns)
    told = "| | | |"
    if ours:
        faster = median(mine.rate / each.rate for mine, each in zip(ours, turns, strict=True))
        spared = median(each.cpu / mine.cpu for mine, each in zip(ours, turns, strict=True))
        verdict = ("kept" if faster >= WANTED else "missed") if who == _CHECKPOINTER else ""
        told = f"{faster:.2f} | {spared:.2f} | {verdict} |"
    return f"| {cell.database} | {cell.steps} | {cell.workers} | {who} | {rate:,.0f} | {cpu:.2f} | {told}"


def circumstances(repeats: int) -> str:
    """Return what a reader of the figures has to know."""
    return (
        f"{datetime.now(UTC).date()}, {os.cpu_count()} cores ({platform.machine()}, {platform.system()}), load "
        f"{os.getloadavg()[1]:.1f}; Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"{', '.join(PINNED)}, dbos {version('dbos')}, psycopg {version('psycopg')}. Everybody in turns, the median of "
        f"{repeats} rounds; a ratio is the median of the rounds' ratios. Machines, and what else runs there, differ: "
        "compare the ratios.\n\nSQLite is in WAL mode with `synchronous = NORMAL` for agentkit and LangGraph alike (as "
        "it comes, LangGraph's saver has FULL); DBOS as it comes. Postgres: fsync and synchronous_commit on. A worker "
        "is a process that holds one session at a time. CPU is the workers'; Postgres's own is not counted. LangGraph "
        "with durability `sync` has written a step before the next begins, as agentkit has; `async`, its default, "
        "has not. DBOS records results only, agentkit also that a call began.\n\nThe bound of 3 x is on what is "
        "recorded: agentkit's journal beside LangGraph's checkpointer, each alone. Whole sessions also run the loop of "
        "either, and are told for comparison."
    )


_COLUMNS = "database|steps per session|workers|who|steps/s|CPU ms per step|agentkit: x steps/s|agentkit: x less CPU|3 x"
HEADER = (f"| {_COLUMNS.replace('|', ' | ')} |", "|---|---:|---:|---|---:|---:|---:|---:|---|")
