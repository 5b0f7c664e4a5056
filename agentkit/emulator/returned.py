"""What came back: each assistant message of a request beside what was emitted at its place. Pure.

Comparison is byte for byte. Two states are no loss although they differ from what was sent: an id that could not be
used (missing, empty, twice in a message) may be replaced, and an answer that was not sent whole may be its beginning.
An answer is whole once its last byte was handed to the socket, so interruptions are played with `pace`, `cut_after` or
`hang_after`: without them a short answer is sent whole before its client can go away.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from agentkit.emulator.asked import text_of

ReasoningSeen = Literal["absent", "empty", "exact", "partial", "altered", "invented"]
TextSeen = Literal["exact", "partial", "altered"]
ArgumentsSeen = Literal["exact", "altered"]
IdsSeen = Literal["exact", "replaced", "altered"]


class EmittedCall(NamedTuple):
    """A call as it went over the wire; `id` is None where none was sent."""

    id: str | None
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Emitted:
    """An answer as it went over the wire, halves of surrogate pairs joined.

    Attributes:
        reasoning: None where no field was sent.
        content: `""` where no text was sent.
        calls: the tool calls.
        whole: it was sent to its end.
    """

    reasoning: str | None
    content: str
    calls: tuple[EmittedCall, ...]
    whole: bool = True


class Returned(NamedTuple):
    """What the emulator saw of one assistant message.

    Attributes:
        at: the message's index in the request.
        position: the number of assistant messages before it.
        demanded: the contract demands its reasoning.
        reasoning: `absent`; `empty` (whatever was sent); else the text: `exact`, `partial` (the beginning of an answer
            that did not arrive whole), `altered` (another text was sent), `invented` (none was).
        content: the text.
        arguments: the tool calls' names and argument strings.
        ids: the tool calls' ids; `replaced` where what was sent could not be used.
        lost: reasoning text was sent, whole, and the field came back absent or empty.
    """

    at: int
    position: int
    demanded: bool
    reasoning: ReasoningSeen
    content: TextSeen
    arguments: ArgumentsSeen
    ids: IdsSeen
    lost: bool

    @property
    def missing(self) -> bool:
        """Reasoning is absent that was demanded, or that was sent to a client of a service that demands nothing."""
        return self.reasoning == "absent" and self.demanded

    @property
    def reasoning_altered(self) -> bool:
        """Reasoning differs from what was sent: another text, text where none was sent, or emptied."""
        return self.reasoning in {"altered", "invented"} or (self.reasoning == "empty" and self.lost)

    @property
    def faults(self) -> int:
        """How many of its parts are not as sent."""
        kept = ("exact", "partial", "replaced")
        return sum(seen not in kept for seen in (self.reasoning, self.content, self.arguments, self.ids))


class Came(NamedTuple):
    """An assistant message as it came back."""

    reasoning: str | None
    content: str
    calls: tuple[EmittedCall, ...]


def came(message: Mapping[str, Any], carrier: str) -> Came:
    """Read an assistant message of a well-formed request."""
    calls = (
        EmittedCall(call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message.get("tool_calls") or ()
    )
    return Came(message.get(carrier), text_of(message.get("content")), tuple(calls))


def joined(text: str) -> str:
    """Join the halves of surrogate pairs, as a JSON decoder does; lone halves stay."""
    return text if text.isascii() else _units(text).decode("utf-16-le", "surrogatepass")


def _units(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def compare(back: Came, candidates: Collection[Emitted], *, at: int, position: int, demanded: bool) -> Returned:
    """Compare a message with what may have been emitted there, and return the best match.

    Args:
        back: the message.
        candidates: what the attempts at that position emitted; none means that nothing was.
        at: the message's index in the request.
        position: the number of assistant messages before it.
        demanded: whether the contract demands its reasoning.
    """
    if any(back == (emitted.reasoning, emitted.content, emitted.calls) for emitted in candidates):
        return Returned(at, position, demanded, _state(back.reasoning), "exact", "exact", "exact", lost=False)
    verdicts = [(emitted, _one(back, emitted, at, position, demanded)) for emitted in candidates]
    if not verdicts:
        return _one(back, Emitted(None, "", ()), at, position, demanded)
    return min(verdicts, key=lambda pair: (pair[1].faults, not pair[0].whole))[1]


def _one(back: Came, emitted: Emitted, at: int, position: int, demanded: bool) -> Returned:  # noqa: FBT001 # a row of a table
    return Returned(
        at,
        position,
        demanded,
        _reasoning(back.reasoning, emitted),
        _content(back.content, emitted),
        _arguments(back.calls, emitted),
        _ids(back.calls, emitted.calls),
        lost=not back.reasoning and bool(emitted.reasoning) and emitted.whole,
    )


def _state(reasoning: str | None) -> Literal["absent", "empty", "exact"]:
    if reasoning is None:
        return "absent"
    return "exact" if reasoning else "empty"


def _reasoning(back: str | None, emitted: Emitted) -> ReasoningSeen:
    if not back:
        return _state(back)
    if not emitted.reasoning:
        return "invented"
    return _content(back, Emitted(None, emitted.reasoning, (), whole=emitted.whole))


def _content(back: str, emitted: Emitted) -> TextSeen:
    if back == emitted.content:
        return "exact"
    # In units of UTF-16, because a stream may end between the halves of a surrogate pair.
    return "partial" if not emitted.whole and _units(emitted.content).startswith(_units(back)) else "altered"


def _arguments(back: Sequence[EmittedCall], emitted: Emitted) -> ArgumentsSeen:
    if not back and not emitted.whole:
        return "exact"
    return "exact" if [call[1:] for call in back] == [call[1:] for call in emitted.calls] else "altered"


def _ids(back: Sequence[EmittedCall], sent: Sequence[EmittedCall]) -> IdsSeen:
    kept, given = [call.id for call in back], [call.id for call in sent]
    if kept == given or not kept:
        return "exact"
    if len(kept) != len(given):
        return "altered"
    times = Counter(given)
    usable = [(was, now) for was, now in zip(given, kept, strict=True) if was and times[was] == 1]
    return "replaced" if all(was == now for was, now in usable) else "altered"
