"""What a sub-agent may use: its own limits, and no more than its share of what is left to its parent's turn.

Sub-agents that are open side by side share what is left equally, so that together they cannot use more than there is.
What one has used is counted with its parent's once its call is over (`ToolFinished.child`); until then its share stays
set aside. One step is kept for the parent's answer. Time is not shared out: the parent's clock cuts a sub-agent off.
"""

from decimal import Decimal
from typing import TypeVar

from agentkit.core.replacing import replace
from agentkit.core.spec import Child, Limits
from agentkit.core.state import State

N = TypeVar("N", int, Decimal)


def shared(state: State, own: Limits) -> Limits:
    """Return the limits of a sub-agent that says `own` of itself, for a call of the open step of `state`."""
    limits = state.bound.limits if state.bound else Limits()
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


def used_by(session_id: str, state: State) -> Child:
    """Return what a child session has used, with the sessions below it."""
    return Child(session_id, state.total, state.step + state.steps_below, state.tool_calls)


def _is_child(state: State, name: str) -> bool:
    tool = state.tool(name)
    return tool is not None and tool.child


def _least(one: N | None, other: N | None) -> N | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
