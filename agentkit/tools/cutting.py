"""Results that are too long for the model: what it is shown of them, and what is kept.

Every result has a limit. A tool that says one (`result_limit`) gets `read_more` beside it, and the model can read on;
for the others the limit is only there so that no result fills the whole context, and the model is told to ask for less.
What was cut is kept whole beside the event, up to `KEPT` bytes: more than that would have to be held in memory again
and again, by whoever reads the session.
"""

from dataclasses import replace
from typing import Final, TypeVar

from agentkit.core.cutting import Cut, shortened
from agentkit.core.events import CallResolved, ToolFinished, ToolUnknown
from agentkit.core.messages import File, Image, Part, Text
from agentkit.tools.results import Fact

LIMIT: Final = 100_000  # characters that are shown of a result where its tool says nothing; some 25,000 tokens
KEPT: Final = 16 * 2**20  # bytes of UTF-8 that are kept of one result
_INSIDE: Final = range(0x80, 0xC0)  # a byte of UTF-8 that is not the first of its character

F = TypeVar("F", bound=Fact | CallResolved)


def cut_short(fact: F, limit: int | None) -> F:
    """Return a fact with a result of at most `limit` characters (None: the tool says none); the rest is in its `cut`.

    What an exception says is for people, and is cut to `LIMIT` characters: nobody reads more of a traceback.
    """
    if isinstance(fact, (ToolFinished, CallResolved)):
        parts = tuple(_small(part) for part in fact.parts)
        cut = _cut(parts, limit)
        if cut is not None:
            text = cut.whole.text if isinstance(cut.whole, Text) else ""
            parts = shortened(fact.call, text, cut, tuple(part for part in parts if not isinstance(part, Text)))
        if parts != fact.parts:
            fact = replace(fact, parts=parts, cut=cut)
    if isinstance(fact, (ToolFinished, ToolUnknown)) and fact.detail is not None and len(fact.detail) > LIMIT:
        left = len(fact.detail) - LIMIT
        fact = replace(fact, detail=f"{fact.detail[:LIMIT]}\n[and {left} characters more, which are not kept]")
    return fact


def _cut(parts: tuple[Part, ...], limit: int | None) -> Cut | None:
    texts = [part.text for part in parts if isinstance(part, Text)]
    total, shown = sum(map(len, texts)), LIMIT if limit is None else limit
    if total <= shown:
        return None
    whole = _kept("".join(texts))
    return Cut(Text(whole), shown, more=limit is not None, lost=total - len(whole))


def _kept(text: str) -> str:
    """Return as much of a text as is kept. A character is at least one byte: no more of them are encoded."""
    data = text[:KEPT].encode("utf-8", "surrogatepass")
    if len(data) <= KEPT:
        return text[:KEPT]
    end = KEPT
    while data[end] in _INSIDE:
        end -= 1
    return data[:end].decode("utf-8", "surrogatepass")


def _small(part: Part) -> Part:
    if not isinstance(part, (Image, File)) or len(part.url) <= KEPT:
        return part
    kind = "picture" if isinstance(part, Image) else "file"
    return Text(f"[a {kind} of {len(part.url)} bytes is left out: at most {KEPT} are kept of one]")
