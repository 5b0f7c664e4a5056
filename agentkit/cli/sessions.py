"""`sessions` and `pending`: what there is, and what waits."""

import argparse
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from agentkit.cli.exits import Exit
from agentkit.cli.figures import moment
from agentkit.cli.project import hint, journal_of
from agentkit.cli.screen import BOLD, DIM, Screen
from agentkit.cli.waiting import as_json, decided, describe, ways_out
from agentkit.journal.asking import waiting
from agentkit.journal.base import Head, Journal

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
    if more:
        screen.line((f"there are more than {limit}: --limit N shows them", DIM))
    return Exit.OK


async def pending(options: argparse.Namespace, screen: Screen) -> int:
    """List what waits for people, with the command lines that decide it."""
    found: list[dict[str, Any]] = []
    async with journal_of(options) as journal:
        async for session_id, asked in journal.asked(options.session):
            each, row = waiting(session_id, asked), decided(asked, await journal.inbox(session_id))
            left = None if row is None else {"kind": row.kind, "by": row.by, "at": row.at.isoformat()}
            found.append({**as_json(each), "decided": left})
            if screen.json:
                continue
            screen.line((asked.id, BOLD), ("   session ", DIM), session_id)
            describe(screen, each)
            if row is None:
                for words in ways_out(options, each):
                    screen.line((words, DIM), indent=4)
            else:
                words = f"{row.kind} by {row.by}, {moment(row.at)}: takes effect at the next "
                screen.line((words, DIM), hint(options, "resume", session_id), indent=4)
    if screen.json:
        screen.result(found)
    elif not found:
        screen.line(("nothing waits for a person", DIM))
    return Exit.OK


async def _heads(journal: Journal, status: str | None) -> AsyncIterator[Head]:
    async for session_id in journal.sessions():
        head = await journal.head(session_id)
        if head is not None and status in {None, head.status}:
            yield head


def driven_by(head: Head) -> str | None:
    """Return the process that drives a session, as far as its lease tells."""
    alive = head.lease_until is not None and head.lease_until > datetime.now(UTC)
    return head.owner if alive else None


def _row(head: Head) -> tuple[str, ...]:
    return (
        head.session_id,
        head.agent,
        head.status,
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
        "events": head.last_seq,
        "created_at": head.created_at.isoformat(),
        "driven_by": driven_by(head),
    }
