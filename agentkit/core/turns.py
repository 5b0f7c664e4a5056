"""How a turn moves: one function an event, each from (state, event) to a new state.

`loop.TABLE` says in which phases an event may come; these functions refuse what the phase alone cannot tell.
"""

from decimal import Decimal
from functools import lru_cache

from agentkit.core.deferring import told
from agentkit.core.events import (
    AgentBound,
    CancelRequested,
    Compacted,
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
    Sent,
    SessionStarted,
    TurnEnded,
    TurnResumed,
    UserSaid,
)
from agentkit.core.log import Log
from agentkit.core.messages import AssistantMessage, Message, Part, Producer, Text, ToolMessage, UserMessage, weigh
from agentkit.core.progress import after_step
from agentkit.core.replacing import replace
from agentkit.core.sharing import counted
from agentkit.core.spec import Usage
from agentkit.core.state import Call, Ending, Entry, Flight, Origin, Phase, Progress, State, Turn
from agentkit.core.trust import carried, heard, seen
from agentkit.errors import ProtocolError

_CALL = Call("", "", "", "")  # a copy of it is made three times as fast as one by the constructor of thirty fields
_producer = lru_cache(maxsize=64)(Producer)  # one value for all that a model said


def session_started(state: State, event: SessionStarted) -> State:
    """The first event, and only the first."""
    if state.uid:
        raise ProtocolError("the session has started already")
    return replace(state, uid=event.uid, agent=event.agent, parent=event.parent)


def run_started(state: State, _: RunStarted) -> State:
    """Void what the run before had in flight: calls become unknown, a reservation stays spent."""
    calls, deferred = (tuple(_lost(state, call) for call in some) for some in (state.calls, state.deferred))
    return _spend_flight(replace(state, calls=calls, deferred=deferred, interrupted=0))


def _lost(state: State, call: Call) -> Call:
    if call.status == "started":
        why = "the process that ran it ended before its outcome was recorded"
        lost = replace(call, status="unknown", why=why, found="", lost=call.lost + 1, reconciled=False)
        return state.asking(lost)
    return replace(call, reconciled=False)


def agent_bound(state: State, event: AgentBound) -> State:
    """Take a new description of what the model is told."""
    if state.flight:
        raise ProtocolError("the agent cannot change while a model call is in flight")
    return replace(state, bound=event, tools={tool.name: tool for tool in event.tools}, rebind=False)


def user_said(state: State, event: UserSaid) -> State:
    """Open a turn, enter the open one, or wait."""
    state = taken(state, event.id)
    if event.about:
        state = told(carried(state, state.call(event.about)), event.about)
    if state.phase is Phase.IDLE:
        return _open_turn(state, event)
    between_steps = state.phase is Phase.THINKING and state.attempt == 0
    if (event.now or state.muted) and between_steps and state.ending is None:
        return _hear(state, event)
    return replace(state, waiting=(*state.waiting, event))


def taken(state: State, name: str | None) -> State:
    """Take a message's id: once per session."""
    if name is None:
        return state
    if name in state.ids:
        raise ProtocolError(f"message id {name!r} is taken in this session")
    return replace(state, ids=state.ids.add(name))


def _open_turn(state: State, event: UserSaid) -> State:
    return _hear(new_turn(state), event)


def new_turn(state: State) -> State:
    """Open a turn in which nothing has been said yet."""
    return replace(
        state,
        phase=Phase.THINKING,
        turn=state.turn + 1,
        step=1,
        attempt=0,
        turn_at=len(state.transcript),
        turn_heft=state.heft,
        said=(),
        text="",
        answered=False,
        failed=(),
        model="",
        usage=Usage(),
        tool_calls=0,
        steps_below=0,
        rejected=0,
        interrupted=0,
        refused=0,
    )


def _hear(state: State, event: UserSaid) -> State:
    state, whose = heard(counted(state, event.about), event)
    return replace(enter_user(state, event.parts, whose), said=(*state.said, event), progress=Progress())


def enter_user(state: State, parts: tuple[Part, ...], whose: Origin = "") -> State:
    """Put a user message into the transcript, behind a bridge where the contract refuses the pair of roles."""
    bridge = _bridge(state)
    if bridge is not None:
        state = enter(state, AssistantMessage(text=bridge))
    return enter(state, UserMessage(parts), whose)


def _bridge(state: State) -> str | None:
    if state.bound is None or not state.transcript:
        return None
    last = state.transcript[-1].message
    if isinstance(last, ToolMessage):
        return state.bound.bridges.user_after_tool
    return state.bound.bridges.user_after_user if isinstance(last, UserMessage) else None


def enter(state: State, message: Message, whose: Origin = "") -> State:
    """Put a message at the end of the transcript."""
    entry = Entry(message, state.turn, state.step, whose)
    return replace(state, transcript=state.transcript.append(entry), heft=state.heft + weigh(message))


