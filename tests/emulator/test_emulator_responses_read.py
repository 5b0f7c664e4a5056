"""Nothing a client can send brings the reading of a Responses request down: it is taken or refused."""

import json
from collections.abc import Iterator
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.emulator import CONTRACTS, ItemContract
from agentkit.emulator.prompt import render
from agentkit.emulator.responses.fault import ItemFault
from agentkit.emulator.responses.items import Conversation
from agentkit.emulator.responses.read import read
from agentkit.emulator.responses.rules import refusal
from agentkit.emulator.responses.seal import item_id, seal
from agentkit.emulator.responses.shelf import Shelf

ROWS = [row for row in CONTRACTS.values() if isinstance(row, ItemContract)]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "id", "text"]), inner),
    max_leaves=4,
)

ODD: list[Any] = [
    None,
    True,
    0,
    7,
    -1,
    1.5,
    "",
    "x",
    [],
    [0],
    [{}],
    ["x"],
    {},
    {"type": "x"},
    {"type": 0},
    {"effort": []},
]


def judged(body: Any, row: ItemContract) -> Conversation | ItemFault:
    """Read, render and judge; what a request does to a service before a script is asked."""
    asked = read(json.dumps(body).encode(), row, Shelf())
    if isinstance(asked, Conversation):
        assert isinstance(asked.conversation, str)
        fault = refusal(asked, tokens=len(render(asked)))
        return fault if isinstance(fault, ItemFault) else asked
    assert asked.body["error"]["message"]
    return asked


def sound(row: ItemContract) -> dict[str, Any]:
    return {
        "model": "m",
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            {
                "type": "reasoning",
                "id": item_id("rs", row.name, "a"),
                "summary": [],
                "content": [{"type": "reasoning_text", "text": "why"}],
                "encrypted_content": seal("why", row.name),
            },
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}], "id": "msg_1"},
            {
                "type": "function_call",
                "id": item_id("fc", row.name, "a"),
                "call_id": "c",
                "name": "find",
                "arguments": "{}",
            },
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "found"}]},
        ],
        "instructions": "be kind",
        "tools": [{"type": "function", "name": "find", "parameters": {}}],
        "tool_choice": "auto",
        "reasoning": {"effort": "high"},
        "include": ["reasoning.encrypted_content"],
        "store": False,
        "stream": False,
        "max_output_tokens": 99,
        "previous_response_id": None,
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_sound_request_is_taken(row: ItemContract) -> None:
    asked = judged(sound(row), row)
    assert isinstance(asked, Conversation)
    assert [message["role"] for message in asked.messages] == ["system", "user", "assistant", "tool"]


@given(JSON, st.sampled_from(ROWS))
def test_any_json_is_taken_or_refused(body: Any, row: ItemContract) -> None:
    assert isinstance(judged(body, row), ItemFault)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, held in inner:
        yield (*path, key)
        yield from places(held, (*path, key))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("odd", ODD, ids=str)
def test_any_value_in_any_place_is_taken_or_refused(odd: Any, row: ItemContract) -> None:
    for *path, last in places(sound(row)):
        body: Any = sound(row)
        holder = reduce(lambda held, key: held[key], path, body)
        holder[last] = odd
        judged(body, row)


def test_what_is_no_json_is_refused() -> None:
    for raw in (b"", b"{", b"\xff", b'{"model": NaN}', b"[" * 100_000):
        assert isinstance(read(raw, ROWS[0], Shelf()), ItemFault)
