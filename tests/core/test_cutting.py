"""What a model is told of a result that was cut, and how it reads on: every character once, and none invented."""

import re

import pytest

from agentkit.core.cutting import Cut, cut_again, piece, shortened
from agentkit.core.events import CallResolved, ToolFinished, ToolUnknown
from agentkit.core.messages import Image, Stored, Text
from agentkit.core.state import State
from tests.core.test_calls import run, state_with

TEXT = "".join(chr(97 + n % 26) for n in range(25))


def test_what_is_shown_says_how_much_it_is_and_how_to_go_on() -> None:
    cut = Cut(Text(TEXT), 10, more=True)
    assert shortened("2.1.0", TEXT, cut, (Image("https://x"),)) == (
        Text(
            "abcdefghij\n[The result is too long: characters 1 to 10 of 25 are shown. "
            'To read on: read_more(call="2.1.0", start=10).]'
        ),
        Image("https://x"),
    )


def test_where_nothing_can_be_read_on_the_model_is_told_to_ask_for_less() -> None:
    ((said),) = shortened("2.1.0", TEXT, Cut(Text(TEXT), 10))
    assert said == Text(
        "abcdefghij\n[The result is too long: characters 1 to 10 of 25 are shown. "
        "The rest cannot be read: ask for less at a time.]"
    )


@pytest.mark.parametrize("lost", [0, 7])
@pytest.mark.parametrize("shown", [1, 7, 10, 24])
def test_the_pieces_together_are_the_whole(shown: int, lost: int) -> None:
    cut, start, read = Cut(Text(TEXT), shown, more=True, lost=lost), 0, ""
    while True:
        said = piece("2.1.0", TEXT, start, cut)
        text, _, note = said.partition("\n[")
        read += text
        assert note.startswith(
            f"Characters {start + 1} to {start + len(text)} of {25 + lost} of the result of call 2.1.0."
        )
        onward = re.search(r'read_more\(call="2.1.0", start=(\d+)\)', note)
        if onward is None:
            break
        start = int(onward[1])
    assert read == TEXT
    assert note.endswith(f"The other {lost} were too many to be kept.]" if lost else "That is its end.]")


def test_a_whole_that_a_rule_has_changed_is_cut_anew() -> None:
    cut, picture = Cut(Text(TEXT), 10, more=True), Image("https://x")
    parts, after = cut_again("2.1.0", (Text("abcdefghij\n[…]"), picture), cut, TEXT.replace("ij", "__"))
    assert after == Cut(Text(TEXT.replace("ij", "__")), 10, more=True)
    assert parts[0] == Text(
        "abcdefgh__\n[The result is too long: characters 1 to 10 of 25 are shown. "
        'To read on: read_more(call="2.1.0", start=10).]'
    )
    assert parts[1] is picture


def test_a_whole_that_a_rule_made_short_is_no_longer_cut() -> None:
    assert cut_again("2.1.0", (Stored("h", 9),), Cut(Text(TEXT), 10), "short") == ((Text("short"),), None)
    parts, after = cut_again("2.1.0", (Text(""),), Cut(Text(TEXT), 10, lost=5), "short")
    assert after == Cut(Text("short"), 10, lost=5)
    assert "characters 1 to 5 of 10 are shown" in str(parts)


def test_a_state_knows_what_was_cut_of_which_call() -> None:
    first, second = Cut(Stored("h1", 1), 1), Cut(Stored("h2", 1), 1)
    state = State()
    later = State(cuts=state.cuts.append(("1.1.0", first), ("1.2.0", second)))
    assert (later.cut("1.2.0"), later.cut("1.1.0"), later.cut("1.1.1"), state.cut("1.1.0")) == (
        second,
        first,
        None,
        None,
    )


def test_a_state_takes_what_was_cut_from_the_outcomes_of_its_calls() -> None:
    first, second = Cut(Stored("h1", 1), 1), Cut(Stored("h2", 1), 1)
    state = run(state_with("look", "look"), ToolFinished("1.1.0", (Text("x"),)))
    assert len(state.cuts) == 0
    state = run(state, ToolFinished("1.1.1", (Text("x"),), cut=first))
    assert list(state.cuts) == [("1.1.1", first)]
    state = run(state_with("pay"), ToolUnknown("1.1.0", "cut off"))
    found = CallResolved("1.1.0", state.calls[0].question, "happened", "reconcile", "pay", (Text("x"),), cut=second)
    assert run(state, found).cut("1.1.0") == second


def test_a_cut_is_no_part_of_an_event_that_was_not_cut() -> None:
    assert ToolFinished("1.1.0", ()).cut is None
    assert CallResolved("1.1.0", 1, "happened", "person", "ann").cut is None
