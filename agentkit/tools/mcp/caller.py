"""The MCP client that a tool of ours serves: what it is told, and what its model and its person can be asked.

Up to 2025-11-25 a server asks by a request of its own. Since then it answers the call with its question, and the client
makes the call again with the answer; the tool waits in between, and runs once either way.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import anyio
from mcp import MCPError, types
from mcp.server import ServerRequestContext
from mcp.shared.message import ServerMessageMetadata
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from agentkit.core.spec import Effect
from agentkit.errors import AgentkitError, ToolError

_TOKENS = 1000

_MODEL = types.ClientCapabilities(sampling=types.SamplingCapability())
_PERSON = types.ClientCapabilities(elicitation=types.ElicitationCapability())


@dataclass
class _Question:
    """What the client is asked by the answer to its call."""

    asked: types.InputRequest
    answered: anyio.Event = field(default_factory=anyio.Event)
    answer: Any = None


class Caller:
    """The MCP client whose call a tool serves: `caller()` returns it.

    What it answers is data from outside: the client may hand on another's model, or a person's words.
    """

    def __init__(self, tool: str, effect: Effect, patience: float, pause: Callable[[], Awaitable[None]]) -> None:
        self._tool, self._effect, self._patience, self._pause = tool, effect, patience, pause
        self._context: ServerRequestContext[Any] | None = None
        self._open: dict[str, _Question] = {}
        self._told = self._asked = 0

    async def sample(self, prompt: str, *, system: str | None = None, max_tokens: int = _TOKENS) -> str:
        """Ask the client's model (sampling), and return its text.

        Args:
            prompt: what it is asked.
            system: its instructions.
            max_tokens: of its answer.

        Raises:
            ToolError: the client offers no model, refuses, answers with no text, or not in time.
            AgentkitError: the same of a `once` tool, whose call is unknown then: it may have done something before.
        """
        said = types.SamplingMessage(role="user", content=types.TextContent(text=prompt))
        asked = types.CreateMessageRequest(
            params=types.CreateMessageRequestParams(messages=[said], system_prompt=system, max_tokens=max_tokens)
        )
        answer = await self._ask(asked, types.CreateMessageResult, _MODEL, "and this client offers no model to ask")
        content = answer.content if isinstance(answer.content, list) else [answer.content]
        text = "\n".join(each.text for each in content if isinstance(each, types.TextContent))
        if not text:
            raise self._error("and the client's model answered with no text")
        return text

    async def ask(self, message: str, form: Mapping[str, Any]) -> dict[str, Any] | None:
        """Ask the client's person to fill in a form (elicitation), and return it; None where the person would not.

        Nobody has checked that what comes back fits the form.

        Args:
            message: what the person reads.
            form: JSON Schema of an object whose properties are texts, numbers, booleans and choices; the protocol
                allows no deeper ones.

        Raises:
            ToolError, AgentkitError: as `sample`, of a client that can ask nobody.
        """
        params = types.ElicitRequestFormParams(message=message, requested_schema=dict(form))
        lacking = f"asks a person, and this client cannot: {message}"
        answer = await self._ask(types.ElicitRequest(params=params), types.ElicitResult, _PERSON, lacking)
        return dict(answer.content or {}) if answer.action == "accept" else None

    def hear(self, context: ServerRequestContext[Any], answers: Mapping[str, Any]) -> None:
        """Go on with the client's next request, which may answer what was asked."""
        self._context = context
        for key, answer in answers.items():
            if question := self._open.pop(key, None):
                question.answer = answer
                question.answered.set()

    def questions(self) -> dict[str, types.InputRequest]:
        """Return what is asked and has no answer yet."""
        return {key: each.asked for key, each in self._open.items()}

    async def tell(self, text: str, *, log: bool) -> None:
        """Show the client what the tool says of its progress, as a line of its log, too, where it asked for one."""
        assert self._context is not None  # noqa: S101 - a tool runs in a request
        self._told += 1  # the protocol wants numbers that grow, and a tool says words
        await self._context.session.report_progress(self._told, message=text)
        if log:
            line = types.LoggingMessageNotificationParams(level="info", logger=self._tool, data=text)
            notice = types.LoggingMessageNotification(params=line)
            await self._context.session.send_notification(notice, self._context.request_id)

    async def _ask(self, asked: types.InputRequest, form: Any, needed: types.ClientCapabilities, lacking: str) -> Any:
        context = self._context
        assert context is not None  # noqa: S101 - as above
        if not context.session.check_client_capability(needed):
            raise self._error(lacking)
        try:
            if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
                answer = await self._by_answering(asked)
            else:
                related = ServerMessageMetadata(related_request_id=context.request_id)
                answer = await context.session.send_request(asked, form, self._patience, related)
        except (MCPError, TimeoutError, ValueError) as error:  # it refused; it is silent; its answer has no such form
            raise self._error(f"asked the client, which gave no answer: {str(error) or 'it took too long'}") from error
        if answer.__class__ not in {form, types.CreateMessageResultWithTools}:
            raise self._error(f"asked the client, which answered something else ({type(answer).__name__})")
        return answer

    async def _by_answering(self, asked: types.InputRequest) -> Any:
        self._asked += 1
        key = f"{self._asked}"
        question = self._open[key] = _Question(asked)
        try:
            with anyio.fail_after(self._patience):
                await self._pause()
                await question.answered.wait()
        finally:
            self._open.pop(key, None)
        return question.answer

    def _error(self, what: str) -> AgentkitError:
        kind = AgentkitError if self._effect == "once" else ToolError
        return kind(f"Error: {self._tool} {what}")


_CALLER: ContextVar[Caller] = ContextVar("agentkit_mcp_caller")


def caller() -> Caller:
    """Return the MCP client that the running tool serves.

    `await caller().sample("…")` asks the client's model. In a function that is not async:
    `anyio.from_thread.run(caller().sample, "…")`.

    Raises:
        ToolError: no MCP client called: the tool runs in a session of agentkit, or in a process of its own.
    """
    try:
        return _CALLER.get()
    except LookupError:
        raise ToolError("Error: this tool works only for an MCP client that calls it.") from None


def called_by(each: Caller) -> None:
    """Let `caller` return this one, in this task and those it starts."""
    _CALLER.set(each)
