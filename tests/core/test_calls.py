"""Calls by name: what holds them, what starts them, what becomes of them."""

from dataclasses import replace
from typing import Any

import pytest

from agentkit.core import events as ev
from agentkit.core import words
from agentkit.core.commands import CallModel, CheckCall, Go, Hold, Reconcile, Refuse, RunTool, Verdict
from agentkit.core.loop import apply, commands, fold, follows
from agentkit.core.messages import AssistantMessage, Text, ToolCall, ToolMessage, text_of
from agentkit.core.owed import MAX_LOST, awaits, may_start
from agentkit.core.spec import BoundTool, Limits
from agentkit.core.state import Phase, State
from agentkit.errors import ProtocolError

LOOK = BoundTool("look", "d1", "read", exclusive=False)
PAY = BoundTool("pay", "d2", "once", exclusive=True, has_reconcile=True)
SEND = BoundTool("send", "d3", "once", exclusive=False)
PUT = BoundTool("put", "d4", "idempotent", exclusive=False)
BOUND = ev.AgentBound("a", "m", "h", "generic", "0", "i", "s", "t", "c", (LOOK, PAY, SEND, PUT))
OK = (Text("ok"),)


def state_with(*names: str, bound: ev.AgentBound = BOUND, verdicts: dict[str, Verdict] | None = None) -> State:
    """A state in which the model has just asked for these calls (all with equal arguments)."""
    calls = tuple(ToolCall(f"c{i}", name, "{}") for i, name in enumerate(names))
    answer = ev.ModelResponded(AssistantMessage(calls=calls), ev.Sent(0, ("h",)))
    state = fold([ev.SessionStarted("u", "a"), bound, ev.UserSaid((Text("hi"),)), ev.ModelStarted(1)])
    return run(state, answer, verdicts=verdicts or {f"1.1.{i}": Go("x") for i in range(len(names))})


def run(state: State, *events: Any, verdicts: dict[str, Verdict] | None = None) -> State:
    for event in events:
        state = apply(state, event)
    while (more := follows(state, verdicts or {})) is not None:
        state = apply(state, more)
    return state


def statuses(state: State) -> list[str]:
    return [call.status for call in state.calls]


def told(state: State) -> list[str]:
    return [text_of(e.message.parts) for e in state.transcript if isinstance(e.message, ToolMessage)]


def test_harmless_calls_start_together_and_a_barrier_stands_in_the_order_asked() -> None:
    state = state_with("look", "pay", "look")
    assert statuses(state) == ["started", "requested", "requested"]
    state = run(state, ev.ToolFinished("1.1.0", OK))
    assert commands(state) == (CheckCall("1.1.1", "pay", "{}"),)
    state = run(state, verdicts={"1.1.1": Go("x")})
    assert statuses(state) == ["finished", "started", "requested"]
    assert commands(state) == (RunTool("1.1.1", "pay", "{}", state.calls[1].started),)
    state = run(state, ev.ToolFinished("1.1.1", OK))
    assert commands(state) == (CheckCall("1.1.2", "look", "{}"),)


def test_a_waiting_call_holds_the_exclusive_ones_behind_it_not_the_others() -> None:
    held: dict[str, Verdict] = {"1.1.0": Hold("x"), "1.1.1": Go("y"), "1.1.2": Go("x"), "1.1.3": Go("x")}
    state = state_with("pay", "pay", "look", "send", verdicts=held)
    assert statuses(state) == ["held", "requested", "started", "started"]
    assert not may_start(state, state.calls[1])
    assert not may_start(state, replace(state.calls[2], key="9.9.9"))


def test_results_enter_the_transcript_in_the_order_asked() -> None:
    state = state_with("look", "look")
    state = run(state, ev.ToolFinished("1.1.1", (Text("second"),)), ev.ToolFinished("1.1.0", (Text("first"),)))
    assert told(state) == ["first", "second"]
    assert state.step == 2


def test_an_unknown_tool_is_refused_with_the_names_of_those_there_are() -> None:
    state = state_with("nobody", verdicts={})
    assert told(state) == ["Error: there is no tool named 'nobody'. The tools are: look, pay, send, put."]


