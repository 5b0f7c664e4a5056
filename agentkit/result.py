"""How a run came to rest."""

from collections.abc import Callable
from dataclasses import field, replace
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from agentkit.core.events import ModelFailed
from agentkit.core.spec import Status, Usage
from agentkit.core.state import Phase, State, Turn
from agentkit.core.values import dataclass
from agentkit.core.waiting import Approval, Question, UnknownOutcome, Waiting
from agentkit.errors import (
    AgentkitError,
    ConfigurationError,
    MessageIdReused,
    ModelError,
    NotCompleted,
    model_error,
)
from agentkit.questions import Times, shown

OutT = TypeVar("OutT", covariant=True)


@dataclass(frozen=True)
class Result(Generic[OutT]):
    """The outcome of a run as a value: completed, waiting, limit or cancelled. Faults are raised, never returned.

    Attributes:
        status: which of the four. reason: one sentence: which limit, who is waited for.
        text: what the agent said last, whatever the status.
        usage: tokens and USD of the turn. steps: its steps.
        model: the name of the model that answered last, empty where none has.
    """

    status: Status
    reason: str
    text: str
    usage: Usage
    steps: int
    session_id: str
    turn: int
    waiting: tuple[Waiting, ...] = ()
    model: str = ""
    decode: Callable[[str], Any] | None = field(default=None, repr=False, compare=False)  # how `output` is made

    @property
    def output(self) -> OutT:
        """The answer, made of what was recorded.

        Raises:
            NotCompleted: the turn did not complete.
            OutputInvalid: the answer is not of the agent's `output_type`: a person answered, or the type has changed.
        """
        if self.status != "completed":
            raise NotCompleted(f"turn {self.turn} of session {self.session_id!r} did not complete: {self.reason}")
        return cast("OutT", self.text if self.decode is None else self.decode(self.text))

    @property
    def approvals(self) -> tuple[Approval, ...]:
        """Calls that need a yes: `Session.approve` or `deny`."""
        return tuple(each for each in self.waiting if isinstance(each, Approval))

    @property
    def questions(self) -> tuple[Question, ...]:
        """What tools ask people: `Session.answer`."""
        return tuple(each for each in self.waiting if isinstance(each, Question))

    @property
    def unknowns(self) -> tuple[UnknownOutcome, ...]:
        """Calls whose outcome nobody knows: `Session.resolve`."""
        return tuple(each for each in self.waiting if isinstance(each, UnknownOutcome))


def of_open_turn(session_id: str, state: State, times: Times) -> Result[str]:
    """Return the result of a turn that is open. Raises: the recorded fault, if the turn is faulted."""
    if state.phase is Phase.FAULTED and state.fault:
        raise fault(state.fault)
    waiting = shown(session_id, state, times)
    return Result(
        "waiting",
        _waited_for(waiting, state.muted),
        state.text,
        state.usage,
        state.step,
        session_id,
        state.turn,
        waiting=waiting,
        model=state.model,
    )


def beside(result: Result[str], below: tuple[Waiting, ...], muted: str) -> Result[str]:
    """Return a result with what waits for people in the sessions below."""
    waiting = (*result.waiting, *below)
    reason = _waited_for(waiting, muted) if result.status == "waiting" else result.reason
    return replace(result, waiting=waiting, reason=reason)


def of_turn(session_id: str, turn: Turn, waiting: tuple[Waiting, ...] = ()) -> Result[str]:
    """Return the recorded result of a turn that is over; `waiting`: calls that were sent for approval in any turn.

    Raises: the recorded fault, if it failed.
    """
    if turn.status == "failed":
        raise fault(turn.fault) if turn.fault else ModelError(turn.reason)
    reason = turn.reason or "the agent answered"
    used = (turn.usage, turn.steps, session_id, turn.number)
    return Result(turn.status, reason, turn.text, *used, waiting=waiting, model=turn.model)


def fault(event: ModelFailed) -> AgentkitError:
    """Return a recorded fault as the exception it is."""
    if event.kind == "configuration":
        return ConfigurationError(event.text)
    return model_error(event.kind)(
        event.text, status=event.status, provider_text=event.provider_text, message_index=event.message_index
    )


def _waited_for(waiting: tuple[Waiting, ...], muted: str) -> str:
    wishes = "waiting for a person: " + "; ".join(_wish(each) for each in waiting) if waiting else ""
    if muted:
        speaks = f"{muted} answers in the agent's place: say_as() answers, hand_back() lets the agent answer"
        return f"{speaks}; {wishes}" if wishes else speaks
    return wishes or "the turn is open: another process drives it, or resume() goes on with it"


def _wish(waiting: Waiting) -> str:
    match waiting:
        case Approval(tool=tool, asked_at=asked):
            return f"{tool} needs approval ({_since(asked)})"
        case Question(text=text):
            return f"a tool asks: {text}"
        case UnknownOutcome(tool=tool, why=why):
            return f"it is not known whether {tool} took effect ({why})"


def _since(at: datetime) -> str:
    return f"asked {at:%Y-%m-%d %H:%M:%S} UTC"


def of_message(session_id: str, state: State, times: Times, said: str) -> Result[str] | None:
    """Return the result of the turn that took message `said`, None if there is none yet.

    Raises: its fault. MessageIdReused: its id was taken by what a person answered in the agent's place.
    """
    if said not in state.ids:
        return None
    for number in range(len(state.turns) - 1, -1, -1):
        turn = state.turns[number]
        if any(message.id == said for message in turn.messages):
            return of_turn(session_id, turn, shown(session_id, state, times))
    if all(message.id != said for message in (*state.said, *state.waiting)):
        raise MessageIdReused(f"message id {said!r} was used in session {session_id!r} for a person's answer")
    return None
