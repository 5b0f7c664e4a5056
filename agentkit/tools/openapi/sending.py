"""From a request to the text a model reads, over one connection pool that nothing of the environment enters.

The transport is used by itself: a client of httpx2 would log whole URLs, keep cookies between sessions and read proxies
out of the environment.
"""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

import httpx2

from agentkit.core.spec import Effect
from agentkit.errors import ConfigurationError, ToolError
from agentkit.tools.openapi.keys import Key, forms, hidden
from agentkit.tools.openapi.plan import Request

# RFC 9110 and 6585: the server says that it did not take up the request. Not 408 (it waited, and somebody may have
# acted), not 409 (with an idempotency key: the first attempt is still at work), not 402 (a charge may be on record).
REFUSED: Final = frozenset(
    {400, 401, 403, 404, 405, 406, 410, 411, 412, 413, 414, 415, 417, 422, 426, 428, 429, 431, 451}
)
_MOVED_UNDONE = frozenset({307, 308})  # the request is to be made elsewhere, as it is
_SEE_OTHER = 303  # it is done; what came of it is elsewhere
_REDIRECTS = range(300, 400)
_FOLLOWED = 3
_ERROR = 4_000  # bytes of an error's body
_SHOWN = ("link", "location", "retry-after")
_TEXT = re.compile(r"$|text/|application/(.*\+)?(json|xml|yaml|javascript|x-ndjson|jsonl|x-www-form-urlencoded)\b")
_CHARSETS = re.compile(r"utf-?8|us-ascii|iso-8859-\d+|windows-125\d", re.IGNORECASE)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class Unanswered(Exception):  # noqa: N818 - it is no error of the program: nobody knows what the server did
    """A request was sent, and its answer does not tell whether it was carried out."""


