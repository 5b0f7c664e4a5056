"""The transport: bytes out, bytes in, over the `openai` SDK's client for any OpenAI-compatible endpoint.

The SDK is used for what it does well (connections, time-outs, status errors) and kept from what it would add: it reads
`OPENAI_*` from the environment and sends it to any host, it re-encodes the whole history at every request, it follows
redirects with the key, and it retries out of sight. So bodies are posted as bytes, every header is given here, and
answers are decoded in `reading`.
"""

import ssl
from collections.abc import AsyncIterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, cast

import anyio
import openai

from agentkit.core.contract import Contract
from agentkit.core.messages import AssistantMessage, Producer
from agentkit.core.values import dataclass
from agentkit.errors import AnswerMalformed, ModelError, Overloaded, RateLimited
from agentkit.models import faults, wire
from agentkit.models.address import host_of
from agentkit.models.base import Answered, Body, Broken, Reply, Show, Unusable
from agentkit.models.endpoint import Answer, Connection, Recipient, Way, connection
from agentkit.models.faults import Asked
from agentkit.models.pausing import pausing
from agentkit.models.reading import Reading
from agentkit.models.retry import NotYet, Turn, patiently
from agentkit.models.sdk import http

__all__ = ["REST", "Exchange", "Recipient", "ask", "exchange"]

REST: Final = 3.0  # seconds that usage and end mark may take once the answer itself is complete

_FAILURES: Final = (http.HTTPError, http.StreamError, ssl.SSLError, anyio.EndOfStream, anyio.BrokenResourceError)


async def ask(to: Recipient, body: Body, contract: Contract, show: Show | None) -> Reply:
    """Send one request and read its answer; with `show`, streamed, the pieces of one network read in one call.

    An answer that the service itself could not read is one that is of no use, not a refusal.

    Raises:
        ModelError: the service refused, or could not be reached as often as we were ready to try.
    """
    data = wire.whole(body, contract, stream=show is not None or contract.always_stream)
    through = await connection(to.base_url)
    way = through.way(to)
    asked = Asked(to.model, to.base_url, contract, body.messages, way.secrets)
    request = _Request(to, asked, data, show, through, way, Turn(way.gate))
    try:
        return await patiently(request.once, turn=request.turn)
    except AnswerMalformed as error:
        message = AssistantMessage(text=error.generated or None, producer=_producer(to.model, to.base_url, contract.id))
        return Unusable("malformed", str(error), message, "", None)


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
    client = (await connection(to.base_url)).client
    asked = Asked(to.model, to.base_url, Contract(id="unknown"))
    try:
        response = await client.exchange(path, data, to.headers, to.timeout)
        content = await response.aread()
    except openai.APIStatusError as error:
        response, content = error.response, error.response.content
    except (openai.APIConnectionError, *_FAILURES) as error:
        raise faults.unreachable(asked, error.__cause__ or error) from None
    return Exchange(response.status_code, {name.lower(): text for name, text in response.headers.items()}, content)


@dataclass(frozen=True, slots=True)
class _Request:
    """One request, sent as often as it has to be."""

    to: Recipient
    asked: Asked
    data: bytes
    show: Show | None
    through: Connection
    way: Way
    turn: Turn

    async def once(self) -> Reply:
        """Send it and read the answer. Raises: ModelError; NotYet: asking again may help."""
        await self._come()
        try:
            async with self.turn:
                response = await self._post()
            row = self.asked.contract
            reading = Reading(
                row, _producer(self.to.model, self.to.base_url, row.id), response.headers.get("content-type", "")
            )
            try:
                broke = await _read(response, reading, self.show)
            finally:
                await _close(response)
        finally:
            self.through.places.release()
        reply = reading.end(f"{type(broke).__name__}: {broke}" if broke else "")
        if reading.error is None and not reading.begun:
            raise NotYet(faults.unreachable(self.asked, broke)) from broke
        if reading.error is not None and (error := faults.reported(self.asked, reading.error)) is not None:
            raise _again(error)
        return _told(self.asked, reply)

    async def _come(self) -> None:
        """Take one of the endpoint's places. Who backs off has none: other models and keys need them meanwhile."""
        while True:
            await self.turn.come()
            await self.through.places.acquire()
            if self.way.gate.wait() <= 0:  # it may have closed while this one waited for a place
                return
            self.through.places.release()

    async def _post(self) -> Answer:
        try:
            response = await self.through.post(self.to, self.way, wire.route(self.asked.contract), self.data)
            if not isinstance(response, http.Response) or response.is_success:
                return response
            try:
                content = await response.aread()
            finally:
                await _close(response)
        except _FAILURES as error:
            raise NotYet(faults.unreachable(self.asked, error)) from error
        refusal = faults.refused(self.asked, response.status_code, content, response.headers.get("location", ""))
        raise _again(refusal, faults.patience(response.headers, datetime.now(UTC)))


async def _close(response: Answer) -> None:
    if isinstance(response, http.Response):
        with anyio.move_on_after(REST, shield=True):
            await response.aclose()
    else:
        response.close()


def _told(asked: Asked, reply: Reply) -> Reply:
    """Strike the secrets out of what is recorded of an answer that is none: a service may repeat the key there."""
    if isinstance(reply, Answered):
        return reply
    reply = replace(reply, why=asked.clean(reply.why))
    if isinstance(reply, Broken):
        return reply
    text = reply.message.text
    return replace(reply, message=replace(reply.message, text=None if text is None else asked.struck(text)))


@lru_cache(maxsize=1024)
def _producer(model: str, base_url: str, row: str) -> Producer:
    return Producer(model, row, host_of(base_url))


def _again(error: ModelError, wait: float | None = None) -> Exception:
    """Wrap an error that asking again may heal; return any other as it is."""
    return NotYet(error, wait) if isinstance(error, RateLimited | Overloaded) else error


async def _read(response: Answer, reading: Reading, show: Show | None) -> Exception | None:
    """Feed the answer to `reading`. Returns what broke it off.

    One network read may hold many chunks of HTTP, and the HTTP library gives them one by one without waiting in
    between: whatever has come by the time it waits is read and shown together (law 9).
    """
    chunks: list[bytes] = []

    def take() -> None:
        data = b"".join(chunks)
        chunks.clear()
        pieces = reading.feed(data) if data else []
        if show is not None and pieces:
            show(pieces)

    if not reading.streams:
        broke = await _collect(response, chunks)
        take()
        return broke
    broke = None
    with anyio.CancelScope() as scope:

        def before() -> None:
            take()
            if reading.finished:
                scope.deadline = min(scope.deadline, anyio.current_time() + REST)

        broke = await pausing(_collect(response, chunks), before)
    take()
    return broke


async def _collect(response: Answer, chunks: list[bytes]) -> Exception | None:
    stream: AsyncIterable[bytes]
    if not isinstance(response, http.Response):
        stream = response
    elif "content-encoding" in response.headers:
        stream = response.aiter_bytes()
    else:
        stream = cast("AsyncIterable[bytes]", response.stream)
    try:
        async for chunk in stream:
            chunks.append(chunk)  # noqa: PERF401 - read before the next one is waited for
    except _FAILURES as error:
        return error
    return None
