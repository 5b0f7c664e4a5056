"""A raw server on loopback for what a well-behaved one never does: every byte and every pause is the test's."""

import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import anyio
import pytest
from anyio.abc import SocketStream

# Bytes to write; seconds to wait, unless the client leaves before; None to cut the connection.
Play: TypeAlias = Sequence[bytes | float | None]


@dataclass
class Heard:
    """One request as it arrived."""

    head: str
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in re.findall(r"^([^:\r\n]+): *(.*?)\r$", self.head, re.MULTILINE)}

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class RawServer:
    """Plays one answer per request; the last one again and again."""

    answers: Sequence[Play]
    base_url: str = ""
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0
    now: int = 0
    most: int = 0
    left: int = 0  # clients that went away in a pause

    async def handle(self, stream: SocketStream) -> None:
        self.connections += 1
        async with stream:
            try:
                while request := await _request(stream):
                    self.heard.append(request)
                    self.now += 1
                    self.most = max(self.most, self.now)
                    try:
                        if not await self._play(stream, self.answers[min(len(self.heard), len(self.answers)) - 1]):
                            return
                    finally:
                        self.now -= 1
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    async def _play(self, stream: SocketStream, answer: Play) -> bool:
        for item in answer:
            if item is None:
                return False
            if isinstance(item, bytes):
                await stream.send(item)
                continue
            with anyio.move_on_after(item):
                try:
                    await stream.receive()
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    self.left += 1
                    return False
        return True


async def _request(stream: SocketStream) -> Heard | None:
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            data += await stream.receive()
        except anyio.EndOfStream:
            return None
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE)[1])  # type: ignore[index]
    while len(body) < length:
        body += await stream.receive()
    return Heard(head.decode() + "\r\n", body)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["httpx", "aiohttp"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test once on each transport."""
    monkeypatch.setenv("AGENTKIT_TRANSPORT", request.param)
    return str(request.param)


@asynccontextmanager
async def _serving(*answers: Play) -> AsyncIterator[RawServer]:
    server = RawServer(answers)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, server.handle)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - not Django's
        server.base_url = f"http://127.0.0.1:{port}/v1"
        yield server
        tasks.cancel_scope.cancel()


@pytest.fixture
def serving() -> Callable[..., AbstractAsyncContextManager[RawServer]]:
    """A function: the answers, one per request, each a list of bytes, pauses and cuts."""
    return _serving


def _http(body: bytes, *, status: str = "200 OK", kind: str = "application/json", headers: str = "") -> list[bytes]:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return [head.encode() + body]


@pytest.fixture
def http() -> Callable[..., list[bytes]]:
    """A function: a whole HTTP answer around a body."""
    return _http


def _stream(*chunks: bytes | float | None, end: bool = True) -> list[bytes | float | None]:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    framed = [b"%x\r\n%b\r\n" % (len(c), c) if isinstance(c, bytes) else c for c in chunks]
    return [head, *framed, *([b"0\r\n\r\n"] if end else [])]


@pytest.fixture
def stream() -> Callable[..., list[bytes | float | None]]:
    """A function: a streamed HTTP answer, one HTTP chunk per item."""
    return _stream
