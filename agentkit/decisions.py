"""What a person decides, as the fact it wants to become; and why a decision may come too late."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from agentkit.core import words
from agentkit.core.binding import hashed
from agentkit.core.events import AnyEvent, CallAnswered, CallApproved, CallDenied, CallResolved
from agentkit.core.messages import Part, Stored, Text, text_of
from agentkit.core.record import Record
from agentkit.core.state import Call, State
from agentkit.core.values import dataclass
from agentkit.errors import AlreadyDecided, ApprovalVoid, ProtocolError
from agentkit.inbox import body_of, event_of
from agentkit.journal.base import InboxKind, InboxRow
from agentkit.questions import question_id

Decision = CallApproved | CallDenied | CallAnswered | CallResolved

_KINDS: dict[type[Decision], InboxKind] = {
    CallApproved: "approval",
    CallDenied: "denial",
    CallAnswered: "answer",
    CallResolved: "resolution",
}
_STATUS: dict[type[Decision], str] = {
    CallApproved: "held",
    CallDenied: "held",
    CallAnswered: "suspended",
    CallResolved: "unknown",
}


@dataclass(frozen=True, slots=True)
class Letter:
    """A decision as it is put into the inbox."""

    kind: InboxKind
    dedup: str
    body: bytes


def approval(call: Call, by: str, arguments: Mapping[str, object] | None) -> CallApproved:
    """Return a yes, perhaps with other arguments."""
    edited = None if arguments is None else json.dumps(dict(arguments), ensure_ascii=False)
    return CallApproved(call.key, call.question, by, edited)


def denial(call: Call, by: str, reason: str) -> CallDenied:
    """Return a no."""
    return CallDenied(call.key, call.question, by, reason, words.denied(by, reason))


def answer(call: Call, by: str, text: str) -> CallAnswered:
    """Return an answer to a tool's question."""
    return CallAnswered(call.key, call.question, by, (Text(text),))


def resolution(call: Call, by: str, kind: str, parts: tuple[Part, ...]) -> CallResolved:
    """Return what a person found out about an unknown call; given up, the model is told so."""
    told = words.given_up(call.tool, by) if kind == "unknown" else parts
    if call.edited is not None and kind != "not_happened":
        told = words.behind(words.edited(call.edited), told)
    return CallResolved(call.key, call.question, kind, "person", by, told)  # type: ignore[arg-type]  # Outcome.kind


def letter(decision: Decision) -> Letter:
    """Return the inbox row of a decision: the same decision twice is one row."""
    body = body_of(decision)
    return Letter(_KINDS[type(decision)], f"{decision.call}/{decision.question}/{hashed(_essence(decision))}", body)


def fits(call: Call, kind: type[Decision]) -> bool:
    """Tell whether a call waits for this kind of decision."""
    return call.status == _STATUS[kind]


def _essence(decision: Decision) -> bytes:
    """What makes two decisions the same: everything but who made them and how it is put to the model."""
    match decision:
        case CallApproved(edited=edited):
            return _joined("approved", edited)
        case CallDenied():
            return _joined("denied")
        case CallAnswered(parts=parts):
            return _joined("answer", text_of(parts))
        case CallResolved(kind="happened", parts=parts, cut=cut):
            return _joined("happened", *map(_same, parts if cut is None else (cut.whole,)))
        case CallResolved(kind=kind):
            return _joined(kind, None)


def _same(part: Part) -> str | None:
    """What makes two parts the same, wherever they are kept."""
    match part:
        case Stored(name):
            return name
        case Text(said):
            return hashed(said.encode("utf-8", "surrogatepass"))
        case _:
            return hashed(part.url.encode("utf-8", "surrogatepass"))


def _joined(*said: str | None) -> bytes:
    return json.dumps(said).encode()


def earlier(decision_id: str, decision: Decision, rows: Sequence[InboxRow], records: Sequence[Record]) -> None:
    """Compare with what was decided before about the same question.

    Raises:
        AlreadyDecided: something else was decided.
    """
    made: list[tuple[AnyEvent | None, str, Any]] = [(r.event, getattr(r.event, "by", ""), r.at) for r in records]
    made += [(_readable(row), row.by or "", row.at) for row in rows if row.kind in _KINDS.values()]
    for event, by, at in made:
        if not isinstance(event, Decision) or (event.call, event.question) != (decision.call, decision.question):
            continue
        if not _undecided(event) and _essence(event) != _essence(decision):
            why = f": {event.reason}" if isinstance(event, CallDenied) and event.reason else ""
            text = f"{decision_id}: {by} decided otherwise at {at:%Y-%m-%d %H:%M:%S} UTC{why}"
            raise AlreadyDecided(text, by=by, at=at)


def _undecided(event: Decision) -> bool:
    return isinstance(event, CallResolved) and event.source == "reconcile" and event.kind == "unknown"


def asked_before(decision_id: str) -> Call | None:
    """Return the call and question an id speaks of, as far as the id tells; None if it is no such id."""
    key, _, rest = decision_id.partition("-")
    number, _, _ = rest.partition("-")
    return Call(key, "", "", "", question=int(number)) if number.isdecimal() else None


def is_about(event: AnyEvent, call: Call) -> bool:
    """Tell whether an event decided this question."""
    if not isinstance(event, Decision) or _undecided(event):
        return False
    return (event.call, event.question) == (call.key, call.question)


def _readable(row: InboxRow) -> AnyEvent | None:
    try:
        return event_of(row)
    except ProtocolError:
        return None  # the driver will refuse it, and say why


def why_void(decision_id: str, state: State) -> ApprovalVoid:
    """Return why nothing waits under this id any more."""
    key, _, _ = decision_id.partition("-")
    call = state.call(key)
    if call is None:
        return ApprovalVoid(f"{decision_id}: the call it belongs to is over, or there is no such question")
    if call.question:
        now = question_id(state, call)
        return ApprovalVoid(f"{decision_id}: {call.why or 'what was asked has changed'}. Now asked as {now}")
    return ApprovalVoid(f"{decision_id}: the call is {call.status} already")
