"""aiohttp under the SDK's client, where `agentkit[fast]` is installed.

Its parser is compiled, and what one network read brought comes in one piece. Time-outs, errors and closing are those of
the SDK's own transport. Written here because the SDK's adapter for aiohttp keeps cookies, tells a broken answer as a
connection that took too long, and costs several times the request itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import aiohttp

from agentkit.models.sdk import LIMITS, http

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

    async def handle_async_request(self, request: http.Request) -> http.Response:
        """Send a request whose body is known, and return the answer as soon as its head has come."""
        timeout = request.extensions["timeout"]
        with _told():
            answer = await self._session.request(
                request.method,
                str(request.url),
                data=request.content or None,
                headers=request.headers.multi_items(),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(sock_connect=timeout["connect"], sock_read=timeout["read"]),
            )
        return http.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.close()


class _Body(http.AsyncByteStream):
    """The body of an answer, one network read after the other."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    def __aiter__(self) -> "_Body":
        return self

    async def __anext__(self) -> bytes:
        with _told():
            data = await self._answer.content.readany()
        if not data:
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        """Give the connection back, or close it where the answer has not come to its end."""
        self._answer.close()


@contextmanager
def _told() -> Iterator[None]:
    """Tell aiohttp's errors as the SDK's own transport would."""
    try:
        yield
    except aiohttp.ClientError as error:
        said = next(said for kind, said in _SAID if isinstance(error, kind))
        raise said(str(error) or type(error).__name__) from error
