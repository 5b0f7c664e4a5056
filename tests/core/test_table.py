"""The two tables are complete, and the pictures in the docstrings are drawn from them."""

import re
from typing import get_args

import pytest

from agentkit.core import calls, events, loop
from agentkit.core.events_people import CallDeferred, CallWoken
from agentkit.core.log import Log, Names
from agentkit.core.state import PARKED, SETTLED, CallStatus, Phase, State
from agentkit.errors import ProtocolError


def test_every_event_has_a_place_in_the_table() -> None:
    assert set(loop.TABLE) == set(get_args(events.AnyEvent))
    assert all(phases <= set(Phase) and phases for phases, _ in loop.TABLE.values())


def test_every_call_event_is_in_the_call_table() -> None:
    about_calls = {kind for kind in get_args(events.AnyEvent) if "call" in kind.__slots__}
    assert set(calls.FROM) == about_calls
    statuses = set(get_args(CallStatus))
    assert all(set(allowed) <= statuses - SETTLED for allowed in calls.FROM.values())
    assert statuses - SETTLED >= PARKED


TARGET = {
    events.CallRefused: "refused*",
    events.CallHeld: "held",
    CallDeferred: "deferred*",
    events.CallApproved: "approved",
    events.CallDenied: "denied*",
    events.CallClosed: "closed*",
    events.ToolStarted: "started",
    events.ToolFinished: "finished*",
    events.ToolUnknown: "unknown",
    events.CallSuspended: "suspended",
    events.CallAnswered: "finished*",
    events.CallResolved: "finished*",
}


WORDS = r"(?:refused|denied|closed|finished|deferred)\*|held|started|approved|suspended|unknown"


def drawn() -> dict[str, set[str]]:
    """Read the picture in the docstring of calls.py."""
    picture: dict[str, set[str]] = {}
    for line in (calls.__doc__ or "").splitlines():
        match = re.match(r"    (\w+) +(.*)", line)
        if match and match[1] in get_args(CallStatus):
            picture[match[1]] = set(re.findall(WORDS, match[2]))
    return picture


def test_the_picture_is_the_table() -> None:
    table: dict[str, set[str]] = {}
    for event, target in TARGET.items():
        for status in calls.FROM[event]:
            table.setdefault(status, set()).add(target)
    table["started"].add("unknown")
    table["unknown"].add("unknown")  # with proof
    assert {event for event in calls.FROM if event not in TARGET} == {events.CallEscalated, CallWoken}, (
        "they move nothing"
    )
    assert drawn() == table


def test_an_unknown_event_is_refused() -> None:
    with pytest.raises(ProtocolError, match="not an event of this format"):
        loop.apply(State(), "SomethingElse")  # type: ignore[arg-type]  # what an ill journal could hold


def test_a_session_begins_with_its_start_and_only_once() -> None:
    with pytest.raises(ProtocolError, match="begins with SessionStarted"):
        loop.apply(State(), events.UserSaid(()))
    state = loop.apply(State(), events.SessionStarted("u", "a"))
    with pytest.raises(ProtocolError, match="started already"):
        loop.apply(state, events.SessionStarted("u", "a"))


def test_a_log_shares_and_never_shows_what_is_not_its_own() -> None:
    one = Log([1])
    two, other = one.append(2), one.append(3)
    assert (one[:], two[:], other[:]) == ([1], [1, 2], [1, 3])
    assert two.extends(one)
    assert not other.extends(two)
    assert two.cut(1) == one
    assert two.cut(5) is two
    assert two[-1] == 2
    assert list(two) == [1, 2]
    assert repr(two) == "Log([1, 2])"
    assert one != [1]
    with pytest.raises(IndexError):
        one[1]
    shorter = two.cut(1).append(9)
    assert (two[:], shorter[:]) == ([1, 2], [1, 9])


def test_names_share_and_keep_their_own() -> None:
    none: Names[str] = Names()
    one = none.add("a")
    two, other = one.add("b"), one.add("c")
    assert "a" in one
    assert "b" not in one
    assert list(two) == ["a", "b"]
    assert list(other) == ["a", "c"]
    assert (len(one), len(two)) == (1, 2)
    assert two == none.add("a").add("b")
    assert two != other
    assert two.add("b") == two
