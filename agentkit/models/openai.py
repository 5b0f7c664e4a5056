"""The transport: bytes out, bytes in, over the `openai` SDK's client for any OpenAI-compatible endpoint.

The SDK is used for what it does well (connections, time-outs, status errors) and kept from what it would add: it reads
`OPENAI_*` from the environment and sends it to any host, it re-encodes the whole history at every request, it follows
redirects with the key, and it retries out of sight. So bodies are posted as bytes, every header is given here, and
answers are decoded in `reading`.
"""

import math
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import anyio
import openai
from anyio.lowlevel import RunVar
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from agentkit.core.contract import Contract
from agentkit.core.messages import AssistantMessage, Producer
from agentkit.errors import AnswerMalformed, ModelError, Overloaded, RateLimited
from agentkit.models import faults, wire
from agentkit.models.address import host_of, loopback, telling
from agentkit.models.base import Answered, Body, Broken, Reply, Show, Unusable
from agentkit.models.faults import Asked
from agentkit.models.reading import Reading
from agentkit.models.retry import Gate, NotYet, Turn, patiently

if TYPE_CHECKING:
    import httpx2 as http
else:
    # The SDK speaks httpx in 2.x and httpx2 in 3.x; its own client's base class tells which.
    http = import_module(openai.DefaultAsyncHttpxClient.__mro__[1].__module__.partition(".")[0])

CONCURRENT: Final = 64  # requests at once per endpoint and event loop, over all sessions
CONNECT: Final = 15.0  # seconds to make a connection
REST: Final = 3.0  # seconds that usage and end mark may take once the answer itself is complete

_UNSENT: Final = dict.fromkeys(  # headers the SDK would add by itself
    ("Authorization", "x-stainless-retry-count", "x-stainless-read-timeout"), openai.Omit()
)
_FAILURES: Final = (http.HTTPError, http.StreamError, ssl.SSLError, anyio.EndOfStream, anyio.BrokenResourceError)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where requests go and what they carry. `headers` holds the key; `timeout` is how long silence may last."""

    model: str
    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    timeout: float


class _Bare(openai.AsyncOpenAI):
    """The SDK's client with none of the headers it takes from the environment or adds about this machine."""

    @property
    def default_headers(self) -> dict[str, str | openai.Omit]:
        return {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "agentkit"}


@dataclass(frozen=True, slots=True)
class _Connection:
    client: openai.AsyncOpenAI
    limiter: anyio.CapacityLimiter
    gates: dict[object, Gate] = field(default_factory=dict)

    def gate(self, to: Recipient) -> Gate:
        """Return the back-off of a model and a key: services count by these, and another key may have room."""
        return self.gates.setdefault((to.model, frozenset(to.headers.items())), Gate())


_open: RunVar[dict[str, tuple[_Connection, AsyncGenerator[_Connection, None]]]] = RunVar("agentkit endpoints")


async def ask(to: Recipient, body: Body, contract: Contract, show: Show | None) -> Reply:
    """Send one request and read its answer; with `show`, streamed, the pieces of one network read in one call.

    An answer that the service itself could not read is one that is of no use, not a refusal.

    Raises:
        ModelError: the service refused, or could not be reached as often as we were ready to try.
    """
    secrets = [secret for name, value in to.headers.items() if telling(name) for secret in _secrets(value)]
    asked = Asked(to.model, to.base_url, contract, body.messages, tuple(secrets))
    data = wire.whole(body, contract, stream=show is not None or contract.always_stream)
    connection = await _connection(to.base_url)
    turn = Turn(connection.gate(to))
    try:
        return await patiently(lambda: _once(connection, to, asked, data, show, turn), turn=turn)
    except AnswerMalformed as error:
        message = AssistantMessage(text=error.generated or None, producer=_producer(to, contract))
        return Unusable("malformed", str(error), message, "", None)


def _secrets(value: str) -> Iterator[str]:
    """Yield what must not be told of a header: what stands behind "Bearer", and the value of each cookie."""
    for part in value.split(";"):
        yield part.rpartition(" ")[2]
        yield part.partition("=")[2]


@dataclass(frozen=True, slots=True)
class Exchange:
    """An HTTP answer as it came, whatever its status. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


async def exchange(to: Recipient, path: str, data: bytes | None = None) -> Exchange:
    """Send one request as it is, once, and return what was answered: to look at a service, not to talk to it.

    Args:
        to: where to, and which headers go along.
        path: behind the base URL.
        data: the body of a POST; None sends a GET.

    Raises:
        Unreachable: no answer came, or it broke off; `base_url` is in the text, no header is.
    """
    client = (await _connection(to.base_url)).client
    options: Any = {"headers": {**_UNSENT, **to.headers}, "timeout": openai.Timeout(to.timeout, connect=CONNECT)}
    how: Any = {"cast_to": http.Response, "options": options, "stream": True, "stream_cls": openai.AsyncStream[Any]}
    asked = Asked(to.model, to.base_url, Contract(id="unknown"))
    try:
        response: Any = await (client.get(path, **how) if data is None else client.post(path, content=data, **how))
        content = await response.aread()
    except openai.APIStatusError as error:
        response, content = error.response, error.response.content
    except (openai.APIConnectionError, *_FAILURES) as error:
        raise faults.unreachable(asked, error.__cause__ or error) from None
    return Exchange(response.status_code, {name.lower(): text for name, text in response.headers.items()}, content)


async def _once(
    connection: _Connection, to: Recipient, asked: Asked, data: bytes, show: Show | None, turn: Turn
) -> Reply:
    async with _place(connection.limiter, turn):
        async with turn:
            response = await _post(connection.client, to, asked, data)
        reading = Reading(asked.contract, _producer(to, asked.contract), response.headers.get("content-type", ""))
        try:
            broke = await _read(response, reading, show)
        finally:
            with anyio.move_on_after(REST, shield=True):
                await response.aclose()
    reply = reading.end(f"{type(broke).__name__}: {broke}" if broke else "")
    if reading.error is None and not reading.begun:
        raise NotYet(faults.unreachable(asked, broke)) from broke
    if reading.error is not None and (error := faults.reported(asked, reading.error)) is not None:
        raise _again(error)
    return _told(asked, reply)


@asynccontextmanager
async def _place(limiter: anyio.CapacityLimiter, turn: Turn) -> AsyncIterator[None]:
    """Take one of the endpoint's places. Who backs off has none: other models and keys need them meanwhile."""
    while True:
        await turn.come()
        async with limiter:
            if turn.gate.wait() <= 0:  # it may have closed while this one waited for a place
                yield
                return


