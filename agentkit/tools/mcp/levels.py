"""How much of its tools' log a client wants to see (`logging/setLevel`), of protocols before 2026-07-28.

Since then each call says so for itself, and the SDK looks after it.
"""

from dataclasses import dataclass, field
from typing import Any

from mcp import types
from mcp.server import ServerRequestContext
from mcp.types import LOG_LEVEL_META_KEY

_HEARD = frozenset({"debug", "info"})  # levels at which a line of progress is shown


@dataclass
class Levels:
    """What each client of a server has set; who has set nothing, sees nothing.

    `most`: over HTTP nobody tells when a client is gone, so the oldest is forgotten, and sees no lines then.
    """

    most: int = 10_000
    _by_client: dict[str, str] = field(default_factory=dict)

    async def set(self, context: ServerRequestContext[Any], params: types.SetLevelRequestParams) -> types.EmptyResult:
        """Note what a client wants to see."""
        client = _client(context)
        self._by_client.pop(client, None)
        self._by_client[client] = params.level
        if len(self._by_client) > self.most:
            del self._by_client[next(iter(self._by_client))]
        return types.EmptyResult()

    def info(self, context: ServerRequestContext[Any]) -> bool:
        """Tell whether a request's client wants to see lines of level `info`."""
        asked = dict(context.meta or {}).get(LOG_LEVEL_META_KEY)
        return (asked or self._by_client.get(_client(context))) in _HEARD


def _client(context: ServerRequestContext[Any]) -> str:
    """Return the session of a request over HTTP; over standard input and output there is one client."""
    headers = getattr(context.request, "headers", {})
    return str(headers.get("mcp-session-id", ""))
