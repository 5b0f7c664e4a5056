"""An answer that has to be of a type: who ends the turn with it, and what follows where it does not fit.

Whether it fits is said from outside (a verdict under OUTPUT) and recorded in words. In the form "tool" the answer is
the arguments of a call of ANSWER, an ordinary tool: it is checked, refused and repaired like any call.
"""

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

from agentkit.core import words
from agentkit.core.commands import CheckCall, Mend, Verdict
from agentkit.core.events import CallRefused, ModelFailed, OutputRefused, TurnEnded
from agentkit.core.messages import AssistantMessage, Part, ToolMessage, text_of
from agentkit.core.replacing import replace
from agentkit.core.spec import ANSWER
from agentkit.core.state import Call, Phase, State
from agentkit.core.turns import enter

Form: TypeAlias = Literal["json_schema", "json_object", "tool", "text"]

OUTPUT: Final = "output"  # stands for a call's position where an answer is checked
MAX_REFUSED: Final = 3  # times the model is asked again, before the turn faults


def judged(state: State, verdict: Verdict | None) -> TurnEnded | OutputRefused | None:
    """Return what follows from an answer that would end the turn; None while nobody has looked at it."""
    if not _is_to_fit(state):
        return TurnEnded("completed")
    if isinstance(verdict, Mend):
        return verdict.event
    return None if verdict is None else TurnEnded("completed")


def check(state: State) -> CheckCall | None:
    """Return the check that an answer waits for."""
    if state.phase is not Phase.ENDING or state.ending or state.bound is None or not _is_to_fit(state):
        return None
    return CheckCall(OUTPUT, state.bound.output, state.text)


def checks(state: State, message: AssistantMessage) -> Iterator[CheckCall]:
    """Yield the checks of an answer that is about to be recorded: of its calls, or of its text."""
    for index, call in enumerate(message.calls):
        yield CheckCall(f"{state.turn}.{state.step}.{index}", call.name, call.arguments)
    if state.bound and state.bound.output and not message.calls:
        yield CheckCall(OUTPUT, state.bound.output, message.text or "")


def _is_to_fit(state: State) -> bool:
    """Tell whether the model's answer has to be of a type; what a person says in its place need not."""
    return state.bound is not None and state.bound.output != "" and state.model != "" and not state.muted


def in_vain(state: State) -> ModelFailed | None:
    """Return the fault of a model that was asked again as often as we are ready to."""
    if state.refused <= MAX_REFUSED:
        return None
    why = f"{state.refused} answers were not of the type asked for; the last time: {state.trouble}"
    return ModelFailed("output", f"{state.asked}: {why}")


def is_answer(state: State, call: Call) -> bool:
    """Tell whether a call gives the answer."""
    return call.tool == ANSWER and state.answers_by(call.tool)


def not_alone(state: State, call: Call) -> CallRefused | None:
    """Refuse an answer that was given beside other calls: it cannot know their results."""
    if len(state.calls) == 1 or state.ending or not is_answer(state, call):
        return None
    return CallRefused(call.key, "policy", words.not_alone(ANSWER))


def refused(state: State, parts: tuple[Part, ...]) -> State:
    """Count an answer that was refused."""
    return replace(state, refused=state.refused + 1, trouble=text_of(parts))


def answered(state: State) -> State | None:
    """End the step with the answer, if its only call gave it, and nothing came in that the model should hear first."""
    call = state.calls[0]
    if call.status != "finished" or not is_answer(state, call) or state.ending:
        return None
    if any(said.now for said in state.waiting):
        return None
    state = enter(state, ToolMessage(call.call_id, call.tool, call.parts))
    return replace(state, phase=Phase.ENDING, calls=(), text=call.raw)
