"""What is said to the endpoint: one small conversation, and what becomes of the reasoning in it. Pure.

The conversation has an answer at each place that a contract may treat in its own way:

    0  user: a sum                answer: text             an earlier turn without tools
    1  user: look one city up     answer: a call           an earlier turn that called a tool
    2  the call's result          answer: text             the same turn's text
    3  user: look another up      answer: a call           the open turn; its result ends the conversation
    4  (an answer like 0)         put before 3             a text of the open turn, where that is probed
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

EARLY, CALLED, BEHIND, LAST, BETWEEN = range(5)  # the places

SUM: Final = "Think step by step: what is 17 times 23? Answer with the number alone."
FIRST: Final = "Use the tool lookup to look up the city Oslo. Think about it before you call it."
SECOND: Final = "Now use the tool lookup to look up the city Bergen. Think about it before you call it."
BOTH: Final = "Use the tool lookup twice in one answer: for the city Oslo and for the city Bergen, both at once."
RESULT: Final = "The city is in Norway. It rains there today."
NAME: Final = "lookup"
ABOUT: Final = "Look a city up."
PARAMETERS: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "The city's name."}},
    "required": ["city"],
    "additionalProperties": False,
}
OTHER: Final = "Let me think. The user wants to know something about a city, so I look it up."
# About 700 tokens in most tokenizers; whether they are counted tells whether they are read.
FILLER: Final = " ".join(f"Thought number {n} is about the weather of the {n}th city in the list." for n in range(40))
FILLER_COUNTS: Final = 150  # tokens more than this, and it was read
COUNTS: Final = 10  # the same of reasoning as it came; fewer may be a template's empty frame

Treatment = Literal["as_came", "absent", "empty", "blank", "changed", "long", "moved", "moved_long", "plain", "copied"]
"""What becomes of an answer's reasoning: it goes back as it came; not at all; as ""; as one blank; as another text, or
with its private fields tampered with; as a long text; as a text (a long one) in a field it did not come in; with
`plain`, as it came, in its first text field and nowhere else; with `copied`, as it came, and its text in another field
too."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what a user said, the answer at a place, or the results of the calls of the line before."""

    kind: Literal["user", "answer", "results"]
    text: str = ""
    place: int = -1


def user(text: str) -> Line:
    """Return what a user says."""
    return Line("user", text)


def answer(place: int) -> Line:
    """Return the answer at a place, as the endpoint gave it."""
    return Line("answer", place=place)


RESULTS: Final = Line("results", RESULT)

TO_SUM: Final = (user(SUM),)
TO_FIRST: Final = (*TO_SUM, answer(EARLY), user(FIRST))
TO_RESULT: Final = (*TO_FIRST, answer(CALLED), RESULTS)
TO_SECOND: Final = (*TO_RESULT, answer(BEHIND), user(SECOND))
WHOLE: Final = (*TO_SECOND, answer(LAST), RESULTS)
WITH_TEXT: Final = (*TO_SECOND, answer(BETWEEN), answer(LAST), RESULTS)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request.

    Attributes:
        lines: the conversation.
        treatments: what becomes of the reasoning of the answer at a place; else `usual`.
        usual: what becomes of the others'.
        tools: the tool is offered.
        stream: streamed; also where the endpoint answers in streams only.
        cap: tokens of the answer, at most.
        into: the text field that reasoning is written in, where that is not the one it came in.
        usage: a stream is to report usage.
        extra: what the request is about: fields of the body, laid over all others.
        system: a first message of this role.
        call_id: takes the place of the first call's id.
        cold: ids of calls are changed to such as the service has not given. Some tolerate missing reasoning for a
            while in calls that they remember, and refuse the same history later (CONTRACTS.md, 2.2).
    """

    lines: tuple[Line, ...]
    treatments: Mapping[int, Treatment] = field(default_factory=dict)
    usual: Treatment = "as_came"
    tools: bool = True
    stream: bool = False
    cap: int = 16
    into: str | None = None
    usage: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)
    system: str | None = None
    call_id: str | None = None
    cold: bool = False


_ALPHABETS: Final = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_NEXT: Final = str.maketrans(
    {a: b for letters in _ALPHABETS for a, b in zip(letters, letters[1:] + letters[0], strict=True)}
)
_TAIL: Final = 8  # characters of an id that are changed: what stands before may be its form


def cold(call_id: str) -> str:
    """Return another id of the same form."""
    return call_id[:-_TAIL] + call_id[-_TAIL:].translate(_NEXT)
