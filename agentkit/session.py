"""Session: one conversation. It claims and writes only while it drives; everything else goes through the inbox."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast, overload

import anyio

from agentkit import children, decisions, forks
from agentkit.apart import apart
from agentkit.core.events import (
    CallAnswered,
    CallApproved,
    CallDenied,
    CallResolved,
    CancelRequested,
    Forked,
    RunStarted,
    SessionStarted,
    TurnResumed,
)
from agentkit.core.messages import Content, Message
from agentkit.core.record import Record
from agentkit.core.spec import Inherited
from agentkit.core.state import Phase, State
from agentkit.core.waiting import Approval, Question, UnknownOutcome
from agentkit.desk import Desk
from agentkit.driver import Driver
from agentkit.errors import ConfigurationError, NothingToResume, SessionBusy
from agentkit.ids import process_name, uuid7
from agentkit.inbox import body_of
from agentkit.journal.base import InboxKind, Journal, Lease
from agentkit.journal.watch import watched
from agentkit.means import Means, means_for
from agentkit.questions import open_calls, shown
from agentkit.recorder import Recorder, Subscriber
from agentkit.redaction import in_words
from agentkit.result import Result, beside, of_message, of_open_turn, of_turn
from agentkit.stream import Stream
from agentkit.upgrades import judge

if TYPE_CHECKING:
    from agentkit.agent import Agent
    from agentkit.tools import Outcome

D = TypeVar("D")
O = TypeVar("O")  # noqa: E741 - the public surface's name

_LOOK = 1.0  # seconds between looks at a session that another process drives
_PAUSE = 0.05  # seconds between two looks at most: a row that nobody has taken yet is news each time


class Session(Generic[D, O]):
    """One conversation, kept in a journal under an id.

    Entering it claims nothing and writes nothing. `run`, `resume` and `stream` drive it; where another live process
    drives it, they leave their message to that process and wait for its result.

    Args:
        agent: who answers. id: the conversation's name in the journal. deps: what tools get as `ctx.deps`.
    """

    @overload
    def __init__(self: "Session[None, O]", agent: "Agent[None, O]", id: str, *, journal: Journal) -> None: ...
    @overload
    def __init__(self, agent: "Agent[D, O]", id: str, *, journal: Journal, deps: D) -> None: ...
    def __init__(self, agent: "Agent[Any, Any]", id: str, *, journal: Journal, deps: Any = None) -> None:
        if not id:
            raise ConfigurationError("a session needs an id: the conversation's name in the journal")
        self.id = id
        self._agent, self._journal, self._deps = agent, journal, deps
        self._recorder = Recorder(journal, id)
        self._caller, self._filed = "", agent.name  # of a sub-agent's: the session above, whose workers drive it
        self._desk = Desk(self._recorder, agent, deps, agent.name)
        self._means: Means | None = None
        self._driving = anyio.Lock()
        self._streams = 0

    async def __aenter__(self) -> Self:
        await self._journal.__aenter__()
        return self

    async def __aexit__(self, t: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        with anyio.CancelScope(shield=True):
            try:
                await self._recorder.leave()
            finally:
                await self._journal.__aexit__(t, e, tb)

    # --- driving -----------------------------------------------------------------------------------------------------

    async def run(self, message: Content, *, id: str | None = None, now: bool = False) -> Result[O]:
        """Say something and drive until the session rests.

        With an `id` the message is taken once: the same again continues its turn, resumes it when it is faulted, or
        returns its recorded result. With `now` it enters an open turn instead of waiting for its end.

        Raises:
            MessageIdReused: the id was used with another text.
            ModelError: the model service failed; the turn waits for `resume()`, `cancel()` or another message.
        """
        said = await self._desk.message(message, id, now=now)
        return await self._drive_until(lambda state: of_message(self.id, state, self._recorder.clock.times, said), said)

    async def resume(self) -> Result[O]:
        """Go on with whatever is open; at rest, return the last result.

        Raises:
            NothingToResume: the session has no turn yet.
        """
        return await self._drive_until(lambda _: None, None)

    def stream(self, message: Content | None = None, *, id: str | None = None) -> Stream[O]:
        """Return a run (or, without a message, a resume) to watch: `async with session.stream("…") as stream`."""

        async def run() -> Result[O]:
            self._streams += 1
            try:
                return await (self.resume() if message is None else self.run(message, id=id))
            finally:
                self._streams -= 1

        return Stream(run, self._subscribed)

    @contextmanager
    def _subscribed(self, subscriber: Subscriber) -> Iterator[None]:
        self._recorder.subscribers.append(subscriber)
        try:
            yield
        finally:
            self._recorder.subscribers.remove(subscriber)

    async def say(self, message: Content, *, id: str, now: bool = False) -> None:
        """Leave a message without driving. Raises: MessageIdReused."""
        await self._desk.message(message, id, now=now)

    async def _drive_until(self, done: Callable[[State], Result[str] | None], said: str | None) -> Result[O]:
        return cast("Result[O]", await apart(lambda: self._driven_until(done, said)))

    async def _driven_until(self, done: Callable[[State], Result[str] | None], said: str | None) -> Result[str]:
        elsewhere = False
        while True:
            async with self._driving:
                if elsewhere or said is None:  # else whoever left the message has just looked
                    await self._recorder.load(show=elsewhere)
                result = done(self._recorder.state)
                if result is None and await self._drive(said):
                    result = done(self._recorder.state) or self._resting()
            if result is not None:
                return self._typed(await self._with_below(result))
            elsewhere = True
            await self._news(self._recorder.state.seq)

    async def _drive(self, said: str | None, *, mends: bool = True) -> bool:
        """Drive until rest; False where another live process does. With `mends` a failed turn is taken up again."""
        owner = process_name()
        if said is None and await self._journal.head(self.id) is None:
            raise NothingToResume(f"session {self.id!r} has no turn yet: use run(message)")
        if not self._caller:
            children.refuse_another(self._agent.name, self.id, self._recorder.state)
        try:
            lease = await self._journal.claim(self.id, uid=uuid7(), agent=self._filed, owner=owner)
        except SessionBusy:
            return False
        self._recorder.lease, trouble, before = lease, None, lease.last_seq
        try:
            if self._recorder.stale or self._recorder.state.seq != lease.last_seq:
                await self._recorder.load()
            self._recorder.reach(lease.last_seq)
            if self._means is None:
                self._means = await means_for(self._agent, self._deps, self._recorder)
            alike = self._means.answering.alike(self._recorder.state.bound)
            again = await judge(self._recorder, alike, self._agent.upgrades)
            with self._observed():
                await self._begin(lease, self._means, said, mends=mends)
                await Driver(self._recorder, self._means, stream=self._streams > 0, again=again).drive()
        except (Exception, SystemExit) as error:
            trouble = None if getattr(error, "passing", False) else in_words(self._journal.redaction, error)
            raise
        finally:
            self._recorder.lease = None
            with anyio.CancelScope(shield=True):
                await self._journal.release(lease, trouble=trouble)
        state = self._recorder.state
        if state.parent and not self._caller and state.seq > before:
            await children.tell(self._journal, self.id, state.parent, str(state.seq))
        return True

    async def _begin(self, lease: Lease, means: Means, said: str | None, *, mends: bool) -> None:
        state = self._recorder.state
        if not state.uid:
            started = SessionStarted(lease.uid, self._agent.name, parent=self._caller)
            who = means.answering.now(state)
            await self._recorder.record(started, who.bound, blobs=who.blobs, then=False)
        elif lease.uid != state.uid:  # it was imported: nothing decided elsewhere counts here
            void = (RunStarted(process_name()),) if state.flight else ()
            await self._recorder.record(*void, Forked(state.uid, state.seq, lease.uid), then=False)
        mine = said is None or any(message.id == said for message in state.said)
        if state.phase is Phase.FAULTED and mine and mends:
            body = body_of(TurnResumed())
            await self._journal.put(self.id, "resume", f"{state.turn}/{state.seq}", body, None)

    @contextmanager
    def _observed(self) -> Iterator[None]:
        if not logging.getLogger("agentkit").isEnabledFor(logging.INFO):
            yield
            return
        with self._subscribed(import_module("agentkit.observe").Lines(self.id)):
            yield

    async def _with_below(self, result: Result[str]) -> Result[str]:
        below = await children.waiting(self._recorder)
        return beside(result, below, self._recorder.state.muted) if below else result

    async def _desk_of(self, waiting: Approval | Question | UnknownOutcome | str) -> Desk:
        """Return where a decision is left: in this session, or in the one below that asks for it."""
        session_id = None if isinstance(waiting, str) else waiting.session_id
        await self._recorder.load()
        if session_id == self.id or _id(waiting) in open_calls(self._recorder.state):
            return self._desk
        members = children.below(self._recorder, self._agent, self._deps)
        member = await children.asked_in(members, _id(waiting), session_id)
        if member is not None:
            return Desk(member.recorder, member.agent, member.deps, self._filed)
        if session_id is not None and await children.descends(self._journal, session_id, self.id):
            return Desk(Recorder(self._journal, session_id), None, None, self._filed)  # nobody waits for it any more
        return self._desk

    def _typed(self, result: Result[str]) -> Result[str]:
        output = self._agent.dispatch.output
        return result if output is None else replace(result, decode=output.decode)

    def _resting(self) -> Result[str]:
        state = self._recorder.state
        if state.phase is not Phase.IDLE:
            return of_open_turn(self.id, state, self._recorder.clock.times)
        if not state.turns:
            raise NothingToResume(f"session {self.id!r} has no turn yet: use run(message)")
        return of_turn(self.id, state.turns[-1], shown(self.id, state, self._recorder.clock.times))

    async def fork(self, id: str, *, before: str, say: Content | None = None, asks: bool = True) -> Self:
        """Make a session `id` that shares this one's past up to the model call of step `before`, and return it.

        Nothing is asked yet: `resume` replaces that model call, bound to today's agent. Waiting messages are dropped.

        Args:
            id: the new session's.
            before: "TURN.STEP", like "2.3".
            say: a message that the model gets before it answers.
            asks: every `once` tool asks a person in the new session, whatever it declares.

        Raises: ConfigurationError: no such step. NoSuchSession: no event yet. JournalError: the new id is taken.
        """
        new = type(self)(self._agent, id, journal=self._journal, deps=self._deps)
        await forks.fork(self._journal, self.id, forks.Wanted(id, before, self._agent.name, say, asks=asks))
        return new

    # --- looking -----------------------------------------------------------------------------------------------------

    async def status(self) -> Result[O] | None:
        """Return how the session rests, without driving; None before its first turn. Raises: a faulted turn's fault."""
        await self._recorder.load()
        state = self._recorder.state
        if state.phase is Phase.IDLE and not state.turns:
            return None
        return cast("Result[O]", self._typed(await self._with_below(self._resting())))

    async def messages(self) -> tuple[Message, ...]:
        """Return the conversation as the model will see it, without instructions."""
        await self._recorder.load()
        return tuple(entry.message for entry in self._recorder.state.transcript)

    def events(self, *, after: int = 0, follow: bool = False) -> AsyncIterator[Record]:
        """Yield the records behind number `after`; with `follow`, go on as they come, until the caller stops.

        It claims and writes nothing. Who comes back with the last number seen misses none and gets none twice. Deltas
        are no records: only `stream`, in the process that drives, shows an answer while the model writes it.

        Raises: with `follow`, NoSuchSession, and JournalError where the session is not as far as number `after`.
        """
        if follow:
            return watched(self._journal, self.id, after=after)
        return self._journal.read(self.id, after=after)

    async def _news(self, seen: int) -> None:
        await anyio.sleep(_PAUSE)
        await self._journal.changed(self.id, seen, _LOOK)

    # --- deciding ----------------------------------------------------------------------------------------------------

    async def approve(
        self, approval: Approval | str, *, by: str, arguments: Mapping[str, object] | None = None
    ) -> None:
        """Say yes to a held call, perhaps with other arguments. It runs at the next `run` or `resume`.

        Raises:
            ApprovalVoid: what was to be approved is no longer what would run. AlreadyDecided: it was denied.
            ConfigurationError: the changed arguments do not fit the tool.
        """
        desk = await self._desk_of(approval)
        if arguments is not None:
            await desk.check_edit(_id(approval), arguments)
        await desk.decide(_id(approval), CallApproved, lambda call: decisions.approval(call, by, arguments))

    async def deny(self, approval: Approval | str, *, by: str, reason: str) -> None:
        """Say no to a held call; the model is told `reason`. Raises: as `approve`."""
        desk = await self._desk_of(approval)
        await desk.decide(_id(approval), CallDenied, lambda call: decisions.denial(call, by, reason))

    async def answer(self, question: Question | str, text: str, *, by: str) -> None:
        """Answer a tool's question; the answer is the call's result. Raises: as `approve`."""
        desk = await self._desk_of(question)
        await desk.decide(_id(question), CallAnswered, lambda call: decisions.answer(call, by, text))

    async def resolve(self, unknown: UnknownOutcome | str, outcome: "Outcome[Any]", *, by: str) -> None:
        """Say what became of an unknown call: happened (with its result), not happened (it may run), or give it up.

        Raises: as `approve`. ConfigurationError: the result has not the form that the tool declares (`returns=`).
        """
        parts = self._agent.dispatch.result(outcome.result)
        desk = await self._desk_of(unknown)
        if outcome.kind == "happened":
            await desk.check_result(_id(unknown), outcome.result)
        await desk.decide(_id(unknown), CallResolved, lambda call: decisions.resolution(call, by, outcome.kind, parts))

    async def cancel(self, *, by: str = "user") -> None:
        """End the open turn: what has not started is closed, what runs is cut off. At rest it does nothing."""
        await self._recorder.load()
        state = self._recorder.state
        if state.phase is Phase.IDLE:
            return
        body = body_of(CancelRequested(state.turn, by))
        await self._journal.put(self.id, "cancel", str(state.turn), body, by)
        await self._taken("cancel", str(state.turn))

    async def say_as(self, text: str, *, by: str, id: str | None = None) -> None:
        """Answer in the agent's place: `by` is the person who does.

        It is the answer to the open message, or a turn of its own where none is open; what the agent is at is cut off.
        From here on the agent is silent, and messages wait for a person, until `hand_back`.

        Raises:
            MessageIdReused: the id was used with other words.
            ConfigurationError: there is no text, or nobody who says it.
        """
        name = await self._desk.answer_as(text, by, id)
        await self._taken("takeover", name)
        await self._desk.check_answered(name)

    async def hand_back(self, *, by: str) -> None:
        """Let the agent answer again: at the next `run` or `resume`, where a message is open."""
        await self._desk.hand_back(by)

    async def _taken(self, kind: InboxKind, dedup: str) -> None:
        """Drive, or wait for the process that drives, until a row of the inbox has been taken."""
        while not self._driving.locked():
            async with self._driving:
                done = await apart(lambda: self._drive(None))
            rows = await self._journal.inbox(self.id)
            if done or not any((row.kind, row.dedup) == (kind, dedup) for row in rows):
                return
            await self._news(self._recorder.state.seq)


