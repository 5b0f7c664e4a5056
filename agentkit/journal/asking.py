"""From a row of the question table to what a person is shown."""

from datetime import UTC, datetime, timedelta

from agentkit.core.waiting import Approval, Question, UnknownOutcome, Waiting
from agentkit.errors import JournalError
from agentkit.journal.base import Asked
from agentkit.journal.jsonbytes import decode_json


def waiting(session_id: str, asked: Asked) -> Waiting:
    """Return what waits, as the type its verb asks for (`core.waiting`).

    Raises:
        JournalError: the row's body lacks a field, or has one too many.
    """
    try:
        return _waiting(session_id, asked)
    except (TypeError, ValueError, KeyError) as error:
        raise JournalError(f"question {asked.id!r} of session {session_id!r} cannot be read: {error}") from error


def _waiting(session_id: str, asked: Asked) -> Waiting:
    body = decode_json(asked.body)
    asked_at = asked.asked_at or datetime.min.replace(tzinfo=UTC)
    if "escalated_after" in body:
        body["escalated_at"] = asked_at + timedelta(seconds=body.pop("escalated_after"))
    match asked.kind:
        case "approval" | "twin":
            return Approval(id=asked.id, session_id=session_id, asked_at=asked_at, expires_at=asked.expires_at, **body)
        case "question":
            return Question(id=asked.id, session_id=session_id, asked_at=asked_at, expires_at=asked.expires_at, **body)
        case "unknown":
            started = datetime.fromisoformat(body.pop("started_at"))
            return UnknownOutcome(id=asked.id, session_id=session_id, started_at=started, **body)
