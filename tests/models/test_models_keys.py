"""Keys stay home: what is secret goes to its own host, encrypted, and into no text."""

import json
from typing import Any

import pytest

from agentkit.core.contract import Contract, Match
from agentkit.errors import AuthenticationFailed, ConfigurationError
from agentkit.models import Model
from agentkit.models.base import Answered, Body, Broken, Unusable

pytestmark = pytest.mark.anyio

BODY = Body(b'{"model":"m"}', [b'{"role":"user","content":"hey"}'])
WHOLE = json.dumps({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}).encode()
AMBIENT = {
    "OPENAI_API_KEY": "leak-key",
    "OPENAI_ADMIN_KEY": "leak-admin",
    "OPENAI_ORG_ID": "leak-org",
    "OPENAI_ORGANIZATION": "leak-organization",
    "OPENAI_PROJECT_ID": "leak-project",
    "OPENAI_BASE_URL": "https://leak.invalid/v1",
    "OPENAI_WEBHOOK_SECRET": "leak-webhook",
    "OPENAI_CUSTOM_HEADERS": "X-Leak: leak-custom\nAuthorization: Bearer leak-custom",
    "OPENAI_API_TYPE": "azure",
    "OPENAI_API_VERSION": "leak-version",
    "DEEPSEEK_API_KEY": "leak-deepseek",
}


@pytest.mark.parametrize("api_key", [None, "k-own"])
async def test_nothing_of_the_environment_reaches_another_host(
    serving: Any, http: Any, monkeypatch: pytest.MonkeyPatch, api_key: str | None
) -> None:
    for name, value in AMBIENT.items():
        monkeypatch.setenv(name, value)
    async with serving(http(WHOLE)) as server:
        for contract in ("auto", "deepseek-v4"):
            model = Model("deepseek-flash", base_url=server.base_url, api_key=api_key, contract=contract)
            assert isinstance(await model.call(BODY, model.resolve(), None), Answered)
        for heard in server.heard:
            assert "leak" not in (heard.head + heard.body.decode()).lower()
            assert heard.headers.get("authorization") == (api_key and f"Bearer {api_key}")


async def test_a_proxy_does_not_hear_what_goes_to_this_machine(
    serving: Any, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(http(WHOLE)) as proxy, serving(http(WHOLE)) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url.removesuffix("/v1"))
        monkeypatch.setenv("NO_PROXY", "")
        model = Model("m", base_url=server.base_url, api_key="k-1")
        await model.call(BODY, model.resolve(), None)
        assert (len(proxy.heard), len(server.heard)) == (0, 1)


