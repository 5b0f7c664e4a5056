"""Whether a turn gets on: tools whose arguments are never right, and steps that bring nothing new.

Two counts of the open turn, both by step, so that calls asked side by side count once:

* *refused*, by tool: steps in a row in which its arguments could not be used. At `Limits.repairs` the refusal says to
  do without the tool; at the next one the turn ends.
* *stale*: steps in a row that repeat one of the two steps before (the same calls with the same results, or two by
  turns; steps in which every call was refused are all the same), counted with the first. At `Limits.repeats` the model
  is told so behind the last result, and at twice as many the turn ends. When a person speaks, both counts begin anew.

A result that differs is progress: waiting for something by looking again and again is, as soon as what is seen changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from agentkit.core import words
from agentkit.core.binding import hashed
from agentkit.core.events import AnyEvent, CallRefused, LimitReached, ToolFinished
from agentkit.core.messages import Part, Stored, Text
from agentkit.core.replacing import replace
from agentkit.core.spec import Limits
from agentkit.core.state import Call, Progress, State

UNUSABLE = frozenset({"malformed", "schema"})


def after_step(state: State) -> Progress:
    """Return how the turn gets on when the open step is over: all its calls are settled."""
    before = state.progress
    refused = {tool: count for tool, count in before.refused if not any(call.tool == tool for call in state.calls)}
    for tool in dict.fromkeys(call.tool for call in state.calls):
        if _in_vain(state.calls, tool):
            refused[tool] = before.count(tool) + 1
    mark = _mark(state.calls)
    stale = before.stale + 1 if mark in before.recent else 1
    return Progress(tuple(refused.items()), stale, (*before.recent, mark)[-2:])


def _in_vain(calls: Sequence[Call], tool: str) -> bool:
    return all(call.refusal in UNUSABLE for call in calls if call.tool == tool)


def _mark(calls: Sequence[Call]) -> str:
    """Return a hash of a step: which calls, and what came of each. All steps in which no call ran are equal."""
    if all(call.status == "refused" for call in calls):
        return "refused"
    mark = blake2b(digest_size=12)
    for call in calls:
        came = () if call.status == "refused" else _results(call.parts)
        for piece in (call.tool, call.arguments or call.raw, call.status, *came):
            data = piece.encode("utf-8", "surrogatepass")
            mark.update(len(data).to_bytes(8, "big") + data)
    return mark.hexdigest()


def _results(parts: Sequence[Part]) -> Sequence[str]:
    return [_result(part) for part in parts]


def _result(part: Part) -> str:
    """Return what stands for a part: a text's hash, so that it is the same before and after it was stored apart."""
    if isinstance(part, Text):
        return hashed(part.text.encode("utf-8", "surrogatepass"))
    return part.hash if isinstance(part, Stored) else repr(part)


@dataclass(frozen=True, slots=True)
class _Ahead:
    """How the turn would get on if `call` settled now, and what is told then."""

    state: State
    call: Call

    @property
    def progress(self) -> Progress | None:
        """As after this step, where it would be the last call to settle."""
        calls = tuple(self.call if other.key == self.call.key else other for other in self.state.calls)
        if not all(other.settled for other in calls):
            return None
        return after_step(replace(self.state, calls=calls))

    @property
    def stalled(self) -> str:
        """The hint behind the last result of a step that brings nothing new; empty: none is due."""
        most = _limits(self.state).repeats
        if most is None or self.state.progress.stale + 1 < max(2, most):  # not even if it brings nothing new
            return ""
        ahead = self.progress
        return "" if ahead is None or ahead.stale < max(2, most) else words.stalled(ahead.stale)


def _limits(state: State) -> Limits:
    return state.bound.limits if state.bound else Limits()


def hinted(state: State, event: AnyEvent) -> AnyEvent:
    """Return the outcome of a call with what the model has to be told behind it; any other event as it is."""
    call = state.call(event.call) if isinstance(event, ToolFinished) else None
    if not isinstance(event, ToolFinished) or call is None or call.deferred or event.hint or state.ending:
        return event
    hint = _Ahead(state, replace(call, status="finished", parts=event.parts)).stalled
    return replace(event, hint=hint) if hint else event


def refused(state: State, call: Call, event: CallRefused) -> CallRefused:
    """Return a refusal with what the model has to be told behind it."""
    most = _limits(state).repairs
    if event.kind in UNUSABLE and most is not None and state.progress.count(call.tool) + 1 >= most:
        return replace(event, parts=(*event.parts, Text(words.hopeless(call.tool))))
    hint = _Ahead(state, replace(call, status="refused", refusal=event.kind, parts=event.parts)).stalled
    return replace(event, parts=(*event.parts, Text(hint))) if hint else event


def over(state: State) -> LimitReached | None:
    """Return why the turn has to end, where it does not get on."""
    limits, progress = _limits(state), state.progress
    for tool, count in progress.refused:
        if (
            limits.repairs is not None and count > limits.repairs and not state.answers_by(tool)
        ):  # core/output counts it
            why = f"limit reached: the arguments for {tool} could not be used {count} times in a row"
            return LimitReached("repairs", why)
    if limits.repeats is not None and progress.stale >= max(2, 2 * limits.repeats):
        return LimitReached("repeats", f"limit reached: {progress.stale} steps in a row brought nothing new")
    return None
