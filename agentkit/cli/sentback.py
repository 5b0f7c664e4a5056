"""What became of old reasoning in each request, folded from the records: how much went back as it came, and what not.

A request is recorded by what was new in it, so what was decided about the messages before still holds.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from agentkit import Record, events
from agentkit.cli.figures import count, runs
from agentkit.core.binding import hashed
from agentkit.core.loop import apply
from agentkit.core.messages import AssistantMessage
from agentkit.core.state import State
from agentkit.errors import ProtocolError

_DECISION: Final = re.compile(r"message (\d+): (\w+), (.*)", re.DOTALL)
_NO_TEXT: Final = hashed(b"")  # instructions that are not there


@dataclass(frozen=True, slots=True)
class Told:
    """One request's reasoning in words. `plain`: all of it went back as it came."""

    words: str
    plain: bool


class SentBack:
    """Follows a session's records."""

    def __init__(self) -> None:
        self._state: State | None = State()
        self._lead = 1  # fragments before the first message of the transcript
        self._decided: dict[int, str] = {}  # by message of the request
        self._odd: list[str] = []

    def take(self, record: Record) -> Told | None:
        """Take the next record; of one that tells a request, return what became of reasoning in it."""
        event, told = record.event, None
        sent: events.Sent | None = getattr(event, "sent", None)
        if sent is not None:
            self._decide(sent)
            told = self._told()
        if isinstance(event, events.AgentBound):
            self._lead = 1 if event.instructions == _NO_TEXT else 2
        self._follow(record)
        return told

    def _decide(self, sent: events.Sent) -> None:
        self._odd = []
        self._decided = {at: words for at, words in self._decided.items() if at + 1 < sent.kept}
        for decision in sent.decisions:
            found = _DECISION.fullmatch(decision)
            if found is not None:
                self._decided[int(found[1])] = f"{found[2]}, {found[3]}"
            else:  # another version's words
                self._odd.append(decision)

    def _follow(self, record: Record) -> None:
        """Fold the record; a session that cannot be driven can be looked at all the same, without the count."""
        if self._state is None:
            return
        try:
            self._state = apply(replace(self._state, seq=record.seq - 1), record.event)
        except ProtocolError:
            self._state = None

    def _told(self) -> Told | None:
        pieces = [*self._otherwise(), *self._odd]
        came = sum(1 for at in self._reasoned() if at not in self._decided)
        if not pieces and not came:
            return None
        first = [f"{came} as it came" if came == 1 else f"{came} as they came"] if came or not pieces else []
        return Told(", ".join([*first, *pieces]), plain=not pieces)

    def _reasoned(self) -> Iterator[int]:
        """Yield the messages of the request whose answers came with reasoning."""
        for at, entry in enumerate(self._state.transcript if self._state is not None else ()):
            message = entry.message
            if isinstance(message, AssistantMessage) and _reasons(message):
                yield at + self._lead - 1

    def _otherwise(self) -> Iterator[str]:
        """Yield what did not go back as it came, equal decisions together."""
        by_words = sorted(self._decided.items(), key=lambda each: (each[1], each[0]))
        for words, group in groupby(by_words, key=lambda each: each[1]):
            decision, _, why = words.partition(", ")
            numbers = [at for at, _ in group]
            yield f"{_many(decision, len(numbers))} ({_messages(numbers)}: {why})"


def _reasons(message: AssistantMessage) -> bool:
    private = message.extras or any(call.extras for call in message.calls)
    return message.reasoning is not None or bool(private)


def _many(decision: str, number: int) -> str:
    return f"{number} dropped" if decision == "dropped" else count(number, decision)


def _messages(numbers: Sequence[int]) -> str:
    return f"message{'s' if len(numbers) > 1 else ''} {runs(numbers)}"
