"""The way to a web server: each connection goes to an address that was looked at, and to no other.

A name is resolved once, its addresses are checked, and the connection is made to the checked address; the name goes
into the Host header and the TLS handshake only. A name server that answers otherwise the second time is not asked a
second time. Nothing is taken from the environment: a proxy named there would connect for us, wherever it likes.
"""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import httpx2
from anyio import getaddrinfo

from agentkit import ToolError
from agentkit_tools._public import check_public

Resolve: TypeAlias = Callable[[str, int], Awaitable[tuple[str, ...]]]
_PORTS = {"http": 80, "https": 443}
_TRIES = 3  # addresses of one host


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """Return the addresses of a host, as the system resolves it. Raises: ToolError: it does not."""
    try:
        found = await getaddrinfo(host, port, type=1)  # SOCK_STREAM
    except (OSError, UnicodeError) as error:
        raise ToolError(f"{host} has no address.") from error
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


@dataclass(frozen=True, kw_only=True)
class Network:
    """How the network is reached.

    Attributes:
        resolve: an async function from host and port to addresses; by default the system's.
        tls: which certificates are believed; by default those the system's browser or Python would believe.
    """

    resolve: Resolve = resolve
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @cached_property
    def trust(self) -> ssl.SSLContext:
        """The TLS context, made when it is first needed: that takes a while."""
        return self.tls or httpx2.create_ssl_context(trust_env=False)


class Pinned(httpx2.AsyncHTTPTransport):
    """A transport that connects to checked addresses only.

    Args:
        network: how names are resolved, and whose certificates are believed.
        private: "address:port" that may be reached though they are not public.
    """

    def __init__(self, network: Network, private: frozenset[str]) -> None:
        # A connection kept for later would be found again by its address, under another host's name.
        limits = httpx2.Limits(max_keepalive_connections=0)
        super().__init__(verify=network.trust, trust_env=False, limits=limits, proxy=None, retries=0)
        self._network = network
        self._private = private

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request to the first of its host's addresses that takes the connection.

        Raises:
            ToolError: an address is not public, or no address takes the connection; nothing was sent.
        """
        url = request.url
        port = url.port or _PORTS[url.scheme]
        addresses = await self._network.resolve(url.host, port)
        check_public(url.host, port, addresses, self._private)
        request.extensions = {**request.extensions, "sni_hostname": url.raw_host.decode("ascii")}
        failed: httpx2.TransportError | None = None
        for address in addresses[:_TRIES]:
            request.url = url.copy_with(host=address)
            try:
                return await super().handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failed = error
            finally:
                request.url = url
        raise ToolError(
            f"{url.host} does not take a connection ({str(failed)[:200] or type(failed).__name__})."
        ) from failed
