"""Whether a turn gets on: hints, then an end with a reason."""

from dataclasses import replace
from typing import Any

import pytest

from agentkit.core import events as ev
from agentkit.core import words
from agentkit.core.commands import Go, Refuse, Verdict
from agentkit.core.loop import apply, fold, follows
from agentkit.core.messages import AssistantMessage, Image, Part, Stored, Text, ToolCall, ToolMessage
from agentkit.core.progress import hinted
from agentkit.core.spec import BoundTool, Limits
from agentkit.core.state import Phase, State

TOOLS = tuple(BoundTool(name, "d", "read", exclusive=False) for name in ("look", "find"))
BOUND = ev.AgentBound("a", "m", "h", "generic", "0", "i", "s", "t", "c", TOOLS)
SAID = ev.UserSaid((Text("hi"),))


def begin(**limits: Any) -> State:
    return fold([ev.SessionStarted("u", "a"), replace(BOUND, limits=Limits(**limits)), SAID])


def settle(state: State, verdicts: dict[str, Verdict]) -> State:
    while (event := follows(state, verdicts)) is not None:
        state = apply(state, event)
    return state


def step(state: State, *calls: tuple[str, str, str | tuple[Part, ...] | None]) -> State:
    """Let the model ask for calls (tool, arguments, result; None: its arguments cannot be used), and settle them."""
    asked = tuple(ToolCall(f"c{index}", tool, raw) for index, (tool, raw, _) in enumerate(calls))
    keys = [f"{state.turn}.{state.step}.{index}" for index in range(len(calls))]
    verdicts: dict[str, Verdict] = {
        key: Refuse(ev.CallRefused(key, "schema", (Text("Error."),))) if result is None else Go(raw)
        for key, (_, raw, result) in zip(keys, calls, strict=True)
    }
    state = apply(settle(state, {}), ev.ModelResponded(AssistantMessage(calls=asked), ev.Sent(0, ("h",))))
    state = settle(state, verdicts)
    for key, (_, _, result) in zip(keys, calls, strict=True):
        call = state.call(key)
        if result is not None and call is not None and not call.settled:
            parts = (Text(result),) if isinstance(result, str) else result
            state = settle(apply(state, hinted(state, ev.ToolFinished(key, parts))), verdicts)
    return state


def told(state: State) -> str:
    """Return the last result as the model gets it."""
    last = [e.message for e in state.transcript if isinstance(e.message, ToolMessage)][-1]
    return "".join(part.text for part in last.parts if isinstance(part, Text))


def test_the_same_call_with_the_same_result_is_told_and_then_ends_the_turn() -> None:
    state, hints = begin(), []
    for _ in range(6):
        assert state.phase is Phase.THINKING
        state = step(state, ("look", "{}", "nothing"))
        hints.append(told(state).removeprefix("nothing"))
    assert hints == ["", "", *(words.stalled(steps) for steps in (3, 4, 5, 6))]
    assert state.turns[-1].status == "limit"
    assert state.turns[-1].reason == "limit reached: 6 steps in a row brought nothing new"


def test_two_calls_by_turns() -> None:
    state, calls = begin(), [("look", "{}", "a"), ("find", "{}", "b")]
    for number in range(4):
        state = step(state, calls[number % 2])
    assert told(state) == "b" + words.stalled(3)
    for number in range(3):
        assert not state.turns
        state = step(state, calls[number % 2])
    assert state.turns[-1].status == "limit"


def test_a_result_that_differs_is_progress() -> None:
    state = begin(steps=None)
    for number in range(30):
        state = step(state, ("look", "{}", f"{number} % done"))
    assert not state.turns
    assert (state.progress.stale, len(state.progress.recent)) == (1, 2)


def test_other_arguments_are_progress_and_so_is_a_person() -> None:
    state = begin()
    for number in range(10):
        state = step(state, ("look", str(number), "nothing"))
    for _ in range(4):
        state = step(state, ("look", "{}", "nothing"))
    state = step(apply(state, replace(SAID, now=True)), ("look", "{}", "nothing"))
    assert told(state) == "nothing" + words.stalled(5)
    state = step(state, ("look", "{}", "nothing"))
    assert told(state) == "nothing"
    assert state.phase is Phase.THINKING


