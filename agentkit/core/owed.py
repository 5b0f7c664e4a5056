"""What comes next: facts nobody has to perform (`follows`), and what the world owes (`commands`)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from agentkit.core import progress, words
from agentkit.core.commands import CallModel, CheckCall, Command, Go, Hold, Mend, Reconcile, Refuse, RunTool, Verdict
from agentkit.core.deferring import deferral, may_run, notice
from agentkit.core.events import (
    AnyEvent,
    CallClosed,
    CallHeld,
    CallRefused,
    LimitKind,
    LimitReached,
    ModelFailed,
    ModelStarted,
    ToolFinished,
    ToolStarted,
    TurnEnded,
)
from agentkit.core.events_people import CallDeferred
from agentkit.core.output import OUTPUT, check, in_vain, is_answer, judged, not_alone
from agentkit.core.replacing import replace
from agentkit.core.spec import BoundTool, Effect, Limits
from agentkit.core.state import PARKED, Call, Phase, State
from agentkit.core.trust import doubt
from agentkit.core.turns import reservation

MAX_REJECTED = 3  # unusable answers to one request, before the turn faults
MAX_INTERRUPTED = 3  # broken answers to one request, before the turn faults
MAX_LOST = 3  # starts of a harmless call lost with their process, or of a `once` call that provably did nothing

_STRICTNESS: dict[Effect, int] = {"read": 0, "idempotent": 1, "once": 2}


def follows(state: State, verdicts: Mapping[str, Verdict]) -> AnyEvent | None:
    """Return the next fact that needs nobody to perform it; None when something must happen first.

    `verdicts` are the results of checks, by call: a call that may start only with a verdict waits for one.
    """
    if state.bound is None:
        return None
    return notice(state) or _first(state, state.deferred, verdicts) or _of_turn(state, verdicts)


def _of_turn(state: State, verdicts: Mapping[str, Verdict]) -> AnyEvent | None:
    match state.phase:
        case Phase.THINKING:
            return None if state.flight else _thinking(state)
        case Phase.ACTING:
            return _first(state, state.calls, verdicts)
        case Phase.FAULTED:
            return _faulted(state)
        case Phase.ENDING:
            return _ended(state) or judged(state, verdicts.get(OUTPUT))
        case Phase.IDLE:  # pragma: no branch - the last phase
            return None


def _first(state: State, calls: tuple[Call, ...], verdicts: Mapping[str, Verdict]) -> AnyEvent | None:
    for call in calls:
        event = _of_call(state, call, verdicts)
        if event is not None:
            return event
    return None


def _ended(state: State) -> TurnEnded | None:
    return TurnEnded(state.ending.status, state.ending.reason) if state.ending else None


def _faulted(state: State) -> TurnEnded | None:
    if state.ending or not state.waiting:
        return _ended(state)
    return TurnEnded("failed", state.fault.text if state.fault else "")


def _thinking(state: State) -> AnyEvent | None:
    ended = _ended(state)
    if ended or state.muted:
        return ended
    if state.rejected >= MAX_REJECTED:
        kind = state.rejected_as if state.rejected_as in {"malformed", "cut_off"} else "rejected"
        return ModelFailed(kind, _in_vain(state, f"{state.rejected} answers in a row could not be used"))
    if state.interrupted >= MAX_INTERRUPTED:
        return ModelFailed("interrupted", _in_vain(state, f"the answer broke off {state.interrupted} times in a row"))
    tokens, cost = reservation(state)
    stuck = in_vain(state) or progress.over(state)
    met = stuck or _out_of_steps(state) or _out_of_tokens(state, tokens) or _out_of_money(state, cost)
    return met or ModelStarted(state.attempt + 1, tokens, cost)


def _in_vain(state: State, what: str) -> str:
    return f"{state.asked}: {what}; the last time: {state.trouble.rstrip('.')}"


def _limits(state: State) -> Limits:
    return state.bound.limits if state.bound else Limits()


def _out_of_steps(state: State) -> LimitReached | None:
    most, used = _limits(state).steps, state.step + state.steps_below
    return _over("steps", f"{most} steps in one turn") if most is not None and used > most else None


def _out_of_tokens(state: State, next_call: int) -> LimitReached | None:
    most, used = _limits(state).tokens, state.usage.tokens
    if most is None or used + next_call <= most:
        return None
    return _over("tokens", f"{most} tokens in one turn ({used} used, the next call may take {next_call})")


def _out_of_money(state: State, next_call: Decimal | None) -> LimitReached | None:
    most, used = _limits(state).cost, state.usage.cost
    if most is None:
        return None
    if used is None or next_call is None:
        return _over("cost", f"{most} USD in one turn, and no price is known to count with")
    if used + next_call <= most:
        return None
    return _over("cost", f"{most} USD in one turn ({used} used, the next call may cost {next_call})")


def _over(kind: LimitKind, what: str) -> LimitReached:
    return LimitReached(kind, f"limit reached: {what}")


def _of_call(state: State, call: Call, verdicts: Mapping[str, Verdict]) -> AnyEvent | None:
    tool = state.tool(call.tool)
    match call.status:
        case "requested" | "approved":
            return not_alone(state, call) or _before_start(state, call, tool, verdicts.get(call.key))
        case "held":
            return _still_held(state, call, tool)
        case "suspended":
            return _of_suspended(state, call, tool)
        case "unknown":
            return _of_unknown(state, call, tool)
        case _:
            return None


def _before_start(state: State, call: Call, tool: BoundTool | None, verdict: Verdict | None) -> AnyEvent | None:
    if _ending(state, call):
        return _close(state, call)
    refused = _unusable(state, call, tool)
    if tool is None or refused:
        return refused
    if verdict is None:
        return None
    if isinstance(verdict, Refuse | Mend):
        return _refused(state, call, verdict)
    if verdict.mended is not None:
        call = replace(call, mended=verdict.mended, how=verdict.how)
    return _hold(state, call, tool, verdict) or (_start(state, call, tool, verdict.arguments))


def _unusable(state: State, call: Call, tool: BoundTool | None) -> AnyEvent | None:
    """Return the refusal of a call whose tool is not there, or not for this agent."""
    if tool is not None:
        return CallRefused(call.key, "policy", words.forbidden(call.tool)) if tool.forbidden else None
    if call.status == "requested":
        event = CallRefused(call.key, "unknown_tool", words.unknown_tool(call.tool, list(state.tools)))
        return progress.refused(state, call, event)
    return CallRefused(call.key, "gone", words.gone(call.tool))


def _refused(state: State, call: Call, verdict: Refuse | Mend) -> AnyEvent:
    """Return a refusal with what is told behind it; nothing is behind an answer's, which has to come right."""
    told = isinstance(verdict, Refuse) and not is_answer(state, call)
    return progress.refused(state, call, verdict.event) if told else verdict.event  # type: ignore[arg-type]  # `told` says so


