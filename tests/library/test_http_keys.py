"""Where the headers of a person go, that no answer shows them, and what is refused before anything is sent."""

from typing import Any

import pytest

from agentkit import ToolContext, ToolError
from agentkit.errors import ConfigurationError
from agentkit_tools import http
from agentkit_tools._public import is_public
from tests.library.web import TLS, certificate, made, moved, names, ok, serving

pytestmark = pytest.mark.anyio
KEY = "Bearer tok-123456789"


async def test_a_key_goes_to_one_port_and_scheme_only() -> None:
    async with serving() as server, serving() as other:
        hosts = [f"http://a.example:{each.port}" for each in (server, other)]
        options: dict[str, Any] = {
            "allow_private": [f"127.0.0.1:{each.port}" for each in (server, other)],
            "network": names(a_example=["127.0.0.1"]),
        }
        (get,) = http.tools(hosts, headers={hosts[0]: {"Authorization": KEY}}, **options)
        server.answers["/"] = moved(f"{hosts[1]}/")
        other.answers["/"] = ok(b"hello")
        assert (await get(f"{hosts[0]}/")).endswith("hello")
        assert KEY.encode() in server.asked[0]
        assert b"tok-" not in other.asked[0]
        (get,) = http.tools(hosts, headers={"a.example": {"Authorization": KEY}}, **options)  # that is https
        server.answers["/"] = ok(b"hello")
        assert (await get(f"{hosts[0]}/")).endswith("hello")
        assert b"tok-" not in server.asked[-1]


async def test_a_key_is_not_shown_by_an_answer_that_repeats_it() -> None:
    async with serving() as server:
        given = {"Authorization": KEY, "X-Api-Key": "k-987654321", "Accept": "text/plain"}
        (get,) = made(server, headers={server.url: given}, limits=http.Limits(bytes=100)).values()
        server.answers |= {
            "/": ok(f"you said {KEY}, or tok-123456789, and k-987654321 for text/plain".encode()),
            "/cut": ok(b"x" * 95 + b"tok-123456789" + b"y" * 500),
            "/wide": ok("é".encode() * 40 + b"x" * 15 + b"tok-123456789" + "é".encode() * 500),
            "/kind": ok(b"", kind=f"text/{KEY}"),
        }
        assert (await get(f"{server.url}/")).endswith("you said [key], or [key], and [key] for text/plain")
        cut = await get(f"{server.url}/cut")
        assert cut.endswith("x" * 95 + "[key]\n(cut: the first 100 bytes are shown)")
        assert "[key]\n(cut" in await get(f"{server.url}/wide")
        assert "tok-" not in await get(f"{server.url}/kind")


@pytest.mark.parametrize("kind", [" text/plain", "text/\x01plain", "text/plain\x7f", "text/plain ", "text/é"])
async def test_what_cannot_be_sent_is_refused_and_not_unknown(kind: str) -> None:
    async with serving() as server:
        _, post = made(server, write=["POST"]).values()
        with pytest.raises(ToolError, match="no content type"):
            await post(ToolContext(None), f"{server.url}/", "{}", kind)
        with pytest.raises(ToolError, match="half a surrogate pair"):
            await post(ToolContext(None), f"{server.url}/", "agreed to\ud800")
        assert server.asked == []


async def test_an_address_of_a_networks_own_translation_is_not_public() -> None:
    assert not is_public("64:ff9b:1:7f00:0:100:808:808")  # 127.0.0.1, by a prefix of 48 bits


async def test_settings_that_would_never_work_are_told() -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"headers": {"*.example.org": {}}}, "is sent to one: name it"),
        ({"headers": {"https://api.example.org/v1": {}}}, "is no host"),
        ({"allow": ["\U0001f4a9-.org"]}, "is no host"),
        *(
            ({"allow_private": [each]}, "is no address and port")
            for each in ("localhost:80", "127.0.0.1", "::1:80", "")
        ),
    ]
    for options, words in wrong:
        with pytest.raises(ConfigurationError, match=words):
            http.tools(**({"allow": ["api.example.org"]} | options))
    assert http.tools(["[::1]:8000"], allow_private=["[::1]:8000"])
    for allowed in ("https://odd.example:80", "http://[::1]:81"):
        (get,) = http.tools([allowed], network=http.Network(tls=TLS))
        with pytest.raises(ToolError) as refused:
            await get("https://x.example/")
        assert f"Allowed are: {allowed}." in str(refused.value)


async def test_a_wrong_certificate_is_named(tmp_path: Any) -> None:
    ours, theirs = certificate(tmp_path, "shop.example")
    async with serving(ours) as server:
        network = http.Network(resolve=names(evil_example=["127.0.0.1"]).resolve, tls=theirs)
        host = f"evil.example:{server.port}"
        (get,) = http.tools([host], allow_private=[f"127.0.0.1:{server.port}"], network=network)
        with pytest.raises(ToolError, match="certificate"):
            await get(f"https://{host}/")
