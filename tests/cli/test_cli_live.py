"""Watching a run: what streams, what is recorded without streaming, and signs of life."""

from datetime import UTC, datetime

import pytest

from agentkit import Delta, Record, events
from agentkit.cli.live import Live
from agentkit.cli.screen import Screen
from agentkit.messages import AssistantMessage, ToolCall

NOON = datetime(2025, 11, 21, 12, tzinfo=UTC)
SENT = events.Sent(0, ("h",))
ANSWER = AssistantMessage("It is here.", "Let me see.", (ToolCall("1", "look", '{"at": 1}'),))


def told(*news: Record | Delta) -> None:
    live = Live(Screen())
    for each in news:
        live.take(each)


def record(event: events.AnyEvent) -> Record:
    return Record(1, NOON, 1, 1, event)


def test_what_streamed_is_not_written_again(capsys: pytest.CaptureFixture[str]) -> None:
    pieces = (
        ("reasoning", "Let me"),
        ("reasoning", " see."),
        ("text", "It is"),
        ("text", " here."),
        ("arguments", "{"),
    )
    deltas = [Delta(kind, text, "1.1", 1) for kind, text in pieces]  # type: ignore[arg-type]  # the kinds are these
    answered = record(events.ModelResponded(ANSWER, SENT))
    told(record(events.ModelStarted(1)), *deltas, answered)
    whole = "thinking\nLet me see.\nIt is here.\n  → 1.1.0 look(at=1)\n"
    assert capsys.readouterr().out == whole
    told(record(events.ModelStarted(1)), answered)
    assert capsys.readouterr().out == whole
    told(record(events.ModelStarted(1)), *deltas[:3], record(events.ModelStarted(2)), answered)
    assert capsys.readouterr().out == "thinking\nLet me see.\nIt is\n  · asked again, attempt 2\n" + whole


BOUND = events.AgentBound("a", "spare", "h.example", "generic", "0.1.0", "i", "s", "t", "c")


def test_a_fault_that_another_model_mends_is_told_with_who_takes_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    failed = events.ModelFailed("overloaded", "the first is down", 503)
    told(record(events.ModelStarted(1)), record(failed), record(BOUND), record(events.TurnResumed()))
    assert capsys.readouterr().out == (
        "  ✗ the model service failed (overloaded, HTTP 503): the first is down\n"
        "  · spare at h.example takes its place\n"
        "  · the turn goes on\n"
    )
    told(
        record(BOUND), record(events.ModelStarted(1)), record(failed)
    )  # nobody mends it: it is raised, and told as the run's
    assert capsys.readouterr().out == ""


def test_silence_is_broken_by_saying_what_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    live = Live(Screen())
    live.sign(14.0)
    assert capsys.readouterr().out == ""
    live.take(record(events.ModelStarted(1)))
    live.sign(16.0)
    live.sign(20.0)
    assert capsys.readouterr().out == "… waiting for the model (16 s)\n"
    live.take(record(events.ModelResponded(ANSWER, SENT)))
    live.take(record(events.ToolStarted("1.1.0", "read", "d", "h")))
    capsys.readouterr()
    live.sign(32.0)
    assert capsys.readouterr().out == "… running look (32 s)\n"
