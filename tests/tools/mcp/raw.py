"""An HTTP server of a few lines that speaks as much MCP as a test needs, and answers a call with any bytes at all."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream

JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"


def whole(body: bytes, head: bytes = JSON) -> bytes:
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


@dataclass
class Raw:
    """`answer` gives the bytes of the answer to a call, None: the connection is cut. `heads`: of all requests."""

    answer: Callable[[dict[str, Any]], bytes | None]
    calls: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)

    async def __call__(self, stream: SocketStream) -> None:
        async with stream:
            data = b""
            while b"\r\n\r\n" not in data:
                data += await stream.receive()
            head, _, body = data.partition(b"\r\n\r\n")
            length = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
            while len(body) < int(length[0] if length else 0):
                body += await stream.receive()
            self.heads.append(head.decode())
            answer = self._answered(json.loads(body)) if body else whole(b"", b"HTTP/1.1 405 No\r\n")
            if answer is not None:
                try:
                    await stream.send(answer)
                except anyio.BrokenResourceError:  # it had enough of it
                    return

    def _answered(self, asked: dict[str, Any]) -> bytes | None:
        if "id" not in asked:
            return whole(b"", b"HTTP/1.1 202 Accepted\r\n")
        result: dict[str, Any] = {}
        match asked["method"]:
            case "initialize":
                info = {"name": "raw", "version": "1"}
                result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
            case "tools/list":
                result = {"tools": [{"name": "look", "inputSchema": {"type": "object"}}]}
            case "ping":
                pass
            case "tools/call":
                self.calls.append(asked["params"]["name"])
                return self.answer(asked)
            case _:
                return whole(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "error": UNKNOWN}).encode())
        return whole(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}).encode())


UNKNOWN = {"code": -32601, "message": "Method not found"}


@asynccontextmanager
async def listening(raw: Raw) -> AsyncIterator[str]:
    """Serve on loopback, and give host, port and path."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - of anyio, not of Django
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, raw)
        yield f"127.0.0.1:{port}/mcp"
        group.cancel_scope.cancel()
