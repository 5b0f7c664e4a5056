"""An HTTP server on loopback that says what reached it, byte for byte, and answers as it is told."""

import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
import uvicorn

Scope = dict[str, Any]


@dataclass(frozen=True)
class Reached:
    """One request as it came: `path` and `query` are as they were sent."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What to answer; `breaks`: the connection ends in the middle of the body; `times`: it is sent so often."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    breaks: bool = False
    times: int = 1


class Echo:
    """The application: what reached it is in `requests`, and what it answers to a path in `answers`."""

    def __init__(self, answers: dict[str, Answer] | None = None) -> None:
        self.answers = answers or {}
        self.requests: list[Reached] = []
        self.sent = 0

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        path = scope["raw_path"].decode("ascii")
        reached = Reached(scope["method"], path, scope["query_string"].decode("ascii"), headers, body)
        self.requests.append(reached)
        answer = self.answers.get(path) or Answer(body=told(reached))
        length = {"content-length": str(len(answer.body) + 1)} if answer.breaks else {}
        named = {"content-type": "application/json", **answer.headers, **length}
        encoded = [(name.encode(), value.encode()) for name, value in named.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
        for left in reversed(range(answer.times)):
            await send({"type": "http.response.body", "body": answer.body, "more_body": left > 0})
            self.sent += len(answer.body)
            await anyio.lowlevel.checkpoint()  # where the reader has gone, sending waits for nothing


def told(reached: Reached) -> bytes:
    given = {
        "method": reached.method,
        "path": reached.path,
        "query": reached.query,
        "body": reached.body.decode("latin-1"),
    }
    return json.dumps(given | {"headers": reached.headers}).encode()


class _Quick(uvicorn.Server):
    """Stops when told, takes no signals."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.over = anyio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.over.wait()


@asynccontextmanager
async def serving(echo: Echo) -> AsyncIterator[str]:
    """Serve, and give the URL."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = _Quick(uvicorn.Config(echo, log_config=None, log_level="critical", ws="none", lifespan="off"))
    server.force_exit = True
    with listener:
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [listener])
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.over.set()