def model_started(state: State, event: ModelStarted) -> State:
    """A model call is in flight; what it may cost is set aside."""
    if state.flight or event.attempt != state.attempt + 1:
        raise ProtocolError("a model call is in flight, or an attempt was left out")
    if event.purpose == "answer" and state.phase is not Phase.THINKING:
        raise ProtocolError("nobody asked for an answer")
    return replace(state, attempt=event.attempt, flight=Flight(event.tokens, event.cost, event.purpose))


def model_responded(state: State, event: ModelResponded) -> State:
    """The answer enters the transcript; its calls are requested."""
    message = event.message
    if not (message.text or message.calls):
        raise ProtocolError("an answer without text and calls is no answer")
    if len(message.calls) > 1 and len({call.id for call in message.calls}) != len(message.calls):
        raise ProtocolError("two calls of one answer have the same id")
    state = _settle(state, event.usage, event.sent)
    state = replace(
        enter(state, _stamped(message, state)),
        rejected=0,
        interrupted=0,
        answered=True,
        text=message.text or state.text,
        model=state.bound.model if state.bound else "",
        phase=Phase.ACTING if message.calls else Phase.ENDING,
        calls=_requested(state, message),
    )
    if state.waiting and not state.calls and state.ending is None and any(said.now for said in state.waiting):
        return next_step(state)
    return state


def _requested(state: State, message: AssistantMessage) -> tuple[Call, ...]:
    where = f"{state.turn}.{state.step}"
    return tuple(
        [
            replace(_CALL, key=f"{where}.{index}", tool=call.name, call_id=call.id, raw=call.arguments)
            for index, call in enumerate(message.calls)
        ]
    )


def _stamped(message: AssistantMessage, state: State) -> AssistantMessage:
    bound = state.bound
    if bound is None:
        return message
    producer = message.producer or _producer(bound.model, bound.contract_id, bound.host)
    carrier = message.carrier or (None if message.reasoning is None else bound.carrier)
    return replace(message, producer=producer, carrier=carrier)


def model_rejected(state: State, event: ModelRejected) -> State:
    """A paid answer that cannot be used."""
    state = _settle(state, event.usage, event.sent)
    return replace(state, rejected=state.rejected + 1, rejected_as=event.kind, trouble=event.why)


def model_interrupted(state: State, event: ModelInterrupted) -> State:
    """The answer broke off: what it cost is not known, so the reservation stays spent."""
    state = _settle(state, event.usage, event.sent)
    return replace(state, interrupted=state.interrupted + 1, trouble=event.why, text=event.text or state.text)


def model_failed(state: State, event: ModelFailed) -> State:
    """The service failed: the turn is faulted. What was refused cost nothing."""
    sent = state.sent if event.sent is None else _chain(state.sent, event.sent)
    failed = state.failed if state.asked in state.failed else (*state.failed, state.asked)
    return replace(state, phase=Phase.FAULTED, fault=event, failed=failed, flight=None, sent=sent)


def turn_resumed(state: State, _: TurnResumed) -> State:
    """A faulted turn goes on."""
    return replace(state, phase=Phase.THINKING, fault=None, rejected=0, interrupted=0, refused=0)


def output_refused(state: State, event: OutputRefused) -> State:
    """The answer was of the wrong type: the model is told, in a step of its own."""
    refused = state.refused + 1
    state = replace(state, phase=Phase.THINKING, step=state.step + 1, attempt=0, refused=refused, trouble=event.text)
    return enter_user(state, (Text(event.text),))


def _settle(state: State, usage: Usage | None, sent: Sent | None) -> State:
    if state.flight is None or state.flight.purpose != "answer":
        raise ProtocolError("no answer is in flight")
    if sent is not None:
        state = replace(state, sent=_chain(state.sent, sent))
    return _spend_flight(state, usage)


def _spend_flight(state: State, usage: Usage | None = None) -> State:
    """End what is in flight: it has cost `usage`, or, where nobody told that, all that was set aside."""
    flight = state.flight
    if flight is None:
        return state
    usage = usage or Usage(input_tokens=flight.tokens, cost=flight.cost)
    return replace(state, flight=None, usage=state.usage + usage, total=state.total + usage)


def _chain(before: Log[str], sent: Sent) -> Log[str]:
    if sent.kept > len(before):
        raise ProtocolError("a request cannot keep more fragments than the one before it had")
    return before.cut(sent.kept).append(*sent.hashes)


def next_step(state: State) -> State:
    """All calls are settled: results in the order asked, then the messages that would not wait, then the next step."""
    for call in state.calls:
        state = seen(state, call.tool) if call.origin == "outside" else state
        state = enter(state, ToolMessage(call.call_id, call.tool, call.told), call.origin)
    progress = after_step(state) if state.calls else state.progress
    state = replace(state, phase=Phase.THINKING, calls=(), step=state.step + 1, attempt=0, progress=progress)
    if state.waiting and state.ending is None:
        heard = [said for said in state.waiting if said.now]
        state = replace(state, waiting=tuple(said for said in state.waiting if not said.now))
        for said in heard:
            state = _hear(state, said)
    return state


