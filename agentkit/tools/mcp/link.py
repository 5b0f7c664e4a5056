"""One connection to an MCP server, and another one when it broke: what is in flight then is known to be lost.

A connection lives in a task of its own, because the SDK's transports end by cancelling the task that holds them. Who
calls asks for a live one first (`Link.live`): up to there nothing has been sent, which is what law 6 wants to know.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import anyio
from anyio.abc import TaskGroup, TaskStatus
from mcp import ClientSession, MCPError, types
from mcp.client.session import ClientRequestContext
from mcp.client.subscriptions import SubscriptionLost, listen
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from agentkit.core.spec import VERSION
from agentkit.errors import ConfigurationError
from agentkit.tools.mcp.place import Http, Place

if TYPE_CHECKING:  # the SDK keeps it to itself
    from mcp.shared._stream_protocols import ReadStream

_LOG = logging.getLogger("agentkit")
_ROUNDS = 10  # times that one call may ask for more before it answers
_PAGES = 1000  # of a list of tools
_PING = 10.0  # seconds
_AGREEING = 60.0  # seconds for a server to start, agree on a version and tell its tools

Asked = Callable[[types.ElicitRequestParams], types.ElicitResult]
KEY = "agentkit/idempotency-key"  # in the `_meta` of a call


class _Session(ClientSession):
    """The SDK's session. What a call did is not thrown away because its report has the wrong form."""

    async def validate_tool_result(self, name: str, result: types.CallToolResult) -> None:
        """Check nothing: the tool's `returns` is checked by agentkit, which knows that the call has happened."""


class _Watched:
    """A stream that tells when it has ended: the SDK does not say that a connection is over."""

    def __init__(self, stream: "ReadStream[SessionMessage | Exception]", over: anyio.Event) -> None:
        self._stream, self._over = stream, over

    async def receive(self) -> SessionMessage | Exception:
        return await self._stream.receive()

    async def aclose(self) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self._stream.__anext__()
        except BaseException:
            self._over.set()
            raise

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._stream.__aexit__(kind, error, trace)


@dataclass(frozen=True)
class Live:
    """A connection that has been made. `over`: it ended, or is to end."""

    session: ClientSession
    over: anyio.Event

    async def call(self, name: str, arguments: dict[str, Any], key: str, shown: ProgressFnT) -> types.CallToolResult:
        """Call a tool of the server.

        Raises:
            MCPError: the server refused the call, or the connection broke.
        """
        answers: types.InputResponses | None = None
        state: str | None = None
        for begun in range(_ROUNDS):
            try:
                result = await self.session.call_tool(
                    name,
                    arguments,
                    progress_callback=shown,
                    input_responses=answers,
                    request_state=state,
                    meta=cast("types.RequestParamsMeta", {KEY: key}),  # an open map, which mypy does not know yet
                    allow_input_required=True,
                )
            except MCPError as error:
                if begun and error.code != types.CONNECTION_CLOSED:  # it is no proof any more that nothing ran
                    raise MCPError(types.INTERNAL_ERROR, error.message) from error
                raise
            if isinstance(result, types.CallToolResult):
                return result
            answers = {each: await self._answer(each, asked) for each, asked in (result.input_requests or {}).items()}
            state = result.request_state
        raise MCPError(types.INTERNAL_ERROR, f"the server asked for more {_ROUNDS} times and did not answer")

    async def _answer(self, key: str, asked: types.InputRequest) -> types.InputResponse:
        context = ClientRequestContext(session=self.session, request_id=key)
        answer = await self.session.dispatch_input_request(context, asked)
        if isinstance(answer, types.ErrorData):
            raise MCPError(types.INTERNAL_ERROR, f"the server wants what it cannot have: {answer.message}")
        return answer