async def test_the_rows_key_goes_to_the_rows_own_host(serving: Any, http: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", " k-env\n")
    async with serving(http(WHOLE)) as server:
        row = Contract(id="row", match=Match(host=("127.0.0.1",)), base_url=server.base_url, api_key_env="MY_KEY")
        model = Model("m", contract=row)
        await model.call(BODY, row, None)
        assert server.heard[0].headers["authorization"] == "Bearer k-env"


async def test_a_header_of_ones_own_takes_the_place_of_the_key(
    serving: Any, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    async with serving(http(WHOLE)) as server:
        row = Contract(id="row", base_url=server.base_url, api_key_env="MY_KEY")
        await Model("m", contract=row, headers={"authorization": "Basic x"}).call(BODY, row, None)
        assert server.heard[0].headers["authorization"] == "Basic x"


async def test_a_row_that_names_no_variable_needs_no_key(serving: Any, http: Any) -> None:
    async with serving(http(WHOLE)) as server:
        row = Contract(id="row", base_url=server.base_url)
        assert isinstance(await Model("m", contract=row).call(BODY, row, None), Answered)
        assert "authorization" not in server.heard[0].headers


async def test_a_row_from_a_journal_cannot_name_another_variable(
    serving: Any, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_SECRET", "leak")
    async with serving(http(WHOLE)) as server:
        recorded = Contract(id="row", base_url=server.base_url, api_key_env="OTHER_SECRET")
        await Model("m", base_url=server.base_url).call(BODY, recorded, None)
        assert "authorization" not in server.heard[0].headers


async def test_a_missing_key_is_named_at_the_first_call_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    model = Model("deepseek-flash")
    row = model.resolve()
    with pytest.raises(ConfigurationError, match=r"set the environment variable DEEPSEEK_API_KEY, or give Model\("):
        await model.call(BODY, row, None)


@pytest.mark.parametrize(
    "options",
    [{"api_key": "k-1"}, {"headers": {"Authorization": "Bearer k-1"}}, {"headers": {"X-Api-Key": "k-1"}}],
)
def test_no_key_goes_over_plain_http_but_to_this_machine(options: Any) -> None:
    with pytest.raises(ConfigurationError, match="in the open") as caught:
        Model("m", base_url="http://192.168.1.5/v1", **options)
    assert "k-1" not in str(caught.value)
    for url in ("http://127.0.0.2:8000/v1", "http://localhost/v1", "http://[::1]:1/v1", "https://192.168.1.5/v1"):
        Model("m", base_url=url, **options)
    Model("m", base_url="http://192.168.1.5/v1", headers={"X-Team": "blue"})


@pytest.mark.parametrize("name", ["X-Mine\r\nX-More", "X Mine", "X-Mine:", "é", ""])
def test_a_header_has_a_name_that_can_be_sent(name: str) -> None:
    with pytest.raises(ConfigurationError, match="is no name of a header"):
        Model("m", base_url="http://127.0.0.1:1/v1", headers={name: "yes"})


def test_a_key_that_cannot_be_a_header_is_not_shown() -> None:
    for bad in ("k-1\n", " k-1", "k-é"):
        with pytest.raises(ConfigurationError, match="api_key holds characters") as caught:
            Model("m", base_url="https://x/v1", api_key=bad)
        assert bad.strip() not in str(caught.value)


async def test_a_key_that_the_service_repeats_is_struck_out(serving: Any, http: Any) -> None:
    body = b'{"error":{"message":"bad key k-very-secret and X-mine-too, service","type":"authentication_error"}}'
    async with serving(http(body, status="401 No")) as server:
        model = Model(
            "m",
            base_url=server.base_url,
            api_key="k-very-secret",
            headers={"X-Token": "X-mine-too", "X-Team": "service"},
        )
        with pytest.raises(AuthenticationFailed) as caught:
            await model.call(BODY, model.resolve(), None)
    error: BaseException | None = caught.value
    assert caught.value.provider_text == "bad key <secret> and <secret>, service"
    while error is not None:
        assert "k-very-secret" not in repr(error) + str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert "k-very-secret" not in repr(model)


async def test_each_cookie_is_struck_out(serving: Any, http: Any) -> None:
    body = b'{"error":{"message":"sid sid-4711 or id-4712 is old, service","type":"authentication_error"}}'
    async with serving(http(body, status="401 No")) as server:
        headers = {"Cookie": "sid=sid-4711; id=id-4712; team=service"}
        model = Model("m", base_url=server.base_url, headers=headers)
        with pytest.raises(AuthenticationFailed) as caught:
            await model.call(BODY, model.resolve(), None)
    assert caught.value.provider_text == "sid <secret> or <secret> is old, <secret>"


REPEATED = b'"no such key: k-very-secret"'


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"error":{"message":%b,"code":"odd"}}', Broken),
        (b'{"info":%b}', Unusable),
        (b"%b, and no JSON", Unusable),
        (b'{"choices":[{"message":{"content":%b},"finish_reason":"content_filter"}]}', Unusable),
    ],
)
async def test_a_key_in_an_answer_that_is_none_is_struck_out_too(
    serving: Any, http: Any, body: bytes, kind: Any
) -> None:
    async with serving(http(body % REPEATED)) as server:
        model = Model("m", base_url=server.base_url, api_key="k-very-secret")
        reply = await model.call(BODY, model.resolve(), None)
    assert isinstance(reply, kind)
    assert "k-very-secret" not in repr(reply)
    assert "no such key: <secret>" in repr(reply)


async def test_a_key_in_a_stream_that_breaks_off_with_an_error_is_struck_out_too(serving: Any, stream: Any) -> None:
    begun = b'data: {"choices":[{"delta":{"content":"Hel"}}]}\n\n'
    async with serving(stream(begun, b'data: {"error":{"message":%b}}\n\n' % REPEATED)) as server:
        model = Model("m", base_url=server.base_url, api_key="k-very-secret")
        reply = await model.call(BODY, model.resolve(), lambda _: None)
    assert isinstance(reply, Broken)
    assert (reply.text, reply.why.rpartition(": ")[2]) == ("Hel", "<secret>")