def cancel_requested(state: State, event: CancelRequested) -> State:
    """End the open turn, if it is the one that was meant."""
    if event.turn != state.turn:
        raise ProtocolError(f"turn {event.turn} is over")
    if state.ending and state.ending.status == "cancelled":
        raise ProtocolError("the turn is being cancelled already")
    return replace(state, ending=Ending("cancelled", f"cancelled by {event.by}"))


def limit_reached(state: State, event: LimitReached) -> State:
    """End the open turn, unless it is ending already."""
    if state.ending:
        raise ProtocolError("the turn is ending already")
    return replace(state, ending=Ending("limit", event.why, event.kind))


def inbox_refused(state: State, _: InboxRefused) -> State:
    """Nothing follows but that its sender can read it."""
    return state


def close_turn(state: State, event: TurnEnded) -> State:
    """Close the turn."""
    if state.flight:
        raise ProtocolError("a model call is in flight")
    if event.status == "completed" and state.phase is not Phase.ENDING:
        raise ProtocolError("there is no final answer")
    if event.status == "failed" and state.phase is not Phase.FAULTED:
        raise ProtocolError("the turn has not failed")
    turn = Turn(
        number=state.turn,
        messages=state.said,
        status=event.status,
        reason=event.reason,
        text=state.text,
        steps=state.step,
        usage=state.usage,
        fault=state.fault,
        model=state.model,
    )
    if state.fault and not state.answered:
        state = replace(state, transcript=state.transcript.cut(state.turn_at), heft=state.turn_heft)
    return replace(
        state,
        phase=Phase.IDLE,
        ending=None,
        fault=None,
        calls=(),
        attempt=0,
        interrupted=0,
        turns=state.turns.append(turn),
    )


def next_turn(state: State) -> State:
    """Open the next turn if a message waits."""
    if not state.waiting:
        return state
    first, *rest = state.waiting
    return _open_turn(replace(state, waiting=tuple(rest)), first)


def compacted(state: State, event: Compacted) -> State:
    """Replace the first entries, for the model, by a summary: a new base."""
    if not 0 < event.upto <= len(state.transcript):
        raise ProtocolError("there is nothing to compact there")
    if state.flight:
        if state.flight.purpose != "compaction":
            raise ProtocolError("a model call is in flight")
        state = _spend_flight(state, event.usage)
        state = replace(state, step=state.step + 1, attempt=0)
    kept = state.transcript[event.upto :]
    base = Entry(UserMessage((Text(event.summary),)), state.turn, state.step)
    entries = Log((base, *kept))
    heft = sum(weigh(entry.message) for entry in entries)
    turn_at, outside_at = (max(0, at - event.upto + 1) for at in (state.turn_at, state.outside_at))
    return replace(state, transcript=entries, turn_at=turn_at, outside_at=outside_at, heft=heft)


def forked(state: State, event: Forked) -> State:
    """A session of its own from here on: held calls are asked again, and every `once` tool asks."""
    if state.flight:
        raise ProtocolError("a model call is in flight")
    if event.before:
        return _branched(state, event)
    calls, deferred = (tuple(_asked_anew(state, call) for call in some) for some in (state.calls, state.deferred))
    return replace(state, uid=event.uid, forked=event.asks, calls=calls, deferred=deferred)


def _asked_anew(state: State, call: Call) -> Call:
    if call.status not in {"held", "approved"}:
        return call
    return state.asking(replace(call, status="held", kind=call.kind or "approval"))


def _branched(state: State, event: Forked) -> State:
    """Begin a step another way: nothing waits, no model has failed yet, and today's agent is bound before it."""
    here = f"{state.turn}.{state.step}"
    if state.phase is not Phase.THINKING or state.attempt or here != event.before:
        raise ProtocolError(
            f"a fork before {event.before} cannot begin at {here}, while the turn is {state.phase.value}"
        )
    dropped = [said.id for said in state.waiting if said.id is not None]
    ids = state.ids.without(dropped) if dropped else state.ids
    fresh = replace(state, uid=event.uid, forked=event.asks, rebind=True, waiting=(), ids=ids, failed=())
    return replace(
        fresh, deferred=(), below=(), muted="", parent=""
    )  # what was sent for approval is the other session's


def reservation(state: State) -> tuple[int, Decimal | None]:
    """Return what the next model call may cost, in tokens and USD.

    Input as heavy as the transcript, at 4 bytes a token (CONTRACTS.md's measure), and all of `max_tokens`.
    """
    bound = state.bound
    given = (bound.max_tokens if bound else None) or 0
    asked = (state.heft + (bound.heft if bound else 0)) // 4
    if bound is None or bound.prices is None:
        return asked + given, None
    return asked + given, (asked * bound.prices.input + given * bound.prices.output) / 1_000_000
