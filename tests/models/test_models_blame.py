"""Whose fault a violation of a contract is: message or item, field and row are named."""

import json
from datetime import date

import pytest

from agentkit.core.contract import INLINE_TAGS, ITEMS, THINKING_PARTS, Carrier, Contract, ErrorMatch
from agentkit.errors import ContractViolation
from agentkit.models import contracts, faults

V4 = contracts.named("deepseek-v4", date(2026, 11, 21))
GENERIC = contracts.named("generic", date(2026, 11, 21))
LOST = "The `reasoning_content` in the thinking mode must be passed back to the API."
MESSAGES = [
    b'{"role":"system","content":"s"}',
    b'{"role":"user","content":"u"}',
    b'{"role":"assistant","content":"x"}',
]


def refused(row: Contract, said: str, messages: list[bytes]) -> ContractViolation:
    body = json.dumps({"error": {"message": said}}).encode()
    error = faults.refused(faults.Asked("m", "https://x/v1", row, messages), 400, body)
    assert isinstance(error, ContractViolation)
    return error


RESPONSES = Contract(
    id="items",
    wire="responses",
    retention="all",
    carrier=Carrier(read=("reasoning",), write=ITEMS),
    error_match=ErrorMatch(reasoning=("must be passed back", "without its required")),
)
TURN = [
    b'{"role":"user","content":"u"}',
    b'{"type":"reasoning","id":"rs_1"},{"type":"function_call","id":"fc_1","call_id":"c1"}',
    b'{"type":"function_call_output","call_id":"c1"}',
    b'{"type":"function_call","id":"fc_2","call_id":"c2"},{"type":"function_call","id":"fc_3","call_id":"c3"}',
]


def test_on_the_responses_wire_the_item_is_named() -> None:
    error = refused(RESPONSES, "reasoning_text must be passed back", TURN)
    assert error.message_index == 4
    assert "item 4 lacks the `reasoning` item before it, which contract row 'items' asks for" in str(error)
    whole = TURN[:3]
    assert refused(RESPONSES, "must be passed back", whole).message_index is None
    words = "Item 'fc_3' of type 'function_call' was provided without its required 'reasoning' item: 'rs_9'."
    assert refused(RESPONSES, words, TURN).message_index == 5
    assert refused(RESPONSES, "input[2]: must be passed back", TURN).message_index == 2


def test_an_index_counts_messages_and_not_fragments() -> None:
    bridged = [*MESSAGES[:2], b'{"role":"assistant","content":"b","reasoning_content":""},' + MESSAGES[1], MESSAGES[2]]
    assert refused(V4, LOST, bridged).message_index == 4


@pytest.mark.parametrize(
    ("carrier", "kept", "lost", "field"),
    [
        (
            Carrier(write=THINKING_PARTS),
            b'{"role":"assistant","content":[{"type":"thinking","thinking":[]}]}',
            b'{"role":"assistant","content":[{"type":"text","text":"x"}]}',
            "content[].thinking",
        ),
        (
            Carrier(write=INLINE_TAGS, tags=(("<think>", "</think>"),)),
            b'{"role":"assistant","content":"<think>a</think>b"}',
            b'{"role":"assistant","content":"b"}',
            "content with its thinking tags",
        ),
        (
            Carrier(beside_calls=("extra_content",), sentinel={"extra_content": {"signature": "skip"}}),
            b'{"role":"assistant","tool_calls":[{"extra_content":{}, "id":"c"}]}'.replace(b"{},", b'{"a":1},'),
            b'{"role":"assistant","tool_calls":[{"id":"c"}]}',
            "extra_content",
        ),
    ],
)
def test_other_carriers_are_looked_for_where_they_are(carrier: Carrier, kept: bytes, lost: bytes, field: str) -> None:
    match = ErrorMatch(reasoning=("missing",))
    row = GENERIC.model_copy(update={"carrier": carrier, "error_match": match})
    error = refused(row, "a signature is missing", [MESSAGES[1], kept, lost])
    assert error.message_index == 2
    assert f"message 2 lacks `{field}`" in str(error)


CALL = b'{"role":"assistant","reasoning_content":"r","tool_calls":[{"id":"c"}]}'


@pytest.mark.parametrize(
    ("row", "said", "index", "seen"),
    [
        ("groq", "'messages.3' : property 'reasoning_content' is unsupported", 3, "message 3 is meant; all were"),
        ("mistral", "Unexpected role 'user' after role 'tool'", None, "no message is named; all were"),
        ("deepseek-r1", "reasoning_content is not allowed", None, "no message is named; all were"),
        ("deepseek-r1", "messages[3]: reasoning_content is not allowed", 3, "message 3 is meant; all were"),
    ],
)
def test_nothing_is_said_to_lack_where_that_is_not_what_was_refused(
    row: str, said: str, index: int | None, seen: str
) -> None:
    error = refused(contracts.named(row, date(2026, 11, 21)), said, [*MESSAGES, CALL])
    assert error.message_index == index
    assert f"says that reasoning was lost, or that a message is out of place (400): {said!r}. " in str(error)
    assert f"In the request for model 'm' {seen} written as contract row {row!r} says." in str(error)


@pytest.mark.parametrize(
    ("said", "index"),
    [
        ("Item 'rs_1' of type 'reasoning' was provided without its required following item.", 1),
        ("No tool output found for function call call_2.", 5),
        ("Item with id 'rs_2' not found. Items are not persisted when `store` is set to false.", 4),
    ],
)
def test_an_item_that_is_named_is_not_said_to_lack_what_it_has(said: str, index: int) -> None:
    second = b'{"type":"reasoning","id":"rs_2"},{"type":"function_call","id":"fc_2","call_id":"call_2"}'
    error = refused(contracts.named("openai-responses", date(2026, 11, 21)), said, [*TURN[:3], second])
    assert error.message_index == index
    assert f"item {index} is meant; " in str(error)
