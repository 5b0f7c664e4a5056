"""Running what the model asked for: check a call, run it, find out what became of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from anyio import CapacityLimiter

from agentkit.core import words
from agentkit.core.commands import Go, Hold, Refuse, Verdict
from agentkit.core.events import CallRefused, CallResolved, CallSuspended, ToolFinished, ToolUnknown
from agentkit.core.messages import Part, Text
from agentkit.core.spec import ToolSpec
from agentkit.errors import ConfigurationError
from agentkit.tools.arguments import BadArguments, fingerprint, read
from agentkit.tools.checks import asks_for_approval
from agentkit.tools.context import ToolContext
from agentkit.tools.finding_out import Doubt, find_out
from agentkit.tools.results import failed, parts_for
from agentkit.tools.running import Attempt, lives
from agentkit.tools.tool import Tool
from agentkit.tools.validate import Schema

# Compiling costs milliseconds, and a server makes a Dispatch per session: once per tool is enough.
_schemas: WeakKeyDictionary[Tool[Any, ..., Any], Schema] = WeakKeyDictionary()


@dataclass(frozen=True)
class Job:
    """One call to run.

    Attributes:
        call: its position, "2.1.0".
        arguments: the effective ones, raw JSON. edited: whether a person changed them.
        idempotency_key: its name outside the process, the same at every attempt.
        progress: who sees what a tool says while it works.
        late: told, from any thread, when a run that was given up as unknown ends after all with a known outcome.
    """

    call: str
    tool: str
    arguments: str
    edited: bool
    idempotency_key: str
    session_id: str
    deps: object
    progress: Callable[[str], None]
    late: Callable[[ToolFinished | ToolUnknown], None]

    @property
    def note(self) -> str:
        """What every result of this call begins with."""
        return words.edited(self.arguments) if self.edited else ""

    @property
    def context(self) -> ToolContext[Any]:
        """What the tool gets to know of the call."""
        return ToolContext(
            self.deps, idempotency_key=self.idempotency_key, session_id=self.session_id, on_progress=self.progress
        )


class Dispatch:
    """The tools of an agent, ready to run.

    Args:
        tools: in the order the model is told of them.
        concurrency: how many calls of one session may run at the same time. Sessions do not wait for each other.

    Raises:
        ConfigurationError: two tools of one name, something that is no tool, a schema that is no JSON Schema.
    """

    def __init__(self, tools: Sequence[Tool[Any, ..., Any]], *, concurrency: int = 16) -> None:
        self._tools = _by_name(tools)
        self._schemas = {name: _compiled(each) for name, each in self._tools.items()}
        self._concurrency = concurrency
        self._limiters: WeakValueDictionary[str, CapacityLimiter] = WeakValueDictionary()  # by session
        self.specs: tuple[ToolSpec, ...] = tuple(each.spec for each in self._tools.values())

    def check(
        self, call: str, name: str, arguments: str, deps: object, *, session_id: str = "", key: str = ""
    ) -> Verdict:
        """Say whether a call may start: is it known, can it be read, does it fit, does a person have to agree.

        Raises:
            Exception: whatever a `needs_approval` function of the user's raises; nothing is decided then.
        """
        tool = self._tools.get(name)
        if tool is None:
            return Refuse(CallRefused(call, "unknown_tool", words.unknown_tool(name, list(self._tools))))
        try:
            given, values = self._read(tool, arguments)
            equal = fingerprint(given)
        except BadArguments as bad:
            return Refuse(CallRefused(call, bad.kind, (Text(bad.told(name)),)))
        asking = ToolContext(deps, idempotency_key=key, session_id=session_id)
        return Hold(equal) if asks_for_approval(tool, values, asking) else Go(equal)

    def parsed(self, name: str, arguments: str) -> Mapping[str, Any]:  # noqa: ARG002 - a tool may be gone, its call not
        """Return arguments for people to look at; empty where they cannot be read."""
        try:
            return read(arguments)
        except BadArguments:
            return {}

    def result(self, value: object) -> tuple[Part, ...]:
        """Return a result a person found out, as the model will see it."""
        return parts_for(value)

    async def run(self, job: Job) -> ToolFinished | ToolUnknown | CallSuspended:
        """Run a call whose start is recorded, and return the fact to record. Raises nothing but a cancellation.

        A cancelled run that ends with a known outcome all the same (the tool would not stop, or was just done) returns
        it; any other one raises the cancellation, and its outcome is unknown.
        """
        tool = self._tools.get(job.tool)
        if tool is None:
            return ToolFinished(job.call, words.gone(job.tool), failed=True)
        try:
            _, values = self._read(tool, job.arguments)
        except BadArguments as bad:
            return failed(job.call, bad.told(job.tool), job.note)
        attempt = Attempt(tool, job.call, job.idempotency_key, _with_context(tool, values, job), job.note, job.late)
        async with self._limiters.setdefault(job.session_id, CapacityLimiter(self._concurrency)):
            return await attempt.run()

    async def reconcile(self, job: Job, question: int) -> CallResolved:
        """Ask the tool what became of a call; `question` is the number of the open question this answers."""
        doubt = Doubt(job.call, question, job.note)
        tool = self._tools.get(job.tool)
        if tool is None:
            return doubt.unknown(job.tool, f"{job.tool} is no longer there")
        try:
            _, values = self._read(tool, job.arguments)
        except BadArguments as bad:
            return doubt.unknown(job.tool, bad.told(job.tool))
        return await find_out(tool, _with_context(tool, values, job), doubt)

    def alive(self, call_key: str) -> bool:
        """Tell whether a thread or task of an earlier attempt with this idempotency key still lives in this process."""
        return lives(call_key)

    def _read(self, tool: Tool[Any, ..., Any], arguments: str) -> tuple[dict[str, Any], dict[str, Any]]:
        given = read(arguments)
        self._schemas[tool.name].check(given)
        return given, tool.inputs.convert(given)


def _compiled(tool: Tool[Any, ..., Any]) -> Schema:
    if tool not in _schemas:
        _schemas[tool] = Schema(tool.name, tool.inputs.schema)
    return _schemas[tool]


def _with_context(tool: Tool[Any, ..., Any], values: dict[str, Any], job: Job) -> dict[str, Any]:
    return values if tool.inputs.context is None else values | {tool.inputs.context: job.context}


def _by_name(tools: Sequence[object]) -> dict[str, Tool[Any, ..., Any]]:
    named: dict[str, Tool[Any, ..., Any]] = {}
    for each in tools:
        if not isinstance(each, Tool):
            name = getattr(each, "__name__", repr(each))
            raise ConfigurationError(
                f'tools: {name} is not a tool. Write `@tool(effect="read")` above its definition (or effect '
                '"idempotent" or "once", whichever tells what it does to the world).'
            )
        if each.name in named:
            raise ConfigurationError(
                f'tools: two tools are named {each.name!r}. Give one another name: `@tool(..., name="…")`.'
            )
        named[each.name] = each
    return named
