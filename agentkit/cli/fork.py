"""`fork`: a new session with another one's past."""

import argparse

from agentkit import forks
from agentkit.cli.agents import opened
from agentkit.cli.exits import Exit
from agentkit.cli.project import hint, journal_of, known
from agentkit.cli.resume import resume
from agentkit.cli.screen import Screen
from agentkit.errors import ConfigurationError


async def fork(options: argparse.Namespace, screen: Screen) -> int:
    """Make the fork; with an agent, drive it until it rests."""
    if not options.new_id:
        raise ConfigurationError("a session needs an id: NEW_ID is empty")
    agent = None
    if options.agent is not None:  # what is wrong with it is told before anything is written
        async with opened(options.agent, options.new_id) as (who, _):
            agent = who.name
    wanted = forks.Wanted(options.new_id, options.before, agent, options.say, asks=not options.no_asking)
    async with journal_of(options) as journal:
        await known(journal, options.id)
        await forks.fork(journal, options.id, wanted)
    made = f"session {options.new_id} is a fork of {options.id} before step {options.before}"
    if options.agent is None:
        next_ = hint(options, "resume", options.new_id)
        screen.line(f"{made}; to go on: {next_}")
        if screen.json:
            screen.result({"session": options.new_id, "parent": options.id, "before": options.before})
        return Exit.OK
    screen.line(made)
    return await resume(argparse.Namespace(**{**vars(options), "id": options.new_id}), screen)
