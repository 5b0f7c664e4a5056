"""What the model sees: retention by class, the three states of reasoning, and what is bound can be unbound."""

from dataclasses import replace
from decimal import Decimal
from typing import Literal, get_args

import pytest

from agentkit.core import events as ev
from agentkit.core.binding import bind, hashed, unbind, unstamped
from agentkit.core.contract import Contract, Retention
from agentkit.core.messages import (
    AssistantMessage,
    File,
    Image,
    Message,
    Part,
    Producer,
    Stored,
    Text,
    ToolCall,
    ToolMessage,
    UserMessage,
    parts_of,
    text_of,
)
from agentkit.core.request import Reach, Reader, Sending, moves_with_user, project, render, stored
from agentkit.core.spec import Binding, BoundTool, Limits, Settings, ToolSpec
from agentkit.core.state import Entry
from agentkit.errors import ProtocolError

CALL = (ToolCall("c", "look", "{}"),)


def talk(*messages: Message) -> list[Entry]:
    turn, entries = 0, []
    for message in messages:
        turn += isinstance(message, UserMessage)
        entries.append(Entry(message, turn, 1))
    return entries


TALK = talk(
    UserMessage((Text("one"),)),
    AssistantMessage(None, "r1", CALL),
    ToolMessage("c", "look", (Text("seen"),)),
    AssistantMessage("a1", "r2"),
    UserMessage((Text("two"),)),
    AssistantMessage("a2", "r3"),
    UserMessage((Text("three"),)),
    AssistantMessage(None, "r4", CALL),
)


def reasonings(retention: str) -> list[str | None]:
    contract = Contract(id="x", retention=retention)  # type: ignore[arg-type]  # parametrised
    sendings = render(TALK, 0, Reach().over(TALK, 0), Reader(contract, "m", {}))
    return [s.reasoning for s in sendings if isinstance(s.message, AssistantMessage)]


@pytest.mark.parametrize(
    ("retention", "expected"),
    [
        ("forbid", [None, None, None, None]),
        ("hidden", [None, None, None, None]),
        ("turn", [None, None, None, "r4"]),
        ("sticky-tools", ["r1", "r2", None, "r4"]),
        ("sticky-if-tools", ["r1", "r2", "r3", "r4"]),
        ("all", ["r1", "r2", "r3", "r4"]),
    ],
)
def test_retention(retention: str, expected: list[str | None]) -> None:
    assert reasonings(retention) == expected
    assert moves_with_user(Contract(id="x", retention=retention)) == (retention in {"turn", "sticky-tools"})  # type: ignore[arg-type]


def sent(reasoning: str | None, contract: Contract, producer: Producer | None = None) -> tuple[str | None, str]:
    sending = project(AssistantMessage("a", reasoning, producer=producer), contract, "m", retained=True)
    return sending.reasoning, sending.decision


def test_absent_empty_and_text_are_three_states() -> None:
    plain = Contract(id="x")
    assert sent(None, plain) == (None, "none")
    assert sent("", plain) == ("", "verbatim")
    assert sent(" r ", plain) == (" r ", "verbatim")


def test_absent_reasoning_gets_a_placeholder_only_where_the_contract_asks() -> None:
    asks = Contract(id="x", missing="error", placeholder="")
    assert sent(None, asks) == ("", "placeholder")
    assert sent(None, Contract(id="x", missing="error")) == (None, "none")
    for_calls = asks.model_copy(update={"applies_to": "tool_call_messages"})
    assert sent(None, for_calls) == (None, "none")
    assert project(AssistantMessage(calls=CALL), for_calls, "m", retained=True).decision == "placeholder"


def test_empty_reasoning_by_the_row() -> None:
    assert sent("", Contract(id="x", empty="placeholder", placeholder=" ")) == (" ", "placeholder")
    assert sent("", Contract(id="x", empty="placeholder")) == (None, "dropped")
    assert sent("", Contract(id="x", empty="omit")) == (None, "dropped")


def test_another_models_reasoning_by_the_row() -> None:
    other = Producer("other", "y")
    assert sent("r", Contract(id="x"), other) == ("r", "verbatim")
    assert sent("r", Contract(id="x", on_model_switch="drop"), other) == (None, "dropped")
    assert sent("r", Contract(id="x", on_model_switch="placeholder", placeholder="-"), other) == ("-", "placeholder")
    assert sent("r", Contract(id="x", on_model_switch="placeholder"), other) == (None, "dropped")
    assert sent("r", Contract(id="x", on_model_switch="drop", switch_boundary="none"), other) == ("r", "verbatim")
    same_row = Producer("other", "x")
    assert sent("r", Contract(id="x", on_model_switch="drop"), same_row) == ("r", "verbatim")
    assert sent("r", Contract(id="x", on_model_switch="drop", switch_boundary="model"), same_row) == (None, "dropped")
    assert sent("r", Contract(id="x", on_model_switch="drop"), None) == ("r", "verbatim")


def test_what_is_dropped_says_why() -> None:
    sending = project(AssistantMessage("a", "r"), Contract(id="x", retention="turn"), "m", retained=False)
    assert (sending.decision, sending.why) == ("dropped", "this service wants it for one turn only")
    assert project(AssistantMessage("a"), Contract(id="x"), "m", retained=False).decision == "none"
    told = {
        each: project(AssistantMessage("a", "r"), Contract(id="x", retention=each), "m", retained=False).why
        for each in get_args(Retention)
    }
    assert told["sticky-tools"] == "this service wants it of the current turn and of turns that called a tool"
    assert not [why for each, why in told.items() if f"{each}:" in why]  # a class's name says nothing to a person


