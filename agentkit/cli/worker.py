"""`worker`: a process that drives whatever session has something to do."""

import argparse
from collections.abc import Sequence
from typing import Any

from agentkit import Agent
from agentkit.cli.agents import named
from agentkit.cli.engines import engine_of
from agentkit.cli.exits import Exit
from agentkit.cli.project import journal_of, place_of
from agentkit.cli.screen import Screen
from agentkit.errors import ConfigurationError
from agentkit.ids import process_name
from agentkit.journal.address import redacted
from agentkit.workers.drive import driving
from agentkit.workers.who import check
from agentkit.workers.worker import work


async def worker(options: argparse.Namespace, screen: Screen) -> int:
    """Serve until a signal; with --once, until nothing is left to do."""
    if options.concurrency < 1 or options.grace < 0 or options.ttl <= 0:
        raise ConfigurationError("--concurrency and --ttl are numbers above 0, --grace is 0 seconds or more")
    who = named(options.agent)
    check(who)
    agents = _queues(options.queue, who)
    async with journal_of(options) as journal:
        engine = engine_of(options, journal, agents)
        screen.line(_greeting(options, agents))
        tally = await work(
            engine, driving(journal, who), concurrency=options.concurrency, grace=options.grace, tell=screen.line
        )
    screen.line(f"worker {process_name()} leaves: {tally}")
    return Exit.ERROR if options.once and (tally.rests["failed"] or tally.rests["dead"]) else Exit.OK


def _queues(given: Sequence[str], who: Any) -> Sequence[str]:
    """Return whose sessions are driven: those asked for; else an agent's own, and all that a function may know."""
    if "*" in given:
        return ()
    return given or ((who.name,) if isinstance(who, Agent) else ())


def _greeting(options: argparse.Namespace, agents: Sequence[str]) -> str:
    whose = f"sessions of {', '.join(agents)}" if agents else "all sessions"
    stays = "until nothing is left to do" if options.once else "until Ctrl-C or SIGTERM"
    where = redacted(place_of(options))
    return f"worker {process_name()} drives {whose} in {where}, {options.concurrency} at once, {stays}"
