"""The loop, as values: `apply` folds a fact, `follows` names the next one nobody performs, `commands` what is owed.

    IDLE      UserSaid → THINKING
    THINKING  ModelStarted, ModelRejected, ModelInterrupted, RunStarted → same; ModelFailed → FAULTED
              ModelResponded with calls → ACTING; without → ENDING (or THINKING, if a message with now=True waits)
    ACTING    call events (calls.py); the last one settled: results enter the transcript, step+1 → THINKING
    FAULTED   owes nothing; TurnResumed → THINKING; CancelRequested, then TurnEnded → IDLE
    ENDING    TurnEnded → IDLE, or THINKING of the next waiting message
    any       PersonAnswered (muting.py): a person answers → ENDING, or cuts off what the agent is at, then answers;
              HandedBack; events of deferred calls (deferring.py)

A driver only ever does this: load and fold; start every command that is not in flight; if none is in flight, rest;
else wait until one finishes and record it. So a crash loses nothing but work in flight, and resuming is loading.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from agentkit.core import calls, muting, turns
from agentkit.core.events import (
    AgentBound,
    AnyEvent,
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
    SessionStarted,
    TurnEnded,
    TurnResumed,
    UserSaid,
)
from agentkit.core.events_people import HandedBack, PersonAnswered
from agentkit.core.owed import commands, follows
from agentkit.core.replacing import done, draft
from agentkit.core.state import Phase, State
from agentkit.errors import ProtocolError

__all__ = ["TABLE", "apply", "commands", "fold", "follows", "take"]

Move: TypeAlias = Callable[[State, Any], State]

_ANY = frozenset(Phase)
_IDLE, _THINKING, _ACTING = frozenset({Phase.IDLE}), frozenset({Phase.THINKING}), frozenset({Phase.ACTING})
_OPEN = _ANY - _IDLE

TABLE: dict[type[Any], tuple[frozenset[Phase], Move]] = {
    SessionStarted: (_IDLE, turns.session_started),
    RunStarted: (_ANY, turns.run_started),
    AgentBound: (_ANY, turns.agent_bound),
    UserSaid: (_ANY, turns.user_said),
    ModelStarted: (_THINKING | _IDLE, turns.model_started),
    ModelResponded: (_THINKING, turns.model_responded),
    ModelRejected: (_THINKING, turns.model_rejected),
    ModelInterrupted: (_THINKING, turns.model_interrupted),
    ModelFailed: (_THINKING, turns.model_failed),
    TurnResumed: (frozenset({Phase.FAULTED}), turns.turn_resumed),
    OutputRefused: (frozenset({Phase.ENDING}), turns.output_refused),
    CancelRequested: (_OPEN, turns.cancel_requested),
    LimitReached: (_THINKING | _ACTING, turns.limit_reached),
    InboxRefused: (_ANY, turns.inbox_refused),
    TurnEnded: (frozenset({Phase.THINKING, Phase.FAULTED, Phase.ENDING}), muting.turn_ended),
    Compacted: (_ANY - _ACTING, turns.compacted),
    Forked: (_ANY, turns.forked),
    PersonAnswered: (_ANY, muting.person_answered),
    HandedBack: (_ANY, muting.handed_back),
    **dict.fromkeys(calls.FROM, (_ANY, calls.move)),  # outside of ACTING only the deferred ones are there
}


def apply(state: State, event: AnyEvent) -> State:
    """Fold one fact.

    Raises:
        ProtocolError: the fact cannot follow from this state. Nothing has changed.
    """
    return done(take(draft(state), event, state.seq + 1))


def take(state: State, event: AnyEvent, seq: int) -> State:
    """Fold the fact of number `seq` into a draft of a state, which many facts may change before it is done.

    Raises:
        ProtocolError: the fact cannot follow from this state. The draft is of no use any more.
    """
    try:
        phases, move = TABLE[type(event)]
    except KeyError:
        raise ProtocolError(f"{type(event).__name__} is not an event of this format") from None
    if not state.uid and not isinstance(event, SessionStarted):
        raise ProtocolError(f"{type(event).__name__}: a session begins with SessionStarted")
    if state.phase not in phases:
        raise ProtocolError(f"{type(event).__name__} cannot come while the turn is {state.phase.value}")
    vars(state)["seq"] = seq
    return move(state, event)


def fold(events: Iterable[AnyEvent], state: State | None = None) -> State:
    """Fold facts, from the beginning or from `state`."""
    state = draft(State() if state is None else state)
    for event in events:
        state = take(state, event, state.seq + 1)
    return done(state)
