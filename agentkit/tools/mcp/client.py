"""`MCPTools`: the tools of an MCP server as an agent's own."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from types import TracebackType
from typing import Any, Self, get_args

import anyio
from anyio.abc import TaskGroup
from mcp import MCPError, types
from mcp.shared.dispatcher import ProgressFnT
from mcp.types import CONNECTION_CLOSED, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, URL_ELICITATION_REQUIRED

from agentkit.core.messages import Text
from agentkit.core.spec import Effect
from agentkit.errors import ConfigurationError, ToolError
from agentkit.tools.context import ToolContext
from agentkit.tools.declared import Declared, NeedsApproval
from agentkit.tools.decorator import tool
from agentkit.tools.mcp.content import Value, failure_of, value_of
from agentkit.tools.mcp.link import Link, first_of, in_words
from agentkit.tools.mcp.place import Place, Stdio
from agentkit.tools.names import legal
from agentkit.tools.returned import check_form
from agentkit.tools.tool import Tool

_LOG = logging.getLogger("agentkit")
_SHOWN = 1000  # characters of a notice of progress
_ENDED = ". The program ended, or is no MCP server. Start it in a terminal to see what it says"
_LEAVING = 10.0  # seconds for a server to end; then it is ended

# By what JSON-RPC says of them: the request itself was refused, so nothing ran.
_REFUSED = frozenset({METHOD_NOT_FOUND, INVALID_PARAMS, URL_ELICITATION_REQUIRED})
# The connection broke, or the server no longer knows the session. Others may be in flight on it: it is not closed here.
_LOST = frozenset({CONNECTION_CLOSED, INVALID_REQUEST})
_MAY_HAVE_ACTED = "The server reports an error. Part of the work may have been done all the same:\n"


@dataclass
class MCPTools:
    """The tools of one MCP server, for as long as an `async with` lasts.

    `async with MCPTools(Stdio("npx", "-y", "some-server")) as server:` starts or reaches the server and asks for its
    tools; `Agent(..., tools=[*server])` takes them. Without a further word each is `once`, needs approval, and returns
    untrusted data: what a server says of its tools (annotations) is a hint of a stranger, and may only make a tool
    stricter than what is said here.

    A tool keeps what it was when it was taken: where the server says that its tools have changed, `tools` holds the new
    ones, for the next agent. A connection that broke is made again by the next call.

    Attributes:
        server: where it is.
        prefix: what the tools' names begin with, "files" giving `files_read`; two servers may have tools of one name.
        only: the server's names of the tools to take; None takes all.
        effect: of all tools, or by the server's name of the tool; `once` where nothing is said.
        needs_approval: of all tools, or by name; True where nothing is said.
        trust_annotations: what the server says rules where nothing is said by name: `readOnlyHint` makes a `read`
            without approval, `idempotentHint` makes `idempotent`, and `destructiveHint: false` needs no approval.
        untrusted: what the tools return are data, never instructions.
        timeout: seconds that a call may take; the server is told that it was cancelled.
        accept_defaults: where the server asks for input in mid-call, it gets the defaults of its own form, if each
            required field has one; else, and always for a URL, it is declined.
        tools: what the server offers now, in the order of their names.

    Raises:
        ConfigurationError: on entering: the server cannot be reached, or what is named is not there.
    """

    server: Place
    _: KW_ONLY
    prefix: str = ""
    only: Sequence[str] | None = None
    effect: Effect | Mapping[str, Effect] = "once"
    needs_approval: NeedsApproval | Mapping[str, NeedsApproval] = True
    trust_annotations: bool = False
    untrusted: bool = True
    timeout: float | None = 60.0
    accept_defaults: bool = True
    tools: tuple[Tool[object, ..., Any], ...] = field(default=(), init=False)
    _group: TaskGroup = field(init=False, repr=False)
    _link: Link = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for effect in self.effect.values() if isinstance(self.effect, Mapping) else (self.effect,):
            if effect not in get_args(Effect):
                raise ConfigurationError(f"MCPTools: effect={effect!r} is none of {', '.join(get_args(Effect))}")

    def __iter__(self) -> Iterator[Tool[object, ..., Any]]:
        return iter(self.tools)

    async def __aenter__(self) -> Self:
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._link = Link(self.server, self._group, self._asked, self._listed)
        try:
            await self._link.live()
        except BaseException as error:
            await self._leave()
            first = first_of(error)
            if isinstance(first, ConfigurationError):
                raise first from None
            if not isinstance(error, Exception):
                raise
            ended = isinstance(first, MCPError) and first.code == CONNECTION_CLOSED and isinstance(self.server, Stdio)
            raise ConfigurationError(
                f"the MCP server {self.server!r} cannot be used: {in_words(error)}{_ENDED if ended else ''}"
            ) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def _leave(self) -> None:
        """End the connection as the protocol wants it, but not for ever."""
        self._link.close()
        self._group.cancel_scope.shield = True
        self._group.cancel_scope.deadline = anyio.current_time() + _LEAVING
        await self._group.__aexit__(None, None, None)

    def _listed(self, offered: Sequence[types.Tool]) -> None:
        """Make tools of what the server offers. Raises: ConfigurationError: what is named is not there."""
        by_name = {each.name: each for each in reversed(offered)}
        if len(by_name) < len(offered):
            _LOG.warning("the MCP server %r offers several tools of one name: the first of each counts", self.server)
        self._check_named(by_name)
        names = legal(by_name, self.prefix)
        kept = by_name if self.only is None else {name: by_name[name] for name in self.only if name in by_name}
        made = [self._tool(each, names[name]) for name, each in kept.items()]
        self.tools = tuple(sorted(made, key=lambda each: each.name))

    def _check_named(self, offered: Mapping[str, object]) -> None:
        by_name = [each for each in (self.effect, self.needs_approval) if isinstance(each, Mapping)]
        missing = {name for each in (self.only or (), *by_name) for name in each} - offered.keys()
        if missing and self.tools:  # it had them once: who still has the tool is told when it is called
            _LOG.warning("the MCP server %r no longer offers %s", self.server, ", ".join(sorted(missing)))
        elif missing:
            raise ConfigurationError(
                f"the MCP server {self.server!r} offers no {', '.join(sorted(missing))}; it offers "
                f"{', '.join(sorted(offered)) or 'nothing'}"
            )

    def _tool(self, offered: types.Tool, name: str) -> Tool[object, ..., Any]:
        effect, approval = self._rules(offered)
        # Not the tool's own `returns`: what a server says of a failure, and a picture, no schema describes.
        form = Declared(name, effect, returns=offered.output_schema)
        check_form(form)

        async def call(arguments: dict[str, Any], context: ToolContext) -> Value:
            return await self._call(offered.name, arguments, context, form)

        made: Tool[object, ..., Any] = tool(
            effect=effect,
            needs_approval=approval,
            name=name,
            description=offered.description or offered.title or "",
            parameters={"properties": {}, **offered.input_schema},
            untrusted=self.untrusted,
            timeout=self.timeout,
        )(call)
        return made

    def _rules(self, offered: types.Tool) -> tuple[Effect, NeedsApproval]:
        """Return a tool's effect, and whether it needs approval: by name, else by a trusted hint, else the rule."""
        hints = offered.annotations or types.ToolAnnotations()
        effect: Effect = "once" if isinstance(self.effect, Mapping) else self.effect
        approval: NeedsApproval = True if isinstance(self.needs_approval, Mapping) else self.needs_approval
        if self.trust_annotations and offered.annotations is not None:
            effect, approval = _trusted(hints)
        elif hints.destructive_hint:
            effect, approval = "once", approval or True
        if isinstance(self.effect, Mapping):
            effect = self.effect.get(offered.name, effect)
        if isinstance(self.needs_approval, Mapping):
            approval = self.needs_approval.get(offered.name, approval)
        return effect, approval

    async def _call(self, name: str, arguments: dict[str, Any], context: ToolContext, form: Declared) -> Value:
        """Call a tool of the server.

        Raises:
            ToolError: nothing happened; or, of a tool that may be repeated, the server's own error.
            MCPError: of a `once` tool: the connection broke, or the server did not say what it did.
        """
        result = await self._sent(name, arguments, context, form.effect)
        if not result.is_error:
            return value_of(result, form)
        text = failure_of(result)
        if form.effect == "once":  # the server's word that something went wrong is no proof that nothing was done
            return (Text(_MAY_HAVE_ACTED + text),)
        raise ToolError(text)

    async def _sent(
        self, name: str, arguments: dict[str, Any], context: ToolContext, effect: Effect
    ) -> types.CallToolResult:
        """Send a call; a second time where the connection broke and the tool may be repeated."""
        once = effect == "once"
        try:
            return await self._attempt(name, arguments, context, sure=once)
        except MCPError as error:
            if once:
                raise
            if error.code not in _LOST:
                raise ToolError(f"Error: the server failed: {error.message}") from error
        try:
            return await self._attempt(name, arguments, context, sure=True)
        except MCPError as error:
            raise ToolError(f"Error: the server failed: {error.message}") from error

    async def _attempt(
        self, name: str, arguments: dict[str, Any], context: ToolContext, *, sure: bool
    ) -> types.CallToolResult:
        """Send a call once. Raises: ToolError: nothing ran; MCPError: as `_call`."""
        try:
            live = await self._link.live(sure=sure)
        except Exception as error:
            raise ToolError(f"Error: the MCP server cannot be reached: {in_words(error)}") from error
        try:
            return await live.call(name, arguments, context.idempotency_key, _showing(context))
        except MCPError as error:
            if error.code in _REFUSED:
                raise ToolError(f"Error: the server refused the call: {error.message}") from error
            raise

    def _asked(self, params: types.ElicitRequestParams) -> types.ElicitResult:
        """Answer what a server asks in mid-call: with its own defaults, or not at all."""
        if isinstance(params, types.ElicitRequestFormParams) and self.accept_defaults:
            fields: Mapping[str, Any] = params.requested_schema.get("properties", {})
            given = {name: each["default"] for name, each in fields.items() if "default" in each}
            if given and given.keys() >= set(params.requested_schema.get("required", ())):
                return types.ElicitResult(action="accept", content=given)
        return types.ElicitResult(action="decline")


def _trusted(hints: types.ToolAnnotations) -> tuple[Effect, NeedsApproval]:
    """Return what hints say, with the defaults that the protocol gives to those which are absent."""
    if hints.read_only_hint:
        return "read", False
    return "idempotent" if hints.idempotent_hint else "once", hints.destructive_hint is not False


def _showing(context: ToolContext) -> ProgressFnT:
    async def shown(progress: float, total: float | None, message: str | None) -> None:
        far = f"{progress:g}" if total is None else f"{progress:g} of {total:g}"
        await context.progress(f"{far}: {message:.{_SHOWN}}" if message else far)

    return shown
