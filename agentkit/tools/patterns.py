r"""Regular expressions from outside, run for a bounded time: the only home of `regex`.

A schema's author (an MCP server, an API's document) chooses the pattern and the model the text, so neither may decide
how long the loop stands still. Python's own `re` cannot be stopped; `regex` ends at a time limit. The dialect is
Python's, but for two things in which ECMA 262 (the dialect of JSON Schema) differs and a check would be weaker or
another one: `$` is the end of the text and not a newline's, and a brace that counts nothing is a brace.
"""

from functools import lru_cache
from time import monotonic, thread_time

import regex

LONGEST = 2_000  # characters of a pattern: compiling has no time limit, and at this length takes 0.2 s at worst
SECONDS = 0.2  # of CPU, for one search

_PARTS = regex.compile(r"\\[pP]\{[^{}]*\}|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\$|\{(?![0-9]*,?[0-9]*\})", regex.DOTALL)


class TooSlow(Exception):  # noqa: N818 - the model's text or a schema's author, not a fault of the program
    """A check took too long and was ended; the text is a clause for the model."""


class Budget:
    """The CPU time of this thread that a check may take, in seconds: all of it, and half of it on a busy machine.

    For the first half the clock on the wall is looked at, which is no call into the kernel; hardly a check goes on.
    """

    def __init__(self, seconds: float) -> None:
        self._half, self._until = seconds / 2, monotonic() + seconds / 2
        self._end: float | None = None  # of the second half, by the thread's own clock

    @property
    def left(self) -> float:
        """Seconds left. Raises: TooSlow: none."""
        if self._end is None:
            if (left := self._until - monotonic()) > 0:
                return left + self._half
            self._end = thread_time() + self._half
        left = self._end - thread_time()
        if left <= 0:
            raise TooSlow("they take too long to be compared with the schema")
        return left


def occurs(pattern: str, text: str, budget: Budget) -> bool:
    """Tell whether a pattern occurs in a text.

    Raises:
        TooSlow: it took longer than `SECONDS`, or than the budget.
    """
    try:
        return _compiled(pattern).search(text, timeout=min(SECONDS, budget.left)) is not None
    except TimeoutError:
        raise TooSlow(f"the pattern {pattern[:80]} takes too long on this text") from None


def readable(pattern: str) -> bool:
    """Tell whether a pattern can be used: not longer than `LONGEST`, and of this dialect."""
    try:
        _compiled(pattern)
    except (regex.error, RecursionError, OverflowError):
        return False
    return True


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> "regex.Pattern[str]":
    if len(pattern) > LONGEST:
        raise regex.error(f"longer than {LONGEST} characters")
    return regex.compile(_PARTS.sub(_translated, pattern))


def _translated(part: "regex.Match[str]") -> str:
    return {"$": r"\Z", "{": r"\{"}.get(part[0], part[0])
