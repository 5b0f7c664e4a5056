"""Who answers and how they are asked: the agent's models in order, the next one where one has failed.

An open turn goes on with the model that was bound last, in whatever process; a new turn, and one that failed and is
resumed, begins with the first. A fall back is three facts in one batch, all of them known without it: `ModelFailed`
says what befell the one, `AgentBound` who answers now, `TurnResumed` that the turn goes on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from agentkit.core.binding import Blob, unstamped
from agentkit.core.commands import Verdict
from agentkit.core.events import (
    AgentBound,
    AnyEvent,
    ModelFailed,
    ModelInterrupted,
    ModelRejected,
    ModelResponded,
    Sent,
    TurnResumed,
)
from agentkit.core.loop import follows
from agentkit.core.request import placed, stored
from agentkit.core.spec import Binding
from agentkit.core.state import Phase, State
from agentkit.core.values import dataclass
from agentkit.errors import ConfigurationError, ModelError, model_error
from agentkit.models.base import Answered, Body, Broken, Endpoint, Piece, Reply, Unusable
from agentkit.prefix import Prefix
from agentkit.recorder import Recorder

Show = Callable[[Sequence[Piece]], None]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of the models that may answer: what it is told and how, and its requests as far as they are encoded."""

    endpoint: Endpoint
    binding: Binding
    bound: AgentBound
    blobs: Sequence[Blob]
    prefix: Prefix

    def known_by(self, bound: AgentBound) -> bool:
        """Tell whether a recorded binding is this model's, perhaps told otherwise then."""
        mine = self.bound
        return (mine.model, mine.host, mine.contract_id) == (bound.model, bound.host, bound.contract_id)


@dataclass(frozen=True)
class Answering:
    """The candidates, in the order they are tried."""

    candidates: tuple[Candidate, ...]

    def now(self, state: State) -> Candidate:
        """Return who is to answer in this state."""
        return self.candidates[0 if _anew(state) else self._at(state.bound)]

    def alike(self, bound: AgentBound | None) -> Candidate:
        """Return the candidate that a binding is of; the first one, where there is none like it today."""
        return self.candidates[self._at(bound)]

    def _at(self, bound: AgentBound | None) -> int:
        """Return the index of whom a binding is of: the very one given out in this process, else one alike."""
        if len(self.candidates) == 1:
            return 0
        told = list(enumerate(self.candidates)) if bound is not None else []
        same = (index for index, each in told if each.bound is bound)
        alike = (index for index, each in told if bound is not None and each.known_by(bound))
        return next(same, next(alike, 0))

    # --- what follows ------------------------------------------------------------------------------------------------

    def next(self, before: State, state: State, verdicts: Mapping[str, Verdict]) -> AnyEvent | None:
        """Return the next fact that nobody performs: the core's, and before it the choice of who answers.

        A fault that is not in the state `before` is new, and another model may mend it.
        """
        event = self._choice(before, state) or follows(state, verdicts)
        return _told(event, state) if isinstance(event, ModelFailed) else event

    def blobs(self, event: AnyEvent) -> Sequence[Blob]:
        """Return the contents that an event of `next` names."""
        return next((each.blobs for each in self.candidates if each.bound is event), ())

    def _choice(self, before: State, state: State) -> AgentBound | TurnResumed | None:
        if state.bound is None or state.flight is not None:
            return None
        if state.phase is Phase.FAULTED:
            return self._fall_back(before, state)
        first = state.phase is not Phase.THINKING or not _anew(state) or self._at(state.bound) == 0
        return None if first else self.candidates[0].bound

    def _fall_back(self, before: State, state: State) -> AgentBound | TurnResumed | None:
        fault, after = state.fault, self._at(before.bound) + 1
        if fault is None or fault is before.fault or state.ending or after == len(self.candidates):
            return None
        if not model_error(fault.kind).falls_back:
            return None
        bound = self.candidates[after].bound
        return TurnResumed() if state.bound is bound else bound

    # --- asking ------------------------------------------------------------------------------------------------------

    async def ask(self, recorder: Recorder, show: Show | None) -> AnyEvent:
        """Ask whoever is to answer, and return what came of it."""
        state = recorder.state
        who = self.now(state)
        first = who.prefix.first(state, who.binding)
        contents = {name: await _content(recorder, name) for name in stored(state.transcript, first)}
        try:
            who.prefix.update(state, who.binding, first, contents)
            head, *messages = who.prefix.fragments
            reply = await who.endpoint.call(Body(head, messages), who.binding.contract, show)
        except ModelError as error:
            sent = who.prefix.sent(recorder.state)
            failed = ModelFailed(error.kind, str(error), error.status, error.provider_text, error.message_index, sent)
            return _told(failed, recorder.state)
        except ConfigurationError as error:
            return _told(ModelFailed("configuration", str(error)), recorder.state)
        return _replied(_placed(reply, who, recorder.state), who, who.prefix.sent(recorder.state))

    def sent(self, state: State) -> Sent | None:
        """Return what the request in flight is recorded as; None where it was cut off before it was encoded."""
        prefix = self.now(state).prefix
        return prefix.sent(state) if prefix.holds(state) else None


def _anew(state: State) -> bool:
    """Tell whether the choice begins anew: between turns, before a turn's first call, and where all have failed."""
    before_first = state.phase is Phase.THINKING and (state.step, state.attempt) == (1, 0)
    return state.bound is None or state.rebind or before_first or state.phase in {Phase.IDLE, Phase.FAULTED}


def _told(event: ModelFailed, state: State) -> ModelFailed:
    """Name those that failed in this turn before the one that failed now."""
    tried = [who for who in state.failed if who != state.asked]
    if not tried:
        return event
    return replace(event, text=f"{event.text.rstrip('.')}. Tried before it in this turn: {', '.join(tried)}.")


def _placed(reply: Reply, who: Candidate, state: State) -> Reply:
    if not isinstance(reply, Answered):
        return reply
    message = placed(reply.message, state.turn, state.step, who.binding.contract)
    return reply if message is reply.message else replace(reply, message=message)


def _replied(reply: Reply, who: Candidate, sent: Sent) -> AnyEvent:
    match reply:
        case Answered(message, finish, usage, prices, notes):
            return unstamped(ModelResponded(message, sent, usage, finish, prices, notes), who.bound)
        case Unusable(kind, why, message, finish, usage, prices):
            return ModelRejected(kind, why, message, sent, usage, finish, prices)
        case Broken(why, text, reasoning, usage):
            return ModelInterrupted(why, text, reasoning, sent, usage)


async def _content(recorder: Recorder, name: str) -> str:
    return (await recorder.journal.blob(recorder.session_id, name)).decode("utf-8", "surrogatepass")