@dataclass
class Link:
    """The way to one server, for as long as `group` lasts.

    Attributes:
        place: where it is.
        group: what runs the connections.
        asked: answers what the server wants to know in mid-call.
        listed: told the server's tools, after each connection and whenever it says that they have changed.
    """

    place: Place
    group: TaskGroup
    asked: Asked
    listed: Callable[[Sequence[types.Tool]], None]
    _live: Live | None = None
    _lock: anyio.Lock = field(default_factory=anyio.Lock)
    _listing: anyio.Lock = field(default_factory=anyio.Lock)  # the list asked for last is the one that stays

    async def live(self, *, sure: bool = False) -> Live:
        """Return a live connection, making one where there is none; `sure`: ask the server whether it is there.

        Raises:
            Exception: it cannot be made, whatever the reason. Nothing of a call has been sent then.
        """
        async with self._lock:
            if (
                self._live is not None
                and not self._live.over.is_set()
                and (not sure or await self._answers(self._live))
            ):
                return self._live
            made: Live = await self.group.start(self._hold)
            self._live = made
            return made

    def close(self) -> None:
        """Let the connection end."""
        if self._live is not None:
            self._live.over.set()

    async def _answers(self, live: Live) -> bool:
        """Tell whether a server still knows this session. A program that died was noticed, a server behind HTTP not."""
        if not isinstance(self.place, Http) or live.session.initialize_result is None:
            return True  # since 2026-07-28 HTTP has no sessions: nothing can be forgotten
        try:
            with anyio.fail_after(_PING):
                await live.session.send_ping()
        except (MCPError, TimeoutError):
            live.over.set()
        return not live.over.is_set()

    async def _hold(self, *, task_status: TaskStatus[Live]) -> None:
        """Hold one connection until it is over. An error before it is made is the caller's, a later one is its end."""
        over, made = anyio.Event(), False
        try:
            async with (
                self.place.streams() as (read, write),
                self._session(_Watched(read, over), write) as session,
                anyio.create_task_group() as listening,
            ):
                with anyio.fail_after(_AGREEING):
                    await _agree(session)
                    await self._ask_for_changes(session, listening)
                    await (self._list(session) if self._live is None else self._list_again(session, anew=True))
                made = True
                task_status.started(Live(session, over))
                await over.wait()
                listening.cancel_scope.cancel()
        except Exception as error:
            if not made:
                raise
            _LOG.info("the connection to %r ended: %s", self.place, in_words(error))
        finally:
            over.set()

    def _session(self, read: _Watched, write: Any) -> _Session:
        async def told(message: types.ServerNotification | Exception) -> None:
            if isinstance(message, types.ToolListChangedNotification):
                await self._list_again(made)

        made = _Session(
            read,
            write,
            elicitation_callback=self._elicited,
            message_handler=told,
            client_info=types.Implementation(name="agentkit", version=VERSION),
        )
        return made

    async def _elicited(
        self,
        context: ClientRequestContext,  # noqa: ARG002 - the SDK's name
        params: types.ElicitRequestParams,
    ) -> types.ElicitResult:
        return self.asked(params)

    async def _ask_for_changes(self, session: ClientSession, group: TaskGroup) -> None:
        """Ask to hear of changed tools before they are listed, where that has to be asked for (since 2026-07-28)."""
        tools = session.discover_result and session.discover_result.capabilities.tools
        if tools and tools.list_changed:
            heard = anyio.Event()
            group.start_soon(self._listen, session, heard)
            await heard.wait()

    async def _listen(self, session: ClientSession, heard: anyio.Event) -> None:
        try:
            async with listen(session, tools_list_changed=True) as changes:
                heard.set()
                async for _ in changes:
                    await self._list_again(session)
        except (MCPError, SubscriptionLost) as error:
            _LOG.info("%r does not tell when its tools change: %s", self.place, error)
        finally:
            heard.set()

    async def _list_again(self, session: ClientSession, *, anew: bool = False) -> None:
        """List changed tools; where that is of no use, the earlier ones stay. `anew`: the connection is still made."""
        try:
            await self._list(session)
        except (MCPError, ValidationError, ConfigurationError) as error:
            if anew and isinstance(error, MCPError) and error.code == types.CONNECTION_CLOSED:
                raise
            _LOG.warning("%r changed its tools, and they cannot be used: %s", self.place, error)

    async def _list(self, session: ClientSession) -> None:
        async with self._listing:
            tools: list[types.Tool] = []
            cursor: str | None = None
            for _ in range(_PAGES):
                page = await session.list_tools(params=types.PaginatedRequestParams(cursor=cursor) if cursor else None)
                tools += page.tools
                cursor = page.next_cursor
                if not cursor:
                    break
            else:
                _LOG.warning("%r tells its tools on more than %d pages: the rest is left out", self.place, _PAGES)
            self.listed(tools)


async def _agree(session: ClientSession) -> None:
    """Agree on a version: the newest by `server/discover`, else by the handshake that every older server knows."""
    try:
        await session.discover()
    except (MCPError, ValidationError, RuntimeError):
        try:
            await session.initialize()
        except MCPError as error:
            if error.code != types.UNSUPPORTED_PROTOCOL_VERSION:
                raise
            await session.discover()  # a server so slow to start that the first question was given up


def in_words(error: BaseException) -> str:
    """Return the text of an error, of the first one in a group."""
    error = first_of(error)
    return str(error) or type(error).__name__


def first_of(error: BaseException) -> BaseException:
    """Return an error, of a group the first one."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
