"""`resume`: go on with what is open."""

import argparse

from agentkit import AgentkitError, Session
from agentkit.cli.agents import opened
from agentkit.cli.exits import of_error, of_status
from agentkit.cli.live import Live, report, report_fault
from agentkit.cli.project import journal_of, known
from agentkit.cli.screen import DIM, Screen
from agentkit.journal.base import Journal
from agentkit.journal.calls import topmost


async def resume(options: argparse.Namespace, screen: Screen) -> int:
    """Drive a session until it rests, and show it."""
    async with journal_of(options) as journal:
        await known(journal, options.id)
        driven = await topmost(journal, options.id)
        if driven != options.id:
            screen.line((f"session {options.id} is a call of another one's: it goes on within session {driven}", DIM))
            options.id = driven
        return await _drive(options, screen, journal)


async def _drive(options: argparse.Namespace, screen: Screen, journal: Journal) -> int:
    async with (
        opened(options.agent, options.id) as (agent, deps),
        Session(agent, options.id, journal=journal, deps=deps) as session,
    ):
        try:
            result = await Live(screen).run(session, None)
        except AgentkitError as error:
            report_fault(screen, options.id, error)
            return of_error(error)
    report(screen, options, result)
    return of_status(result.status)
