"""What people decide, from any process: left in the inbox, taken up when the session is driven next."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit import SQLiteJournal
from agentkit.emulator import Call, Fault, Reply
from agentkit.events import SessionStarted
from agentkit.ids import process_name, uuid7
from agentkit.journal.base import Asked, Batch, Placed
from tests.forked import ran

Type = Callable[..., Any]
CHAT = ("chat", "--agent", "desk:agent", "--session", "c-1")
RESUME = ("resume", "c-1", "--agent", "desk:agent")
REFUND = Reply(reasoning="I need refund.", calls=[Call("refund", {"order_id": "7", "amount": 12.5})])
DONE = Reply(content="All settled.")


def question(agentkit: Type) -> str:
    (waiting,) = json.loads(agentkit("pending", "--json").out)
    return str(waiting["id"])


@pytest.fixture
def held(agentkit: Type, serve: Type) -> str:
    """A refund that waits."""
    serve(REFUND, DONE)
    assert agentkit(*CHAT, stdin="Refund order 7.\n").code == 3
    return question(agentkit)


def test_approved_in_another_process_it_runs_once_at_the_next_resume(desk: Path, agentkit: Type, held: str) -> None:
    command = [sys.executable, "-m", "agentkit.cli", "approve", held, "--by", "ann"]
    done = ran(command, check=True)
    assert done.stdout == "✓ approved by ann\n  a worker performs it, or: agentkit resume c-1\n"
    assert not (desk / "refunds.txt").exists()
    assert agentkit("approve", held, "--by", "ann").code == 0, "the same decision twice is one"
    assert "✓ approved by ann already, at " in agentkit("approve", held, "--by", "bob").out
    assert "approval by ann" in agentkit("pending").out
    assert json.loads(agentkit("pending", "--json").out)[0]["decided"]["by"] == "ann"
    done = agentkit(*RESUME)
    assert done.code == 0
    assert "✓ 1.1.0 refund approved by ann" in done.out
    assert "▸ 1.1.0 refund started (once)" in done.out
    assert "· talking to the bank" in done.out
    assert "All settled." in done.out
    assert (desk / "refunds.txt").read_text() == "7 12.5\n"
    assert "nothing waits" in agentkit("pending").out
    assert json.loads(agentkit("pending", "--json").out) == []


def test_a_late_or_opposite_decision_is_told(agentkit: Type, held: str) -> None:
    assert agentkit("deny", held, "--by", "ann", "--reason", "too much").code == 0
    done = agentkit("approve", held, "--by", "bob")
    assert done.code == 1
    assert "ann decided otherwise" in done.err
    done = agentkit(*RESUME)
    assert (done.code, "✗ 1.1.0 refund denied by ann: too much" in done.out) == (0, True)
    done = agentkit("approve", held, "--by", "bob")
    assert done.code == 1
    assert "nothing waits under this id" in done.err
    done = agentkit("approve", held, "--by", "bob", "--session", "c-1")
    assert done.code == 1
    assert "ann decided otherwise" in done.err
    assert agentkit("approve", held, "--by", "bob", "--session", "nowhere").code == 1


def test_changed_arguments_reach_the_tool(desk: Path, agentkit: Type, held: str) -> None:
    new = json.dumps({"order_id": "7", "amount": 5})
    done = agentkit("approve", held, "--by", "ann", "--arguments", new)
    assert "approved by ann with other arguments" in done.out
    assert "with other arguments: " + new in agentkit(*RESUME).out
    assert (desk / "refunds.txt").read_text() == "7 5.0\n"


def test_changed_arguments_are_checked_now_with_an_agent_and_else_when_taken_up(agentkit: Type, held: str) -> None:
    wrong = ("--arguments", '{"order_id": 7}')
    done = agentkit("approve", held, "--by", "ann", *wrong, "--agent", "desk:agent")
    assert done.code == 2
    assert "do not fit refund" in done.err
    assert agentkit("approve", held, "--by", "ann", *wrong).code == 0
    done = agentkit(*RESUME)
    assert done.code == 3, "it waits as before"
    assert "✗ the session refused an approval: the changed arguments do not fit" in done.out
    for text in ("[1]", "{nonsense"):
        assert agentkit("approve", held, "--by", "ann", "--arguments", text).code == 2


def test_a_question_is_answered(agentkit: Type, serve: Type) -> None:
    serve(Reply(calls=[Call("ask_colour", {})]), DONE)
    done = agentkit(*CHAT, stdin="hi\n")
    assert done.code == 3
    assert "a tool asks" in done.out
    assert "which colour?" in done.out
    name = question(agentkit)
    assert f"agentkit answer {name} TEXT --by NAME" in done.out
    assert agentkit("answer", name, "blue", "--by", "ann").code == 0
    done = agentkit(*RESUME)
    assert (done.code, "✓ 1.1.0 ask_colour answered by ann\n    blue" in done.out) == (0, True)


@pytest.mark.parametrize(
    ("way", "code", "told"),
    [
        (("--happened", '{"receipt": "r-9"}'), 0, 'it happened, says ann\n    {"receipt":"r-9"}'),
        (("--happened", "r-9, by mail"), 0, "it happened, says ann\n    r-9, by mail"),
        (("--unknown",), 0, "the outcome stays unknown, says ann"),
        (("--not-happened",), 3, "it did not happen, says ann"),
    ],
)
def test_an_unknown_outcome_is_resolved(
    agentkit: Type, serve: Type, way: tuple[str, ...], code: int, told: str
) -> None:
    serve(Reply(calls=[Call("charge", {"order_id": "7"})]), DONE)
    done = agentkit(*CHAT, stdin="charge\n")
    assert done.code == 3
    assert "! 1.1.0 charge: outcome unknown" in done.out
    assert "charge may or may not have taken effect" in done.out
    assert "idempotency key  " in done.out
    name = question(agentkit)
    assert f"agentkit resolve {name} --by NAME  and one of --happened RESULT" in done.out
    assert "resolved by ann" in agentkit("resolve", name, "--by", "ann", *way).out
    done = agentkit(*RESUME)
    assert done.code == code
    assert told in done.out


def test_cancel_waits_for_a_driver_or_is_done_with_an_agent(agentkit: Type, serve: Type) -> None:
    serve(REFUND)
    assert agentkit(*CHAT, stdin="Refund order 7.\n").code == 3
    done = agentkit("cancel", "c-1", "--by", "ann")
    assert done.out == "✓ turn 1 is to be cancelled, says ann\n  a worker performs it, or: agentkit resume c-1\n"
    done = agentkit(*RESUME)
    assert done.code == 5
    assert "■ turn 1 cancelled: cancelled by ann" in done.out
    assert agentkit("cancel", "c-1", "--by", "ann").out == "no turn is open: there is nothing to cancel\n"
    assert agentkit("cancel", "nothing", "--by", "ann").code == 1
    serve(REFUND)
    assert agentkit("chat", "--agent", "desk:agent", "--session", "c-2", stdin="again\n").code == 3
    done = agentkit("cancel", "c-2", "--by", "ann", "--agent", "desk:agent")
    assert (done.code, done.out) == (0, "✓ turn 1 is cancelled\n")
    assert "cancelled" in agentkit("sessions", "--status", "cancelled").out


def test_a_failed_turn_can_be_cancelled(agentkit: Type, serve: Type) -> None:
    serve(Fault(400, "no"))
    assert agentkit(*CHAT, stdin="hi\n").code == 6
    assert agentkit("cancel", "c-1", "--by", "ann").code == 0
    assert agentkit(*RESUME).code == 5


def test_where_a_process_drives_the_session_it_is_named(desk: Path, held: str) -> None:
    async def drive() -> None:
        async with SQLiteJournal(desk / "agentkit.db") as journal:
            lease = await journal.claim("c-1", uid=uuid7(), agent="desk", owner=process_name())
            try:
                done = await anyio.run_process(command)
                line = done.stdout.decode().splitlines()[1]
                assert line.startswith(f"  {process_name()} ")
                assert line.endswith("drives the session and takes it up now")
                shown = await anyio.run_process([*command[:3], "show", "c-1"])
                assert shown.stdout.decode().splitlines()[-1].startswith(f"driven by {process_name()} ")
            finally:
                await journal.release(lease)

    command = [sys.executable, "-m", "agentkit.cli", "approve", held, "--by", "ann"]
    anyio.run(drive)


def test_one_id_in_two_sessions_has_to_be_told_apart(desk: Path, agentkit: Type) -> None:
    async def ask_twice() -> None:
        async with SQLiteJournal(desk / "agentkit.db") as journal:
            for name in ("c-1", "c-2"):
                lease = await journal.claim(name, uid=uuid7(), agent="desk", owner=process_name())
                placed = Placed(SessionStarted(name, "desk"), 0, None)
                asked = Asked("1.1.0-1-aa", 1, "question", "1.1.0", b'{"text": "which?"}')
                await journal.append(lease, 0, Batch([placed], opened=[asked], status="waiting"))
                await journal.release(lease)

    anyio.run(ask_twice)
    done = agentkit("answer", "1.1.0-1-aa", "this", "--by", "ann")
    assert (done.code, "waits in c-1, c-2: say which with --session" in done.err) == (1, True)


def test_a_status_that_there_is_not_is_refused_with_those_there_are(agentkit: Type) -> None:
    for command in (("sessions",), ("vacuum", "--older-than", "1d")):
        done = agentkit(*command, "--status", "bogus")
        assert done.code == 2
        assert "'waiting', 'faulted'" in done.err
