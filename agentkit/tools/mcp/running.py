"""A call that a client made of one of our tools: run once, however many requests it takes the client.

It runs in a task of the server's, not of a request's: since 2026-07-28 a request ends where the tool asks its client,
and another one brings the answer. What nobody comes back for is given up.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup
from mcp import MCPError, types
from mcp.server import ServerRequestContext

from agentkit.core.spec import Effect
from agentkit.tools.mcp.caller import Caller, called_by
from agentkit.tools.running import outlives_exit

_LOG = logging.getLogger("agentkit")
_SHOWN = 256  # notices of progress that wait for a slow client; further ones are dropped

Work = Callable[["Running"], Awaitable[types.CallToolResult]]


@dataclass
class Running:
    """One call: what it tells on its way, and how it ended.

    Attributes:
        tool: its name. effect: the tool's. patience: seconds that the client may take to answer what it is asked.
    """

    tool: str
    effect: Effect
    patience: float
    caller: Caller = field(init=False)
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _ended: types.CallToolResult | Exception | None = None

    def __post_init__(self) -> None:
        self._send, self._receive = anyio.create_memory_object_stream[str | None](_SHOWN)
        self.caller = Caller(self.tool, self.effect, self.patience, self._pause)

    async def go(self, work: Work) -> None:
        """Run to the end. What is wrong with it is told to whoever asked, and ends no server."""
        called_by(self.caller)
        outlives_exit.set(True)
        with self._send, self._scope:
            try:
                self._ended = await work(self)
            except Exception as error:  # noqa: BLE001 - see above
                self._ended = error

    def progress(self, text: str) -> None:
        """Show the client how far the tool is, if the client is quick enough."""
        try:
            self._send.send_nowait(text)
        except (anyio.WouldBlock, anyio.BrokenResourceError):
            _LOG.info("progress was dropped, the client is too slow, or gone: %s", text)

    async def leg(
        self, context: ServerRequestContext[Any], answers: Mapping[str, Any], *, log: bool
    ) -> types.CallToolResult | None:
        """Tell a request's client what there is to tell, up to the result; None: the client is asked something."""
        self.caller.hear(context, answers)
        if self.caller.questions():  # it came back, and not with all the answers
            return None
        try:
            async for told in self._receive:
                if told is not None:
                    await self.caller.tell(told, log=log)
                elif self.caller.questions():
                    return None
        except BaseException:  # the client is gone, or has cancelled its call
            self.leave()
            raise
        self._receive.close()
        if isinstance(self._ended, Exception):
            raise self._ended
        if self._ended is None:
            raise MCPError(types.INTERNAL_ERROR, f"the server is ending, and has stopped {self.tool}")
        return self._ended

    def leave(self) -> None:
        """Stop it: nobody waits for its result any more."""
        self._scope.cancel()
        self._receive.close()

    async def _pause(self) -> None:
        await self._send.send(None)


@dataclass
class Waiting:
    """The calls that wait for their clients to come back with an answer, by what the client has to show for it."""

    _by_state: dict[str, Running] = field(default_factory=dict)

    def hold(self, running: Running, group: TaskGroup) -> types.InputRequiredResult:
        """Return what asks the client. Where it does not come back in time, the call is given up."""
        state = str(uuid4())
        self._by_state[state] = running
        group.start_soon(self._give_up, state, running.patience)
        return types.InputRequiredResult(input_requests=running.caller.questions(), request_state=state)

    def back(self, state: str, tool: str) -> Running | None:
        """Return the call that waited, None where there is none (any more)."""
        running = self._by_state.get(state)
        return self._by_state.pop(state) if running is not None and running.tool == tool else None

    async def _give_up(self, state: str, patience: float) -> None:
        try:
            await anyio.sleep(patience)
            if state in self._by_state:
                _LOG.warning("%s was given up: its client did not come back", self._by_state[state].tool)
        finally:  # the server may be ending
            if running := self._by_state.pop(state, None):
                running.leave()