def test_stored_contents_are_filled_in() -> None:
    entries = talk(UserMessage((Text("a"), Stored("h", 3))))
    assert stored(entries, 0) == ["h"]
    assert stored(entries, 1) == []
    reader = Reader(Contract(id="x"), "m", {"h": "big"})
    assert render(entries, 0, Reach(), reader) == [Sending(UserMessage((Text("a"), Text("big"))))]
    with pytest.raises(ProtocolError, match="were not fetched"):
        render(entries, 0, Reach(), replace(reader, contents={}))


def test_stored_pictures_and_files_are_what_they_were() -> None:
    parts = (Stored("t", 3), Stored("i", 3, "image"), Stored("f", 3, "file", "a.pdf"))
    contents = {"t": "big", "i": "data:i", "f": "data:f"}
    sendings = render(talk(UserMessage(parts)), 0, Reach(), Reader(Contract(id="x"), "m", contents))
    assert sendings == [Sending(UserMessage((Text("big"), Image("data:i"), File("a.pdf", "data:f"))))]
    assert text_of(parts) == "[3 bytes, stored][image][file a.pdf]"


@pytest.mark.parametrize(
    ("taken", "left_out"), [((), [1, 2]), (("image",), [2]), (("file",), [1]), (("image", "file"), [])]
)
def test_what_a_service_does_not_take_of_a_result_is_told_by_a_text(
    taken: tuple[Literal["image", "file"], ...], left_out: list[int]
) -> None:
    parts = (Text("look: "), Image("data:i"), File("a.pdf", "data:f"))
    entries = talk(UserMessage(parts), AssistantMessage(calls=CALL), ToolMessage("c", "look", parts))
    said, _, result = render(entries, 0, Reach(), Reader(Contract(id="x", tool_parts=taken), "m", {}))
    assert said == Sending(UserMessage(parts))  # what people send is not touched
    assert isinstance(result.message, ToolMessage)
    changed = [at for at, (was, now) in enumerate(zip(parts, result.message.parts, strict=True)) if was != now]
    assert changed == left_out
    assert result.decision == ("placeholder" if left_out else "none")
    assert bool(result.why) == bool(left_out)
    whole = text_of(result.message.parts)
    assert ("[a picture: left out, because" in whole) == (1 in left_out)
    assert ("[the file a.pdf: left out, because" in whole) == (2 in left_out)


def test_the_reach_grows_with_the_entries() -> None:
    half = Reach().over(TALK[:4], 0)
    assert half == Reach(0, frozenset({1}))
    assert half.over(TALK, 4) == Reach(6, frozenset({1, 3}))


def test_a_binding_is_recorded_and_read_back() -> None:
    spec = ToolSpec(BoundTool("look", "d", "read", exclusive=False), "Look.", {"type": "object"})
    binding = Binding(
        "a", "m", "be kind \ud83d", (spec,), Settings(max_tokens=7), Contract(id="x"), Limits(cost=Decimal(1)), "0"
    )
    event, blobs = bind(binding, "h", None, static=False)
    assert [blob.shared for blob in blobs] == [False, True, True, True]
    assert all(blob.hash == hashed(blob.data) for blob in blobs)
    assert event.heft == len(blobs[0].data) + len(blobs[1].data)
    assert unbind(event, {blob.hash: blob.data for blob in blobs}) == binding
    with pytest.raises(KeyError):
        unbind(event, {})


def test_an_answer_is_recorded_without_what_its_binding_tells() -> None:
    event = ev.AgentBound(
        "a", "m", "h", "x", "0", "i", "s", "t", "c", carrier="r", prices=ev.Prices(Decimal(1), Decimal(1), "v1")
    )
    usual = AssistantMessage("a", "r", CALL, carrier="r", producer=Producer("m", "x", "h"))
    answer = ev.ModelResponded(usual, ev.Sent(0, ()), finish="tool_calls", prices="v1")
    bare = replace(usual, carrier=None, producer=None)
    assert unstamped(answer, event) == ev.ModelResponded(bare, ev.Sent(0, ()))
    other = replace(usual, carrier="other", producer=Producer("z", "x", "h"))
    unusual = ev.ModelResponded(other, ev.Sent(0, ()), finish="length", prices="v2")
    assert unstamped(unusual, event) == unusual


def test_content_is_text_or_parts() -> None:
    parts: tuple[Part, ...] = (Text("look: "), Image("data:x"), File("a.pdf", "data:y"))
    assert parts_of("hi") == (Text("hi"),)
    assert parts_of([Text("look: "), Image("data:x"), File("a.pdf", "data:y")]) == parts
    assert text_of((*parts, Stored("h", 9))) == "look: [image][file a.pdf][9 bytes, stored]"
    with pytest.raises(TypeError, match="not int"):
        parts_of([3])  # type: ignore[list-item]  # what an untyped caller may do


def test_events_know_their_format() -> None:
    assert ev.SessionStarted("u", "a").format == ev.FORMAT == 1
