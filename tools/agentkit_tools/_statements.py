"""What the two databases have in common: limits, how a statement begins, how rows are shown."""

import json
import math
import re
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from agentkit import ToolError

Value: TypeAlias = str | int | float | bool | None
# Past blanks and comments to the end of a line. Not past /* */: those nest in one database and not in the other, and
# what one takes for a comment the other would run.
_FIRST = re.compile(r"(?:\s|--[^\r\n]*(?:[\r\n]|$))*([A-Za-z]*)")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one call may take.

    Attributes:
        seconds: that a statement runs. rows: that are shown. characters: of all of them together.
        value: bytes of a single text or blob, also in the middle of a computation (SQLite).
        columns: of a row (SQLite).
        statement: characters of a statement.
    """

    seconds: float = 10.0
    rows: int = 200
    characters: int = 50_000
    value: int = 1_000_000
    columns: int = 100
    statement: int = 20_000


class Database(Protocol):
    """What the tools need of a database. All of it waits, so it is called in threads."""

    def rows(self, statement: str, parameters: Sequence[Value]) -> Generator[str, None, None]:
        """Yield the rows of a statement that reads, each as a JSON object. Raises: ToolError: refused."""
        ...

    def change(self, statement: str, parameters: Sequence[Value]) -> int:
        """Run a statement that changes rows, and return how many. Raises: ToolError: refused, nothing was changed."""
        ...

    def tables(self) -> Generator[str, None, None]:
        """Yield each table with its columns. Raises: ToolError: the database cannot be read."""
        ...


def check(statement: str, words: Iterable[str], limits: Limits) -> str:
    """Return a statement without its semicolon. Raises: ToolError: too long, or it does not begin with such a word."""
    if len(statement) > limits.statement or "\0" in statement:
        raise ToolError(f"A statement has at most {limits.statement} characters, and no NUL.")
    begun = _FIRST.match(statement)
    if begun is None or begun[1].upper() not in words:
        raise ToolError(f"Only one statement that begins with {', '.join(words)} is allowed.")
    return statement.strip().removesuffix(";")


def shown(rows: Generator[str, None, None], limits: Limits) -> str:
    """Return rows as lines, as many as the limits allow, and say if there are more."""
    taken: list[str] = []
    room = limits.characters
    with closing(rows):  # what comes after them is not fetched
        for row in rows:
            if len(taken) == limits.rows or len(row) > room:
                part = [f"{row[:room]}…"] if not taken else []
                told = f"(cut: at most {limits.rows} rows of {limits.characters} characters together are shown)"
                return "\n".join([*taken, *part, told])
            taken.append(row)
            room -= len(row) + 1
    return "\n".join(taken) or "(no rows)"


def as_json(names: Sequence[str], values: Sequence[object], most: int) -> str:
    """Return a row as a JSON object, or what of it has more than `most` characters. Columns of one name are members."""
    made = "{"
    for number, (name, value) in enumerate(zip(names, values, strict=True)):
        made += f"{', ' if number else ''}{_text(name)}: {_shown(value, most)}"
        if len(made) > most:
            return made
    return made + "}"


def _shown(value: object, most: int) -> str:
    if isinstance(value, str):
        return _text(value[: most + 1])
    if isinstance(value, bytes):
        return f'"({len(value)} bytes)"'
    if isinstance(value, float) and not math.isfinite(value):
        return f'"{value}"'
    return _text(value)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
