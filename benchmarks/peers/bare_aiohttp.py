"""Least that can be done on aiohttp: as on httpx2, each message encoded once, the body joined, as many connections."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp

from benchmarks.peers.shape import CONNECTIONS, KEY, serve
from benchmarks.peers.sparse import Sparse

_HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}


class BareAiohttp(Sparse):
    """No SDK."""

    async def aim(self, url: str, stack: AsyncExitStack) -> None:
        """Make the one client."""
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        self._client = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, headers=_HEADERS))
        self._url = f"{url}/chat/completions"

    async def whole(self, body: bytes) -> bytes:
        """Post a request."""
        async with self._client.post(self._url, data=body) as response:
            response.raise_for_status()
            return await response.read()

    async def pieces(self, body: bytes) -> AsyncIterator[bytes]:
        """Post a request and read its stream."""
        async with self._client.post(self._url, data=body) as response:
            response.raise_for_status()
            async for piece in response.content.iter_any():
                yield piece


SIDE = BareAiohttp

if __name__ == "__main__":
    serve(SIDE())
