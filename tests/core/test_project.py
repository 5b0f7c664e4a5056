"""What becomes of one answer under a row: every carrier, private fields, stand-ins, ids and bridges at a switch."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from agentkit.core.contract import INLINE_TAGS, ITEMS, THINKING_PARTS, Contract
from agentkit.core.messages import AssistantMessage, Message, Producer, Text, ToolCall, ToolMessage, UserMessage
from agentkit.core.request import Reach, Reader, Sending, legal_id, placed, project, render
from agentkit.core.state import Entry
from agentkit.models import contracts

TODAY = date(2026, 11, 21)
OWN = Producer("m", "x", "h")
OTHER = Producer("other-model", "y", "h2")
CALLS = (ToolCall("c1", "look", "{}"), ToolCall("c2", "look", "{}"))
SIGNED = {"extra_content": {"google": {"thought_signature": "s1"}}}
SENTINEL = {"extra_content": {"google": {"thought_signature": "stand-in"}}}
DETAILS = {"reasoning_details": [{"type": "reasoning.text", "text": "r", "signature": "s"}]}
ROWS = tuple(contracts.named(name, TODAY) for name in dict.fromkeys(row.id for row in contracts.rows()))


def row(**facts: Any) -> Contract:
    return Contract.model_validate({"id": "x", **facts})


def answer(reasoning: str | None = "r", **more: Any) -> AssistantMessage:
    return AssistantMessage("a", reasoning, **{"producer": OWN, **more})


def sent(message: AssistantMessage, contract: Contract, *, retained: bool = True, model: str = "m") -> Sending:
    return project(message, contract, model, retained=retained)


@pytest.mark.parametrize("write", ["reasoning_content", "reasoning", INLINE_TAGS, THINKING_PARTS, ITEMS])
def test_text_is_written_where_the_row_says(write: str) -> None:
    contract = row(carrier={"write": write, "tags": [["<t>", "</t>"]]})
    for producer in (OWN, OTHER, None):
        sending = sent(answer(carrier="reasoning", producer=producer), contract)
        assert (sending.reasoning, sending.carrier, sending.decision) == ("r", write, "verbatim")


@pytest.mark.parametrize("came", ["reasoning", "reasoning_content", INLINE_TAGS, THINKING_PARTS])
def test_same_is_the_field_it_came_in_and_the_first_one_for_another_models(came: str) -> None:
    contract = row(carrier={"read": ["first", "reasoning"], "write": "same", "tags": [["<t>", "</t>"]]})
    assert sent(answer(carrier=came), contract).carrier == came
    assert sent(answer(carrier=came, producer=OTHER), contract).carrier == "first"
    assert sent(answer(carrier=None), contract).carrier == "first"


def test_nowhere_to_write_drops_the_text_and_says_so() -> None:
    for carrier in ({"write": "none"}, {"write": "same", "read": []}):
        sending = sent(answer(), row(carrier=carrier))
        assert (sending.reasoning, sending.carrier, sending.decision) == (None, None, "dropped")
        assert sending.why == "this service takes no text of reasoning"


@pytest.mark.parametrize("key", [INLINE_TAGS, ITEMS])
def test_the_bytes_of_an_own_answer_go_along_and_those_of_another_do_not(key: str) -> None:
    contract = row(carrier={"write": key, "tags": [["<t>", "</t>"]]})
    message = answer(carrier=key, extras={key: ["exact"], "else": 1})
    assert sent(message, contract).extras == {key: ["exact"]}
    assert sent(replace(message, producer=OTHER), contract).extras == {}
    assert sent(message, contract, retained=False) == Sending(message, None, "dropped", "it is not asked for here")
    same = row(carrier={"write": "same", "tags": [["<t>", "</t>"]]})
    assert sent(message, same).extras == {key: ["exact"]}
    assert sent(message, row(carrier={"write": "reasoning"})).extras == {}


def test_items_without_text_go_along_verbatim() -> None:
    sealed = answer(None, carrier=ITEMS, extras={ITEMS: [{"encrypted_content": "e"}]})
    for missing in ("ignore", "error"):
        contract = row(wire="responses", carrier={"read": [], "write": ITEMS}, missing=missing, on_model_switch="drop")
        sending = sent(sealed, contract)
        assert (sending.reasoning, sending.decision, sending.extras) == (None, "verbatim", sealed.extras)
        foreign = sent(replace(sealed, producer=OTHER), contract)
        assert (foreign.reasoning, foreign.decision, foreign.extras) == (None, "none", {})


def test_a_private_field_goes_alone_or_beside_the_text() -> None:
    carrier = {"write": "reasoning", "opaque": ["reasoning_details"]}
    message = answer(carrier="reasoning", extras=DETAILS)
    alone = sent(message, row(carrier=carrier))
    assert (alone.reasoning, alone.carrier, alone.extras, alone.decision) == (None, None, DETAILS, "verbatim")
    both = sent(message, row(carrier={**carrier, "with_opaque": "both"}))
    assert (both.reasoning, both.carrier, both.extras, both.decision) == ("r", "reasoning", DETAILS, "verbatim")
    bare = sent(replace(message, extras={}), row(carrier=carrier))
    assert (bare.reasoning, bare.carrier, bare.extras) == ("r", "reasoning", {})


@pytest.mark.parametrize("boundary", ["contract", "model"])
def test_a_private_field_stays_with_who_made_it(boundary: str) -> None:
    contract = row(carrier={"write": "reasoning", "opaque": ["reasoning_details"]}, switch_boundary=boundary)
    same_row = answer(extras=DETAILS, producer=Producer("other-model", "x"))
    assert sent(same_row, contract).extras == (DETAILS if boundary == "contract" else {})
    same_model = answer(extras=DETAILS, producer=Producer("m", "y"))
    assert (sent(same_model, contract).extras, sent(same_model, contract).reasoning) == ({}, "r")


def test_a_placeholder_stands_without_the_bytes_it_replaces() -> None:
    facts: dict[str, Any] = {"missing": "error", "empty": "placeholder", "placeholder": "(none)"}
    items = row(wire="responses", carrier={"read": [], "write": ITEMS}, **facts)
    for reasoning in ("", None):
        sending = sent(answer(reasoning, carrier=ITEMS, extras={ITEMS: ["without text"]}), items)
        assert (sending.reasoning, sending.decision, sending.extras) == ("(none)", "placeholder", {})
    opaque = {"write": "reasoning_content", "opaque": ["reasoning_details"], "with_opaque": "both"}
    both = sent(answer("", extras=DETAILS), row(carrier=opaque, **facts))
    assert (both.reasoning, both.decision, both.extras) == ("(none)", "placeholder", DETAILS)


def signed(*extras: Mapping[str, Any], producer: Producer = OWN) -> AssistantMessage:
    calls = tuple(replace(call, extras=extra) for call, extra in zip(CALLS, extras, strict=True))
    return answer(None, calls=calls, producer=producer)


GEMINI = row(carrier={"read": [], "write": "none", "beside_calls": ["extra_content"], "sentinel": SENTINEL})


def test_a_signature_goes_back_beside_its_call() -> None:
    sending = sent(signed({**SIGNED, "else": 1}, {}), GEMINI)
    assert (sending.beside, sending.decision) == ((SIGNED, {}), "none")
    both = sent(signed(SIGNED, SIGNED), GEMINI)
    assert both.beside == (SIGNED, SIGNED)


def test_the_sentinel_stands_on_the_first_call_only_where_a_signature_is_missing() -> None:
    why = "its first call has no signature of this service"
    for message in (signed({}, {}), signed(SIGNED, SIGNED, producer=OTHER)):
        sending = sent(message, GEMINI)
        assert (sending.beside, sending.decision, sending.why) == ((SENTINEL, {}), "placeholder", why)
    assert sent(signed({}, SIGNED), GEMINI).beside == (SENTINEL, SIGNED)
    assert sent(answer(None), GEMINI).beside == ()
    assert sent(signed(SIGNED, {}), row(carrier={"beside_calls": ["extra_content"]})).beside == (SIGNED, {})
    assert sent(signed({}, {}), GEMINI, retained=False).beside == ()


def test_dropped_text_and_sentinel_are_both_told() -> None:
    message = replace(signed({}, {}, producer=OTHER), reasoning="r")
    sending = sent(message, GEMINI.model_copy(update={"on_model_switch": "drop"}))
    assert sending.why == "another model's reasoning; its first call has no signature of this service"


NINE = {"pattern": "[A-Za-z0-9]{9}"}


def test_ids_are_made_legal_both_in_the_call_and_in_its_result() -> None:
    contract = row(call_ids=NINE)
    asked = AssistantMessage(
        None, None, (ToolCall("functions.look:0", "look", "{}"), ToolCall("abcDEF123", "look", "{}"))
    )
    results = [ToolMessage(call.id, "look", (Text("seen"),)) for call in asked.calls]
    talk: list[Message] = [UserMessage((Text("u"),)), asked, *results]
    entries = [Entry(message, 1, 1) for message in talk]
    _, answered, *told = (each.message for each in render(entries, 0, Reach(), Reader(contract, "m", {})))
    assert isinstance(answered, AssistantMessage)
    ids = [call.id for call in answered.calls]
    assert [message.call_id for message in told if isinstance(message, ToolMessage)] == ids
    assert ids[1] == "abcDEF123"
    assert ids[0] != "functions.look:0"
    assert all(re.fullmatch(NINE["pattern"], each) for each in ids)
    assert asked.calls[0].id == "functions.look:0"


def test_a_legal_id_is_left_alone_and_a_made_one_follows_from_the_old() -> None:
    anything, nine = row(), row(call_ids=NINE)
    for call_id in ("call_00_x", "functions.look:0", "é\u2028", "x" * 512):
        assert legal_id(call_id, anything) == call_id
    made = {call_id: legal_id(call_id, nine) for call_id in ("a", "b", "\ud83d", "x" * 600)}
    assert len(set(made.values())) == len(made)
    assert made == {call_id: legal_id(call_id, nine) for call_id in made}
    assert legal_id("x" * 600, anything).startswith("call_")


def bridges(contract: Contract) -> list[str | None]:
    talk: list[Message] = [
        UserMessage((Text("one"),)),
        answer(None, calls=CALLS[:1]),
        ToolMessage("c1", "look", (Text("seen"),)),
        UserMessage((Text("two"),)),
        UserMessage((Text("three"),)),
        answer(),
        UserMessage((Text("four"),)),
    ]
    entries = [Entry(message, 1, 1) for message in talk]
    return [each.bridge for each in render(entries, 0, Reach(), Reader(contract, "m", {}))]


def test_a_bridge_stands_between_the_roles_that_are_refused_side_by_side() -> None:
    nothing: list[str | None] = [None] * 7
    assert bridges(row()) == nothing
    tool = bridges(row(bridges={"user_after_tool": "Seen."}))
    assert tool == [*nothing[:3], "Seen.", *nothing[4:]]
    user = bridges(row(bridges={"user_after_user": "And."}))
    assert user == [*nothing[:4], "And.", *nothing[5:]]


def test_what_a_contract_bridged_itself_is_not_bridged_again() -> None:
    talk: list[Message] = [
        ToolMessage("c1", "look", (Text("seen"),)),
        AssistantMessage("Seen."),
        UserMessage((Text("two"),)),
    ]
    entries = [Entry(message, 1, 1) for message in talk]
    reader = Reader(row(bridges={"user_after_tool": "Seen."}), "m", {})
    assert [each.bridge for each in render(entries, 0, Reach(), reader)] == [None, None, None]


def answers(made: Contract) -> list[AssistantMessage]:
    """Return what a row's service may have answered: text, nothing, or empty, with and without calls."""
    own = Producer("made-by", made.id)
    key = made.carrier.write if made.carrier.write in {INLINE_TAGS, ITEMS} else "reasoning_details"
    calls = (ToolCall("functions.look:0", "look", "{}", extras=SIGNED), ToolCall("c2", "look", "{}"))
    return [
        AssistantMessage("a", reasoning, asked, next(iter(made.carrier.read), key), {key: ["private"]}, own)
        for reasoning in ("r", "", None)
        for asked in ((), calls)
    ]


