import json
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.core.contract import THINKING_PARTS, Carrier, Contract, Thinking
from agentkit.core.messages import (
    AssistantMessage,
    File,
    Image,
    Message,
    Stored,
    Text,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from agentkit.core.request import Instructions, Sending, project
from agentkit.core.spec import Binding, BoundTool, Limits, Settings, ToolSpec
from agentkit.errors import ConfigurationError, ProtocolError
from agentkit.models import wire
from agentkit.models.base import Body

ROW = Contract(id="row")
CALL = ToolCall("c1", "find", '{"q" :  "caf\\u00e9"}')


def sent(message: Message | Instructions, reasoning: str | None = None, row: Contract = ROW) -> Any:
    if not isinstance(message, AssistantMessage):
        return json.loads(wire.encode(Sending(message), row))
    return json.loads(wire.encode(project(replace(message, reasoning=reasoning), row, "m", retained=True), row))


def headed(row: Contract = ROW, tools: tuple[ToolSpec, ...] = (), **settings: Any) -> Any:
    return json.loads(wire.head(Binding("a", "m", "", tools, Settings(**settings), row, Limits(), "0")))


def test_bytes_are_compact_utf8_with_only_lone_surrogates_escaped() -> None:
    message = UserMessage((Text(' "é\u2028😀\\n\n\x00\ud83d '),))
    assert wire.encode(Sending(message), ROW) == (
        '{"role":"user","content":" \\"é\u2028😀\\\\n\\n\\u0000'.encode() + b'\\ud83d "}'
    )
    assert sent(message)["content"] == message.parts[0].text  # type: ignore[union-attr]


@given(st.text(st.characters(codec=None, categories=None)))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    answer = sent(AssistantMessage(text="x", calls=(ToolCall("i", "n", text),)), text)
    assert answer["tool_calls"][0]["function"]["arguments"] == text
    assert answer["reasoning_content"] == text


def test_system_and_tool_messages() -> None:
    assert sent(Instructions("be brief")) == {"role": "system", "content": "be brief"}
    result = ToolMessage("c1", "find", (Text("a"), Text("b")))
    assert sent(result) == {"role": "tool", "tool_call_id": "c1", "content": "ab"}
    picture = sent(ToolMessage("c1", "find", (Text("a"), Image("data:x"))))
    assert picture["content"] == [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:x"}}]


def test_user_parts() -> None:
    assert sent(UserMessage((Text("a"),)))["content"] == "a"
    assert sent(UserMessage((Text("a"), Image("https://i"), File("f.pdf", "data:f"))))["content"] == [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "https://i"}},
        {"type": "file", "file": {"filename": "f.pdf", "file_data": "data:f"}},
    ]


def test_contents_nobody_fetched_never_reach_the_wire() -> None:
    for message in (UserMessage((Stored("h", 3),)), ToolMessage("c", "n", (Text("a"), Stored("h", 3)))):
        with pytest.raises(ProtocolError, match="h were not fetched"):
            wire.encode(Sending(message), ROW)


def test_arguments_go_back_raw_and_private_fields_beside_the_call() -> None:
    call = ToolCall("c1", "find", CALL.arguments, extras={"extra_content": {"google": {"thought_signature": "s"}}})
    row = Contract(id="row", carrier=Carrier(opaque=("reasoning_details",), beside_calls=("extra_content",)))
    answer = sent(AssistantMessage(calls=(call,), extras={"reasoning_details": [1], "content": "never"}), row=row)
    assert answer["tool_calls"] == [
        {
            "extra_content": {"google": {"thought_signature": "s"}},
            "id": "c1",
            "type": "function",
            "function": {"name": "find", "arguments": CALL.arguments},
        }
    ]
    assert answer["reasoning_details"] == [1]
    assert answer["content"] == ""


@pytest.mark.parametrize(("rule", "content"), [("empty", {"content": ""}), ("null", {"content": None}), ("omit", {})])
def test_content_of_an_answer_without_text(rule: Any, content: Any) -> None:
    row = Contract(id="row", empty_content=rule)
    answer = sent(AssistantMessage(calls=(CALL,)), row=row)
    assert {"content": answer["content"]} == content if content else "content" not in answer
    assert sent(AssistantMessage(text="t"), row=row)["content"] == "t"


