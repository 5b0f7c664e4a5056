"""A person answers in the agent's place, and the agent is silent until it is handed back.

What the agent is at is cut off as by a cancel, and the person's words follow as a turn of their own. Where a message is
open and nobody works at it, they are the answer to it. While a person has the word, no model call is owed: messages
that come in join the open turn and wait for that person.
"""

from agentkit.core.events import TurnEnded
from agentkit.core.events_people import HandedBack, PersonAnswered
from agentkit.core.messages import AssistantMessage, Text
from agentkit.core.replacing import replace
from agentkit.core.state import Ending, Phase, State
from agentkit.core.turns import close_turn, enter, enter_user, new_turn, next_turn, taken
from agentkit.errors import ProtocolError


def person_answered(state: State, event: PersonAnswered) -> State:
    """Take the word: at once, or as soon as what the agent is at has come to rest."""
    if not event.text:
        raise ProtocolError("an answer without text is no answer")
    state = replace(taken(state, event.id), muted=event.by)
    if state.phase is Phase.ENDING:
        return replace(state, spoken=(*state.spoken, event))
    if state.phase is Phase.ACTING or state.flight or state.ending:
        ending = state.ending or Ending("cancelled", f"{event.by} has taken over")
        return replace(state, spoken=(*state.spoken, event), ending=ending)
    return speak(state, event)


def speak(state: State, event: PersonAnswered) -> State:
    """Let a person's words be the answer to the open message, or a turn of their own."""
    if state.phase is Phase.IDLE:
        state = enter_user(new_turn(state), (Text(event.notice),))
    state = enter(state, AssistantMessage(text=event.text))
    return replace(state, phase=Phase.ENDING, text=event.text, answered=True, fault=None, model="")


def handed_back(state: State, _: HandedBack) -> State:
    """Let the agent answer again."""
    if not state.muted:
        raise ProtocolError("nobody has taken over")
    return replace(state, muted="")


def turn_ended(state: State, event: TurnEnded) -> State:
    """Close the turn; a person who has taken over speaks before a message that waits."""
    state = close_turn(state, event)
    if not state.spoken:
        return next_turn(state)
    first, *rest = state.spoken
    return speak(replace(state, spoken=tuple(rest)), first)
