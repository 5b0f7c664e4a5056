"""Server-sent events, bytes to JSON values, pure. Lines end at CR, LF or CRLF and nowhere else (never at U+2028)."""

import json
from enum import Enum
from typing import Any, Final

from pydantic_core import from_json

_BOM: Final = b"\xef\xbb\xbf"
_USUAL: Final = b"data: {"
_FIELDS: Final = (b":", b"event", b"id", b"retry")


class Mark(Enum):
    """What a stream may hold besides values."""

    DONE = "[DONE]"


class Events:
    """Decodes a stream fed in chunks of any size.

    A value is given as soon as its line is whole, so that servers that leave out the blank line are read too; a value
    over several `data:` lines is given when they make JSON together. `bad` keeps data that is not JSON, `stray` lines
    that are no field of an event: a service may name its answer a stream and send something else.
    """

    def __init__(self) -> None:
        self.bad: list[bytes] = []
        self.stray: list[bytes] = []
        self._rest: list[bytes] = []  # an unfinished line
        self._open: list[bytes] = []  # data lines that are not JSON yet
        self._begun = False

    def feed(self, chunk: bytes) -> list[Any]:
        """Return the values that `chunk` completed; `Mark.DONE` for the end mark."""
        self._rest.append(chunk)
        if b"\n" not in chunk and b"\r" not in chunk:
            return []
        lines = b"".join(self._rest).splitlines(keepends=True)
        # A CR at the very end may be half of a CRLF: it waits for the next chunk.
        self._rest = [] if lines[-1].endswith(b"\n") else [lines.pop()]
        return self._values(lines)

    def end(self) -> list[Any]:
        """Return what the last, unfinished line held, if it is whole. A cut one is no value and not bad either."""
        values = self._values(b"".join(self._rest).splitlines())
        self._rest = self._open = []
        return values

    def _values(self, lines: list[bytes]) -> list[Any]:
        values: list[Any] = []
        for line in lines:
            if line.startswith(_USUAL) and not self._open:
                try:
                    values.append(from_json(line[6:]))  # JSON takes the line's end for space
                except ValueError:
                    values += self._value(line)
                self._begun = True
            elif line != b"\n" or self._open or not self._begun:
                values += self._value(line)
        return values

    def _value(self, line: bytes) -> list[Any]:
        text = line.rstrip(b"\r\n")
        if not self._begun:
            text, self._begun = text.removeprefix(_BOM), True
        if text.startswith(b"data:"):
            self._open.append(text[5:].removeprefix(b" "))
            return self._whole()
        if not text and self._open:
            self.bad.append(b"\n".join(self._open))
            self._open = []
        elif text and not text.startswith(_FIELDS):
            self.stray.append(text)
        return []

    def _whole(self) -> list[Any]:
        data = b"\n".join(self._open).strip()
        if not data:
            self._open = []
            return []
        if data == b"[DONE]":
            self._open = []
            return [Mark.DONE]
        try:
            value = decode(data)
        except ValueError:
            return []
        self._open = []
        return [value]


def decode(data: bytes) -> Any:
    """Read JSON from bytes, lone surrogates included.

    Raises:
        ValueError: it is not JSON, not UTF-8, or nested beyond reason.
    """
    try:
        return from_json(data)
    except ValueError:
        pass  # it is stricter than the standard library: about lone surrogates, other encodings, and depth
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error
