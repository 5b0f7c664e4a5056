"""Time and changes as the command line tells them: until when there is time, who else was told, what changed."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit import Agent, Approvals, ModelSettings, ScriptedModel, Session, SQLiteJournal, tool
from agentkit.messages import AssistantMessage, ToolCall

Type = Callable[..., Any]
ASKS = AssistantMessage(calls=(ToolCall("c1", "refund", '{"order": "7"}'),))


@tool(effect="once", needs_approval=True)
async def refund(order: str) -> str:
    """Refund an order."""
    return order


def drive(path: Path, approvals: Approvals, *, wait: float = 0, **more: Any) -> None:
    """Run until it waits; with `wait` go on later, with `more` as another agent."""

    async def run() -> None:
        agent = Agent(ScriptedModel(ASKS, "done"), tools=[refund], approvals=approvals, instructions="Be kind.")
        async with Session(agent, "s", journal=SQLiteJournal(path)) as session:
            await session.run("refund 7", id="m1")
        if wait:
            await anyio.sleep(wait)
            agent = Agent(
                ScriptedModel("done"), tools=[refund], approvals=approvals, **{"instructions": "Be kind.", **more}
            )
            async with Session(agent, "s", journal=SQLiteJournal(path)) as session:
                await session.resume()

    anyio.run(run)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "agentkit.db"


def test_pending_tells_until_when_there_is_time(path: Path, agentkit: Type) -> None:
    drive(path, Approvals(expire_after=7200))
    assert re.search("expires in (2 h 00|1 h 59) min", agentkit("pending").out)
    (waiting,) = json.loads(agentkit("pending", "--json").out)
    spans = [datetime.fromisoformat(waiting[name]) for name in ("asked_at", "expires_at")]
    assert (spans[1] - spans[0]).total_seconds() == 7200


def test_pending_tells_that_the_time_is_over(path: Path, agentkit: Type) -> None:
    drive(path, Approvals(expire_after=0.01))
    anyio.run(anyio.sleep, 0.05)
    assert "its time is over" in agentkit("pending").out


def test_pending_and_show_tell_who_else_was_told(path: Path, agentkit: Type) -> None:
    drive(path, Approvals(escalate_after=0.05, escalate_to="the shift lead", expire_after=600), wait=0.1)
    out = agentkit("pending").out
    assert "escalated to the shift lead" in out
    assert re.search("expires in (10 min 00|9 min 59) s", out)
    (waiting,) = json.loads(agentkit("pending", "--json").out)
    assert waiting["escalated_to"] == "the shift lead"
    assert waiting["escalated_at"] > waiting["asked_at"]
    assert "? 1.1.0 refund: nobody decided, so the shift lead is to know of it" in agentkit("show", "s").out


def test_show_tells_an_expiry(path: Path, agentkit: Type) -> None:
    drive(path, Approvals(expire_after=0.05), wait=0.1)
    assert "✗ 1.1.0 refund denied by agentkit: nobody decided within 0.05 s" in agentkit("show", "s").out


def test_show_tells_what_changed_down_to_the_line_and_the_key(path: Path, agentkit: Type) -> None:
    settings = ModelSettings(temperature=0.5)
    drive(path, Approvals(), wait=0.01, settings=settings, instructions="Be kind.\nBe brief.")
    out = agentkit("show", "s").out
    assert '! the agent changed: instructions line 2 added: "Be brief."' in out
    assert "settings temperature was null, is 0.5 now" in out
    assert "the session keeps the instructions that it recorded first" in out


def test_a_person_answers_in_the_agents_place_and_hands_back(path: Path, agentkit: Type) -> None:
    drive(path, Approvals())
    done = agentkit("say", "s", "I do it by hand.", "--as", "ann", "--id", "a1")
    assert (done.code, "ann's answer a1 is left for session s" in done.out) == (0, True)

    async def resume(text: str) -> str:
        agent = Agent(ScriptedModel("the agent", "the agent again"), tools=[refund], instructions="Be kind.")
        async with Session(agent, "s", journal=SQLiteJournal(path)) as session:
            await session.resume()
            return (await session.run(text)).text

    assert anyio.run(resume, "thanks") == ""
    page = agentkit("show", "s").out
    assert "ann answers in the agent's place" in page
    assert "I do it by hand." in page
    assert "waiting" in agentkit("sessions").out
    done = agentkit("hand-back", "s", "--by", "ann")
    assert (done.code, "session s is handed back to the agent" in done.out) == (0, True)
    assert anyio.run(resume, "and?") == "the agent again"
    assert "ann hands back: the agent answers again" in agentkit("show", "s").out
