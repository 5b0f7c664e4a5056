"""Calls that are sessions of their own: what starts them again, what ends them, what they may use."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from agentkit.core import events as ev
from agentkit.core import words
from agentkit.core.commands import Go, Hold, RunTool
from agentkit.core.events_people import CallWoken
from agentkit.core.loop import apply, commands, fold
from agentkit.core.messages import AssistantMessage, Text, text_of
from agentkit.core.owed import MAX_LOST, awaits
from agentkit.core.sharing import inherited, shared, used_by
from agentkit.core.spec import BoundTool, Child, GivenUp, Inherited, Limits, Usage
from agentkit.core.state import State
from agentkit.errors import ProtocolError
from tests.core.test_calls import BOUND, OK, run, state_with, statuses, told

CHILD = BoundTool("child", "d5", "idempotent", exclusive=False, child=True)
WITH = replace(BOUND, tools=(*BOUND.tools, CHILD))
SUSPENDED = ev.CallSuspended("1.1.0", "child", "u/1.1.0")
CANCEL = ev.CancelRequested(1, "ann")


def suspended(*others: str) -> State:
    return run(state_with("child", *others, bound=WITH), SUSPENDED)


def test_a_suspended_child_starts_again_at_news_and_not_before() -> None:
    state = suspended()
    assert (statuses(state), commands(state)) == (["suspended"], ())
    state = run(state, CallWoken("1.1.0"))
    assert commands(state) == (RunTool("1.1.0", "child", "{}", state.calls[0].started),)
    assert statuses(run(state, SUSPENDED)) == ["suspended"]


def test_news_that_come_while_it_runs_are_kept() -> None:
    state = run(state_with("child", bound=WITH), CallWoken("1.1.0"), SUSPENDED)
    assert (statuses(state), state.calls[0].woken) == (["started"], False)


def test_news_for_a_tool_that_is_gone_fail_the_call() -> None:
    for tools in (BOUND.tools, (replace(CHILD, child=False),)):
        state = apply(suspended(), replace(WITH, tools=tools))
        assert told(run(state, CallWoken("1.1.0"))) == [text_of(words.gone("child"))]


@pytest.mark.parametrize("since", [(), (CallWoken("1.1.0"), ev.RunStarted("p"))], ids=["suspended", "unknown"])
def test_at_the_end_of_the_turn_its_session_is_ended_first(since: tuple[Any, ...]) -> None:
    state = run(suspended(), *since[:1])
    for event in (*since[1:], CANCEL):
        state = apply(state, event)
    state = run(state)
    (owed,) = commands(state)
    assert isinstance(owed, RunTool)
    assert awaits(state, owed)
    state = run(state, ev.ToolFinished("1.1.0", OK, failed=True, child=Child("u/1.1.0", Usage(5, 0, 2), 3, 1)))
    assert state.turns[-1].status == "cancelled"
    assert (state.turns[-1].usage.tokens, state.steps_below, state.tool_calls) == (7, 3, 2)


@pytest.mark.parametrize("since", [(), (CallWoken("1.1.0"), ev.RunStarted("p"))], ids=["suspended", "unknown"])
def test_one_that_waits_for_people_all_the_same_keeps_its_call_open(since: tuple[Any, ...]) -> None:
    state = run(suspended(), *since[:1])
    for event in (*since[1:], CANCEL, SUSPENDED):
        state = apply(state, event)
    state = run(state)
    assert (statuses(state), commands(state)) == (["suspended"], ()), "it was told, and is not told again"
    (owed,) = commands(woken := run(state, CallWoken("1.1.0")))
    assert awaits(woken, owed)
    assert commands(run(woken, SUSPENDED)) == ()
    assert run(woken, ev.ToolFinished("1.1.0", OK, failed=True)).turns[-1].status == "cancelled"
    gone = apply(state, replace(WITH, tools=BOUND.tools))
    assert statuses(run(gone)) == ["suspended"]
    assert told(run(gone, CallWoken("1.1.0"))) == ["Not run: the turn was cancelled."]


def test_a_question_is_no_outcome_of_a_call_that_is_unknown() -> None:
    state = apply(state_with("child", bound=WITH), ev.ToolUnknown("1.1.0", "lost"))
    with pytest.raises(ProtocolError, match="its outcome is unknown"):
        apply(state, ev.CallSuspended("1.1.0", "question", "Which card?"))


def test_what_is_given_up_below_is_known_above_and_told_to_the_next_child() -> None:
    lost = (GivenUp("pay", "x"),)
    child = ev.ToolFinished("1.1.0", OK, child=Child("u/1.1.0", Usage(), given_up=lost))
    state = apply(state_with("child", bound=WITH), child)
    assert state.given_up == {("pay", "x")}
    assert inherited(state) == Inherited((), lost)
    assert used_by("u/1.1.0", state).given_up == lost
    assert inherited(fold([ev.SessionStarted("u", "a")])) is None
    task = ev.UserSaid((Text("Pay."),), "task", inherited=inherited(state))
    assert fold([ev.SessionStarted("v", "a"), WITH, task]).given_up == {("pay", "x")}


def test_without_its_tool_it_is_closed() -> None:
    state = run(apply(suspended(), replace(WITH, tools=BOUND.tools)), CANCEL)
    assert told(state) == ["Not run: the turn was cancelled."]


def test_one_that_runs_is_cut_off_by_a_cancel() -> None:
    state = state_with("child", bound=WITH)
    assert [type(each) for each in commands(state)] == [RunTool]
    assert commands(apply(state, CANCEL)) == ()


def test_a_child_may_be_lost_with_its_process_more_often_than_a_tool() -> None:
    state = state_with("child", bound=WITH)
    for _ in range(MAX_LOST + 1):
        state = run(state, ev.RunStarted("p"))
    assert statuses(state) == ["started"]


def test_steps_below_count_as_steps_of_the_turn() -> None:
    bound = replace(WITH, limits=Limits(steps=4))
    used = Child("u/1.1.0", Usage(), steps=3)
    state = run(state_with("child", bound=bound), ev.ToolFinished("1.1.0", OK, child=used))
    assert state.turns[-1].status == "limit"
    less = run(state_with("child", bound=bound), ev.ToolFinished("1.1.0", OK, child=replace(used, steps=2)))
    assert less.flight is not None
    assert less.total == less.usage == Usage(input_tokens=0) + Usage()


def test_a_share_is_the_least_of_its_own_and_what_is_left() -> None:
    limits = Limits(steps=10, tool_calls=8, tokens=1001, cost=Decimal(3))
    bound = replace(WITH, limits=limits, prices=ev.Prices(Decimal(0), Decimal(0), "t"))
    state = state_with("child", "child", bound=bound, verdicts={f"1.1.{n}": Go(str(n)) for n in range(2)})
    state = replace(state, usage=Usage(100, 0, 1, cost=Decimal(1)))
    assert shared(state, Limits(steps=None)) == Limits(steps=4, tool_calls=3, tokens=450, cost=Decimal(1))
    own = Limits(steps=2, tool_calls=1, tokens=10, seconds=5.0, cost=Decimal("0.5"), repairs=9)
    assert shared(state, own) == own
    one = run(state, ev.ToolFinished("1.1.0", OK))
    assert shared(one, Limits(steps=None)) == Limits(steps=8, tool_calls=6, tokens=900, cost=Decimal(2))


def test_nothing_is_left_where_it_is_used_up_or_cannot_be_counted() -> None:
    bound = replace(WITH, limits=Limits(steps=1, tokens=10, cost=Decimal(1)))
    state = replace(state_with("child", bound=WITH), bound=bound, usage=Usage(50, cost=None))
    assert shared(state, Limits()) == Limits(steps=0, tokens=0, cost=Decimal(0))


def test_no_limits_above_leave_those_of_its_own() -> None:
    state = replace(state_with("child", "nobody", bound=WITH), bound=None)
    assert shared(state, Limits(tokens=7)) == Limits(steps=48, tokens=7)
    free = replace(state, bound=replace(WITH, limits=Limits(steps=None)))
    assert shared(free, Limits(steps=None)) == Limits(steps=None)


def test_what_a_session_used_is_told_with_what_was_used_below_it() -> None:
    state = fold([ev.SessionStarted("u", "a", parent="s")])
    assert state.parent == "s"
    state = replace(state, total=Usage(5), step=2, steps_below=3, tool_calls=4)
    assert used_by("x", state) == Child("x", Usage(5), 5, 4)


def test_what_a_deferred_one_used_counts_in_the_turn_that_is_told_of_it() -> None:
    state = state_with("child", bound=WITH, verdicts={"1.1.0": Hold("x", defer=True)})
    state = run(state, ev.ModelResponded(AssistantMessage("sent"), ev.Sent(0, ("h",))))
    state = run(state, ev.CallApproved("1.1.0", state.deferred[0].question, "ann"), verdicts={"1.1.0": Go("x")})
    own = shared(state, Limits(steps=None), deferred=True)
    assert own.steps == 49, "a whole turn's, but for the answer"
    state, before = apply(state, ev.UserSaid((Text("hello"),))), state.total.tokens
    other = Child("u/1.1.0", Usage(5, 0, 2), 3, 1)
    state = apply(state, ev.ToolFinished("1.1.0", OK, child=other))
    assert (state.turn, state.usage.tokens, state.steps_below, state.below) == (2, 0, 0, (("1.1.0", other),))
    state = run(state, ev.ModelStarted(1), ev.ModelResponded(AssistantMessage("hi"), ev.Sent(0, ("h",)), Usage(1)))
    assert (state.turn, state.usage.tokens, state.steps_below, state.tool_calls) == (3, 7, 3, 1)
    assert (state.turns[-1].usage.tokens, state.total.tokens - before, state.below) == (1, 8, ())
