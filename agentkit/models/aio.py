"""aiohttp under the SDK's client, where `agentkit[fast]` is installed.

Its parser is compiled, and what one network read brought comes in one piece. Time-outs, errors and closing are those of
the SDK's own transport. Written here because the SDK's adapter for aiohttp keeps cookies, tells a broken answer as a
connection that took too long, and costs several times the request itself.
"""

from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from agentkit.models.sdk import CONNECT, LIMITS, http

_OK: Final = int(HTTPStatus.OK)  # an enum's member takes a call to get
_SAID: Final[tuple[tuple[type[aiohttp.ClientError], type[http.TransportError]], ...]] = (  # the first that fits
    (aiohttp.SocketTimeoutError, http.ReadTimeout),
    (aiohttp.ServerTimeoutError, http.ConnectTimeout),
    (aiohttp.ClientConnectorError, http.ConnectError),
    (aiohttp.InvalidURL, http.UnsupportedProtocol),
    (aiohttp.ClientOSError, http.ReadError),
    (aiohttp.ClientError, http.RemoteProtocolError),
)


class Transport(http.AsyncBaseTransport):
    """Sends requests through one aiohttp session.

    Args:
        verify: whether there are certificates to check; they are found as httpx finds them.

    Raises:
        RuntimeError: this is no asyncio event loop, the only one that aiohttp knows.
    """

    def __init__(self, *, verify: bool) -> None:
        context = http.create_ssl_context() if verify else None
        if context is not None:
            context.set_alpn_protocols(["http/1.1"])
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=LIMITS.max_connections or 0,
                keepalive_timeout=LIMITS.keepalive_expiry,
                ssl=True if context is None else context,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # the SDK's HTTP library does it
        )

    async def post(
        self, url: http.URL, headers: Mapping[str, str], data: bytes, silence: float
    ) -> "Body | http.Response":
        """Post a request without a detour through the SDK's HTTP library, and return the answer when its head has come.

        Raises:
            http.TransportError: no answer came. `silence` is in seconds.
        """
        answer = await self._asked("POST", str(url), data, headers, _waits(CONNECT, silence))
        usual = answer.status == _OK and "content-encoding" not in answer.headers
        return Body(answer) if usual else _response(answer)

    async def handle_async_request(self, request: http.Request) -> http.Response:
        """Send a request whose body is known, and return the answer as soon as its head has come."""
        given = request.extensions["timeout"]
        waits = _waits(given["connect"], given["read"])
        headers = request.headers.multi_items()
        return _response(await self._asked(request.method, str(request.url), request.content or None, headers, waits))

    async def _asked(
        self, method: str, url: str, data: bytes | None, headers: Any, waits: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        try:
            return await self._session.request(
                method, url, data=data, headers=headers, allow_redirects=False, timeout=waits
            )
        except aiohttp.ClientError as error:
            raise _told(error) from error

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.close()


class Body(http.AsyncByteStream):
    """The body of an answer, one network read after the other; of a usual answer, this is all of it."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    @property
    def headers(self) -> Mapping[str, str]:
        """The answer's headers, found in any case."""
        return self._answer.headers

    def __aiter__(self) -> "Body":
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self._answer.content.readany()
        except aiohttp.ClientError as error:
            raise _told(error) from error
        if not data:
            raise StopAsyncIteration
        return data

    def close(self) -> None:
        """Give the connection back, or close it where the answer has not come to its end."""
        self._answer.close()

    async def aclose(self) -> None:
        """Do the same, as the SDK's HTTP library asks for it."""
        self.close()


@cache
def _waits(connect: float, read: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(sock_connect=connect, sock_read=read)


def _response(answer: aiohttp.ClientResponse) -> http.Response:
    return http.Response(answer.status, headers=answer.raw_headers, stream=Body(answer))


def _told(error: aiohttp.ClientError) -> http.TransportError:
    """Tell aiohttp's error as the SDK's own transport would."""
    said = next(said for kind, said in _SAID if isinstance(error, kind))
    return said(str(error) or type(error).__name__)
