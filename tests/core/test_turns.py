"""Turns by name: what each event does, and which ones are refused."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from agentkit.core import events as ev
from agentkit.core.commands import CallModel
from agentkit.core.contract import Bridges
from agentkit.core.loop import apply, commands, fold, follows
from agentkit.core.messages import (
    AssistantMessage,
    File,
    Image,
    Producer,
    Stored,
    Text,
    ToolCall,
    ToolMessage,
    UserMessage,
    weigh,
)
from agentkit.core.spec import BoundTool, Limits, Usage
from agentkit.core.state import Phase, State
from agentkit.errors import ProtocolError

LOOK = BoundTool("look", "d", "read", exclusive=False)
BOUND = ev.AgentBound("a", "m", "h", "generic", "0", "i", "s", "t", "c", (LOOK,))
SENT = ev.Sent(0, ("h",))
START = fold([ev.SessionStarted("u", "a"), BOUND])
ASK = AssistantMessage(reasoning="r", calls=(ToolCall("c", "look", "{}"),))


def said(text: str = "hi", **more: Any) -> ev.UserSaid:
    return ev.UserSaid((Text(text),), **more)


def run(state: State, *events: Any) -> State:
    """Apply each event and everything that follows from it."""
    for event in events:
        state = apply(state, event)
        while (more := follows(state, {})) is not None:
            state = apply(state, more)
    return state


def answer(text: str = "done", **more: Any) -> ev.ModelResponded:
    return ev.ModelResponded(AssistantMessage(text), SENT, **more)


def roles(state: State) -> list[str]:
    return [type(entry.message).__name__.removesuffix("Message").lower() for entry in state.transcript]


def test_a_turn_from_message_to_answer() -> None:
    thinking = run(START, said())
    assert commands(thinking) == (CallModel("1.1", 1),)
    state = run(thinking, answer(usage=Usage(3, 1, 2, 1)))
    assert state.phase is Phase.IDLE
    assert state.turns[0].text == "done"
    assert state.turns[0].usage == state.total == Usage(3, 1, 2, 1)
    assert commands(state) == ()


def test_a_message_in_mid_turn_waits_and_starts_a_turn_of_its_own() -> None:
    state = run(START, said("one"), said("two"), said("three"), answer("1"))
    assert (state.turn, [m.parts for m in state.waiting]) == (2, [(Text("three"),)])
    state = run(state, answer("2"), answer("3"))
    assert [turn.text for turn in state.turns] == ["1", "2", "3"]


def test_a_now_message_waits_for_the_open_step_only() -> None:
    state = run(START, said(), ev.ModelResponded(ASK, SENT))
    state = run(state, ev.ToolStarted("1.1.0", "read", "d", "x"), said("now", now=True))
    state = run(state, ev.ToolFinished("1.1.0", (Text("seen"),)))
    assert roles(state) == ["user", "assistant", "tool", "user"]
    assert [message.now for message in state.said] == [False, True]
    assert state.step == 2


def test_a_now_message_at_the_final_answer_goes_on_thinking() -> None:
    state = run(START, said(), said("now", now=True), answer("first"))
    assert (state.phase, state.step, state.turn) == (Phase.THINKING, 2, 1)
    assert roles(state) == ["user", "assistant", "user"]


def test_a_now_message_between_steps_enters_at_once() -> None:
    between = apply(START, said())
    assert roles(apply(between, said("now", now=True))) == ["user", "user"]
    ending = apply(between, ev.CancelRequested(1, "ann"))
    assert len(apply(ending, said("now", now=True)).waiting) == 1


def test_a_bridge_stands_where_the_contract_refuses_a_pair_of_roles() -> None:
    bridged = replace(BOUND, bridges=Bridges(user_after_tool="(noted)", user_after_user="(go on)"))
    state = run(apply(START, bridged), said(), said("now", now=True))
    state = run(state, ev.ModelResponded(ASK, SENT), ev.ToolStarted("1.1.0", "read", "d", "x"))
    state = run(state, ev.ToolFinished("1.1.0", (Text("seen"),)))
    assert roles(state) == ["user", "assistant", "tool", "assistant", "user"]
    cancelled = run(apply(START, bridged), said(), ev.CancelRequested(1, "ann"), ev.ModelInterrupted("cut"))
    cancelled = run(cancelled, said("again"))
    assert roles(cancelled) == ["user", "assistant", "user"]


def test_one_message_id_is_taken_once() -> None:
    state = run(START, said(id="m"))
    with pytest.raises(ProtocolError, match="'m' is taken"):
        apply(state, said("other", id="m"))


def test_rejected_answers_are_paid_asked_again_and_then_fault() -> None:
    rejected = ev.ModelRejected("empty", "nothing", AssistantMessage(), SENT, Usage(1, 0, 0, 0))
    state = run(START, said(), rejected, rejected)
    assert (state.attempt, state.usage.tokens) == (3, 2)
    state = run(state, rejected)
    assert state.phase is Phase.FAULTED
    assert state.fault
    assert state.fault.kind == "rejected"
    assert commands(state) == ()


def test_interrupted_answers_are_asked_again_and_then_fault() -> None:
    state = run(START, said())
    for _ in range(3):
        state = run(state, ev.ModelInterrupted("gone", "par", "r"))
    assert state.fault
    assert state.fault.kind == "interrupted"
    assert state.text == "par"
    assert state.usage.tokens == 0  # "hi" reserves 0 tokens; a reservation stays spent


def test_a_fault_waits_for_resume_cancel_or_another_message() -> None:
    faulted = run(START, said(), ev.ModelFailed("bad_request", "400", 400, sent=SENT))
    resumed = run(faulted, ev.TurnResumed())
    assert (resumed.phase, resumed.attempt, resumed.fault) == (Phase.THINKING, 2, None)
    cancelled = run(faulted, ev.CancelRequested(1, "ann"))
    assert cancelled.turns[0].status == "cancelled"
    another = run(faulted, said("next"))
    assert (another.turns[0].status, another.turns[0].reason, another.turn) == ("failed", "400", 2)


def test_a_poisonous_message_is_left_off_the_wire() -> None:
    state = run(START, said("poison"), ev.ModelFailed("bad_request", "400"), said("next"))
    assert [entry.message for entry in state.transcript] == [UserMessage((Text("next"),))]
    kept = run(START, said("fine"), ev.ModelResponded(ASK, SENT), ev.ToolStarted("1.1.0", "read", "d", "x"))
    kept = run(kept, ev.ToolFinished("1.1.0", ()), ev.ModelFailed("overloaded", "503"), said("next"))
    assert roles(kept) == ["user", "assistant", "tool", "user"]


def test_a_failure_without_a_request_leaves_what_was_sent() -> None:
    state = run(START, said(), ev.ModelFailed("configuration", "no key"))
    assert len(state.sent) == 0


def test_steps_are_limited() -> None:
    state = run(apply(START, replace(BOUND, limits=Limits(steps=1))), said(), ev.ModelResponded(ASK, SENT))
    state = run(state, ev.ToolStarted("1.1.0", "read", "d", "x"), ev.ToolFinished("1.1.0", ()))
    assert (state.turns[0].status, state.turns[0].reason) == ("limit", "limit reached: 1 steps in one turn")


def test_tokens_are_reserved_before_the_call() -> None:
    small = apply(START, replace(BOUND, limits=Limits(tokens=10), max_tokens=8))
    assert run(small, said("x" * 8)).flight
    over = run(small, said("x" * 12))
    assert over.turns[0].reason == "limit reached: 10 tokens in one turn (0 used, the next call may take 11)"


def test_money_is_counted_and_an_unknown_price_is_no_zero() -> None:
    prices = ev.Prices(Decimal(1), Decimal(1), "t")
    rich = apply(START, replace(BOUND, limits=Limits(cost=Decimal(1)), prices=prices, heft=400))
    state = run(rich, said())
    assert state.flight
    assert state.flight.cost == Decimal("0.0001")
    blind = run(apply(START, replace(BOUND, limits=Limits(cost=Decimal(1)))), said())
    assert "no price is known" in blind.turns[0].reason
    poor = run(apply(START, replace(BOUND, limits=Limits(cost=Decimal("0.00001")), prices=prices, heft=400)), said())
    assert "the next call may cost 0.0001" in poor.turns[0].reason


def test_usage_with_an_unknown_cost_makes_the_sum_unknown() -> None:
    assert (Usage(1, 0, 1, 0, None) + Usage(1, 0, 1, 0)).cost is None
    assert (Usage(1, 0, 1, 0) + Usage(1, 0, 1, 0)).cost == 0


def test_a_crash_voids_the_model_call_and_keeps_its_reservation_spent() -> None:
    heavy = apply(START, replace(BOUND, heft=400))
    state = run(heavy, said(), ev.RunStarted("p"))
    assert (state.attempt, state.usage.input_tokens) == (2, 100)


def test_an_answer_in_flight_at_the_limit_is_recorded_and_its_calls_closed() -> None:
    state = run(START, said(), ev.LimitReached("steps", "enough"), ev.ModelResponded(ASK, SENT))
    assert state.turns[0].status == "limit"
    assert roles(state) == ["user", "assistant", "tool"]
    with pytest.raises(ProtocolError, match="while the turn is idle"):
        apply(state, ev.LimitReached("steps", "enough"))


def test_a_final_answer_in_an_ending_turn_ends_it_as_it_was_to_end() -> None:
    state = run(START, said(), ev.LimitReached("seconds", "late"), answer("too late"))
    assert (state.turns[0].status, state.turns[0].text) == ("limit", "too late")
    assert run(START, said(), ev.CancelRequested(1, "a"), ev.ModelInterrupted("cut")).turns[0].status == "cancelled"


def test_a_cancelled_answer_is_no_longer_owed() -> None:
    assert commands(run(START, said(), ev.CancelRequested(1, "ann"))) == ()
    assert commands(run(START, said(), ev.LimitReached("seconds", "late"))) == ()
    assert commands(run(START, said(), ev.LimitReached("tokens", "enough"))) != ()


def test_a_cancel_names_its_turn_and_comes_once() -> None:
    state = run(START, said())
    with pytest.raises(ProtocolError, match="turn 7 is over"):
        apply(state, ev.CancelRequested(7, "ann"))
    cancelled = apply(state, ev.CancelRequested(1, "ann"))
    with pytest.raises(ProtocolError, match="being cancelled already"):
        apply(cancelled, ev.CancelRequested(1, "bob"))
    with pytest.raises(ProtocolError, match="ending already"):
        apply(cancelled, ev.LimitReached("steps", "x"))
    limited = apply(state, ev.LimitReached("steps", "x"))
    assert apply(limited, ev.CancelRequested(1, "ann")).ending != limited.ending


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (ev.ModelStarted(3), "an attempt was left out"),
        (ev.ModelResponded(AssistantMessage("x"), SENT), "no answer is in flight"),
        (ev.TurnEnded("completed"), "no final answer"),
        (ev.TurnEnded("failed"), "has not failed"),
        (ev.Compacted(0, "s"), "nothing to compact"),
    ],
)
def test_facts_that_cannot_follow_are_refused(event: Any, words: str) -> None:
    state = apply(START, said())
    with pytest.raises(ProtocolError, match=words):
        apply(state, event)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (ev.ModelStarted(2), "in flight"),
        (ev.ModelResponded(AssistantMessage(), SENT), "without text and calls"),
        (ev.ModelResponded(AssistantMessage(calls=ASK.calls * 2), SENT), "the same id"),
        (ev.ModelResponded(AssistantMessage("x"), ev.Sent(9, ())), "keep more fragments"),
        (ev.TurnEnded("cancelled"), "in flight"),
        (ev.Compacted(1, "s"), "in flight"),
        (ev.Forked("u", 1, "v"), "in flight"),
        (BOUND, "in flight"),
    ],
)
def test_facts_that_cannot_come_while_the_model_thinks(event: Any, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        apply(run(START, said()), event)


def test_an_answer_is_stamped_with_who_made_it_and_where_its_reasoning_came() -> None:
    state = run(apply(START, replace(BOUND, carrier="reasoning")), said(), ev.ModelResponded(ASK, SENT))
    message = state.transcript[-1].message
    assert message == replace(ASK, producer=Producer("m", "generic", "h"), carrier="reasoning")
    foreign = replace(ASK, producer=Producer("x", "y"), carrier="thinking")
    assert run(run(START, said()), ev.ModelResponded(foreign, SENT)).transcript[-1].message == foreign


def test_an_answer_before_any_binding_is_left_as_it_is() -> None:
    state = fold([ev.SessionStarted("u", "a"), said(), ev.ModelStarted(1), answer("hm")])
    assert state.transcript[-1].message == AssistantMessage("hm")


def test_nobody_asked_for_an_answer() -> None:
    with pytest.raises(ProtocolError, match="nobody asked"):
        apply(START, ev.ModelStarted(1))


def test_nothing_follows_before_an_agent_is_bound() -> None:
    state = fold([ev.SessionStarted("u", "a"), said()])
    assert follows(state, {}) is None


def test_a_compaction_is_a_new_base() -> None:
    state = run(START, said("one"), answer("1"), said("two"), answer("2"))
    side = apply(state, ev.ModelStarted(1, 7, purpose="compaction"))
    done = apply(side, ev.Compacted(3, "sum", usage=Usage(5, 0, 1, 0)))
    assert (done.flight, done.total.tokens - state.total.tokens, done.step) == (None, 6, state.step + 1)
    assert [entry.message for entry in done.transcript] == [
        UserMessage((Text("sum"),)),
        AssistantMessage("2", producer=Producer("m", "generic", "h")),
    ]
    unpaid = apply(side, ev.Compacted(3, "sum"))
    assert unpaid.total.input_tokens - state.total.input_tokens == 7
    assert roles(run(apply(state, ev.Compacted(4, "sum")), said("three"))) == ["user", "user"]
    with pytest.raises(ProtocolError, match="no answer is in flight"):
        apply(replace(side, phase=Phase.THINKING), answer())


def test_an_output_of_the_wrong_type_is_asked_again() -> None:
    ending = fold([said(), ev.ModelStarted(1), answer("seven")], START)
    state = run(ending, ev.OutputRefused("a number, please"))
    assert (state.phase, state.step) == (Phase.THINKING, 2)
    assert roles(state) == ["user", "assistant", "user"]


def test_an_inbox_row_refused_changes_nothing_else() -> None:
    state = run(START, said())
    assert replace(apply(state, ev.InboxRefused("cancel", "1", "over")), seq=state.seq) == state


def test_the_weight_of_a_message_is_its_bytes() -> None:
    assert weigh(UserMessage((Text("héllo"), Image("data:x"), File("f", "data:"), Stored("h", 70)))) == 76
    assert weigh(AssistantMessage("a", "bc", (ToolCall("id", "look", "{}"),))) == 9
    assert weigh(ToolMessage("c", "look", (Text("\ud83d"),))) == 3