async def driven(session: Session[Any, Any]) -> bool:
    """Drive as a worker does: until rest, and False where another live process drives. A failed turn stays as it is.

    Raises:
        RuntimeError: a tool tried to end the process.
    """

    async def drive() -> bool:
        try:
            return await session._drive(None, mends=False)  # noqa: SLF001 - of this class, and no word of its face
        except SystemExit as left:  # out of a task it would end the event loop, and all other sessions' drives
            raise RuntimeError(f"something tried to end the process: SystemExit({left.code!r})") from left

    async with session._driving:  # noqa: SLF001 - as above
        return await apart(drive)


def as_call(session: Session[Any, Any], caller: str, filed: str, told: Inherited | None) -> Recorder:
    """Make a session that of a sub-agent: `caller` is the session whose call it is, `filed` whose workers drive it.

    `told` is what it has to know of the one that calls it.
    """
    session._caller, session._filed = caller, filed  # noqa: SLF001 - of this class, and no word of its face
    session._desk = Desk(session._recorder, session._agent, session._deps, filed, told)  # noqa: SLF001 - as above
    return session._recorder  # noqa: SLF001 - as above


def _id(waiting: Approval | Question | UnknownOutcome | str) -> str:
    return waiting if isinstance(waiting, str) else waiting.id
