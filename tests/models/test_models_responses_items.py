"""Whatever items came, the same go back; and what the message holds is not held twice."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentkit.core.contract import ITEMS, Contract
from agentkit.core.messages import AssistantMessage, Producer, ToolCall
from agentkit.journal.jsonbytes import dumps, plain
from agentkit.models.items import kept, read, rebuilt
from agentkit.models.outputs import Outputs

ROW = Contract(id="row", wire="responses")
MADE = Producer("m", "row", "h")
LONG = "It would be a waste to write this down twice. "

TEXT = st.text(st.characters(codec=None, categories=None), max_size=8)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
PARTS = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["output_text", "refusal", "reasoning_text", "summary_text", "odd"])},
        optional={"text": TEXT | JSON, "refusal": TEXT | JSON, "annotations": JSON},
    )
    | JSON,
    max_size=3,
)
REST: Any = {"id": TEXT, "status": st.sampled_from(["completed", "in_progress", None]), "x": JSON}
ITEM = st.one_of(
    st.fixed_dictionaries({"type": st.just("message"), "content": PARTS | JSON}, optional={**REST, "phase": TEXT}),
    st.fixed_dictionaries(
        {"type": st.just("reasoning"), "summary": PARTS}, optional={**REST, "content": PARTS, "encrypted_content": TEXT}
    ),
    st.fixed_dictionaries({"type": TEXT | JSON}, optional=REST),
)
CALL = st.fixed_dictionaries(
    {"type": st.just("function_call"), "name": st.just("find"), "arguments": TEXT | JSON}, optional=REST
)


def message(output: list[dict[str, Any]]) -> AssistantMessage:
    answer = Outputs(ROW, MADE)
    answer.add({"object": "response", "status": "completed", "output": output})
    return answer.message()


def stored(said: AssistantMessage) -> Any:
    """Return the entries as a journal gives them back."""
    return json.loads(dumps(plain(said.extras[ITEMS])))


@given(st.lists(ITEM | CALL, min_size=1, max_size=6))
@example(
    [
        {
            "type": "message",
            "content": [{"type": "output_text", "text": "\ud83d"}, {"type": "refusal", "refusal": "\ude00"}],
        }
    ]
)
@example(
    [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}], "content": [{"type": "x", "text": ""}]}]
)
@example([{"type": "message", "content": [{"type": "output_text", "text": 1}, {"type": "output_text", "text": "ab"}]}])
@example([{"type": "function_call", "name": "find", "arguments": 2}, {"type": "message", "content": "plain"}])
def test_any_output_is_rebuilt_as_it_came(output: list[dict[str, Any]]) -> None:
    for at, item in enumerate(item for item in output if item["type"] == "function_call"):
        item["call_id"] = f"call_{at}"
    said = message(output)
    assert json.dumps(rebuilt(stored(said), said)) == json.dumps(output)


def regular() -> list[dict[str, Any]]:
    return [
        {"id": "rs_1", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": LONG}]},
        {"id": "msg_1", "type": "message", "content": [{"type": "output_text", "text": LONG[::-1]}], "phase": "x"},
        {"id": "rs_2", "type": "reasoning", "summary": [{"type": "summary_text", "text": LONG.upper()}]},
        {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "f", "arguments": json.dumps(LONG.title())},
    ]


def test_no_text_is_kept_twice() -> None:
    said = message(regular())
    told = json.dumps(said.extras[ITEMS])
    assert (said.text, said.reasoning) == (LONG[::-1], LONG + LONG.upper())
    assert LONG.strip().lower() not in told.lower()
    assert LONG[::-1] not in told
    assert rebuilt(stored(said), said) == regular()


def test_an_odd_item_does_not_make_the_others_be_kept_twice() -> None:
    odd = {"id": "msg_0", "type": "message", "content": [{"type": "output_text", "text": None}]}
    said = message([odd, *regular()])
    entries = stored(said)
    assert entries[0] == [odd]
    assert all(isinstance(entry, dict) for entry in entries[1:])
    assert rebuilt(entries, said) == [odd, *regular()]


@pytest.mark.parametrize("given_id", ["", "twice", None])
def test_calls_go_back_under_the_ids_the_message_gives_them(given_id: str | None) -> None:
    identity = {} if given_id is None else {"call_id": given_id}
    items: list[dict[str, Any]] = [
        {"id": f"fc_{n}", "type": "function_call", **identity, "name": "f", "arguments": "{}"} for n in range(2)
    ]
    said = message(items)
    assert len({call.id for call in said.calls}) == 2
    again = rebuilt(stored(said), said)
    assert [item["call_id"] for item in again] == [call.id for call in said.calls]
    assert [{**item, **identity} if identity else {**item, "call_id": None} for item in again] == [
        {**item, **identity} if identity else {**item, "call_id": None} for item in items
    ]


def test_an_item_kept_as_it_is_gets_the_id_of_its_call_too() -> None:
    item = {"type": "function_call", "call_id": "", "name": "f", "arguments": {"q": 1}}
    said = AssistantMessage(calls=(ToolCall("c9", "f", '{"q":1}', ""),))
    assert kept([item], said) == [[item]]
    assert rebuilt([[item]], said) == [{**item, "call_id": "c9"}]
    assert item["call_id"] == ""


def test_reasoning_is_absent_empty_or_text() -> None:
    part = {"type": "reasoning_text", "text": "w"}
    assert read([{"type": "message", "content": []}], "reasoning") is None
    assert read([{"type": "reasoning", "summary": [], "encrypted_content": "x"}], "reasoning") == ""
    assert read([{"type": "reasoning", "summary": [{"text": "s"}], "content": [part]}], "reasoning") == "w"
    assert read([{"type": "reasoning", "summary": [{"text": "s"}], "content": None}] * 2, "reasoning") == "ss"
    assert read([{"type": "reasoning", "summary": [{"text": "s"}], "content": [{"text": ""}]}], "reasoning") == "s"
