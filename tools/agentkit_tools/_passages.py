"""Documents as passages: a few lines of text each, with the heading they stand under and the lines they come from."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from itertools import chain, groupby, zip_longest
from typing import Any

_PASSAGE = 1200  # characters: about what one answer is found in
_HEADING = re.compile(r"(#{1,6})\s+(\S.*)")  # one way to fit: a line is a stranger's, and `re` holds every thread
_FENCE = re.compile(r"\s*(```|~~~)")
_UNSEEN = frozenset({"script", "style", "template", "noscript", "svg", "head"})
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*|!|\?)")
_TITLE = re.compile(r"h([1-6])")
_HEADINGS = 200  # characters of the headings above a passage


@dataclass(frozen=True)
class Passage:
    """A piece of a document. `heading`: those above it, outermost first. `first`, `last`: its lines, from 1."""

    heading: str
    first: int
    last: int
    text: str


@dataclass(frozen=True)
class Line:
    """A line of text, its number in the file, and its level where it is a heading (0: it is none)."""

    number: int
    text: str
    level: int = 0


def passages(name: str, text: str) -> Iterator[Passage]:
    """Yield the passages of a document, read by how its name ends: Markdown, HTML, CSV, or else plain text."""
    ending = name.lower().rpartition(".")[2]
    if ending in {"csv", "tsv"}:
        yield from _of_table(text, "\t" if ending == "tsv" else ",")
    elif ending in {"html", "htm", "xhtml"}:
        yield from _cut(_of_html(text))
    elif ending in {"md", "markdown"}:
        yield from _cut(_of_markdown(text))
    else:
        yield from _cut(Line(number, line) for number, line in _numbered(text))


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines; only line feeds end one, as in every editor and in the tools that read files."""
    return enumerate((line.rstrip("\r") for line in text.split("\n")), 1)


def _of_markdown(text: str) -> Iterator[Line]:
    fenced = False
    for number, line in _numbered(text):
        fenced ^= _FENCE.match(line) is not None
        found = None if fenced or len(line) > _PASSAGE else _HEADING.match(line)
        yield Line(number, _title(found[2]), len(found[1])) if found else Line(number, line)


def _title(text: str) -> str:
    """Return a heading without the marks that may close it, which stand behind a blank: not those of `C#`."""
    text = text.rstrip()
    bare = text.rstrip("#")
    return bare.rstrip() if bare.endswith((" ", "\t")) else text


def _of_html(text: str) -> Iterator[Line]:
    for (number, level), group in groupby(_seen(text), key=lambda each: (each.number, each.level)):
        yield Line(number, " ".join(each.text for each in group), level)


def _seen(text: str) -> Iterator[Line]:
    """Yield what a reader of the page sees. Each character is looked at once: `html.parser` is quadratic on some."""
    level, place, number = 0, 0, 1
    while place < len(text):
        begin = _next_tag(text, place)
        for below, line in enumerate(text[place:begin].split("\n")):
            if line.strip():
                yield Line(number + below, " ".join(unescape(line).split()), level)
        tag = _TAG.match(text, begin)
        name = tag[2].lower() if tag else ""
        if title := _TITLE.fullmatch(name):
            level = 0 if tag and tag[1] else int(title[1])
        end = _end_of(text, begin, name if tag and not tag[1] else "")
        number += text.count("\n", place, end)
        place = end


def _next_tag(text: str, place: int) -> int:
    found = _TAG.search(text, place)
    return found.start() if found else len(text)


def _end_of(text: str, begin: int, name: str) -> int:
    """Return where a tag or a comment ends, and behind what is never shown: its closing tag. Unclosed: the end."""
    if name in _UNSEEN:
        closing = re.compile(f"</{name}", re.IGNORECASE).search(text, begin)
        if closing is None:
            return len(text)
        begin = closing.start()
    mark = "-->" if text.startswith("<!--", begin) else ">"
    end = text.find(mark, begin)
    return end + len(mark) if end >= 0 else len(text)


def _of_table(text: str, delimiter: str) -> Iterator[Passage]:
    """Read a table: each row beside the names of its columns, so that a row can be understood alone."""
    rows = csv.reader((f"{line}\n" for _, line in _numbered(text)), delimiter=delimiter)
    yield from _cut(_rows(rows))


def _rows(rows: Any) -> Iterator[Line]:
    head: list[str] = []
    last = 0
    for row in rows:
        first, last = last + 1, rows.line_num
        cells = [" ".join(cell.split()) for cell in row]
        if not head:
            head = cells
            yield Line(first, ", ".join(cells))
        else:
            named = zip_longest(head[: len(cells)], cells, fillvalue="more")
            yield Line(first, "; ".join(f"{name}: {cell}" for name, cell in named))


def _cut(lines: Iterator[Line]) -> Iterator[Passage]:
    """Gather lines into passages: one ends before a heading, or when it is long, at best at an empty line."""
    headings: dict[int, str] = {}
    gathered: list[Line] = []
    size = 0
    for line in chain.from_iterable(map(_pieces, lines)):
        ends = size > _PASSAGE / 2 and not line.text.strip()
        if gathered and (line.level or ends or size + len(line.text) > _PASSAGE):
            yield from _passage(headings, gathered)
            gathered, size = [], 0
        if line.level:
            headings = {level: text for level, text in headings.items() if level < line.level}
            headings[line.level] = line.text
        if line.text.strip():
            gathered.append(line)
            size += len(line.text) + 1
    yield from _passage(headings, gathered)


def _pieces(line: Line) -> Iterator[Line]:
    if len(line.text) <= _PASSAGE:
        yield line
    else:
        for begin in range(0, len(line.text), _PASSAGE):
            yield Line(line.number, line.text[begin : begin + _PASSAGE])


def _passage(headings: dict[int, str], lines: list[Line]) -> Iterator[Passage]:
    if lines:
        above = " > ".join(headings[level] for level in sorted(headings))
        yield Passage(above[:_HEADINGS], lines[0].number, lines[-1].number, "\n".join(each.text for each in lines))
