"""A model service that judges nothing and costs next to nothing: `python -m benchmarks.lean SIZE`.

The emulator's own work grows with each request; where sessions are long or many, that would be what is measured. This
one plays the same session (`work.script`) from answers made beforehand; which one follows from the number of assistant
messages. The base URL says how long a session is and how many milliseconds an answer takes: `/STEPS-DELAY/v1`.
"""

import json
import re
import resource
import sys
from functools import cache
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from benchmarks.peers.shape import MODEL
from benchmarks.work import QUESTION, THINKING, page_text

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_PATH = re.compile(rb"POST /(\d+)-(\d+)/")
_ANSWER = re.compile(rb'"role": ?"assistant"')
_STREAMS = re.compile(rb'"stream": ?true')
_HEAD = 65536  # bytes that a request's head may have
_USAGE = {"prompt_tokens": 100, "completion_tokens": 100, "total_tokens": 200}


def message(page: int, steps: int, size: int) -> dict[str, Any]:
    """Return the answer of a step, from 0."""
    if page + 1 == steps:
        return {"role": "assistant", "reasoning_content": THINKING, "content": "Done."}
    function = {"name": "look_up", "arguments": f'{{"page":{page + 1},"size":{size}}}'}
    call = {"id": f"call_00_{page:022d}", "type": "function", "function": function}
    return {"role": "assistant", "reasoning_content": THINKING, "content": "", "tool_calls": [call]}


def conversation(steps: int, size: int) -> int:
    """Return how many bytes a session of so many steps is: its messages, as the floor sends them and gets the last."""
    said: list[Any] = [{"role": "user", "content": QUESTION}]
    for page in range(steps):
        said.append(message(page, steps, size))
        calls = said[-1].get("tool_calls", ())
        said += [{"role": "tool", "tool_call_id": call["id"], "content": page_text(page + 1, size)} for call in calls]
    return sum(len(_encoded(each)) for each in said)


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@cache
def _answer(page: int, steps: int, size: int, *, streams: bool) -> bytes:
    said = message(page, steps, size)
    ending = "tool_calls" if said.get("tool_calls") else "stop"
    head = {"id": f"lean-{page}", "created": 1_790_000_000, "model": MODEL}
    if not streams:
        choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": ending}
        return _http(
            _encoded({**head, "object": "chat.completion", "choices": [choice], "usage": _USAGE}), "application/json"
        )
    calls = {"tool_calls": [{"index": 0, **call} for call in said["tool_calls"]]} if said.get("tool_calls") else {}
    deltas: list[Any] = [
        {"role": "assistant", "content": None, "reasoning_content": said["reasoning_content"]},
        {"content": said["content"]},
        *([calls] if calls else []),
    ]
    choices: list[Any] = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {"content": ""}, "logprobs": None, "finish_reason": ending})
    chunks: list[Any] = [{**head, "object": "chat.completion.chunk", "choices": [choice]} for choice in choices]
    chunks.append({**head, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE})
    events = b"".join(b"data: " + _encoded(chunk) + b"\n\n" for chunk in chunks)
    return _http(events + b"data: [DONE]\n\n", "text/event-stream; charset=utf-8")


def _http(body: bytes, kind: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


async def _serve(size: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard) if soft != hard else (soft, hard))

    async def connected(stream: SocketStream) -> None:
        async with stream:
            reader = BufferedByteReceiveStream(stream)
            try:
                while True:
                    await stream.send(await _answered(reader, size))
            except (anyio.IncompleteRead, anyio.BrokenResourceError, anyio.EndOfStream):
                return  # the client has gone

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - not Django's
    print(f"http://127.0.0.1:{port}", flush=True)
    await listener.serve(connected)


async def _answered(reader: BufferedByteReceiveStream, size: int) -> bytes:
    head = await reader.receive_until(b"\r\n\r\n", _HEAD)
    length, place = _LENGTH.search(head), _PATH.match(head)
    if not length or not place:
        raise ValueError(f"not a request of a side: {head!r}")
    body = await reader.receive_exactly(int(length[1]))
    if delay := int(place[2]):
        await anyio.sleep(delay / 1000)
    page = len(_ANSWER.findall(body))
    return _answer(page, int(place[1]), size, streams=bool(_STREAMS.search(body)))


if __name__ == "__main__":
    anyio.run(_serve, int(sys.argv[1]))
