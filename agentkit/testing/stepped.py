"""A tool whose code can be stopped between any two of its awaits, as a kill or a frozen machine would stop it."""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import getclosurevars, iscoroutinefunction, isroutine, unwrap
from typing import Any, Literal, TypeAlias

import anyio
from anyio.abc import TaskGroup

from agentkit.testing.faulty import Died
from agentkit.tools.context import ToolContext
from agentkit.tools.tool import Outcome, Tool

Strike: TypeAlias = Literal["killed", "frozen", "connection lost", "timed out", "cancelled"]


class Stepped(Awaitable[Any]):
    """A coroutine that meets `at_await` wherever it waited for something, before it goes on."""

    def __init__(self, work: Coroutine[Any, Any, Any], at_await: Callable[[], Awaitable[None]]) -> None:
        self._work, self._at_await = work, at_await

    def __await__(self) -> Generator[Any, Any, Any]:
        value, error = None, None
        while True:
            try:
                yielded = self._work.send(value) if error is None else self._work.throw(error)
            except StopIteration as end:
                return end.value
            value, error = None, None
            try:
                value = yield yielded
                yield from self._at_await().__await__()
            except BaseException as raised:  # noqa: BLE001 - whatever it is, it is for the code that waited
                error = raised


@dataclass
class _Attempt:
    """One run of the tool's code in a task of its own, which a killed process can leave standing."""

    turned: anyio.Event = field(default_factory=anyio.Event)  # it ended, or the process died under it
    over: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    value: Any = None
    error: BaseException | None = None

    async def run(self, work: Callable[["_Attempt"], Awaitable[Any]]) -> None:
        try:
            with self.scope:
                self.value = await work(self)
        except Exception as error:  # noqa: BLE001 - it is raised where the tool was called
            self.error = error
        finally:
            self.turned.set()
            self.over.set()

    async def outcome(self) -> Any:
        try:
            await self.turned.wait()
        except anyio.get_cancelled_exc_class():
            self.scope.cancel()
            with anyio.CancelScope(shield=True):
                await self.over.wait()
            if self.scope.cancelled_caught:
                raise
        if self.error is not None:
            raise self.error
        return self.value


@dataclass
class SteppedTool:
    """A tool, and what befalls its first process at await number `at` of its code (0: before the first line).

    Args:
        tasks: where its code runs; the code of a killed process stands there still until these are cancelled.
        kills: what makes the journal of the process as dead as the process. cancels: what its caller cancels with.

    Attributes:
        awaits: how often its code waited for something. struck: whether it came to the strike.
        keys: the idempotency key of each start; empty where the tool has no `ToolContext`.
        raised: the classes of what its code raised. answered: what its `reconcile` said.
    """

    tool: Tool[Any, ..., Any]
    tasks: TaskGroup
    strike: Strike | None
    at: int
    kills: Callable[[], object]
    cancels: Callable[[], object]
    awaits: int = 0
    struck: bool = False
    keys: list[str] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)
    answered: list[tuple[str, int]] = field(default_factory=list)
    thawed: anyio.Event = field(default_factory=anyio.Event)
    frozen: _Attempt | None = None

    def made(self, *, timeout: float | None, count: Callable[[], Awaitable[int]]) -> Tool[Any, ..., Any]:
        """Return the tool to be given to an agent. `count` counts the effects there are."""
        tool = self.tool
        made: Tool[Any, ..., Any] = Tool(self._run, replace(tool.declared, timeout=timeout), tool.inputs)
        if tool.check is not None:
            made.check = partial(self._check, tool.check, count)
        return made

    async def thaw(self) -> None:
        """Let code that was frozen go on to its end, whatever it is; one that does not end is left."""
        self.thawed.set()
        if self.frozen is not None:
            with anyio.move_on_after(5):
                await self.frozen.over.wait()

    async def _run(self, **values: Any) -> Any:
        context = values.get(self.tool.inputs.context or "")
        self.keys.append(context.idempotency_key if isinstance(context, ToolContext) else "")
        attempt = _Attempt()
        self.tasks.start_soon(attempt.run, partial(self._body, values))
        try:
            return await attempt.outcome()
        except Exception as error:
            self.raised.append(type(error).__name__)
            raise

    async def _body(self, values: dict[str, Any], attempt: _Attempt) -> Any:
        function = self.tool.function
        await self._meet(attempt)
        before = self.awaits
        if iscoroutinefunction(function):
            value = await Stepped(function(**values), partial(self._met, attempt))
        else:
            value = await anyio.to_thread.run_sync(partial(function, **values))
        if self.awaits == before:  # it waited for nothing: struck behind its whole body
            await self._met(attempt)
        return value

    def remembered(self, *known: object) -> tuple[str, ...]:
        """Return the names of what its code keeps its keys in, in its process's own memory, but for what is `known`."""
        function, keys = unwrap(self.tool.function), {*self.keys} - {""}
        if not (keys and isroutine(function)):
            return ()
        used = getclosurevars(function)
        kept = {
            name: value
            for name, value in {**used.globals, **used.nonlocals}.items()
            if isinstance(value, dict | set | list) and not any(value is each for each in known)
        }
        return tuple(name for name, value in kept.items() if any(key in value for key in keys))

    async def _met(self, attempt: _Attempt) -> None:
        self.awaits += 1
        await self._meet(attempt)

    async def _meet(self, attempt: _Attempt) -> None:
        if self.struck or self.strike is None or self.awaits != self.at:
            return
        self.struck = True
        match self.strike:
            case "killed" | "frozen":
                self.kills()
                self.frozen = attempt if self.strike == "frozen" else None
                attempt.error = Died()
                attempt.turned.set()
                await (self.thawed.wait() if self.frozen else anyio.sleep_forever())
            case "connection lost":
                raise ConnectionError("the connection was lost")
            case "timed out":
                await anyio.sleep_forever()
            case "cancelled":
                self.cancels()

    async def _check(self, check: Callable[..., Awaitable[Outcome[Any]]], count: Any, **values: Any) -> Outcome[Any]:
        outcome = await check(**values)
        if isinstance(outcome, Outcome):
            self.answered.append((outcome.kind, await count()))
        return outcome