@pytest.mark.parametrize("reader", ROWS, ids=lambda each: each.id)
def test_between_any_two_rows_nothing_private_crosses_and_nothing_asked_for_is_missing(reader: Contract) -> None:
    for made in ROWS:
        for message in answers(made):
            sending = sent(message, reader, model="reads")
            assert sending == sent(message, reader, model="reads")
            if made.id != reader.id:
                assert sending.extras == {}
                assert SIGNED not in sending.beside
            asked = reader.applies_to == "all_assistant" or message.calls
            if reader.missing == "error" and asked and reader.placeholder is not None:
                accepted = sending.reasoning if reader.empty == "send" else sending.reasoning or None
                assert accepted is not None
            if reader.carrier.sentinel is not None and message.calls:
                assert sending.beside[0]
            assert sending.decision != "dropped" or sending.why


@pytest.mark.parametrize("each", ROWS, ids=lambda each: each.id)
def test_an_own_answer_goes_back_as_it_came(each: Contract) -> None:
    carrier = each.carrier
    key = carrier.write if carrier.write in {INLINE_TAGS, ITEMS, THINKING_PARTS} else next(iter(carrier.read), None)
    extras = {name: ["private"] for name in (key, *carrier.opaque) if name in {INLINE_TAGS, ITEMS, *carrier.opaque}}
    message = AssistantMessage("a", "r", carrier=key, producer=Producer("m", each.id), extras=extras)
    sending = sent(message, each)
    assert sending.extras == extras
    taken = carrier.write != "none" and not (carrier.opaque and carrier.with_opaque == "alone")
    assert sending.reasoning == ("r" if taken else None)
    assert sending.decision == ("dropped" if carrier.write == "none" else "verbatim")


