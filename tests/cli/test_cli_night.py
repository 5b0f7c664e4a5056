"""What somebody has to be told who is called at night: what really waits, whose words it is about, what to type."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit import Agent, Approvals, ScriptedModel, Session, SQLiteJournal, tool
from agentkit.messages import AssistantMessage, ToolCall

Type = Callable[..., Any]
REFUND = AssistantMessage("I look into it.", calls=(ToolCall("c1", "refund", '{"order": "7"}'),))
TASK = AssistantMessage(calls=(ToolCall("c1", "billing", '{"task": "pay 7 back"}'),))

FAMILY = """
from agentkit import Agent, ScriptedModel, tool
from tests.cli.test_cli_night import REFUND, TASK, refund

billing = Agent(ScriptedModel("paid"), name="billing", tools=[refund])
support = Agent(ScriptedModel("It is paid."), name="support", tools=[billing.as_tool(description="Pays.")])

async def main():
    pass
"""
BROKEN = """
from contextlib import asynccontextmanager

@asynccontextmanager
async def desk(session_id):
    raise RuntimeError("no database here")
    yield
"""


@tool(effect="once", needs_approval="defer")
async def refund(order: str) -> str:
    """Refund an order."""
    return order


def talk(path: Path, agent: Agent, *words: str) -> None:
    async def run() -> None:
        async with Session(agent, "s", journal=SQLiteJournal(path)) as session:
            for text in words:
                await session.run(text)

    anyio.run(run)


@pytest.fixture
def path(desk: Path) -> Path:
    (desk / "family.py").write_text(FAMILY, "utf-8")
    (desk / "falls.py").write_text(BROKEN, "utf-8")
    return desk / "agentkit.db"


def dead(agentkit: Type) -> None:
    agentkit("say", "s", "hello")
    for _ in range(3):
        anyio.run(anyio.sleep, 0.8)  # a failed drive is not tried again at once
        agentkit("worker", "--agent", "falls:desk", "--once", "--ttl", "1")


def test_show_tells_that_a_session_is_a_dead_letter_and_tail_leaves(path: Path, agentkit: Type) -> None:
    assert not path.exists()
    dead(agentkit)
    shown = agentkit("show", "s").out
    assert re.search("^status +dead$", shown, re.MULTILINE)
    assert "No worker drives it until `agentkit revive s`" in shown
    assert "no database here" in json.loads(agentkit("show", "s", "--json").out)["dead"]
    assert agentkit("tail", "s", "--until-rest").code == 0


def test_pending_tells_each_time_once(path: Path, agentkit: Type) -> None:
    times = Approvals(escalate_after=0.01, escalate_to="the shift lead", expire_after=600)
    agent = Agent(ScriptedModel(REFUND, "asked", "blue"), tools=[refund], approvals=times)
    talk(path, agent, "refund 7")
    anyio.run(anyio.sleep, 0.05)
    talk(path, agent, "and?")
    shown = agentkit("pending").out
    assert shown.count("escalated to") == 1
    assert shown.count("expires") == 1


def test_pending_tells_the_words_that_a_deferred_call_was_asked_for_with(path: Path, agentkit: Type) -> None:
    talk(path, Agent(ScriptedModel(REFUND, "asked", "blue"), tools=[refund]), "refund 7", "which colour?")
    shown = agentkit("pending").out
    assert "the user said  refund 7" in shown
    assert "the model said  I look into it." in shown
    assert "colour" not in shown


def test_a_call_of_a_sub_agent_is_told_as_such_and_goes_on_within_its_caller(path: Path, agentkit: Type) -> None:
    once = tool(effect="once", needs_approval=True, name="refund")(refund)
    billing = Agent(ScriptedModel(REFUND, "paid"), name="billing", tools=[once])
    talk(path, Agent(ScriptedModel(TASK), name="support", tools=[billing.as_tool(description="Pays.")]), "pay!")
    shown = agentkit("pending").out
    assert "the task is  pay 7 back" in shown
    assert "the user said" not in shown
    assert "called by session s" in shown
    (waiting,) = json.loads(agentkit("pending", "--json").out)
    assert waiting["called_by"] == "s"
    done = agentkit("approve", waiting["id"], "--by", "ann").out
    assert "agentkit resume s" in done
    told = agentkit("resume", waiting["session_id"], "--agent", "family:support")
    assert "goes on within session s" in told.err + told.out
    assert "no longer available" not in told.out


def test_show_tells_who_has_the_word(path: Path, agentkit: Type) -> None:
    agent = Agent(ScriptedModel("hello"), name="support")

    async def run() -> None:
        async with Session(agent, "s", journal=SQLiteJournal(path)) as session:
            await session.say_as("I am on it.", by="ann")
            await session.run("and?")

    anyio.run(run)
    shown = agentkit("show", "s").out
    assert "ann answers in the agent's place" in shown.splitlines()[-1]
    assert "agentkit hand-back s --by NAME" in shown
    assert "to go on: agentkit resume" not in shown


def test_doctor_names_the_command_that_lists_open_turns(path: Path, agentkit: Type) -> None:
    talk(path, Agent(ScriptedModel(REFUND, "asked"), tools=[refund]), "refund 7")
    agentkit("fork", "s", "other", "--before", "1.2")
    out = agentkit("doctor", "--offline", "--model", "m", "--base-url", "http://127.0.0.1:9/v1").out
    assert "1 turn open, 0 faulted" in out
    assert "which: agentkit sessions --status open;" in out


def test_doctor_asks_no_endpoint_of_a_scripted_model(path: Path, agentkit: Type) -> None:
    assert path.parent.is_dir()
    done = agentkit("doctor", "--agent", "family:support")
    assert done.code == 0
    assert "ok   model     scripted is ScriptedModel: it needs no endpoint" in done.out


@pytest.mark.filterwarnings("error")
def test_tools_of_an_async_function_are_refused_without_calling_it(path: Path, agentkit: Type) -> None:
    assert path.parent.is_dir()
    done = agentkit("tools", "list", "family:main")
    assert done.code == 2
    assert done.err.startswith("agentkit tools: tools family:main: an async function gives no tools; give ")
