"""Running what the model asked for: check a call, run it, find out what became of it."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from anyio import CapacityLimiter

from agentkit.core import words
from agentkit.core.commands import Go, Hold, Refuse, Verdict
from agentkit.core.events import CallRefused, CallResolved, CallSuspended, ToolFinished, ToolUnknown
from agentkit.core.messages import Part, Text
from agentkit.core.output import OUTPUT
from agentkit.core.replacing import replace
from agentkit.core.spec import ToolSpec
from agentkit.core.values import dataclass
from agentkit.errors import ConfigurationError
from agentkit.tools.arguments import BadArguments, equal_hash, read
from agentkit.tools.attempts import FIRST, Patience, tried
from agentkit.tools.beginning import Beginning
from agentkit.tools.checks import asks_for_approval
from agentkit.tools.child import Above, ChildTool, calling
from agentkit.tools.context import ToolContext
from agentkit.tools.finding_out import Doubt, find_out
from agentkit.tools.hearsay import noted
from agentkit.tools.judged import Judged
from agentkit.tools.leaving import Leaving
from agentkit.tools.mend import Usable, usable
from agentkit.tools.output import Output
from agentkit.tools.reading import Kept, context_of, with_reading
from agentkit.tools.results import failed, parts_for
from agentkit.tools.returned import check_form, misfit
from agentkit.tools.rules import defers
from agentkit.tools.running import Attempt, lives, strays
from agentkit.tools.secrets import Hiding, held_by
from agentkit.tools.tool import Tool

REMEMBERED = 1000  # calls, of all sessions

# Judging and compiling cost time, and a server makes a Dispatch per session: once per tool is enough.
_schemas: WeakKeyDictionary[Tool[Any, ..., Any], Judged] = WeakKeyDictionary()


@dataclass(frozen=True)
class Job:
    """One call to run.

    Attributes:
        call: its position, "2.1.0".
        arguments: the effective ones, raw JSON. edited: whether a person changed them. how: what the tool's policies
            did to make them usable.
        idempotency_key: its name outside the process, the same at every attempt.
        progress: who sees what a tool says while it works.
        late: told, from any thread, when a run that was given up as unknown ends after all with a known outcome.
        above: the session, for a sub-agent's call.
        kept: returns what the session keeps of a cut result, by the call's position.
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
    kept: Kept | None = None
    above: Above | None = None
    how: str = ""

    @property
    def note(self) -> str:
        """What every result of this call begins with."""
        return words.mended(self.how, self.arguments) + (words.edited(self.arguments) if self.edited else "")

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
        output: the type of the answer, None for text; its tool is one of those that run.
        strict: the model may have been told strict forms of the schemas: null stands for absent there.
        concurrency: how many calls of one session may run at the same time. Sessions do not wait for each other.
        first_wait: seconds, at most, before a failed call is tried again for the first time; later waits grow.

    Raises:
        ConfigurationError: two tools of one name, something that is no tool, a schema that is no JSON Schema.
    """

    def __init__(
        self,
        tools: Sequence[Tool[Any, ..., Any]],
        *,
        concurrency: int = 16,
        first_wait: float = FIRST,
        output: Output | None = None,
        strict: bool = False,
    ) -> None:
        last = () if output is None else (output.tool,)
        self._tools = _by_name([*with_reading(list(_by_name(tools).values())), *last])
        self.output, self._strict = output, strict
        self._schemas = {name: _judged(each) for name, each in self._tools.items()}
        self._secrets = tuple(secret for each in self._tools.values() for secret in each.declared.secrets)
        self._concurrency, self._first_wait = concurrency, first_wait
        self._limiters: WeakValueDictionary[str, CapacityLimiter] = WeakValueDictionary()  # by session
        self._fitting = OrderedDict[str, tuple[str, str]]()  # by idempotency key: tool, and arguments that fit
        self.specs: tuple[ToolSpec, ...] = tuple(each.spec for each in self._tools.values())

    def check(
        self, call: str, name: str, arguments: str, deps: object, *, session_id: str = "", key: str = ""
    ) -> Verdict:
        """Say whether a call may start: is it known, can it be read, does it fit, does a person have to agree.

        With OUTPUT as the call: whether the answer is of the type asked for; `name` is how it was to be given.

        Raises:
            Exception: whatever a `needs_approval` function of the user's raises; nothing is decided then.
        """
        if call == OUTPUT and self.output is not None:
            return self.output.check(arguments, name)
        tool = self._tools.get(name)
        if tool is None:
            return Refuse(CallRefused(call, "unknown_tool", words.unknown_tool(name, list(self._tools))))
        hiding = self._hiding(deps)
        try:
            given, values = self._read(tool, arguments)
            equal = equal_hash(given.given)
        except BadArguments as bad:
            return Refuse(CallRefused(call, bad.kind, (Text(hiding(bad.told(name))),)))
        if key and given.mended is None and not self._strict:
            self._remember(key, name, arguments)
        asking = ToolContext(deps, idempotency_key=key, session_id=session_id)
        answer = asks_for_approval(tool, values, asking)
        if answer is False:
            return Go(equal, given.mended, given.how)
        why = hiding(answer) if isinstance(answer, str) else ""
        return Hold(equal, why, given.mended, given.how, defer=defers(tool.declared.needs_approval))

    def parsed(self, name: str, arguments: str) -> Mapping[str, Any]:  # noqa: ARG002 - a tool may be gone, its call not
        """Return arguments for people to look at; empty where they cannot be read."""
        try:
            return read(arguments)
        except BadArguments:
            return {}

    def result(self, value: object) -> tuple[Part, ...]:
        """Return a result a person found out, as the model will see it."""
        return Leaving(self._hiding(None)).parts(parts_for(value))

    def misfit(self, name: str, value: object) -> str:
        """Return in what a result is not as the tool declares it; "" where it is, or the tool is not known here."""
        tool = self._tools.get(name)
        return "" if tool is None else misfit(tool.declared, value)

    def heard(self, tool: str, event: CallResolved, edited: str | None, deps: object) -> CallResolved:
        """Return what a person found out as it may be recorded: cut as the tool's own result is, without secrets."""
        if event.kind != "happened":
            return event
        known, limit = self._tools.get(tool), None
        if known is not None:
            event = noted(event, known.declared, "" if edited is None else words.edited(edited))
            limit = known.declared.result_limit
        return Leaving(self._hiding(deps), limit=limit)(event)

    async def run(self, job: Job) -> ToolFinished | ToolUnknown | CallSuspended:
        """Run a call whose start is recorded, and return the fact to record. Raises nothing but a cancellation.

        A cancelled run that ends with a known outcome all the same (the tool would not stop, or was just done) returns
        it; any other one raises the cancellation, and its outcome is unknown.
        """
        tool = self._tools.get(job.tool)
        if tool is None:
            return ToolFinished(job.call, words.gone(job.tool), failed=True)
        fits = self._fitting.pop(job.idempotency_key, None) == (job.tool, job.arguments)
        try:
            values = tool.inputs.convert(read(job.arguments)) if fits else self._read(tool, job.arguments)[1]
        except BadArguments as bad:
            return Leaving(self._hiding(job.deps)).hidden(failed(job.call, bad.told(job.tool), job.note))
        leaving = self._leaving(tool, job)
        if leaving.hiding:
            job = replace(job, progress=leaving.shown(job.progress))

        def late(event: ToolFinished | ToolUnknown) -> None:
            job.late(leaving(event))

        given = _with_context(tool, values, job)
        attempt = Attempt(tool, job.call, job.idempotency_key, given, job.note, late, job.session_id)
        patience = Patience(1 + tool.declared.retries, self._first_wait)
        return leaving(await tried(Beginning(attempt, self.room(job.session_id)), patience, job.progress))

    def room(self, session_id: str) -> CapacityLimiter:
        """Return where a session's calls wait for one another: the same one for as long as anybody holds it."""
        room = self._limiters.get(session_id)
        return self._limiters.setdefault(session_id, CapacityLimiter(self._concurrency)) if room is None else room

    async def reconcile(self, job: Job, question: int) -> CallResolved:
        """Ask the tool what became of a call; `question` is the number of the open question this answers."""
        doubt = Doubt(job.call, question, job.note)
        tool = self._tools.get(job.tool)
        if tool is None:
            return doubt.unknown(job.tool, f"{job.tool} is no longer there")
        try:
            _, values = self._read(tool, job.arguments)
        except BadArguments as bad:
            return Leaving(self._hiding(job.deps)).hidden(doubt.unknown(job.tool, bad.told(job.tool)))
        leaving = self._leaving(tool, job)
        job = replace(job, progress=leaving.shown(job.progress))
        return leaving(await find_out(tool, _with_context(tool, values, job), doubt))

    def alive(self, call_key: str) -> bool:
        """Tell whether a thread or task of an earlier attempt with this idempotency key still lives in this process."""
        return lives(call_key)

    def strays(self, session_id: str) -> bool:
        """Tell whether a thread that was given up still runs for a session in this process."""
        return strays(session_id)

    def _remember(self, key: str, name: str, arguments: str) -> None:
        """Keep in mind that arguments fit as they are, until the call runs: they need not be judged twice."""
        self._fitting[key] = (name, arguments)
        if len(self._fitting) > REMEMBERED:  # calls that never ran
            self._fitting.popitem(last=False)

    def _hiding(self, deps: object) -> Hiding:
        return Hiding((*self._secrets, *held_by(deps)))

    def _leaving(self, tool: Tool[Any, ..., Any], job: Job) -> Leaving:
        untrusted = tool.name if tool.declared.untrusted else ""
        return Leaving(self._hiding(job.deps), job.idempotency_key, job.note, untrusted, tool.declared.result_limit)

    def _read(self, tool: Tool[Any, ..., Any], arguments: str) -> tuple[Usable, dict[str, Any]]:
        schema = self._schemas[tool.name]
        given = usable(tool.declared, schema, schema.compiled.as_told(arguments) if self._strict else arguments)
        return given, tool.inputs.convert(given.given)


def _judged(tool: Tool[Any, ..., Any]) -> Judged:
    if tool not in _schemas:
        check_form(tool.declared)
        _schemas[tool] = Judged(tool.name, tool.inputs.schema, typed=tool.inputs.typed)
    return _schemas[tool]


def _with_context(tool: Tool[Any, ..., Any], values: dict[str, Any], job: Job) -> dict[str, Any]:
    name = tool.inputs.context
    if name is None:
        return values
    if isinstance(tool, ChildTool):
        return values | {name: calling(job.context, job.above)}
    return values | {name: context_of(tool, job.context, job.kept)}


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
