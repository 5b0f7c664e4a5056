"""Least that can be done: httpx2, each message encoded once, the body joined, the answer decoded by `pydantic_core`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx2

from benchmarks.peers.shape import CONNECTIONS, KEY, serve
from benchmarks.peers.sparse import Sparse

_HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}


class BareHttpx(Sparse):
    """No SDK."""

    async def aim(self, url: str, stack: AsyncExitStack) -> None:
        """Make the one client."""
        limits = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        client = httpx2.AsyncClient(trust_env=False, headers=_HEADERS, timeout=600, limits=limits)
        self._client = await stack.enter_async_context(client)
        self._url = f"{url}/chat/completions"

    async def whole(self, body: bytes) -> bytes:
        """Post a request."""
        response = await self._client.post(self._url, content=body)
        return response.raise_for_status().content

    async def pieces(self, body: bytes) -> AsyncIterator[bytes]:
        """Post a request and read its stream."""
        async with self._client.stream("POST", self._url, content=body) as response:
            async for piece in response.raise_for_status().aiter_bytes():
                yield piece


SIDE = BareHttpx

if __name__ == "__main__":
    serve(SIDE())
