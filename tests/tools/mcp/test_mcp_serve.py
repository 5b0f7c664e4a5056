"""agentkit's tools as an MCP server: what a client sees of them, and what becomes of its mistakes."""

import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.lowlevel
import pytest
from mcp import Client, MCPError, types

from agentkit import Agent, ScriptedModel, Tool, ToolContext, ToolError, tool
from agentkit.cli import main
from agentkit.errors import ConfigurationError, NeedsAnswer
from agentkit.messages import File, Image
from agentkit.tools.mcp.serve import Offer

pytestmark = pytest.mark.anyio
keys: list[str] = []


@tool(effect="read", returns={"type": "object", "properties": {"id": {"type": "string"}}})
async def find(order_id: str) -> dict[str, str]:
    """Find an order."""
    return {"id": order_id}


@tool(effect="idempotent", untrusted=True)
async def note(context: ToolContext[str], text: str) -> str:
    """Note something."""
    keys.append(context.idempotency_key)
    return f"{context.deps}: {text}"


@tool(effect="once", exclusive=False)
async def pay(amount: int) -> str:
    """Pay."""
    if amount < 0:
        raise ToolError("nothing is owed")
    raise RuntimeError("the line is dead")


@tool(effect="read")
async def ask() -> str:
    """Ask a person."""
    raise NeedsAnswer("Which one?")


@tool(effect="once", needs_approval=True)
async def refund() -> str:
    """Refund."""
    return "refunded"


@asynccontextmanager
async def served(*tools: Tool[Any, ..., Any], **more: Any) -> AsyncIterator[Client]:
    offer = Offer(tools, deps="desk", unasked=True)
    async with Client(offer.server, **more) as client:
        yield client


def said(result: types.CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    return block.text


async def test_a_client_sees_schema_and_effects() -> None:
    async with served(find, note, pay, refund) as client:
        listed = {each.name: each for each in (await client.list_tools()).tools}
    assert listed["find"].description == "Find an order."
    assert listed["find"].input_schema["required"] == ["order_id"]
    assert listed["find"].output_schema == find.declared.returns
    hints = {
        name: each.annotations.model_dump(exclude_none=True, exclude={"title"}) if each.annotations else None
        for name, each in listed.items()
    }
    assert hints == {
        "find": {"read_only_hint": True, "idempotent_hint": True, "destructive_hint": False},
        "note": {"read_only_hint": False, "idempotent_hint": True, "open_world_hint": True},
        "pay": {"read_only_hint": False, "idempotent_hint": False},
        "refund": {"read_only_hint": False, "idempotent_hint": False, "destructive_hint": True},
    }


async def test_results_mistakes_and_failures_are_results() -> None:
    async with served(find, pay, ask) as client:
        found = await client.call_tool("find", {"order_id": "7"})
        assert (found.structured_content, said(found)) == ({"id": "7"}, '{"id":"7"}')
        wrong = await client.call_tool("find", {"order_id": 7})
        assert wrong.is_error
        assert "`order_id` must be a string, not 7" in said(wrong)
        assert said(await client.call_tool("pay", {"amount": -1})) == "nothing is owed"
        lost = await client.call_tool("pay", {"amount": 1})
        assert lost.is_error
        assert "not known what pay did" in said(lost)
        asked = await client.call_tool("ask", {})
        assert asked.is_error
        assert "this client cannot: Which one?" in said(asked)
        with pytest.raises(MCPError, match="Unknown tool: fnd"):
            await client.call_tool("fnd", {})


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_question_of_a_tool_is_asked_at_the_client(mode: str) -> None:
    async def answers(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:  # noqa: ARG001 - the SDK's
        assert params.message == "Which one?"
        return types.ElicitResult(action="accept", content={"answer": "the blue one"})

    async with served(ask, mode=mode, elicitation_callback=answers) as client:
        assert said(await client.call_tool("ask", {})) == "the blue one"


async def test_the_clients_key_is_the_tools_own() -> None:
    keys.clear()
    async with served(note) as client:
        mine: Any = {"agentkit/idempotency-key": "u/1.2.0"}
        assert "\ndesk: a\n" in said(await client.call_tool("note", {"text": "a"}, meta=mine))
        await client.call_tool("note", {"text": "b"})
        await client.call_tool("note", {"text": "b"})
    assert keys[0] == "u/1.2.0"
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (Image("https://example.org/a.png"), types.ResourceLink(name="image", uri="https://example.org/a.png")),
        (
            File("a b.txt", "data:text/plain,x%20y"),
            types.EmbeddedResource(
                resource=types.TextResourceContents(uri="file:///a%20b.txt", mime_type="text/plain", text="x y")
            ),
        ),
        (
            File("a.bin", "data:x/y;base64,!"),
            types.EmbeddedResource(resource=types.BlobResourceContents(uri="file:///a.bin", mime_type="x/y", blob="")),
        ),
    ],
)
async def test_parts_become_content(part: Image | File, block: types.ContentBlock) -> None:
    @tool(effect="read")
    async def show() -> Image | File:
        """Show it."""
        return part

    async with served(show) as client:
        assert (await client.call_tool("show", {})).content == [block]


