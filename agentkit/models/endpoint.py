"""One connection per endpoint and event loop: the SDK's client, what stands under it, and who may send when.

aiohttp is what stands there where it is installed and can be used, else httpx. Requests go straight to it: the SDK
would copy and check each of them at three times the cost of sending. Behind a proxy, httpx's own client sends.
"""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from dataclasses import field
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias
from urllib.request import getproxies

import anyio
from anyio.lowlevel import RunVar

from agentkit.core.values import dataclass
from agentkit.errors import ConfigurationError
from agentkit.models.address import loopback, telling
from agentkit.models.retry import Gate
from agentkit.models.sdk import CONNECT, HEADERS, LIMITS, PLUMBING, Client, http, httpx_client

if TYPE_CHECKING:
    from agentkit.models.aio import Body, Transport

FEW, MANY = 64, 512
"""Requests at once per endpoint and event loop, over all sessions, by httpx and by aiohttp.

At each request httpx's pool looks at all its connections: 500 cost twice the CPU. A process may open 1,024 files.
"""
CHOICE: Final = "AGENTKIT_TRANSPORT"  # the variable that says which transport: httpx or aiohttp

Answer: TypeAlias = "Body | http.Response"  # a `Body` is one that succeeded and is not packed


class Sender(Protocol):
    """What posts requests."""

    async def post(self, url: http.URL, headers: Mapping[str, str], data: bytes, silence: float) -> Answer:
        """Send a request; the answer's body has not been read, whatever its status. `silence` is in seconds.

        Raises:
            http.TransportError: no answer came.
        """
        ...


class Httpx:
    """Posts through the SDK's HTTP library. All headers are given here: to have them added takes as long as to send."""

    def __init__(self, send: Callable[[http.Request], Awaitable[http.Response]]) -> None:
        self._send = send

    async def post(self, url: http.URL, headers: Mapping[str, str], data: bytes, silence: float) -> http.Response:
        """Send a request. Raises: see `Sender`."""
        timeout = {"connect": CONNECT, "read": silence, "write": silence, "pool": silence}
        whole = {"host": url.netloc.decode(), "content-length": str(len(data)), **headers}
        stream = http.ByteStream(data)
        return await self._send(
            http.Request("POST", url, headers=whole, stream=stream, extensions={"timeout": timeout})
        )


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where requests go and what they carry. `headers` holds the key; `timeout` is how long silence may last."""

    model: str
    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    timeout: float


@dataclass(frozen=True, slots=True)
class Way:
    """How requests of one model and one key go: services count by these, and another key may have room."""

    headers: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    gate: Gate = field(default_factory=Gate)


@dataclass(frozen=True, slots=True)
class Connection:
    """What all requests to an endpoint share."""

    client: Client
    sender: Sender
    places: anyio.Semaphore
    ways: dict[object, Way] = field(default_factory=dict)
    urls: dict[str, http.URL] = field(default_factory=dict)

    def way(self, to: Recipient) -> Way:
        """Return the way of a recipient's requests."""
        key = (to.model, frozenset(to.headers.items()))
        way = self.ways.get(key)
        if way is None:
            headers = http.Headers({**PLUMBING, **HEADERS})
            headers.update(to.headers)
            way = self.ways[key] = Way(dict(headers.multi_items()), tuple(_secrets(to.headers)))
        return way

    async def post(self, to: Recipient, way: Way, route: str, data: bytes) -> Answer:
        """Send a request. Raises: see `Sender`."""
        url = self.urls.get(route)
        if url is None:
            url = self.urls[route] = http.URL(str(self.client.base_url).rstrip("/") + route)
        return await self.sender.post(url, way.headers, data, to.timeout)


def _secrets(headers: Mapping[str, str]) -> Iterator[str]:
    """Yield what must not be told of headers: what stands behind "Bearer", and the value of each cookie."""
    for name, value in headers.items():
        for part in value.split(";") if telling(name) else ():
            yield part.rpartition(" ")[2]
            yield part.partition("=")[2]


_open: RunVar[dict[str, tuple[Connection, AsyncGenerator[Connection, None]]]] = RunVar("agentkit endpoints")


async def connection(base_url: str) -> Connection:
    """Return the connection of this event loop to an endpoint. Raises: ConfigurationError: see `CHOICE`."""
    held = _open.get(None)
    if held is None:
        held = {}
        _open.set(held)
    if base_url not in held:
        keeper = _kept(base_url)
        held[base_url] = (await anext(keeper), keeper)
    return held[base_url][0]


async def _kept(base_url: str) -> AsyncGenerator[Connection, None]:
    """Hold the one client of an endpoint open; an event loop closes the generators it started when it ends."""
    verify = base_url.startswith("https:")  # plain http needs no certificates, and reading them takes 40 ms
    if not loopback(base_url) and getproxies().keys() & {"http", "https", "all"}:
        most, client = FEW, httpx_client(verify=verify, trust_env=True)
        sender: Sender = Httpx(lambda request: client.send(request, stream=True))
    else:
        transport = _transport(verify=verify)
        client = httpx_client(transport=transport, trust_env=False)
        if isinstance(transport, http.AsyncHTTPTransport):
            most, sender = FEW, Httpx(transport.handle_async_request)
        else:
            most, sender = MANY, transport
    try:
        places = anyio.Semaphore(most, max_value=most, fast_acquire=True)
        yield Connection(Client(base_url, client), sender, places)
    finally:
        await client.aclose()


def _transport(*, verify: bool) -> "Transport | http.AsyncHTTPTransport":
    wanted = os.environ.get(CHOICE, "")
    if wanted not in {"", "httpx", "aiohttp"}:
        raise ConfigurationError(f"the environment variable {CHOICE} is httpx, aiohttp or empty, not {wanted!r}")
    if wanted != "httpx" and (found := _aiohttp(verify=verify)) is not None:
        return found
    if wanted == "aiohttp":
        raise ConfigurationError(
            f"{CHOICE} asks for aiohttp, which is not installed (pip install 'agentkit-reasoning[fast]') "
            "or cannot be used in this event loop: it knows asyncio's only"
        )
    return http.AsyncHTTPTransport(verify=verify, trust_env=verify, limits=LIMITS)


def _aiohttp(*, verify: bool) -> "Transport | None":
    """Return aiohttp's transport, None where it is not installed, or this is no event loop of asyncio."""
    if find_spec("aiohttp") is None:
        return None
    try:
        made: Transport = import_module("agentkit.models.aio").Transport(verify=verify)
    except RuntimeError:
        return None
    return made
