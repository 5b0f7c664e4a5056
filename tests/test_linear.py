"""Cost grows with the news, not with the history (law 10): a late step makes the calls of an early one."""

import itertools
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
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
    """Return a model's answers: each but the last thinks, and asks for one page of `size` bytes; ids as DeepSeek's."""
    asked = [f'{{"page":{n},"size":{size}}}' for n in range(1000, 999 + steps)]
    calls = [ToolCall(f"call_00_{n:022d}", "look_up", arguments) for n, arguments in enumerate(asked)]
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
    agent: Agent[None] = Agent(model, tools=[look_up], limits=Limits(steps=None, repeats=None))
    async with Session(agent, "long", journal=journal) as session:
        yield
        result = await session.run("Read the whole book.")
    assert (result.status, result.steps) == ("completed", len(model.requests))
    model.assert_consumed()


async def calls_around(journal: Journal, *watched: int) -> list[float]:
    """Return how many Python functions this thread calls in the steps around each `watched` one: the median."""
    count, marks = 0, []
    near = {step + off for step in watched for off in range(-AROUND, AROUND + 2)}

    def profile(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    def mark() -> None:
        marks.append(count)
        sys.setprofile(profile if len(marks) - 1 in near else None)  # counting is slow

    async with drive(journal, Marking(conversation(1000, 1000), mark)):
        pass
    calls = [after - before for before, after in itertools.pairwise(marks)]
    return [median(calls[step - AROUND : step + AROUND + 1]) for step in watched]


async def test_a_late_step_makes_the_calls_of_an_early_one() -> None:
    early, late = await calls_around(MemoryJournal(), 50, 950)
    assert late == early > 0


async def test_a_late_step_in_a_file_makes_the_calls_of_an_early_one(tmp_path: Path) -> None:
    """Within a tenth: how often the loop looks at what the journal's thread has done is up to the machine."""
    early, late = await calls_around(SQLiteJournal(tmp_path / "long.db"), 50, 950)
    assert late == pytest.approx(early, rel=0.1)
    assert early > 0


@pytest.mark.parametrize("size", [1_000, 4_000])
async def test_the_file_is_at_most_half_as_big_again_as_the_conversation(tmp_path: Path, size: int) -> None:
    model = Marking(conversation(200, size), lambda: None)
    path = tmp_path / "long.db"
    async with drive(SQLiteJournal(path), model):
        pass
    with closing(sqlite3.connect(path)) as db:
        db.execute("pragma wal_checkpoint(truncate)")
    ratio = path.stat().st_size / model.sent
    assert ratio <= 1.5
