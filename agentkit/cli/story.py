"""What a session's records tell, folded for reading: who answered, its turns, what it used.

It is folded from the events alone, and more forgiving than the core's state: a session can be looked at even where
it cannot be driven.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agentkit import Record, Usage, events
from agentkit.core.messages import text_of

Said = events.UserSaid
_OUTCOMES = (
    events.ModelResponded,
    events.ModelRejected,
    events.ModelInterrupted,
    events.ModelFailed,
    events.Compacted,
)


@dataclass(slots=True)
class TurnTold:
    """One turn. `status` is the recorded one, or open, or faulted."""

    number: int
    began: datetime
    said: list[Said] = field(default_factory=list)
    ended: datetime | None = None
    status: str = "open"
    reason: str = ""
    text: str = ""
    model: str = ""  # the last one that answered
    steps: int = 0
    usage: Usage = field(default_factory=Usage)

    @property
    def message(self) -> str:
        """What the person said."""
        return "\n".join(text_of(said.parts) for said in self.said)


@dataclass(slots=True)
class Story:
    """A session, told. `unreported` counts model calls whose usage nobody reported."""

    agent: str = ""
    bound: events.AgentBound | None = None
    first: datetime | None = None
    last: datetime | None = None
    turns: list[TurnTold] = field(default_factory=list)
    waiting: list[Said] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    model_calls: int = 0
    tool_calls: int = 0
    unusable: int = 0
    unreported: int = 0

    def add(self, record: Record) -> TurnTold | None:
        """Take the next record; return the turn that begins with it, if one does."""
        self.first, self.last = self.first or record.at, record.at
        begun = self._begin(record) if record.turn > (self.turns[-1].number if self.turns else 0) else None
        if begun is None:
            self._hear(record.event)
        self._count(record)
        if self.turns:
            self._follow(self.turns[-1], record)
        return begun

    @property
    def span(self) -> timedelta:
        """The time from the first event to the last."""
        return self.last - self.first if self.first and self.last else timedelta()

    @property
    def open_turn(self) -> int | None:
        """The number of the turn that has not ended."""
        return self.turns[-1].number if self.turns and self.turns[-1].ended is None else None

    def _begin(self, record: Record) -> TurnTold:
        turn = TurnTold(record.turn, record.at)
        if isinstance(record.event, events.UserSaid):
            turn.said.append(record.event)
        elif self.waiting:
            turn.said.append(self.waiting.pop(0))
        self.turns.append(turn)
        return turn

    def _hear(self, event: events.AnyEvent) -> None:
        """A message in mid-turn waits: for the turn's end, or with `now` for the next request."""
        if isinstance(event, Said):
            self.waiting.append(event)
        elif isinstance(event, events.ModelStarted) and event.attempt == 1 and self.turns:
            self.turns[-1].said += [said for said in self.waiting if said.now]
            self.waiting = [said for said in self.waiting if not said.now]

    def _count(self, record: Record) -> None:
        event = record.event
        match event:
            case events.SessionStarted():
                self.agent = event.agent
            case events.Forked(before=before) if before:
                self.waiting.clear()
            case events.AgentBound():
                self.bound, self.agent = event, event.agent
            case events.ToolStarted():
                self.tool_calls += 1
            case _ if isinstance(event, _OUTCOMES):
                self._outcome(event)
            case _:
                return

    def _outcome(self, event: events.AnyEvent) -> None:
        self.model_calls += 1
        self.unusable += isinstance(event, events.ModelRejected | events.ModelInterrupted | events.ModelFailed)
        usage = getattr(event, "usage", None)
        if usage is None:
            self.unreported += not isinstance(event, events.ModelFailed)
            return
        self.usage += usage
        if self.turns:
            self.turns[-1].usage += usage

    def _follow(self, turn: TurnTold, record: Record) -> None:
        turn.steps = max(turn.steps, record.step or 0)
        match record.event:
            case events.ModelResponded(message=message):
                turn.text = message.text or turn.text
                turn.model = self.bound.model if self.bound else ""
            case events.PersonAnswered(text=text):
                turn.text, turn.model = text, ""
            case events.ModelFailed(text=text):
                turn.status, turn.reason = "faulted", text
            case events.TurnResumed():
                turn.status, turn.reason = "open", ""
            case events.TurnEnded(status=status, reason=reason):
                turn.ended, turn.status = record.at, status
                turn.reason = reason
            case _:
                return


def told(records: Iterable[Record]) -> Story:
    """Return the story of all records."""
    story = Story()
    for record in records:
        story.add(record)
    return story
