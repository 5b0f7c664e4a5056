"""What a person sees of a run: thinking, calls and answers as they come, and a question where one is asked."""

import sys
from collections.abc import AsyncIterable, Mapping
from typing import Any

from anyio import to_thread
from rich.console import Console

from agentkit import Approval, Delta, Record, Result, Stream
from agentkit.events import (
    AnyEvent,
    CallHeld,
    CallRefused,
    CallResolved,
    ModelInterrupted,
    ModelResponded,
    RunStarted,
    ToolFinished,
    ToolStarted,
    UserSaid,
)
from agentkit.messages import Part, Text, ToolCall

_STYLES = {"reasoning": "dim italic", "text": "bold"}
_MARKS = {"reasoning": "thinks    ", "text": "answers   "}
_WIDTH = 100  # characters of a result that are shown


class Screen:
    """Shows records and deltas on a terminal, or as plain lines where there is none.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._open = ""  # what the unfinished line shows: a kind of delta, its step and attempt
        self._calls: dict[str, ToolCall] = {}

    async def watch(self, run: Stream[str]) -> Result[str]:
        """Show a run until it rests.

        Args:
            run: `session.stream(…)`.

        Raises:
            AgentkitError: The run ended in a fault.
        """
        async with run:
            async for news in run:
                if isinstance(news, Delta):
                    self._add(news)
                else:
                    self._learn(news)
                    self._tell(news.event)
            self._line()
            return await run.result()

    async def catch_up(self, records: AsyncIterable[Record]) -> set[str | None]:
        """Read what was recorded earlier, without showing it.

        Args:
            records: `session.events()`.

        Returns:
            The ids of the messages that were said.
        """
        said = set()
        async for record in records:
            self._learn(record)
            if isinstance(record.event, UserSaid):
                said.add(record.event.id)
        return said

    def say(self, who: str, text: str) -> None:
        """Show what somebody said."""
        self._line()
        self._print(f"{who:<10}{shown(text)}")

    async def ask(self, approval: Approval, *, answer: str | None = None) -> bool:
        """Ask for a yes; the end of the input is a no.

        Args:
            approval: What waits for it.
            answer: Given where nobody is there to be asked.
        """
        self._line()
        question = f"approve   {_call(approval.tool, approval.arguments)} [y/n] "
        self._print(question, "yellow", end="")
        if answer is not None:
            self._print(f"{answer} (nobody is at a terminal)", "yellow")
            return answer == "y"
        said: str = await to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
        return said.strip().lower().startswith("y")

    def read(self) -> str:
        """Read what the person at the terminal says; `""` where the input ends."""
        self._print("you       ", "dim", end="")
        return sys.stdin.readline().strip()

    def _learn(self, record: Record) -> None:
        """Take note of which calls were asked for, and where."""
        if isinstance(record.event, ModelResponded):
            for index, call in enumerate(record.event.message.calls):
                self._calls[f"{record.turn}.{record.step}.{index}"] = call

    def _add(self, delta: Delta) -> None:
        if delta.kind not in _STYLES:
            return  # a call is shown once it starts
        piece = f"{delta.kind} {delta.step} {delta.attempt}"
        if piece != self._open:
            self._line()
            self._print(_MARKS[delta.kind], "dim", end="")
            self._open = piece
        self._print(shown(delta.text), _STYLES[delta.kind], end="")

    def _line(self) -> None:
        if self._open:
            self._print("")
            self._open = ""

    def _print(self, text: str, style: str = "", end: str = "\n") -> None:
        self.console.print(text, style=style, end=end, markup=False, highlight=False, soft_wrap=True)

    def _tell(self, event: AnyEvent) -> None:
        match event:
            case ToolStarted(call=key):
                self._mark("calls     ", self._named(key), "cyan")
            case ToolFinished(call=key, parts=parts, failed=False):
                self._mark("  gets    ", f"{self._tool(key)}: {_text(parts)}")
            case ToolFinished(call=key, parts=parts) | CallRefused(call=key, parts=parts):
                self._mark("  failed  ", f"{self._tool(key)}: {_text(parts)}", "red")
            case CallHeld(call=key):
                self._mark("held      ", f"{self._named(key)} waits for a person", "yellow")
            case RunStarted():
                self._mark("resumes   ", "what an earlier process left open")
            case CallResolved(call=key, kind=kind, source=source):
                self._mark("learns    ", f"from {source}: {self._named(key)} {_BECAME[kind]}", "green")
            case ModelInterrupted(why=why):
                self._mark("broke     ", f"off ({why}); what it said is void, and it is asked again", "red")
            case _:
                return

    def _mark(self, mark: str, text: str, style: str = "dim") -> None:
        self._line()
        self._print(f"{mark}{shown(_short(text))}", style)

    def _tool(self, key: str) -> str:
        return self._calls[key].name

    def _named(self, key: str) -> str:
        return f"{self._calls[key].name} {self._calls[key].arguments}"


_BECAME: Mapping[str, str] = {
    "happened": "did happen",
    "not_happened": "did not happen, and may run",
    "unknown": "may have happened or not",
}


def shown(text: str) -> str:
    """Text that cannot play with the terminal: control and direction characters are written out."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def _call(tool: str, arguments: Mapping[str, Any]) -> str:
    return f"{tool}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"


def _text(parts: tuple[Part, ...]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text))


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"