def test_a_refused_call_settles_with_the_words_of_the_check() -> None:
    refusal = ev.CallRefused("1.1.0", "schema", (Text("a must be a number"),))
    assert told(state_with("look", verdicts={"1.1.0": Refuse(refusal)})) == ["a must be a number"]


def test_a_call_without_a_verdict_waits_for_its_check() -> None:
    state = state_with("look", verdicts={"1.1.9": Go("x")})
    assert statuses(state) == ["requested"]
    assert commands(state) == (CheckCall("1.1.0", "look", "{}"),)


def test_an_approved_call_starts_and_a_denied_one_tells_the_reason() -> None:
    state = state_with("pay", verdicts={"1.1.0": Hold("x", "large")})
    call = state.calls[0]
    assert (call.kind, call.why, call.question) == ("approval", "large", state.seq)
    yes = run(state, ev.CallApproved("1.1.0", call.question, "ann"))
    assert commands(yes) == (CheckCall("1.1.0", "pay", "{}"),)
    assert statuses(run(yes, verdicts={"1.1.0": Hold("x")})) == ["started"]
    no = run(state, ev.CallDenied("1.1.0", call.question, "ann", "no", (Text("denied"),)))
    assert told(no) == ["denied"]


def test_an_older_question_is_refused() -> None:
    state = state_with("pay", verdicts={"1.1.0": Hold("x")})
    with pytest.raises(ProtocolError, match="no longer open"):
        apply(state, ev.CallApproved("1.1.0", 1, "ann"))


def test_a_changed_tool_voids_an_approval_and_changed_back_asks_again() -> None:
    state = state_with("pay", verdicts={"1.1.0": Hold("x")})
    first = state.calls[0].question
    changed = replace(BOUND, tools=(replace(PAY, digest="new"),))
    state = run(state, changed)
    second = state.calls[0].question
    state = run(state, BOUND)
    third = state.calls[0].question
    assert first < second < third
    approved = apply(state, ev.CallApproved("1.1.0", third, "ann"))
    again = run(approved, changed, verdicts={"1.1.0": Go("x")})
    assert (again.calls[0].status, again.calls[0].why) == ("held", "what was approved has changed")


def test_changed_arguments_void_an_approval_unless_they_are_the_edit() -> None:
    state = state_with("pay", verdicts={"1.1.0": Hold("x")})
    number = state.calls[0].question
    plain = run(state, ev.CallApproved("1.1.0", number, "ann"), verdicts={"1.1.0": Go("other")})
    assert statuses(plain) == ["held"]
    edited = run(state, ev.CallApproved("1.1.0", number, "ann", '{"a":2}'), verdicts={"1.1.0": Go("other")})
    assert commands(edited) == (RunTool("1.1.0", "pay", '{"a":2}', edited.calls[0].started, edited=True),)


def test_a_tool_that_is_gone_is_told_so() -> None:
    gone = replace(BOUND, tools=(LOOK,))
    held = state_with("pay", verdicts={"1.1.0": Hold("x")})
    assert told(run(held, gone)) == ["Not run: the tool 'pay' is no longer available."]
    approved = apply(held, ev.CallApproved("1.1.0", held.calls[0].question, "ann"))
    assert told(run(approved, gone)) == ["Not run: the tool 'pay' is no longer available."]


def test_a_once_call_cut_off_is_unknown_and_not_started_again() -> None:
    state = run(state_with("pay"), ev.RunStarted("p2"))
    call = state.calls[0]
    assert (call.status, call.lost) == ("unknown", 1)
    assert commands(state) == (Reconcile("1.1.0", "pay", "{}", call.question),)
    with pytest.raises(ProtocolError, match="not started again"):
        apply(state, ev.ToolStarted("1.1.0", "once", "d2", "x"))
    with pytest.raises(ProtocolError, match="outcome is unknown"):
        apply(state, ev.CallHeld("1.1.0", "approval", "d2", "x"))
    with pytest.raises(ProtocolError, match="cannot be closed"):
        apply(state, ev.CallClosed("1.1.0", "cancelled", OK))


