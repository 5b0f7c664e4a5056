"""What a sub-agent may use: its own limits, and no more than its share of what is left to its parent's turn.

Sub-agents that are open side by side share what is left equally, so that together they cannot use more than there is.
What one has used is counted with its parent's once its call is over (`ToolFinished.child`); until then its share stays
set aside. One step is kept for the parent's answer. Time is not shared out: the parent's clock cuts a sub-agent off.

A deferred call is no part of a turn that is open while it runs: its outcome opens one of its own, which begins with
what the sub-agent has used. So the sub-agent may use what a whole turn may.

What is shared, too, is what nobody knows the outcome of: a call that was given up below is held above, and in the next
sub-agent that makes an equal one.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import TypeVar

from agentkit.core.events import UserSaid
from agentkit.core.replacing import replace
from agentkit.core.spec import Child, GivenUp, Inherited, Limits, Usage
from agentkit.core.state import Call, State

N = TypeVar("N", int, Decimal)


def shared(state: State, own: Limits, *, deferred: bool = False) -> Limits:
    """Return the limits of a sub-agent that says `own` of itself, for a call of the open step, or a deferred one."""
    limits = state.bound.limits if state.bound else Limits()
    if deferred:
        state = replace(state, calls=(), step=0, steps_below=0, tool_calls=0, usage=Usage())
    many = max(1, sum(not call.settled and _is_child(state, call.tool) for call in state.calls))
    used = state.usage
    spent = limits.cost if used.cost is None else used.cost
    steps, calls = state.step + state.steps_below + 1, state.tool_calls
    return replace(
        own,
        steps=_least(own.steps, None if limits.steps is None else max(0, limits.steps - steps) // many),
        tool_calls=_least(
            own.tool_calls, None if limits.tool_calls is None else max(0, limits.tool_calls - calls) // many
        ),
        tokens=_least(own.tokens, None if limits.tokens is None else max(0, limits.tokens - used.tokens) // many),
        cost=_least(own.cost, None if limits.cost is None else max(Decimal(0), limits.cost - (spent or 0)) / many),
    )


def inherited(state: State) -> Inherited | None:
    """Return what a sub-agent has to know of the session that calls it."""
    if not state.outside and not state.given_up:
        return None
    return Inherited(state.outside, _given_up(state))


def told_above(state: State, said: UserSaid) -> State:
    """Remember what the session above a sub-agent's has given up."""
    return given_up(state, said.inherited.given_up) if said.inherited else state


def given_up(state: State, calls: Iterable[GivenUp]) -> State:
    """Remember calls nobody knows the outcome of."""
    return replace(state, given_up=state.given_up.union((call.tool, call.arguments) for call in calls))


def _given_up(state: State) -> tuple[GivenUp, ...]:
    return tuple(GivenUp(*call) for call in sorted(state.given_up))


def came(state: State, call: Call, child: Child) -> State:
    """Count what a sub-agent used: it is its parent's, too, in the turn that is told of it."""
    return replace(state, below=(*state.below, (call.key, child))) if call.deferred else _counted(state, child)


def counted(state: State, about: str) -> State:
    """Count what a deferred sub-agent used, in the turn that is told of the call `about`."""
    child = dict(state.below).get(about)
    if child is None:
        return state
    return _counted(replace(state, below=tuple(each for each in state.below if each[0] != about)), child)


def _counted(state: State, child: Child) -> State:
    steps, calls = state.steps_below + child.steps, state.tool_calls + child.tool_calls
    usage, total = state.usage + child.usage, state.total + child.usage
    return replace(state, steps_below=steps, tool_calls=calls, usage=usage, total=total)


def used_by(session_id: str, state: State) -> Child:
    """Return what a child session has used, with the sessions below it."""
    lost = _given_up(state)
    return Child(session_id, state.total, state.step + state.steps_below, state.tool_calls, lost)


def _is_child(state: State, name: str) -> bool:
    tool = state.tool(name)
    return tool is not None and tool.child


def _least(one: N | None, other: N | None) -> N | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
