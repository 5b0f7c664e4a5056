"""A content that is a list of chunks: its text and thinking are read, and the list goes back as it came."""

import json
from typing import Any

import pytest

from agentkit.core.contract import THINKING_PARTS, Carrier, Contract
from agentkit.core.messages import AssistantMessage, Producer
from agentkit.core.request import project
from agentkit.models import chat
from agentkit.models.base import Answered
from agentkit.models.reading import Reading

ROW = Contract(id="row", carrier=Carrier(write=THINKING_PARTS))
MADE = Producer("m", "row", "h")


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def read(media: str, *bodies: bytes) -> AssistantMessage:
    reading = Reading(ROW, MADE, media)
    for body in bodies:
        reading.feed(body)
    reply = reading.end()
    assert isinstance(reply, Answered), reply
    return reply.message


def streamed(*values: Any) -> AssistantMessage:
    return read("text/event-stream", *(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values))


def whole(content: Any) -> AssistantMessage:
    value = {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}
    return read("application/json", json.dumps(value).encode())


def back(message: AssistantMessage) -> Any:
    [sent] = chat.messages(project(message, ROW, "m", retained=True), ROW)
    return sent["content"]


def test_content_may_be_a_list_of_text_and_thinking() -> None:
    said = streamed(
        chunk(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]),
        chunk(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "m"}]}]),
        chunk(content=[{"type": "text", "text": "H"}]),
        chunk("stop", content="i"),
    )
    assert (said.text, said.reasoning, said.carrier, said.extras) == ("Hi", "hm", "content-parts:thinking", {})


@pytest.mark.parametrize(
    ("chunks", "text", "thought"),
    [
        ([{"type": "text", "text": "H"}, {"type": "reference", "reference_ids": [1]}, "i", 5], "Hi", None),
        ([{"type": "image_url", "image_url": {"url": "u"}}, {"type": "output_text", "text": "Hi"}], "Hi", None),
        ([{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "Hi"}], "Hi", "hm"),
        ([{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "Hi"}], "Hi", None),
        ([{"type": "reasoning", "summary": [{"type": "s", "text": "hm"}]}, {"type": "text", "text": "Hi"}], "Hi", "hm"),
        ([{"type": "thinking", "thinking": ["h", {"text": "m"}, 5]}, {"text": "Hi"}], "Hi", "hm"),
        ([{"type": "text", "text": "H"}, {"type": "text", "text": "i"}], "Hi", None),
        (
            [{"type": "text", "text": "H"}, {"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "i"}],
            "Hi",
            "hm",
        ),
        (
            [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]}, "Hi"],
            "Hi",
            "hm",
        ),
        (
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": True},
                {"type": "text", "text": ""},
                "Hi",
            ],
            "Hi",
            "hm",
        ),
        ([{"type": "text", "text": "Hi", "annotations": []}], "Hi", None),
        ([{"type": "text", "text": ""}, {"type": "text", "text": "Hi"}], "Hi", None),
        ([{"type": "thinking"}, {"type": "text", "text": None}, {"type": "text", "text": "Hi"}], "Hi", ""),
    ],
)
def test_chunks_of_any_shape_lose_no_text_and_go_back_as_they_came(chunks: Any, text: str, thought: str | None) -> None:
    said = whole(chunks)
    assert (said.text, said.reasoning) == (text, thought)
    assert back(said) == chunks


def test_fragments_of_chunks_make_the_list_that_a_whole_answer_has() -> None:
    def thought(text: str, **more: Any) -> dict[str, Any]:
        return {"type": "thinking", "thinking": [{"type": "text", "text": text}], **more}

    said = streamed(
        chunk(content=""),
        chunk(content=[thought("h")]),
        chunk(content=[thought("m", closed=True)]),
        chunk(content=[thought("!", closed=True), {"type": "text", "text": "H"}]),
        chunk("stop", content="i"),
    )
    assert back(said) == [thought("hm!", closed=True), {"type": "text", "text": "Hi"}]
    assert len(json.dumps(said.extras[THINKING_PARTS])) < 120


def test_a_signature_closes_a_chunk_of_thinking() -> None:
    parts: list[dict[str, Any]] = [{"thinking": "a"}, {"thinking": "", "signature": "s"}, {"thinking": "b"}]
    values = [chunk(content=[{"type": "thinking", **part}]) for part in parts]
    said = streamed(*values, chunk("stop", content="Hi"))
    assert back(said) == [
        {"type": "thinking", "thinking": "a", "signature": "s"},
        {"type": "thinking", "thinking": "b"},
        {"type": "text", "text": "Hi"},
    ]


def test_a_content_that_is_one_chunk_is_a_list_of_one() -> None:
    assert streamed(chunk("stop", content={"type": "text", "text": "Hi"})).text == "Hi"
