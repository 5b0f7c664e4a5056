"""Calls that leaked into `content` as DSML markup, pure: recognised anywhere, read where the row repairs them.

Source: CONTRACTS.md, 2.10: wrappers `tool_calls` and `function_calls`, full-width and ASCII bars, tags with spaces,
`string="true"` for raw text and `string="false"` for JSON. Like the vendor's own parser, it does not mend bad markup.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Final

from agentkit.models.sse import decode
from agentkit.models.tags import quoted

_KINDS: Final = ("tool_calls", "function_calls", "invoke", "parameter")
_BAR: Final = "\uff5c"  # the full-width bar
_MARK: Final = rf"[{_BAR}|]\s*DSML\s*[{_BAR}|]\s*"
_CALLS: Final = "tool[_ ]calls|function[_ ]calls|invoke"
_TAG: Final = re.compile(rf"<\s*(?P<end>/?)\s*{_MARK}(?P<kind>{_CALLS}|parameter)\b(?P<rest>[^<>]*)>")
_OPENING: Final = re.compile(rf"<\s*{_MARK}(?:{_CALLS})(?=\W)")  # not at the end: more letters may follow
_ATTRIBUTE: Final = re.compile(r'(\w+)\s*=\s*"([^"]*)"')
_LONGEST: Final = 60  # characters that may be the beginning of an opening tag


class MarkupError(Exception):
    """The markup is not whole, or not as documented."""


def found(text: str) -> int | None:
    """Return where markup of calls begins outside code, None where it does not."""
    places = (match.start() for match in _OPENING.finditer(text)) if "<" in text else ()
    return next((at for at in places if not quoted(text, at)), None)


class Gate:
    """Holds a text back from where markup of calls begins, or may begin."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._held = ""
        self._caught: list[str] = []

    def feed(self, text: str) -> str:
        """Take the next piece. Returns what can be shown of it."""
        if self._caught:
            self._caught.append(text)
            return ""
        if self._held or "<" in text:
            text = self._scan(self._held + text)
        self._said.append(text)
        return text

    def flush(self) -> tuple[str, str]:
        """Return what was held back and is no markup, and the markup."""
        held, caught = self._held, "".join(self._caught)
        self._held, self._caught = "", []
        self._said.append(held)
        return held, caught

    def _scan(self, text: str) -> str:
        self._held = ""
        at = text.find("<")
        while at >= 0:
            if _OPENING.match(text, at) and not quoted("".join((*self._said, text)), at + sum(map(len, self._said))):
                self._caught = [text[at:]]
                return text[:at]
            if _may_open(text[at:]):
                self._held = text[at:]
                return text[:at]
            at = text.find("<", at + 1)
        return text


def _may_open(tail: str) -> bool:
    if len(tail) > _LONGEST:
        return False
    bare = re.sub(r"[\s_]", "", tail).replace(_BAR, "|")
    return any(f"<|DSML|{kind.replace('_', '')}".startswith(bare) for kind in _KINDS[:3]) and not _OPENING.match(tail)


@dataclass(slots=True)
class _Reader:
    """What has been read of the markup: the calls, and the ones still open."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    name: str | None = None  # of the open call
    fields: list[str] = field(default_factory=list)
    parameter: dict[str, str] | None = None

    def tag(self, between: str, tag: re.Match[str]) -> None:
        """Take a tag and what stands before it."""
        kind, end = tag["kind"], bool(tag["end"])
        if self.parameter is not None:
            self._value(between)
        elif between.strip():
            self._bare(between.strip())
        if kind == "parameter" and not end:
            self._begin(dict(_ATTRIBUTE.findall(tag["rest"])))
        elif kind == "invoke" and not end:
            self._call(dict(_ATTRIBUTE.findall(tag["rest"])))
        elif kind == "invoke":
            self._end()

    def _value(self, raw: str) -> None:
        """Write a parameter as a member of a JSON object; JSON goes in as it stands."""
        given = self.parameter or {}
        self.parameter = None
        if given.get("string", "true") == "true":
            raw = json.dumps(raw, ensure_ascii=False)
        else:
            _json(raw)
        self.fields.append(f"{json.dumps(given['name'], ensure_ascii=False)}: {raw.strip()}")

    def _bare(self, raw: str) -> None:
        """Take arguments that were written as one JSON object, without parameters."""
        if self.name is None or self.fields or not isinstance(_json(raw), dict):
            raise MarkupError(f"unexpected text {raw[:60]!r}")
        self.fields = [raw[1:-1].strip()]

    def _begin(self, given: dict[str, str]) -> None:
        if self.name is None or not given.get("name"):
            raise MarkupError("a parameter without a call or a name")
        self.parameter = given

    def _call(self, given: dict[str, str]) -> None:
        if self.name is not None or not given.get("name"):
            raise MarkupError("a call inside a call, or without a name")
        self.name, self.fields = given["name"], []

    def _end(self) -> None:
        if self.name is None:
            raise MarkupError("the end of a call that has no beginning")
        self.calls.append((self.name, "{" + ", ".join(self.fields) + "}"))
        self.name = None


def parse(markup: str) -> tuple[list[tuple[str, str]], str]:
    """Read markup. Returns the calls (name, arguments as JSON text) and the text behind it.

    Raises:
        MarkupError: it is not whole, or not as documented; then no call of it counts.
    """
    reader, at = _Reader(), 0
    for tag in _TAG.finditer(markup):
        if reader.parameter is not None and not (tag["end"] and tag["kind"] == "parameter"):
            continue  # part of the value
        reader.tag(markup[at : tag.start()], tag)
        at = tag.end()
    if reader.name is not None or not reader.calls:
        raise MarkupError("it breaks off inside a call")
    return reader.calls, markup[at:]


def _json(raw: str) -> object:
    try:
        return decode(raw.encode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise MarkupError(f"{raw[:60]!r} is not JSON") from error
