"""`chat`: a conversation at the terminal.

The event loop runs in a thread of its own, so that the agent's connections live on while a person thinks; this thread
belongs to the person: it reads lines and takes Ctrl-C.
"""

import argparse
import sys
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from agentkit import Agent, AgentkitError, Result, Session
from agentkit.cli.agents import bare, opened
from agentkit.cli.asking import Person
from agentkit.cli.exits import Exit, of_error, of_status
from agentkit.cli.live import Live, report, report_fault
from agentkit.cli.loop import fastest
from agentkit.cli.phrases import shortened
from agentkit.cli.project import hint, journal_of
from agentkit.cli.screen import ASK, BOLD, DIM, Screen
from agentkit.core.messages import AssistantMessage, UserMessage, text_of
from agentkit.errors import ConfigurationError
from agentkit.workers.who import Pair

_HELP = "/resume tries a failed or open turn again, /quit leaves; Ctrl-C cancels a turn. Everything else is a message."
_LINES, _CHARACTERS = 12, 1200


def chat(options: argparse.Namespace, screen: Screen) -> int:
    """Talk until the person leaves, or the pipe ends; the exit code is that of the last turn."""
    if options.agent and options.model:
        raise ConfigurationError("--agent and --model: give one of them, both say who answers")
    with (
        start_blocking_portal(backend_options=fastest()) as portal,
        portal.wrap_async_context_manager(_conversation(options)) as (session, open_work),
    ):
        talk = Chat(options, screen, portal, session)
        talk.greet(open_work=open_work)
        talk.loop()
    return talk.code


@asynccontextmanager
async def _conversation(options: argparse.Namespace) -> AsyncIterator[tuple[Session[Any, str], bool]]:
    """Open the session; say whether something was left for it in its inbox."""
    async with (
        journal_of(options, create=True) as journal,
        _who(options) as (agent, deps),
        Session(agent, options.session, journal=journal, deps=deps) as session,
    ):
        yield session, bool(await journal.inbox(options.session))


def _who(options: argparse.Namespace) -> AbstractAsyncContextManager[Pair]:
    if options.base_url and not options.model:
        raise ConfigurationError("--base-url says where --model is served: give --model, too")
    return _alone(bare(options.model, options.base_url)) if options.model else opened(options.agent, options.session)


@asynccontextmanager
async def _alone(agent: Agent[None, str]) -> AsyncIterator[Pair]:
    yield agent, None


class Chat:
    """One conversation with the person at the keyboard, or with a pipe.

    Attributes:
        code: how the last turn ended.
    """

    def __init__(
        self, options: argparse.Namespace, screen: Screen, portal: BlockingPortal, session: Session[Any, str]
    ) -> None:
        self.code = Exit.OK
        self._options, self._screen, self._portal, self._session = options, screen, portal, session
        self._typed = sys.stdin.isatty()
        self._live = Live(screen)
        self._person = Person(screen, self._ask)

    def greet(self, *, open_work: bool) -> None:
        """Show where the conversation stands, and go on with a turn that was cut off."""
        name = self._session.id
        try:
            last = self._portal.call(self._session.status)
        except AgentkitError as error:
            self._fault(error)
            if not self._typed:  # that was an earlier turn's fault: what comes through the pipe is still to be asked
                self._screen.line(("an earlier turn failed so; the next message goes on without it", DIM))
                self.code = Exit.OK
            return
        new = last is None and not open_work
        about = "a new conversation" if new else "going on; --session NAME starts another"
        self._screen.line(("session ", DIM), (name, BOLD), (f": {about}", DIM))
        if new:
            return
        if open_work or (last is not None and last.status == "waiting"):
            self._turn(None)
        elif last is not None:
            self._last_exchange()

    def _last_exchange(self) -> None:
        messages = self._portal.call(self._session.messages)
        said = [text_of(each.parts) for each in messages if isinstance(each, UserMessage)][-1:]
        answers = [each.text for each in messages if isinstance(each, AssistantMessage) and each.text][-1:]
        for text in said:
            self._screen.line(("> ", DIM), (shortened(text, 1, _CHARACTERS), DIM))
        for text in answers:
            self._screen.block(shortened(text, _LINES, _CHARACTERS), DIM)

    def loop(self) -> None:
        """Take one message after another."""
        while self._typed or self.code == Exit.OK:
            line = self._line()
            match line:
                case None | "/quit":
                    return
                case "":
                    continue
                case "/help":
                    self._screen.line((_HELP, DIM))
                case "/resume":
                    self._turn(None)
                case _:
                    self._turn(line)

    def _line(self) -> str | None:
        """Return the next message, None at the end."""
        self._screen.fresh()
        if self._typed:
            try:
                return self._ask("> ").strip()
            except (EOFError, KeyboardInterrupt):
                self._screen.line()
                return None
        line = sys.stdin.readline()
        if not line:
            return None
        self._screen.line(("> ", DIM), (line.strip(), DIM))
        return line.strip()

    def _ask(self, prompt: str) -> str:
        self._screen.fresh()
        return input(prompt)

    def _turn(self, message: str | None) -> None:
        """Run a turn to its end, asking the person for whatever it waits for."""
        result = self._run(message)
        while result is not None and result.waiting and self._typed and self._decided(result):
            result = self._run(None)
        if result is None:
            return
        self.code = of_status(result.status)
        if result.waiting and self._typed and not self._screen.json:
            self._screen.line(("left for later: /resume asks again, and so does any other terminal:", DIM))
            self._screen.line((hint(self._options, "pending"), DIM), indent=4)
        else:
            report(self._screen, self._options, result)

    def _run(self, message: str | None) -> Result[str] | None:
        try:
            return self._awaited(self._portal.start_task_soon(self._live.run, self._session, message))
        except AgentkitError as error:
            self._fault(error)
            return None

    def _fault(self, error: AgentkitError) -> None:
        report_fault(self._screen, self._session.id, error)
        self.code = of_error(error)
        if self._typed:
            self._screen.line(("/resume tries again; another message goes on without that one", DIM))

    def _awaited(self, run: "Future[Result[str]]") -> Result[str]:
        """Wait for a run; Ctrl-C cancels its turn, a second one leaves it."""
        try:
            return run.result()
        except KeyboardInterrupt:
            self._screen.line(("cancelling the turn; Ctrl-C again leaves at once", ASK))
            self._portal.start_task_soon(self._session.cancel)
        try:
            return run.result()
        except KeyboardInterrupt:
            run.cancel()
            raise

    def _decided(self, result: Result[str]) -> bool:
        """Ask about everything that waits; tell whether anything was decided."""
        done = False
        for waiting in result.waiting:
            try:
                decision = self._person.decide(self._session, waiting)
                if decision is not None:
                    self._portal.call(decision)
                    done = True
            except (EOFError, KeyboardInterrupt):
                self._screen.line()
                return done
            except AgentkitError as error:
                self._screen.fault(str(error))
                return True  # a run shows it again, and it is asked again
        return done
