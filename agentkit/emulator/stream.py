"""How an answer travels: a timeline of bytes, waits and accidents. Pure; the player is in `play`.

Streams are server-sent events as real services send them: the first chunk holds an empty piece of reasoning, a call's
id and name come before its arguments, usage stands on the finish chunk or in a chunk without choices.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from agentkit.emulator.returned import Emitted, EmittedCall
from agentkit.emulator.script import Reply

_ASTRAL = re.compile("([\U00010000-\U0010ffff])")


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes to write."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds to let pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection is dropped."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Silence until the client goes away."""


Step: TypeAlias = Send | Wait | Cut | Hang


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer on its way.

    Attributes:
        reply: how it travels.
        emitted: what it says.
        usage: the `usage` object.
        usage_wanted: a trailing chunk with the usage is wanted.
        carrier: the field reasoning travels in.
        head: what every chunk says of itself: id, created, model, system_fingerprint.
    """

    reply: Reply
    emitted: Emitted
    usage: Mapping[str, Any]
    usage_wanted: bool
    carrier: str
    head: Mapping[str, Any]

    def has(self, quirk: str) -> bool:
        """Whether the reply has a quirk."""
        return quirk in self.reply.quirks


def encode(value: Any) -> bytes:
    """Encode JSON as services do: UTF-8, and only lone surrogates escaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def whole(answer: Answer) -> Iterator[Step]:
    """Return the timeline of an answer that is not streamed: blank lines while it is made, then one JSON object."""
    reply, emitted = answer.reply, answer.emitted
    message: dict[str, Any] = {"role": "assistant", "content": emitted.content}
    if answer.has("content_null") and not emitted.content:
        message["content"] = None
    if emitted.reasoning is not None:
        message[answer.carrier] = emitted.reasoning
    if emitted.calls or answer.has("empty_tool_calls"):
        message["tool_calls"] = [_head(answer, at, call, call.arguments) for at, call in enumerate(emitted.calls)]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.ending}
    body = {**answer.head, "object": "chat.completion", "choices": [choice]}
    if reply.usage_at != "absent":
        body["usage"] = answer.usage
    yield from _waiting(reply, Send(b"\n"))
    if reply.hang_after is not None:
        yield Hang()
    data = encode(body)
    yield Send(data[: reply.cut_after])
    if reply.cut_after is not None and reply.cut_after < len(data):
        yield Cut()


def streamed(answer: Answer) -> Iterator[Step]:
    """Return the timeline of a streamed answer."""
    reply = answer.reply
    end = b"\r\n\r\n" if answer.has("crlf") else b"\n\n"
    comment = Send(b": keep-alive" + end)
    yield from _waiting(reply, comment)
    chunks = list(_chunks(answer))
    if answer.has("error_event"):
        chunks[len(chunks) // 2 :] = [_ERROR]
    for at, chunk in enumerate(chunks):
        yield from _accident(reply, at)
        yield Send(b"data: " + encode(chunk) + end)
        if at < reply.keep_alives:
            yield comment
        if reply.pace:
            yield Wait(reply.pace)
    yield from _accident(reply, len(chunks))
    if not (answer.has("no_done") or answer.has("error_event")):
        yield Send(b"data: [DONE]" + end)


def _accident(reply: Reply, at: int) -> Iterator[Step]:
    if at == reply.cut_after:
        yield Cut()
    if at == reply.hang_after:
        yield Hang()


_ERROR = {"error": {"message": "The service failed.", "type": "server_error", "param": None, "code": None}}


def _waiting(reply: Reply, sign: Send) -> Iterator[Step]:
    times = max(reply.keep_alives, 1)
    for _ in range(times):
        if reply.keep_alives:
            yield sign
        if reply.delay:
            yield Wait(reply.delay / times)


def _chunks(answer: Answer) -> Iterator[dict[str, Any]]:
    reply = answer.reply
    for at, delta in enumerate(_deltas(answer)):
        yield _chunk(answer, delta)
        if at == 0 and answer.has("choices_empty"):
            yield {**answer.head, "object": "chat.completion.chunk", "choices": []}
    last = _chunk(answer, {"content": ""}, reply.ending)
    if reply.usage_at == "finish":
        last["usage"] = answer.usage
    yield last
    if reply.usage_at == "trailing" and answer.usage_wanted:
        yield {**answer.head, "object": "chat.completion.chunk", "choices": [], "usage": answer.usage}


def _chunk(answer: Answer, delta: Mapping[str, Any], ending: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": ending}
    return {**answer.head, "object": "chat.completion.chunk", "choices": [choice]}


def _deltas(answer: Answer) -> Iterator[dict[str, Any]]:
    emitted = answer.emitted
    opening: dict[str, Any] = {"role": "assistant", "content": ""}
    if emitted.reasoning is not None:
        opening |= {"content": None, answer.carrier: ""}
    yield opening
    blank = {"content": None} if answer.has("content_null") else {}
    empty: dict[str, Any] = {"tool_calls": []} if answer.has("empty_tool_calls") else {}
    thoughts = [{**blank, **empty, answer.carrier: piece} for piece in pieces(emitted.reasoning or "", answer.reply)]
    words = [{**empty, "content": piece} for piece in pieces(emitted.content, answer.reply)]
    yield from words + thoughts if answer.has("reasoning_after_content") else thoughts + words
    for at, call in enumerate(emitted.calls):
        for delta in _call(answer, at, call):
            yield {**blank, "tool_calls": [delta]}


def _head(answer: Answer, at: int, call: EmittedCall, arguments: str | None) -> dict[str, Any]:
    identity = {} if call.id is None else {"id": call.id}
    function = {"name": call.name, "arguments": arguments}
    return {**_index(answer, at), **identity, "type": "function", "function": function}


def _index(answer: Answer, at: int) -> dict[str, int]:
    if answer.has("index_missing"):
        return {}
    return {"index": 0 if answer.has("index_repeated") else at}


def _call(answer: Answer, at: int, call: EmittedCall) -> Iterator[dict[str, Any]]:
    if answer.has("whole_arguments"):
        yield _head(answer, at, call, call.arguments)
        return
    yield _head(answer, at, call, None if answer.has("arguments_null") else "")
    later: dict[str, Any] = {}
    named: dict[str, Any] = {}
    if answer.has("id_empty_later") or answer.has("id_null_later"):
        blank = "" if answer.has("id_empty_later") else None
        later, named = {"id": blank}, {"name": blank}
    for piece in pieces(call.arguments, answer.reply):
        yield {**_index(answer, at), **later, "function": {**named, "arguments": piece}}


def pieces(text: str, reply: Reply) -> list[str]:
    """Cut text into what its deltas hold: `reply.chunk` characters each, surrogate pairs split where it says so."""
    runs = [text]
    if "split_surrogates" in reply.quirks:
        runs = [""]
        for run in _ASTRAL.split(text):
            if _ASTRAL.match(run):
                high, low = (ord(run) - 0x10000 >> 10) + 0xD800, (ord(run) & 0x3FF) + 0xDC00
                runs[-1] += chr(high)
                runs.append(chr(low))
            else:
                runs[-1] += run
    size = reply.chunk or max(len(text), 1)
    return [run[start : start + size] for run in runs for start in range(0, len(run), size)]
