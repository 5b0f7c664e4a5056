"""`replay`: the proof, offline."""

import argparse

import agentkit
from agentkit.cli.agents import opened
from agentkit.cli.exits import Exit
from agentkit.cli.project import journal_of
from agentkit.cli.screen import BAD, GOOD, Screen


async def replay(options: argparse.Namespace, screen: Screen) -> int:
    """Tell whether today's code would send the same bytes, or where they differ first."""
    async with journal_of(options) as journal, opened(options.agent, options.id) as (agent, _):
        found = await agentkit.replay(journal, options.id, agent)
    if screen.json:
        about = {"session": options.id, "same": found.same, "difference": found.difference}
        screen.result({**about, "requests": found.requests})
    elif found.same:
        screen.line(("✓ ", GOOD), f"{found.requests} requests: today's code would send the same bytes")
    else:
        screen.line(("✗ ", BAD), str(found.difference))
    return Exit.OK if found.same else Exit.DIFFERS
