"""Calls of an API's operations over a real connection: what reaches the server, and what becomes of its answers."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from agentkit import Agent, MemoryJournal, ScriptedModel, Session, ToolContext, ToolError
from agentkit.core.events import ToolFinished, ToolUnknown
from agentkit.core.messages import AssistantMessage, ToolCall, text_of
from agentkit.emulator import Emulator, Reply
from agentkit.tools import Tool
from agentkit.tools.dispatch import Dispatch, Job
from agentkit.tools.openapi import ApiKey, Basic, Bearer, OpenAPITools
from tests.tools.openapi.echo import Answer, Echo, Reached, serving

pytestmark = pytest.mark.anyio
MakeJob = Callable[..., Job]
CONTEXT: ToolContext[Any] = ToolContext(None, idempotency_key="u/1.1.0")


def document(paths: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "info": {"title": "Shop", "version": "1"}, "paths": paths, **more}


def parameter(name: str, where: str, schema: Any = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": where, "schema": schema or {}, "required": where == "path", **more}


def operation(name: str, *parameters: Any, body: Any = None, media: str = "application/json", **more: Any) -> Any:
    content = {"requestBody": {"required": True, "content": {media: {"schema": body, **more}}}} if body else {}
    return {"operationId": name, "parameters": list(parameters), "responses": {}, **content}


def named(api: OpenAPITools) -> dict[str, Tool[object, ..., Any]]:
    return {each.name: each for each in api}


async def reached(paths: Mapping[str, Any], name: str, arguments: dict[str, Any]) -> Reached:
    """Make one call, and return what reached the server."""
    echo = Echo()
    async with serving(echo) as url, OpenAPITools(document(paths), f"{url}/v1/") as api:
        await named(api)[name](arguments, CONTEXT)
    (seen,) = echo.requests
    return seen


PARTS = ("a/b", "a?b=c", "a#b", "a b", "%2e%2e", "é💶", "a;b,c", "{id}", "a\\b", "...", "a\r\nb")
CODED = ("a%2Fb", "a%3Fb%3Dc", "a%23b", "a%20b", "%252e%252e", "%C3%A9%F0%9F%92%B6", "a%3Bb%2Cc", "%7Bid%7D", "a%5Cb")


async def test_a_value_stays_one_part_of_the_path() -> None:
    echo = Echo()
    paths = {"/orders/{id}/x": {"get": operation("read", parameter("id", "path"))}}
    async with serving(echo) as url, OpenAPITools(document(paths), url) as api:
        for value in PARTS:
            await named(api)["read"]({"id": value}, CONTEXT)
        for value in ("..", ".", "", "../admin", "a/../../admin", "..\\admin", "/."):
            with pytest.raises(ToolError, match="part of the path"):
                await named(api)["read"]({"id": value}, CONTEXT)
        with pytest.raises(ToolError, match="surrogate"):
            await named(api)["read"]({"id": "\ud800"}, CONTEXT)
        with pytest.raises(ToolError, match=r"URL.*too long.*nothing was sent"):
            await named(api)["read"]({"id": "x" * 70_000}, CONTEXT)
    assert [each.path for each in echo.requests] == [f"/orders/{each}/x" for each in (*CODED, "...", "a%0D%0Ab")]


IDS, POINT = ["1", "2&x"], {"x": 1, "y": "a b"}
STYLES: list[tuple[str, str, dict[str, Any], Any, str]] = [
    ("path", "simple", {}, IDS, "/1,2%26x"),
    ("path", "simple", {"explode": True}, POINT, "/x=1,y=a%20b"),
    ("path", "label", {}, IDS, "/.1,2%26x"),
    ("path", "label", {"explode": True}, IDS, "/.1.2%26x"),
    ("path", "matrix", {}, IDS, "/;p=1,2%26x"),
    ("path", "matrix", {"explode": True}, IDS, "/;p=1;p=2%26x"),
    ("path", "matrix", {"explode": True}, POINT, "/;x=1;y=a%20b"),
    ("query", "form", {}, IDS, "p=1&p=2%26x"),
    ("query", "form", {"explode": False}, IDS, "p=1,2%26x"),
    ("query", "form", {}, POINT, "x=1&y=a%20b"),
    ("query", "form", {"explode": False}, POINT, "p=x,1,y,a%20b"),
    ("query", "spaceDelimited", {}, IDS, "p=1%202%26x"),
    ("query", "pipeDelimited", {}, IDS, "p=1%7C2%26x"),
    ("query", "deepObject", {}, {"x": 1, "y": {"z": [True, 2]}}, "p%5Bx%5D=1&p%5By%5D%5Bz%5D=true&p%5By%5D%5Bz%5D=2"),
    ("query", "form", {}, True, "p=true"),
    ("query", "form", {}, None, ""),
    ("header", "simple", {}, ["1", "b"], "1,b"),
    ("header", "simple", {"explode": True}, POINT, "x=1,y=a b"),
    ("cookie", "form", {}, "a;b", "p=a%3Bb"),
]


async def test_the_styles_of_parameters() -> None:
    paths = {
        f"/{number}{'/{p}' * (where == 'path')}": {
            "get": operation(f"f{number}", parameter("p", where, style=style, **more))
        }
        for number, (where, style, more, _, _) in enumerate(STYLES)
    }
    echo = Echo()
    async with serving(echo) as url, OpenAPITools(document(paths), url) as api:
        for number, (_, _, _, value, _) in enumerate(STYLES):
            await named(api)[f"f{number}"]({"p": value}, CONTEXT)
    for number, (seen, (where, _, _, _, coded)) in enumerate(zip(echo.requests, STYLES, strict=True)):
        told = {"path": seen.path.removeprefix(f"/{number}"), "query": seen.query, "cookie": seen.headers.get("cookie")}
        assert (told | {"header": seen.headers.get("p")})[where] == coded, STYLES[number]


OVERRIDE = parameter("X-HTTP-Method-Override", "header")


async def test_a_header_cannot_become_two() -> None:
    paths = {"/": {"get": operation("f", parameter("X-A", "header"), parameter("Host", "header"), OVERRIDE)}}
    echo = Echo()
    async with serving(echo) as url, OpenAPITools(document(paths), url) as api:
        assert list(named(api)["f"].inputs.schema["properties"]) == ["X-A"]  # type: ignore[arg-type]  # it is a mapping
        for value in ("a\r\nX-B: b", "é"):
            with pytest.raises(ToolError, match="printable ASCII"):
                await named(api)["f"]({"X-A": value}, CONTEXT)
    assert echo.requests == []


ORDER = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "lines": {"type": "array"}}}


async def test_a_body_and_its_names_beside_those_of_the_path_and_the_query() -> None:
    parameters = (parameter("id", "query"), parameter("id", "path"), parameter("filter[a]", "query"))
    paths = {"/orders/{id}": {"patch": operation("change", *parameters, body=ORDER)}}
    given = {"id": "7", "query_id": "8", "filter_a": 1, "body_id": "9", "lines": [{"n": 1.5, "é": None}]}
    seen = await reached(paths, "change", given)
    assert (seen.method, seen.path, seen.query) == ("PATCH", "/v1/orders/7", "id=8&filter%5Ba%5D=1")
    assert json.loads(seen.body) == {"id": "9", "lines": [{"n": 1.5, "é": None}]}
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["idempotency-key"] == "u/1.1.0"


FORM = {"type": "object", "properties": {"a": {}, "b": {}, "c": {}, "f": {"type": "string", "format": "binary"}}}
LOOSE = {"type": "object", "additionalProperties": True}


async def test_bodies_of_other_kinds() -> None:
    form = "application/x-www-form-urlencoded"
    encoding = {"c": {"style": "deepObject"}}
    paths = {
        "/1": {"post": operation("form", body=FORM, media=form, encoding=encoding)},
        "/2": {"post": operation("loose", body=LOOSE, media=form)},
        "/3": {"post": operation("parts", body=FORM, media="multipart/form-data")},
        "/4": {"post": operation("text", body={"type": "string"}, media="text/plain")},
        "/5": {"post": operation("bytes", body={"type": "string"}, media="application/octet-stream")},
        "/6": {"put": operation("any", body=LOOSE, media="application/merge-patch+json")},
    }
    calls: dict[str, tuple[dict[str, Any], bytes]] = {
        "form": ({"a": ["x&y", 2], "b": {"k": 1}, "c": {"k": "é"}}, b"a=x%26y&a=2&b=%7B%22k%22%3A1%7D&c%5Bk%5D=%C3%A9"),
        "loose": ({"body": {"a": True, "b=": " "}}, b"a=true&b%3D=%20"),
        "text": ({"body": "é"}, "é".encode()),
        "bytes": ({"body": "AP8="}, b"\x00\xff"),
        "any": ({"body": {"x": [1]}}, b'{"x":[1]}'),
    }
    echo = Echo()
    async with serving(echo) as url, OpenAPITools(document(paths), url) as api:
        for name, (arguments, body) in calls.items():
            await named(api)[name](arguments, CONTEXT)
            assert echo.requests[-1].body == body
        await named(api)["parts"]({"a": "x", "b": [1, 2], "f": "AP8="}, CONTEXT)
        parts = echo.requests[-1]
        for wrong in ({"body": "no base64!"}, {"f": "é"}):
            with pytest.raises(ToolError, match="has to be base64"):
                await named(api)["bytes" if "body" in wrong else "parts"](wrong, CONTEXT)
        for name, half in (("text", {"body": "\ud800"}), ("parts", {"a": "\ud800"}), ("form", {"a": "\ud800"})):
            with pytest.raises(ToolError, match="half a surrogate pair"):
                await named(api)[name](half, CONTEXT)
    boundary = parts.headers["content-type"].partition("boundary=")[2].encode()
    assert parts.body.count(b"--" + boundary) == 5
    assert b'name="f"; filename="f"\r\n\r\n\x00\xff\r\n' in parts.body
    assert [each.path for each in echo.requests] == ["/1", "/2", "/4", "/5", "/6", "/3"]


SECURED = {
    "securitySchemes": {
        "key": {"type": "apiKey", "in": "query", "name": "api_key"},
        "token": {"type": "http", "scheme": "bearer"},
    }
}
KEYS = (
    Bearer("tok-Ab/9+1"),
    Basic("ann", "pass word"),
    ApiKey("X-Key", "key-123456"),
    ApiKey("api_key", "k&y=7777", "query"),
    ApiKey("session", "s3ss10n-7", "cookie"),
)
SENT = ("Bearer tok-Ab/9+1", "Basic YW5uOnBhc3Mgd29yZA==", "key-123456", "api_key=k%26y%3D7777", "session=s3ss10n-7")


async def test_keys_are_sent_and_shown_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    parameters = [parameter("api_key", "query"), parameter("Authorization", "header"), parameter("o", "query")]
    parameters.append(parameter("c", "cookie"))
    given = document({"/": {"get": operation("f", *parameters)}}, components=SECURED)
    echo = Echo()
    async with serving(echo) as url:
        for key, sent in zip(KEYS, SENT, strict=True):
            api = OpenAPITools(given, url, auth=key)
            assert list(named(api)["f"].inputs.schema["properties"]) == ["o", "c"]  # type: ignore[arg-type]  # it is a mapping
            async with api:
                told = [await named(api)["f"]({"o": 1}, CONTEXT)]
                with pytest.raises(ToolError, match="not for you to set") as refused:
                    await named(api)["f"]({"o": {"api_key": "mine"}}, CONTEXT)
                if key.where == "cookie":
                    with pytest.raises(ToolError, match="Session is not for you to set"):
                        await named(api)["f"]({"c": {"Session": "mine"}}, CONTEXT)
                logged = caplog.text  # below, the server itself sends the key, in a header that its library logs
                echo.answers["/"] = Answer(401, {"location": f"/?k={sent}"}, f'"no {sent}" {sent}'.encode())
                with pytest.raises(ToolError, match=r"401(.|\n)*k=.*\[key\](.|\n)*no .*\[key\]") as error:
                    await named(api)["f"]({}, CONTEXT)
                echo.answers.clear()
            caplog.clear()
            seen = echo.requests[-1]
            assert sent in (
                seen.headers.get("authorization"),
                seen.headers.get("x-key"),
                seen.query,
                seen.headers.get("cookie"),
            )
            told += [logged, str(error.value), str(refused.value), repr(api), repr(key)]
            secret = sent.split("=")[-1].split(" ")[-1] if key.name != "Authorization" else sent.split(" ")[1]
            assert [each for each in told if secret in each or key.value in each or "pass word" in each] == []


async def test_a_key_at_the_cut_is_hidden_too() -> None:
    echo = Echo({"/": Answer(body=b"x" * 95 + b"tok-123456789" + b"y" * 500)})
    paths = {"/": {"get": operation("f")}}
    async with serving(echo) as url, OpenAPITools(document(paths), url, auth=Bearer("tok-123456789"), limit=100) as api:
        assert await named(api)["f"]({}, CONTEXT) == (
            "200 OK\n\n" + "x" * 95 + "[key]\n(cut: the first 100 bytes are shown; ask for less, or for the next page)"
        )


async def test_no_more_is_read_of_an_answer_than_is_shown() -> None:
    gone = anyio.Event()

    class Counting(Echo):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await super().__call__(scope, receive, send)
            gone.set()

    echo = Counting({"/": Answer(body=b"x" * 65_536, times=4_000)})
    async with serving(echo) as url, OpenAPITools(document({"/": {"get": operation("f")}}), url, limit=1_000) as api:
        told = await named(api)["f"]({}, CONTEXT)
        assert echo.sent < 2**24
        assert not gone.is_set()
    assert told.endswith("(cut: the first 1000 bytes are shown; ask for less, or for the next page)")
    assert len(told) < 1_100


async def test_what_an_answer_becomes() -> None:
    page = {"link": '<http://x/?page=2>; rel="next"', "set-cookie": "s=1", "retry-after": "3"}
    packed = {"content-encoding": "gzip"}
    echo = Echo(
        {
            "/page": Answer(200, page, b"[1]"),
            "/empty": Answer(204, {}, b""),
            "/latin": Answer(200, {"content-type": "text/plain; charset=iso-8859-1"}, b"\xe9"),
            "/picture": Answer(200, {"content-type": "image/png"}, b"\x89PNG"),
            "/packed": Answer(200, packed, b"\x1f\x8b"),
            "/broken": Answer(200, {}, b"[1", breaks=True),
        }
    )
    paths = {path: {"get": operation(path[1:])} for path in echo.answers}
    async with serving(echo) as url, OpenAPITools(document(paths), url) as api:
        told = {name: await each({}, CONTEXT) for name, each in named(api).items()}
    assert told == {
        "page": '200 OK\nlink: <http://x/?page=2>; rel="next"\nretry-after: 3\n\n[1]',
        "empty": "204 No Content",
        "latin": "200 OK\n\né",
        "picture": "200 OK\n\n(the body is image/png, no text: it is not shown)",
        "packed": "200 OK\n\n(the body is packed as gzip, though none was asked for: it is not shown)",
        "broken": "200 OK\n\n[1\n(the connection broke here: RemoteProtocolError)",
    }
    assert [each.headers.get("cookie") for each in echo.requests] == [None] * 6


async def test_redirects_lead_a_reading_call_through_one_origin_and_no_other_call_anywhere(make_job: MakeJob) -> None:
    other = Echo()
    async with serving(other) as there:
        echo = Echo(
            {
                "/moved": Answer(301, {"location": "/new?x=1"}),
                "/away": Answer(302, {"location": f"{there}/stolen"}),
                "/round": Answer(302, {"location": "/round"}),
                **{f"/{status}": Answer(status, {"location": "/new"}) for status in (302, 303, 307)},
            }
        )
        paths = {path: {"post" if path[1:].isdigit() else "get": operation(f"o{path[1:]}")} for path in echo.answers}
        async with serving(echo) as url, OpenAPITools(document(paths), url, auth=Bearer("tok-1")) as api:
            tools = named(api)
            assert '"path": "/new", "query": "x=1"' in await tools["omoved"]({}, CONTEXT)
            with pytest.raises(ToolError, match=r"not followed\): 302"):
                await tools["oaway"]({}, CONTEXT)
            with pytest.raises(ToolError, match="in a circle"):
                await tools["oround"]({}, CONTEXT)
            facts = [await Dispatch(api.tools).run(make_job(f"o{status}")) for status in (302, 303, 307)]
    assert [(type(each), getattr(each, "failed", None)) for each in facts] == [
        (ToolUnknown, None),
        (ToolFinished, False),  # it was done; what came of it is elsewhere
        (ToolFinished, True),
    ]
    assert other.requests == []


PROOF = (400, 401, 403, 404, 405, 406, 410, 411, 412, 413, 414, 415, 417, 422, 426, 428, 429, 431, 451)


async def test_a_once_call_fails_only_by_proof(make_job: MakeJob) -> None:
    statuses = (*PROOF, 402, 408, 409, 418, 500, 502, 503)
    echo = Echo({f"/{status}": Answer(status, {}, b'{"why": "because"}') for status in statuses})
    paths = {f"/{status}": {"post": operation(f"p{status}"), "put": operation(f"i{status}")} for status in statuses}
    async with serving(echo) as url, OpenAPITools(document(paths), url) as api:
        dispatch = Dispatch(api.tools)
        for status in statuses:
            fact = await dispatch.run(make_job(f"p{status}"))
            assert isinstance(fact, ToolFinished if status in PROOF else ToolUnknown), status
            repeated = await dispatch.run(make_job(f"i{status}"))
            assert isinstance(repeated, ToolFinished)
            assert repeated.failed
            assert f"{status}" in text_of(repeated.parts)
            assert "because" in text_of(repeated.parts)
    assert len(echo.requests) == 2 * len(statuses)


async def test_a_broken_connection_is_no_proof_and_none_at_all_is(make_job: MakeJob) -> None:
    async def hangs_up(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - of anyio, not of Django
    paths = {"/": {"post": operation("post"), "get": operation("get")}}
    async with OpenAPITools(document(paths), f"http://127.0.0.1:{port}") as api:
        dispatch = Dispatch(api.tools)
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, hangs_up)
            assert isinstance(await dispatch.run(make_job("post")), ToolUnknown)
            with pytest.raises(ToolError, match="connection to the API broke"):
                await named(api)["get"]({}, CONTEXT)
            group.cancel_scope.cancel()
        unsent = await dispatch.run(make_job("post"))
    closed = await dispatch.run(make_job("post"))
    for fact, told in ((unsent, "nothing was sent"), (closed, "inside `async with`")):
        assert isinstance(fact, ToolFinished)
        assert fact.failed
        assert told in text_of(fact.parts)


async def test_a_whole_turn_with_a_persons_yes() -> None:
    echo = Echo()
    paths = {"/orders/{id}": {"delete": operation("cancel", parameter("id", "path"))}}
    call = AssistantMessage(calls=(ToolCall("c1", "cancel", '{"id": "7"}'),))
    async with (
        serving(echo) as url,
        OpenAPITools(document(paths), url) as api,
        MemoryJournal() as journal,
        Session(Agent(ScriptedModel(call, "Done."), tools=[*api]), "s", journal=journal) as session,
    ):
        waiting = await session.run("Cancel order 7.")
        assert echo.requests == []
        await session.approve(waiting.approvals[0], by="ann")
        assert (await session.resume()).output == "Done."
    assert [(each.method, each.path) for each in echo.requests] == [("DELETE", "/orders/7")]


CHAT = {
    "type": "object",
    "required": ["model", "messages"],
    "properties": {"model": {"type": "string"}, "messages": {"type": "array", "items": {"type": "object"}}},
}


async def test_the_emulators_own_api_as_tools() -> None:
    paths = {
        "/chat/completions": {"post": operation("chat", body=CHAT)},
        "/models": {"get": operation("models")},
    }
    async with (
        Emulator({"Hi": [Reply("Hello there.")]}) as server,
        OpenAPITools(document(paths), server.base_url, auth=Bearer("any-key")) as api,
    ):
        tools = named(api)
        messages = [{"role": "user", "content": "Hi"}]
        assert '"object":"list"' in (await tools["models"]({}, CONTEXT)).replace(" ", "")
        assert "Hello there." in await tools["chat"]({"model": "generic", "messages": messages}, CONTEXT)
