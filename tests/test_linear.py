"""Cost grows with the news, not with the history (law 10): a late step makes the calls of an early one."""

import itertools
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any

import pytest

from agentkit import Agent, Journal, Limits, MemoryJournal, ScriptedModel, Session, SQLiteJournal, tool
from agentkit.messages import AssistantMessage, ToolCall

pytestmark = pytest.mark.anyio

AROUND = (
    20  # steps on either side, of which the median counts: timers and the watch on the inbox fall into some of them
)


@tool(effect="read")
async def look_up(page: int, size: int) -> str:
    """Look a page up."""
    return f"{page:0{size}d}"


def conversation(steps: int, size: int) -> list[AssistantMessage]:
    """Return a model's answers: each but the last thinks, and asks for one page of `size` bytes."""
    calls = [ToolCall(f"c{n:04d}", "look_up", f'{{"page":{n:04d},"size":{size}}}') for n in range(1000, 999 + steps)]
    thinking = "The next page has to be looked up, and then the one after it. " * 4
    return [*(AssistantMessage(reasoning=thinking, calls=(call,)) for call in calls), AssistantMessage(text="Done.")]


class Marking(ScriptedModel):
    """Answers in process from the last message alone, so that sending costs every step the same; marks each call."""

    def __init__(self, answers: list[AssistantMessage], mark: Callable[[], object]) -> None:
        super().__init__(*answers)
        self.mark, self.sent = mark, 0

    async def call(self, body: Any, contract: Any, show: Any) -> Any:
        self.mark()
        self.sent = len(body.head) + sum(map(len, body.messages)) + len(body.messages)
        return await super().call(replace(body, messages=body.messages[-1:]), contract, show)


@asynccontextmanager
async def drive(journal: Journal, model: ScriptedModel) -> AsyncIterator[None]:
    agent: Agent[None] = Agent(model, tools=[look_up], limits=Limits(steps=None))
    async with Session(agent, "long", journal=journal) as session:
        yield
        result = await session.run("Read the whole book.")
    assert (result.status, result.steps) == ("completed", len(model.requests))
    model.assert_consumed()


async def calls_in_steps(journal: Journal, steps: int) -> list[int]:
    """Return how many Python functions this thread called in each step."""
    count, marks = 0, []

    def profile(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    model = Marking(conversation(steps, 1000), lambda: marks.append(count))
    async with drive(journal, model):
        sys.setprofile(profile)
    sys.setprofile(None)
    return [after - before for before, after in itertools.pairwise(marks)]


def around(step: int, calls: list[int]) -> float:
    return median(calls[step - AROUND : step + AROUND + 1])


async def test_a_late_step_makes_the_calls_of_an_early_one() -> None:
    calls = await calls_in_steps(MemoryJournal(), 1000)
    assert around(950, calls) == around(50, calls)


async def test_a_late_step_in_a_file_makes_the_calls_of_an_early_one(tmp_path: Path) -> None:
    """Within 2 %: how often the loop looks at what the journal's thread has done is up to the machine."""
    calls = await calls_in_steps(SQLiteJournal(tmp_path / "long.db"), 1000)
    assert around(950, calls) == pytest.approx(around(50, calls), rel=0.02)


@pytest.mark.parametrize("size", [1_000, 4_000])
async def test_the_file_is_at_most_half_as_big_again_as_the_conversation(tmp_path: Path, size: int) -> None:
    model = Marking(conversation(200, size), lambda: None)
    path = tmp_path / "long.db"
    async with drive(SQLiteJournal(path), model):
        pass
    with sqlite3.connect(path) as db:
        db.execute("pragma wal_checkpoint(truncate)")
    db.close()
    assert path.stat().st_size <= 1.5 * model.sent
