"""How a response travels: a timeline of bytes, waits and accidents. Pure; the player is in `play`.

Streams are server-sent events with a name and a running number; the last one holds the whole response, and no `[DONE]`
follows. Of the quirks of a reply these apply: `arguments_null` (a call begins with null arguments), `whole_arguments`
(no delta: they come with the call's end), `calls_interleaved` (the events of parallel calls alternate),
`split_surrogates`, `crlf`, `error_event`, `error_list` (not streamed, the error stands for the answer). What a reply
counts in deltas is counted in events.
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from agentkit.emulator.responses.items import Item, kind_of
from agentkit.emulator.responses.output import SUMMARY, Spoken
from agentkit.emulator.responses.seal import seal
from agentkit.emulator.script import ERRORS
from agentkit.emulator.stream import Cut, Hang, Send, Step, Wait, accident, encode, pieces, waiting

Event = dict[str, Any]


def whole(spoken: Spoken) -> Iterator[Step]:
    """Return the timeline of a response that is not streamed: blank lines while it is made, then one JSON object."""
    reply = spoken.answer.reply
    yield from waiting(reply, Send(b"\n"))
    if reply.hang_after is not None:
        yield Hang()
    failed = spoken.answer.has("error_list")
    data = encode(spoken.answer.error if failed else spoken.response(spoken.ending[0], spoken.sent))
    yield Send(data[: reply.cut_after])
    if reply.cut_after is not None and reply.cut_after < len(data):
        yield Cut()


def streamed(spoken: Spoken) -> Iterator[Step]:
    """Return the timeline of a streamed response."""
    reply = spoken.answer.reply
    line = b"\r\n" if spoken.answer.has("crlf") else b"\n"
    comment = Send(b": keep-alive" + line * 2)
    yield from waiting(reply, comment)
    found = list(events(spoken))
    if not ERRORS.isdisjoint(reply.quirks):
        found[len(found) // 2 :] = [_ERROR]
    for at, event in enumerate(found):
        yield from accident(reply, at)
        data = encode({**event, "sequence_number": at})
        yield Send(b"event: " + event["type"].encode() + line + b"data: " + data + line * 2)
        if at < reply.keep_alives:
            yield comment
        if reply.pace:
            yield Wait(reply.pace)
    yield from accident(reply, len(found))


_ERROR: Event = {"type": "error", "code": "server_error", "message": "The service failed.", "param": None}


def events(spoken: Spoken) -> Iterator[Event]:
    """Return the events of a response, without their numbers."""
    opened = spoken.response("in_progress", ())
    yield {"type": "response.created", "response": opened}
    yield {"type": "response.in_progress", "response": opened}
    calls: list[list[Event]] = []
    for at, item in enumerate(spoken.sent):
        kind = kind_of(item)
        told = [{**event, "output_index": at} for event in _PARTS[kind](spoken, item)]
        if kind == "function_call" and spoken.answer.has("calls_interleaved"):
            calls.append(told)
        else:
            yield from told
    for together in zip_longest(*calls):
        yield from (event for event in together if event is not None)
    status = spoken.ending[0]
    yield {"type": f"response.{status}", "response": spoken.response(status, spoken.sent)}


def _reasoning(spoken: Spoken, item: Item) -> Iterator[Event]:
    """Sealed reasoning shows a summary at most; its blob is final only when the item is done."""
    if not spoken.asked.contract.sealed:
        opened = {**item, "content": [], "status": "in_progress"}
        yield from _framed(item, opened, _text(spoken, item, "reasoning_text"))
        return
    opened = {**item, "summary": []}
    if "encrypted_content" in item:
        opened["encrypted_content"] = seal("", spoken.asked.contract.name)
    yield from _framed(item, opened, _summary(spoken, item) if item["summary"] else ())


def _summary(spoken: Spoken, item: Item) -> Iterator[Event]:
    where = {"item_id": item["id"], "summary_index": 0}
    part = {"type": "summary_text", "text": ""}
    yield {"type": "response.reasoning_summary_part.added", **where, "part": part}
    for piece in pieces(SUMMARY, spoken.answer.reply):
        yield {"type": "response.reasoning_summary_text.delta", **where, "delta": piece}
    yield {"type": "response.reasoning_summary_text.done", **where, "text": SUMMARY}
    yield {"type": "response.reasoning_summary_part.done", **where, "part": {**part, "text": SUMMARY}}


def _message(spoken: Spoken, item: Item) -> Iterator[Event]:
    opened = {**item, "content": [], "status": "in_progress"}
    yield from _framed(item, opened, _text(spoken, item, "output_text"))


def _text(spoken: Spoken, item: Item, kind: str) -> Iterator[Event]:
    """The one part of an item that holds text."""
    where = {"item_id": item["id"], "content_index": 0}
    [part] = item["content"]
    odds = {"logprobs": part["logprobs"]} if "logprobs" in part else {}
    yield {"type": "response.content_part.added", **where, "part": {**part, "text": ""}}
    for piece in pieces(part["text"], spoken.answer.reply):
        yield {"type": f"response.{kind}.delta", **where, "delta": piece, **odds}
    yield {"type": f"response.{kind}.done", **where, "text": part["text"], **odds}
    yield {"type": "response.content_part.done", **where, "part": part}


def _call(spoken: Spoken, item: Item) -> Iterator[Event]:
    arguments = None if spoken.answer.has("arguments_null") else ""
    opened = {**item, "arguments": arguments, "status": "in_progress"}
    yield from _framed(item, opened, _arguments(spoken, item))


def _arguments(spoken: Spoken, item: Item) -> Iterator[Event]:
    where = {"item_id": item["id"]}
    if not spoken.answer.has("whole_arguments"):
        for piece in pieces(item["arguments"], spoken.answer.reply):
            yield {"type": "response.function_call_arguments.delta", **where, "delta": piece}
    told = {"name": item["name"], "arguments": item["arguments"]}
    yield {"type": "response.function_call_arguments.done", **where, **told}


def _framed(item: Item, opened: Item, inner: Iterator[Event] | Sequence[Event]) -> Iterator[Event]:
    yield {"type": "response.output_item.added", "item": opened}
    yield from inner
    yield {"type": "response.output_item.done", "item": item}


_PARTS = {"reasoning": _reasoning, "message": _message, "function_call": _call}