def test_steps_in_which_every_call_is_refused_bring_nothing_whatever_they_ask() -> None:
    state, number = begin(), 0
    while not state.turns:
        state, number = step(state, (f"tool{number}", "{}", "")), number + 1
        assert told(state).endswith(words.stalled(number)) == (number >= 3)
    assert (number, state.turns[-1].status) == (6, "limit")


def test_calls_side_by_side_are_one_step() -> None:
    state = step(begin(), *[("look", "{}", "same")] * 8)
    assert told(state) == "same"
    state = step(state, *[("look", "{", None)] * 8)
    assert (state.progress.count("look"), told(state)) == (1, "Error.")


def test_only_the_last_of_calls_side_by_side_gets_the_hint() -> None:
    state, both = begin(repeats=2), (("look", "{}", "a"), ("find", "{}", "b"))
    state = step(step(state, *both), *both)
    first, last = [e.message for e in state.transcript if isinstance(e.message, ToolMessage)][-2:]
    assert first.parts == (Text("a"),)
    assert last.parts == (Text("b"), Text(words.stalled(2)))


@pytest.mark.parametrize("part", [Text("x" * 9), Stored("h", 9), Image("https://a")])
def test_every_kind_of_result_is_compared(part: Part) -> None:
    state = begin(repeats=2)
    state = step(step(state, ("look", "{}", (part,))), ("look", "{}", (part,)))
    assert told(state).endswith(words.stalled(2))
    other = step(begin(repeats=2), ("look", "{}", (part,)))
    assert words.stalled(2) not in told(step(other, ("look", "{}", (part, part))))


def test_arguments_that_are_never_right_are_told_and_then_end_the_turn() -> None:
    state = begin(repeats=None)
    for number in range(3):
        state = step(state, ("look", f"{number}", None), ("find", "{}", str(number)))
        first = [e.message for e in state.transcript if isinstance(e.message, ToolMessage)][-2]
        assert (Text(words.hopeless("look")) in first.parts) == (number == 2)
    state = step(state, ("look", "3", None))
    assert state.turns[-1].status == "limit"
    assert state.turns[-1].reason == "limit reached: the arguments for look could not be used 4 times in a row"


def test_arguments_that_are_right_at_last_begin_the_count_anew() -> None:
    state = begin()
    for _ in range(4):
        state = step(step(state, ("look", "{", None)), ("look", "{", None))
        state = step(state, ("look", f"{state.step}", "found"))
    assert not state.turns
    assert state.progress.count("look") == 0


def test_without_limits_nothing_is_told_and_nothing_ends() -> None:
    state = begin(repairs=None, repeats=None)
    for _ in range(20):
        state = step(step(state, ("look", "{", None)), ("find", "{}", "same"), ("find", "{}", "same"))
    assert told(state) == "same"
    assert not state.turns


def test_a_hint_is_given_once_and_to_outcomes_of_calls_only() -> None:
    state = step(step(begin(), ("look", "{}", "a")), ("look", "{}", "a"))
    state = apply(
        settle(state, {}), ev.ModelResponded(AssistantMessage(calls=(ToolCall("c", "look", "{}"),)), ev.Sent(0, ("h",)))
    )
    state = settle(state, {"1.3.0": Go("{}")})
    fact = ev.ToolFinished("1.3.0", (Text("a"),))
    given = hinted(state, fact)
    assert given == replace(fact, hint=words.stalled(3))
    assert hinted(state, given) is given
    assert hinted(state, SAID) is SAID
    elsewhere = replace(fact, call="1.9.0")
    assert hinted(state, elsewhere) is elsewhere
    ending = apply(state, ev.CancelRequested(1, "ann"))
    assert hinted(ending, fact) is fact


def test_a_session_that_is_not_bound_has_the_usual_limits() -> None:
    state = fold([ev.SessionStarted("u", "a"), SAID, ev.ModelStarted(1)])
    state = apply(state, ev.ModelResponded(AssistantMessage(calls=(ToolCall("c", "look", "{}"),)), ev.Sent(0, ("h",))))
    state = apply(state, ev.ToolStarted("1.1.0", "read", "d", "x"))
    fact = ev.ToolFinished("1.1.0", (Text("a"),))
    assert hinted(state, fact) is fact
