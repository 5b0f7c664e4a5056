"""Files of one folder: list, read and search them, and with `write=True` write, edit and delete them.

Nothing outside the folder is reached: not by `..`, not by an absolute path, not by a link of either kind, not by one
put in while a call runs. Only regular files are opened. What is read comes from outside: it is untrusted.
"""

import io
import os
import stat
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import Field

from agentkit import Outcome, Tool, ToolError, tool
from agentkit.errors import ConfigurationError
from agentkit_tools._rooted import TEMPORARY, Rooted, file_names_of, names_of, refusing, replaceable

_WORKING = ("write_file", "edit_file", "delete_file")
_LINE = 300  # characters of a line that a search shows


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one call may take.

    Attributes:
        characters: of a result. scanned: bytes read in one call. written: bytes of a file that is written or edited.
        entries: names that one listing shows. depth: folders below each other that a search goes down.
        seconds: that reading a file or a search takes.
    """

    characters: int = 50_000
    scanned: int = 50_000_000
    written: int = 5_000_000
    entries: int = 1000
    depth: int = 30
    seconds: float = 10.0


def tools(
    folder: str | os.PathLike[str],
    *,
    write: bool = False,
    ask: Collection[str] = ("delete_file",),
    encoding: str = "utf-8",
    hard_links: bool = False,
    limits: Limits | None = None,
) -> tuple[Tool[object, Any, Any], ...]:
    """Return the tools for the files of one folder.

    Args:
        folder: what all paths are relative to.
        write: whether there are `write_file`, `edit_file` and `delete_file`.
        ask: which of those a person has to agree to.
        encoding: of all files.
        hard_links: whether files that have a second name, perhaps outside the folder, are read.
        limits: how much one call may take.

    Raises:
        ConfigurationError: there is no such folder, encoding or tool to ask for.
    """
    if strange := set(ask) - set(_WORKING):
        raise ConfigurationError(f"ask={sorted(strange)}: a person can be asked before {', '.join(_WORKING)}.")
    try:
        "".encode(encoding)
    except LookupError as error:
        raise ConfigurationError(f"encoding={encoding!r} is not known to Python: say utf-8, or latin-1.") from error
    files = Files(Rooted(folder, hard_links=hard_links), encoding, limits or Limits())
    reading = tool(effect="read", untrusted=True)
    read = (reading(files.list_files), reading(files.read_file), reading(files.search_files))
    if not write:
        return read
    edit = tool(effect="once", needs_approval="edit_file" in ask)(files.edit_file)
    edit.reconcile(files.was_edited)
    delete = tool(effect="once", needs_approval="delete_file" in ask)(files.delete_file)
    delete.reconcile(files.was_deleted)
    return (*read, tool(effect="idempotent", needs_approval="write_file" in ask)(files.write_file), edit, delete)


class Files:
    """The bodies of the tools."""

    def __init__(self, root: Rooted, encoding: str, limits: Limits) -> None:
        self.root = root
        self._encoding = encoding
        self.limits = limits

    def list_files(self, folder: str = ".") -> str:
        """List what is in a folder. Folders end with a slash, files show their size in bytes.

        Args:
            folder: a path inside the folder you work in; "." is that folder itself.
        """
        with self.root.directory(names_of(folder)) as directory, refusing(folder):
            names = _names(directory)
            shown = [_entry(directory, name) for name in names[: self.limits.entries]]
        if rest := len(names) - len(shown):
            shown.append(f"({rest} more are not shown: at most {self.limits.entries} are)")
        return self._cut("\n".join(shown)) or "(the folder is empty)"

    def read_file(
        self, path: str, start: Annotated[int, Field(ge=1)] = 1, lines: Annotated[int, Field(ge=1)] = 2000
    ) -> str:
        """Read lines of a text file.

        Args:
            path: a path inside the folder you work in.
            start: the first line to read; 1 is the first of the file.
            lines: how many lines to read.
        """
        taken: list[str] = []
        room = self.limits.characters
        number = 0
        with self.root.file(file_names_of(path)) as descriptor:
            for number, line in self.lines(descriptor, path):
                if number < start:
                    continue
                if number >= start + lines or len(line) > room:
                    taken.append(self._going_on(path, number, line[:room] if not taken else ""))
                    break
                taken.append(line)
                room -= len(line)
        if not taken and start > 1:
            raise ToolError(f"{path} has {number} lines, so there is no line {start}.")
        return "".join(taken) or "(the file is empty)"

    def search_files(self, text: str, folder: str = ".", names: str = "*") -> str:
        """Find lines that contain a text, in all files below a folder. It is a plain text, not a pattern.

        Args:
            text: what to look for; upper and lower case differ.
            folder: where; "." is the folder you work in.
            names: which files, by their names, such as *.md.
        """
        if not text or "\n" in text:
            raise ToolError("Give a text of one line to look for.")
        search = _Search(self, text, names[:200])
        with self.root.directory(names_of(folder)) as directory:
            return self._cut("\n".join(search.results(directory, "/".join(names_of(folder)))))

    def write_file(self, path: str, text: str) -> str:
        """Write a text file, new or in place of the one that was there; folders on the way to it are made.

        Args:
            path: a path inside the folder you work in.
            text: the whole contents.
        """
        names = file_names_of(path)
        data = self._encoded(text)
        with self.root.directory(names[:-1], make=True) as directory:
            self.root.replace(directory, names[-1], data)
        return f"{path} is written: {len(data)} bytes."

    def edit_file(self, path: str, old: str, new: str) -> str:
        """Replace a text in a file by another one. The old text has to occur exactly once, to the letter.

        Args:
            path: a path inside the folder you work in.
            old: what is there now, with enough of its surroundings to be the only such place.
            new: what is to be there.
        """
        names = file_names_of(path)
        if not old or old == new:
            raise ToolError("Give the text to replace in `old`, and another one in `new`.")
        with self.root.directory(names[:-1]) as directory:
            before = self._contents(directory, names[-1], path)
            if (found := before.count(old)) != 1:
                hint = "read the file again" if not found else "give more of what surrounds the place you mean"
                raise ToolError(f"`old` occurs {found} times in {path}, and it has to occur once: {hint}.")
            self.root.replace(directory, names[-1], self._encoded(before.replace(old, new)))
        return f"{path} is edited."

    async def was_edited(self, path: str, old: str, new: str) -> Outcome[str]:
        """Tell by the file: one of the two texts is there and the other is not, or nobody can tell."""
        names = file_names_of(path)
        with self.root.directory(names[:-1]) as directory:
            now = self._contents(directory, names[-1], path)
        if new and new in now and old not in now:
            return Outcome.happened(f"{path} is edited.")
        return Outcome.not_happened() if new and new not in now and now.count(old) == 1 else Outcome.unknown()

    def delete_file(self, path: str) -> str:
        """Delete a file for good.

        Args:
            path: a path inside the folder you work in.
        """
        names = file_names_of(path)
        with self.root.directory(names[:-1]) as directory:
            if replaceable(directory, names[-1]) is None:
                raise ToolError(f"{path} is not there.")
            with refusing(path):
                os.unlink(names[-1], dir_fd=directory)
        return f"{path} is deleted."

    async def was_deleted(self, path: str) -> Outcome[str]:
        """Tell by whether the file is there."""
        names = file_names_of(path)
        with self.root.directory(names[:-1]) as directory:
            there = replaceable(directory, names[-1]) is not None
        return Outcome.not_happened() if there else Outcome.happened(f"{path} is deleted.")

    def _contents(self, directory: int, name: str, path: str) -> str:
        with self.root.opened(directory, name, path) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(self.limits.written + 1)
        self._check_size(data)
        text = self._decoded(data, path)
        if "\0" in text:
            raise ToolError(_binary(path))
        return text

    def _decoded(self, data: bytes, path: str) -> str:
        try:
            return data.decode(self._encoding)
        except UnicodeError as error:
            raise ToolError(self._undecodable(path)) from error

    def _encoded(self, text: str) -> bytes:
        try:
            data = text.encode(self._encoding)
        except UnicodeError as error:
            raise ToolError(f"The text cannot be written in {self._encoding}.") from error
        self._check_size(data)
        return data

    def _check_size(self, data: bytes) -> None:
        if len(data) > self.limits.written:
            raise ToolError(f"A file of at most {self.limits.written} bytes can be written or edited; that is more.")

    def lines(self, descriptor: int, path: str) -> Iterator[tuple[int, str]]:
        """Yield (number, line). A line longer than a result may be comes in pieces of that many characters.

        Raises:
            ToolError: it is no text, or longer than one call reads.
        """
        with os.fdopen(descriptor, "rb", closefd=False) as raw:
            text = io.TextIOWrapper(
                raw, encoding=self._encoding, newline="\n"
            )  # as in every editor: only \n ends a line
            try:
                with refusing(path, but=UnicodeError):
                    yield from self._pieces(text, raw, path)
            except UnicodeError as error:
                raise ToolError(self._undecodable(path)) from error
            finally:
                text.detach()

    def _pieces(self, text: io.TextIOWrapper, raw: io.BufferedReader, path: str) -> Iterator[tuple[int, str]]:
        number = 1
        until = time.monotonic() + self.limits.seconds
        while piece := text.readline(self.limits.characters + 1):
            if "\0" in piece:
                raise ToolError(_binary(path))
            if raw.tell() > self.limits.scanned:
                raise ToolError(f"{path} is too long: {self.limits.scanned} bytes of a file are read, not more.")
            if time.monotonic() > until:
                raise ToolError(f"{path} takes longer to read than the {self.limits.seconds:g} s allowed.")
            yield number, piece
            number += piece.endswith("\n")

    def _going_on(self, path: str, number: int, part: str) -> str:
        if part:
            return f"{part}\n({path}: line {number} is longer than the {self.limits.characters} characters shown)"
        return f"\n({path} goes on: read on with start={number})"

    def _undecodable(self, path: str) -> str:
        return f"{path} is no text in {self._encoding}: only such files can be read."

    def _cut(self, text: str) -> str:
        limit = self.limits.characters
        return text if len(text) <= limit else f"{text[:limit]}\n(cut: {limit} characters are shown)"


class _Search:
    """One search: a walk down the folders that stops when it has shown, read or taken enough."""

    def __init__(self, files: Files, text: str, names: str) -> None:
        self._files = files
        self._text = text
        self._names = names
        self._limits = files.limits
        self._until = time.monotonic() + self._limits.seconds
        self._room = self._limits.scanned
        self._stopped = ""
        self._skipped = 0

    def results(self, directory: int, folder: str) -> Iterator[str]:
        """Yield a line for each place, and what was left out."""
        characters = self._limits.characters
        found = 0
        for each in self._walk(directory, folder, self._limits.depth):
            found += 1
            yield each
            characters -= len(each) + 1
            if characters < 0:
                self._stopped = "there are more"
                break
        if self._skipped:
            yield f"({self._skipped} entries were left out: links, no text, too long, or nested too deep)"
        if self._stopped:
            yield f"(stopped: {self._stopped}; search a smaller folder)"
        elif not found:
            yield "(no line contains it)"

    def _walk(self, directory: int, folder: str, depth: int) -> Iterator[str]:
        for name in _names(directory):
            if self._over():
                return
            path = f"{folder}/{name}" if folder else name
            try:
                yield from self._entry(directory, name, path, depth)
            except (ToolError, OSError):  # said in the end: how many were left out
                self._skipped += 1

    def _entry(self, directory: int, name: str, path: str, depth: int) -> Iterator[str]:
        if stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            if depth == 0:
                raise ToolError(f"{path} is nested too deep.")
            with self._files.root.directory(names_of(path)) as below:
                yield from self._walk(below, path, depth - 1)
        elif fnmatchcase(name, self._names):
            with self._files.root.opened(directory, name, path) as descriptor:
                yield from self._file(descriptor, path)

    def _over(self) -> bool:
        if self._room < 0 or time.monotonic() > self._until:
            self._stopped = f"{self._limits.scanned} bytes or {self._limits.seconds:g} s are enough for one search"
        return bool(self._stopped)

    def _file(self, descriptor: int, path: str) -> Iterator[str]:
        for number, line in self._files.lines(descriptor, path):
            self._room -= len(line)
            if self._over():
                return
            if len(line) > self._limits.characters:  # a piece of a line: a place across two pieces would be missed
                raise ToolError(f"{path}: line {number} is too long.")
            if self._text in line:
                yield f"{path}:{number}: {_around(line, self._text)}"


def _around(line: str, text: str) -> str:
    line = line.rstrip("\r\n")
    if len(line) <= _LINE:
        return line
    begin = max(0, line.index(text) - _LINE // 3)
    return f"…{line[begin : begin + _LINE]}…"


def _names(directory: int) -> list[str]:
    return sorted(name for name in os.listdir(directory) if not name.startswith(TEMPORARY))


def _entry(directory: int, name: str) -> str:
    shown = name.encode("utf-8", "replace").decode("utf-8")  # a name need not be text
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return f"{shown} (gone meanwhile)"
    if stat.S_ISDIR(found.st_mode):
        return f"{shown}/"
    if stat.S_ISLNK(found.st_mode):
        return f"{shown} (a link: not followed)"
    return f"{shown} ({found.st_size} bytes)" if stat.S_ISREG(found.st_mode) else f"{shown} (no file)"


def _binary(path: str) -> str:
    return f"{path} is no text: only text files can be read."
