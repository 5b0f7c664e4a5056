"""An event with its place and time: what a journal gives back."""

from dataclasses import dataclass
from datetime import datetime

from agentkit.core.events import AnyEvent


@dataclass(frozen=True, slots=True)
class Record:
    """One recorded event: its number in the session (from 1), when, and the turn and step it belongs to."""

    seq: int
    at: datetime
    turn: int
    step: int | None
    event: AnyEvent
    epoch: int = 0