def test_private_fields_that_stay_behind_are_told() -> None:
    contract = row(carrier={"write": "reasoning", "opaque": ["reasoning_details"], "beside_calls": ["extra_content"]})
    for message in (answer(None, extras=DETAILS), signed(SIGNED, {})):
        assert sent(message, contract).decision != "dropped"
        gone = sent(replace(message, producer=OTHER), contract)
        assert (gone.decision, gone.why, gone.extras) == ("dropped", "another model's private fields", {})
        late = sent(message, row(retention="turn"), retained=False)
        assert (late.decision, late.why) == ("dropped", "this service wants it for one turn only")
    assert sent(answer(None, extras={THINKING_PARTS: ["frame"]}, producer=OTHER), contract).decision == "none"


@pytest.mark.parametrize("takes", ["any", "json", "json_or_empty"])
def test_arguments_the_reader_cannot_read_do_not_spoil_the_session(takes: str) -> None:
    given = ('{"a": 1}', '{"a": ', "", "[" * 100_000, '{"a": NaN}')
    calls = tuple(ToolCall(f"c{n}", "look", arguments) for n, arguments in enumerate(given))
    sending = sent(answer(calls=calls), row(arguments=takes))
    assert isinstance(sending.message, AssistantMessage)
    wrong = {"any": (), "json": (1, 2, 3, 4), "json_or_empty": (1, 3, 4)}[takes]
    assert [call.arguments for call in sending.message.calls] == [
        "{}" if n in wrong else arguments for n, arguments in enumerate(given)
    ]
    said = f"the arguments of call {', '.join(map(str, wrong))} are no JSON, and the contract refuses that"
    assert (sending.decision, sending.why) == (("placeholder", said) if wrong else ("verbatim", ""))
    assert (sending.reasoning, sent(answer(), row(arguments=takes)).decision) == ("r", "verbatim")


