"""`chat` from a pipe, and `resume`: what is written, and the exit code of each outcome."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

from agentkit import SQLiteJournal
from agentkit.core.messages import Text
from agentkit.emulator import Call, Fault, Reply
from agentkit.events import UserSaid
from agentkit.inbox import body_of

Type = Callable[..., Any]
CHAT = ("chat", "--agent", "desk:agent")
REFUND = Reply(reasoning="I need refund.", calls=[Call("refund", {"order_id": "7", "amount": 12.5})])


def test_thinking_text_calls_and_results_are_shown(agentkit: Type, serve: Type) -> None:
    serve(
        Reply(reasoning="Look first.", content="One moment.", calls=[Call("find_order", {"order_id": "7"})]),
        Reply(reasoning="I know.", content="It was delivered."),
    )
    done = agentkit(*CHAT, stdin="Where is order 7?\n\n")
    assert done.code == 0
    assert done.err == ""
    lines = done.out.splitlines()
    assert lines[0] == "session chat: a new conversation"
    assert lines[1:5] == ["> Where is order 7?", "thinking", "Look first.", "One moment."]
    assert lines[5:8] == [
        '  → 1.1.0 find_order(order_id="7")',
        "  ← 1.1.0 find_order",
        '    {"id":"7","note":"delivered"}',
    ]
    assert lines[8:11] == ["thinking", "I know.", "It was delivered."]
    assert lines[11].startswith("■ turn 1 completed   2 steps · ")
    assert "\x1b" not in done.out


def test_each_line_is_a_message_and_the_conversation_goes_on(agentkit: Type, serve: Type) -> None:
    serve(Reply(content="one"), Reply(content="two"), Reply(content="three"))
    assert "■ turn 2 completed" in agentkit(*CHAT, stdin="a\nb\n").out
    done = agentkit(*CHAT, stdin="/help\nc\n/quit\nd\n")
    lines = done.out.splitlines()
    assert lines[:3] == ["session chat: going on; --session NAME starts another", "> b", "two"]
    assert "/resume tries a failed or open turn again" in done.out
    assert "■ turn 3 completed" in done.out
    assert "> d" not in done.out


def test_a_turn_that_waits_stops_the_pipe_and_says_how_to_decide(agentkit: Type, serve: Type) -> None:
    serve(REFUND)
    done = agentkit(*CHAT, stdin="Refund order 7.\nnever said\n")
    assert done.code == 3
    assert "  ? 1.1.0 refund waits for approval" in done.out
    assert '    order_id  "7"\n    amount    12.5\n    agentkit approve 1.1.0-' in done.out
    assert "never said" not in done.out
    assert agentkit(*CHAT, stdin="").code == 3, "it is asked again when the conversation is opened"


def test_a_limit_and_a_fault_have_codes_of_their_own(agentkit: Type, serve: Type) -> None:
    serve(Reply(calls=[Call("find_order", {"order_id": "7"})]), Fault(400, "no such thing"), Reply(content="well"))
    done = agentkit("chat", "--agent", "desk:short", stdin="hi\n")
    assert done.code == 4
    assert "■ turn 1 limit: limit reached: 1 steps in one turn" in done.out
    done = agentkit(*CHAT, stdin="again\nmore\n")
    assert done.code == 6
    assert "no such thing" in done.err
    assert "no such thing" not in done.out
    assert "> more" not in done.out
    assert "no such thing" in agentkit(*CHAT, stdin="").err, "a failed turn is told when the conversation is opened"


def test_a_pipe_goes_on_behind_a_turn_that_failed(agentkit: Type, serve: Type) -> None:
    serve([Fault(400, "no such thing"), Reply(content="well")])
    assert agentkit(*CHAT, stdin="hi\n").code == 6
    done = agentkit(*CHAT, stdin="hi\n")
    assert (done.code, "no such thing" in done.err) == (0, True)
    assert "an earlier turn failed so; the next message goes on without it" in done.out
    assert "well" in done.out.splitlines()


def test_a_bare_model_talks(agentkit: Type, serve: Type) -> None:
    emulator = serve(Reply(content="I am a model"))
    done = agentkit("chat", "--model", "m", "--base-url", emulator.base_url, "--session", "s", stdin="hi\n")
    assert (done.code, "I am a model" in done.out) == (0, True)


def test_a_program_reads_json_and_progress_goes_to_standard_error(agentkit: Type, serve: Type) -> None:
    serve(Reply(content="odd \x1b[2J\u202e end"), REFUND, Fault(400, "no"))
    done = agentkit(*CHAT, "--json", stdin="a\nb\n")
    first, second = (json.loads(line) for line in done.out.splitlines())
    assert (first["session"], first["turn"], first["status"], first["steps"]) == ("chat", 1, "completed", 1)
    assert first["text"] == "odd \x1b[2J\u202e end"
    assert first["usage"]["output_tokens"] > 0
    assert done.out.isascii()
    assert "\x1b" not in done.out
    (waiting,) = second["waiting"]
    assert (waiting["kind"], waiting["tool"], waiting["arguments"]["amount"]) == ("approval", "refund", 12.5)
    assert "■ turn 2 waiting" in done.err
    agentkit("deny", waiting["id"], "--by", "ann", "--reason", "no")
    failed = agentkit("resume", "chat", "--agent", "desk:agent", "--json")
    assert failed.code == 6
    assert json.loads(failed.out)["error"] == "BadRequest"
    assert json.loads(failed.out)["status"] == "failed"


def test_what_was_left_for_the_session_is_taken_up_first(desk: Path, agentkit: Type, serve: Type) -> None:
    serve(Reply(content="I heard you"))

    async def leave() -> None:
        async with SQLiteJournal(desk / "agentkit.db") as journal:
            await journal.put("chat", "message", "m-1", body_of(UserSaid((Text("psst"),), "m-1")), None)

    anyio.run(leave)
    assert "not taken up yet: message" in agentkit("show", "chat").out
    done = agentkit(*CHAT, stdin="")
    assert (done.code, "I heard you" in done.out) == (0, True)


def test_resume_at_rest_shows_the_last_result(agentkit: Type, serve: Type) -> None:
    serve(Reply(content="all done"))
    agentkit(*CHAT, stdin="hi\n")
    done = agentkit("resume", "chat", "--agent", "desk:agent")
    assert done.code == 0
    assert done.out.splitlines()[0] == "all done"
    assert agentkit("resume", "nothing", "--agent", "desk:agent").code == 1


def test_an_answer_that_cannot_be_used_is_shown_as_such(agentkit: Type, serve: Type) -> None:
    serve(Reply(content="half an ans", finish_reason="length"))
    done = agentkit(*CHAT, stdin="hi\n")
    assert "✗ the answer cannot be used (cut_off)" in done.out
    assert done.code == 6
