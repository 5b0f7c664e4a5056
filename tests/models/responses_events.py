"""An answer in items, for the tests: as one response object, and as the events of a stream, complete as documented."""

import json
from collections.abc import Iterator
from typing import Any

from agentkit.core.contract import ITEMS, Contract
from agentkit.core.messages import AssistantMessage, Producer, ToolCall
from agentkit.models.base import Answered, Reply
from agentkit.models.items import rebuilt
from agentkit.models.reading import Reading

ROW = Contract(id="row", wire="responses")
MADE = Producer("m", "row", "h")
ARGUMENTS = '{"q" : "é\\u2028"}'
THOUGHT = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "Sum"}],
    "encrypted_content": "gAAAA",
}
WORDS = {"id": "rs_2", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm hm"}]}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "phase": "commentary",
    "content": [
        {"type": "output_text", "text": "Hi 😀", "annotations": [{"type": "url_citation", "url": "x"}]},
        {"type": "refusal", "refusal": ", no."},
    ],
}
CALL = {
    "id": "fc_1",
    "type": "function_call",
    "status": "completed",
    "call_id": "c1",
    "name": "find",
    "arguments": ARGUMENTS,
}
OTHER = {**CALL, "id": "fc_2", "call_id": "c2", "arguments": "{}"}
UNKNOWN = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"query": None}}
OUTPUT: list[dict[str, Any]] = [THOUGHT, UNKNOWN, WORDS, MESSAGE, CALL, OTHER]
USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 14,
}
SAID = AssistantMessage("Hi 😀, no.", "Sumhm hm", (ToolCall("c1", "find", ARGUMENTS), ToolCall("c2", "find", "{}")))


def response(output: list[dict[str, Any]], status: str = "completed", **rest: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "status": status, "output": output, "error": None, **rest}


def whole(value: Any) -> Reply:
    reading = Reading(ROW, MADE, "application/json")
    reading.feed(b"\n\n" + json.dumps(value).encode())
    return reading.end()


def sse(events: list[dict[str, Any]]) -> bytes:
    lines = [f"event: {event.get('type')}\ndata: {json.dumps(event)}\n\n" for event in events]
    return ": keep-alive\n\n".join(lines).encode()


def streamed(*events: dict[str, Any]) -> Reply:
    reading = Reading(ROW, MADE, "text/event-stream; charset=utf-8")
    reading.feed(sse(list(events)))
    return reading.end()


def message(reply: Reply) -> AssistantMessage:
    assert isinstance(reply, Answered), reply
    return reply.message


def items(reply: Reply) -> list[dict[str, Any]]:
    said = message(reply)
    entries: Any = said.extras[ITEMS]
    return rebuilt(entries, said)


def split(text: str, size: int = 2) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def part(name: str, text: str, where: dict[str, Any], key: str = "text") -> Iterator[dict[str, Any]]:
    for piece in split(text):
        yield {"type": f"response.{name}.delta", **where, "delta": piece}
    yield {"type": f"response.{name}.done", **where, key: text}


def inside(item: dict[str, Any], where: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for at, summary in enumerate(item.get("summary", ())):
        yield from part("reasoning_summary_text", summary["text"], {**where, "summary_index": at})
    for at, content in enumerate(item.get("content", ())):
        place = {**where, "content_index": at}
        yield {"type": "response.content_part.added", **place, "part": {**content, "text": ""}}
        key = "refusal" if content["type"] == "refusal" else "text"
        yield from part(content["type"], content[key], place, key)
        yield {"type": "response.content_part.done", **place, "part": content}
    if "arguments" in item:
        yield from part("function_call_arguments", item["arguments"], where, "arguments")


def events(
    output: list[dict[str, Any]], *, close: bool = True, last: list[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """Make a stream as documented. Without `close` no item is finished; `last` is what the last event holds."""
    told: list[dict[str, Any]] = [{"type": "response.created", "response": response([], "in_progress", usage=None)}]
    for at, item in enumerate(output):
        where: dict[str, Any] = {"output_index": at, "item_id": item["id"]}
        hollow: dict[str, Any] = {"content": [], "summary": [], "arguments": "", "encrypted_content": "partial"}
        opened = item | {name: value for name, value in hollow.items() if name in item}
        told.append({"type": "response.output_item.added", "output_index": at, "item": opened})
        told += inside(item, where)
        if close:
            told.append({"type": "response.output_item.done", "output_index": at, "item": item})
    end = response(output if last is None else last, usage=USAGE)
    return [*told, {"type": "response.completed", "response": end}]