def test_tags_of_an_own_content_go_along_where_the_row_writes_what_came() -> None:
    message = answer(carrier="reasoning", extras={INLINE_TAGS: ["<t>b</t>"]})
    assert sent(message, row(carrier={"write": "same"})).extras == {INLINE_TAGS: ["<t>b</t>"]}
    assert sent(message, row(carrier={"write": "reasoning"})).extras == {}


def test_ids_that_could_not_be_used_follow_from_the_place() -> None:
    """Law 4: no two calls of a session share one, so that a service that wants that of a history can take it over."""
    calls = (
        ToolCall("call_0", "look", "{}", ""),
        ToolCall("own", "look", "{}"),
        ToolCall("call_2", "look", "{}", "own"),
    )
    first, later = (placed(answer(calls=calls), 2, step, row()) for step in (1, 3))
    assert [call.id for call in first.calls] == ["call_2_1_0", "own", "call_2_1_2"]
    assert [call.id for call in later.calls] == ["call_2_3_0", "own", "call_2_3_2"]
    assert [call.given_id for call in first.calls] == ["", None, "own"]
    short = placed(answer(calls=calls), 2, 1, row(call_ids={"pattern": "[a-z0-9]{9}"}))
    assert len({call.id for call in short.calls if re.fullmatch("[a-z0-9]{9}", call.id)}) == 2
    clash = (ToolCall("call_1_1_1", "look", "{}"), ToolCall("call_1", "look", "{}", ""))
    assert [call.id for call in placed(answer(calls=clash), 1, 1, row()).calls] == ["call_1_1_1", "call_1"]
    unchanged = answer(calls=CALLS)
    assert placed(unchanged, 1, 1, row()) is unchanged
