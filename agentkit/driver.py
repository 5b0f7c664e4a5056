"""The loop: performs what is owed, records what came of it, until the session rests.

Read `Driver.drive`; the rest is how one command is performed. What is owed is derived from the state (core/owed.py),
so there is nothing here to resume: a driver that loads a session goes on with it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import anyio
from anyio.abc import TaskGroup

from agentkit import children, patience, undone
from agentkit.apart import alone
from agentkit.core.commands import CallModel, CheckCall, Command, Reconcile, Refuse, RunTool, Verdict
from agentkit.core.deltas import Delta
from agentkit.core.events import (
    AnyEvent,
    CallApproved,
    CallRefused,
    CallResolved,
    InboxRefused,
    LimitReached,
    ModelResponded,
    RunStarted,
    ToolFinished,
    ToolUnknown,
)
from agentkit.core.loop import commands
from agentkit.core.messages import Text, text_of
from agentkit.core.output import checks
from agentkit.core.owed import awaits, cut_short
from agentkit.core.replacing import replace
from agentkit.core.state import Phase
from agentkit.errors import JournalError, ProtocolError
from agentkit.hands import Hands
from agentkit.inbox import event_of
from agentkit.journal.base import MAIL_ONLY, InboxRow
from agentkit.lates import Late, lates
from agentkit.means import Means
from agentkit.models.base import Piece
from agentkit.questions import key_of
from agentkit.recorder import Recorder
from agentkit.tools.dispatch import Job
from agentkit.tray import Tray
from agentkit.undone import Outcome
from agentkit.upgrades import asked_again

GRACE = 2.0  # seconds a cut-off `once` call is given to end by itself
POLL = 0.5  # seconds between looks at what given-up threads, and attempts of other drivers here, have come to
LOOK = 15.0  # seconds between looks at the inbox, should the journal have missed that others left something

News: TypeAlias = tuple[Command | None, Outcome | BaseException]


class Driver:
    """Drives one session until it rests. The journal's lease must be held.

    Args:
        recorder: the session, loaded. means: what it is driven with. stream: whether fragments are shown.
        again: why people are asked again what they were asked before; empty: they are not.
    """

    def __init__(self, recorder: Recorder, means: Means, *, stream: bool, again: str = "") -> None:
        self._recorder, self._means, self._stream, self._again = recorder, means, stream, again
        if len(means.answering.candidates) > 1:
            recorder.following = means.answering
        self._flying: dict[Command, anyio.CancelScope] = {}
        self._shown: list[Piece] = []
        self._mail, self._has_mail = anyio.Event(), True
        self._held_up = False  # something owed is not begun, as an earlier attempt at it still lives
        self._news: Tray[News] = Tray()
        self._room = means.dispatch.room(recorder.session_id)  # held, so that it is not made anew at each call

    async def drive(self) -> None:
        """Perform everything owed, until nothing is: the turn has ended, failed, or waits for people.

        Raises:
            Fenced, JournalError: recording failed; what is in hand is in `Recorder.kept`.
        """
        await self._go_on()
        try:
            async with anyio.create_task_group() as tasks:
                await self._drive_with(tasks)
        except BaseExceptionGroup as group:
            raise alone(group) from None

    async def _drive_with(self, tasks: TaskGroup) -> None:
        hands, watching = Hands(tasks), anyio.CancelScope()
        tasks.start_soon(self._watch_inbox, watching)
        try:
            await self._loop(hands)
        except (Exception, anyio.get_cancelled_exc_class()):
            await self._wind_up()
            raise
        finally:
            hands.end()
            watching.cancel()
            for scope in self._flying.values():
                scope.cancel()

    async def _loop(self, hands: Hands) -> None:
        while True:
            if self._has_mail or self._recorder.state.uid in lates:
                await self._take_inbox()
            await self._run_out()
            await self._start_owed(hands)
            if left := self._never_begun():
                if self._recorder.state.uid not in lates:  # a thread leaves its outcome there, and then lives no more
                    await self._recorder.record(*left)
            elif self._flying or self._blocked():
                await self._receive()
            elif not await self._take_inbox():
                return

    def _never_begun(self) -> Outcome:
        """Return what becomes of what is recorded as begun, and is not: the turn was called off in between."""
        lives = self._means.dispatch.alive
        return undone.never_begun(self._recorder.state, self._flying, lambda call: lives(self._key(call.key)))

    async def _go_on(self) -> None:
        """Say what this process begins with: what was in flight is void, and who answers today."""
        before = self._recorder.state
        self._recorder.clock.sync(self._recorder.lease.at if self._recorder.lease else None)
        await self._run_out(then=False)
        await self._recorder.record_kept()
        state, today = self._recorder.state, self._means.answering.now(self._recorder.state)
        begun = any(call.status in {"requested", "approved", "started", "unknown"} for call in state.every_call)
        if state.phase is Phase.THINKING or begun:
            await self._recorder.record(RunStarted(self._means.process), then=False)
        if (
            state.bound is None
            or state.rebind
            or replace(today.bound, prices=None) != replace(state.bound, prices=None)
        ):
            again = asked_again(self._recorder.state, today.bound, self._again) if self._again else ()
            await self._recorder.record(today.bound, *again, blobs=today.blobs, then=False)
        await self._recorder.record(*await children.woken(self._recorder), since=before)

    async def _start_owed(self, hands: Hands) -> None:
        owed = commands(self._recorder.state)
        while checks_owed := [command for command in owed if isinstance(command, CheckCall)]:
            await self._recorder.record(verdicts={checks_owed[0].call: self._verdict(checks_owed[0])})
            owed = commands(self._recorder.state)
        due, owed = owed, tuple([command for command in owed if not self._alive(command)])
        self._held_up = len(owed) < len(due)
        for command in owed:
            if command not in self._flying:
                scope = self._flying[command] = hands.scope(shield=True)
                hands.start(partial(self._fly, command, scope))
        for command, scope in self._flying.items():
            if command not in owed or (isinstance(command, Reconcile) and cut_short(self._recorder.state)):
                self._cut(command, scope)

    def _alive(self, command: Command) -> bool:
        """Tell whether an earlier attempt of a call still lives in this process: then nothing new is owed."""
        if not isinstance(command, (Reconcile, RunTool)) or command in self._flying:
            return False
        key = self._key(command.call)  # a thread leaves its outcome before it stops being alive: ask in this order
        return self._means.dispatch.alive(key) or self._recorder.state.uid in lates

    def _blocked(self) -> bool:
        return any(isinstance(command, RunTool) and self._alive(command) for command in commands(self._recorder.state))

    def _cut(self, command: Command, scope: anyio.CancelScope) -> None:
        """Stop what is not wanted; a `once` call, and all at the end of the turn's time, may end by itself first."""
        ending = self._recorder.state.ending
        call = self._recorder.state.call(command.call) if isinstance(command, RunTool) else None
        graced = (call is not None and call.effect == "once") or (ending is not None and ending.limit == "seconds")
        graced = graced or (isinstance(command, Reconcile) and ending is not None)
        scope.deadline = min(scope.deadline, anyio.current_time() + (GRACE if graced else 0))

    async def _receive(self) -> None:
        """Wait until something finishes, a person says something, or the turn's time is up; record it."""
        left, people, poll = self._recorder.left(), self._people_left(), self._poll()
        news = await self._next_within(min(left, people, poll))
        if news is None:
            self._has_mail = self._has_mail or poll <= min(left, people)
            if left <= min(people, poll):  # else `_run_out` records what time has decided
                seconds = self._recorder.state.bound.limits.seconds if self._recorder.state.bound else None
                await self._recorder.record(LimitReached("seconds", f"limit reached: {seconds} seconds in one turn"))
            return
        command, outcome = news
        if isinstance(outcome, BaseException):
            raise outcome
        if outcome and command is not None and awaits(self._recorder.state, command):
            await self._recorder.record(*outcome, verdicts=self._verdicts(outcome))

    def _poll(self) -> float:
        """Return the seconds until the next look at threads and attempts that do not tell when they end."""
        waits = self._held_up or not self._flying  # for an attempt that may be of another session object
        strays = self._means.dispatch.strays(self._recorder.session_id)  # it leaves its outcome before it is none
        return POLL if waits or strays or self._recorder.state.uid in lates else math.inf

    def _people_left(self) -> float:
        """Return the seconds until time decides about an open question."""
        clock, state = self._recorder.clock, self._recorder.state
        waits = [each.at for each in patience.clocks(state, clock.times)] if state.every_call else None
        return (min(waits) - clock.now()).total_seconds() if waits else math.inf

    async def _run_out(self, *, then: bool = True) -> None:
        """Record what time has decided about open questions; whose word lies in the inbox already comes first."""
        clock, state = self._recorder.clock, self._recorder.state
        due = patience.due(state, clock.times, clock.now) if state.every_call else None
        if not due:
            return
        rows = await self._recorder.journal.inbox(self._recorder.session_id)
        left = [event for event in due if not any(patience.decides(row, event) for row in rows)]
        self._has_mail = self._has_mail or len(left) < len(due)
        await self._recorder.record(*left, then=then and bool(left))

    async def _next(self) -> News:
        """Take the next news. What is done stays in flight until then: it is still owed, and must not start again."""
        news = await self._news.take()
        if news[0] is not None:
            del self._flying[news[0]]
        return news

    async def _next_within(self, seconds: float) -> News | None:
        if seconds == math.inf:
            return await self._next()
        with anyio.move_on_after(max(0.0, seconds)):
            return await self._next()
        return None

    async def _wind_up(self) -> None:
        """Something ended the drive: stop what is in flight, record how it ended, start nothing."""
        with anyio.CancelScope(shield=True):
            for command, scope in self._flying.items():
                self._cut(command, scope)
            while self._flying or len(self._news):
                done, outcome = await self._next()
                if not isinstance(outcome, BaseException) and outcome and done and awaits(self._recorder.state, done):
                    await self._record_last(outcome)

    async def _record_last(self, outcome: Outcome) -> None:
        try:
            await self._recorder.record(*outcome, then=False)
        except JournalError:
            return  # it is in `kept` or handed over, and the error that ended the drive is on its way to the caller

    async def _watch_inbox(self, watching: anyio.CancelScope) -> None:
        journal, session_id = self._recorder.journal, self._recorder.session_id
        with watching:
            while True:
                await self._mail.wait()  # what is there at first is taken before anything is watched
                await journal.changed(session_id, MAIL_ONLY, LOOK)
                if not await journal.inbox(session_id):
                    continue
                self._mail, self._has_mail = anyio.Event(), True
                self._news.put((None, ()))

    async def _take_inbox(self) -> bool:
        """Turn what others left into facts, or into the fact that it was refused; tell whether there was any."""
        self._has_mail = False
        seq = self._recorder.state.seq
        while (event := lates.take(self._recorder.state.uid)) is not None:
            await self._take_late(event)
        for row in await self._recorder.journal.inbox(self._recorder.session_id):
            await self._take(row)
        self._mail.set()
        return self._recorder.state.seq > seq

    async def _take_late(self, event: Late) -> None:
        try:
            await self._recorder.record(event)
        except ProtocolError as error:
            said = text_of(event.parts) if isinstance(event, ToolFinished) else event.why
            await self._recorder.record(InboxRefused("late", event.call, f"{error}. It ended with: {said}"))

    async def _take(self, row: InboxRow) -> None:
        try:
            await self._recorder.record(self._checked(event_of(row)), row=row)
        except ProtocolError as error:
            await self._recorder.record(InboxRefused(row.kind, row.dedup, str(error)), row=row)

    def _checked(self, event: AnyEvent) -> AnyEvent:
        call = self._recorder.state.call(getattr(event, "call", ""))
        if call is None:
            return event
        if isinstance(event, CallResolved) and event.source == "person":
            return self._means.dispatch.heard(call.tool, event, call.edited, self._means.deps)
        if isinstance(event, CallApproved) and event.edited is not None:
            verdict = self._verdict(CheckCall(call.key, call.tool, event.edited))
            if isinstance(verdict, Refuse):
                raise ProtocolError(f"the changed arguments do not fit: {text_of(verdict.event.parts)}")
        return event

    async def _fly(self, command: Command, scope: anyio.CancelScope) -> None:
        outcome: Outcome | BaseException = ()
        try:
            with scope:
                outcome = await self._perform(command)
            if scope.cancelled_caught:
                outcome = self._cut_off(command)
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:  # noqa: BLE001 - a defect, or SystemExit: the loop raises it, and starts nothing
            outcome = error
        finally:
            self._news.put((command, outcome))

    async def _perform(self, command: Command) -> Outcome:
        match command:
            case CallModel():
                return await self._call_model(command)
            case RunTool():
                return (await self._means.dispatch.run(self._job(command)),)
            case Reconcile():
                return (await self._means.dispatch.reconcile(self._job(command), command.question),)
            case CheckCall():
                return ()

    def _cut_off(self, command: Command) -> Outcome:
        sent = self._means.answering.sent(self._recorder.state) if isinstance(command, CallModel) else None
        return undone.cut_off(self._recorder.state, command, self._shown, sent)

    # --- the model ---------------------------------------------------------------------------------------------------

    async def _call_model(self, command: CallModel) -> Outcome:
        self._shown = []
        show = self._shower(command) if self._stream else None
        return (await self._means.answering.ask(self._recorder, show),)

    def _shower(self, command: CallModel) -> Callable[[Sequence[Piece]], None]:
        def show(pieces: Sequence[Piece]) -> None:
            self._shown.extend(pieces)
            self._recorder.publish([Delta(p.kind, p.text, command.step, command.attempt) for p in pieces])

        return show

    # --- tools -------------------------------------------------------------------------------------------------------

    def _key(self, call: str) -> str:
        known = self._recorder.state.call(call)
        return key_of(known, self._recorder.state.uid) if known else f"{self._recorder.state.uid}/{call}"

    def _job(self, command: RunTool | Reconcile) -> Job:
        uid = self._recorder.state.uid

        def progress(text: str) -> None:
            state = self._recorder.state
            self._recorder.publish([Delta("progress", text, f"{state.turn}.{state.step}", state.attempt)])

        def late(event: ToolFinished | ToolUnknown) -> None:
            lates.put(uid, event)

        return Job(
            call=command.call,
            tool=command.tool,
            arguments=command.arguments,
            edited=command.edited,
            how=command.how,
            idempotency_key=self._key(command.call),
            session_id=self._recorder.session_id,
            deps=self._means.deps,
            progress=progress,
            late=late,
            kept=self._recorder.kept_of,
            above=children.Above(self._recorder, command.call),
        )

    def _check(self, check: CheckCall) -> Verdict:
        session_id, key = self._recorder.session_id, self._key(check.call)
        dispatch, deps = self._means.dispatch, self._means.deps
        return dispatch.check(check.call, check.tool, check.arguments, deps, session_id=session_id, key=key)

    def _verdict(self, check: CheckCall) -> Verdict:
        try:
            return self._check(check)
        except Exception as error:  # noqa: BLE001 - a user's policy may raise anything; the call must not run
            text = f"Not run: whether {check.tool} may run could not be decided ({type(error).__name__})."
            return Refuse(CallRefused(check.call, "policy", (Text(text),)))

    def _verdicts(self, outcome: Outcome) -> Mapping[str, Verdict]:
        """Check the calls of an answer before it is recorded; a check that fails leaves its call for later (law 5)."""
        answers = [event.message for event in outcome if isinstance(event, ModelResponded)]
        verdicts = {}
        for check in [check for message in answers for check in checks(self._recorder.state, message)]:
            try:
                verdicts[check.call] = self._check(check)
            except Exception:  # noqa: BLE001, S112 - `_verdict` asks again, and records what is wrong
                continue
        return verdicts
