"""Web requests to hosts that you name: `http_get`, and where you say so `http_post`, `http_put` and `http_delete`.

Only hosts of the allow-list are asked, over TLS unless you wrote http://, and only at public addresses: neither a name,
nor an answer of a name server, nor a redirect leads to this machine, its network or its cloud's own services. What
comes back is text of a bounded size, and untrusted.
"""

import re
import zlib
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Literal, TypeAlias

import httpx2
from anyio import fail_after

from agentkit import Tool, ToolContext, ToolError, tool
from agentkit.errors import ConfigurationError
from agentkit_tools._connecting import Network, Pinned
from agentkit_tools._public import place

__all__ = ["Limits", "Network", "tools"]

Method: TypeAlias = Literal["POST", "PUT", "DELETE"]
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TEXT = re.compile(r"text/|application/(.*\+)?(json|xml|yaml|javascript|x-ndjson|x-www-form-urlencoded)\b")
_CHARSETS = re.compile(
    r"(utf-?8|utf-?16(-?[bl]e)?|us-ascii|iso-8859-\d+|windows-\d+|shift_jis|euc-\w+|gb\w+|big5|koi8-\w)"
)
_ENTRY = re.compile(
    r"((?P<scheme>https?)://)?(?P<host>\*|(\*\.)?[^/:@?#\s\[\]*]+|\[[0-9a-fA-F:.]+\])(:(?P<port>\d{1,5}))?"
)
_LONGEST = 4000  # characters of a URL
_PORTS = {"http": 80, "https": 443}
_PROVING = re.compile("auth|key|token|secret|cookie|session|password", re.IGNORECASE)  # names of headers
_SHORTEST = 8  # characters of what is looked for in answers: what is shorter occurs by chance


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one call may take.

    Attributes:
        seconds: all of it together, redirects too. bytes: of a body, after it is unpacked.
        redirects: followed by a GET. sent: bytes of a body that is sent.
    """

    seconds: float = 20.0
    bytes: int = 200_000
    redirects: int = 5
    sent: int = 1_000_000


def tools(
    allow: Collection[str],
    *,
    write: Collection[Method] = (),
    headers: Mapping[str, Mapping[str, str]] | None = None,
    allow_private: Collection[str] = (),
    limits: Limits | None = None,
    network: Network | None = None,
) -> tuple[Tool[object, Any, Any], ...]:
    """Return the tools for requests to some hosts.

    Args:
        allow: hosts: "api.example.org" (https, port 443), "api.example.org:8443", "http://old.example.org" (plain),
            "*.example.org" (all below it), "*" (any public host).
        write: which of POST (`once`, asks a person), PUT and DELETE (`idempotent`, ask a person) there are.
        headers: what is sent to a host, such as {"api.example.org": {"Authorization": …}}, written as in the allow-list
            and without a star. It goes to that host, port and scheme only, also after a redirect.
        allow_private: "address:port" on this machine or network that may be reached, for tests and development. The
            allow-list has to name them too.
        limits: how much one call may take.
        network: how names are resolved and whose certificates are believed.

    Raises:
        ConfigurationError: an entry is no host, or no address and port, or a method is not known.
    """
    if strange := set(write) - {"POST", "PUT", "DELETE"}:
        raise ConfigurationError(f"write={sorted(strange)}: the methods that change something are POST, PUT, DELETE.")
    if isinstance(allow, str) or not allow:
        raise ConfigurationError('allow is a list of hosts, such as ["api.example.org"].')
    given = {_one_host(host): dict(each) for host, each in (headers or {}).items()}
    private = frozenset(map(_private, allow_private))
    web = Web(tuple(map(_allowed, allow)), given, private, limits or Limits(), network or Network())
    made: dict[str, Tool[Any, Any, Any]] = {
        "POST": tool(effect="once", needs_approval=True, untrusted=True)(web.http_post),
        "PUT": tool(effect="idempotent", needs_approval=True, untrusted=True)(web.http_put),
        "DELETE": tool(effect="idempotent", needs_approval=True, untrusted=True)(web.http_delete),
    }
    get: Tool[Any, Any, Any] = tool(effect="read", untrusted=True)(web.http_get)
    return (get, *(each for method, each in made.items() if method in write))


@dataclass(frozen=True)
class Entry:
    """One entry of the allow-list. `host` may begin with "*."; "*" is any."""

    scheme: str
    host: str
    port: int

    def fits(self, url: httpx2.URL) -> bool:
        """Tell whether a URL is one of those it allows."""
        port = url.port or _PORTS[url.scheme]
        host = url.raw_host.decode("ascii").lower().rstrip(".")
        below = self.host.startswith("*.") and host.endswith(self.host[1:])
        return (url.scheme, port) == (self.scheme, self.port) and (below or self.host in {"*", host})

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")


def _allowed(entry: str) -> Entry:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        raise ConfigurationError(
            f'allow={entry!r} is no host: write "api.example.org", "http://host:8000" or "*.example.org".'
        )
    scheme = found["scheme"] or "https"
    wild = "*." if found["host"].startswith("*.") else ""
    host = found["host"]
    if host != "*":
        try:
            url = httpx2.URL(f"https://{host.removeprefix('*.')}")
        except httpx2.InvalidURL as error:
            raise ConfigurationError(f"allow={entry!r} is no host: {error}") from error
        host = wild + url.raw_host.decode("ascii").lower().rstrip(".")
    return Entry(scheme, host, int(found["port"] or _PORTS[scheme]))


def _one_host(entry: str) -> Entry:
    if "*" in entry:
        raise ConfigurationError(f"headers={{{entry!r}: …}}: what is sent to a host is sent to one: name it.")
    return _allowed(entry)


def _private(entry: str) -> str:
    address, _, port = entry.rpartition(":")
    try:
        if place(str(ip_address(address.strip("[]"))), int(port)) == entry:
            return entry
    except ValueError:
        pass
    raise ConfigurationError(f'allow_private={entry!r} is no address and port: write "127.0.0.1:8000" or "[::1]:8000".')


@dataclass(frozen=True)
class Web:
    """The bodies of the tools."""

    allow: tuple[Entry, ...]
    headers: Mapping[Entry, Mapping[str, str]]
    private: frozenset[str]
    limits: Limits
    network: Network

    async def http_get(self, url: str) -> str:
        """Get what is at a URL, as text.

        Args:
            url: the whole address, with https:// and without a name or password.
        """
        try:
            with fail_after(self.limits.seconds):
                return await self._get(url)
        except TimeoutError as error:
            raise ToolError(f"{_shown(url)} took longer than the {self.limits.seconds:g} s allowed.") from error
        except httpx2.HTTPError as error:
            raise ToolError(f"{_shown(url)} gave no answer ({type(error).__name__}).") from error

    async def http_post(
        self, ctx: ToolContext[object], url: str, body: str, content_type: str = "application/json"
    ) -> str:
        """Send something to a URL with POST; each call does it again.

        Args:
            ctx: filled by agentkit.
            url: the whole address, with https:// and without a name or password.
            body: what is sent.
            content_type: what it is.
        """
        return await self._send(
            "POST", url, body, {"Content-Type": content_type, "Idempotency-Key": ctx.idempotency_key}
        )

    async def http_put(self, url: str, body: str, content_type: str = "application/json") -> str:
        """Put something at a URL, in place of what was there.

        Args:
            url: the whole address, with https:// and without a name or password.
            body: what is sent.
            content_type: what it is.
        """
        return await self._send("PUT", url, body, {"Content-Type": content_type})

    async def http_delete(self, url: str) -> str:
        """Delete what is at a URL.

        Args:
            url: the whole address, with https:// and without a name or password.
        """
        return await self._send("DELETE", url, "", {})

    async def _get(self, url: str) -> str:
        target = self._checked(url)
        for _ in range(self.limits.redirects + 1):
            async with self._asked("GET", target) as answer:
                onward = answer.headers.get("location")
                if answer.status_code not in _REDIRECTS or onward is None:
                    return await self._told(answer, "" if str(target) == url else f" (at {target})")
                target = self._checked(onward, target)
        raise ToolError(f"{_shown(url)} redirects more than {self.limits.redirects} times.")

    async def _send(self, method: str, url: str, body: str, headers: Mapping[str, str]) -> str:
        """Send once. A redirect is told, not followed: what is sent was agreed to for one place."""
        target = self._checked(url)
        try:
            data = body.encode()
        except UnicodeEncodeError as error:
            raise ToolError("The body holds half a surrogate pair, which is no character.") from error
        if len(data) > self.limits.sent:
            raise ToolError(f"A body of at most {self.limits.sent} bytes can be sent; that is {len(data)}.")
        if any(not each.isascii() or not each.isprintable() or each != each.strip() for each in headers.values()):
            raise ToolError("That is no content type: write one such as application/json.")
        with fail_after(self.limits.seconds):
            async with self._asked(method, target, data, headers) as answer:
                onward = answer.headers.get("location") if answer.status_code in _REDIRECTS else None
                return await self._told(answer, f" (it redirects to {_shown(onward)})" if onward else "")

    def _checked(self, text: str, base: httpx2.URL | None = None) -> httpx2.URL:
        """Return a URL that the allow-list has. Raises: ToolError: it has not, or it is no URL."""
        told = "Allowed are: " + ", ".join(map(str, self.allow)) + "."
        if len(text) > _LONGEST or not text.isprintable() or "\\" in text:
            raise ToolError(
                f"That is no URL: it is longer than {_LONGEST} characters, or holds some that no URL has. {told}"
            )
        try:
            url = httpx2.URL(text) if base is None else base.join(text)
        except (httpx2.InvalidURL, ValueError) as error:
            raise ToolError(f"{_shown(text)} is no URL. {told}") from error
        if url.userinfo:
            raise ToolError("Leave the name and password out of the URL: none are sent that way.")
        if url.scheme not in {"http", "https"} or not url.raw_host or not any(each.fits(url) for each in self.allow):
            raise ToolError(f"{_shown(text)} is not allowed. {told}")
        return url

    @asynccontextmanager
    async def _asked(
        self, method: str, url: httpx2.URL, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[httpx2.Response]:
        own = self._own(url)
        sent = {"Accept-Encoding": "identity", "User-Agent": "agentkit-tools", **(headers or {}), **own}
        pinned = Pinned(self.network, self.private)
        timeout = httpx2.Timeout(self.limits.seconds)
        async with (
            httpx2.AsyncClient(transport=pinned, trust_env=False, follow_redirects=False, timeout=timeout) as client,
            client.stream(method, url, content=body or None, headers=sent) as answer,
        ):
            yield answer

    def _own(self, url: httpx2.URL) -> Mapping[str, str]:
        return next((given for entry, given in self.headers.items() if entry.fits(url)), {})

    async def _told(self, answer: httpx2.Response, where: str) -> str:
        """Return what the model reads of an answer; where that repeats what proves who asks, "[key]" stands."""
        secrets = tuple(_secrets(self._own(answer.request.url)))
        kind = answer.headers.get("content-type", "text/plain")
        head = _hidden(f"{answer.status_code} {answer.reason_phrase[:100]}, {kind[:100]}{where}", secrets)
        if not _TEXT.match(kind.lower()):
            return f"{head}\n(no text: only text, JSON, XML and the like are shown)"
        body = bytearray()
        limit = self.limits.bytes
        most = limit + max(map(len, secrets), default=0)  # so that a key at the cut is seen whole
        async for piece in _unpacked(answer, most):
            body += piece
            if len(body) > most:
                break
        found = re.search(r"charset=\"?([\w-]{1,20})", kind.lower())
        charset = found[1] if found and _CHARSETS.fullmatch(found[1]) else "utf-8"
        if len(body) <= limit:
            return f"{head}\n\n{_hidden(_decoded(bytes(body), charset), secrets)}"
        text = _hidden(_decoded(bytes(body[:most]), charset), secrets)
        text = text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
        return f"{head}\n\n{text}\n(cut: the first {limit} bytes are shown)"


async def _unpacked(answer: httpx2.Response, limit: int) -> AsyncIterator[bytes]:
    """Yield a body in pieces of at most `limit` bytes and one, however small it was packed."""
    packed = answer.headers.get("content-encoding", "identity").strip().lower()
    if packed in {"", "identity"}:
        async for piece in answer.aiter_raw(16_384):
            yield piece
        return
    if packed not in {"gzip", "x-gzip", "deflate"}:
        raise ToolError(f"The answer is packed ({packed[:20]}) though we asked for a plain one; gzip could be read.")
    unpack = zlib.decompressobj(zlib.MAX_WBITS | (32 if packed != "deflate" else 0))
    try:
        async for piece in answer.aiter_raw(16_384):
            yield unpack.decompress(piece, limit + 1)  # the rest stays packed: past the limit nobody asks for it
    except zlib.error as error:
        raise ToolError(f"The answer says that it is {packed}, and it is not.") from error


def _decoded(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset, "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _secrets(headers: Mapping[str, str]) -> Iterator[str]:
    """Yield what of a host's headers must not be shown: of those whose names say so, each word that is long enough."""
    for name, value in headers.items():
        if _PROVING.search(name):
            yield from (each for each in (value, *value.split()) if len(each) >= _SHORTEST)


def _hidden(text: str, secrets: Iterable[str]) -> str:
    for each in secrets:
        text = text.replace(each, "[key]")
    return text


def _shown(url: str) -> str:
    return ascii(url[:200])
