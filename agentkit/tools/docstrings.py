"""What docstrings tell: the only home of `docstring_parser`. Google, NumPy, reST and Epydoc style.

No description of a parameter is lost because a docstring mixes styles, leaves out a blank line or breaks a rule of its
style: the style that reads most of it rules, and what another one finds beside that is taken too.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from functools import cache
from textwrap import indent
from typing import Any

from docstring_parser import Docstring, ParseError, epydoc, numpydoc, parse_from_object, rest
from docstring_parser.google import DEFAULT_SECTIONS, GoogleParser, Section, SectionType

from agentkit.core.values import dataclass

_MORE = ("Keyword Args", "Keyword Arguments", "Kwargs", "Other Parameters", "Fields")  # sections of parameters
_GOOGLE = GoogleParser([*DEFAULT_SECTIONS, *(Section(title, "param", SectionType.MULTIPLE) for title in _MORE)])
_READERS: tuple[Callable[[str], Docstring], ...] = (_GOOGLE.parse, numpydoc.parse, rest.parse, epydoc.parse)
_TITLE = re.compile(rf"({'|'.join((*_MORE, 'Args', 'Arguments', 'Parameters', 'Params', 'Attributes'))}):\s*")
_PARAMETER = frozenset({"param", "parameter", "arg", "argument", "attribute", "key", "keyword", "other_param"})
_NOTHING = "(nothing)"
_NAME_ONLY = re.compile(r"\s*\*{0,2}\w+(\s*\(.*\))?")
_DASHED = re.compile(r"(\s*\w+(?:\s*\(.*?\))?)\s+[-\u2013\u2014]+\s+")
_TYPED = re.compile(r"^:(param|parameter|arg|argument|key|keyword)\s[^:]*\s(\w+):")


@dataclass(frozen=True, slots=True)
class Told:
    """What a docstring tells: `about` the thing itself, and of each parameter or field by name."""

    about: str = ""
    of: dict[str, str] = field(default_factory=dict)


def told_by(function: Callable[..., Any]) -> Told:
    """Read the docstring of a function, of what a partial wraps, or of an object that can be called."""
    return _told(_docstring(function))


@cache
def told_by_class(kind: type) -> Told:
    """Read what a class, and those it extends, tell of their fields: in sections, and in texts behind the fields."""
    of: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if each.__module__ not in _NOT_READ:
            of |= _told(each.__dict__.get("__doc__")).of | dict(_behind(each))
    return Told(_told(kind.__dict__.get("__doc__")).about, of)


_NOT_READ = frozenset({"builtins", "typing", "typing_extensions", "pydantic.main", "enum"})


def _docstring(function: Any) -> str | None:
    while hasattr(function, "func") and hasattr(function, "keywords"):  # a partial has the docstring of all partials
        function = function.func
    if inspect.isroutine(function) or isinstance(function, type):
        return inspect.getdoc(function)
    return inspect.getdoc(type(function).__call__) or inspect.getdoc(function)


def _told(given: str | None) -> Told:
    text = _cleaned(given or "")
    readings = [reading for read in _READERS for reading in _readings(read, text)]
    readings.sort(key=lambda reading: -len(reading.meta))  # stable: of equals the first style rules
    if not readings or not readings[0].meta:
        return Told(inspect.cleandoc(given or ""))
    of: dict[str, str] = {}
    for reading in readings:
        of = dict(_params(reading)) | of
    parts = (readings[0].short_description, readings[0].long_description)
    return Told("\n\n".join(part.strip() for part in parts if part and part != _NOTHING), of)


def _cleaned(given: str) -> str:
    text = inspect.cleandoc(given)
    first, _, rest = text.partition("\n")
    if not _TITLE.fullmatch(first):
        return text
    if rest[:1].strip():  # nothing but a section: its lines have lost their indent
        rest = indent(rest, "    ")
    return f"{_NOTHING}\n\n{first}\n{rest}"  # the parser wants something before a section


def _readings(read: Callable[[str], Docstring], text: str) -> Iterator[Docstring]:
    for each in (text, "\n".join(_mended(text.split("\n")))):
        try:
            yield read(each)
        except ParseError:
            continue
        return


def _mended(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines that can be read: a name in a section gets its colon, and a line that goes on is indented."""
    base: int | None = None
    inside = False
    for line in lines:
        depth = len(line) - len(line.lstrip())
        if not depth and line.strip():
            inside, base = bool(_TITLE.fullmatch(line)), None
            yield _TYPED.sub(r":\1 \2:", line)
        elif inside and line.strip():
            base = depth if base is None else base
            yield _entry(line) if depth == base and ":" not in line else line
        else:
            yield line


def _entry(line: str) -> str:
    if _NAME_ONLY.fullmatch(line):
        return f"{line}:"
    return _DASHED.sub(r"\1: ", line, count=1) if _DASHED.match(line) else f"    {line}"


def _params(reading: Docstring) -> Iterator[tuple[str, str]]:
    for each in reading.params:
        if each.description and each.args[0] in _PARAMETER:
            for name in each.arg_name.split(","):  # several at once
                yield name.strip(" *`-\\"), " ".join(each.description.split())


def _behind(kind: type) -> Iterator[tuple[str, str]]:
    """Yield the texts that stand behind fields in the source of a class."""
    try:
        reading = parse_from_object(kind)
    except (TypeError, SyntaxError, ParseError):  # made in a console, or in a way that hides its source
        return
    yield from _params(reading)