def test_reasoning_goes_back_in_the_field_it_came_in_and_never_in_two() -> None:
    fields = {"reasoning", "reasoning_content"}
    for carrier, expected in (("reasoning", "reasoning"), (None, "reasoning_content")):
        answer = sent(AssistantMessage(text="t", carrier=carrier), "hm")
        assert {name: answer[name] for name in fields & answer.keys()} == {expected: "hm"}
    row = Contract(id="row", carrier=Carrier(write="reasoning_content"))
    assert sent(AssistantMessage(text="t", carrier="reasoning"), "hm", row)["reasoning_content"] == "hm"


def test_reasoning_absent_empty_and_text_are_three_things() -> None:
    answer = AssistantMessage(text="t", reasoning="its own is not looked at")
    assert "reasoning_content" not in sent(answer)
    assert sent(answer, "")["reasoning_content"] == ""
    assert sent(answer, " x ")["reasoning_content"] == " x "


def test_thinking_chunks_go_back_as_chunks() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    answer = AssistantMessage(text="t", carrier=THINKING_PARTS)
    assert sent(answer, "hm")["content"] == [thinking, {"type": "text", "text": "t"}]
    assert sent(answer)["content"] == "t"
    assert sent(AssistantMessage(carrier=THINKING_PARTS, calls=(CALL,)), "hm")["content"] == [thinking]


def test_head_tells_model_tools_and_settings() -> None:
    spec = ToolSpec(BoundTool("find", "d", "read", exclusive=False), "Finds.", MappingProxyType({"type": "object"}))
    assert headed(tools=(spec,), temperature=0.5, max_tokens=9, extra={"seed": 1}) == {
        "model": "m",
        "tools": [
            {
                "type": "function",
                "function": {"name": "find", "description": "Finds.", "parameters": {"type": "object"}},
            }
        ],
        "temperature": 0.5,
        "max_tokens": 9,
        "seed": 1,
    }


def test_settings_follow_the_row() -> None:
    row = Contract(
        id="row",
        sampling="fixed_error",
        token_limit_key="max_completion_tokens",  # noqa: S106 - no password
        parallel_calls_key="parallel",
    )
    assert headed(row, temperature=0.5, max_tokens=9) == {"model": "m", "max_completion_tokens": 9}
    spec = (ToolSpec(BoundTool("find", "d", "read", exclusive=False), "Finds.", {}),)
    assert [headed(row, spec, parallel_calls=limit)["parallel"] for limit in (1, 4)] == [False, True]
    assert headed(row, parallel_calls=4) == {"model": "m"}
    assert headed(tools=spec, parallel_calls=4).keys() == {"model", "tools"}


def test_effort_and_switch_follow_the_row() -> None:
    row = Contract(
        id="row", thinking=Thinking(on={"t": 1}, off={"t": 0}, effort_key="effort", effort={"medium": "high"})
    )
    assert headed(row) == {"model": "m", "t": 1}
    assert headed(row, effort="medium") == {"model": "m", "t": 1, "effort": "high"}
    assert headed(row, effort="low") == {"model": "m", "t": 1, "effort": "low"}
    assert headed(row, effort="none") == {"model": "m", "t": 0}
    off = row.model_copy(update={"thinking": row.thinking.model_copy(update={"default": False})})
    assert headed(off) == {"model": "m"}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"effort": "none"}, "cannot be switched off"),
        ({"effort": "low"}, "knows no effort"),
        ({"extra": {"stream": True, "messages": []}}, "messages, stream"),
        ({"extra": {"x": float("nan")}}, "not JSON"),
        ({"extra": {"x": object()}}, "not JSON"),
    ],
)
def test_settings_that_cannot_be_sent_are_refused(settings: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        headed(**settings)


def test_body_is_joined_from_fragments_and_streaming_is_added_at_its_end() -> None:
    body = Body(b'{"model":"m"}', [b'{"a":1}', b'{"b":2}'])
    plain = wire.whole(body, ROW, stream=False)
    assert plain == b'{"messages":[{"a":1},{"b":2}],"model":"m"}'
    streamed = wire.whole(body, ROW, stream=True)
    assert streamed == plain[:-1] + b',"stream":true,"stream_options":{"include_usage":true}}'
    silent = Contract(id="row", usage_in_stream=False)
    assert wire.whole(body, silent, stream=True) == plain[:-1] + b',"stream":true}'
