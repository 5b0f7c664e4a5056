"""What deferred calls and people who take over refuse, and what they wait for."""

import pytest

from agentkit.core import events as ev
from agentkit.core.deferring import deferral
from agentkit.core.events_people import CallDeferred, PersonAnswered
from agentkit.core.loop import apply, fold
from agentkit.core.messages import AssistantMessage, Image, Text
from agentkit.core.state import Call, Phase, State
from agentkit.core.words import outcome
from agentkit.errors import ProtocolError
from tests.core.test_random_orders import BOUND, SENT

ANN = PersonAnswered("I do it.", "ann", "ann speaks")


def answered() -> State:
    """Return a session whose model has answered, before the end of the turn is recorded."""
    said: list[ev.AnyEvent] = [
        ev.UserSaid((Text("hello"),)),
        ev.ModelStarted(1),
        ev.ModelResponded(AssistantMessage("hi"), SENT),
    ]
    return fold([ev.SessionStarted("u", "a"), BOUND, *said])


def test_a_notice_tells_of_a_settled_call_only() -> None:
    with pytest.raises(ProtocolError, match=r"no outcome of call 1\.1\.0"):
        apply(answered(), ev.UserSaid((Text("done"),), about="1.1.0"))


def test_a_person_says_something() -> None:
    with pytest.raises(ProtocolError, match="without text"):
        apply(answered(), PersonAnswered("", "ann", "ann speaks"))


def test_a_turn_that_is_answered_already_ends_as_answered() -> None:
    state = apply(answered(), ANN)
    assert (state.phase, state.ending, state.spoken) == (Phase.ENDING, None, (ANN,))
    state = apply(state, ev.TurnEnded("completed"))
    assert (state.turn, state.phase, state.text, state.spoken) == (2, Phase.ENDING, "I do it.", ())


def test_a_result_that_begins_with_a_picture_is_told_behind_the_notice() -> None:
    first, *more = outcome("draw", "{}", (Image("data:,"),))
    assert isinstance(first, Text)
    assert more == [Image("data:,")]


def test_an_equal_call_is_not_sent_for_approval_twice() -> None:
    tool, call = BOUND.tools[0], Call("1.2.0", BOUND.tools[0].name, "b", "{}")
    state = State(deferred=(Call("1.1.0", tool.name, "a", "{}", status="held", arguments="hash", deferred=True),))
    assert isinstance(deferral(state, call, tool, "hash", "why"), ev.CallRefused)
    assert isinstance(deferral(state, call, tool, "another", "why"), CallDeferred)
