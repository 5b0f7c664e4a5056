"""What waits for people, to read and to answer."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from agentkit import Approval, Question, UnknownOutcome
from agentkit.cli.figures import duration, moment
from agentkit.cli.phrases import value_text
from agentkit.cli.project import hint
from agentkit.cli.screen import ASK, BOLD, DIM, Screen
from agentkit.journal.base import Asked, InboxRow

Waiting = Approval | Question | UnknownOutcome

_KINDS: dict[type[Waiting], str] = {Approval: "approval", Question: "question", UnknownOutcome: "unknown"}
_DECISIONS = frozenset({"approval", "denial", "answer", "resolution"})


def as_json(waiting: Waiting) -> dict[str, Any]:
    """Return what waits as plain JSON, with its kind: approval, question or unknown."""
    values = {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(waiting).items()
    }
    return {"kind": _KINDS[type(waiting)], **values}


def describe(screen: Screen, waiting: Waiting) -> None:
    """Write what a person has to know to decide."""
    match waiting:
        case Approval():
            why = f": {waiting.why}" if waiting.why else ""
            screen.line(("? ", ASK), (waiting.tool, BOLD), (f" needs approval{why}", ASK), _since(waiting.asked_at))
            _arguments(screen, waiting)
        case Question():
            screen.line(("? ", ASK), ("a tool asks", ASK), _since(waiting.asked_at))
            screen.block(waiting.text, BOLD, indent=4)
        case UnknownOutcome():
            words = f" may or may not have taken effect: {waiting.why}"
            screen.line(("! ", ASK), (waiting.tool, BOLD), (words, ASK), _since(waiting.started_at))
            _arguments(screen, waiting)
            screen.line(("    idempotency key  ", DIM), waiting.idempotency_key)
    _clock(screen, waiting)


def ways_out(options: argparse.Namespace, waiting: Waiting) -> tuple[str, ...]:
    """Return the command lines that decide it."""
    match waiting:
        case Approval(id=name):
            yes = hint(options, "approve", name, "--by", "NAME")
            return yes, hint(options, "deny", name, "--by", "NAME", "--reason", "TEXT")
        case Question(id=name):
            return (hint(options, "answer", name, "TEXT", "--by", "NAME"),)
        case UnknownOutcome(id=name):
            words = hint(options, "resolve", name, "--by", "NAME")
            return (f"{words}  and one of --happened RESULT, --not-happened, --unknown",)


def tell(screen: Screen, options: argparse.Namespace, waiting: Sequence[Waiting]) -> None:
    """Write all that waits in one session, and the command lines that decide it."""
    for each in waiting:
        describe(screen, each)
        for words in ways_out(options, each):
            screen.line((words, DIM), indent=4)


def decided(asked: Asked, rows: Sequence[InboxRow]) -> InboxRow | None:
    """Return the decision about a question that was left in the inbox and that no driver has taken yet."""
    about = f"{asked.call}/{asked.number}/"
    return next((row for row in rows if row.kind in _DECISIONS and row.dedup.startswith(about)), None)


def _since(at: datetime) -> tuple[str, str]:
    return f"   since {moment(at)} ({duration(datetime.now(UTC) - at)})", DIM


def _clock(screen: Screen, waiting: Waiting) -> None:
    """Write who else was told, and until when there is time."""
    now = datetime.now(UTC)
    if waiting.escalated_at is not None:
        ago = f"{moment(waiting.escalated_at)} ({duration(now - waiting.escalated_at)} ago)"
        screen.line((f"escalated to {waiting.escalated_to}", ASK), (f"  {ago}", DIM), indent=4)
    expires = None if isinstance(waiting, UnknownOutcome) else waiting.expires_at
    if expires is None:
        return
    if expires > now:
        screen.line((f"expires in {duration(expires - now)}", ASK), (f"  {moment(expires)}", DIM), indent=4)
    else:
        screen.line(("its time is over: unless it is decided first, the next drive ends it", ASK), indent=4)


def _arguments(screen: Screen, waiting: Approval | UnknownOutcome) -> None:
    width = max((len(name) for name in waiting.arguments), default=0)
    for name, value in waiting.arguments.items():
        screen.line((f"{name:<{width}}  ", DIM), value_text(value), indent=4)
