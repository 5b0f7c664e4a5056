"""The http tools: what they do, and the list of attacks on them. Servers are real ones, on loopback."""

import gzip
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit import ToolContext, ToolError
from agentkit.errors import ConfigurationError
from agentkit_tools import http
from tests.library.web import TLS, Server, certificate, made, moved, names, ok, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as started:
        yield started


async def test_each_does_its_work(server: Server) -> None:
    server.answers = {"/a?b=1": ok(b'{"n": 1}', kind="application/json; charset=utf-8"), "/new": ok(b"made")}
    tools = made(server, write=["POST", "PUT", "DELETE"])
    said = await tools["http_get"](f"{server.url}/a?b=1")
    assert said == '200 OK, application/json; charset=utf-8\n\n{"n": 1}'
    assert (await tools["http_get"](f"{server.url}/b")).startswith("404 Not Found, text/plain\n\nnothing here")
    context = ToolContext(None, idempotency_key="u/2.1.0")
    assert (await tools["http_post"](context, f"{server.url}/new", "{}")).endswith("\n\nmade")
    assert b"idempotency-key: u/2.1.0" in server.asked[-1].lower()
    assert (await tools["http_put"](f"{server.url}/new", "x", "text/plain")).endswith("made")
    assert b"content-type: text/plain" in server.asked[-1].lower()
    assert (await tools["http_delete"](f"{server.url}/new")).endswith("made")
    assert [each.split()[0] for each in server.asked] == [b"GET", b"GET", b"POST", b"PUT", b"DELETE"]


async def test_effects_and_approvals_are_as_declared(server: Server) -> None:
    told = {
        name: (each.effect, each.declared.needs_approval, each.declared.untrusted)
        for name, each in made(server, write=["POST", "PUT", "DELETE"]).items()
    }
    assert told == {
        "http_get": ("read", False, True),
        "http_post": ("once", True, True),
        "http_put": ("idempotent", True, True),
        "http_delete": ("idempotent", True, True),
    }
    assert list(made(server)) == ["http_get"]


NOT_ALLOWED = [
    *("https://evil.example/", "http://api.example.org/", "https://api.example.org:444/", "https://x.api.example.org/"),
    *("https://api.example.org.evil.example/", "https://evil.example/api.example.org", "ftp://api.example.org/"),
    *(
        "file:///etc/passwd",
        "https://",
        "",
        "api.example.org",
        "//api.example.org/",
        "https:api.example.org",
        "gopher://x",
    ),
    *(
        "https://api.example.org\\@evil.example/",
        "https://evil.example#@api.example.org/",
        "https://evil.example?@api.example.org",
    ),
    *("https://user:password@api.example.org/", "https://api.example.org@evil.example/", "https://a\r\nb/"),
    *("https://api.example.org/" + "x" * 5000, "https://[::1]/", "https://127.0.0.1/", "https://2130706433/"),
    *(
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25lo]/",
    ),
    *(
        "https://\u24d0pi.example.org.evil.example/",
        "https://api.example.org:99999/",
        "https://api.example.org:-1/",
        "javascript:1",
    ),
]


@pytest.mark.parametrize("url", NOT_ALLOWED, ids=lambda url: ascii(url[:40]))
async def test_only_hosts_of_the_allow_list_are_asked(url: str) -> None:
    (get,) = http.tools(["api.example.org"], network=names())  # asking for an address would fail: no name is known
    with pytest.raises(ToolError, match=r"Allowed are: https://api\.example\.org\.|Leave the name and password out"):
        await get(url)


@given(
    url=st.one_of(
        st.text(), st.text().map(lambda x: f"https://{x}"), st.text().map(lambda x: f"https://api.example.org{x}")
    )
)
@settings(max_examples=40, deadline=None)
def test_only_hosts_of_the_allow_list_are_asked_by_fuzzing(url: str) -> None:
    asked: list[tuple[str, int]] = []

    async def resolve(host: str, port: int) -> tuple[str, ...]:
        asked.append((host, port))
        raise ToolError("no network here")

    (get,) = http.tools(["api.example.org"], network=http.Network(resolve=resolve, tls=TLS))
    with pytest.raises(ToolError):
        anyio.run(get, url)
    assert {(host.rstrip("."), port) for host, port in asked} <= {("api.example.org", 443)}


SPELLINGS = [
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "017700000001",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "127.1",
    "localhost",
    "[::1]",
]


@pytest.mark.parametrize("host", [*SPELLINGS, "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0", "127.0.0.1.", "LOCALHOST"])
async def test_no_spelling_of_an_address_gets_past_any_host(server: Server, host: str) -> None:
    server.answers["/"] = ok(b"secret")
    (get,) = http.tools(
        [f"http://*:{server.port}"], network=http.Network(tls=TLS)
    )  # any host, on that port, by the system's own resolver
    with pytest.raises(ToolError, match=r"is not public|has no address|no URL"):
        await get(f"http://{host}:{server.port}/")
    assert server.asked == []


