"""`approve`, `deny`, `answer`, `resolve`, `cancel`: what a person decides, left in the session's inbox.

No agent is needed for that: the process that drives the session checks and performs it.
"""

import argparse
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agentkit import Outcome, Session
from agentkit.cli.agents import nobody, opened
from agentkit.cli.exits import Exit
from agentkit.cli.figures import moment
from agentkit.cli.project import hint, journal_of, known
from agentkit.cli.screen import GOOD, Screen
from agentkit.cli.sessions import driven_by
from agentkit.cli.story import told
from agentkit.decisions import asked_before
from agentkit.errors import AgentkitError, ApprovalVoid, ConfigurationError
from agentkit.events import CancelRequested
from agentkit.inbox import body_of
from agentkit.journal.base import Journal
from agentkit.journal.calls import topmost


async def approve(options: argparse.Namespace, screen: Screen) -> int:
    """Say yes to a held call."""
    arguments = None if options.arguments is None else _object(options.arguments)
    async with _desk(options) as (journal, session):
        await session.approve(options.question, by=options.by, arguments=arguments)
        edited = " with other arguments" if arguments is not None else ""
        await _tell(screen, options, journal, session.id, "approved by {by}" + edited)
    return Exit.OK


async def deny(options: argparse.Namespace, screen: Screen) -> int:
    """Say no to a held call."""
    async with _desk(options) as (journal, session):
        await session.deny(options.question, by=options.by, reason=options.reason)
        await _tell(screen, options, journal, session.id, "denied by {by}")
    return Exit.OK


async def answer(options: argparse.Namespace, screen: Screen) -> int:
    """Answer a tool's question."""
    async with _desk(options) as (journal, session):
        await session.answer(options.question, options.text, by=options.by)
        await _tell(screen, options, journal, session.id, "answered by {by}")
    return Exit.OK


async def resolve(options: argparse.Namespace, screen: Screen) -> int:
    """Say what became of an unknown call."""
    outcome = _outcome(options)
    async with _desk(options) as (journal, session):
        await session.resolve(options.question, outcome, by=options.by)
        await _tell(screen, options, journal, session.id, f"resolved by {{by}}: {outcome.kind.replace('_', ' ')}")
    return Exit.OK


async def cancel(options: argparse.Namespace, screen: Screen) -> int:
    """End the open turn: now, with an agent; else as soon as the session is driven."""
    async with journal_of(options) as journal:
        await known(journal, options.id)
        turn = told([record async for record in journal.read(options.id)]).open_turn
        if turn is None:
            screen.line("no turn is open: there is nothing to cancel")
            return Exit.OK
        if options.agent is not None:
            async with opened(options.agent, options.id) as (agent, deps):
                await Session(agent, options.id, journal=journal, deps=deps).cancel(by=options.by)
            screen.line(("✓ ", GOOD), f"turn {turn} is cancelled")
            return Exit.OK
        body = body_of(CancelRequested(turn, options.by))
        await journal.put(options.id, "cancel", str(turn), body, options.by)
        await _tell_next(screen, options, journal, options.id, f"turn {turn} is to be cancelled, says {options.by}")
    return Exit.OK


@asynccontextmanager
async def _desk(options: argparse.Namespace) -> AsyncIterator[tuple[Journal, Session[Any, str]]]:
    async with journal_of(options) as journal:
        session_id = await _session_of(journal, options)
        if getattr(options, "agent", None) is None:
            yield journal, Session(nobody(), session_id, journal=journal, deps=None)
            return
        async with opened(options.agent, session_id) as (agent, deps):
            yield journal, Session(agent, session_id, journal=journal, deps=deps)


async def _session_of(journal: Journal, options: argparse.Namespace) -> str:
    if options.session is not None:
        await known(journal, options.session)
        return str(options.session)
    found = [session_id async for session_id, asked in journal.asked() if asked.id == options.question]
    if not found:
        raise ApprovalVoid(
            f"{options.question}: nothing waits under this id. `agentkit pending` lists what does; if it was "
            "decided before, --session ID tells how"
        )
    if len(found) > 1:
        raise AgentkitError(f"{options.question} waits in {', '.join(found)}: say which with --session")
    return found[0]


async def _tell(screen: Screen, options: argparse.Namespace, journal: Journal, session_id: str, what: str) -> None:
    """Say who decided it: the same decision twice is the first one."""
    about = asked_before(options.question)
    rows = await journal.inbox(session_id, taken=True) if about else ()
    first = next((row for row in rows if about and row.dedup.startswith(f"{about.key}/{about.question}/")), None)
    if first is not None and first.by != options.by:
        screen.line(("✓ ", GOOD), f"{what.format(by=first.by)} already, at {moment(first.at)}: nothing has changed")
        return
    await _tell_next(screen, options, journal, session_id, what.format(by=options.by))


async def _tell_next(screen: Screen, options: argparse.Namespace, journal: Journal, session_id: str, what: str) -> None:
    screen.line(("✓ ", GOOD), what)
    driver = driven_by(await known(journal, session_id))
    if driver:
        screen.line(f"{driver} drives the session and takes it up now", indent=2)
    else:
        driven = await topmost(journal, session_id)
        screen.line(f"a worker performs it, or: {hint(options, 'resume', driven)}", indent=2)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"--arguments is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigurationError(f'--arguments is a JSON object, like {{"order_id": "7"}}, not {text}')
    return value


def _outcome(options: argparse.Namespace) -> Outcome[Any]:
    if options.not_happened:
        return Outcome.not_happened()
    if options.unknown:
        return Outcome.unknown()
    try:
        return Outcome.happened(json.loads(options.happened))
    except ValueError:
        return Outcome.happened(options.happened)
