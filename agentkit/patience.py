"""What time decides about questions that people leave open: somebody else is told, and at last nobody is waited for.

The core has no clock (law 3): a driver asks here what is due, by the journal's time, and records it. Who decides before
that is recorded has decided, whatever the clock says: the order of the journal rules.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

from agentkit.core import words
from agentkit.core.events import CallAnswered, CallDenied, CallEscalated
from agentkit.core.state import Call, State
from agentkit.core.values import dataclass
from agentkit.journal.base import InboxRow
from agentkit.questions import waits

Decided: TypeAlias = CallDenied | CallAnswered | CallEscalated


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be recorded about an open question, and when."""

    at: datetime
    event: Decided


def clocks(state: State, times: Mapping[int, datetime]) -> Iterator[Due]:
    """Yield what time will decide about each open question, the last word only where both would be due."""
    for call in state.every_call:
        asked_at = times.get(call.question)
        if asked_at is not None and waits(state, call):
            yield from _of_call(call, asked_at)


def due(state: State, times: Mapping[int, datetime], now: Callable[[], datetime]) -> tuple[Decided, ...]:
    """Return what is to be recorded now, one fact for each question at most."""
    events = [each.event for each in clocks(state, times) if each.at <= now()]
    last = {event.call: event for event in events}  # of a call, the expiry comes behind the escalation
    return tuple(last.values())


def decides(row: InboxRow, event: Decided) -> bool:
    """Tell whether a row of the inbox is somebody's word on the question that an event is about."""
    return row.dedup.startswith(f"{event.call}/{event.question}/")


def _of_call(call: Call, asked_at: datetime) -> Iterator[Due]:
    patience = call.patience
    if patience.escalate_after is not None and not call.escalated_to:
        event = CallEscalated(call.key, call.question, patience.escalate_to)
        yield Due(asked_at + timedelta(seconds=patience.escalate_after), event)
    if patience.expire_after is not None and call.status != "unknown":
        yield Due(asked_at + timedelta(seconds=patience.expire_after), _expired(call, patience.expire_after))


def _expired(call: Call, seconds: float) -> CallDenied | CallAnswered:
    waited = words.span(seconds)
    if call.status == "suspended":
        return CallAnswered(call.key, call.question, words.NOBODY, words.unanswered(waited))
    why = f"nobody decided within {waited}"
    return CallDenied(call.key, call.question, words.NOBODY, why, words.expired(waited))