async def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_connected_to(server: Server) -> None:
    server.answers["/"] = ok(b"hello")
    private = ["127.0.0.1:" + str(server.port)]
    # The second answer is the attack; were the name asked for again at the connection, it would lead there.
    network = names(shop_example=["127.0.0.1", "127.0.0.2"])
    (get,) = http.tools([f"http://shop.example:{server.port}"], allow_private=private, network=network)
    assert (await get(f"http://shop.example:{server.port}/")).endswith("hello")
    assert f"host: shop.example:{server.port}".encode() in server.asked[0].lower()
    with pytest.raises(ToolError, match="not public"):  # a new call asks again, and checks again
        await get(f"http://shop.example:{server.port}/")


async def test_each_hop_of_a_redirect_is_checked_again(server: Server) -> None:
    (get,) = made(
        server,
        allow=[server.url, "http://127.0.0.1:9", "http://shop.example"],
        network=names(**{"127_0_0_1": ["127.0.0.1"], "shop_example": ["169.254.169.254"]}),
    ).values()
    server.answers |= {
        "/fine": moved("/there"),
        "/there": ok(b"here"),
        "/out": moved("https://evil.example/"),
        "/file": moved("file:///etc/passwd"),
        "/port": moved("http://127.0.0.1:9/"),
        "/cloud": moved("http://shop.example/latest/meta-data"),
        "/user": moved(f"http://a:b@127.0.0.1:{server.port}/there"),
        "/round": moved("/round"),
    }
    assert await get(f"{server.url}/fine") == f"200 OK, text/plain (at {server.url}/there)\n\nhere"
    for path, words in (
        ("out", "'https://evil.example/' is not allowed. Allowed are: http"),
        ("file", "is not allowed"),
        ("port", "not public"),
        ("cloud", "not public"),
        ("user", "Leave the name and password out"),
        ("round", "redirects more than 5 times"),
    ):
        with pytest.raises(ToolError, match=words):
            await get(f"{server.url}/{path}")


async def test_a_persons_headers_go_to_their_host_only(server: Server) -> None:
    async with serving() as other:
        options = {
            "allow": [f"http://a.example:{server.port}", f"http://b.example:{other.port}"],
            "allow_private": [f"127.0.0.1:{server.port}", f"127.0.0.1:{other.port}"],
            "headers": {f"http://A.example:{server.port}": {"Authorization": "Bearer key-1"}},
            "network": names(a_example=["127.0.0.1"], b_example=["127.0.0.1"]),
        }
        (get,) = http.tools(**options)  # type: ignore[arg-type]
        server.answers["/"] = moved(f"http://b.example:{other.port}/")
        other.answers["/"] = ok(b"hello")
        assert "key-1" not in await get(f"http://a.example:{server.port}/")
        assert b"Bearer key-1" in server.asked[0]
        assert b"Bearer" not in other.asked[0]


async def test_what_is_sent_is_not_sent_on(server: Server) -> None:
    server.answers["/new"] = moved("/there")
    (_, put) = made(server, write=["PUT"]).values()
    assert (await put(f"{server.url}/new", "x")).startswith("302 Found, text/plain (it redirects to '/there')")
    assert len(server.asked) == 1
    with pytest.raises(ToolError, match="at most 1000000 bytes can be sent"):
        await put(f"{server.url}/new", "x" * 1_000_001)
    with pytest.raises(ToolError, match="no content type"):
        await put(f"{server.url}/new", "x", "text/plain\r\nHost: evil.example")


async def endless(stream: ByteStream) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        await stream.send(b"x" * 65_536)


async def endless_header(stream: ByteStream) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        await stream.send(b"x" * 65_536)


async def drop_by_drop(stream: ByteStream) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        await stream.send(b"x")
        await anyio.sleep(0.02)


async def test_answers_without_an_end_are_cut(server: Server) -> None:
    server.answers |= {"/": endless, "/header": endless_header, "/drops": drop_by_drop}
    (get,) = made(server).values()
    (hasty,) = made(server, limits=http.Limits(seconds=0.3)).values()
    said = await get(f"{server.url}/")
    assert said.endswith("x\n(cut: the first 200000 bytes are shown)")
    assert len(said) < 200_100
    begun = time.monotonic()
    with pytest.raises(ToolError, match="gave no answer"):
        await get(f"{server.url}/header")
    with pytest.raises(ToolError, match=r"took longer than the 0.3 s allowed"):
        await hasty(f"{server.url}/drops")
    assert time.monotonic() - begun < 5


def bomb(rounds: int) -> bytes:
    """Pack so many megabytes of zeros, each into a kilobyte."""
    pack = zlib.compressobj(wbits=31)
    piece = bytes(1 << 20)
    return b"".join([*(pack.compress(piece) for _ in range(rounds)), pack.flush()])