def _ending(state: State, call: Call) -> bool:
    """Tell whether the turn is to end, as far as it concerns a call: a deferred one has left it."""
    return state.ending is not None and not call.deferred


def _hold(
    state: State, call: Call, tool: BoundTool, verdict: Go | Hold
) -> CallHeld | CallDeferred | CallRefused | None:
    approved = call.status == "approved"
    if approved and (call.digest != tool.digest or (call.edited is None and call.arguments != verdict.arguments)):
        why = "what was approved has changed"
        return CallHeld(call.key, "approval", tool.digest, verdict.arguments, why, call.mended, call.how)
    doubts = None if approved else _why(state, call, tool, verdict)
    if doubts is not None:
        if isinstance(verdict, Hold) and verdict.defer:
            return deferral(state, call, tool, verdict.arguments, doubts)
        return CallHeld(call.key, "approval", tool.digest, verdict.arguments, doubts, call.mended, call.how)
    return None if approved and call.kind == "twin" else _twin(state, call, tool, verdict.arguments)


def _why(state: State, call: Call, tool: BoundTool, verdict: Go | Hold) -> str | None:
    """Return why a person has to agree, all reasons together; None: nobody has to."""
    copied = state.forked and tool.effect == "once"
    said = verdict.why if isinstance(verdict, Hold) else "this session is a copy of another" if copied else None
    outside = doubt(state, call, tool)
    return f"{said}; {outside}" if said and outside else outside or said


