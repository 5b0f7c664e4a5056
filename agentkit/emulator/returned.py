"""What came back: each assistant message of a request beside what was emitted at its place. Pure.

Comparison is byte for byte. Two states are no loss although they differ from what was sent: an id that could not be
used (missing, empty, twice in a message) may be replaced, and an answer that was not sent whole may be its beginning.
An answer is whole once its last byte was handed to the socket, so interruptions are played with `pace`, `cut_after` or
`hang_after`: without them a short answer is sent whole before its client can go away.
"""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

ReasoningSeen = Literal["absent", "empty", "exact", "partial", "altered", "invented", "filled"]
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
        seal: what came with the reasoning and is nothing to read, as canonical JSON: signatures, ids, formats.
        before: what stands before the reasoning, where that stands in the text.
        thought: the tokens' worth of thinking, where it is not the reasoning sent.
        loose: the arguments of its calls may be written in another way.
        repaired: what a client makes of it that recognises calls or reasoning leaked into the text.
    """

    reasoning: str | None
    content: str
    calls: tuple[EmittedCall, ...]
    whole: bool = True
    seal: str = ""
    before: str = field(default="", compare=False)
    thought: str | None = field(default=None, compare=False)
    loose: bool = field(default=False, compare=False)
    repaired: "Emitted | None" = field(default=None, compare=False)

    @property
    def came(self) -> "Came":
        """The answer as it comes back to a service that it is returned to unchanged."""
        return Came(self.reasoning, self.content, self.calls, self.seal)


class Returned(NamedTuple):
    """What the emulator saw of one assistant message.

    Attributes:
        at: the message's index in the request.
        position: the number of assistant messages before it.
        demanded: the contract demands its reasoning.
        reasoning: `absent`; `empty` (whatever was sent); else the text: `exact`, `partial` (the beginning of an answer
            that did not arrive whole), `altered` (another text, or another seal, was sent), `invented` (none was),
            `filled` (none was, and the contract wants something there).
        content: the text.
        arguments: the tool calls' names and argument strings.
        ids: the tool calls' ids; `replaced` where what was sent could not be used.
        lost: reasoning text was sent, whole, and came back absent or empty.
        unread: reasoning came back where it is wanted, to a service that was not asked to read it.
    """

    at: int
    position: int
    demanded: bool
    reasoning: ReasoningSeen
    content: TextSeen
    arguments: ArgumentsSeen
    ids: IdsSeen
    lost: bool
    unread: bool = False

    @property
    def missing(self) -> bool:
        """Reasoning is absent that was demanded, or that was sent and is wanted back."""
        return self.reasoning == "absent" and self.demanded

    @property
    def reasoning_altered(self) -> bool:
        """Reasoning differs from what was sent: another text, text where none was sent, or emptied."""
        return self.reasoning in {"altered", "invented"} or (self.reasoning == "empty" and self.lost and self.demanded)

    @property
    def faults(self) -> int:
        """How many of its parts are not as sent."""
        kept = ("exact", "partial", "replaced", "filled")
        return sum(seen not in kept for seen in (self.reasoning, self.content, self.arguments, self.ids))


class Came(NamedTuple):
    """An assistant message as it came back; `seal` is `""` where none came."""

    reasoning: str | None
    content: str
    calls: tuple[EmittedCall, ...]
    seal: str = ""


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
    if any(_same(back, emitted) for emitted in candidates):
        return Returned(at, position, demanded, _state(back.reasoning), "exact", "exact", "exact", lost=False)
    verdicts = [(emitted, _one(back, emitted, at, position, demanded)) for emitted in candidates]
    if not verdicts:
        return _one(back, Emitted(None, "", ()), at, position, demanded)
    return min(verdicts, key=lambda pair: (pair[1].faults, not pair[0].whole))[1]


def _same(back: Came, emitted: Emitted) -> bool:
    told = back[:3] == (emitted.reasoning, emitted.content, emitted.calls)
    return told and (not back.seal or back.seal == emitted.seal)


def _one(back: Came, emitted: Emitted, at: int, position: int, demanded: bool) -> Returned:  # noqa: FBT001 # a row of a table
    return Returned(
        at,
        position,
        demanded,
        _reasoning(back, emitted),
        _content(back.content, emitted),
        _arguments(back.calls, emitted),
        _ids(back.calls, emitted.calls),
        lost=not back.reasoning and bool(emitted.reasoning) and emitted.whole,
    )


def _state(reasoning: str | None) -> Literal["absent", "empty", "exact"]:
    if reasoning is None:
        return "absent"
    return "exact" if reasoning else "empty"


def _reasoning(back: Came, emitted: Emitted) -> ReasoningSeen:
    if back.seal and back.seal != emitted.seal and emitted.whole:
        return "altered" if emitted.seal else "invented"
    if not back.reasoning:
        return _state(back.reasoning)
    if not emitted.reasoning:
        return "invented"
    return _content(back.reasoning, Emitted(None, emitted.reasoning, (), whole=emitted.whole))


def _content(back: str, emitted: Emitted) -> TextSeen:
    if back == emitted.content:
        return "exact"
    # In units of UTF-16, because a stream may end between the halves of a surrogate pair.
    begun = any(_units(text).startswith(_units(back)) for text in (emitted.content, emitted.before))
    return "partial" if begun and not emitted.whole else "altered"


def _arguments(back: Sequence[EmittedCall], emitted: Emitted) -> ArgumentsSeen:
    if not back and not emitted.whole:
        return "exact"
    kept = [_told(call, emitted) for call in back] == [_told(call, emitted) for call in emitted.calls]
    return "exact" if kept else "altered"


def _told(call: EmittedCall, emitted: Emitted) -> tuple[str, Any]:
    """A repaired call never was JSON, so its arguments may be written in any way."""
    return call.name, json.loads(call.arguments) if emitted.loose and call.arguments.startswith("{") else call.arguments


def _ids(back: Sequence[EmittedCall], sent: Sequence[EmittedCall]) -> IdsSeen:
    kept, given = [call.id for call in back], [call.id for call in sent]
    if kept == given or not kept:
        return "exact"
    if len(kept) != len(given):
        return "altered"
    times = Counter(given)
    usable = [(was, now) for was, now in zip(given, kept, strict=True) if was and times[was] == 1]
    return "replaced" if all(was == now for was, now in usable) else "altered"
