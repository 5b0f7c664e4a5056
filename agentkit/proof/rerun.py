"""The loop once more, on recorded answers: would today's code record the same events?

What the world said (messages, answers, results, decisions, a process that began) is taken from the record. What
follows from it without anybody (a call starts, is refused or held, a turn ends, a limit is met) is asked of today's
core, today's checks and today's binding, and has to be what was recorded, event by event.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from agentkit.agent import Agent
from agentkit.core.binding import bind, unbind
from agentkit.core.commands import Refuse, Verdict
from agentkit.core.events import (
    AgentBound,
    AnyEvent,
    CallClosed,
    CallHeld,
    CallRefused,
    CallSuspended,
    Forked,
    InboxRefused,
    LimitReached,
    ModelFailed,
    ModelInterrupted,
    ModelRejected,
    ModelResponded,
    ModelStarted,
    OutputRefused,
    RunStarted,
    ToolFinished,
    ToolStarted,
    ToolUnknown,
    TurnEnded,
    TurnResumed,
    UserSaid,
)
from agentkit.core.events_people import CallDeferred, CallWoken
from agentkit.core.loop import apply, follows
from agentkit.core.messages import Text
from agentkit.core.output import check
from agentkit.core.record import Record
from agentkit.core.state import State
from agentkit.errors import ProtocolError
from agentkit.journal.base import Journal
from agentkit.proof.difference import reasons
from agentkit.proof.recorded import meant

_FOLLOWS = (ModelStarted, ToolStarted, CallRefused, CallHeld, CallDeferred, CallClosed, TurnEnded)  # nobody says these
# What may be recorded before everything has followed: how a run begins, and how one that is cut short ends.
_UNASKED = (
    *(RunStarted, AgentBound, Forked, InboxRefused, TurnResumed, ModelFailed, CallWoken),
    *(ModelResponded, ModelRejected, ModelInterrupted, OutputRefused, ToolFinished, ToolUnknown),
)
_SHOWN = 120


class Rerun:
    """One session, folded anew with today's loop.

    Attributes:
        difference: the first event that would be another one, None where none would. why: what has changed since.
        events: how many were compared.
    """

    def __init__(self, journal: Journal, session_id: str, agent: Agent[Any, Any], deps: object) -> None:
        self.difference: str | None = None
        self.why: tuple[str, ...] = ()
        self.events = 0
        self._journal, self._session_id, self._agent, self._deps = journal, session_id, agent, deps
        self._state = State()
        self._changed: tuple[str, ...] = ()
        self._before: AnyEvent | None = None
        self._anew = False  # the last event asked again
        self._answered = False  # nothing but what follows has been recorded since the last answer

    async def go(self) -> None:
        """Compare until the end, or the first difference."""
        async for record in self._journal.read(self._session_id):
            event = record.event
            if isinstance(event, AgentBound):
                event = await self._bound(event)
            self._state = replace(self._state, seq=record.seq - 1)
            self.difference = self._compared(record, event)
            if self.difference is not None:
                self.why = self._changed
                return
            self.events += 1
        wanted = self._at_once()
        if wanted is not None and not isinstance(self._before, _UNASKED):
            self.difference, self.why = f"behind the last event today's loop records {_shown(wanted)}", self._changed

    def _compared(self, record: Record, event: AnyEvent) -> str | None:
        if isinstance(event, ToolStarted):
            event = replace(event, process="")  # who ran it follows from nothing
        wanted, where = self._follows(), f"event {record.seq} ({record.turn}.{record.step})"
        if wanted is not None and _alike(wanted, event):
            return self._taken(where, event)
        if self._is_judged(event) or (_is_said_by_nobody(event) and not self._asked_again(event)):
            today = "nothing, and waits" if wanted is None else _shown(wanted)
            return f"{where}: recorded was {_shown(event)}, today's loop records {today}"
        wanted = self._at_once()
        begins = self._asked_again(event) or isinstance(self._before, (RunStarted, AgentBound, Forked))
        if wanted is not None and not isinstance(event, _UNASKED) and not begins:
            return f"{where}: before {_shown(event)} today's loop records {_shown(wanted)}"
        return self._taken(where, event)

    def _is_judged(self, event: AnyEvent) -> bool:
        """Tell whether an event is the verdict on an answer, which today's type gives again."""
        return isinstance(event, OutputRefused) and check(self._state) is not None

    def _asked_again(self, event: AnyEvent) -> bool:
        """Tell whether a question is one that an agent's `upgrades` opened anew: right behind the binding."""
        held = isinstance(event, (CallHeld, CallSuspended)) and self._state.call(event.call) is not None
        return held and (isinstance(self._before, AgentBound) or self._anew)

    def _taken(self, where: str, event: AnyEvent) -> str | None:
        try:
            anew = self._asked_again(event)
            self._state, self._before = apply(self._state, event), event
            self._anew = anew
            self._answered = isinstance(event, ModelResponded) or (self._answered and isinstance(event, _FOLLOWS))
        except ProtocolError as error:
            return f"{where}: today's loop refuses {_shown(event)}: {error}"
        return None

    def _follows(self) -> AnyEvent | None:
        return follows(self._state, self._verdicts())

    def _at_once(self) -> AnyEvent | None:
        """Return what is recorded together with the last fact: calls are checked with an answer, else afterwards."""
        return self._follows() if self._answered else follows(self._state, {})

    def _verdicts(self) -> Mapping[str, Verdict]:
        open_calls = (call for call in self._state.every_call if call.status in {"requested", "approved"})
        verdicts = {call.key: self._checked(call.key, call.tool, call.effective) for call in open_calls}
        last = check(self._state)
        return verdicts | {last.call: self._checked(last.call, last.tool, last.arguments)} if last else verdicts

    def _checked(self, key: str, tool: str, arguments: str) -> Verdict:
        name = f"{self._state.uid}/{key}"
        try:
            return self._agent.dispatch.check(key, tool, arguments, self._deps, session_id=self._session_id, key=name)
        except Exception as error:  # noqa: BLE001 - a user's policy may raise anything, and the loop refuses the call then
            text = f"Not run: whether {tool} may run could not be decided ({type(error).__name__})."
            return Refuse(CallRefused(key, "policy", (Text(text),)))

    async def _bound(self, event: AgentBound) -> AgentBound:
        """Return the binding as it would be recorded today, at the prices of then."""
        names = (event.instructions, event.schemas, event.settings, event.contract)
        then = unbind(event, {name: await self._journal.blob(self._session_id, name) for name in names})
        told = self._agent.instructions
        who = meant(self._agent, event)
        now = self._agent.binding(told if isinstance(told, str) else then.instructions, who)
        self._changed = reasons(then, now, (event.host, who.host), all_of=True)
        return bind(now, who.host, event.prices, static=isinstance(told, str))[0]


def _is_said_by_nobody(event: AnyEvent) -> bool:
    """Tell whether an event follows from others; of limits, only time is the world's."""
    told = isinstance(event, UserSaid) and event.about != ""
    return told or isinstance(event, _FOLLOWS) or (isinstance(event, LimitReached) and event.kind != "seconds")


def _alike(one: AnyEvent, other: AnyEvent) -> bool:
    """Compare two events without what is computed from prices and sizes, and without the words of a refusal."""
    if isinstance(one, ModelStarted) and isinstance(other, ModelStarted):
        return (one.attempt, one.purpose) == (other.attempt, other.purpose)
    if isinstance(one, CallRefused) and isinstance(other, CallRefused):  # its words are a library's, too
        return (one.call, one.kind) == (other.call, other.kind)
    if isinstance(one, OutputRefused) and isinstance(other, OutputRefused):
        return True
    return one == other


def _shown(event: AnyEvent) -> str:
    told = ", ".join(f"{field.name}={getattr(event, field.name)!r}" for field in fields(event))
    text = f"{type(event).__name__}({told})"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
