"""Deferred approval: a call is settled at once as "sent for approval", and its outcome opens a turn of its own.

Such a call leaves its step and goes on in `State.deferred` by the same table as any other (calls.py): held, approved,
started, finished. No turn's end closes it. Once it is settled there, a notice in the user's place (`UserSaid.about`)
tells the model what became of it, and the call is gone. One that acts alone waits for the deferred ones that run.
"""

from agentkit.core import words
from agentkit.core.events import CallRefused, UserSaid
from agentkit.core.events_people import CallDeferred
from agentkit.core.replacing import replace
from agentkit.core.spec import BoundTool
from agentkit.core.state import Call, Phase, State
from agentkit.errors import ProtocolError


def put_aside(state: State, call: Call, event: CallDeferred) -> State:
    """Let a call that was just settled in its step go on outside of it: held, with a question of its own."""
    held = replace(call, status="held", kind="approval", why=event.why, deferred=True)
    held = replace(held, digest=event.digest, arguments=event.arguments)
    aside = state.asking(replace(held, mended=event.mended, how=event.how))
    return replace(state, deferred=(*state.deferred, aside))


def told(state: State, key: str) -> State:
    """Drop a deferred call: the notice that is being folded tells its outcome."""
    call = next((each for each in state.deferred if each.key == key), None)
    if call is None or not call.settled:
        raise ProtocolError(f"there is no outcome of call {key} to tell")
    return replace(state, deferred=tuple(each for each in state.deferred if each.key != key))


def deferral(state: State, call: Call, tool: BoundTool, arguments: str, why: str) -> CallDeferred | CallRefused:
    """Return the fact that sends a call for approval; an equal one is not sent twice."""
    same = (call.tool, arguments)
    if any((other.tool, other.arguments) == same and not other.settled for other in state.deferred):
        return CallRefused(call.key, "policy", words.deferred_already(call.tool))
    return CallDeferred(call.key, tool.digest, arguments, words.deferred(call.tool), why, call.mended, call.how)


def notice(state: State) -> UserSaid | None:
    """Return the message that tells the outcome of a deferred call; a failed turn is first to be taken up or left."""
    if not state.deferred or state.phase is Phase.FAULTED:
        return None
    call = next((call for call in state.deferred if call.settled), None)
    if call is None:
        return None
    return UserSaid(words.outcome(call.tool, call.effective, call.parts), by=words.NOBODY, about=call.key)


def may_run(state: State, call: Call, exclusive: frozenset[str]) -> bool:
    """Tell whether a deferred call may start beside those that run; `exclusive`: the keys of those that run alone."""
    running = (other for other in state.deferred if other.status == "started" and other.key != call.key)
    return not any(call.key in exclusive or other.key in exclusive for other in running)
