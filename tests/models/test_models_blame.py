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
