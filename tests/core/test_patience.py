"""What the core knows of time: how long each open question waits, as it was declared when it was asked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any, get_args

import pytest

from agentkit.core import events as ev
from agentkit.core import words
from agentkit.core.commands import Go, Hold
from agentkit.core.loop import apply
from agentkit.core.messages import Text
from agentkit.core.spec import FOR_EVER, BoundTool, Patience
from agentkit.core.state import State
from agentkit.errors import ForeignJournal, ProtocolError
from agentkit.journal.codec import UPGRADES, Codec, codec
from agentkit.patience import clocks, due
from tests.core.test_calls import BOUND, run, state_with, statuses, told

HOUR, NOON = Patience(7200.0, 3600.0, "bob"), datetime(2026, 11, 22, 12, tzinfo=UTC)
PAY = BoundTool("pay", "d2", "once", exclusive=True, patience=HOUR)
PATIENT = replace(BOUND, tools=(PAY,))
HELD = {"1.1.0": Hold("x")}


def at(state: State, hours: float) -> list[Any]:
    times = {call.question: NOON for call in state.calls}
    return list(due(state, times, lambda: NOON + timedelta(hours=hours)))


def test_a_question_has_the_patience_that_was_declared_when_it_was_asked() -> None:
    state = state_with("pay", bound=PATIENT, verdicts=dict(HELD))
    assert state.calls[0].patience == HOUR
    changed = apply(state, replace(BOUND, tools=(replace(PAY, patience=Patience(1.0)),)))
    assert changed.calls[0].patience == HOUR, "no clock that runs is moved"
    asked = run(changed, ev.CallHeld("1.1.0", "approval", "d2", "x", "again"))
    assert asked.calls[0].patience == Patience(1.0)


def test_an_unknown_call_has_the_patience_of_its_tool_too() -> None:
    state = state_with("pay", bound=PATIENT, verdicts={"1.1.0": Go("x")})
    assert state.calls[0].patience == FOR_EVER, "nobody is asked"
    crashed, cut = (run(state, event) for event in (ev.RunStarted("p"), ev.ToolUnknown("1.1.0", "cut")))
    assert crashed.calls[0].patience == cut.calls[0].patience == HOUR


def test_what_is_due_and_when() -> None:
    state = state_with("pay", bound=PATIENT, verdicts=dict(HELD))
    number = state.calls[0].question
    assert at(state, 0.99) == []
    assert at(state, 1) == [ev.CallEscalated("1.1.0", number, "bob")]
    assert [type(event) for event in at(state, 2)] == [ev.CallDenied], "nobody is told of what is over"
    assert list(clocks(state, {})) == [], "of a question whose time is not known nothing is decided"
    escalated = run(state, *at(state, 1))
    assert escalated.calls[0].escalated_to == "bob"
    assert at(escalated, 1.5) == []
    assert told(run(escalated, *at(escalated, 2))) == [
        "Not run: nobody decided within 2 h. It did not happen, and this request is over."
    ]


def test_an_unknown_outcome_never_expires() -> None:
    state = run(state_with("pay", bound=PATIENT, verdicts={"1.1.0": Go("x")}), ev.ToolUnknown("1.1.0", "cut"))
    assert at(state, 1000) == [ev.CallEscalated("1.1.0", state.calls[0].question, "bob")]
    assert at(run(state, *at(state, 1000)), 1000) == []


def test_a_question_is_escalated_once_and_asked_anew_it_may_be_again() -> None:
    state = state_with("pay", bound=PATIENT, verdicts=dict(HELD))
    first = state.calls[0].question
    state = run(state, ev.CallEscalated("1.1.0", first, "bob"))
    assert statuses(state) == ["held"]
    with pytest.raises(ProtocolError, match="was escalated already"):
        apply(state, ev.CallEscalated("1.1.0", first, "bob"))
    state = run(state, ev.CallHeld("1.1.0", "approval", "d2", "x", "again"))
    assert state.calls[0].escalated_to == ""
    with pytest.raises(ProtocolError, match="no longer open"):
        apply(state, ev.CallEscalated("1.1.0", first, "bob"))
    state = run(state, ev.CallEscalated("1.1.0", state.calls[0].question, "bob"))
    two = state_with("pay", "look", bound=replace(PATIENT, tools=(PAY, *BOUND.tools[:1])), verdicts=dict(HELD))
    number = two.calls[0].question
    denied = run(two, ev.CallDenied("1.1.0", number, "ann", "", (Text("no"),)))
    with pytest.raises(ProtocolError, match=r"call 1\.1\.0 is denied"):
        apply(denied, ev.CallEscalated("1.1.0", number, "bob"))


def test_a_suspended_call_may_be_asked_again_and_the_older_answer_is_refused() -> None:
    state = run(state_with("look"), ev.CallSuspended("1.1.0", "question", "well?"))
    first = state.calls[0].question
    state = run(state, ev.CallSuspended("1.1.0", "question", "well?"))
    with pytest.raises(ProtocolError, match="no longer open"):
        apply(state, ev.CallAnswered("1.1.0", first, "ann", (Text("so"),)))
    assert told(run(state, ev.CallAnswered("1.1.0", state.calls[0].question, "ann", (Text("so"),)))) == ["so"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.05, "0.05 s"), (45, "45 s"), (90, "1.5 min"), (100, "100 s"), (7200, "2 h"), (129600, "1.5 d")],
)
def test_a_time_span_in_words(seconds: float, text: str) -> None:
    assert words.span(seconds) == text


def test_an_older_version_reads_past_an_escalation_and_past_nothing_else() -> None:
    kinds = [kind for kind in get_args(ev.AnyEvent) if kind is not ev.CallEscalated]
    older = Codec(reduce(lambda one, other: one | other, kinds), UPGRADES)
    assert older.decode(codec().encode(ev.CallEscalated("1.1.0", 7, "bob"))) is None
    assert codec().decode(codec().encode(ev.CallEscalated("1.1.0", 7, "bob"))) == ev.CallEscalated("1.1.0", 7, "bob")
    before = Codec(ev.AnyEvent, {("Forked", 1): dict})
    with pytest.raises(ForeignJournal, match="AgentBound, version 3"):
        before.decode(codec().encode(PATIENT))