async def test_bombs_do_not_go_off(server: Server) -> None:
    server.answers |= {
        "/bomb": ok(bomb(64), "Content-Encoding: gzip"),
        "/fine": ok(gzip.compress(b"hello"), "Content-Encoding: gzip"),
        "/deflate": ok(zlib.compress(b"hello"), "Content-Encoding: deflate"),
        "/lie": ok(b"hello", "Content-Encoding: gzip"),
        "/br": ok(b"hello", "Content-Encoding: br"),
        "/twice": ok(gzip.compress(gzip.compress(b"x")), "Content-Encoding: gzip, gzip"),
        "/png": ok(b"\x89PNG", kind="image/png"),
        "/zip": ok(b"x\x9c", kind="text/plain; charset=zlib"),
        "/latin": ok(b"caf\xe9", kind='text/html; charset="iso-8859-1"'),
    }
    (get,) = made(server).values()
    tracemalloc.start()
    try:
        assert (await get(f"{server.url}/bomb")).endswith("\0\n(cut: the first 200000 bytes are shown)")
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    for path in ("fine", "deflate"):
        assert (await get(f"{server.url}/{path}")).endswith("\n\nhello")
    with pytest.raises(ToolError, match="says that it is gzip, and it is not"):
        await get(f"{server.url}/lie")
    for path in ("br", "twice"):
        with pytest.raises(ToolError, match="though we asked for a plain one"):
            await get(f"{server.url}/{path}")
    assert (await get(f"{server.url}/png")).endswith("(no text: only text, JSON, XML and the like are shown)")
    assert "\n\nx" in await get(f"{server.url}/zip")
    assert (await get(f"{server.url}/latin")).endswith("café")


async def test_a_certificate_is_one_of_the_name_and_not_of_the_address(tmp_path: Path) -> None:
    ours, theirs = certificate(tmp_path, "shop.example")
    async with serving(ours) as server:
        server.answers["/"] = ok(b"hello")
        options: dict[str, Any] = {"allow_private": [f"127.0.0.1:{server.port}"]}
        network = names(shop_example=["127.0.0.1"], evil_example=["127.0.0.1"])
        options["network"] = http.Network(resolve=network.resolve, tls=theirs)
        allow = [f"shop.example:{server.port}", f"evil.example:{server.port}"]
        (get,) = http.tools(allow, **options)
        assert (await get(f"https://shop.example:{server.port}/")).endswith("hello")
        with pytest.raises(ToolError, match="does not take a connection"):
            await get(f"https://evil.example:{server.port}/")


async def test_nothing_listens(server: Server) -> None:
    (get,) = made(server, allow=["http://127.0.0.1:1"], allow_private=["127.0.0.1:1"]).values()
    with pytest.raises(ToolError, match="does not take a connection"):
        await get("http://127.0.0.1:1/")


async def cut_off(stream: ByteStream) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhal")


async def test_a_post_that_was_cut_off_is_not_said_to_have_failed(server: Server) -> None:
    server.answers |= {"/cut": cut_off, "/drops": drop_by_drop}
    (get, post) = made(server, write=["POST"], limits=http.Limits(seconds=0.3)).values()
    for path in ("cut", "drops"):
        with pytest.raises(Exception, match=r".*") as raised:
            await post(ToolContext(None), f"{server.url}/{path}", "{}")
        assert not isinstance(raised.value, ToolError), "a ToolError is proof that nothing happened"
    with pytest.raises(ToolError, match="gave no answer"):
        await get(f"{server.url}/cut")


async def test_proxies_of_the_environment_are_not_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as proxy:
        for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy.url)
        server.answers["/"] = ok(b"hello")
        (get,) = made(server).values()
        assert (await get(f"{server.url}/")).endswith("hello")
        assert proxy.asked == []


@pytest.mark.parametrize("entry", ["", "https://", "a b", "x/y", "user@host", "ftp://x", "a*b", "*.*", "x:port"])
async def test_an_entry_that_is_no_host_is_refused(entry: str) -> None:
    with pytest.raises(ConfigurationError, match="is no host"):
        http.tools([entry])
    with pytest.raises(ConfigurationError, match="list of hosts"):
        http.tools("api.example.org")
    with pytest.raises(ConfigurationError, match="POST, PUT, DELETE"):
        http.tools(["x"], write=["PATCH"])  # type: ignore[list-item]


async def test_hosts_below_one_are_allowed_by_a_star() -> None:
    (get,) = http.tools(["*.example.org"], network=names(a_example_org=["10.0.0.1"]))
    with pytest.raises(ToolError, match="not public"):  # allowed by name, refused by address
        await get("https://a.example.org/")
    for host in ("example.org", "aexample.org", "a.example.org.evil.example"):
        with pytest.raises(ToolError, match="is not allowed"):
            await get(f"https://{host}/")
    assert not ip_address("10.0.0.1").is_global
