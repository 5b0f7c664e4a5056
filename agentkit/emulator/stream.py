"""How an answer travels: a timeline of bytes, waits and accidents. Pure; the player is in `play`.

Streams are server-sent events as real services send them: the first chunk holds an empty piece of reasoning, a call's
id and name come before its arguments, usage stands on the finish chunk or in a chunk without choices.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from agentkit.emulator.bodies import FAILED
from agentkit.emulator.carriers import CARRIAGES, Carriage
from agentkit.emulator.returned import Emitted, EmittedCall
from agentkit.emulator.row import Contract, ErrorForm
from agentkit.emulator.script import ERRORS, Fault, Reply

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
        row: what the service does.
        head: what every chunk says of itself: id, created, model, system_fingerprint.
    """

    reply: Reply
    emitted: Emitted
    usage: Mapping[str, Any]
    usage_wanted: bool
    row: Contract
    head: Mapping[str, Any]

    def has(self, quirk: str) -> bool:
        """Whether the reply has a quirk, or the service has it always."""
        return quirk in self.reply.quirks or quirk in self.row.manner

    @property
    def carriage(self) -> Carriage:
        """How reasoning travels."""
        return CARRIAGES[self.row.form]

    @property
    def ending(self) -> str:
        """The finish reason: calls that leaked into the text are none."""
        return self.reply.finish_reason or ("tool_calls" if self.emitted.calls else "stop")

    @property
    def error(self) -> Any:
        """What a stream says that fails half-way."""
        form: ErrorForm = "list" if "error_list" in self.reply.quirks else self.row.errors
        return Fault(500, FAILED.message, FAILED.type, form=form).of(self.row).body

    def deltas(self, text: str) -> list[str]:
        """Cut a text into what its deltas hold."""
        return pieces(text, self.reply)


def encode(value: Any) -> bytes:
    """Encode JSON as services do: UTF-8, and only lone surrogates escaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def whole(answer: Answer) -> Iterator[Step]:
    """Return the timeline of an answer that is not streamed: blank lines while it is made, then one JSON object."""
    reply = answer.reply
    body = answer.error if answer.has("error_list") else _completion(answer)
    yield from waiting(reply, Send(b"\n"))
    if reply.hang_after is not None:
        yield Hang()
    data = encode(body)
    yield Send(data[: reply.cut_after])
    if reply.cut_after is not None and reply.cut_after < len(data):
        yield Cut()


def _completion(answer: Answer) -> dict[str, Any]:
    emitted = answer.emitted
    message = {"role": "assistant", **answer.carriage.whole(emitted, answer.row)}
    if answer.has("content_null") and not message["content"]:
        message["content"] = None
    if emitted.calls or answer.has("empty_tool_calls"):
        message["tool_calls"] = [_head(answer, at, call, call.arguments) for at, call in enumerate(emitted.calls)]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.ending}
    reported = {} if answer.reply.usage_at == "absent" else {"usage": answer.usage}
    return {**answer.head, "object": "chat.completion", "choices": [choice], **reported}


def streamed(answer: Answer) -> Iterator[Step]:
    """Return the timeline of a streamed answer."""
    reply = answer.reply
    end = b"\r\n\r\n" if answer.has("crlf") else b"\n\n"
    comment = Send(f": {answer.row.comment}".encode() + end)
    yield from [comment] * answer.row.comments_first
    yield from waiting(reply, comment)
    chunks: list[Any] = list(_chunks(answer))
    failed = not ERRORS.isdisjoint(reply.quirks)
    if failed:
        chunks[len(chunks) // 2 :] = [answer.error]
    for at, chunk in enumerate(chunks):
        yield from accident(reply, at)
        yield Send(b"data: " + encode(chunk) + end)
        if at < reply.keep_alives:
            yield comment
        if reply.pace:
            yield Wait(reply.pace)
    yield from accident(reply, len(chunks))
    if not (answer.has("no_done") or failed):
        yield Send(b"data: [DONE]" + end)


def accident(reply: Reply, at: int) -> Iterator[Step]:
    """Return what befalls a stream before its delta number `at`."""
    if at == reply.cut_after:
        yield Cut()
    if at == reply.hang_after:
        yield Hang()


def waiting(reply: Reply, sign: Send) -> Iterator[Step]:
    """Return the time before an answer, with a sign of life now and then."""
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
    last = _chunk(answer, {"content": ""}, answer.ending)
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
    yield {"role": "assistant", **answer.carriage.opening(emitted, answer.row)}
    blank = {"content": None} if answer.has("content_null") else {}
    empty: dict[str, Any] = {"tool_calls": []} if answer.has("empty_tool_calls") else {}
    carried = answer.carriage.thoughts(emitted, answer.row, answer.deltas)
    thoughts = [{**blank, **empty, **delta} for delta in carried]
    words = [{**empty, **delta} for delta in answer.carriage.words(emitted, answer.deltas)]
    yield from words + thoughts if answer.has("reasoning_after_content") else thoughts + words
    for at, call in enumerate(emitted.calls):
        for delta in _call(answer, at, call):
            yield {**blank, "tool_calls": [delta]}


def _head(answer: Answer, at: int, call: EmittedCall, arguments: str | None) -> dict[str, Any]:
    identity = {} if call.id is None else {"id": call.id}
    function = {"name": call.name, "arguments": arguments}
    beside = answer.carriage.beside(answer.emitted, at)
    return {**_index(answer, at), **identity, "type": "function", "function": function, **beside}


def _index(answer: Answer, at: int) -> dict[str, int]:
    if answer.has("index_missing"):
        return {}
    return {"index": 0 if answer.has("index_repeated") else at}


def _call(answer: Answer, at: int, call: EmittedCall) -> Iterator[dict[str, Any]]:
    whole = _head(answer, at, call, call.arguments)
    if answer.has("whole_arguments"):
        yield whole
    else:
        yield _head(answer, at, call, None if answer.has("arguments_null") else "")
        later: dict[str, Any] = {}
        named: dict[str, Any] = {}
        if answer.has("id_empty_later") or answer.has("id_null_later"):
            blank = "" if answer.has("id_empty_later") else None
            later, named = {"id": blank}, {"name": blank}
        for piece in answer.deltas(call.arguments):
            yield {**_index(answer, at), **later, "function": {**named, "arguments": piece}}
    if answer.has("arguments_twice") and _complete(call.arguments):
        yield whole


def _complete(arguments: str) -> bool:
    try:
        return isinstance(json.loads(arguments), dict)
    except ValueError:
        return False


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