ID: dict[str, Any] = {"type": "object", "properties": {"id": {"type": "string"}}}


@tool(effect="read", untrusted=True, returns=ID)
async def fetch() -> dict[str, str]:
    """Fetch what others wrote."""
    return {"id": "7"}


@tool(effect="once", returns=ID)
async def order() -> dict[str, Any]:
    """Order, and report it wrongly."""
    return {"id": 7}


@tool(effect="read", result_limit=500, returns=ID)
async def pages() -> dict[str, str]:
    """Return much."""
    return {"id": "7" * 900 + "8" * 300}


async def test_a_result_that_has_not_the_promised_structure_is_not_lost_at_the_client() -> None:
    async with served(find, fetch, order, pages) as client:
        promised = {each.name for each in (await client.list_tools()).tools if each.output_schema}
        assert promised == {"find", "order"}  # what is framed or cut has no structure
        assert '{"id":"7"}' in said(await client.call_tool("fetch", {}))
        done = await client.call_tool("order", {})
        assert done.is_error
        assert "it is done, but its result does not have the form" in said(done)


async def test_the_rest_of_a_cut_result_is_read_by_who_called_and_nobody_else() -> None:
    async with served(pages, find) as client:
        assert [each.name for each in (await client.list_tools()).tools] == ["pages", "find", "read_more"]
        cut = [said(await client.call_tool("pages", {})) for _ in range(9)]
        assert "8" not in cut[0].split("[")[0]
        keys = [re.findall(r'call="?([0-9a-f]{16})', each)[0] for each in cut]
        rest = said(await client.call_tool("read_more", {"call": keys[-1], "start": 1000}))
        assert rest.startswith("8" * 200)
        assert len(set(keys)) == 9
        for gone in (keys[0], "1.1.0"):  # only so many are kept
            assert (await client.call_tool("read_more", {"call": gone, "start": 0})).is_error
    async with served(find) as client:
        assert [each.name for each in (await client.list_tools()).tools] == ["find"]


def test_an_agent_as_a_tool_is_refused_because_it_needs_a_session() -> None:
    with pytest.raises(ConfigurationError, match="support: an agent as a tool needs a session"):
        Offer([find, support.as_tool()], unasked=True)


def test_tools_that_need_a_person_are_not_offered_unless_told_to() -> None:
    with pytest.raises(ConfigurationError, match="refund may need approval"):
        Offer([find, refund])
    Offer([find, refund], unasked=True)


support = Agent(ScriptedModel(), name="support", tools=[find, refund])
MODULE = "tests.tools.mcp.test_mcp_serve"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([f"{MODULE}:support"], "refund may need approval"),
        ([f"{MODULE}:refund"], "refund may need approval"),
        ([f"{MODULE}:nobody"], "has no attribute 'nobody'"),
        ([f"{MODULE}:find", "--http", "99999"], "port 99999"),
    ],
)
def test_the_command_says_what_is_wrong(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", "serve", *words]) == 2
    assert told in capsys.readouterr().err


async def test_a_slow_client_loses_notices_and_not_the_result() -> None:
    @tool(effect="read")
    async def chatter(context: ToolContext) -> str:
        """Say much."""
        for each in range(1000):
            await context.progress(str(each))
        return "done"

    seen: list[float] = []

    async def shown(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001 - the SDK's
        await anyio.lowlevel.checkpoint()
        seen.append(progress)

    async with served(chatter) as client:
        assert said(await client.call_tool("chatter", {}, progress_callback=shown)) == "done"
    assert 0 < len(seen) < 1000


def test_a_missing_package_is_named() -> None:
    program = (
        "import sys; sys.modules['mcp'] = None; from agentkit.cli import main; sys.exit(main(['mcp', 'serve', 'a:b']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "pip install 'agentkit-reasoning[mcp]'" in done.stderr
