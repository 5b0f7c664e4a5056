"""`crash_everywhere`: one call of a tool, with every accident at every point where one can happen."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence, Sized
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from inspect import isawaitable
from typing import Any, Literal, TypeAlias, TypeVar, cast, get_args

import anyio

from agentkit.agent import Agent
from agentkit.core.events import AnyEvent, CallClosed, CallDenied, CallRefused, CallResolved, ToolFinished
from agentkit.core.messages import AssistantMessage, ToolCall, text_of
from agentkit.core.waiting import UnknownOutcome
from agentkit.errors import ConfigurationError, JournalError
from agentkit.journal.base import Journal
from agentkit.journal.memory import MemoryJournal
from agentkit.result import Result
from agentkit.session import Session
from agentkit.testing.faulty import Fault, FaultyJournal, until_death
from agentkit.testing.positioned import PositionedModel
from agentkit.testing.report import Accident, CrashReport, Person, Recorded, Run, Seen
from agentkit.testing.stepped import SteppedTool, Strike
from agentkit.tools.tool import Outcome, Tool

D = TypeVar("D")
Effects: TypeAlias = Callable[[D], Sized | Awaitable[Sized]]
What: TypeAlias = Literal[
    "killed", "frozen", "disk full", "commit uncertain", "connection lost", "timed out", "cancelled"
]

EVERYTHING: tuple[What, ...] = get_args(What)
MOST_AWAITS = 40  # a longer tool is struck at this many of its awaits, evenly spread
_PATIENCE = 30  # seconds one run may take
_ROUNDS = 20  # of a person's decisions in one run
_AT_APPENDS: Mapping[What, tuple[Fault, ...]] = {
    "killed": ("die before", "die after"),
    "disk full": ("full",),
    "commit uncertain": ("uncertain before", "uncertain after"),
    "cancelled": ("call",),
}


async def crash_everywhere(
    tool: Tool[Any, ..., Any],
    arguments: Mapping[str, Any],
    *,
    deps: Callable[[], D | AbstractAsyncContextManager[D]],
    effects: Effects[D],
    accidents: Sequence[What] = EVERYTHING,
) -> CrashReport:
    """Prove a tool safe: let a scripted model call it once, again and again, with every accident everywhere.

    The process is killed before and after each append to its journal and at each await of the tool's code; it is frozen
    there and thawed when another process has finished its work; the disk is full, a commit's fate is lost, the
    connection breaks, the tool hangs until its time-out (if it has one), the caller cancels. Then the program goes on,
    or is started again, and a person decides what is asked: once truthfully, once by giving up.

    Args:
        tool: what to try.
        arguments: what the model calls it with; they have to be good ones.
        deps: makes a fresh world for a run, the tool's `ctx.deps`: a class, a function, or one that returns an
            asynchronous context manager. It survives the killed process, as a bank survives its client.
        effects: the effects that there have been in this world: a list, a Counter, anything with a length; awaited if
            it is awaitable.
        accidents: only these. Leave out "frozen" where the service knows no idempotency keys: then no tool can hold
            against it, and a once tool waits for a person after any other accident.

    Raises:
        ConfigurationError: an undisturbed call took no effect, or did not finish: nothing could be proved.
    """
    case = _Case(tool, arguments, deps, effects)
    first = await case.run(Accident("nowhere", 0, ""), "tells the truth")
    runs = [first.run]
    if not first.run.wrong:
        case.learn(first)
        for accident in _accidents(tool, first, accidents):
            tried = await case.run(accident, "tells the truth")
            runs.append(tried.run)
            if tried.run.asked:
                runs.append((await case.run(accident, "gives up")).run)
    return CrashReport(tool.name, tool.effect, runs)


def _accidents(tool: Tool[Any, ..., Any], first: "_Tried", wanted: Sequence[What]) -> Iterator[Accident]:
    for at, events in enumerate(first.written, 1):
        for what in wanted:
            yield from (Accident("append", at, fault, events) for fault in _AT_APPENDS.get(what, ()))
    step = max(1, -(-first.awaits // MOST_AWAITS))
    for at in (*range(0, first.awaits, step), first.awaits):
        for what in wanted:
            timed = what != "timed out" or tool.declared.timeout is not None
            if what in get_args(Strike) and timed and (at or what != "connection lost"):
                yield Accident("await", at, what)


@dataclass(frozen=True)
class _Tried:
    """A run, and what is learned from the first of them."""

    run: Run
    recorded: Recorded
    said: str
    written: Sequence[tuple[str, ...]]
    awaits: int
    seconds: float


@dataclass
class _Case:
    tool: Tool[Any, ..., Any]
    arguments: Mapping[str, Any]
    deps: Callable[[], Any]
    effects: Callable[[Any], Any]
    expected: int = 1
    seconds: float = 0.0  # that an undisturbed run takes

    def learn(self, first: _Tried) -> None:
        """Take the undisturbed run as the measure. Raises: ConfigurationError: it proves nothing."""
        self.expected, self.seconds = first.run.effects, first.seconds
        if first.recorded != "happened":
            raise ConfigurationError(
                f"an undisturbed call of {self.tool.name} did not work ({first.said or first.recorded}): look at the "
                "arguments and the deps"
            )
        if not self.expected and self.tool.effect != "read":
            raise ConfigurationError(
                f"an undisturbed call of {self.tool.name} ({self.tool.effect}) took no effect that `effects` sees: "
                "look at the arguments, or at what `effects` counts"
            )

    def timeout(self, accident: Accident) -> float | None:
        declared = self.tool.declared.timeout
        if accident.what != "timed out" or declared is None:
            return declared
        return min(declared, max(0.05, 5 * self.seconds))

    async def run(self, accident: Accident, person: Person) -> _Tried:
        began = anyio.current_time()
        async with _world(self.deps) as world, anyio.create_task_group() as tasks:
            stage = _Stage(self, world, person, accident)
            stepped = stage.stepped = SteppedTool(
                self.tool, tasks, _strike(accident), accident.at, kills=stage.kill, cancels=stage.scope.cancel
            )
            with anyio.move_on_after(_PATIENCE) as patience:
                await stage.play(stepped.made(timeout=self.timeout(accident), count=stage.count))
            if patience.cancelled_caught:
                stage.broke = f"it did not come to an end within {_PATIENCE} s"
            tried = await stage.tried(anyio.current_time() - began, first=accident.place == "nowhere")
            tasks.cancel_scope.cancel()
        return tried


@dataclass
class _Stage:
    """One run: a world, a journal, a program that is started as often as it takes."""

    case: _Case
    world: Any
    person: Person
    accident: Accident
    inner: MemoryJournal = field(default_factory=MemoryJournal)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    model: PositionedModel = field(init=False)
    journal: FaultyJournal = field(init=False)
    stepped: SteppedTool = field(init=False)
    asked: list[str] = field(default_factory=list)
    seen: Any = None  # what `effects` returned last
    broke: str | None = None

    def __post_init__(self) -> None:
        call = ToolCall("call", self.case.tool.name, json.dumps(dict(self.case.arguments)))
        self.model = PositionedModel(AssistantMessage(None, calls=(call,)), "It is done.")
        at = self.accident.at if self.accident.place == "append" else 0
        fault = cast("Fault", self.accident.what) if at else "die before"
        self.journal = FaultyJournal(self.inner, at=at, fault=fault, calls=self.scope.cancel)

    def kill(self) -> None:
        self.journal.dead = True

    async def count(self) -> int:
        found = self.case.effects(self.world)
        effects = self.seen = await found if isawaitable(found) else found
        return effects.total() if isinstance(effects, Counter) else len(effects)

    async def play(self, tool: Tool[Any, ..., Any]) -> None:
        try:
            if await until_death(partial(self._first, tool)):
                await self.journal.bury()
                async with self._session(self.inner, tool) as session:
                    await self._program(session)
            await self.stepped.thaw()
        except Exception as error:  # noqa: BLE001 - the report says so
            self.broke = f"the program broke: {type(error).__name__}: {error}"

    async def _first(self, tool: Tool[Any, ..., Any]) -> None:
        async with self._session(self.journal, tool) as session:
            with self.scope:
                try:
                    await self._program(session)
                except JournalError:
                    if self.accident.place != "append":
                        raise
                else:
                    return
            await self._program(session)

    def _session(self, journal: Journal, tool: Tool[Any, ..., Any]) -> Session[Any, str]:
        agent: Agent[Any, str] = Agent(self.model, name="trial", tools=[tool])
        return Session(agent, "trial", journal=journal, deps=self.world)

    async def _program(self, session: Session[Any, str]) -> None:
        """Ask, let people decide, ask again: what a caller's program does, every time it is started."""
        result = await session.run("Please do it.", id="trial")
        for _ in range(_ROUNDS):
            if result.status != "waiting":
                return
            await self._decide(session, result)
            result = await session.resume()
        self.broke = f"it did not come to an end: {result.reason}"

    async def _decide(self, session: Session[Any, str], result: Result[str]) -> None:
        for approval in result.approvals:
            await session.approve(approval, by="a person")
        for question in result.questions:
            await session.answer(question, "yes", by="a person")
        for unknown in result.unknowns:
            self.asked.append(f"did {unknown.tool} take effect? ({unknown.why})")
            await session.resolve(unknown, await self._truth(unknown), by="a person")

    async def _truth(self, unknown: UnknownOutcome) -> Outcome[str]:
        if self.person == "gives up":
            return Outcome.unknown()
        done = await self.count() >= self.case.expected
        return Outcome.happened(f"{unknown.tool} took effect, a person saw it") if done else Outcome.not_happened()

    async def tried(self, seconds: float, *, first: bool) -> _Tried:
        events = [record.event async for record in self.inner.read("trial")]
        recorded, said = _recorded(events)
        effects, tool = await self.count(), self.case.tool
        expected = max(1, effects) if first else self.case.expected
        seen = Seen(
            tool.effect,
            effects,
            expected,
            recorded if not first else "nothing",
            tuple(self.stepped.keys),
            tuple(self.stepped.answered),
            tuple(self.stepped.raised),
            self.stepped.remembered(self.world, self.seen),
            self.broke,
        )
        run = Run(self.accident, self.person, effects, tuple(self.asked), tuple(dict.fromkeys(seen.wrongs())))
        return _Tried(run, recorded, said, self.journal.written, self.stepped.awaits, seconds)


def _strike(accident: Accident) -> Strike | None:
    return cast("Strike", accident.what) if accident.place == "await" else None


def _recorded(events: Sequence[AnyEvent]) -> tuple[Recorded, str]:
    """Return what the journal holds of the one call in the end, and what the model was told of it."""
    recorded: Recorded = "nothing"
    said = ""
    for event in events:
        match event:
            case ToolFinished(failed=failed):
                recorded = "did not happen" if failed else "happened"
            case CallResolved(kind="unknown", source="person"):
                recorded = "given up"
            case CallResolved(kind="happened", failed=failed):
                recorded = "did not happen" if failed else "happened"
            case CallDenied() | CallClosed() | CallRefused():
                recorded = "did not happen"
            case _:
                continue
        said = text_of(event.parts)
    return recorded, said


@asynccontextmanager
async def _world(deps: Callable[[], Any]) -> AsyncIterator[Any]:
    made = deps()
    if hasattr(made, "__aenter__"):
        async with made as world:
            yield world
    else:
        yield made
