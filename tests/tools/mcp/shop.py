"""An MCP server made with the SDK, served over HTTP on loopback in the test's own process; it notes what it gets."""

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import uvicorn
from anyio.abc import TaskStatus
from mcp import MCPError, types
from mcp.server import Server, ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"id": {"type": "string"}}}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="


def text(said: str, **more: Any) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=said)], **more)


def offered(name: str, *, hints: dict[str, bool] | None = None, **more: Any) -> types.Tool:
    annotations = None if hints is None else types.ToolAnnotations.model_validate(hints)
    return types.Tool(name=name, input_schema=more.pop("input_schema", SCHEMA), annotations=annotations, **more)


@dataclass
class Shop:
    """What the server offers and answers. `old`: it knows nothing newer than the protocol of 2025-11-25."""

    tools: list[types.Tool] = field(default_factory=lambda: [offered("look")])
    results: dict[str, types.CallToolResult | types.InputRequiredResult | MCPError] = field(default_factory=dict)
    old: bool = False
    calls: list[types.CallToolRequestParams] = field(default_factory=list)
    cancelled: anyio.Event = field(default_factory=anyio.Event)
    sessions: list[Any] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    bus: InMemorySubscriptionBus = field(default_factory=InMemorySubscriptionBus)

    def server(self) -> Server[Any]:
        made: Server[Any] = Server(
            "shop",
            version="1",
            on_list_tools=self._list,
            on_call_tool=self._call,
            on_subscriptions_listen=ListenHandler(self.bus),
        )
        if self.old:
            made.add_request_handler("server/discover", types.RequestParams, _old)
        return made

    async def change(self, *tools: types.Tool) -> None:
        """Offer other tools from now on, and say so."""
        self.tools = list(tools)
        if self.old:
            await self.sessions[0].send_tool_list_changed()
        else:
            await self.bus.publish(ToolsListChanged())

    async def _list(self, context: Any, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        self.sessions.append(context.session)
        first = int(params.cursor) if params and params.cursor else 0
        more = first + 2 < len(self.tools)
        return types.ListToolsResult(tools=self.tools[first : first + 2], next_cursor=str(first + 2) if more else None)

    async def _call(
        self, context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        self.calls.append(params)
        if params.name == "slow":
            await self._slow()
        if params.name == "far":
            await context.session.report_progress(1, 3, "on its way")
            await context.session.report_progress(2)
        if params.name == "ask":
            return await self._ask(context, params)
        result = self.results.get(params.name, text(f"{params.name} {params.arguments}"))
        if isinstance(result, MCPError):
            raise result
        return result

    async def _slow(self) -> None:
        try:
            await anyio.sleep(30)
        finally:
            self.cancelled.set()

    async def _ask(
        self, context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        asked = types.ElicitRequestFormParams(message="How many?", requested_schema=(params.arguments or {})["form"])
        if self.old:
            answer: Any = await context.session.elicit_form(asked.message, asked.requested_schema, context.request_id)
        elif params.input_responses is None:
            return types.InputRequiredResult(
                input_requests={"many": types.ElicitRequest(params=asked)}, request_state="s"
            )
        else:
            assert params.request_state == "s"
            answer = params.input_responses["many"]
        self.answers.append(answer)
        return text(f"{answer.action} {answer.content}")


async def _old(context: Any, params: Any) -> types.DiscoverResult:  # noqa: ARG001 - the SDK's form
    return types.DiscoverResult(supported_versions=["2025-11-25"], capabilities=types.ServerCapabilities())


class _Quick(uvicorn.Server):
    """Takes no signals, and ends when told to."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(shop: Shop, port: int = 0) -> AsyncIterator[str]:
    """Serve the shop, and give its URL. What is open at the end is cut off, as by a crash."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    config = uvicorn.Config(shop.server().streamable_http_app(), log_config=None, log_level="critical", ws="none")
    server = _Quick(config)
    with listener:
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [listener])
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
            finally:
                server.should_exit = server.force_exit = True


async def held(shop: Shop, over: anyio.Event, port: int, *, task_status: TaskStatus[str]) -> None:
    """Serve the shop in a task of its own until `over`."""
    async with serving(shop, port) as url:
        task_status.started(url)
        await over.wait()


async def until(reached: Callable[[], bool]) -> None:
    """Wait at most 20 seconds; what is waited for happens in a task of the SDK's, which tells nobody."""
    with anyio.fail_after(20):
        while not reached():  # noqa: ASYNC110 - see above
            await anyio.sleep(0.01)


def open_at(port: int) -> bool:
    """Tell whether somebody listens at a port of loopback."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