@dataclass
class Sending:
    """The way to one API.

    Args:
        base_url: what every path is put after.
        keys: sent with every request.
        timeout: seconds to connect, and between two pieces of an answer.
        limit: bytes of a body that are read.

    Raises:
        ConfigurationError: no http or https URL; or a key would leave this machine unencrypted.
    """

    base_url: str
    keys: tuple[Key, ...] = field(repr=False)
    timeout: float
    limit: int
    _transport: httpx2.AsyncHTTPTransport | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigurationError(f"base_url={shown!r} is no http:// or https:// URL")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ConfigurationError(f"base_url={shown!r} may hold no user, query or fragment: give keys as auth=…")
        if self.keys and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ConfigurationError(f"base_url={shown!r}: a key would be sent unencrypted: use https://")
        self._secrets = forms(self.keys)

    async def open(self) -> None:
        """Make the connection pool; connections are made when they are needed."""
        # which takes a while, and no request ever goes from http to https
        tls = httpx2.create_ssl_context(trust_env=False) if self.base_url.startswith("https:") else False
        self._transport = await httpx2.AsyncHTTPTransport(verify=tls, trust_env=False, retries=0).__aenter__()

    async def close(self) -> None:
        """Close all connections."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.__aexit__(None, None, None)

    async def answer(self, request: Request, effect: Effect, idempotency_key: str) -> str:
        """Send a request, and return what came.

        Raises:
            ToolError: nothing was sent, or the server refused it; of what may be repeated, any failure.
            Unanswered: of a `once` call: nobody knows what the server did.
        """
        if self._transport is None:
            raise ToolError("Error: the API is not open: its tools are used inside `async with`.")
        headers = self._headers(request, idempotency_key if effect == "once" or _is_post(request.method) else "")
        url = self.base_url.rstrip("/") + request.path
        for _ in range(_FOLLOWED + 1):
            response = await self._sent(self._made(request, url, headers), effect)
            try:
                there = self._elsewhere(url, response) if request.method in {"GET", "HEAD"} else None
                if there is None:
                    return await self._told(response, effect, f"{request.method} {request.path}")
            finally:
                await response.aclose()
            url, query = there
            request = Request(request.method, request.path, query, request.headers, None, "")
        raise ToolError(f"Error: {request.method} {request.path} is redirected in a circle.")

    def _made(self, request: Request, url: str, headers: dict[str, str]) -> httpx2.Request:
        try:
            return httpx2.Request(
                request.method,
                self._keyed(url, request.query),
                headers=headers,
                content=request.content,
                extensions={"timeout": httpx2.Timeout(self.timeout).as_dict()},
            )
        except httpx2.InvalidURL as error:
            raise ToolError(f"Error: the arguments make no URL ({error}); nothing was sent.") from None

    async def _sent(self, request: httpx2.Request, effect: Effect) -> httpx2.Response:
        assert self._transport is not None  # noqa: S101 - `answer` has looked
        try:
            return await self._transport.handle_async_request(request)
        except _UNSENT as error:
            raise ToolError(f"Error: the API cannot be reached ({type(error).__name__}); nothing was sent.") from None
        except httpx2.HTTPError as error:  # its text may hold the URL, and the URL a key
            if effect == "once":
                raise Unanswered(f"the connection broke before the answer came ({type(error).__name__})") from None
            raise ToolError(f"Error: the connection to the API broke ({type(error).__name__}).") from None

    def _headers(self, request: Request, idempotency_key: str) -> dict[str, str]:
        cookies = [f"{key.name}={quote(key.value, safe='')}" for key in self.keys if key.where == "cookie"]
        cookies += [value for name, value in request.headers if name == "Cookie"]
        return {
            "User-Agent": "agentkit",
            "Accept": "application/json, text/*;q=0.9, */*;q=0.1",
            "Accept-Encoding": "identity",
            **dict(request.headers),
            **({"Content-Type": request.media} if request.media else {}),
            **({"Idempotency-Key": idempotency_key} if idempotency_key else {}),
            **({"Cookie": "; ".join(cookies)} if cookies else {}),
            **{key.name: key.value for key in self.keys if key.where == "header"},
        }

    def _keyed(self, url: str, query: str) -> str:
        own = [f"{quote(key.name, safe='')}={quote(key.value, safe='')}" for key in self.keys if key.where == "query"]
        told = "&".join([query, *own] if query else own)
        return f"{url}?{told}" if told else url

    def _elsewhere(self, url: str, response: httpx2.Response) -> tuple[str, str] | None:
        """Return where a reading request is redirected to, if that is the same origin: URL and query."""
        location = response.headers.get("location")
        if response.status_code not in _REDIRECTS or not location:
            return None
        there, here = urlsplit(urljoin(url, location)), urlsplit(url)
        if (there.scheme, there.netloc) != (here.scheme, here.netloc):
            return None
        return f"{there.scheme}://{there.netloc}{there.path}", there.query

    async def _told(self, response: httpx2.Response, effect: Effect, place: str) -> str:
        status = response.status_code
        fine = status < _REDIRECTS.start or (status == _SEE_OTHER and effect == "once")
        head = [f"{status} {response.reason_phrase[:100]}".strip()]
        head += [f"{name}: {response.headers[name][:2000]}" for name in _SHOWN if name in response.headers]
        body = await self._body(response, self.limit if fine else min(self.limit, _ERROR))
        text = hidden("\n".join(head), self._secrets) + (f"\n\n{body}" if body else "")
        if fine:
            return text
        if effect == "once" and status not in REFUSED | _MOVED_UNDONE:
            raise Unanswered(f"{place} was answered with {text}")
        note = " (redirects to other places are not followed)" if status in _REDIRECTS else ""
        raise ToolError(f"Error: {place} was refused{note}: {text}")

    async def _body(self, response: httpx2.Response, limit: int) -> str:
        """Return a body as text; what it is not shown of it is said."""
        kind = response.headers.get("content-type", "")
        packed = response.headers.get("content-encoding", "identity")
        if packed.strip().lower() != "identity":
            return f"(the body is packed as {packed[:20]}, though none was asked for: it is not shown)"
        if not _TEXT.match(kind.lower()):
            return f"(the body is {kind[:100]}, no text: it is not shown)"
        read, note = bytearray(), ""
        most = limit + max(map(len, self._secrets), default=0)  # so that a key at the cut is seen whole
        try:
            async for piece in response.aiter_raw():
                read += piece
                if len(read) > most:
                    break
        except httpx2.HTTPError as error:
            note = f"\n(the connection broke here: {type(error).__name__})"
        text = hidden(bytes(read[:most]).decode(_charset(kind), "replace"), self._secrets)
        if len(read) > limit:
            text = text.encode("utf-8")[:limit].decode("utf-8", "ignore")
            note = f"\n(cut: the first {limit} bytes are shown; ask for less, or for the next page)"
        return text + note


def _is_post(method: str) -> bool:
    return method in {"POST", "PATCH"}


def _charset(kind: str) -> str:
    found = re.search(r"charset=\"?([\w-]{1,20})", kind)
    return found[1] if found and _CHARSETS.fullmatch(found[1]) else "utf-8"
