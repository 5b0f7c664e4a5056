"""What stands under the SDK's client: two transports, of which a service and its caller see no difference."""

import gzip
import json
import sys
import zlib
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.streams.tls import TLSListener

from agentkit.core.contract import Contract
from agentkit.errors import BadRequest, ConfigurationError, Unreachable
from agentkit.models import Model, openai
from agentkit.models.base import Answered, Body
from agentkit.models.endpoint import Connection, connection
from tests.library.web import certificate
from tests.models.conftest import RawServer

pytestmark = pytest.mark.anyio

BOTH = pytest.mark.usefixtures("transport")
BODY = Body(b'{"model":"m"}', [b'{"role":"user","content":"hey"}'])
WHOLE = json.dumps({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}).encode()
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy but a test's own."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


async def ask(base_url: str, *, stream: bool = False, **options: Any) -> str | None:
    model = Model("m", base_url=base_url, **options)
    reply = await model.call(BODY, Contract(id="row"), list[Any]().append if stream else None)
    assert isinstance(reply, Answered), reply
    return reply.message.text


async def exchange(base_url: str, silence: float = 5) -> bytes:
    """Ask once, whatever comes."""
    return (await openai.exchange(openai.Recipient("m", base_url, {}, silence), "/chat/completions", b"{}")).content


def under(through: Connection) -> str:
    """Return the module of what sends."""
    return type(through.sender).__module__


async def test_aiohttp_is_used_by_itself_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AGENTKIT_TRANSPORT", raising=False)
    assert under(await connection("http://127.0.0.1:1/v1")) == "agentkit.models.aio"
    assert under(await connection("https://service.example/v1")) == "agentkit.models.aio"
    monkeypatch.setenv("AGENTKIT_TRANSPORT", "httpx")
    assert under(await connection("http://127.0.0.1:2/v1")) == "agentkit.models.endpoint"


async def test_where_it_is_not_installed_httpx_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AGENTKIT_TRANSPORT", raising=False)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "aiohttp", raising=False)
    assert under(await connection("http://127.0.0.1:1/v1")) == "agentkit.models.endpoint"
    monkeypatch.setenv("AGENTKIT_TRANSPORT", "aiohttp")
    with pytest.raises(ConfigurationError, match=r"pip install 'agentkit-reasoning\[fast\]'"):
        await connection("http://127.0.0.1:2/v1")


async def test_a_transport_nobody_knows_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTKIT_TRANSPORT", "curl")
    with pytest.raises(ConfigurationError, match="AGENTKIT_TRANSPORT is httpx, aiohttp or empty, not 'curl'"):
        await ask("http://127.0.0.1:1/v1")


@BOTH
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_in_an_event_loop_that_aiohttp_does_not_know_httpx_sends(
    serving: Any, http: Any, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(http(WHOLE)) as server:
        if transport == "aiohttp":
            with pytest.raises(ConfigurationError, match="it knows asyncio's only"):
                await ask(server.base_url)
        monkeypatch.delenv("AGENTKIT_TRANSPORT")
        assert await ask(server.base_url) == "Hi"


@BOTH
async def test_packed_answers_are_unpacked(serving: Any, stream: Any) -> None:
    event = b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    whole, packed = gzip.compress(WHOLE), zlib.compress(event)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    streamed = stream(packed[:7], 0.02, packed[7:])
    streamed[0] = streamed[0].replace(b"\r\n\r\n", b"\r\nContent-Encoding: deflate\r\n\r\n")
    async with serving([head % len(whole) + whole], streamed) as server:
        assert await ask(server.base_url) == "Hi"
        assert await ask(server.base_url, stream=True) == "Hi"


@BOTH
async def test_what_is_no_packed_answer_is_an_error_and_no_crash(serving: Any, http: Any) -> None:
    async with serving(http(b"not packed", headers="Content-Encoding: gzip\r\n")) as server:
        with pytest.raises(Unreachable, match="incorrect header check"):
            await exchange(server.base_url)


@BOTH
async def test_a_cookie_of_a_service_never_goes_back(serving: Any, http: Any) -> None:
    async with serving(http(WHOLE, headers="Set-Cookie: who=first; Path=/\r\n")) as server:
        for key in ("first", "second"):
            await ask(server.base_url, api_key=key)
        await exchange(server.base_url)
        assert len(server.heard) == 3
        assert [heard.headers for heard in server.heard if "cookie" in heard.headers] == []


@BOTH
async def test_one_exchange_the_sdks_own_way_goes_through_the_same_transport(serving: Any, http: Any) -> None:
    async with serving(http(WHOLE, headers="X-Served-By: us\r\n"), http(b"no", status="418 Teapot")) as server:
        to = openai.Recipient("m", server.base_url, {"Authorization": "Bearer k-1"}, 5)
        found = await openai.exchange(to, "/chat/completions", b"{}")
        assert (found.status, found.content, found.headers["x-served-by"]) == (200, WHOLE, "us")
        refused = await openai.exchange(to, "/chat/completions", b"{}")
        assert (refused.status, refused.content) == (418, b"no")
        assert server.connections == 1
        assert server.heard[0].headers["authorization"] == "Bearer k-1"


@BOTH
async def test_a_refusal_gives_the_connection_back(serving: Any, http: Any) -> None:
    async with serving(http(b'{"error":{"message":"no"}}', status="400 Bad"), http(WHOLE)) as server:
        with pytest.raises(BadRequest, match="no"):
            await ask(server.base_url)
        assert await ask(server.base_url) == "Hi"
        assert server.connections == 1


@BOTH
async def test_what_is_no_http_is_no_answer(serving: Any) -> None:
    async with serving([b"SSH-2.0-OpenSSH_9.6\r\n", None]) as server:
        with pytest.raises(Unreachable, match="RemoteProtocolError"):
            await exchange(server.base_url)


@BOTH
async def test_silence_before_the_answer_is_a_time_out(serving: Any) -> None:
    async with serving([30.0]) as server:
        with pytest.raises(Unreachable, match="ReadTimeout"):
            await exchange(server.base_url, 0.1)


@BOTH
async def test_a_certificate_that_nobody_believes_is_refused_and_one_of_the_systems_is_not(
    tmp_path: Path, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = certificate(tmp_path, "localhost")
    server = RawServer([http(WHOLE)])
    handle: Any = server.handle  # it is written for plain streams
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as plain, anyio.create_task_group() as tasks:
        port = plain.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - not Django's
        listener = TLSListener(plain, ours, standard_compatible=False)
        tasks.start_soon(listener.serve, handle)
        with pytest.raises(Unreachable, match=r"ConnectError: .*certificate verify failed"):
            await exchange(f"https://localhost:{port}/v1")
        assert server.heard == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
        assert await ask(f"https://localhost:{port}/believed") == "Hi"
        tasks.cancel_scope.cancel()


@BOTH
async def test_a_proxy_of_the_environment_stands_between_but_not_on_this_machine(
    serving: Any, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(http(WHOLE)) as proxy, serving(http(WHOLE)) as server:
        monkeypatch.setenv("http_proxy", proxy.base_url.removesuffix("/v1"))
        assert await ask(server.base_url) == "Hi"
        assert proxy.heard == []
        assert await ask("http://service.example/v1") == "Hi"
        assert proxy.heard[0].head.startswith("POST http://service.example/v1/chat/completions HTTP/1.1")
