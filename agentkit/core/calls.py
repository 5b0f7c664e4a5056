"""How a call moves. `*` marks a settled state: the call has a result.

    requested  refused* | held | started | closed* | deferred* (and held, outside its step)
    held       approved | denied* | closed* | held (what was to be approved has changed) | refused* (tool gone)
    approved   started | held | refused* | closed*
    started    finished* | unknown (ToolUnknown, or RunStarted) | suspended
    suspended  started | finished* | unknown | closed* | suspended (asked again)
    unknown    finished* | unknown (a run ended after all) | suspended (a child) | with proof: started, held, closed*

`FROM` is that table by event; a test draws the picture above from it. Entering held, suspended or unknown opens a
question whose number is the seq of the event; a decision names that number, and an older one is refused.
`CallEscalated` moves nothing: somebody else was told of the open question, once. Nor does `CallWoken`, by which a call
that is suspended for a child session starts again; where it still runs, the news are kept until it is suspended. A
child session that was told to end and cannot, because nobody knows the outcome of a call in it, keeps its call. A
deferred call is settled in its step and goes on outside of it (deferring.py), where this table rules it too.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from agentkit.core.deferring import put_aside
from agentkit.core.events import (
    CallAnswered,
    CallApproved,
    CallClosed,
    CallDenied,
    CallEscalated,
    CallHeld,
    CallRefused,
    CallResolved,
    CallSuspended,
    ToolFinished,
    ToolStarted,
    ToolUnknown,
)
from agentkit.core.events_people import CallDeferred, CallWoken
from agentkit.core.messages import Part
from agentkit.core.output import answered, is_answer, refused
from agentkit.core.replacing import replace
from agentkit.core.sharing import came, given_up
from agentkit.core.spec import GivenUp
from agentkit.core.state import SETTLED, Call, CallStatus, Origin, Phase, State
from agentkit.core.trust import origin
from agentkit.core.turns import next_step
from agentkit.errors import ProtocolError

CallEvent: TypeAlias = (
    CallRefused
    | CallHeld
    | CallDeferred
    | CallApproved
    | CallDenied
    | CallClosed
    | ToolStarted
    | ToolFinished
    | ToolUnknown
    | CallSuspended
    | CallWoken
    | CallAnswered
    | CallResolved
    | CallEscalated
)

FROM: dict[type[CallEvent], tuple[CallStatus, ...]] = {
    CallRefused: ("requested", "held", "approved"),
    CallHeld: ("requested", "held", "approved", "unknown"),
    CallDeferred: ("requested",),
    CallApproved: ("held",),
    CallDenied: ("held",),
    CallClosed: ("requested", "held", "approved", "suspended", "unknown"),
    ToolStarted: ("requested", "approved", "suspended", "unknown"),
    ToolFinished: ("started", "suspended", "unknown"),
    ToolUnknown: ("started", "suspended", "unknown"),
    CallSuspended: ("started", "suspended", "unknown"),
    CallWoken: ("started", "suspended", "unknown"),
    CallAnswered: ("suspended",),
    CallResolved: ("unknown",),
    CallEscalated: ("held", "suspended", "unknown"),
}


def move(state: State, event: CallEvent) -> State:
    """Apply an event that is about one call; when it settles the last one, the step is over."""
    kind = type(event)
    call = state.call(event.call)
    if call is None:
        raise ProtocolError(f"{kind.__name__}: no call {event.call} in the open step")
    if call.status not in FROM[kind]:
        raise ProtocolError(f"{kind.__name__}: call {call.key} is {call.status}")
    moved = _MOVES[kind](state, call, event)
    state = _with(state, moved)
    if kind in _BESIDE:
        state = _BESIDE[kind](state, call, event)
    if moved.status not in SETTLED or call.deferred or state.phase is not Phase.ACTING:
        return state
    if not {other.status for other in state.calls} <= SETTLED:
        return state
    return answered(state) or next_step(state)


def _with(state: State, moved: Call) -> State:
    among = state.deferred if moved.deferred else state.calls
    calls = (moved,) if len(among) == 1 else tuple([moved if other.key == moved.key else other for other in among])
    return replace(state, deferred=calls) if moved.deferred else replace(state, calls=calls)


def _count_started(state: State, call: Call, _: ToolStarted) -> State:
    """Count a call that starts for the first time."""
    if call.started or call.deferred or is_answer(state, call):
        return state
    return replace(state, tool_calls=state.tool_calls + 1)


def _count_refused(state: State, call: Call, event: CallRefused) -> State:
    return refused(state, event.parts) if is_answer(state, call) else state


def _known(state: State, call: Call, event: CallResolved) -> State:
    """Take what came out of a call at last; what a person gave up is remembered."""
    if event.kind == "unknown" and event.source == "person":
        state = given_up(state, [GivenUp(call.tool, call.arguments)])
    return _cut(state, call, event)


def _came(state: State, call: Call, event: ToolFinished) -> State:
    """Take what a result brings beside its parts: what was cut from it, and what a sub-agent used."""
    state, child = _cut(state, call, event), event.child
    return state if child is None else given_up(came(state, call, child), child.given_up)


def _cut(state: State, call: Call, event: ToolFinished | CallResolved) -> State:
    return state if event.cut is None else replace(state, cuts=state.cuts.append((call.key, event.cut)))


def _refused(_: State, call: Call, event: CallRefused) -> Call:
    return replace(_settled(call, "refused", event.parts), refusal=event.kind)


def _deferred(_: State, call: Call, event: CallDeferred) -> Call:
    return _settled(call, "deferred", event.parts)


def _woken(_: State, call: Call, __: CallWoken) -> Call:
    return replace(call, woken=True)


def _suspended(state: State, call: Call, event: CallSuspended) -> Call:
    if event.kind == "child" and call.status != "started":
        call = replace(call, ended=True, woken=False)
    elif call.status == "unknown":
        raise ProtocolError(f"call {call.key}: its outcome is unknown")
    return state.asking(replace(call, status="suspended", kind=event.kind, why=event.text))


def _approved(_: State, call: Call, event: CallApproved) -> Call:
    _current(call, event.question)
    if event.edited is None:
        return replace(call, status="approved")
    return replace(call, status="approved", edited=event.edited, mended=None, how="")


def _denied(_: State, call: Call, event: CallDenied) -> Call:
    _current(call, event.question)
    return _settled(call, "denied", event.parts)


def _answered(_: State, call: Call, event: CallAnswered) -> Call:
    _current(call, event.question)
    return _settled(call, "finished", event.parts, "known")


def _finished(state: State, call: Call, event: ToolFinished) -> Call:
    return _settled(call, "finished", event.parts, origin(state, call, failed=event.failed), event.hint)


def _cut_off(state: State, call: Call, event: ToolUnknown) -> Call:
    lost = call.lost + (call.effect == "once" and call.status == "started")
    fresh = replace(call, status="unknown", why=event.why, found="", lost=lost)
    return state.asking(replace(fresh, reconciled=False, cleared=False))


def _settled(call: Call, status: CallStatus, parts: tuple[Part, ...], whose: Origin = "", hint: str = "") -> Call:
    return replace(call, status=status, parts=parts, question=0, origin=whose, hint=hint)


def _held(state: State, call: Call, event: CallHeld) -> Call:
    if call.status == "unknown" and not call.cleared:
        raise ProtocolError(f"call {call.key}: its outcome is unknown")
    held = replace(call, status="held", kind=event.kind, why=event.why, cleared=False)
    held = replace(held, mended=event.mended, how=event.how)
    return state.asking(replace(held, digest=event.digest, arguments=event.arguments))


def _closed(state: State, call: Call, event: CallClosed) -> Call:
    if call.status == "unknown" and call.effect == "once" and not call.cleared:
        raise ProtocolError(f"call {call.key}: its outcome is unknown, so it cannot be closed")
    if (state.ending is None or call.deferred) and call.status != "unknown":
        raise ProtocolError(f"call {call.key}: the turn is not ending")
    return _settled(call, "closed", event.parts)


def _started(state: State, call: Call, event: ToolStarted) -> Call:
    if call.status == "unknown" and call.effect == "once" and not call.cleared:
        raise ProtocolError(f"call {call.key}: it may have happened, so it is not started again")
    tool = state.tool(call.tool)
    return replace(
        call,
        status="started",
        untrusted=call.untrusted or (tool is not None and tool.untrusted),
        started=state.seq,
        effect=event.effect,
        digest=event.digest,
        arguments=event.arguments,
        mended=event.mended,
        how=event.how,
        uid=call.uid or state.uid,
        question=0,
        cleared=False,
        woken=False,
    )


def _resolved(state: State, call: Call, event: CallResolved) -> Call:
    if event.source != "tool":  # a run that ends after all knows its call, not the question that was opened since
        _current(call, event.question)
    if call.cleared:
        raise ProtocolError(f"call {call.key}: it is known that it did not happen")
    if event.kind == "happened":
        of_person = event.source == "person"
        return _settled(
            call, "finished", event.parts, "known" if of_person else origin(state, call, failed=event.failed)
        )
    if event.kind == "unknown" and event.source == "person":
        return _settled(call, "finished", event.parts)
    if event.kind == "not_happened":
        return replace(call, cleared=True, lost=0 if event.source == "person" else call.lost)
    return replace(call, reconciled=True, found=event.why)


def _escalated(_: State, call: Call, event: CallEscalated) -> Call:
    _current(call, event.question)
    if call.escalated_to:
        raise ProtocolError(f"call {call.key}: question {call.question} was escalated already")
    return replace(call, escalated_to=event.to)


def _current(call: Call, number: int) -> None:
    if number != call.question:
        raise ProtocolError(f"call {call.key}: question {number} is no longer open (now {call.question})")


_MOVES: dict[type[CallEvent], Callable[[State, Call, Any], Call]] = {
    CallRefused: _refused,
    CallHeld: _held,
    CallDeferred: _deferred,
    CallApproved: _approved,
    CallDenied: _denied,
    CallClosed: _closed,
    ToolStarted: _started,
    ToolFinished: _finished,
    ToolUnknown: _cut_off,
    CallSuspended: _suspended,
    CallWoken: _woken,
    CallAnswered: _answered,
    CallResolved: _resolved,
    CallEscalated: _escalated,
}

_BESIDE: dict[type[CallEvent], Callable[[State, Call, Any], State]] = {  # what an event does beside moving its call
    CallDeferred: put_aside,
    ToolStarted: _count_started,
    CallRefused: _count_refused,
    ToolFinished: _came,
    CallResolved: _known,
}