def _told(asked: Asked, reply: Reply) -> Reply:
    """Strike the secrets out of what is recorded of an answer that is none: a service may repeat the key there."""
    if isinstance(reply, Answered):
        return reply
    reply = replace(reply, why=asked.clean(reply.why))
    if isinstance(reply, Broken):
        return reply
    text = reply.message.text
    return replace(reply, message=replace(reply.message, text=None if text is None else asked.struck(text)))


def _producer(to: Recipient, contract: Contract) -> Producer:
    return Producer(to.model, contract.id, host_of(to.base_url))


async def _post(client: openai.AsyncOpenAI, to: Recipient, asked: Asked, data: bytes) -> http.Response:
    try:
        answer: Any = await client.post(
            wire.route(asked.contract),
            cast_to=http.Response,
            content=data,
            options={"headers": {**_UNSENT, **to.headers}, "timeout": openai.Timeout(to.timeout, connect=CONNECT)},
            stream=True,
            stream_cls=openai.AsyncStream[Any],
        )
    except openai.APIStatusError as error:
        response = error.response
        refusal = faults.refused(asked, response.status_code, response.content, response.headers.get("location", ""))
        # `from None`: the SDK's error holds the body as it came, and a service may repeat the key in it.
        raise _again(refusal, faults.patience(response.headers, datetime.now(UTC))) from None
    except (openai.APIConnectionError, *_FAILURES) as error:
        raise NotYet(faults.unreachable(asked, error.__cause__ or error)) from error
    response_as_it_is: http.Response = answer
    return response_as_it_is


def _again(error: ModelError, wait: float | None = None) -> Exception:
    """Wrap an error that asking again may heal; return any other as it is."""
    return NotYet(error, wait) if isinstance(error, RateLimited | Overloaded) else error


async def _read(response: http.Response, reading: Reading, show: Show | None) -> Exception | None:
    """Feed the answer to `reading`. Returns what broke it off.

    One network read may hold many chunks of HTTP, and the SDK gives them one by one without waiting in between: so a
    task of its own collects them, and whatever has come by the time this one runs is shown together (law 9).
    """
    send, receive = anyio.create_memory_object_stream[bytes | Exception](math.inf)
    broke: Exception | None = None
    with send, receive, anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_collect, response, send)
            async for first in receive:
                pieces = []
                for chunk in (first, *_waiting(receive)):
                    if isinstance(chunk, Exception):
                        broke = chunk
                    else:
                        pieces += reading.feed(chunk)
                if show is not None and pieces:
                    show(pieces)
                if reading.finished:
                    scope.deadline = min(scope.deadline, anyio.current_time() + REST)
    return broke


async def _collect(response: http.Response, send: MemoryObjectSendStream[bytes | Exception]) -> None:
    with send:
        try:
            async for chunk in response.aiter_bytes():
                send.send_nowait(chunk)
        except _FAILURES as error:
            send.send_nowait(error)


def _waiting(receive: MemoryObjectReceiveStream[bytes | Exception]) -> Iterator[bytes | Exception]:
    try:
        while True:
            yield receive.receive_nowait()
    except (anyio.WouldBlock, anyio.EndOfStream):
        return


async def _connection(base_url: str) -> _Connection:
    held = _open.get(None)
    if held is None:
        held = {}
        _open.set(held)
    if base_url not in held:
        keeper = _kept(base_url)
        held[base_url] = (await anext(keeper), keeper)
    return held[base_url][0]


async def _kept(base_url: str) -> AsyncGenerator[_Connection, None]:
    """Hold the one client of an endpoint open; an event loop closes the generators it started when it ends."""
    client = openai.DefaultAsyncHttpxClient(
        follow_redirects=False,
        trust_env=not loopback(base_url),
        verify=base_url.startswith("https:"),  # plain http needs no certificates, and reading them takes 40 ms
    )
    try:
        yield _Connection(
            _Bare(
                api_key="given with each request",
                organization="",
                project="",
                webhook_secret="",
                base_url=base_url,
                max_retries=0,
                http_client=client,
            ),
            anyio.CapacityLimiter(CONCURRENT),
        )
    finally:
        await client.aclose()