def test_reconcile_is_asked_once_a_run() -> None:
    state = run(state_with("pay"), ev.ToolUnknown("1.1.0", "timed out"))
    number = state.calls[0].question
    asked = run(state, ev.CallResolved("1.1.0", number, "unknown", "reconcile", "pay", why="the bank is silent"))
    assert commands(asked) == ()
    assert asked.calls[0].because == "timed out; the bank is silent"
    assert commands(run(asked, ev.RunStarted("p2"))) != ()


def test_proof_that_it_did_not_happen_starts_it_again() -> None:
    state = run(state_with("pay"), ev.ToolUnknown("1.1.0", "timed out"))
    number = state.calls[0].question
    proof = ev.CallResolved("1.1.0", number, "not_happened", "reconcile", "pay")
    assert statuses(run(state, proof)) == ["started"]
    cleared = apply(state, proof)
    with pytest.raises(ProtocolError, match="known that it did not happen"):
        apply(cleared, ev.CallResolved("1.1.0", number, "happened", "person", "ann", OK))
    changed = run(cleared, replace(BOUND, tools=(replace(PAY, digest="new"),)))
    assert (changed.calls[0].status, changed.calls[0].why) == ("held", "the tool has changed since it was started")
    assert told(run(cleared, replace(BOUND, tools=()))) == ["Not run: the tool 'pay' is no longer available."]
    assert told(run(cleared, ev.CancelRequested(1, "ann"))) == ["Not run: the turn was cancelled."]


def test_given_up_is_told_and_an_equal_call_is_held() -> None:
    state = run(state_with("pay"), ev.ToolUnknown("1.1.0", "timed out"))
    state = run(state, ev.CallResolved("1.1.0", state.calls[0].question, "unknown", "person", "ann", (Text("gone"),)))
    assert told(state) == ["gone"]
    assert state.given_up == {("pay", "x")}
    asked = ev.ModelResponded(AssistantMessage(calls=(ToolCall("c", "pay", "{}"),)), ev.Sent(0, ()))
    twin = run(state, asked, verdicts={"1.2.0": Go("x")})
    assert (twin.calls[0].status, twin.calls[0].kind) == ("held", "twin")
    other = run(state, asked, verdicts={"1.2.0": Go("y")})
    assert statuses(other) == ["started"]
    approved = run(twin, ev.CallApproved("1.2.0", twin.calls[0].question, "ann"), verdicts={"1.2.0": Go("x")})
    assert statuses(approved) == ["started"]


def test_an_equal_call_beside_an_unknown_one_is_held() -> None:
    waits = state_with("send", "send", verdicts={"1.1.0": Go("x"), "1.1.2": Go("x")})
    state = run(waits, ev.ToolUnknown("1.1.0", "timed out"), verdicts={"1.1.1": Go("x")})
    assert [(call.status, call.kind) for call in state.calls] == [("unknown", ""), ("held", "twin")]


def test_a_late_result_settles_an_unknown_call() -> None:
    state = run(state_with("pay"), ev.ToolUnknown("1.1.0", "timed out"))
    assert told(run(state, ev.ToolFinished("1.1.0", (Text("late"),)))) == ["late"]
    by_letter = ev.CallResolved("1.1.0", 0, "happened", "tool", "another process", (Text("late"),))
    assert told(run(state, by_letter)) == ["late"]


def test_harmless_calls_run_again_after_a_crash_but_not_for_ever() -> None:
    state = state_with("look", "put")
    for _ in range(MAX_LOST - 1):
        state = run(state, ev.RunStarted("p"))
        assert statuses(state) == ["started", "started"]
    state = run(state, ev.RunStarted("p"))
    assert told(state)[0] == "Error: look was started 3 times and the process died each time. Do without it."


def test_a_vanished_harmless_call_has_failed() -> None:
    state = run(state_with("look"), ev.RunStarted("p"), replace(BOUND, tools=()))
    assert told(state) == ["Not run: the tool 'look' is no longer available."]


