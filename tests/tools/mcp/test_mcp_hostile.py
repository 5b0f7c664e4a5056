"""Servers that say other than they promised, leave in mid-call, or want what is not theirs."""

import gzip
import json
import logging
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from mcp import MCPError, types

from agentkit.core.events import ToolFinished, ToolUnknown
from agentkit.core.messages import Image, Text, text_of
from agentkit.errors import ConfigurationError
from agentkit.tools.dispatch import Dispatch, Job
from agentkit.tools.mcp import Http, MCPTools
from tests.tools.mcp.raw import JSON, Raw, listening, whole
from tests.tools.mcp.shop import PIXEL, Shop, held, offered, open_at, serving, text, until

pytestmark = pytest.mark.anyio
MakeJob = Callable[..., Job]
Results = dict[str, types.CallToolResult | types.InputRequiredResult | MCPError]
FORM = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def picture(data: str, kind: str = "image/png", **more: Any) -> types.CallToolResult:
    return types.CallToolResult(content=[types.ImageContent(data=data, mime_type=kind)], **more)


RESULTS: Results = {
    "pictured": picture(PIXEL, structured_content={"n": 1}),
    "wrong": text("hello"),
    "failed": text("no such order", is_error=True),
    "why": types.CallToolResult(content=[], structured_content={"why": "closed"}, is_error=True),
    "broken": picture("no base64!"),
    "empty": picture(""),
    "odd": picture(PIXEL, "text/html;x,"),
}


async def outcome(make_job: MakeJob, name: str, **more: Any) -> ToolFinished:
    shop = Shop([offered(name, output_schema=FORM if name in {"pictured", "wrong", "failed"} else None)], RESULTS)
    async with serving(shop) as url, MCPTools(Http(url), needs_approval=False, **more) as server:
        fact = await Dispatch(server.tools).run(make_job(name))
    assert isinstance(fact, ToolFinished)
    return fact


async def test_a_picture_beside_a_structured_result_is_not_lost(make_job: MakeJob) -> None:
    fact = await outcome(make_job, "pictured", effect="read", untrusted=False)
    assert fact.parts == (Text('{"n": 1}'), Image(f"data:image/png;base64,{PIXEL}"))


@pytest.mark.parametrize("effect", ["read", "once"])
async def test_a_result_without_its_form_fails_a_read_and_is_told_of_what_was_done(
    make_job: MakeJob, effect: Any
) -> None:
    fact = await outcome(make_job, "wrong", effect=effect)
    assert fact.failed is (effect == "read")
    assert ("it is done, but" in text_of(fact.parts)) is (effect == "once")
    assert ("hello" in text_of(fact.parts)) is (effect == "once")


async def test_an_error_of_a_once_tool_with_a_form_is_not_said_to_be_done(make_job: MakeJob) -> None:
    told = text_of((await outcome(make_job, "failed")).parts)
    assert "may have been done all the same:\nno such order" in told
    assert "it is done" not in told


async def test_what_a_server_says_of_a_failure_in_a_structure_is_told(make_job: MakeJob) -> None:
    assert '{"why": "closed"}' in text_of((await outcome(make_job, "why", effect="read")).parts)


@pytest.mark.parametrize("name", ["broken", "empty", "odd"])
async def test_a_picture_that_is_none_never_gets_into_a_request(make_job: MakeJob, name: str) -> None:
    fact = await outcome(make_job, name, effect="read")
    assert not any(isinstance(each, Image) for each in fact.parts)
    assert "the server sent something that is no " in text_of(fact.parts)


class Asking(Shop):
    """Asks something, and refuses the call when the answer comes."""

    async def _call(self, context: Any, params: types.CallToolRequestParams) -> Any:  # noqa: ARG002 - the SDK's
        self.calls.append(params)
        if params.input_responses is not None:
            raise MCPError(types.INVALID_PARAMS, "that was no good")
        form = types.ElicitRequestFormParams(message="?", requested_schema={"type": "object", "properties": {}})
        return types.InputRequiredResult(input_requests={"a": types.ElicitRequest(params=form)}, request_state="s")


async def test_a_refusal_after_a_question_is_no_proof_that_nothing_happened(make_job: MakeJob) -> None:
    shop = Asking()
    async with serving(shop) as url, MCPTools(Http(url)) as server:
        assert isinstance(await Dispatch(server.tools).run(make_job("look")), ToolUnknown)
    assert len(shop.calls) == 2


async def test_a_call_that_wants_what_it_cannot_have_is_not_made_twice(make_job: MakeJob) -> None:
    sampling = types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[], max_tokens=1))
    shop = Shop(results={"look": types.InputRequiredResult(input_requests={"s": sampling})})
    async with serving(shop) as url, MCPTools(Http(url), effect="idempotent", needs_approval=False) as server:
        fact = await Dispatch(server.tools).run(make_job("look"))
        assert isinstance(fact, ToolFinished)
        assert "Sampling not supported" in text_of(fact.parts)
    assert len(shop.calls) == 1


