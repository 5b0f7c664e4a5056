"""`sessions` and `pending`: what there is, and what waits."""

import argparse
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

from agentkit.cli.dossier import Dossier, dossiers, tell
from agentkit.cli.exits import Exit
from agentkit.cli.figures import moment
from agentkit.cli.project import hint, journal_of
from agentkit.cli.screen import BAD, BOLD, DIM, Screen
from agentkit.cli.waiting import Waiting, as_json, decided, describe, ways_out
from agentkit.journal.asking import waiting
from agentkit.journal.base import Asked, Head, InboxRow, Journal
from agentkit.journal.calls import topmost
from agentkit.workers.dead import is_dead, obituary, reason

_LIMIT = 50


async def sessions(options: argparse.Namespace, screen: Screen) -> int:
    """List sessions, newest first."""
    limit = options.limit if options.limit is not None or options.json else _LIMIT
    heads: list[Head] = []
    more = False
    async with journal_of(options) as journal:
        async for head in _heads(journal, options.status):
            if len(heads) == limit:
                more = True
                break
            heads.append(head)
    if screen.json:
        screen.result([_as_json(head) for head in heads])
        return Exit.OK
    if not heads:
        screen.line(("no sessions", DIM))
        return Exit.OK
    columns = ("SESSION", "AGENT", "STATUS", "EVENTS", "CREATED", "DRIVEN BY")
    screen.table(columns, [_row(head) for head in heads])
    for head in filter(is_dead, heads):
        screen.line((obituary(head), BAD))
    if more:
        screen.line((f"there are more than {limit}: --limit N shows them", DIM))
    return Exit.OK


async def pending(options: argparse.Namespace, screen: Screen) -> int:
    """List what waits for people: what they need to decide, and the command lines that do."""
    found: list[dict[str, Any]] = []
    known: dict[str, Mapping[str, Dossier]] = {}
    async with journal_of(options) as journal:
        async for session_id, asked in journal.asked(options.session):
            each, row = waiting(session_id, asked), decided(asked, await journal.inbox(session_id))
            if session_id not in known:
                known[session_id] = await dossiers(journal, session_id)
            dossier = known[session_id].get(asked.call)
            left = None if row is None else {"kind": row.kind, "by": row.by, "at": row.at.isoformat()}
            times = {"expires_at": _text(asked.expires_at), "escalates_at": _text(asked.escalates_at)}
            about = {} if dossier is None else dossier.as_json()
            found.append({**about, **as_json(each), **times, "decided": left})
            if not screen.json:
                _show(screen, (session_id, asked), dossier)
                _decide(screen, options, each, row, await topmost(journal, session_id))
    if screen.json:
        screen.result(found)
    elif not found:
        screen.line(("nothing waits for a person", DIM))
    return Exit.OK


def _show(screen: Screen, question: tuple[str, Asked], dossier: Dossier | None) -> None:
    session_id, asked = question
    screen.line((asked.id, BOLD), ("   session ", DIM), session_id)
    describe(screen, waiting(session_id, asked))
    if dossier is not None:
        if asked.kind != "unknown":
            screen.line(("idempotency key  ", DIM), dossier.key, indent=4)
        tell(screen, dossier)
    if asked.escalates_at is not None:
        screen.line(("escalates  ", DIM), moment(asked.escalates_at), indent=4)


def _decide(screen: Screen, options: argparse.Namespace, each: Waiting, row: InboxRow | None, driven: str) -> None:
    if row is None:
        for words in ways_out(options, each):
            screen.line((words, DIM), indent=4)
        return
    words = f"{row.kind} by {row.by}, {moment(row.at)}: a worker performs it, or "
    screen.line((words, DIM), hint(options, "resume", driven), indent=4)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


async def _heads(journal: Journal, status: str | None) -> AsyncIterator[Head]:
    async for session_id in journal.sessions():
        head = await journal.head(session_id)
        if head is not None and status in {None, head.status, standing(head)}:
            yield head


def standing(head: Head) -> str:
    """Return how a session rests, as a person is to see it."""
    return "dead" if is_dead(head) else head.status


def driven_by(head: Head) -> str | None:
    """Return the process that drives a session, as far as its lease tells."""
    alive = head.lease_until is not None and head.lease_until > datetime.now(UTC)
    return head.owner if alive else None


def _row(head: Head) -> tuple[str, ...]:
    return (
        head.session_id,
        head.agent,
        standing(head),
        str(head.last_seq),
        moment(head.created_at),
        driven_by(head) or "",
    )


def _as_json(head: Head) -> dict[str, Any]:
    return {
        "session": head.session_id,
        "uid": head.uid,
        "agent": head.agent,
        "status": head.status,
        "dead": reason(head) if is_dead(head) else None,
        "events": head.last_seq,
        "created_at": head.created_at.isoformat(),
        "driven_by": driven_by(head),
    }
