"""Reasoning between tags inside `content`, pure: split out for display, put back exactly as it came.

Blocks count where they stand before any text: what comes later is the answer, and a tag in it may be quoted. The
whitespace at a tag is the tag's, not the thinking's. Source: CONTRACTS.md, 4.2 and section 5.
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from agentkit.core.messages import Json
from agentkit.models.text import joined

Pair: TypeAlias = tuple[str, str]
Shown: TypeAlias = tuple[Literal["text", "reasoning"], str]

# Met in the `content` of services whose own parser failed, or was not switched on.
KNOWN: Final[tuple[Pair, ...]] = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<mm:think>", "</mm:think>"),
    ("◁think▷", "◁/think▷"),
    ("[THINK]", "[/THINK]"),
)
_SPACE: Final = " \t\r\n"


class Splitter:
    """Splits a `content` that comes in pieces cut anywhere. A tag that may still become one is held back."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.blocks = 0
        self.answering = False  # text has begun: tags no longer count, and what comes is not fed
        self._pairs = [(begin.strip(), end.strip()) for begin, end in pairs]
        self._raw: list[str] = []  # what came before the text
        self._space: list[str] = []  # whitespace nobody has claimed yet
        self._held = ""  # may be the beginning of a tag
        self._close = ""  # the end tag of the block that is open
        self._thought = False
        self._before = self._after = ""  # around the thinking, where there is one block
        self._closed_at = 0  # how much of `_space` lies before the end tag

    def feed(self, text: str) -> list[Shown]:
        """Take the next piece, while `answering` is not so. Returns what can be shown of it."""
        self._raw.append(text)
        shown: list[Shown] = []
        rest, self._held = self._held + text, ""
        while rest:
            rest = self._inside(rest, shown) if self._close else self._outside(rest, shown)
        return shown

    def flush(self) -> list[Shown]:
        """Return what was held back and is no tag, now that nothing more comes."""
        held, self._held = self._held, ""
        shown: list[Shown] = []
        if self._close:
            self._think(held, shown)
        elif not self.answering and (held or (self._space and not self.blocks)):
            self._answer(held, shown)
        return shown

    def kept(self, reasoning: str) -> Json:
        """Return what it takes to rebuild the content besides the message's texts.

        That is what stands around the thinking; or where that does not make the content, all that came before the text.
        """
        head = joined("".join(self._raw))
        after = self._after
        if not self.answering:
            after += "".join(self._space[0 if self._close else self._closed_at :])
        return [self._before, after] if f"{self._before}{reasoning}{after}" == head else [head]

    def unopened(self, text: str) -> tuple[str, str, Json] | None:
        """Split a content whose begin tag stayed in the prompt: thinking, text, and what `kept` would return.

        Seen only at the end: until then it was shown as text. None where that is not so.
        """
        found = None if self.blocks else _unopened(text, self._pairs)
        if found is None:
            return None
        thinking, end, rest = found
        inner, answer = thinking.strip(_SPACE), rest.lstrip(_SPACE)
        before = thinking[: len(thinking) - len(thinking.lstrip(_SPACE))] if inner else ""
        after = f"{thinking[len(before) + len(inner) :]}{end}{rest[: len(rest) - len(answer)]}"
        return inner, answer, [before, after]

    def _outside(self, rest: str, shown: list[Shown]) -> str:
        bare = rest.lstrip(_SPACE)
        self._space.append(rest[: len(rest) - len(bare)])
        for begin, end in self._pairs:
            if bare.startswith(begin):
                self._open(begin, end)
                return bare[len(begin) :]
        if bare and any(begin.startswith(bare) for begin, _ in self._pairs):
            self._held = bare
        elif bare:
            self._answer(bare, shown)
        return ""

    def _open(self, begin: str, end: str) -> None:
        if not self.blocks:
            self._before = "".join(self._space) + begin
            self._space = []
        self.blocks += 1
        self._close = end

    def _inside(self, rest: str, shown: list[Shown]) -> str:
        inner, end, tail = rest.partition(self._close)
        if not end:
            self._held = _beginning(rest, self._close)
            inner = rest[: len(rest) - len(self._held)]
        self._think(inner, shown)
        if end:
            self._after = "".join(self._space) + end
            self._closed_at, self._close = len(self._space), ""
        return tail

    def _think(self, inner: str, shown: list[Shown]) -> None:
        """Give the thinking its words; whitespace goes along once words follow it."""
        words = inner.rstrip(_SPACE)
        if words and not self._thought:
            bare = words.lstrip(_SPACE)
            self._before += "".join(self._space) + words[: len(words) - len(bare)]
            shown.append(("reasoning", bare))
        elif words:
            shown.append(("reasoning", "".join(self._space) + words))
        if words:
            self._thought, self._space = True, []
        self._space.append(inner[len(words) :])

    def _answer(self, bare: str, shown: list[Shown]) -> None:
        """Begin the text; whitespace before it is its own only where no block came before."""
        if self.blocks:
            self._after += "".join(self._space[self._closed_at :])
        else:
            bare = "".join(self._space) + bare
        head = "".join(self._raw)
        self._raw = [head[: len(head) - len(bare)]]
        self.answering, self._space = True, []
        shown.append(("text", bare))


def holds_reasoning(kept: Json) -> bool:
    """Tell of what `Splitter.kept` returned whether the thinking between the tags is the message's, to the letter."""
    match kept:
        case [str(), str()]:
            return True
        case _:
            return False


def rebuilt(kept: Json, reasoning: str, text: str) -> str | None:
    """Return the content as it came, from what `Splitter.kept` returned; None where it is something else."""
    match kept:
        case [str(before), str(after)]:
            return f"{before}{reasoning}{after}{text}"
        case [str(head)]:
            return f"{head}{text}"
        case _:
            return None


def leaked(text: str) -> str | None:
    """Return the tag that shows reasoning in a text, None where there is none."""
    start = text.lstrip(_SPACE)
    leading = next((begin for begin, _ in KNOWN if start.startswith(begin)), None)
    if leading is not None:
        return leading
    found = _unopened(text, KNOWN)
    return found and found[1]


def quoted(text: str, at: int) -> bool:
    """Tell whether what stands at a place of a Markdown text is code."""
    return text[max(at - 1, 0) : at] == "`" or text.count("```", 0, at) % 2 == 1


def _unopened(text: str, pairs: Sequence[Pair]) -> tuple[str, str, str] | None:
    """Split at the first end tag without a begin tag that has a line of its own, or ends a paragraph, outside code."""
    for begin, end in pairs:
        before, found, after = text.partition(end)
        alone = before[-1:] in ("", "\n") and after[:1] in ("", "\r", "\n")
        if found and (alone or after.startswith("\n\n")) and begin not in before and not quoted(text, len(before)):
            return before, end, after
    return None


def _beginning(text: str, tag: str) -> str:
    """Return the longest end of a text that begins a tag."""
    for size in range(min(len(text), len(tag) - 1), 0, -1):
        if text.endswith(tag[:size]):
            return tag[:size]
    return ""
