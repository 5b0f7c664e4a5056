"""Watching a run: thinking and text as they stream, calls and results as they are recorded, a sign of life else."""

import argparse
from datetime import timedelta
from typing import Any

import anyio

from agentkit import AgentkitError, Delta, Record, Result, Session, Stream, events
from agentkit.cli.figures import count, duration, usage_line
from agentkit.cli.phrases import Phrase, call_text, names_in, phrase, shortened
from agentkit.cli.screen import ASK, BOLD, DIM, GOOD, Screen
from agentkit.cli.show import usage_json
from agentkit.cli.waiting import as_json, tell

_LINES, _CHARACTERS = 6, 600
_QUIET = 1.5  # seconds of silence before a terminal is told what is waited for
_QUIET_PLAIN = 15.0  # the same where the line would stay
_PATIENCE = 10.0  # seconds a half-written line is left alone
_LOOK = 0.5
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_STYLES = {"completed": GOOD, "waiting": ASK, "limit": ASK, "cancelled": ASK}


class Live:
    """Shows one run after another of one session."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._names: dict[str, str] = {}
        self._kind = ""
        self._streamed: set[str] = set()
        self._doing = "waiting for the session"
        self._told = 0.0
        self._quiet_since = 0.0
        self._answered = False
        self._fault: Phrase | None = None  # of a model, until it is known whether another goes on

    async def run(self, session: Session[Any, str], message: str | None) -> Result[str]:
        """Drive with a message, or resume, and show it. Raises: the fault of the run."""
        begun = anyio.current_time()
        self._answered, self._quiet_since, self._told = False, begun, begun
        if not self._names:
            self._names = await names(session)
        async with session.stream(message) as stream, anyio.create_task_group() as tasks:
            tasks.start_soon(self._signs_of_life)
            await self._follow(stream)
            tasks.cancel_scope.cancel()
        result = await stream.result()
        self._rest(result, timedelta(seconds=anyio.current_time() - begun))
        return result

    async def _follow(self, stream: Stream[str]) -> None:
        try:
            async for news in stream:
                self._quiet_since = self._told = anyio.current_time()
                self.take(news)
        except AgentkitError:
            return  # `result` raises it again, outside of the task group

    def take(self, news: Record | Delta) -> None:
        """Write what came."""
        if isinstance(news, Record):
            self._record(news)
        else:
            self._delta(news)

    async def _signs_of_life(self) -> None:
        while True:
            await anyio.sleep(_LOOK)
            self.sign(anyio.current_time())

    def sign(self, now: float) -> None:
        """Say what is waited for, where nothing has come for a while; `now` is the event loop's time, in seconds."""
        quiet = now - self._quiet_since
        if self._screen.terminal:
            if quiet > (_QUIET if self._screen.at_start else _PATIENCE):
                self._screen.passing(f"{_SPINNER[int(now / _LOOK) % len(_SPINNER)]} {self._doing} ({quiet:.0f} s)")
        elif now - self._told > _QUIET_PLAIN:
            self._told = now
            self._screen.passing(f"… {self._doing} ({quiet:.0f} s)")

    def _delta(self, delta: Delta) -> None:
        match delta.kind:
            case "progress":
                self._screen.line(("· ", DIM), (delta.text, DIM), indent=2)
            case "arguments":
                self._doing = "the model is writing a call"
            case "reasoning" | "text":
                if self._kind != delta.kind:
                    self._screen.fresh()
                    if delta.kind == "reasoning":
                        self._screen.line(("thinking", DIM))
                self._kind = delta.kind
                self._streamed.add(delta.kind)
                self._screen.write(delta.text, DIM if delta.kind == "reasoning" else "")

    def _record(self, record: Record) -> None:
        event = record.event
        match event:
            case events.ModelStarted():
                self._kind, self._streamed = "", set()
                self._doing = "waiting for the model"
            case events.ModelResponded():
                self._responded(record, event)
            case events.ToolStarted(call=call):
                self._doing = f"running {self._names.get(call, call)}"
            case events.AgentBound() if self._fault is not None:
                self._say(self._fault)
                self._say(Phrase("·", f"{event.model} at {event.host} takes its place", ASK))
        said = phrase(event, self._names)
        self._fault = said if isinstance(event, events.ModelFailed) else None
        if said is not None and self._fault is None:  # a fault that nobody mends is raised, and told as the run's
            self._say(said)

    def _say(self, said: Phrase) -> None:
        self._screen.line((f"{said.mark} {said.text}", said.style), indent=2)
        if said.more:
            self._screen.block(shortened(said.more, _LINES, _CHARACTERS), DIM, indent=4)

    def _responded(self, record: Record, event: events.ModelResponded) -> None:
        message = event.message
        if message.reasoning and "reasoning" not in self._streamed:
            self._screen.line(("thinking", DIM))
            self._screen.block(message.reasoning, DIM)
        if message.text and "text" not in self._streamed:
            self._screen.block(message.text)
        self._answered = self._answered or bool(message.text)
        self._names |= names_in(record)
        for index, call in enumerate(message.calls):
            key = f"{record.turn}.{record.step}.{index}"
            words = shortened(call_text(call.name, call.arguments), _LINES, _CHARACTERS)
            self._screen.line((f"→ {key} ", BOLD), words, indent=2)

    def _rest(self, result: Result[str], took: timedelta) -> None:
        if result.text and not self._answered:  # driven elsewhere, or at rest before
            self._screen.block(result.text)
        words = f"■ turn {result.turn} {result.status}"
        reason = f": {result.reason}" if result.status in {"limit", "cancelled"} else ""
        numbers = f"   {count(result.steps, 'step')} · {usage_line(result.usage)} · {duration(took)}"
        self._screen.line((f"{words}{reason}", _STYLES[result.status]), (numbers, DIM))


async def names(session: Session[Any, str]) -> dict[str, str]:
    """Return the tools of all calls recorded so far, by the calls' positions."""
    found: dict[str, str] = {}
    async for record in session.events():
        found |= names_in(record)
    return found


def report(screen: Screen, options: argparse.Namespace, result: Result[str]) -> None:
    """Tell a person, or a program, how a run came to rest."""
    if not screen.json:
        tell(screen, options, result.waiting)
        return
    screen.result(
        {
            "session": result.session_id,
            "turn": result.turn,
            "model": result.model,
            "status": result.status,
            "reason": result.reason,
            "text": result.text,
            "steps": result.steps,
            "usage": usage_json(result.usage),
            "waiting": [as_json(each) for each in result.waiting],
        }
    )


def report_fault(screen: Screen, session_id: str, error: AgentkitError) -> None:
    """Tell that a run failed."""
    screen.fault(f"✗ {type(error).__name__}: {error}")
    if screen.json:
        screen.result({"session": session_id, "status": "failed", "error": type(error).__name__, "reason": str(error)})