def test_the_stricter_of_the_recorded_and_todays_effect_rules() -> None:
    stricter = replace(BOUND, tools=(replace(LOOK, effect="once"),))
    state = run(state_with("look"), ev.RunStarted("p"), stricter)
    assert statuses(state) == ["started"] or statuses(state) == ["unknown"]
    state = apply(apply(state_with("look"), ev.RunStarted("p")), stricter)
    assert follows(state, {}) is None
    softer = replace(BOUND, tools=(replace(PAY, effect="read", digest="d2"),))
    state = run(apply(apply(state_with("pay"), ev.RunStarted("p")), softer))
    assert statuses(state) == ["unknown"]


def test_a_question_is_answered_and_the_answer_is_the_result() -> None:
    state = run(state_with("look"), ev.CallSuspended("1.1.0", "question", "which?"))
    assert (state.calls[0].status, state.calls[0].why) == ("suspended", "which?")
    assert commands(state) == ()
    state = run(state, ev.CallAnswered("1.1.0", state.calls[0].question, "ann", (Text("that"),)))
    assert told(state) == ["that"]


def test_a_cancelled_turn_closes_what_has_not_started_and_waits_for_what_has() -> None:
    state = state_with("look", "pay", verdicts={"1.1.0": Go("x"), "1.1.1": Hold("x")})
    state = run(state, ev.CancelRequested(1, "ann"))
    assert statuses(state) == ["started", "closed"]
    assert commands(state) == ()
    state = run(state, ev.ToolUnknown("1.1.0", "cancelled"))
    assert told(state) == ["Not run: the turn was cancelled.", "Not run: the turn was cancelled."]
    assert state.phase is Phase.IDLE


def test_a_call_that_may_have_had_an_effect_is_closed_with_these_words() -> None:
    state = run(state_with("put"), ev.CancelRequested(1, "ann"), ev.ToolUnknown("1.1.0", "cancelled"))
    assert told(state) == ["Cut off: the turn was cancelled while this call ran; it may have taken effect."]
    asked = run(state_with("put"), ev.CallSuspended("1.1.0", "question", "?"), ev.CancelRequested(1, "ann"))
    assert told(asked) == ["Not run: the turn was cancelled."]


def test_an_unknown_once_call_keeps_an_ending_turn_waiting() -> None:
    state = run(state_with("pay"), ev.ToolUnknown("1.1.0", "timed out"), ev.LimitReached("seconds", "late"))
    assert statuses(state) == ["unknown"]
    assert state.phase is Phase.ACTING
    number = state.calls[0].question
    state = run(state, ev.CallResolved("1.1.0", number, "not_happened", "person", "ann"))
    assert told(state) == ["Not run: limit reached."]
    assert state.turns[0].status == "limit"


def test_tool_calls_are_limited_before_they_start() -> None:
    state = state_with("look", "look", bound=replace(BOUND, limits=Limits(tool_calls=1)))
    assert statuses(state) == ["started", "closed"]
    state = run(state, ev.ToolFinished("1.1.0", OK))
    assert state.turns[0].reason == "limit reached: 1 tool calls in one turn"


def test_after_a_fork_every_once_tool_asks_and_every_approval_is_void() -> None:
    held = state_with("pay", "look", verdicts={"1.1.0": Hold("x"), "1.1.1": Go("x")})
    approved = apply(held, ev.CallApproved("1.1.0", held.calls[0].question, "ann"))
    forked = apply(approved, ev.Forked("u", approved.seq, "v"))
    assert (forked.calls[0].status, forked.calls[0].question, forked.uid) == ("held", forked.seq, "v")
    assert forked.calls[1].status == "started"
    asked = fold([ev.Forked("u", 1, "v")], apply(state_with("pay", verdicts={"9": Go("x")}), ev.RunStarted("p")))
    asked = run(asked, verdicts={"1.1.0": Go("x")})
    assert (asked.calls[0].status, asked.calls[0].why) == ("held", "this session is a copy of another")


