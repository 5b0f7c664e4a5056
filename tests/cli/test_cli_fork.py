"""`fork` and `diff`: a step is taken anew, and where two sessions part is shown."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

from agentkit import Session, SQLiteJournal
from agentkit.cli.agents import nobody
from agentkit.emulator import Call, Reply

Type = Callable[..., Any]
CHAT = ("chat", "--agent", "desk:agent", "--session", "c-1")
LOOK = Reply(reasoning="hm", calls=[Call("find_order", {"order_id": "7"})])


def test_a_fork_is_made_shown_and_driven(agentkit: Type, serve: Type) -> None:
    serve(LOOK, Reply(content="done"), Reply(content="otherwise"))
    agentkit(*CHAT, stdin="hi\n")
    done = agentkit("fork", "c-1", "c-2", "--before", "1.2")
    made = "session c-2 is a fork of c-1 before step 1.2"
    assert (done.code, done.out) == (0, f"{made}; to go on: agentkit resume c-2\n")
    assert agentkit("resume", "c-2", "--agent", "desk:agent").code == 0
    done = agentkit("fork", "c-1", "c-3", "--before", "1.2", "--say", "the blue one", "--agent", "desk:agent")
    assert (done.code, done.out.splitlines()[0]) == (0, made.replace("c-2", "c-3"))
    shown = agentkit("show", "c-3").out
    assert "a fork begins here, before 1.2: every tool that acts once asks from here on" in shown
    assert "the blue one" in shown
    for name in ("c-1", "c-2", "c-3"):
        assert agentkit("replay", name, "--agent", "desk:agent").code == 0


def test_a_program_is_told_in_json_and_asking_can_be_left_out(agentkit: Type, serve: Type) -> None:
    serve(LOOK, Reply(content="done"))
    agentkit(*CHAT, stdin="hi\n")
    done = agentkit("fork", "c-1", "c-2", "--before", "1.1", "--no-asking", "--json")
    assert json.loads(done.out) == {"session": "c-2", "parent": "c-1", "before": "1.1"}
    assert "do not ask because of it" in agentkit("show", "c-2").out


def test_what_cannot_be_forked_is_told_and_nothing_is_made(agentkit: Type, serve: Type) -> None:
    serve(Reply(content="done"))
    agentkit(*CHAT, stdin="hi\n")
    assert agentkit("fork", "nobody", "c-2", "--before", "1.1").code == 1
    for words in (("c-2", "--before", "1"), ("c-2", "--before", "1.2"), ("", "--before", "1.1"), ("c-2",)):
        assert agentkit("fork", "c-1", *words).code == 2
    assert agentkit("fork", "c-1", "c-2", "--before", "1.1", "--agent", "desk:nobody").code == 2
    assert "already" in agentkit("fork", "c-1", "c-1", "--before", "1.1").err
    assert "c-2" not in agentkit("sessions").out


def test_the_first_step_that_differs_is_shown_from_both_sides(agentkit: Type, serve: Type) -> None:
    serve(LOOK, Reply(content="done"))
    agentkit(*CHAT, stdin="hi\n")
    agentkit("fork", "c-1", "c-2", "--before", "1.2", "--say", "evil \x1b[31m", "--agent", "desk:agent")
    done = agentkit("diff", "c-1", "c-1")
    assert (done.code, done.out) == (0, "✓ 2 steps: nothing differs\n")
    done = agentkit("diff", "c-1", "c-2")
    assert done.code == 8
    assert "\x1b" not in done.out
    lines = done.out.splitlines()
    assert lines[0].startswith("✗ step 1.2 differs: message")
    assert lines[1:3] == ["c-1", "  message: none"]
    at = lines.index("c-2")
    assert lines[at + 1 : at + 3] == ["  message", r"    evil \x1b[31m"]
    found = json.loads(agentkit("diff", "c-2", "c-1", "--json").out)
    assert (found["same"], found["step"], found["differs"][0]) == (False, "1.2", "message")
    assert found["sessions"]["c-1"]["message"] == []
    assert json.loads(agentkit("diff", "c-2", "c-2", "--json").out) == {"same": True, "steps": 2}


def test_a_step_that_only_one_has_decisions_and_results_are_compared(agentkit: Type, serve: Type, desk: Path) -> None:
    serve(Reply(reasoning="hm", calls=[Call("refund", {"order_id": "7", "amount": 1})]), Reply(content="done"))
    agentkit(*CHAT, stdin="hi\n")
    for name in ("c-2", "c-3"):
        agentkit("fork", "c-1", name, "--before", "1.1", "--agent", "desk:agent")
    assert agentkit("diff", "c-2", "c-3").code == 0
    question = json.loads(agentkit("pending", "--session", "c-2", "--json").out)[0]["id"]
    agentkit("approve", question, "--by", "ann")
    agentkit("resume", "c-2", "--agent", "desk:agent")
    assert len((desk / "refunds.txt").read_text().splitlines()) == 1
    lines = agentkit("diff", "c-2", "c-3").out.splitlines()
    assert lines[0] == "✗ step 1.1 differs: decision, result"
    assert "    approved by ann" in lines
    assert "    refunded 1.0" in lines
    assert lines[-1] == "  result: none"
    agentkit("fork", "c-2", "c-4", "--before", "1.2")
    lines = agentkit("diff", "c-2", "c-4").out.splitlines()
    assert lines[0].startswith("✗ step 1.2 differs: ")
    assert lines[-1] == "c-4 has nothing there"
    assert agentkit("diff", "c-2", "nobody").code == 1


def test_messages_that_wait_are_compared(agentkit: Type, serve: Type) -> None:
    serve(Reply(calls=[Call("refund", {"order_id": "7", "amount": 1})]), Reply(content="done"))
    agentkit(*CHAT, stdin="hi\n")
    agentkit("export", "c-1", "--output", "x.jsonl")
    agentkit("import", "x.jsonl", "--as", "c-2")
    assert agentkit("diff", "c-1", "c-2").code == 0

    async def say() -> None:
        async with Session(nobody(), "c-1", journal=SQLiteJournal("agentkit.db")) as session:
            await session.say("and then", id="m-2")

    anyio.run(say)
    assert agentkit("diff", "c-1", "c-2").code == 0  # nobody has taken it yet
    agentkit("resume", "c-1", "--agent", "desk:agent")
    lines = agentkit("diff", "c-1", "c-2").out.splitlines()
    assert lines[0] == "✗ the messages that wait differ: message"
    assert lines[1:] == ["c-1", "  message", "    and then", "c-2 has nothing there"]