def _twin(state: State, call: Call, tool: BoundTool, arguments: str) -> CallHeld | None:
    same = (call.tool, arguments)
    alive = (other for other in state.every_call if other.key != call.key and other.status == "unknown")
    open_twin = any(other.effect == "once" and (other.tool, other.arguments) == same for other in alive)
    if not open_twin and same not in state.given_up:
        return None
    why = "an equal call was made, and its outcome is not known"
    return CallHeld(call.key, "twin", tool.digest, arguments, why, call.mended, call.how)


def _start(state: State, call: Call, tool: BoundTool, arguments: str) -> ToolStarted | LimitReached | None:
    if not may_start(state, call):
        return None
    most = _limits(state).tool_calls
    full = most is not None and state.tool_calls >= most
    if full and call.started == 0 and not call.deferred and not is_answer(state, call):
        return _over("tool_calls", f"{most} tool calls in one turn")
    effect, how = stricter(tool.effect, call), call.how
    return ToolStarted(call.key, effect, tool.digest, arguments, call.edited, mended=call.mended, how=how)


def stricter(effect: Effect, call: Call) -> Effect:
    """Return the stricter of today's effect and the one recorded when the call started."""
    if not call.started:
        return effect
    return max(effect, call.effect, key=_STRICTNESS.__getitem__)


def _still_held(state: State, call: Call, tool: BoundTool | None) -> AnyEvent | None:
    if _ending(state, call):
        return _close(state, call)
    refused = _unusable(state, call, tool)
    if tool is None or refused:
        return refused
    if call.digest != tool.digest:
        kind: Any = call.kind or "approval"  # a held call's kind is one of the two of `CallHeld`
        return CallHeld(call.key, kind, tool.digest, call.arguments, "the tool has changed", call.mended, call.how)
    return None


def _of_suspended(state: State, call: Call, tool: BoundTool | None) -> AnyEvent | None:
    if _ending(state, call):
        stays = (call.ended and not call.woken) or called_off(state, call)
        return None if stays else _close(state, call)
    if not call.woken:
        return None
    if tool is None or tool.forbidden or not tool.child:
        return _failed(call, words.gone(call.tool))
    return _start(state, call, tool, call.arguments)


def called_off(state: State, call: Call) -> bool:
    """Tell whether a call's child session has to be ended, because its turn is: then the call is over, too.

    Where it was told so, and waits for people all the same, it is told again when there is news in it.
    """
    tool = state.tool(call.tool)
    over = tool is not None and tool.child and _ending(state, call)
    told = call.ended and not call.woken
    return over and not told and call.started > 0 and call.status in {"suspended", "unknown"}


def _of_unknown(state: State, call: Call, tool: BoundTool | None) -> AnyEvent | None:
    once = call.effect == "once" or (tool is not None and tool.effect == "once")
    if once and not call.cleared:
        return None
    if _ending(state, call):
        return None if called_off(state, call) else _close(state, call)
    if tool is None or tool.forbidden:
        told = words.gone(call.tool) if tool is None else words.forbidden(call.tool)
        return CallClosed(call.key, "gone", told) if once else _failed(call, told)
    if call.lost >= MAX_LOST and not tool.child:  # a child session counts what it lost by itself
        return _failed(call, (words.broken_off if once else words.crashed)(call.tool, call.lost))
    if once and (call.digest != tool.digest or call.uid != state.uid):
        changed = "the tool has changed" if call.digest != tool.digest else "this session was copied"
        why = f"{changed} since it was started"
        return CallHeld(call.key, "approval", tool.digest, call.arguments, why, call.mended, call.how)
    twin = _twin(state, call, tool, call.arguments) if once else None
    return twin or _start(state, call, tool, call.arguments)


