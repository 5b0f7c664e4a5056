"""What waits for a person: three types, one verb each (approve or deny, answer, resolve)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from agentkit.core.values import dataclass


@dataclass(frozen=True, slots=True)
class Approval:
    """A call that needs a yes. `id` identifies; it does not authorise. `why` says why it is held, where a rule told.

    At `expires_at` it is refused, by the first process that drives the session then. `escalated_to` is who was told
    because nobody decided until `escalated_at`; empty while nobody was.
    """

    id: str
    session_id: str
    tool: str
    arguments: Mapping[str, Any]
    asked_at: datetime
    expires_at: datetime | None
    why: str = ""
    escalated_to: str = ""
    escalated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A question a tool asked; its answer becomes the call's result. Times: as of an `Approval`."""

    id: str
    session_id: str
    text: str
    asked_at: datetime
    expires_at: datetime | None = None
    escalated_to: str = ""
    escalated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class UnknownOutcome:
    """A call that started and whose outcome nobody knows. `why` says what cut it off and what `reconcile` said.

    It never expires, because nobody may guess; escalated: as an `Approval`.
    """

    id: str
    session_id: str
    tool: str
    arguments: Mapping[str, Any]
    idempotency_key: str
    started_at: datetime
    why: str
    escalated_to: str = ""
    escalated_at: datetime | None = None


Waiting: TypeAlias = Approval | Question | UnknownOutcome
