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

from agentkit.core import words
from agentkit.core.binding import hashed
from agentkit.core.events import AnyEvent, CallRefused, LimitReached, ToolFinished
from agentkit.core.messages import Part, Stored, Text
from agentkit.core.replacing import replace
from agentkit.core.spec import Limits
from agentkit.core.state import Call, Progress, State
from agentkit.core.values import dataclass

UNUSABLE = frozenset({"malformed", "schema"})


def after_step(state: State) -> Progress:
    """Return how the turn gets on when the open step is over: all its calls are settled."""
    before, calls = state.progress, state.calls
    if {call.status for call in calls} == {"refused"}:  # all steps in which no call ran are alike
        calls = ()
    stale = 1
    for past in before.recent:
        if _alike(calls, past):
            stale = before.stale + 1
    return Progress(_refused(before, state.calls), stale, (*before.recent[-1:], calls))


def _refused(before: Progress, calls: Sequence[Call]) -> tuple[tuple[str, int], ...]:
    fits = [call.tool for call in calls if call.refusal not in UNUSABLE]
    if len(fits) == len(calls) and not before.refused:
        return ()
    called = dict.fromkeys([call.tool for call in calls])
    kept = [(tool, count) for tool, count in before.refused if tool not in called]
    return (*kept, *((tool, before.count(tool) + 1) for tool in called if tool not in fits))


def _alike(calls: Sequence[Call], past: Sequence[Call]) -> bool:
    """Tell whether two steps are the same: which calls, and what came of each."""
    return len(calls) == len(past) and all(map(_same, calls, past))


def _same(one: Call, other: Call) -> bool:
    if (one.arguments or one.raw) != (other.arguments or other.raw) or one.tool != other.tool:
        return False
    return one.status == other.status and _results(one) == _results(other)


def _results(call: Call) -> Sequence[str]:
    return [] if call.status == "refused" else [_result(part) for part in call.parts]


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
        ahead = self.progress if _near(self.state) else None
        return "" if ahead is None or ahead.stale == 1 else words.stalled(ahead.stale)


def _near(state: State) -> bool:
    """Tell whether the model has to be told if this step brings nothing new."""
    most = _limits(state).repeats
    return most is not None and state.progress.stale + 1 >= max(2, most)


def _limits(state: State) -> Limits:
    return state.bound.limits if state.bound else Limits()


def hinted(state: State, event: AnyEvent) -> AnyEvent:
    """Return the outcome of a call with what the model has to be told behind it; any other event as it is."""
    if not isinstance(event, ToolFinished) or event.hint or state.ending or not _near(state):
        return event
    call = state.call(event.call)
    if call is None or call.deferred:
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
