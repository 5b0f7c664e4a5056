"""Documents of one folder: full-text search with citations, and reading on where one was found.

Nothing outside the folder is reached and no link is followed, as in `files`. A query is words: nothing in it is an
operator. What is found is told with its file, heading and lines, and its words as they stand there.
"""

import os
from collections.abc import Collection
from typing import Annotated, Any

from pydantic import Field

from agentkit import Tool, ToolError, tool
from agentkit.errors import ConfigurationError
from agentkit_tools import files
from agentkit_tools._index import Found, Index, Limits
from agentkit_tools._rooted import Rooted

__all__ = ["Limits", "tools"]

_DOCUMENTS = ("*.md", "*.markdown", "*.txt", "*.rst", "*.html", "*.htm", "*.csv", "*.tsv")


def tools(
    folder: str | os.PathLike[str],
    *,
    names: Collection[str] = _DOCUMENTS,
    index: str | os.PathLike[str] | None = None,
    trusted: bool = False,
    encoding: str = "utf-8",
    limits: Limits | None = None,
) -> tuple[Tool[object, Any, Any], ...]:
    """Return the tools for a folder of documents.

    Args:
        folder: where they are; folders below it count, names that begin with a dot do not.
        names: which files are documents, by their names; upper and lower case alike.
        index: a file to keep the index in; None: in memory, made anew by each process.
        trusted: whether what the documents say may be believed as a user's words are; by default it is data.
        encoding: of all documents.
        limits: how much one call may take.

    Raises:
        ConfigurationError: there is no such folder or encoding, or the index cannot be made.
    """
    if isinstance(names, str) or not names:
        raise ConfigurationError('names is a list of patterns, such as ["*.md", "*.txt"].')
    bounds = limits or Limits()
    root = Rooted(folder)
    reading = files.Limits(characters=bounds.characters, scanned=bounds.bytes, depth=bounds.depth)
    documents = Documents(root, files.Files(root, _known(encoding), reading), bounds, tuple(names), index)
    declared = tool(effect="read", untrusted=not trusted)
    return declared(documents.search_documents), declared(documents.read_document)


def _known(encoding: str) -> str:
    try:
        "".encode(encoding)
    except LookupError as error:
        raise ConfigurationError(f"encoding={encoding!r} is not known to Python: say utf-8, or latin-1.") from error
    return encoding


class Documents:
    """The bodies of the tools."""

    def __init__(
        self,
        root: Rooted,
        reader: files.Files,
        limits: Limits,
        names: tuple[str, ...],
        index: str | os.PathLike[str] | None,
    ) -> None:
        self._reader = reader
        self._limits = limits
        self._index = Index(root, names, self._text, limits, ":memory:" if index is None else os.fspath(index))

    def search_documents(self, query: str, passages: Annotated[int, Field(ge=1, le=Limits.passages)] = 5) -> str:
        """Search the documents and get the passages that fit best, each with its source: file, lines and headings.

        Cite the source of what you use, such as [manual.md, lines 10-14].

        Args:
            query: words that the passage should hold; other forms of a word may need a search of their own.
            passages: how many to get.
        """
        found, note = self._index.search(query, min(passages, self._limits.passages))
        if not found:
            return f"(nothing was found; try other words){note}"
        room = self._limits.characters
        shown: list[str] = []
        for each in found:
            told = _cited(each)
            if shown and len(told) > room:
                note = f"\n({len(found) - len(shown)} more were found, and are too long to show){note}"
                break
            shown.append(told[: self._limits.characters])
            room -= len(told)
        return "\n\n".join(shown) + note

    def read_document(
        self, path: str, start: Annotated[int, Field(ge=1)] = 1, lines: Annotated[int, Field(ge=1)] = 200
    ) -> str:
        """Read lines of a document, to see more of what surrounds a passage.

        Args:
            path: as search_documents told it.
            start: the first line to read; 1 is the first of the file.
            lines: how many lines to read.
        """
        if not self._index.holds(path):
            raise ToolError(f"Error: {path!r} is no document: give a path as search_documents tells it.")
        return self._reader.read_file(path, start, lines)

    def _text(self, descriptor: int, path: str) -> str:
        return "".join(line for _, line in self._reader.lines(descriptor, path))


def _cited(found: Found) -> str:
    passage = found.passage
    lines = f"line {passage.first}" if passage.first == passage.last else f"lines {passage.first}-{passage.last}"
    under = f", under {passage.heading}" if passage.heading else ""
    quoted = "\n".join(f"> {line}" for line in passage.text.splitlines())
    return f"[{found.path}, {lines}]{under}\n{quoted}"
