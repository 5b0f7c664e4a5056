"""A `content` that is a list of chunks, pure: read for its text and thinking, put back as the provider gave it.

Source: CONTRACTS.md, 4.5: the full message goes back with its chunks. Chunks and keys we do not know are kept too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agentkit.core.messages import Json
from agentkit.models.text import joined

_THOUGHT: Final = frozenset({"thinking", "reasoning"})
_WORDS: Final = ("thinking", "text", "reasoning", "summary", "content")  # where a chunk may have its thinking
_END: Final = "signature"  # closes a chunk: what comes next is another


def heard(chunk: Any) -> tuple[str | None, str | None]:
    """Return the text and the thinking of a chunk; None where it has none."""
    if isinstance(chunk, str):
        return chunk, None
    if not isinstance(chunk, dict):
        return None, None
    kind = chunk.get("type")
    if isinstance(kind, str) and kind in _THOUGHT:
        said = next((chunk[name] for name in _WORDS if chunk.get(name)), "")
        return None, _words(said)
    text = chunk.get("text")
    return (text, None) if isinstance(text, str) else (None, None)


def _words(said: Any) -> str:
    if isinstance(said, list):
        return "".join(_words(item) for item in said)
    text = said.get("text") if isinstance(said, dict) else said
    return text if isinstance(text, str) else ""


@dataclass(slots=True)
class _Chunk:
    """A chunk whose words were taken out of it, or (`slot` is empty) one that is kept whole."""

    fields: dict[str, Any]
    slot: str = ""
    words: list[str] = field(default_factory=list)

    def whole(self) -> Any:
        return _filled(self.fields, self.slot, joined("".join(self.words))) if self.slot else self.fields


class Parts:
    """The list while it comes in. A stream's chunks of one kind are fragments of one; a whole list is kept as it is."""

    def __init__(self, said: str = "") -> None:
        self._chunks: list[_Chunk] = []
        self.say(said)

    def say(self, text: str) -> None:
        """Take text that came as a string between lists: it goes on with the last chunk, or makes one."""
        if text:
            self.add({"type": "text", "text": text}, apart=False)

    def add(self, chunk: Any, *, apart: bool) -> None:
        """Take a chunk; with `apart` it is one of a whole list."""
        made = _opened(chunk)
        last = self._chunks[-1] if self._chunks else None
        if apart or last is None or not _goes_on(last, made):
            self._chunks.append(made)
            return
        last.words += made.words
        last.fields |= {name: value for name, value in made.fields.items() if value is not None and name != made.slot}

    def kept(self, reasoning: str, text: str) -> Json:
        """Return what it takes to rebuild the list besides the message's texts; None where it is the usual list."""
        said = {chunk.slot: joined("".join(chunk.words)) for chunk in self._chunks}
        expected = {"thinking": reasoning, "text": text}
        if len(said) < len(self._chunks) or {"thinking": "", "text": "", **said} != expected:
            return {"content": [chunk.whole() for chunk in self._chunks]}
        frame = [chunk.fields for chunk in self._chunks]
        return None if frame == _usual(text) else {"frame": frame}


def usual(reasoning: str, text: str) -> list[Json]:
    """Return the list for another service's reasoning, and for one that holds nothing but its texts."""
    return _fill(_usual(text), reasoning, text)


def rebuilt(kept: Json, reasoning: str, text: str) -> list[Json] | None:
    """Return the list as it came, from what `Parts.kept` returned; None where it is something else."""
    match kept:
        case {"content": [*content]}:
            return content
        case {"frame": [*frame]}:
            return _fill(frame, reasoning, text)
        case _:
            return None


def _usual(text: str) -> list[dict[str, Any]]:
    thinking: dict[str, Any] = {"type": "thinking", "thinking": []}
    return [thinking, {"type": "text", "text": ""}] if text else [thinking]


def _fill(frame: Sequence[Any], reasoning: str, text: str) -> list[Json]:
    said = {"thinking": reasoning, "text": text}
    return [_filled(fields, fields["type"], said[fields["type"]]) for fields in frame]


def _filled(fields: Mapping[str, Any], slot: str, said: str) -> dict[str, Any]:
    """Put words into a chunk: its own place for them tells whether it takes a string or a list."""
    return {**fields, slot: said if isinstance(fields[slot], str) else [{"type": "text", "text": said}]}


def _opened(chunk: Any) -> _Chunk:
    """Take the words out of a chunk whose form is known."""
    kind = chunk.get("type") if isinstance(chunk, dict) else None
    if kind in ("text", "thinking") and isinstance(chunk.get(kind), str):
        return _Chunk({**chunk, kind: ""}, kind, [chunk[kind]])
    match chunk:
        case {"type": "thinking", "thinking": [{"type": "text", "text": str(text), **others}]} if not others:
            return _Chunk({**chunk, "thinking": []}, "thinking", [text])
    return _Chunk(chunk)


def _goes_on(last: _Chunk, made: _Chunk) -> bool:
    if not last.slot or last.slot != made.slot or last.fields.get(_END):
        return False
    return type(last.fields[last.slot]) is type(made.fields[made.slot])
