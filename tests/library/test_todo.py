"""A plan the model keeps: it is shown back, and it is in the journal and nowhere else."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit import Agent, ScriptedModel, Session, SQLiteJournal, ToolError
from agentkit.messages import AssistantMessage, ToolCall
from agentkit_tools import todo

(PLAN,) = todo.tools()
STEPS = [todo.Item("look", "done"), todo.Item("leap", "doing"), todo.Item("sing", "open")]


def test_the_plan_is_shown_with_what_is_next() -> None:
    assert PLAN(STEPS) == "1. [x] look\n2. [>] leap\n3. [ ] sing\n(1 of 3 steps are done; now: leap)"
    assert PLAN(STEPS[::2]).endswith("(1 of 2 steps are done; next: sing)")
    assert PLAN(STEPS[:1]).endswith("(1 of 1 steps are done; nothing is left to do)")
    assert PLAN([todo.Item("x", "dropped")]).startswith("1. [-] x\n(0 of 1")
    assert (PLAN.name, PLAN.effect, PLAN.declared.needs_approval) == ("update_plan", "read", False)


async def _kept(path: Path) -> None:
    call = ToolCall("c1", "update_plan", json.dumps({"items": [asdict(each) for each in STEPS]}))
    agent = Agent(ScriptedModel(AssistantMessage(calls=(call,)), "Planned."), tools=[*todo.tools()])
    async with Session(agent, "s", journal=SQLiteJournal(path)) as session:
        await session.run("Go.")
    later = Agent(ScriptedModel("Still here."), tools=[*todo.tools()])
    async with Session(later, "s", journal=SQLiteJournal(path)) as session:
        await session.run("Go on.")
        assert "2. [>] leap" in str(await session.messages())


def test_the_next_process_finds_it_in_the_journal(tmp_path: Path) -> None:
    anyio.run(_kept, tmp_path / "s.db")
    assert {each.name.partition("-")[0] for each in tmp_path.iterdir()} == {"s.db"}


STATUSES = ("open", "doing", "done", "dropped")
BAD: list[tuple[list[Any], str]] = [
    ([], "1 to 50 steps, not 0"),
    ([todo.Item(str(n), "open") for n in range(51)], "not 51"),
    ([todo.Item(" ", "open")], "step 1 has to be one line"),
    ([todo.Item("a\n2. [x] b", "open")], "step 1 has to be one line"),
    ([todo.Item("x" * 301, "open")], "1 to 300 characters"),
    ([todo.Item("a", "open"), todo.Item("A ", "done")], "'a' is there twice"),
    ([todo.Item("a", "doing"), todo.Item("b", "doing")], '2 steps are "doing"'),
]


@pytest.mark.parametrize(("items", "told"), BAD)
def test_what_is_no_plan_is_refused(items: list[Any], told: str) -> None:
    with pytest.raises(ToolError, match=told):
        PLAN(items)


@settings(deadline=None, max_examples=80)
@given(st.lists(st.builds(todo.Item, st.text(max_size=20), st.sampled_from(STATUSES)), max_size=6))
def test_a_plan_that_is_taken_has_a_line_for_each_step(items: list[todo.Item]) -> None:
    try:
        shown = PLAN(items)
    except ToolError:
        return
    assert len(shown.splitlines()) == len(items) + 1