def test_a_copied_once_call_keeps_its_key_and_asks_before_it_starts_again() -> None:
    started = state_with("pay")
    copied = apply(apply(started, ev.RunStarted("p")), ev.Forked("u", started.seq, "v"))
    assert copied.calls[0].uid == "u"
    number = copied.calls[0].question
    state = run(copied, ev.CallResolved("1.1.0", number, "not_happened", "reconcile", "pay"))
    assert (state.calls[0].status, state.calls[0].why) == ("held", "this session was copied since it was started")
    state = run(state, ev.CallApproved("1.1.0", state.calls[0].question, "a"), verdicts={"1.1.0": Go("x")})
    assert (state.calls[0].status, state.calls[0].uid) == ("started", "u")


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (ev.ToolFinished("1.1.7", OK), "no call 1.1.7"),
        (ev.CallApproved("1.1.0", 1, "ann"), "call 1.1.0 is started"),
        (ev.CallClosed("1.1.0", "limit", OK), "call 1.1.0 is started"),
    ],
)
def test_facts_about_calls_that_cannot_follow(event: Any, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        apply(state_with("look"), event)


def test_a_call_is_not_closed_while_the_turn_goes_on() -> None:
    state = state_with("pay", verdicts={"1.1.0": Hold("x")})
    with pytest.raises(ProtocolError, match="not ending"):
        apply(state, ev.CallClosed("1.1.0", "limit", OK))


def test_an_outcome_has_its_place_only_while_its_command_is_owed() -> None:
    state = state_with("look", "pay")
    running, checked = commands(state)[0], CheckCall("1.1.1", "pay", "{}")
    assert awaits(state, running)
    assert awaits(state, checked)
    assert not awaits(state, CallModel("1.1", 1))
    unknown = run(state, ev.ToolUnknown("1.1.0", "cut off"))
    assert not awaits(unknown, running)
    assert awaits(unknown, commands(unknown)[0])
    paying = run(run(unknown, ev.ToolFinished("1.1.0", OK)), verdicts={"1.1.1": Go("x")})
    assert not awaits(paying, checked)
    lost = run(paying, ev.RunStarted("p"))
    asked = Reconcile("1.1.1", "pay", "{}", lost.calls[1].question)
    assert awaits(lost, asked)
    assert not awaits(lost, replace(asked, question=1))
    assert not awaits(lost, replace(asked, call="7.7.7"))


def test_arguments_that_were_made_usable_are_what_is_held_and_what_starts() -> None:
    mended, how = '{"id":1}', "not parameters, dropped: x"
    state = fold([ev.SessionStarted("u", "a"), BOUND, ev.UserSaid((Text("hi"),)), ev.ModelStarted(1)])
    call = ToolCall("c", "look", '{"id":1,"x":2}')
    state = apply(state, ev.ModelResponded(AssistantMessage(calls=(call,)), ev.Sent(0, ("h",))))
    held = follows(state, {"1.1.0": Hold("h", "", mended, how)})
    assert held == ev.CallHeld("1.1.0", "approval", "d1", "h", "", mended, how)
    waiting = apply(state, held)
    assert waiting.calls[0].effective == mended
    agreed = apply(waiting, ev.CallApproved("1.1.0", waiting.calls[0].question, "ann"))
    start = follows(agreed, {"1.1.0": Go("h")})
    assert start == ev.ToolStarted("1.1.0", "read", "d1", "h", mended=mended, how=how)
    (run,) = commands(apply(agreed, start))
    assert isinstance(run, RunTool)
    assert (run.arguments, run.how, run.edited) == (mended, how, False)
    changed = apply(waiting, ev.CallApproved("1.1.0", waiting.calls[0].question, "ann", "{}"))
    assert (changed.calls[0].effective, changed.calls[0].how) == ("{}", "")
    start = follows(changed, {"1.1.0": Go("g", '{"id":0}', "again")})
    assert isinstance(start, ev.ToolStarted)
    assert (start.edited, start.mended, start.how) == ("{}", '{"id":0}', "again")


def test_how_arguments_were_made_usable_is_said_in_one_line() -> None:
    how = words.changed(repaired=True, dropped=["a", "b.c"], absent=["d"])
    assert how == "broken JSON repaired; not parameters, dropped: a, b.c; null taken as absent: d"
    told = "Note: the call ran with {} (broken JSON repaired; not parameters, dropped: a, b.c).\n"
    assert words.mended(how, "{}") == told
    assert words.changed(repaired=False, dropped=[], absent=[]) == ""
    assert words.mended(words.changed(repaired=False, dropped=[], absent=["d"]), "{}") == ""
    assert words.mended("", "{}") == ""