async def test_a_server_without_end_is_left_after_ten_questions(make_job: MakeJob) -> None:
    shop = Shop(results={"look": types.InputRequiredResult(input_requests={}, request_state="s")})
    async with serving(shop) as url, MCPTools(Http(url), effect="read", needs_approval=False) as server:
        fact = await Dispatch(server.tools).run(make_job("look"))
        assert "asked for more 10 times" in text_of(fact.parts) if isinstance(fact, ToolFinished) else fact
    assert len(shop.calls) == 10


class Chatty(Shop):
    """Says far too much of its progress."""

    async def _call(self, context: Any, params: types.CallToolRequestParams) -> Any:
        await context.session.report_progress(1, 3, "x" * 100_000)
        return await super()._call(context, params)


async def test_a_notice_of_progress_has_an_end(make_job: MakeJob) -> None:
    seen: list[str] = []
    async with serving(Chatty()) as url, MCPTools(Http(url)) as server:
        await Dispatch(server.tools).run(make_job("look", progress=seen.append))
    assert [len(each) for each in seen] == [len("1 of 3: ") + 1000]


class Hasty(Shop):
    """Changes its tools while they are listed for the first time."""

    async def _list(self, context: Any, params: Any) -> types.ListToolsResult:
        told = await super()._list(context, params)
        if len(self.sessions) == 1:
            self.tools = [*self.tools, offered("more")]
            await context.session.send_tool_list_changed()
            await anyio.sleep(0.05)
        return told


async def test_tools_that_change_while_they_are_listed_are_listed_again() -> None:
    shop = Hasty(old=True)
    async with serving(shop) as url, MCPTools(Http(url)) as server:
        await until(lambda: [each.name for each in server] == ["look", "more"])


async def test_a_server_that_comes_back_with_tools_of_no_use_keeps_those_it_had(
    make_job: MakeJob, caplog: pytest.LogCaptureFixture
) -> None:
    first, gone, over = Shop(old=True), anyio.Event(), anyio.Event()
    second = Shop([offered("look"), offered("odd", output_schema={"type": "object", "required": 7})], old=True)
    async with anyio.create_task_group() as group:
        url: str = await group.start(held, first, gone, 0)
        async with MCPTools(Http(url)) as server:
            gone.set()
            port = int(url.split(":")[2].removesuffix("/mcp"))
            await until(lambda: not open_at(port))
            await group.start(held, second, over, port)
            done = await Dispatch(server.tools).run(make_job("look"))
            assert "\nlook {}\n" in text_of(done.parts) if isinstance(done, ToolFinished) else done
            assert "cannot be used" in caplog.text
            over.set()


def lasting(asked: dict[str, Any], said: str = "ok") -> bytes:
    result = {"content": [{"type": "text", "text": said}]}
    return json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}).encode()


@pytest.mark.parametrize(("effect", "calls"), [("once", 1), ("idempotent", 2)])
async def test_a_server_that_leaves_in_mid_call_is_not_waited_for(make_job: MakeJob, effect: Any, calls: int) -> None:
    raw = Raw(lambda _: None)
    async with (
        listening(raw) as place,
        MCPTools(Http(f"http://{place}"), effect=effect, needs_approval=False) as server,
    ):
        with anyio.fail_after(10):
            fact = await Dispatch(server.tools).run(make_job("look"))
    assert isinstance(fact, ToolUnknown if effect == "once" else ToolFinished)
    assert raw.calls == ["look"] * calls


async def test_a_key_in_the_url_reaches_the_server_and_no_log(
    make_job: MakeJob, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # asked, it would be in the way
    caplog.set_level(logging.DEBUG)
    raw = Raw(lambda asked: whole(lasting(asked)))
    async with (
        listening(raw) as place,
        MCPTools(Http(f"http://ann:s3cret@{place}?key=k3y"), effect="read", needs_approval=False) as server,
    ):
        fact = await Dispatch(server.tools).run(make_job("look"))
        assert "\nok\n" in text_of(fact.parts) if isinstance(fact, ToolFinished) else fact
    assert all(head.split(" ")[1] == "/mcp?key=k3y" for head in raw.heads)
    assert all("\r\nauthorization: Basic " in head.replace("Authorization", "authorization") for head in raw.heads)
    assert "HTTP Request: POST" in caplog.text
    assert "k3y" not in caplog.text
    assert "s3cret" not in caplog.text
    with pytest.raises(ConfigurationError, match="not encrypted"):
        Http("http://ann:s3cret@example.org/mcp")


def huge(asked: dict[str, Any]) -> bytes:
    head, _, tail = lasting(asked, "|").partition(b"|")
    return JSON + b"\r\n" + head + b"x" * (65 * 2**20) + tail


@pytest.mark.parametrize(
    "answer",
    [
        lambda asked: whole(gzip.compress(lasting(asked)), JSON + b"content-encoding: gzip\r\n"),
        huge,
    ],
    ids=["compressed", "endless"],
)
async def test_an_answer_that_may_have_any_size_is_not_read(make_job: MakeJob, answer: Any) -> None:
    raw = Raw(answer)
    async with listening(raw) as place, MCPTools(Http(f"http://{place}")) as server:
        with anyio.fail_after(20):
            assert isinstance(await Dispatch(server.tools).run(make_job("look")), ToolUnknown)
    assert raw.calls == ["look"]
