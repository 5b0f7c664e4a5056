"""Asking the person at the terminal for what an agent waits for."""

import getpass
import json
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from agentkit import Approval, Outcome, Question, Session, UnknownOutcome
from agentkit.cli.screen import ASK, Screen
from agentkit.cli.waiting import Waiting, describe

# Not on every system; without it the person types the arguments anew.
_readline: Any = import_module("readline") if find_spec("readline") else None

Decision = Callable[[], Awaitable[None]]
_Way = Callable[["Person", Session[Any, str], Any], Decision | None]


class Person:
    """Who sits at the terminal. Their decisions are recorded under their login name.

    Args:
        ask: shows a prompt and returns what was typed.
    """

    def __init__(self, screen: Screen, ask: Callable[[str], str]) -> None:
        self._screen, self._ask = screen, ask
        self.name = _login()

    def decide(self, session: Session[Any, str], waiting: Waiting) -> Decision | None:
        """Ask about one thing; return what to do about it, None where it is left for later."""
        describe(self._screen, waiting)
        if isinstance(waiting, Question):
            text = self._ask("  your answer (nothing: later) ").strip()
            return partial(session.answer, waiting, text, by=self.name) if text else None
        prompt, ways = _APPROVAL if isinstance(waiting, Approval) else _UNKNOWN
        while True:
            word = self._ask(prompt).strip().lower()[:1]
            if word in ways:
                return ways[word](self, session, waiting)
            self._screen.line(("one letter of those in brackets, please", ASK), indent=2)

    def _no(self, session: Session[Any, str], approval: Approval) -> Decision:
        reason = self._ask("  why (the model is told) ").strip()
        return partial(session.deny, approval, by=self.name, reason=reason)

    def _edit(self, session: Session[Any, str], approval: Approval) -> Decision:
        while True:
            typed = self._with_text("  arguments ", json.dumps(dict(approval.arguments)))
            try:
                arguments = json.loads(typed)
            except ValueError as error:
                self._screen.line((f"that is no JSON: {error}", ASK), indent=2)
                continue
            if isinstance(arguments, dict):
                return partial(session.approve, approval, by=self.name, arguments=arguments)
            self._screen.line(("arguments are a JSON object: {…}", ASK), indent=2)

    def _yes(self, session: Session[Any, str], approval: Approval) -> Decision:
        return partial(session.approve, approval, by=self.name)

    def _happened(self, session: Session[Any, str], unknown: UnknownOutcome) -> Decision:
        result = self._ask("  its result (the model is told) ").strip()
        return partial(session.resolve, unknown, Outcome.happened(result), by=self.name)

    def _did_not(self, session: Session[Any, str], unknown: UnknownOutcome) -> Decision:
        return partial(session.resolve, unknown, Outcome.not_happened(), by=self.name)

    def _give_up(self, session: Session[Any, str], unknown: UnknownOutcome) -> Decision:
        return partial(session.resolve, unknown, Outcome.unknown(), by=self.name)

    def _later(self, _: Session[Any, str], __: Waiting) -> None:
        return None

    def _with_text(self, prompt: str, text: str) -> str:
        """Ask with `text` to be changed, where the terminal can. It is ASCII, so that it steers no terminal."""
        if _readline is None:
            return self._ask(prompt)
        _readline.set_startup_hook(lambda: _readline.insert_text(text))
        try:
            return self._ask(prompt)
        finally:
            _readline.set_startup_hook()


_APPROVAL: tuple[str, dict[str, _Way]] = (
    "  [y]es, [n]o, [e]dit the arguments, [l]ater? ",
    {"y": Person._yes, "n": Person._no, "e": Person._edit, "l": Person._later},  # noqa: SLF001 - the class's own table
)
_UNKNOWN: tuple[str, dict[str, _Way]] = (
    "  [h]appened, did [n]ot happen, [g]ive it up, [l]ater? ",
    {"h": Person._happened, "n": Person._did_not, "g": Person._give_up, "l": Person._later},  # noqa: SLF001 - as above
)


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user, as in a container
        return "the person at the terminal"