def _failed(call: Call, parts: words.Parts) -> ToolFinished:
    return ToolFinished(call.key, parts, failed=True)


def _close(state: State, call: Call) -> CallClosed:
    why = "cancelled" if state.ending and state.ending.status == "cancelled" else "limit"
    ran = call.started > 0 and call.effect != "read" and not call.cleared and call.status != "suspended"
    return CallClosed(call.key, why, words.closed(why, effect_started=ran))  # type: ignore[arg-type]  # one of two words


def may_start(state: State, call: Call) -> bool:
    """Tell whether the calls asked before this one let it start.

    An exclusive call waits until all before it are settled. Another one waits for the exclusive calls before it, but
    not for those that wait for people themselves.
    """
    exclusive = _exclusive(state, call)
    if call.deferred:
        return may_run(state, call, frozenset(each.key for each in state.deferred if _exclusive(state, each)))
    parked = False
    for earlier in state.calls:
        if earlier.key == call.key:
            return True
        if earlier.settled:
            continue
        if exclusive:
            return False
        barrier = _exclusive(state, earlier)
        parked = parked or earlier.status in PARKED
        if barrier and not parked:
            return False
    return False


def _exclusive(state: State, call: Call) -> bool:
    tool = state.tool(call.tool)
    return tool.exclusive if tool else True


def commands(state: State) -> tuple[Command, ...]:
    """Return everything the world owes this session now."""
    asides = tuple(command for call in state.deferred if (command := _owed(state, call)))
    if state.phase is Phase.THINKING and state.flight and state.flight.purpose == "answer":
        return asides if cut_short(state) else (*asides, CallModel(f"{state.turn}.{state.step}", state.attempt))
    if state.phase is not Phase.ACTING:
        last = check(state)
        return (*asides, last) if last else asides
    return (*asides, *(command for call in state.calls if (command := _owed(state, call))))


def cut_short(state: State) -> bool:
    """Tell whether what is in flight is no longer wanted: the turn was cancelled, or its time is up."""
    return state.ending is not None and (state.ending.status == "cancelled" or state.ending.limit == "seconds")


def _owed(state: State, call: Call) -> Command | None:
    match call.status:
        case "requested" | "approved" if may_start(state, call) and not _ending(state, call):
            return CheckCall(call.key, call.tool, call.effective)
        case "started" | "suspended" | "unknown" if _runs(state, call):
            return RunTool(call.key, call.tool, call.effective, call.started, call.edited is not None, call.how)
        case "unknown" if _may_reconcile(state, call):
            return Reconcile(call.key, call.tool, call.effective, call.question, call.edited is not None, call.how)
        case _:
            return None


def _runs(state: State, call: Call) -> bool:
    """Tell whether a tool's body has to run: a started call's, or a sub-agent's, to end its session."""
    if call.status == "started":
        return call.deferred or not cut_short(state)
    return called_off(state, call)


def _may_reconcile(state: State, call: Call) -> bool:
    tool = state.tool(call.tool)
    if tool is None or not tool.has_reconcile or call.reconciled or call.cleared:
        return False
    return call.effect == "once" or tool.effect == "once"


def awaits(state: State, command: Command) -> bool:
    """Tell whether an outcome still has its place: what the command was about may have been decided meanwhile."""
    match command:
        case CallModel(_, attempt):
            return state.flight is not None and state.attempt == attempt
        case RunTool(call=key, started=started):
            call = state.call(key)
            return (
                call is not None and call.started == started and (call.status == "started" or called_off(state, call))
            )
        case Reconcile(call=key, question=question):
            call = state.call(key)
            return call is not None and call.status == "unknown" and call.question == question
        case CheckCall(call=key):  # pragma: no branch - the last kind of command
            call = state.call(key)
            return call is not None and call.status in {"requested", "approved"}
