"""`show`, `events`, `sessions`: what happened, for people and for programs."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import anyio
import pytest

from agentkit import Limits, Record, Usage, events
from agentkit.cli.changed import by_name
from agentkit.cli.figures import count, duration, money, usage_line
from agentkit.cli.page import Page
from agentkit.cli.phrases import TABLE, call_text, phrase, shortened
from agentkit.cli.screen import Screen
from agentkit.cli.story import told
from agentkit.core.spec import BoundTool
from agentkit.emulator import Call, Fault, Reply
from agentkit.errors import JournalError
from agentkit.journal.base import Head
from agentkit.messages import AssistantMessage, Text, ToolCall
from tests.forked import Forked

Type = Callable[..., Any]
CHAT = ("chat", "--agent", "desk:agent", "--session", "c-1")
NOON = datetime(2025, 11, 21, 12, tzinfo=UTC)


PAGE = (
    "session  c-1   uid ",
    "agent    desk   model deepseek-flash at 127.0.0.1 (contract generic",
    "tools    find_order (read), long_story (read), refund (once), ",
    "status   faulted: ",
    "work     2 turns · 3 steps · 3 model calls (1 unusable) · 2 tool calls",
    "usage    ",
    "time     20",
    "=== turn 1  20",
    "user  m-",
    "  Refund order 7.",
    "step 1.1  ",
    "  thinking",
    "    Two things.",
    "    First the order.",
    "  One moment.",
    '  → 1.1.0 find_order(order_id="7")',
    '  → 1.1.1 refund(order_id="7", amount=12.5)',
    "    ",
    "  ? 1.1.1 refund waits for approval  ",
    "  ← 1.1.0 find_order  0.",
    '    {"id":"7","note":"delivered"}',
    "  ✓ 1.1.1 refund approved by ann  ",
    "  ▸ 1.1.1 refund started (once)  ",
    "  ← 1.1.1 refund  0.",
    "    refunded 12.5",
    "step 1.2  ",
    "  thinking: empty",
    "  Done \\x1b[31m\\u202e.",
    "■ turn 1 completed  2 steps · ",
    "=== turn 2  20",
    "  more",
    "step 2.1  ",
    "  ✗ the model service failed (bad_request, HTTP 400): ",
    "the turn failed; to try again: agentkit resume c-1",
)


def in_order(page: str, wanted: tuple[str, ...]) -> None:
    """Check that lines beginning so are on the page, one after the other."""
    found = iter(page.splitlines())
    for line in wanted:
        assert any(each.startswith(line) for each in found), f"{line!r} is not in its place in\n{page}"


def test_a_session_reads_from_top_to_bottom(agentkit: Type, serve: Type) -> None:
    serve(
        Reply(
            reasoning="Two things.\nFirst the order.",
            content="One moment.",
            calls=[Call("find_order", {"order_id": "7"}), Call("refund", {"order_id": "7", "amount": 12.5})],
        ),
        Reply(content="Done \x1b[31m\u202e.", reasoning=""),
        Fault(400, "no such model"),
    )
    agentkit(*CHAT, stdin="Refund order 7.\n")
    (waiting,) = json.loads(agentkit("pending", "--json", "--session", "c-1").out)
    page = agentkit("show", "c-1").out
    assert "status   waiting" in page
    assert f"agentkit approve {waiting['id']} --by NAME" in page
    assert "the turn is open; to go on: agentkit resume c-1" in page
    agentkit("approve", waiting["id"], "--by", "ann")
    assert "left for the session by ann, not taken up yet: approval" in agentkit("show", "c-1").out
    agentkit("resume", "c-1", "--agent", "desk:agent")
    agentkit(*CHAT, stdin="more\n")
    page = agentkit("show", "c-1").out
    in_order(page, PAGE)
    assert "\x1b" not in page


def test_long_texts_are_shortened_unless_asked_for(agentkit: Type, serve: Type) -> None:
    thought = "\n".join(f"thought {n}" for n in range(100))
    serve(Reply(reasoning=thought, calls=[Call("long_story", {})]), Reply(content="the end"))
    agentkit(*CHAT, stdin="hi\n")
    short, full = agentkit("show", "c-1").out, agentkit("show", "c-1", "--full").out
    assert "thought 11 … (+" in short
    assert re.search(r"\[100\d{3} bytes, stored\]", short)  # what the model was shown of it
    assert "thought 99" in full
    assert full.count("once upon a time") == 10_000


def test_records_are_listed_and_followed(agentkit: Type, serve: Type) -> None:
    serve(Reply(content="hello"))
    agentkit(*CHAT, stdin="hi\n")
    raw = agentkit("show", "c-1", "--raw").out.splitlines()
    names = [line.split()[3] for line in raw]
    assert names[0] == "SessionStarted"
    assert names[-3:] == ["ModelStarted", "ModelResponded", "TurnEnded"]
    lines = [json.loads(line) for line in agentkit("events", "c-1", "--json").out.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(raw) + 1))
    assert lines[-1]["type"] == "TurnEnded"
    assert lines[-1]["body"] == {"status": "completed"}
    assert len(agentkit("events", "c-1", "--after", "4").out.splitlines()) == len(raw) - 4
    assert agentkit("events", "nothing").code == 1
    command = [sys.executable, "-m", "agentkit.cli", "events", "c-1", "--follow", "--json"]
    with Forked(command, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        for _ in raw:
            following.stdout.readline()
        agentkit(*CHAT, stdin="again\n")
        assert json.loads(following.stdout.readline())["type"] == "UserSaid"
        following.terminate()


def test_a_program_gets_the_whole_as_json(agentkit: Type, serve: Type) -> None:
    serve(Reply(content="hello"), Reply(calls=[Call("refund", {"order_id": "7", "amount": 1})]))
    agentkit(*CHAT, stdin="hi\nrefund\n")
    whole = json.loads(agentkit("show", "c-1", "--json").out)
    assert (whole["session"], whole["agent"], whole["model"]) == ("c-1", "desk", "deepseek-flash")
    assert (whole["status"], whole["model_calls"], whole["driven_by"]) == ("waiting", 2, None)
    first, second = whole["turns"]
    assert (first["message"], first["status"], first["text"], first["steps"]) == ("hi", "completed", "hello", 1)
    assert (second["status"], second["ended_at"]) == ("open", None)
    assert whole["waiting"][0]["tool"] == "refund"
    (row,) = json.loads(agentkit("sessions", "--json").out)
    assert (row["session"], row["status"], row["agent"]) == ("c-1", "waiting", "desk")


def test_sessions_are_listed_newest_first_and_by_status(agentkit: Type, serve: Type) -> None:
    serve(Reply(content="hello"))
    agentkit("chat", "--agent", "desk:agent", "--session", "a", stdin="")
    for name in ("one", "two", "three"):
        agentkit("chat", "--agent", "desk:agent", "--session", name, stdin="hi\n")
    lines = agentkit("sessions").out.splitlines()
    assert lines[0].split() == ["SESSION", "AGENT", "STATUS", "EVENTS", "CREATED", "DRIVEN", "BY"]
    assert [line.split()[0] for line in lines[1:]] == ["three", "two", "one"]
    assert "there are more than 2" in agentkit("sessions", "--limit", "2").out
    assert "no sessions" in agentkit("sessions", "--status", "waiting").out


def test_every_event_has_its_words() -> None:
    assert set(TABLE) == set(get_args(events.AnyEvent))


def test_who_else_is_told_and_that_nobody_answered() -> None:
    escalated, unanswered = (
        phrase(events.CallEscalated("1.1.0", 9, "the shift lead"), {"1.1.0": "refund"}),
        phrase(events.CallAnswered("1.1.0", 9, "agentkit", (Text("Nobody."),)), {"1.1.0": "ask"}),
    )
    assert escalated is not None
    assert escalated.text == "1.1.0 refund: nobody decided, so the shift lead is to know of it"
    assert unanswered is not None
    assert unanswered.text == "1.1.0 ask: nobody answered in time"


F, G = BoundTool("f", "d", "once", exclusive=True), BoundTool("g", "d", "read", exclusive=False)
BOUND = events.AgentBound(
    agent="a",
    model="m",
    host="h",
    contract_id="generic",
    version="0.1.0",
    instructions="i",
    schemas="s",
    settings="t",
    contract="c",
    tools=(F,),
)
REBOUND = replace(BOUND, model="m2", instructions="j", tools=(G,))
SENT = events.Sent(0, ("h",), decisions=("message 3: dropped, this service wants it for one turn only",))
ASKED = AssistantMessage("text", None, (ToolCall("1", "f", '{"a": 1, "a": 2}'), ToolCall("2", "g", "[1]")))
HALF = AssistantMessage("half an answ")
USED = Usage(10, 5, 3, 2, Decimal("0.5"))
STORY: tuple[tuple[int, int | None, events.AnyEvent], ...] = (
    (0, None, events.SessionStarted("uid-1", "a")),
    (0, None, BOUND),
    (1, 1, events.UserSaid((Text("hello"),), "m-1", "joe")),
    (1, 1, events.ModelStarted(1)),
    (1, 1, events.ModelRejected("empty", "there was nothing in it", HALF, SENT, USED)),
    (1, 1, events.ModelStarted(2)),
    (1, 1, events.ModelInterrupted("the line broke", "half a sent", "half a thou")),
    (1, 1, events.ModelFailed("interrupted", "three times", None, "the words of the service", 4)),
    (1, 1, events.TurnResumed("ann")),
    (1, 1, events.ModelStarted(3)),
    (1, 1, events.UserSaid((Text("quick!"),), "m-2", now=True)),
    (1, 1, events.UserSaid((Text("later"),), "m-3")),
    (1, 1, events.ModelResponded(ASKED, SENT, None, notes=("an id was replaced",))),
    (1, 1, events.CallRefused("1.1.1", "malformed", (Text("not an object"),))),
    (1, 1, events.CallHeld("1.1.0", "twin", "d", "h", "an equal call is unknown")),
    (1, 1, events.CallApproved("1.1.0", 15, "ann")),
    (1, 1, events.ToolStarted("1.1.0", "once", "d", "h")),
    (1, 1, events.RunStarted("host:1")),
    (1, 1, events.CallResolved("1.1.0", 18, "unknown", "reconcile", "f", why="the bank is closed")),
    (1, 1, events.CallResolved("1.1.0", 18, "not_happened", "person", "ann")),
    (1, 1, events.ToolStarted("1.1.0", "once", "d", "h")),
    (1, 1, events.CallSuspended("1.1.0", "child", "a session of its own")),
    (1, 1, events.ToolFinished("1.1.0", (Text("It failed."),), failed=True, detail="Traceback: x")),
    (1, 2, events.ModelStarted(1)),
    (1, 2, events.ModelResponded(AssistantMessage("an answer"), SENT, USED)),
    (1, 2, events.OutputRefused("no number")),
    (1, 3, events.CallClosed("1.2.0", "cancelled", (Text("Not run."),))),
    (1, 3, events.LimitReached("steps", "limit reached: 3 steps")),
    (1, 3, events.InboxRefused("cancel", "1", "turn 1 is over")),
    (1, 3, events.TurnEnded("limit", "limit reached: 3 steps")),
    (2, 1, events.ModelStarted(1, purpose="compaction")),
    (2, 1, events.Compacted(3, "they talked", SENT, USED)),
    (2, 2, events.Forked("uid-0", 3, "uid-1")),
    (2, 2, REBOUND),
    (2, 2, REBOUND),
    (2, 2, events.CancelRequested(2, "joe")),
    (2, 2, events.TurnEnded("cancelled", "cancelled by joe")),
)


SELDOM = (
    "status   cancelled: cancelled by joe",
    "work     2 turns · 5 steps · 6 model calls (3 unusable) · 2 tool calls",
    "usage    30 in (50 % cached) · 9 out (6 thinking) · $1.50 · usage of 2 calls not reported",
    "time     2025-11-21 12:00:01 UTC to 2025-11-21 12:00:37 UTC (36.0 s)",
    "joe  m-1",
    "  ✗ the answer cannot be used (empty): there was nothing in it",
    "    half an answ",
    "    10 in (50 % cached) · 3 out (2 thinking) · $0.5000 · 1.0 s",
    "    · reasoning sent back: 1 dropped (message 3: this service wants it for one turn only)",
    "  · asked again, attempt 2",
    "  ✗ the answer broke off: the line broke",
    "    half a sent",
    "  ✗ the model service failed (interrupted) (message 4 of the request): three times",
    "    the words of the service",
    "  · the turn goes on, by ann",
    "user, now  m-2",
    "user, while the turn was open  m-3",
    '  → 1.1.0 f {"a": 1, "a": 2}',
    "  → 1.1.1 g [1]",
    "  · an id was replaced",
    "    usage not reported",
    "  ✗ 1.1.1 g did not run (malformed)",
    "  ? 1.1.0 f waits for approval: an equal call is unknown",
    "  ✓ 1.1.0 f approved by ann  1.0 s",
    "  ! driven anew, by host:1: what was in flight is void",
    "  ✓ 1.1.0 f: the outcome stays unknown, says reconcile of f (the bank is closed)",
    "  ✓ 1.1.0 f: it did not happen, says ann",
    "  · 1.1.0 f waits for a session of its own: a session of its own",
    "  ← 1.1.0 f failed  1.0 s",
    "    It failed.",
    "    Traceback: x",
    "  ✗ the answer was of the wrong type; the model was told",
    "  · 1.2.0 closed (cancelled)",
    "  ■ limit reached: 3 steps",
    "  ✗ the session refused a cancel: turn 1 is over",
    "■ turn 1 limit: limit reached: 3 steps  3 steps · ",
    "=== turn 2  2025-11-21 12:00:31 UTC",
    "user  m-3",
    "  later",
    "  · the conversation is being summarised",
    "  · the first 3 messages are now a summary for the model",
    "    they talked",
    "  · copied here from another session (uid-0): approvals given there are void",
    "  ! the agent changed: model m → m2; instructions changed; tool g added; tool f gone",
    "  ! the agent changed: nothing the model is told",
    "  ■ cancelled by joe",
    "■ turn 2 cancelled: cancelled by joe",
)


def records() -> Iterator[Record]:
    for seq, (turn, step, event) in enumerate(STORY, 1):
        yield Record(seq, NOON + timedelta(seconds=seq), turn, step, event)


def test_what_seldom_happens_is_told_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    async def none(name: str) -> bytes:
        raise JournalError(f"there are no contents {name}")  # as of an erased session

    head = Head("s", "uid-1", "a", 1, len(STORY), "cancelled", None, None, NOON)
    anyio.run(Page(Screen(), none, full=True).write, head, tuple(records()))
    in_order(capsys.readouterr().out, SELDOM)


def test_a_message_that_waits_gets_the_next_turn() -> None:
    story = told(records())
    assert [[said.id for said in turn.said] for turn in story.turns] == [["m-1", "m-2"], ["m-3"]]
    assert story.turns[0].message == "hello\nquick!"
    assert (story.waiting, story.open_turn) == ([], None)


def test_changes_of_a_tool_and_of_limits_are_named() -> None:
    after = replace(BOUND, limits=Limits(steps=3), tools=(replace(F, digest="e"),))
    assert list(by_name(BOUND, after)) == ["limits changed", "tool f changed"]


def test_a_change_of_the_contract_is_named_once() -> None:
    assert list(by_name(BOUND, replace(BOUND, contract="d"))) == ["contract generic changed"]
    assert list(by_name(BOUND, replace(BOUND, contract="d", contract_id="vllm"))) == ["contract generic → vllm"]


def test_figures() -> None:
    spans = ((0.24, "0.2 s"), (59.9, "59.9 s"), (125, "2 min 05 s"), (3_725, "1 h 02 min"), (90_000, "1 d 1 h"))
    assert [duration(timedelta(seconds=seconds)) for seconds, _ in spans] == [text for _, text in spans]
    costs = (None, Decimal(0), Decimal("0.0000123"), Decimal("0.0123"), Decimal("12.345"))
    assert [money(cost) for cost in costs] == ["cost unknown", "$0", "$0.000012", "$0.0123", "$12.34"]
    assert usage_line(Usage()) == "0 in · 0 out · $0"
    assert [count(1, "turn"), count(1_200, "turn")] == ["1 turn", "1,200 turns"]


def test_calls_are_written_so_that_nothing_hides() -> None:
    assert call_text("f", '{"b": "é", "c": [1, null]}') == 'f(b="é", c=[1, null])'
    assert call_text("f", "") == "f()"
    assert call_text("f", '{"a": 1, "a": 2}') == 'f {"a": 1, "a": 2}'
    assert call_text("f", "{broken") == "f {broken"
    assert shortened("one\ntwo", 1, 10) == "one … (+4 characters)"
    assert shortened("one\ntwo", 2, 10) == "one\ntwo"
