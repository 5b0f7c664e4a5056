"""An event with its place and time: what a journal gives back."""

from datetime import datetime
from typing import TypeAlias

from agentkit.core.events import AnyEvent
from agentkit.core.values import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """One recorded event: its number in the session (from 1), when, and the turn and step it belongs to."""

    seq: int
    at: datetime
    turn: int
    step: int | None
    event: AnyEvent
    epoch: int = 0


Row: TypeAlias = tuple[int, datetime, int, int | None, AnyEvent, int]
"""The fields of a record, in order: a long history is folded from them, and needs no value around each."""
