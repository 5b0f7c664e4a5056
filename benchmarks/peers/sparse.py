"""The floors' loop: each message is encoded once and never changes a byte, the body is joined, the answer decoded."""

import json
from collections.abc import AsyncIterator
from typing import Any

from pydantic_core import from_json

from benchmarks.peers.shape import FOREVER, MODEL, QUESTION, SCHEMA, Driver, look_up


class Sparse(Driver):
    """A loop that keeps all it must and does nothing else. How bytes travel is up to the side."""

    async def whole(self, body: bytes) -> bytes:
        """Post a request; return the answer's body."""
        raise NotImplementedError

    def pieces(self, body: bytes) -> AsyncIterator[bytes]:
        """Post a request; yield the answer's body as it comes."""
        raise NotImplementedError

    async def hold(self) -> str:
        """Hold a session from the question on."""
        messages = [_ASKED]
        for _ in range(FOREVER):
            body = b'{"messages":[' + b",".join(messages) + _TAIL
            message = from_json(await self.whole(body))["choices"][0]["message"]
            calls = message.get("tool_calls")
            if not calls:
                return str(message["content"])
            messages.append(_encoded(message))
            for call in calls:
                text = await look_up(**from_json(call["function"]["arguments"]))
                messages.append(_encoded({"role": "tool", "tool_call_id": call["id"], "content": text}))
        raise AssertionError

    async def stream(self) -> str:
        """Read an answer as it comes."""
        body = b'{"messages":[' + _ASKED + b'],"stream":true,"stream_options":{"include_usage":true}' + _TAIL[1:]
        said: list[str] = []
        thought: list[str] = []
        rest = b""
        async for piece in self.pieces(body):
            *events, rest = (rest + piece).split(b"\n\n")
            for event in events:
                if not event.startswith(b"data: {"):
                    continue
                for choice in from_json(event[6:])["choices"]:
                    delta = choice["delta"]
                    if text := delta.get("content"):
                        said.append(text)
                    elif text := delta.get("reasoning_content"):
                        thought.append(text)
        return "".join(said)


def _encoded(message: Any) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


_ASKED = _encoded({"role": "user", "content": QUESTION})
_TAIL = b"]," + _encoded({"model": MODEL, "tools": [SCHEMA]})[1:]
