"""`resume`: go on with what is open."""

import argparse

from agentkit import AgentkitError, Session
from agentkit.cli.agents import opened
from agentkit.cli.exits import of_error, of_status
from agentkit.cli.live import Live, report, report_fault
from agentkit.cli.project import journal_of, known
from agentkit.cli.screen import Screen


async def resume(options: argparse.Namespace, screen: Screen) -> int:
    """Drive a session until it rests, and show it."""
    async with (
        journal_of(options) as journal,
        opened(options.agent, options.id) as (agent, deps),
        Session(agent, options.id, journal=journal, deps=deps) as session,
    ):
        await known(journal, options.id)
        try:
            result = await Live(screen).run(session, None)
        except AgentkitError as error:
            report_fault(screen, options.id, error)
            return of_error(error)
    report(screen, options, result)
    return of_status(result.status)
