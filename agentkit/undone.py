"""What is recorded of work that did not end by itself: cut off, or never begun although its start is recorded."""

from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

from agentkit.core import words
from agentkit.core.commands import CallModel, Command, Reconcile, RunTool
from agentkit.core.events import AnyEvent, CallResolved, ModelInterrupted, Sent, ToolFinished, ToolUnknown
from agentkit.core.owed import cut_short
from agentkit.core.spec import Usage
from agentkit.core.state import Call, State
from agentkit.models.base import Piece

Outcome: TypeAlias = tuple[AnyEvent, ...]

_NOTHING = Usage()


def cut_off(state: State, command: Command, shown: Sequence[Piece], sent: Sent | None) -> Outcome:
    """Return what is known of work that was stopped. `shown`, `sent`: what came of the model, and what was asked."""
    why = state.ending.reason if state.ending else "the process stopped driving"
    match command:
        case CallModel():
            said = {kind: "".join(p.text for p in shown if p.kind == kind) for kind in ("text", "reasoning")}
            return (ModelInterrupted(why, said["text"], said["reasoning"], sent),)
        case RunTool():
            return (ToolUnknown(command.call, why),)
        case Reconcile(call, tool, _, question, _) if state.ending:
            cut = f"the reconcile of {tool} was cut off: {why}"
            return (CallResolved(call, question, "unknown", "reconcile", tool, why=cut),)
        case _:
            return ()


def never_begun(state: State, flying: Collection[Command], lives: Callable[[Call], bool]) -> Outcome:
    """Return what becomes of what is recorded as begun in a turn that was called off behind that record.

    The work itself did not begin, so nothing happened, and it cost nothing.

    Args:
        state: of a session in which everything that is owed has been started.
        flying: what has been started, and has not ended.
        lives: tells whether an earlier attempt at a call still runs in this process: nobody knows what it does.
    """
    if state.ending is None or not cut_short(state):
        return ()  # then all of it is owed
    why = f"{state.ending.reason}, before it began"
    is_asked = any(isinstance(command, CallModel) for command in flying)
    asked = () if state.flight is None or is_asked else (ModelInterrupted(why, usage=_NOTHING),)
    begun = {(command.call, command.started) for command in flying if isinstance(command, RunTool)}
    return (*asked, *(_of_call(call, why, alive=lives(call)) for call in state.calls if _is_left(call, begun)))


def _is_left(call: Call, begun: Collection[tuple[str, int]]) -> bool:
    return call.status == "started" and (call.key, call.started) not in begun


def _of_call(call: Call, why: str, *, alive: bool) -> ToolFinished | ToolUnknown:
    if alive:
        return ToolUnknown(call.key, "an earlier attempt of this call still runs in this process")
    if call.effect != "once":
        return ToolUnknown(call.key, why)  # an earlier attempt may have done something, which harms nobody
    return ToolFinished(call.key, words.not_begun(call.tool), failed=True)
