"""`replay`: the proof, offline, or with today's `read` tools or model asked again."""

import argparse
from typing import Any

import agentkit
from agentkit.cli.agents import opened
from agentkit.cli.agree import agreed
from agentkit.cli.exits import Exit
from agentkit.cli.figures import count, usage_line
from agentkit.cli.project import journal_of
from agentkit.cli.screen import BAD, BOLD, DIM, GOOD, Screen
from agentkit.journal.base import Journal
from agentkit.proof import Compared, Replay, would_ask

_MOST = 12  # reasons shown to a person


async def replay(options: argparse.Namespace, screen: Screen) -> int:
    """Tell whether today's code would send the same bytes, or where they differ first, and why."""
    async with journal_of(options) as journal, opened(options.agent, options.id) as (agent, deps):
        if options.live == "model" and not await _may_cost(options, screen, journal):
            screen.line(("nothing was sent", DIM))
            return Exit.OK
        found = await agentkit.replay(journal, options.id, agent, live=options.live, deps=deps)
    if screen.json:
        screen.result(_as_json(options, found))
    else:
        _tell(screen, found)
    return Exit.OK if found.same else Exit.DIFFERS


async def _may_cost(options: argparse.Namespace, screen: Screen, journal: Journal) -> bool:
    """Say what will be sent, and ask. Raises: ConfigurationError: nobody is there to say yes."""
    requests, usage = await would_ask(journal, options.id)
    if not requests:
        return True
    then = f"when recorded they consumed {usage_line(usage)}" if usage.tokens else "what they consumed is not recorded"
    screen.line("today's model gets ", (count(requests, "request"), BOLD), f"; {then}")
    return agreed(options, screen, "Go on?")


def _as_json(options: argparse.Namespace, found: Replay) -> dict[str, Any]:
    told: dict[str, Any] = {"session": options.id, "same": found.same, "difference": found.difference}
    told |= {"requests": found.requests, "why": found.why}
    if options.live != "none":
        fields = Compared.__dataclass_fields__
        told["compared"] = [{name: getattr(each, name) for name in fields} for each in found.compared]
        told["usage"] = {name: getattr(found.usage, name) for name in type(found.usage).__dataclass_fields__}
    return told


def _tell(screen: Screen, found: Replay) -> None:
    for each in found.compared:
        _compared(screen, each)
    if found.usage.tokens:
        screen.line(("asking cost  ", DIM), usage_line(found.usage))
    if found.same:
        screen.line(("✓ ", GOOD), f"{count(found.requests, 'request')}: today's code would send the same bytes")
        return
    screen.line(("✗ ", BAD), str(found.difference))
    for why in found.why[:_MOST]:
        screen.line(("because  ", DIM), why, indent=2)
    if len(found.why) > _MOST:
        screen.line((f"and {len(found.why) - _MOST} more changes; --json has them all", DIM), indent=2)


def _compared(screen: Screen, each: Compared) -> None:
    mark = ("✓ ", GOOD) if each.same and each.today is not None else ("· ", DIM) if each.same else ("✗ ", BAD)
    screen.line(mark, (f"{each.where}  ", DIM), (each.what, BOLD), (f"  {each.why}" if each.why else "", DIM))
    if each.today is not None and not each.same:
        for side, text in (("recorded", each.recorded), ("today", each.today)):
            screen.line((side, DIM), indent=2)
            screen.block(text, indent=4)
