"""A set of tools as an MCP server: validated, run and told in words by agentkit's own dispatch."""

import json
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import anyio
import uvicorn
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp import MCPError, types
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from agentkit.core.events import CallSuspended, ToolFinished, ToolUnknown
from agentkit.core.spec import VERSION
from agentkit.errors import ConfigurationError
from agentkit.tools.dispatch import Dispatch, Job
from agentkit.tools.mcp.content import content_of, structured_in
from agentkit.tools.mcp.link import KEY
from agentkit.tools.tool import Tool

_LOG = logging.getLogger("agentkit")
_SHOWN = 256  # notices of progress that wait for a slow client; further ones are dropped
_LONGEST_KEY = 200
_ANSWER = "answer"
_FORM = {"type": "object", "properties": {_ANSWER: {"type": "string"}}, "required": [_ANSWER]}


class Offer:
    """Tools, offered to MCP clients over standard input and output, or over streamable HTTP.

    Arguments are checked by the tool's own schema; a mistake and a failure are results with `isError`. What a tool
    declares is told as annotations: `read` as `readOnlyHint`, `idempotent` as `idempotentHint`, and `destructiveHint`
    where a person would have to agree. An idempotency key that the client sends in `_meta` is the tool's own. Where a
    tool asks a person (`NeedsAnswer`), the client is asked (elicitation), if it can be.

    Args:
        tools: what is offered. name: what the server calls itself. deps: what the tools get as theirs.
        unasked: offer tools that need approval, too: the client has to ask its own person.

    Attributes:
        server: the SDK's, for another transport.

    Raises:
        ConfigurationError: a tool needs approval, and nobody could be asked; or two have one name.
    """

    def __init__(
        self,
        tools: Sequence[Tool[Any, ..., Any]],
        *,
        name: str = "agentkit",
        deps: object = None,
        unasked: bool = False,
    ) -> None:
        self._dispatch = Dispatch(tools)
        asking = [each.name for each in tools if each.declared.needs_approval is not False]
        if asking and not unasked:
            raise ConfigurationError(
                f"{', '.join(asking)} may need approval, and an MCP server can ask nobody: offer other tools, or say "
                "unasked=True (`--unasked`) where every client asks its own person"
            )
        self._tools = {each.name: each for each in tools}
        self._deps = deps
        self.server: Server[Any] = Server(name, version=VERSION, on_list_tools=self._list, on_call_tool=self._call)

    async def stdio(self) -> None:
        """Serve one client over standard input and output, until it closes them."""
        async with stdio_server() as (read, write):
            await self.server.run(read, write, self.server.create_initialization_options())

    async def http(self, listener: socket.socket) -> None:
        """Serve at `/mcp` on a bound socket of loopback until a signal. Requests that name another host are refused."""
        app = self.server.streamable_http_app()
        config = uvicorn.Config(app, log_config=None, log_level="warning", access_log=False, ws="none")
        await uvicorn.Server(config).serve([listener])

    async def _list(self, *_: object) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_offered(each) for each in self._tools.values()])

    async def _call(
        self, context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        tool = self._tools.get(params.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")
        if answer := (params.input_responses or {}).get(_ANSWER):
            return _answered(tool, answer)
        send, receive = anyio.create_memory_object_stream[str](_SHOWN)
        async with anyio.create_task_group() as group:
            group.start_soon(_forward, receive, context)
            with send:
                fact = await self._dispatch.run(self._job(params, _into(send.send_nowait)))
        if isinstance(fact, CallSuspended):
            return await _ask(tool, fact.text, context)
        return _result(tool, fact)

    def _job(self, params: types.CallToolRequestParams, progress: Callable[[str], None]) -> Job:
        given = dict(params.meta or {}).get(KEY)
        own = isinstance(given, str) and 0 < len(given) <= _LONGEST_KEY
        return Job(
            call="1.1.0",
            tool=params.name,
            arguments=json.dumps(params.arguments or {}),
            edited=False,
            idempotency_key=str(given) if own else f"mcp-{uuid4()}/1.1.0",
            session_id="mcp",
            deps=self._deps,
            progress=progress,
            late=_tell_late,
        )


def _into(send: Callable[[str], None]) -> Callable[[str], None]:
    def shown(text: str) -> None:
        try:
            send(text)
        except anyio.WouldBlock:
            _LOG.info("progress was dropped, the client is too slow: %s", text)

    return shown


async def _forward(receive: MemoryObjectReceiveStream[str], context: ServerRequestContext[Any]) -> None:
    """Send a tool's notices; the protocol wants numbers that grow, and a tool says words."""
    with receive:
        count = 0
        async for text in receive:
            count += 1
            await context.session.report_progress(count, message=text)


def _tell_late(fact: ToolFinished | ToolUnknown) -> None:
    _LOG.warning("a call ended after its client was told that its outcome is not known: %s", fact)


def _offered(tool: Tool[Any, ..., Any]) -> types.Tool:
    declared = tool.declared
    return types.Tool(
        name=tool.name,
        description=tool.inputs.description or None,
        input_schema=dict(tool.inputs.schema),
        output_schema=_returns(tool),
        annotations=types.ToolAnnotations(
            read_only_hint=tool.effect == "read",
            idempotent_hint=tool.effect != "once",
            destructive_hint=False if tool.effect == "read" else (declared.needs_approval is not False or None),
            open_world_hint=declared.untrusted or None,
        ),
    )


def _returns(tool: Tool[Any, ..., Any]) -> dict[str, Any] | None:
    """Return the schema of what a tool returns, where the protocol takes it: up to 2025-11-25 only an object's."""
    schema = tool.declared.returns
    return dict(schema) if schema is not None and schema.get("type") == "object" else None


async def _ask(
    tool: Tool[Any, ..., Any], question: str, context: ServerRequestContext[Any]
) -> types.CallToolResult | types.InputRequiredResult:
    """Have the client ask its person; since 2026-07-28 the call is made again with the answer."""
    form = types.ClientCapabilities(elicitation=types.ElicitationCapability())
    if not context.session.check_client_capability(form):
        return _error(f"{tool.name} asks a person, and this client cannot: {question}")
    if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
        asked = types.ElicitRequest(params=types.ElicitRequestFormParams(message=question, requested_schema=_FORM))
        return types.InputRequiredResult(input_requests={_ANSWER: asked})
    return _answered(tool, await context.session.elicit_form(question, _FORM, context.request_id))


def _answered(tool: Tool[Any, ..., Any], answer: object) -> types.CallToolResult:
    if isinstance(answer, types.ElicitResult) and answer.action == "accept" and answer.content:
        return types.CallToolResult(content=[types.TextContent(text=str(answer.content.get(_ANSWER, "")))])
    return _error(f"{tool.name} asked a person, who did not answer.")


def _result(tool: Tool[Any, ..., Any], fact: ToolFinished | ToolUnknown) -> types.CallToolResult:
    if isinstance(fact, ToolUnknown):
        return _error(
            f"It is not known what {tool.name} did: {fact.why}. It may have happened: do not repeat it before "
            "somebody has looked."
        )
    structured = structured_in(fact.parts) if _returns(tool) is not None and not fact.failed else None
    return types.CallToolResult(content=content_of(fact.parts), structured_content=structured, is_error=fact.failed)


def _error(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=True)
