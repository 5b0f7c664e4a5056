"""A set of tools as an MCP server: validated, run and told in words by agentkit's own dispatch."""

import json
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from secrets import token_hex
from typing import Any
from uuid import uuid4

import anyio
import uvicorn
from anyio.abc import TaskGroup
from mcp import MCPError, types
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server

from agentkit.core.cutting import Cut
from agentkit.core.events import CallSuspended, ToolFinished, ToolUnknown
from agentkit.core.messages import Text
from agentkit.core.spec import VERSION
from agentkit.errors import AgentkitError, ConfigurationError
from agentkit.tools.child import ChildTool
from agentkit.tools.dispatch import Dispatch, Job
from agentkit.tools.mcp.content import content_of, structured_in
from agentkit.tools.mcp.levels import Levels
from agentkit.tools.mcp.link import KEY
from agentkit.tools.mcp.running import Running, Waiting
from agentkit.tools.reading import with_reading
from agentkit.tools.tool import Tool

_LOG = logging.getLogger("agentkit")
_LONGEST_KEY = 200
_KEPT = 8  # cut results whose rest can be read, of at most 16 MiB each
_AT_ONCE = 256  # calls of all clients that run or wait for an answer
_ANSWER = "answer"
_FORM = {"type": "object", "properties": {_ANSWER: {"type": "string"}}, "required": [_ANSWER]}


class Offer:
    """Tools, offered to MCP clients over standard input and output, or over streamable HTTP.

    Arguments are checked by the tool's own schema; a mistake and a failure are results with `isError`. What a tool
    declares is told as annotations: `read` as `readOnlyHint`, `idempotent` as `idempotentHint`, and `destructiveHint`
    where a person would have to agree. An idempotency key that the client sends in `_meta` is the tool's own. Where a
    tool asks a person (`NeedsAnswer`), the client is asked (elicitation), if it can be; `caller` asks it for more. What
    a tool says of its progress is a notice of progress and a line of the log, to clients that asked for them.

    Args:
        tools: what is offered. name: what the server calls itself. deps: what the tools get as theirs.
        unasked: offer tools that need approval, too: the client has to ask its own person.
        patience: seconds that a client may take to answer what a tool asks it: a person may have to look.

    Attributes:
        server: the SDK's, for another transport.

    Raises:
        ConfigurationError: a tool needs approval, and nobody could be asked; one is an agent; or two have one name.
    """

    def __init__(
        self,
        tools: Sequence[Tool[Any, ..., Any]],
        *,
        name: str = "agentkit",
        deps: object = None,
        unasked: bool = False,
        patience: float = 600.0,
    ) -> None:
        self._dispatch = Dispatch(tools, concurrency=_AT_ONCE)
        if agents := [each.name for each in tools if isinstance(each, ChildTool)]:
            raise ConfigurationError(
                f"{', '.join(agents)}: an agent as a tool needs a session that calls it, and an MCP server has none: "
                "offer a tool of your own that runs the agent"
            )
        asking = [each.name for each in tools if each.declared.needs_approval is not False]
        if asking and not unasked:
            raise ConfigurationError(
                f"{', '.join(asking)} may need approval, and an MCP server can ask nobody: offer other tools, or say "
                "unasked=True (`--unasked`) where every client asks its own person"
            )
        self._tools = {each.name: each for each in with_reading(tools)}
        self._kept: dict[str, tuple[str, Cut]] = {}
        self._deps, self._patience = deps, patience
        self._waiting = Waiting()
        self._levels = Levels()
        self.server: Server[Any] = Server(
            name, version=VERSION, lifespan=_group, on_list_tools=self._list, on_call_tool=self._call
        )
        self.server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, self._levels.set)

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
        if params.request_state is not None:
            running = self._waiting.back(params.request_state, tool.name)
        else:
            running = Running(tool.name, tool.effect, self._patience)
            context.lifespan_context.start_soon(running.go, partial(self._work, tool, params))
        if running is None:
            return _result(tool, ToolUnknown("1.1.0", "it no longer waits for this answer"))
        result = await running.leg(context, params.input_responses or {}, log=self._levels.info(context))
        return result or self._waiting.hold(running, context.lifespan_context)

    async def _work(
        self, tool: Tool[Any, ..., Any], params: types.CallToolRequestParams, running: Running
    ) -> types.CallToolResult:
        fact = await self._dispatch.run(self._job(params, running.progress))
        if isinstance(fact, ToolFinished) and fact.cut is not None and isinstance(fact.cut.whole, Text):
            self._kept[fact.call] = fact.cut.whole.text, fact.cut
            if len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
        if not isinstance(fact, CallSuspended):
            return _result(tool, fact)
        try:
            answer = await running.caller.ask(fact.text, _FORM)
        except AgentkitError as error:
            return _error(str(error).removeprefix("Error: "))
        if answer is None:
            return _error(f"{tool.name} asked a person, who did not answer.")
        return types.CallToolResult(content=[types.TextContent(text=str(answer.get(_ANSWER, "")))])

    def _job(self, params: types.CallToolRequestParams, progress: Callable[[str], None]) -> Job:
        given = dict(params.meta or {}).get(KEY)
        own = isinstance(given, str) and 0 < len(given) <= _LONGEST_KEY
        return Job(
            call=token_hex(8),  # one client's `read_more` must not find what another one called
            tool=params.name,
            arguments=json.dumps(params.arguments or {}),
            edited=False,
            idempotency_key=str(given) if own else f"mcp-{uuid4()}/1.1.0",
            session_id="mcp",
            deps=self._deps,
            progress=progress,
            late=_tell_late,
            kept=self._kept_of,
        )

    async def _kept_of(self, call: str) -> tuple[str, Cut] | None:
        return self._kept.get(call)


@asynccontextmanager
async def _group(_: object) -> AsyncIterator[TaskGroup]:
    """Hold the calls that run, as long as the server does."""
    async with anyio.create_task_group() as group:
        try:
            yield group
        finally:
            group.cancel_scope.cancel()


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
    """Return the schema of what a tool returns, where the protocol takes it: up to 2025-11-25 only an object's.

    A client refuses a result without the structure it was promised, and one that is framed or cut has none.
    """
    declared, schema = tool.declared, tool.declared.returns
    if schema is None or declared.untrusted or declared.result_limit is not None:
        return None
    return dict(schema) if schema.get("type") == "object" else None


def _result(tool: Tool[Any, ..., Any], fact: ToolFinished | ToolUnknown) -> types.CallToolResult:
    if isinstance(fact, ToolUnknown):
        return _error(
            f"It is not known what {tool.name} did: {fact.why}. It may have happened: do not repeat it before "
            "somebody has looked."
        )
    promised = _returns(tool) is not None and not fact.failed
    structured = structured_in(fact.parts) if promised else None
    failed = fact.failed or (promised and structured is None)  # the text says what became of it
    return types.CallToolResult(content=content_of(fact.parts), structured_content=structured, is_error=failed)


def _error(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=True)
