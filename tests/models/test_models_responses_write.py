"""Messages as items: an answer of this service exactly as it came, another's written anew in the row's form."""

import json
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.core.contract import ITEMS, Contract
from agentkit.core.messages import (
    AssistantMessage,
    File,
    Image,
    Message,
    Producer,
    Stored,
    Text,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from agentkit.core.request import Instructions, Sending, project
from agentkit.core.spec import Binding, BoundTool, Limits, Settings, ToolSpec
from agentkit.errors import ConfigurationError, ProtocolError
from agentkit.models import Model, wire
from agentkit.models.base import Body
from agentkit.models.outputs import Outputs
from tests.models.responses_rows import READABLE, SEALED

OUTPUT: list[dict[str, Any]] = [
    {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAAA"},
    {
        "content": [{"type": "output_text", "annotations": [], "text": "I look.", "logprobs": []}],
        "type": "message",
        "status": "completed",
        "phase": "commentary",
        "role": "assistant",
        "id": "msg_1",
    },
    {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"query": "q"}},
    {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "find", "arguments": '{"q" :  "caf\\u00e9"}'},
]
FOREIGN = AssistantMessage("t", "hm", (ToolCall("c1", "find", "{}"),), "reasoning_content", {}, Producer("x", "other"))


def made(output: list[dict[str, Any]], row: Contract = SEALED) -> AssistantMessage:
    answer = Outputs(row, Producer("m", row.id, "h"))
    answer.add({"object": "response", "status": "completed", "output": output})
    return answer.message()


def sent(message: Message | Instructions, row: Contract = SEALED, *, retained: bool = True) -> Any:
    if not isinstance(message, AssistantMessage):
        return json.loads(b"[" + wire.encode(Sending(message), row) + b"]")
    return json.loads(b"[" + wire.encode(project(message, row, "m", retained=retained), row) + b"]")


def test_an_answer_of_this_service_goes_back_as_it_came_byte_for_byte() -> None:
    raw = json.dumps(OUTPUT, ensure_ascii=False, separators=(",", ":")).encode()
    assert b"[" + wire.encode(project(made(OUTPUT), SEALED, "m", retained=True), SEALED) + b"]" == raw


SPOKEN = {"type": "message", "id": "msg", "role": "assistant", "content": []}
THOUGHT = {"type": "reasoning", "id": "rs", "summary": []}


@pytest.mark.parametrize(
    ("came", "goes"),
    [
        ({**THOUGHT, "status": "completed"}, THOUGHT),
        ({**THOUGHT, "status": None, "content": None, "encrypted_content": None}, THOUGHT),
        ({**THOUGHT, "content": [], "encrypted_content": ""}, {**THOUGHT, "content": [], "encrypted_content": ""}),
        ({**SPOKEN, "status": None, "phase": None}, {**SPOKEN, "phase": None}),
        ({**SPOKEN, "status": "completed"}, {**SPOKEN, "status": "completed"}),
        ({"type": "web_search_call", "status": "completed"}, {"type": "web_search_call", "status": "completed"}),
    ],
)
def test_only_what_servers_refuse_is_left_out(came: dict[str, Any], goes: dict[str, Any]) -> None:
    """One service refuses `status` of reasoning, another `content: null`; typed servers want a message's status."""
    assert sent(made([came, OUTPUT[1]])) == [goes, OUTPUT[1]]


def test_calls_and_results_speak_of_the_same_id() -> None:
    message = made([{**OUTPUT[3], "call_id": ""}, {**OUTPUT[3], "id": "fc_2"}])
    assert [item["call_id"] for item in sent(message)] == [call.id for call in message.calls]
    assert message.calls[0].id
    result = sent(ToolMessage(message.calls[0].id, "find", (Text("a"), Text("b"))))
    assert result == [{"type": "function_call_output", "call_id": message.calls[0].id, "output": "ab"}]


def test_another_services_answer_is_written_anew_with_its_reasoning_first() -> None:
    text, call = {"role": "assistant", "content": "t"}, {"type": "function_call", "call_id": "c1", "name": "find"}
    thought = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    assert sent(FOREIGN) == [text, {**call, "arguments": "{}"}]
    assert sent(FOREIGN, READABLE) == [thought, text, {**call, "arguments": "{}"}]
    assert sent(replace(FOREIGN, text=None), READABLE) == [thought, {**call, "arguments": "{}"}]
    assert sent(replace(FOREIGN, calls=()), READABLE) == [thought, text]
    assert sent(AssistantMessage(), SEALED) == [{"role": "assistant", "content": ""}]


def test_items_of_another_service_stay_behind() -> None:
    message = made(OUTPUT, Contract(id="elsewhere", wire="responses"))
    assert [item.get("id") for item in sent(message)] == [None, None]
    assert sent(message, SEALED)[0] == {"role": "assistant", "content": "I look."}
    chat = json.loads(wire.encode(project(message, Contract(id="chat"), "m", retained=True), Contract(id="chat")))
    assert chat.keys() == {"role", "content", "reasoning_content", "tool_calls"}


def test_a_placeholder_takes_the_place_of_empty_reasoning() -> None:
    """An empty `reasoning_text` does not satisfy the service that asks for one (CONTRACTS.md, 2.3)."""
    empty = [{"id": "rs", "type": "reasoning", "summary": [], "content": []}, OUTPUT[3]]
    [thought, call] = sent(made(empty, READABLE), READABLE)
    assert thought == {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": " "}]}
    assert call["call_id"] == "c1"
    assert sent(made(empty)) == empty


def test_reasoning_that_is_not_asked_for_any_more_is_left_out() -> None:
    kinds = [item.get("type", "message") for item in sent(made(OUTPUT, READABLE), READABLE, retained=False)]
    assert kinds == ["message", "function_call"]


def test_system_user_and_bridge() -> None:
    assert sent(Instructions("be brief")) == [{"role": "developer", "content": "be brief"}]
    assert sent(Instructions("be brief"), READABLE) == [{"role": "system", "content": "be brief"}]
    assert sent(UserMessage((Text("a"),))) == [{"role": "user", "content": "a"}]
    parts = [
        {"type": "input_text", "text": "a"},
        {"type": "input_image", "image_url": "https://i", "detail": "auto"},
        {"type": "input_file", "filename": "f.pdf", "file_data": "data:f"},
    ]
    mixed = (Text("a"), Image("https://i"), File("f.pdf", "data:f"))
    assert sent(UserMessage(mixed)) == [{"role": "user", "content": parts}]
    assert sent(ToolMessage("c", "n", mixed))[0]["output"] == parts
    behind = wire.encode(Sending(UserMessage((Text("a"),)), bridge="Noted."), SEALED)
    assert behind == b'{"role":"assistant","content":"Noted."},{"role":"user","content":"a"}'


def test_contents_nobody_fetched_never_reach_the_wire() -> None:
    for message in (UserMessage((Stored("h", 3),)), ToolMessage("c", "n", (Text("a"), Stored("h", 3)))):
        with pytest.raises(ProtocolError, match="h were not fetched"):
            wire.encode(Sending(message), SEALED)


@given(st.text(st.characters(codec=None, categories=None)))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    foreign = AssistantMessage(text or "x", text, (ToolCall("i", "n", text),))
    thought, message, call = sent(foreign, READABLE.model_copy(update={"empty": "send"}))
    assert (thought["content"][0]["text"], message["content"], call["arguments"]) == (text, text or "x", text)


def test_head_and_body() -> None:
    spec = ToolSpec(BoundTool("find", "d", "read", exclusive=False), "Finds.", MappingProxyType({"type": "object"}))
    settings = Settings(max_tokens=9, effort="low")
    head = wire.head(Binding("a", "m", "", (spec,), settings, SEALED, Limits(), "0"))
    tool = {"type": "function", "name": "find", "description": "Finds.", "parameters": {"type": "object"}}
    assert json.loads(head) == {
        "model": "m",
        "tools": [{**tool, "strict": False}],
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "max_output_tokens": 9,
        "reasoning": {"effort": "low"},
    }
    body = wire.whole(Body(b'{"model":"m"}', [b'{"a":1}', b'{"b":2},{"c":3}']), SEALED, stream=True)
    assert body == b'{"input":[{"a":1},{"b":2},{"c":3}],"model":"m","stream":true}'
    assert wire.route(SEALED) == "/responses"


def test_an_address_that_ends_in_the_route_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"'https://api\.example\.com/v1'"):
        Model("m", base_url="https://api.example.com/v1/responses")


def test_items_as_a_journal_gives_them_back_are_the_same() -> None:
    message = made(OUTPUT)
    entries: Any = message.extras[ITEMS]
    frozen = tuple(MappingProxyType(entry) for entry in entries)
    assert sent(replace(message, extras=MappingProxyType({ITEMS: frozen}))) == OUTPUT
