"""What a fork does to the state: it begins a step anew, and nothing that waited or failed counts any more."""

import pytest

from agentkit.core import events as ev
from agentkit.core.log import Names
from agentkit.core.loop import apply, fold
from agentkit.core.messages import AssistantMessage, Text, ToolCall
from agentkit.core.state import Phase, State
from agentkit.errors import ProtocolError

BOUND = ev.AgentBound("desk", "m", "h", "generic", "1", "i", "s", "t", "c")
SENT = ev.Sent(0, ("h",))


def said(name: str, *, now: bool = False) -> ev.UserSaid:
    return ev.UserSaid((Text(name),), name, now=now)


def before_a_call() -> State:
    """Return the state before step 1.1, with a message that waits, and one whose turn is open."""
    return fold([ev.SessionStarted("u", "desk"), BOUND, said("one"), said("two")])


def test_a_fork_drops_what_waits_and_is_to_be_bound_anew() -> None:
    state = before_a_call()
    forked = apply(state, ev.Forked("u", state.seq, "v", "1.1"))
    assert (forked.uid, forked.forked, forked.rebind, forked.waiting) == ("v", True, True, ())
    assert set(forked.ids) == {"one"}
    assert set(state.ids) == {"one", "two"}
    assert not apply(forked, BOUND).rebind
    assert apply(forked, said("two", now=True)).said[-1].id == "two"
    assert not apply(forked, ev.Forked("v", forked.seq, "w", "1.1", asks=False)).forked
    assert not apply(state, ev.Forked("u", state.seq, "v", "1.1", asks=False)).forked


def test_an_import_goes_on_with_what_waits() -> None:
    state = before_a_call()
    imported = apply(state, ev.Forked("u", state.seq, "v"))
    assert (imported.rebind, imported.forked, imported.waiting) == (False, True, state.waiting)


@pytest.mark.parametrize("step", ["1.2", "2.1", "1"])
def test_a_fork_begins_at_the_step_it_names(step: str) -> None:
    with pytest.raises(ProtocolError, match=r"cannot begin at 1\.1"):
        apply(before_a_call(), ev.Forked("u", 4, "v", step))


def test_a_fork_begins_where_no_call_is_open_and_none_was_tried() -> None:
    asked = apply(before_a_call(), ev.ModelStarted(1))
    with pytest.raises(ProtocolError, match="in flight"):
        apply(asked, ev.Forked("u", 5, "v", "1.1"))
    broken = apply(asked, ev.ModelInterrupted("the line broke"))
    calls = AssistantMessage(calls=(ToolCall("c", "pay", "{}"),))
    acting = apply(asked, ev.ModelResponded(calls, SENT))
    assert acting.phase is Phase.ACTING
    for state in (broken, acting):
        with pytest.raises(ProtocolError, match="cannot begin"):
            apply(state, ev.Forked("u", 6, "v", "1.1"))


def test_names_without_some_leave_the_others() -> None:
    names = Names[str]().add("a").add("b").add("c")
    left = names.without(["b", "x"])
    assert list(left) == ["a", "c"]
    assert list(left.add("b")) == ["a", "c", "b"]
    assert list(names) == ["a", "b", "c"]
