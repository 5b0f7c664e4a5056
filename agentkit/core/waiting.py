"""What waits for a person: three types, one verb each (approve or deny, answer, resolve)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Approval:
    """A call that needs a yes. `id` identifies; it does not authorise. `why` says why it is held, where a rule told."""

    id: str
    session_id: str
    tool: str
    arguments: Mapping[str, Any]
    asked_at: datetime
    expires_at: datetime | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A question a tool asked; its answer becomes the call's result."""

    id: str
    session_id: str
    text: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class UnknownOutcome:
    """A call that started and whose outcome nobody knows. `why` says what cut it off and what `reconcile` said."""

    id: str
    session_id: str
    tool: str
    arguments: Mapping[str, Any]
    idempotency_key: str
    started_at: datetime
    why: str


Waiting: TypeAlias = Approval | Question | UnknownOutcome
