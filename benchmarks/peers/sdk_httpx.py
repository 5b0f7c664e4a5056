"""The floor of the ratios: the same loop through `AsyncOpenAI.post(content=bytes, cast_to=Response)`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import openai

from benchmarks.peers.shape import KEY, serve
from benchmarks.peers.sparse import Sparse


class Sdk(Sparse):
    """The SDK's client, fed with bytes. `client` makes its HTTP client."""

    client: Any = openai.DefaultAsyncHttpxClient

    async def aim(self, url: str, stack: AsyncExitStack) -> None:
        """Make the one client."""
        made: Any = type(self).client(trust_env=False)
        client = openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0, timeout=600, http_client=made)
        self._client = await stack.enter_async_context(client)

    async def whole(self, body: bytes) -> bytes:
        """Post a request."""
        response: Any = await self._client.post("/chat/completions", content=body, cast_to=httpx2.Response)
        return bytes(response.content)

    async def pieces(self, body: bytes) -> AsyncIterator[bytes]:
        """Post a request and read its stream."""
        response: Any = await self._client.post(
            "/chat/completions",
            content=body,
            cast_to=httpx2.Response,
            stream=True,
            stream_cls=openai.AsyncStream[Any],
        )
        async for piece in response.aiter_bytes():
            yield piece
        await response.aclose()


SIDE = Sdk

if __name__ == "__main__":
    serve(SIDE())
