"""What waits for people, read off the state: as the journal's rows and as what a person is shown.

A question's id is URL-safe and the same in every process: position, number, and a hash of what would run. It
identifies; it does not authorise.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from agentkit.core.state import PARKED, Call, State
from agentkit.core.waiting import Approval, Question, UnknownOutcome, Waiting
from agentkit.journal.base import Asked

Times = Mapping[int, datetime]  # when an event was recorded, by its number


def open_calls(state: State) -> dict[str, Call]:
    """Return the calls that wait for people, by the id of their question."""
    return {question_id(state, call): call for call in state.every_call if waits(state, call)}


def waits(state: State, call: Call) -> bool:
    """Tell whether a person has to do something about this call. One that may simply run again waits for nobody."""
    if call.status not in PARKED or call.kind == "child":
        return False
    tool = state.tool(call.tool)
    acts_once = "once" in {call.effect, tool.effect if tool else None}
    return call.status != "unknown" or (acts_once and not call.cleared)


def question_id(state: State, call: Call) -> str:
    """Return the id of a call's open question: `turn.step.index-number-hash`."""
    what = f"{state.uid}/{call.key}/{call.question}/{call.digest}/{call.arguments}".encode("utf-8", "surrogatepass")
    return f"{call.key}-{call.question}-{blake2b(what, digest_size=5).hexdigest()}"


def key_of(call: Call, uid: str) -> str:
    """Return the idempotency key of a call: `uid/turn.step.index`, of the session it was first started in."""
    return f"{call.uid or uid}/{call.key}"


def shown_arguments(raw: str) -> dict[str, Any]:
    """Return arguments for people's eyes; an argument text that is no JSON object is shown as it is."""
    try:
        parsed = json.loads(raw or "{}")
    except ValueError:
        return {"arguments": raw}
    return parsed if isinstance(parsed, dict) else {"arguments": parsed}


def asked(state: State, call: Call, times: Times) -> Asked:
    """Return the journal's row of a call's open question."""
    body, patience = _body(state, call, times), call.patience
    kind = "unknown" if call.status == "unknown" else "question" if call.status == "suspended" else call.kind
    return Asked(
        id=question_id(state, call),
        number=call.question,
        kind=kind,  # type: ignore[arg-type]  # a waiting call's kind is one of the four
        call=call.key,
        body=json.dumps(body | _escalated(call), ensure_ascii=False).encode("utf-8", "backslashreplace"),
        asked_at=times.get(call.question),
        expires_in=None if kind == "unknown" else patience.expire_after,
        escalates_in=None if call.escalated_to else patience.escalate_after,
    )


def _body(state: State, call: Call, times: Times) -> dict[str, Any]:
    arguments = shown_arguments(call.effective)
    match call.status:
        case "suspended":
            return {"text": call.why}
        case "unknown":
            return {
                "tool": call.tool,
                "arguments": arguments,
                "idempotency_key": key_of(call, state.uid),
                "started_at": _at(times, call.started).isoformat(),
                "why": call.because,
            }
        case _:
            return {"tool": call.tool, "arguments": arguments, "why": call.why}


def _escalated(call: Call) -> dict[str, Any]:
    """Return who else was told, and how long after the question: the journal knows when that was asked."""
    if not call.escalated_to:
        return {}
    return {"escalated_to": call.escalated_to, "escalated_after": call.patience.escalate_after or 0}


def shown(session_id: str, state: State, times: Times) -> tuple[Waiting, ...]:
    """Return everything that waits for people in a session, in the order the model asked."""
    return tuple(_shown(session_id, state, call, times) for call in state.every_call if waits(state, call))


def _shown(session_id: str, state: State, call: Call, times: Times) -> Waiting:
    name, body, at = question_id(state, call), _body(state, call, times), _at(times, call.question)
    body |= {"id": name, "session_id": session_id}
    if call.escalated_to:
        body |= {"escalated_to": call.escalated_to, "escalated_at": _after(at, call.patience.escalate_after)}
    match call.status:
        case "suspended":
            return Question(asked_at=at, expires_at=_after(at, call.patience.expire_after), **body)
        case "unknown":
            return UnknownOutcome(**{**body, "started_at": _at(times, call.started)})
        case _:
            return Approval(asked_at=at, expires_at=_after(at, call.patience.expire_after), **body)


def _after(at: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else at + timedelta(seconds=seconds)


def _at(times: Times, number: int) -> datetime:
    return times.get(number, datetime.min.replace(tzinfo=UTC))
