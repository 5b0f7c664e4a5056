"""`say`, `hand-back` and `revive`: what is left for a worker to take up."""

import argparse

from agentkit import Agent, Model
from agentkit.cli.exits import Exit
from agentkit.cli.project import hint, journal_of, known
from agentkit.cli.screen import DIM, GOOD, Screen
from agentkit.cli.sessions import driven_by
from agentkit.core.events import TurnResumed
from agentkit.desk import Desk
from agentkit.ids import message_id, process_name, uuid7
from agentkit.inbox import body_of
from agentkit.journal.base import Head
from agentkit.recorder import Recorder
from agentkit.workers.dead import is_dead


async def say(options: argparse.Namespace, screen: Screen) -> int:
    """Leave a message without driving; `--as` somebody, an answer in the agent's place."""
    name = options.id_of_message or message_id()
    whose = _nobody(options.agent_name)
    async with journal_of(options, create=True) as journal:
        desk = Desk(Recorder(journal, options.id), whose, None)
        if options.person is None:
            await desk.message(options.text, name, now=options.now)
        else:
            await desk.answer_as(options.text, options.person, name)
        head = await known(journal, options.id)
    what = "message" if options.person is None else f"{options.person}'s answer"
    screen.line(("✓ ", GOOD), f"{what} {name} is left for session {options.id}")
    _taken_up(options, screen, head)
    return Exit.OK


async def hand_back(options: argparse.Namespace, screen: Screen) -> int:
    """Leave word that the agent answers again."""
    async with journal_of(options) as journal:
        head = await known(journal, options.id)
        await Desk(Recorder(journal, options.id), _nobody(head.agent), None).hand_back(options.by)
    screen.line(("✓ ", GOOD), f"session {options.id} is handed back to the agent")
    _taken_up(options, screen, head)
    return Exit.OK


def _nobody(name: str) -> Agent:
    """Return an agent that only leaves rows: it is never asked."""
    return Agent(Model("nobody", base_url="http://127.0.0.1", contract="generic"), name=name)


def _taken_up(options: argparse.Namespace, screen: Screen, head: Head) -> None:
    driver = driven_by(head)
    if driver:
        screen.line(f"{driver} drives the session and takes it up", indent=2)
    else:
        screen.line("a worker takes it up; or: ", (hint(options, "resume", options.id), DIM), indent=2)


async def revive(options: argparse.Namespace, screen: Screen) -> int:
    """Let workers drive a dead letter again, or take up a failed turn."""
    async with journal_of(options) as journal:
        head = await known(journal, options.id)
        if is_dead(head):
            lease = await journal.claim(
                head.session_id, uid=head.uid or uuid7(), agent=head.agent, owner=process_name()
            )
            await journal.release(lease)
            screen.line(("✓ ", GOOD), f"session {options.id} is no dead letter any more: a worker may drive it")
        elif head.status == "faulted":
            await journal.put(options.id, "resume", f"revived/{head.last_seq}", body_of(TurnResumed()), None)
            screen.line(("✓ ", GOOD), f"the failed turn of session {options.id} is to be tried again by a worker")
        else:
            screen.line(f"session {options.id} is {head.status}, and no dead letter: there is nothing to revive")
    return Exit.OK
