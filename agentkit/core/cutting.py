"""A result that was too long for the model: what it was shown of it, and what is kept beside the event."""

from agentkit.core.framing import framed_as
from agentkit.core.messages import Part, Stored, Text
from agentkit.core.values import dataclass


@dataclass(frozen=True, slots=True)
class Cut:
    """What was cut from a result.

    Attributes:
        whole: the text as the tool returned it, pictures and files left out.
        shown: how many characters of it the model was shown, from the first on.
        more: whether `read_more` shows it the rest.
        lost: characters behind `whole` that were too many to be kept at all.
    """

    whole: Text | Stored
    shown: int
    more: bool = False
    lost: int = 0


def shortened(call: str, text: str, cut: Cut, rest: tuple[Part, ...] = ()) -> tuple[Part, ...]:
    """Return what the model is shown of a result that begins with `text`: its first characters, and that it was cut.

    `rest` are its pictures and files, which follow.
    """
    return (Text(f"{text[: cut.shown]}\n{_notice(call, len(text), cut)}"), *rest)


def cut_again(call: str, parts: tuple[Part, ...], cut: Cut, text: str) -> tuple[tuple[Part, ...], Cut | None]:
    """Return the parts and the cut of a result whose whole text is now `text`: a rule has changed it.

    What is left of it may be short enough to be shown as it is.
    """
    rest = tuple(part for part in parts if not isinstance(part, Text | Stored))
    if len(text) <= cut.shown and not cut.lost:
        return framed_as(parts, (Text(text), *rest)), None
    cut = Cut(Text(text), cut.shown, cut.more, cut.lost)
    return framed_as(parts, shortened(call, text, cut, rest)), cut


def piece(call: str, text: str, start: int, cut: Cut) -> str:
    """Return the next characters of a cut result, from `start` (0 is the first), and what to read then."""
    end = min(start + cut.shown, len(text))
    where = f"Characters {start + 1} to {end} of {len(text) + cut.lost} of the result of call {call}."
    return f"{text[start:end]}\n[{where} {_onward(call, end, len(text), cut.lost)}]"


def _onward(call: str, end: int, total: int, lost: int) -> str:
    if end < total:
        return f'To read on: read_more(call="{call}", start={end}).'
    return f"The other {lost} were too many to be kept." if lost else "That is its end."


def _notice(call: str, kept: int, cut: Cut) -> str:
    said = f"The result is too long: characters 1 to {min(cut.shown, kept)} of {kept + cut.lost} are shown."
    if cut.more:
        return f"[{said} {_onward(call, cut.shown, kept, cut.lost)}]"
    return f"[{said} The rest cannot be read: ask for less at a time.]"
