"""A session as a page to read: its head, then turn by turn what was thought, called, decided and found."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from agentkit import Record, Usage, events
from agentkit.cli.changed import changed
from agentkit.cli.figures import count, duration, moment, usage_line
from agentkit.cli.phrases import call_text, names_in, phrase, shortened
from agentkit.cli.screen import ASK, BAD, BOLD, DIM, GOOD, Screen
from agentkit.cli.sentback import SentBack
from agentkit.cli.sessions import standing
from agentkit.cli.story import Story, TurnTold, told
from agentkit.core.cutting import Cut
from agentkit.core.messages import AssistantMessage, Part, Stored, text_of
from agentkit.journal.base import Head

Fetch = Callable[[str], Awaitable[bytes]]

_LINES, _CHARACTERS = 12, 1200
_STYLES = {"completed": GOOD, "failed": BAD, "faulted": BAD, "dead": BAD}


class Page:
    """Writes a session.

    Args:
        fetch: gets contents that are kept beside the events, by their hash: of results only with `full`.
        full: shorten nothing.
    """

    def __init__(self, screen: Screen, fetch: Fetch, *, full: bool) -> None:
        self._screen, self._fetch, self._full = screen, fetch, full
        self._names: dict[str, str] = {}
        self._began: dict[str, datetime] = {}
        self._bound: events.AgentBound | None = None
        self._step: tuple[int, int | None] = (0, None)
        self._back = SentBack()
        self._sofar = Story()

    async def write(self, head: Head, records: Sequence[Record]) -> Story:
        """Write the page and return the story it tells."""
        whole = told(records)
        self._head(head, whole)
        for record in records:
            await self.take(record)
        return whole

    async def take(self, record: Record) -> None:
        """Write one record more, without knowing those to come."""
        begun = self._sofar.add(record)
        if begun is not None:
            self._turn(begun)
        await self._record(record, begun)
        if isinstance(record.event, events.TurnEnded):
            self._end(self._sofar.turns[-1])

    def pass_over(self, record: Record) -> None:
        """Take note of a record that is not to be written, for the sake of those behind it."""
        self._sofar.add(record)
        self._names |= names_in(record)
        self._back.take(record)
        self._took(record)
        if isinstance(record.event, events.AgentBound):
            self._bound = record.event
        elif isinstance(record.event, events.ModelStarted):
            self._began["model"], self._step = record.at, (record.turn, record.step)

    def _head(self, head: Head, story: Story) -> None:
        screen, bound = self._screen, story.bound
        screen.line(("session  ", DIM), (head.session_id, BOLD), ("   uid ", DIM), head.uid)
        if bound is not None:
            row = f"{bound.model} at {bound.host} (contract {bound.contract_id}, agentkit {bound.version})"
            screen.line(("agent    ", DIM), (story.agent, BOLD), ("   model ", DIM), row)
            screen.line(("tools    ", DIM), ", ".join(f"{tool.name} ({tool.effect})" for tool in bound.tools) or "none")
        last = story.turns[-1] if story.turns else None
        reason = f": {last.reason}" if last and last.reason else ""
        rests = standing(head)
        screen.line(("status   ", DIM), (f"{rests}{reason}", _STYLES.get(rests, ASK)))
        steps = sum(turn.steps for turn in story.turns)
        unusable = f" ({story.unusable} unusable)" if story.unusable else ""
        calls = f"{count(story.model_calls, 'model call')}{unusable} · {count(story.tool_calls, 'tool call')}"
        screen.line(("work     ", DIM), f"{count(len(story.turns), 'turn')} · {count(steps, 'step')} · {calls}")
        unreported = f" · usage of {count(story.unreported, 'call')} not reported" if story.unreported else ""
        screen.line(("usage    ", DIM), f"{usage_line(story.usage)}{unreported}")
        if story.first and story.last:
            screen.line(("time     ", DIM), f"{moment(story.first)} to {moment(story.last)} ({duration(story.span)})")

    def _turn(self, begun: TurnTold) -> None:
        self._screen.line()
        self._screen.rule(f"turn {begun.number}  {moment(begun.began)}")
        for said in begun.said:
            self._said(said)

    def _said(self, said: events.UserSaid, note: str = "") -> None:
        who = said.by or "user"
        known = f"  {said.id}" if said.id is not None else f"  about {said.about}" if said.about else ""
        self._screen.line((f"{who}{note}", BOLD), (known, DIM))
        self._screen.block(text_of(said.parts), indent=2)

    def _end(self, turn: TurnTold) -> None:
        reason = f": {turn.reason}" if turn.reason else ""
        took = duration((turn.ended or turn.began) - turn.began)
        words = f"turn {turn.number} {turn.status}{reason}"
        numbers = f"  {count(turn.steps, 'step')} · {usage_line(turn.usage)} · {took}"
        self._screen.line(("■ ", DIM), (words, _STYLES.get(turn.status, ASK)), (numbers, DIM))

    async def _record(self, record: Record, begun: TurnTold | None) -> None:
        event = record.event
        match event:
            case events.UserSaid() if begun is None:
                self._said(event, ", now" if event.now else ", while the turn was open")
            case events.AgentBound():
                await self._bind(event)
            case events.ModelStarted():
                self._model_started(record)
            case events.ModelResponded():
                self._responded(record, event)
        await self._phrase(record)
        self._outcome(record)

    async def _bind(self, event: events.AgentBound) -> None:
        before, self._bound = self._bound, event
        if before is None:
            return
        found = await changed(before, event, self._fetch) or ["nothing the model is told"]
        first, *more = found
        self._screen.line(("! the agent changed: ", ASK), self._short(first), indent=2)
        for change in more:
            self._screen.line(self._short(change), indent=4)
        if event.declared is not None and event.declared != before.declared:
            self._screen.line(("the session keeps the instructions that it recorded first", DIM), indent=4)

    def _model_started(self, record: Record) -> None:
        self._began["model"] = record.at
        if (record.turn, record.step) != self._step:
            self._step = (record.turn, record.step)
            self._screen.line((f"step {record.turn}.{record.step}", BOLD), (f"  {record.at:%H:%M:%S}", DIM))

    def _responded(self, record: Record, event: events.ModelResponded) -> None:
        self._answer(event.message)
        self._names |= names_in(record)
        for index, call in enumerate(event.message.calls):
            key = f"{record.turn}.{record.step}.{index}"
            self._screen.line((f"→ {key} ", BOLD), self._short(call_text(call.name, call.arguments)), indent=2)
        for note in event.notes:
            self._screen.line(("· ", DIM), (note, DIM), indent=2)

    def _answer(self, message: AssistantMessage) -> None:
        if message.reasoning:
            self._screen.line(("thinking", DIM), indent=2)
            self._screen.block(self._short(message.reasoning), DIM, indent=4)
        elif message.reasoning == "":
            self._screen.line(("thinking: empty", DIM), indent=2)
        if message.text:
            self._screen.block(message.text, indent=2)

    async def _phrase(self, record: Record) -> None:
        said, took = phrase(record.event, self._names), self._took(record)
        if said is None:
            return
        more = said.more
        if self._full:
            more = await self._whole(record.event) or more
        self._screen.line((f"{said.mark} ", said.style), (said.text, said.style), (took, DIM), indent=2)
        if more:
            self._screen.block(self._short(more), indent=4)

    def _took(self, record: Record) -> str:
        """Tell how long a call ran, or a person was waited for."""
        event = record.event
        call = getattr(event, "call", None)
        if call is None:
            return ""
        if isinstance(
            event,
            events.ToolStarted | events.CallHeld | events.CallDeferred | events.CallSuspended | events.ToolUnknown,
        ):
            self._began[call] = record.at
            return f"  {record.at:%H:%M:%S}"
        since = self._began.get(call)
        return "" if since is None else f"  {duration(record.at - since)}"

    async def _whole(self, event: events.AnyEvent) -> str:
        """Return a result with the texts that are stored beside it."""
        cut: Cut | None = getattr(event, "cut", None)
        parts: Sequence[Part] = getattr(event, "parts", ()) if cut is None else (cut.whole,)
        if not any(isinstance(part, Stored) for part in parts):
            return ""
        return text_of([await self._fetched(part) for part in parts])

    async def _fetched(self, part: Part) -> Part:
        if not isinstance(part, Stored):
            return part
        return part.holding((await self._fetch(part.hash)).decode("utf-8", "surrogatepass"))

    def _outcome(self, record: Record) -> None:
        """Write what a model call used and how long it took, and what became of the reasoning before it."""
        event, back = record.event, self._back.take(record)
        sent: events.Sent | None = getattr(event, "sent", None)
        if sent is None:
            return
        since = self._began.pop("model", None)
        took = "" if since is None else f" · {duration(record.at - since)}"
        usage: Usage | None = getattr(event, "usage", None)
        if not isinstance(event, events.ModelFailed):
            words = "usage not reported" if usage is None else usage_line(usage)
            self._screen.line((f"{words}{took}", DIM), indent=4)
        if back is not None:
            self._screen.line((f"· reasoning sent back: {back.words}", DIM if back.plain else ASK), indent=4)

    def _short(self, text: str) -> str:
        return text if self._full else shortened(text, _LINES, _CHARACTERS)
