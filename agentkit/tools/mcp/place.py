"""Where an MCP server is: a program that speaks over its standard input and output, or a URL."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

import httpx2
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage

from agentkit.errors import ConfigurationError

if TYPE_CHECKING:  # the SDK keeps these to itself
    from mcp.shared._stream_protocols import ReadStream, WriteStream

Streams: TypeAlias = "tuple[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage]]"

_LARGEST = 64 * 2**20  # bytes of one event or answer: a picture may be large, endless output is not
_CONNECTING = 30.0  # seconds; how long an answer may take is the tool's time-out
_TOLD = 3  # words of a command that are shown
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Stdio:
    """A program that is started, and speaks MCP over its standard input and output.

    Args:
        *words: the program and its arguments; no shell reads them.
        env: further environment variables. Of this process's own it gets HOME, LOGNAME, PATH, SHELL, TERM and USER only
            (on Windows, their like): no key that lies in the environment.
        cwd: the folder it runs in, by default this process's.
        log: a file to which its standard error is added, by default this process's standard error.

    Raises:
        ConfigurationError: no program is named.
    """

    def __init__(
        self, *words: str, env: Mapping[str, str] | None = None, cwd: Path | str | None = None, log: Path | None = None
    ) -> None:
        if not words or not words[0]:
            raise ConfigurationError('Stdio: name a program and its arguments, as in Stdio("npx", "-y", "some-server")')
        self.words = words
        self.env, self.cwd, self.log = env, cwd, log

    def __repr__(self) -> str:
        told = [repr(each) for each in self.words[:_TOLD]] + ["…"] * (len(self.words) > _TOLD)
        return f"Stdio({', '.join(told)})"  # what follows may be a key

    @asynccontextmanager
    async def streams(self) -> AsyncIterator[Streams]:
        """Start the program, and give the two ends of the talk. It is ended with the context.

        Raises:
            OSError: it cannot be started.
        """
        told = StdioServerParameters(
            command=self.words[0],
            args=list(self.words[1:]),
            env=None if self.env is None else dict(self.env),
            cwd=self.cwd,
        )
        if self.log is None:  # not sys.stderr, which in a notebook or under a test is no file
            async with stdio_client(told, errlog=sys.__stderr__ or sys.stderr) as streams:
                yield streams
            return
        with self.log.open("a", encoding="utf-8") as log:
            async with stdio_client(told, errlog=log) as streams:
                yield streams


@dataclass(frozen=True, repr=False)
class Http:
    """A server behind a URL, over streamable HTTP. Redirects are followed only within its origin.

    Args:
        url: the endpoint, mostly ending in `/mcp`; a user in it, and what follows a `?`, are not shown either.
        headers: sent with every request, such as `Authorization`; never shown or recorded.

    Raises:
        ConfigurationError: no http or https URL; or headers that would leave this machine unencrypted.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return f"Http({f'{parts.scheme}://{host}{parts.path}'!r})"  # a user or a query may be a key

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigurationError(f"{self!r} is no http:// or https:// URL")
        if (self.headers or parts.password) and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ConfigurationError(f"{self!r}: headers may hold a key, and this is not encrypted: use https://")

    @asynccontextmanager
    async def streams(self) -> AsyncIterator[Streams]:
        """Give the two ends of the talk; a connection is made with the first message."""
        way, url = _Way(self.url), httpx2.URL(self.url)
        async with (
            httpx2.AsyncClient(
                headers={"Accept-Encoding": "identity", **self.headers},
                timeout=httpx2.Timeout(_CONNECTING, read=None),
                auth=(url.username, url.password) if url.userinfo else None,
                transport=way,
                trust_env=False,  # no proxy and no password that lies in the environment
            ) as http,
            streamable_http_client(str(way.told), http_client=http, max_sse_event_size=_LARGEST) as streams,
        ):
            yield streams


class _Way(httpx2.AsyncBaseTransport):
    """The way to a server. What follows the `?` may be a key: it joins a request where nobody logs its URL any more.

    An answer has an end: one event is bounded by the SDK, any other answer here, and what was compressed is refused,
    because a small one may hold any size.
    """

    def __init__(self, url: str) -> None:
        self._url = httpx2.URL(url).copy_with(userinfo=b"")
        self.told = self._url.copy_with(query=None)
        tls = httpx2.create_ssl_context(trust_env=False) if self._url.scheme == "https" else False
        self._transport = httpx2.AsyncHTTPTransport(verify=tls, trust_env=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request. Raises: httpx2.DecodingError: the answer is compressed."""
        url = self._url if request.url == self.told else request.url
        sent = httpx2.Request(
            request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
        )
        response = await self._transport.handle_async_request(sent)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.DecodingError("the server compresses its answer, and was asked not to")
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            response.stream = _Bounded(response.stream)
        return response

    async def aclose(self) -> None:
        """Let the connections go."""
        await self._transport.aclose()


class _Bounded(httpx2.AsyncByteStream):
    """The body of an answer, up to the largest one that is read."""

    def __init__(self, body: Any) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = _LARGEST
        async for chunk in self._body:
            left -= len(chunk)
            if left < 0:
                raise httpx2.ReadError(f"the answer is longer than {_LARGEST} bytes")
            yield chunk

    async def aclose(self) -> None:
        """Let the rest go."""
        await self._body.aclose()


Place: TypeAlias = Stdio | Http
Opened: TypeAlias = AbstractAsyncContextManager[Streams]
