"""The tests' own HTTP client: for plain http it needs no certificates, and reading them takes 50 ms a client."""

import ssl
from typing import Any, Final

import httpx2

_NONE: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def plain(**options: Any) -> httpx2.AsyncClient:
    """Return a client for loopback."""
    return httpx2.AsyncClient(verify=_NONE, **options)
