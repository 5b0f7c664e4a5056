"""An MCP server's tools in an agent's hands, over HTTP on loopback, in both families of the protocol."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute
from mcp import MCPError, types

from agentkit import Agent, MemoryJournal, ScriptedModel, Session, ToolContext, ToolError
from agentkit.core.events import ToolFinished, ToolUnknown
from agentkit.core.messages import AssistantMessage, File, Image, Text, ToolCall, text_of
from agentkit.errors import ConfigurationError
from agentkit.tools import Tool
from agentkit.tools.dispatch import Dispatch, Job
from agentkit.tools.mcp import Http, MCPTools, Stdio
from tests.tools.mcp.shop import PIXEL, Shop, held, offered, open_at, serving, text, until

pytestmark = pytest.mark.anyio
MakeJob = Callable[..., Job]
CONTEXT: ToolContext[Any] = ToolContext(None)
ERAS = pytest.mark.parametrize("old", [True, False], ids=["2025-11-25", "2026-07-28"])


def named(server: MCPTools) -> dict[str, Tool[object, ..., Any]]:
    return {each.name: each for each in server}


def rules(server: MCPTools) -> dict[str, tuple[str, object]]:
    return {each.name: (each.effect, each.declared.needs_approval) for each in server}


@ERAS
async def test_a_server_is_listed_to_the_last_page_in_the_order_of_names_and_a_call_reaches_it(*, old: bool) -> None:
    shop = Shop([offered(name) for name in ("b", "c", "a", "d.e")], old=old)
    async with serving(shop) as url, MCPTools(Http(url), prefix="s") as server:
        assert list(named(server)) == ["s_a", "s_b", "s_c", "s_d_e"]
        assert all(each.declared.untrusted and each.declared.timeout == 60 for each in server)
        assert await named(server)["s_d_e"]({"id": "7"}, CONTEXT) == "d.e {'id': '7'}"
    assert dict(shop.calls[0].meta or {})["agentkit/idempotency-key"] == CONTEXT.idempotency_key


HINTED = [
    offered("nothing"),
    offered("reads", hints={"readOnlyHint": True}),
    offered("again", hints={"idempotentHint": True}),
    offered("adds", hints={"destructiveHint": False}),
    offered("breaks", hints={"destructiveHint": True, "idempotentHint": True}),
]


async def test_hints_may_only_make_a_tool_stricter() -> None:
    async with serving(Shop(HINTED)) as url:
        async with MCPTools(Http(url)) as server:
            assert set(rules(server).values()) == {("once", True)}
        async with MCPTools(Http(url), effect="read", needs_approval=False) as server:
            assert {name: rule for name, rule in rules(server).items() if rule != ("read", False)} == {
                "breaks": ("once", True)
            }


async def test_trusted_hints_rule_and_a_name_rules_over_them() -> None:
    async with serving(Shop(HINTED)) as url:
        async with MCPTools(Http(url), trust_annotations=True) as server:
            assert rules(server) == {
                "nothing": ("once", True),
                "reads": ("read", False),
                "again": ("idempotent", True),
                "adds": ("once", False),
                "breaks": ("idempotent", True),
            }
        said = MCPTools(Http(url), effect={"breaks": "idempotent"}, needs_approval={"breaks": False})
        async with said as server:
            assert rules(server)["breaks"] == ("idempotent", False)
            assert rules(server)["reads"] == ("once", True)


async def test_what_is_named_has_to_be_there() -> None:
    async with serving(Shop(HINTED)) as url:
        async with MCPTools(Http(url), only=["reads", "adds"]) as server:
            assert list(named(server)) == ["adds", "reads"]
        with pytest.raises(
            ConfigurationError, match=r"^the MCP server \S+ offers no raeds; it offers adds, again, breaks"
        ):
            async with MCPTools(Http(url), effect={"raeds": "read"}):
                pass
    with pytest.raises(ConfigurationError, match="none of read, idempotent, once"):
        MCPTools(Http("http://127.0.0.1:1"), effect="write")  # type: ignore[arg-type]  # the mistake


async def test_a_server_that_is_not_there_is_said_to_be_so() -> None:
    with pytest.raises(ConfigurationError, match="cannot be used"):
        async with MCPTools(Http("http://127.0.0.1:9/mcp")):
            pass


@pytest.mark.parametrize("url", ["ftp://x", "http://", "x"])
def test_a_url_is_checked(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no http:// or https:// URL"):
        Http(url)


def test_no_header_leaves_the_machine_unencrypted_or_is_shown() -> None:
    with pytest.raises(ConfigurationError, match="use https://"):
        Http("http://example.org/mcp", {"Authorization": "Bearer k"})
    shown = repr(Http("http://me:pass@127.0.0.1/mcp?key=k", {"Authorization": "Bearer k"}))
    assert shown == "Http('http://127.0.0.1/mcp')"
    assert repr(Stdio("npx", "-y", "a-server", "--key", "k")) == "Stdio('npx', '-y', 'a-server', …)"


RESULTS: dict[str, types.CallToolResult | types.InputRequiredResult | MCPError] = {
    "two": types.CallToolResult(content=[types.TextContent(text="a"), types.TextContent(text="b")]),
    "none": types.CallToolResult(content=[]),
    "shape": text("{}", structured_content={"n": 1}),
    "mixed": types.CallToolResult(
        content=[
            types.TextContent(text="a"),
            types.ImageContent(data=PIXEL, mime_type="image/png"),
            types.AudioContent(data="AAAA", mime_type="audio/wav"),
            types.EmbeddedResource(resource=types.TextResourceContents(uri="note://1", text="hi")),
            types.EmbeddedResource(resource=types.BlobResourceContents(uri="file:///a/b.bin", blob="AAAA")),
            types.EmbeddedResource(resource=types.BlobResourceContents(uri="x://y", blob=PIXEL, mime_type="image/png")),
            types.ResourceLink(name="more", uri="note://2"),
        ]
    ),
    "broken": text("no such order", is_error=True),
    "refuses": MCPError(types.INVALID_PARAMS, "no such tool"),
    "fails": MCPError(types.INTERNAL_ERROR, "the disk is full"),
}
SHAPED = {"type": "object", "properties": {"n": {"type": "integer"}}}
MORE = [offered(name, output_schema=SHAPED if name == "shape" else None) for name in RESULTS]


async def test_content_becomes_parts() -> None:
    async with (
        serving(Shop(MORE, RESULTS)) as url,
        MCPTools(Http(url), effect="read", needs_approval=False) as server,
    ):
        tools = named(server)
        assert await tools["two"]({}, CONTEXT) == "a\nb"
        assert await tools["none"]({}, CONTEXT) == "(the server returned nothing)"
        assert await tools["shape"]({}, CONTEXT) == {"n": 1}
        assert await tools["mixed"]({}, CONTEXT) == (
            Text("a"),
            Image(f"data:image/png;base64,{PIXEL}"),
            File("audio.wav", "data:audio/wav;base64,AAAA"),
            Text("[note://1]\nhi"),
            File("b.bin", "data:application/octet-stream;base64,AAAA"),
            Image(f"data:image/png;base64,{PIXEL}"),
            Text("[more: note://2]"),
        )
        for name, told in (
            ("broken", "^no such order$"),
            ("refuses", "refused the call: no such tool"),
            ("fails", "the server failed: the disk is full"),
        ):
            with pytest.raises(ToolError, match=told):
                await tools[name]({}, CONTEXT)


async def test_a_once_call_fails_only_where_the_request_itself_was_refused(make_job: MakeJob) -> None:
    shop = Shop(MORE, RESULTS)
    async with serving(shop) as url, MCPTools(Http(url)) as server:
        dispatch = Dispatch(server.tools)
        refused = await dispatch.run(make_job("refuses"))
        assert isinstance(refused, ToolFinished)
        assert refused.failed
        reported = await dispatch.run(make_job("broken"))
        assert isinstance(reported, ToolFinished)
        assert not reported.failed  # the server's word that it went wrong is no proof that nothing happened
        assert "may have been done all the same:\nno such order\n[End of the data" in text_of(reported.parts)
        assert isinstance(await dispatch.run(make_job("fails")), ToolUnknown)
    assert [each.name for each in shop.calls] == ["refuses", "broken", "fails"]


@ERAS
async def test_progress_is_shown_and_a_time_out_cancels_the_call_at_the_server(make_job: MakeJob, *, old: bool) -> None:
    seen: list[str] = []
    shop = Shop([offered("far"), offered("slow")], old=old)
    async with serving(shop) as url:
        async with MCPTools(Http(url)) as server:
            await Dispatch(server.tools).run(make_job("far", progress=seen.append))
            assert seen == ["1 of 3: on its way", "2"]
        async with MCPTools(Http(url), timeout=0.3) as server:
            assert isinstance(await Dispatch(server.tools).run(make_job("slow")), ToolUnknown)
            await until(shop.cancelled.is_set)


FORM = {"type": "object", "properties": {"n": {"type": "integer", "default": 3}, "why": {"type": "string"}}}


@ERAS
@pytest.mark.parametrize(
    ("form", "accepts", "told"),
    [
        (FORM, True, "accept {'n': 3}"),
        (FORM, False, "decline None"),
        (FORM | {"required": ["n", "why"]}, True, "decline None"),
        ({"type": "object", "properties": {"sure": {"type": "boolean"}}}, True, "decline None"),
    ],
)
async def test_a_question_in_mid_call_gets_the_forms_own_defaults_or_none(
    form: dict[str, Any], told: str, *, old: bool, accepts: bool
) -> None:
    tool = offered("ask", input_schema={"type": "object", "properties": {"form": {"type": "object"}}})
    async with serving(Shop([tool], old=old)) as url, MCPTools(Http(url), accept_defaults=accepts) as server:
        assert await named(server)["ask"]({"form": form}, CONTEXT) == told


async def test_what_else_a_server_wants_is_declined() -> None:
    sampling = types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[], max_tokens=1))
    wants: dict[str, types.CallToolResult | types.InputRequiredResult | MCPError] = {
        "look": types.InputRequiredResult(input_requests={"s": sampling})
    }
    async with serving(Shop(results=wants)) as url, MCPTools(Http(url), effect="read") as server:
        with pytest.raises(ToolError, match=r"(?i)sampling"):
            await named(server)["look"]({}, CONTEXT)


@ERAS
async def test_changed_tools_are_offered_to_the_next_agent_and_not_in_mid_turn(*, old: bool) -> None:
    shop = Shop(old=old)
    async with serving(shop) as url, MCPTools(Http(url)) as server:
        before = server.tools
        agent = Agent(ScriptedModel("hi"), tools=[*server])
        await shop.change(offered("look", description="new"), offered("more"))
        await until(lambda: server.tools is not before)
        assert list(named(server)) == ["look", "more"]
        assert tuple(agent.tools) == before


async def test_a_server_that_was_started_anew_is_found_again_without_a_once_call_in_doubt(make_job: MakeJob) -> None:
    first, second, gone, over = Shop(old=True), Shop(old=True), anyio.Event(), anyio.Event()
    async with anyio.create_task_group() as group:
        url: str = await group.start(held, first, gone, 0)
        async with MCPTools(Http(url)) as server:
            dispatch = Dispatch(server.tools)
            gone.set()
            port = int(url.split(":")[2].removesuffix("/mcp"))
            await until(lambda: not open_at(port))
            missed = await dispatch.run(make_job("look"))
            assert isinstance(missed, ToolFinished)
            assert missed.failed  # nothing was sent: that is proof
            assert "cannot be reached" in text_of(missed.parts)
            await group.start(held, second, over, port)
            done = await dispatch.run(make_job("look"))
            assert "\nlook {}\n[End of the data" in text_of(done.parts) if isinstance(done, ToolFinished) else done
            over.set()
    assert (len(first.calls), len(second.calls)) == (0, 1)


async def test_nothing_that_a_schema_names_is_fetched() -> None:
    asked: list[bytes] = []

    async def note(stream: Any) -> None:
        async with stream:
            asked.append(await stream.receive())

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - of anyio, not of Django
    there = f"http://127.0.0.1:{port}/schema.json"
    elsewhere = {"type": "object", "properties": {"id": {"$ref": there}}}
    shop = Shop(
        [offered("look", input_schema=elsewhere), offered("shape", output_schema=elsewhere)],
        {"shape": text("{}", structured_content={"id": 1})},
    )
    async with anyio.create_task_group() as group, serving(shop) as url:
        group.start_soon(listener.serve, note)
        async with MCPTools(Http(url), effect="read", needs_approval=False) as server:
            with pytest.raises(ConfigurationError, match="nothing is fetched"):
                Dispatch([named(server)["look"]]).check("1.1.0", "look", '{"id": "7"}', None)
            with pytest.raises(ToolError, match="nothing is fetched"):
                await named(server)["shape"]({}, CONTEXT)
        group.cancel_scope.cancel()
    await listener.aclose()
    assert asked == []


async def test_a_whole_turn_with_a_persons_yes() -> None:
    shop = Shop()
    call = AssistantMessage(calls=(ToolCall("c1", "look", '{"id": "7"}'),))
    async with serving(shop) as url, MCPTools(Http(url)) as server, MemoryJournal() as journal:
        agent = Agent(ScriptedModel(call, "It has left."), tools=[*server])
        async with Session(agent, "s", journal=journal) as session:
            waiting = await session.run("Where is order 7?")
            assert shop.calls == []
            await session.approve(waiting.approvals[0], by="ann")
            assert (await session.resume()).output == "It has left."
    assert [each.arguments for each in shop.calls] == [{"id": "7"}]
    key = dict(shop.calls[0].meta or {})["agentkit/idempotency-key"]
    assert str(key).endswith("/1.1.0")


async def test_a_failure_of_the_server_is_not_tried_again_and_a_lost_answer_is() -> None:
    lost: dict[str, types.CallToolResult | types.InputRequiredResult | MCPError] = {
        "fails": MCPError(types.INTERNAL_ERROR, "the disk is full"),
        "lost": MCPError(types.CONNECTION_CLOSED, "the stream ended"),
    }
    shop = Shop([offered("fails"), offered("lost")], lost, old=True)
    async with serving(shop) as url, MCPTools(Http(url), effect="idempotent", needs_approval=False) as server:
        for name in ("fails", "lost"):
            with pytest.raises(ToolError, match="the server failed"):
                await named(server)[name]({}, CONTEXT)
    assert [each.name for each in shop.calls] == ["fails", "lost", "lost"]


async def test_a_list_that_is_of_no_use_leaves_the_earlier_tools(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop([offered("look", description="first"), offered("look"), offered("b")], old=True)
    async with serving(shop) as url, MCPTools(Http(url)) as server:
        assert "several tools of one name" in caplog.text
        await shop.change(offered("c", input_schema={"type": "array"}))
        await until(lambda: "changed its tools, and they cannot be used" in caplog.text)
        assert named(server)["look"].inputs.description == "first"


async def test_a_named_tool_that_goes_away_is_told(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop([offered("look"), offered("b")], old=True)
    async with serving(shop) as url, MCPTools(Http(url), only=["look", "b"]) as server:
        await shop.change(offered("b"))
        await until(lambda: "no longer offers look" in caplog.text)
        assert list(named(server)) == ["b"]
