"""An answer of a type, in the core: who ends the turn, what an answer that does not fit leads to."""

from dataclasses import replace
from typing import Any

import pytest

from agentkit.core import events as ev
from agentkit.core.binding import bind, unbind
from agentkit.core.commands import CheckCall, Go, Mend, Refuse, Verdict
from agentkit.core.contract import Contract
from agentkit.core.events_people import PersonAnswered
from agentkit.core.loop import apply, commands, fold, follows
from agentkit.core.messages import AssistantMessage, Text, ToolCall
from agentkit.core.output import MAX_REFUSED, OUTPUT, checks
from agentkit.core.spec import ANSWER, Binding, BoundTool, Limits, OutputSpec, Settings, ToolSpec
from agentkit.core.state import Phase, State

LOOK = BoundTool("look", "d1", "read", exclusive=False)
GIVE = BoundTool(ANSWER, "d2", "read", exclusive=False)
JSON = ev.AgentBound("a", "m", "h", "generic", "0", "i", "s", "t", "c", (LOOK, GIVE), output="json_object")
TOOL = replace(JSON, output="tool", limits=Limits(tool_calls=0))
SENT = ev.Sent(0, ("h",))
MEND: dict[str, Verdict] = {OUTPUT: Mend(ev.OutputRefused("a number, please"))}
FITS: dict[str, Verdict] = {OUTPUT: Go("")}


def begun(bound: ev.AgentBound = JSON) -> State:
    return run(fold([ev.SessionStarted("u", "a"), bound]), ev.UserSaid((Text("hi"),)))


def run(state: State, *events: Any, verdicts: dict[str, Verdict] | None = None) -> State:
    for event in events:
        state = apply(state, event)
        while (more := follows(state, verdicts or {})) is not None:
            state = apply(state, more)
    return state


def says(text: str) -> ev.ModelResponded:
    return ev.ModelResponded(AssistantMessage(text), SENT)


def calls(*names: str) -> ev.ModelResponded:
    made = tuple(ToolCall(f"c{n}", name, '{"answer":7}') for n, name in enumerate(names))
    return ev.ModelResponded(AssistantMessage(calls=made), SENT)


def test_an_answer_ends_the_turn_when_somebody_has_looked_at_it() -> None:
    state = run(begun(), says("7"))
    assert (state.phase, commands(state)) == (Phase.ENDING, (CheckCall(OUTPUT, "json_object", "7"),))
    assert follows(state, FITS) == ev.TurnEnded("completed")
    state = run(begun(), says("seven"), verdicts=MEND)
    assert (state.phase, state.step, state.attempt) == (Phase.THINKING, 2, 1)


def test_without_a_type_nobody_looks() -> None:
    state = run(begun(replace(JSON, output="")), says("7"))
    assert (state.phase, commands(state)) == (Phase.IDLE, ())
    assert list(checks(begun(replace(JSON, output="")), AssistantMessage("7"))) == []


def test_a_turn_that_is_ending_anyway_ends() -> None:
    state = apply(apply(begun(), says("7")), ev.CancelRequested(1, "ann"))
    assert commands(state) == ()
    assert follows(state, MEND) == ev.TurnEnded("cancelled", "cancelled by ann")


def test_what_a_person_says_need_not_fit() -> None:
    state = apply(apply(begun(), says("7")), PersonAnswered("Later.", "ann", "notice"))
    assert commands(state) == ()
    state = run(state, ev.RunStarted("p"))
    assert (state.phase, [turn.text for turn in state.turns]) == (Phase.IDLE, ["7", "Later."])


def test_the_model_is_asked_again_three_times_and_then_it_is_a_fault() -> None:
    state = begun()
    for _ in range(MAX_REFUSED):
        state = run(state, says("seven"), verdicts=MEND)
        assert state.phase is Phase.THINKING
    state = run(state, says("seven"), verdicts=MEND)
    assert (state.phase, state.fault and state.fault.kind) == (Phase.FAULTED, "output")
    assert state.fault is not None
    assert "4 answers were not of the type asked for; the last time: a number, please" in state.fault.text
    assert run(state, ev.TurnResumed()).phase is Phase.THINKING


def test_a_call_gives_the_answer_and_counts_as_none() -> None:
    state = run(begun(TOOL), calls(ANSWER), verdicts={"1.1.0": Go("x")})
    assert state.calls[0].status == "started"
    state = run(state, ev.ToolFinished("1.1.0", (Text("Taken."),)))
    assert (state.phase, state.text, state.tool_calls) == (Phase.ENDING, '{"answer":7}', 0)
    assert run(state, ev.RunStarted("p"), verdicts=FITS).turns[0].text == '{"answer":7}'


def test_an_answer_beside_other_calls_is_not_taken() -> None:
    state = run(begun(replace(TOOL, limits=Limits())), calls("look", ANSWER), verdicts={"1.1.0": Go("x")})
    assert [call.status for call in state.calls] == ["started", "refused"]
    assert (state.refused, run(state, ev.ToolFinished("1.1.0", (Text("ok"),))).phase) == (1, Phase.THINKING)


@pytest.mark.parametrize(
    "between", [ev.UserSaid((Text("wait"),), now=True), ev.LimitReached("seconds", "too late")], ids=["now", "ending"]
)
def test_what_comes_in_between_is_heard_first(between: Any) -> None:
    state = run(begun(TOOL), calls(ANSWER), verdicts={"1.1.0": Go("x")})
    state = apply(apply(state, between), ev.ToolFinished("1.1.0", (Text("Taken."),)))
    assert (state.phase, state.step) == (Phase.THINKING, 2)


def test_an_answer_that_is_refused_is_asked_again_and_counted() -> None:
    no = Refuse(ev.CallRefused("1.1.0", "schema", (Text("`answer` is missing"),)))
    state = run(begun(TOOL), calls(ANSWER), verdicts={"1.1.0": no})
    assert (state.phase, state.refused, state.trouble) == (Phase.THINKING, 1, "`answer` is missing")


def test_the_checks_of_an_answer_are_those_of_its_calls_or_of_its_text() -> None:
    state = begun()
    assert list(checks(state, calls("look").message)) == [CheckCall("1.1.0", "look", '{"answer":7}')]
    assert list(checks(state, AssistantMessage("7"))) == [CheckCall(OUTPUT, "json_object", "7")]
    assert list(checks(State(), AssistantMessage("7"))) == []


def test_how_the_answer_is_asked_for_is_recorded_with_the_settings() -> None:
    output = OutputSpec("json_object", {"type": "object"}, "Answer in JSON.", strict=True)
    spec = ToolSpec(LOOK, "Look.", {"type": "object"}, strict=True)
    settings = Settings(temperature=0, strict_tools=True, output=output)
    one = Binding("a", "m", "Be brief.", (spec,), settings, Contract(id="x"), Limits(), "0")
    event, blobs = bind(one, "h", None, static=True)
    assert (event.output, unbind(event, {blob.hash: blob.data for blob in blobs})) == ("json_object", one)
    assert (one.system, replace(one, settings=Settings()).system) == ("Be brief.\n\nAnswer in JSON.", "Be brief.")
    plain, blobs = bind(replace(one, settings=Settings()), "h", None, static=True)
    assert (plain.output, b"strict_tools" in blobs[2].data or b"output" in blobs[2].data) == ("", False)
