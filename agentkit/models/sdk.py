"""The SDK, and the HTTP library it speaks: httpx in 2.x, httpx2 in 3.x. Its client's base class tells which.

The SDK is used for what it does well (addresses, time-outs, connections) and kept from what it would add by itself: it
reads `OPENAI_*` from the environment and sends it to any host, follows redirects with the key, and retries out of
sight.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import openai

if TYPE_CHECKING:
    import httpx2 as http
else:
    http = import_module(openai.DefaultAsyncHttpxClient.__mro__[1].__module__.partition(".")[0])

__all__ = ["CONNECT", "HEADERS", "LIMITS", "PLUMBING", "Client", "http", "httpx_client"]

CONNECT: Final = 15.0  # seconds to make a connection
HEADERS: Final = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "agentkit"}
PLUMBING: Final = {"Accept-Encoding": "gzip, deflate", "Connection": "keep-alive"}  # what httpx adds by itself
LIMITS: Final = openai.DEFAULT_CONNECTION_LIMITS
UNSENT: Final = dict.fromkeys(  # headers the SDK would add by itself
    ("Authorization", "x-stainless-retry-count", "x-stainless-read-timeout"), openai.Omit()
)


def httpx_client(**how: Any) -> http.AsyncClient:
    """Make a client of the SDK's HTTP library as the SDK would, but for redirects: with them the key would go along."""
    return openai.DefaultAsyncHttpxClient(follow_redirects=False, **how)


class Client(openai.AsyncOpenAI):
    """The SDK's client with none of the headers it takes from the environment or adds about this machine."""

    def __init__(self, base_url: str, client: http.AsyncClient) -> None:
        super().__init__(
            api_key="given with each request",
            organization="",
            project="",
            webhook_secret="",
            base_url=base_url,
            max_retries=0,
            http_client=client,
        )

    @property
    def default_headers(self) -> dict[str, str | openai.Omit]:
        """What goes along with every request."""
        return dict(HEADERS)

    async def exchange(self, path: str, data: bytes | None, headers: Mapping[str, str], silence: float) -> Any:
        """Send one request the SDK's own way; the answer's body has not been read. `silence` is in seconds.

        Raises:
            openai.APIError: the service refused, or no answer came.
        """
        options: Any = {"headers": {**UNSENT, **headers}, "timeout": openai.Timeout(silence, connect=CONNECT)}
        how: Any = {"cast_to": http.Response, "options": options, "stream": True, "stream_cls": openai.AsyncStream[Any]}
        return await (self.get(path, **how) if data is None else self.post(path, content=data, **how))
