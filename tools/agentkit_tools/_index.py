"""The index of a folder of documents: a table of full-text search in SQLite, brought up to date before each search.

A document is read again when its stamp (times, size and inode) is another one. The index is made of the documents and
of nothing else: one that is lost is made anew.
"""

import csv
import os
import re
import sqlite3
import stat
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from threading import Lock

from agentkit import ToolError
from agentkit.errors import ConfigurationError
from agentkit_tools._passages import Passage, passages
from agentkit_tools._rooted import Rooted, names_of

_FORM = 0x616B0001  # user_version of a file that is ours, and of this form
_DOCUMENTS = "documents (path TEXT PRIMARY KEY, stamp TEXT, problem TEXT, low INTEGER, high INTEGER)"
_COLUMNS = "heading, text, path UNINDEXED, first UNINDEXED, last UNINDEXED"
_PASSAGES = f"passages USING fts5 ({_COLUMNS}, tokenize = 'unicode61 remove_diacritics 2')"
_TABLES = (
    f"CREATE TABLE {_DOCUMENTS}",  # low, high: the rows of its passages, which come one after another
    f"CREATE VIRTUAL TABLE {_PASSAGES}",
    f"PRAGMA user_version = {_FORM}",
)
_SEARCH = "SELECT path, heading, first, last, text FROM passages WHERE passages MATCH ? ORDER BY rank, rowid LIMIT ?"
_ADD = "INSERT INTO passages (path, heading, first, last, text) VALUES (?, ?, ?, ?, ?)"
_WORD = re.compile(r"[^\W_]+")
_TERMS = 20
_PREFIX = 4  # letters from which on a word also finds those that begin with it
_GROWTH = 4  # times its limit of bytes that a document may become: the names of columns and headings are repeated
_ROW = 100  # characters that a passage counts for beside its own


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one call may take.

    Attributes:
        characters: of a result. passages: of a search. documents: in the folder. bytes: of one document.
        depth: folders below each other. seconds: that bringing the index up to date takes.
    """

    characters: int = 20_000
    passages: int = 20
    documents: int = 10_000
    bytes: int = 5_000_000
    depth: int = 30
    seconds: float = 30.0


@dataclass(frozen=True)
class Found:
    """A passage that was found, and the document it is in."""

    path: str
    passage: Passage


class Index:
    """Documents of one folder, and where words are in them.

    Args:
        read: returns a document's text. Raises: ToolError: it has none.

    Raises:
        ConfigurationError: this SQLite has no full-text search, or the file is something else.
    """

    def __init__(
        self, root: Rooted, names: Collection[str], read: Callable[[int, str], str], limits: Limits, file: str
    ) -> None:
        self._root = root
        self._names = tuple(names)
        self._read = read
        self._limits = limits
        self._file = file
        self._lock = Lock()  # calls come from threads, and a connection is for one at a time
        self._kept = sqlite3.connect(file, check_same_thread=False) if file == ":memory:" else None
        try:
            with self._connection() as connection:
                _prepare(connection)
        except sqlite3.Error as error:
            raise ConfigurationError(f"index {file!r} cannot be used: {error}. Name a new file, or none.") from error

    def holds(self, path: str) -> bool:
        """Tell whether a file of this path would be a document."""
        names = names_of(path)
        return bool(names) and not any(map(_hidden, names)) and _named(names[-1], self._names)

    def search(self, query: str, most: int) -> tuple[list[Found], str]:
        """Return the best passages, and what was left out of the index.

        Raises:
            ToolError: the query has no word, or the index cannot be read.
        """
        words = list(dict.fromkeys(each[:100].lower() for each in _WORD.findall(query)))[:_TERMS]
        if not words:
            raise ToolError("Error: give words to look for.")
        try:
            with self._lock, self._connection() as connection:
                _prepare(connection)  # somebody may have removed the file
                note = self._refresh(connection)
                return _matching(connection, words, most), note
        except sqlite3.Error as error:
            raise ToolError(f"Error: the index cannot be searched now ({type(error).__name__}): {error}.") from error

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if self._kept is not None:
            yield self._kept
            return
        os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))  # it holds the documents' words
        with closing(sqlite3.connect(self._file, timeout=self._limits.seconds)) as connection:
            yield connection

    def _refresh(self, connection: sqlite3.Connection) -> str:
        """Bring the index up to date; return what is not in it."""
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            known = dict(connection.execute("SELECT path, stamp FROM documents"))
            walk = _Walk(self._root, self._names, self._limits)
            seen = set()
            for path, stamp in walk.documents():
                seen.add(path)
                if known.get(path) != stamp:
                    self._take(connection, path, stamp)
            if not walk.late:
                for path in known.keys() - seen:
                    _forget(connection, path)
            problems = connection.execute("SELECT path, problem FROM documents WHERE problem <> '' ORDER BY path")
            return _left_out([*walk.problems, *(problem for _, problem in problems)], walk.stopped)

    def _take(self, connection: sqlite3.Connection, path: str, stamp: str) -> None:
        _forget(connection, path)
        rows: list[int | None] = []
        problem = ""
        try:
            for each in _bounded(path, passages(path, self._contents(path)), _GROWTH * self._limits.bytes):
                added = connection.execute(_ADD, (path, each.heading, each.first, each.last, each.text))
                rows.append(added.lastrowid)
        except ToolError as error:
            problem = str(error).removesuffix(".")
        except (csv.Error, ValueError) as error:  # of a broken document; a number of 5,000 digits is one to `unescape`
            problem = f"{path} can be read in part only ({type(error).__name__})"
        low, high = (rows[0], rows[-1]) if rows else (0, 0)
        connection.execute("INSERT INTO documents VALUES (?, ?, ?, ?, ?)", (path, stamp, problem, low, high))

    def _contents(self, path: str) -> str:
        with self._root.file(names_of(path)) as descriptor:
            if os.fstat(descriptor).st_size > self._limits.bytes:
                raise ToolError(f"{path} has more than {self._limits.bytes} bytes")
            return self._read(descriptor, path)


def _bounded(path: str, made: Iterator[Passage], room: int) -> Iterator[Passage]:
    """Yield passages that have room together. Raises: ToolError: there are more."""
    for each in made:
        room -= len(each.heading) + len(each.text) + _ROW
        if room < 0:
            raise ToolError(f"{path} is too long from line {each.first} on")
        yield each


class _Walk:
    """One walk down the folder. `problems` and `stopped` say what it left out; `late`: it has not seen all."""

    def __init__(self, root: Rooted, names: tuple[str, ...], limits: Limits) -> None:
        self._root = root
        self._names = names
        self._limits = limits
        self._until = time.monotonic() + limits.seconds
        self._count = 0
        self.problems: list[str] = []
        self.stopped = ""
        self.late = False

    def documents(self) -> Iterator[tuple[str, str]]:
        """Yield (path, stamp) of each document."""
        with self._root.directory(()) as directory:
            yield from self._below(directory, "", self._limits.depth)

    def _below(self, directory: int, folder: str, depth: int) -> Iterator[tuple[str, str]]:
        for name in sorted(os.listdir(directory)):
            if self._over():
                return
            path = f"{folder}/{name}" if folder else name
            if _hidden(name):
                continue
            try:
                found = os.stat(name, dir_fd=directory, follow_symlinks=False)
                path.encode("utf-8")
                if stat.S_ISDIR(found.st_mode):
                    yield from self._folder(path, depth)
                elif _named(name, self._names):
                    self._count += 1
                    yield (
                        path,
                        f"{found.st_mtime_ns} {found.st_ctime_ns} {found.st_size} {found.st_ino} {found.st_mode}",
                    )
            except (ToolError, OSError, UnicodeError) as error:
                self.problems.append(str(error) if isinstance(error, ToolError) else f"{path!r} cannot be opened")

    def _folder(self, path: str, depth: int) -> Iterator[tuple[str, str]]:
        if depth == 0:
            raise ToolError(f"{path} is nested too deep")
        with self._root.directory(names_of(path)) as below:
            yield from self._below(below, path, depth - 1)

    def _over(self) -> bool:
        if self._count >= self._limits.documents:
            self.stopped = f"only {self._limits.documents} documents are searched"
        elif time.monotonic() > self._until:
            self.late = True
            self.stopped = "not all documents are indexed yet: search again to go on"
        return bool(self.stopped)


def _hidden(name: str) -> bool:
    return name.startswith(".")


def _named(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name.lower(), each.lower()) for each in patterns)


def _prepare(connection: sqlite3.Connection) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        (form,) = connection.execute("PRAGMA user_version").fetchone()
        if form == _FORM:
            return
        _check_empty(connection)
        for statement in _TABLES:
            connection.execute(statement)


def _check_empty(connection: sqlite3.Connection) -> None:
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
        raise sqlite3.DatabaseError("it holds other things")


def _forget(connection: sqlite3.Connection, path: str) -> None:
    for low, high in connection.execute("SELECT low, high FROM documents WHERE path = ?", (path,)).fetchall():
        connection.execute("DELETE FROM passages WHERE rowid BETWEEN ? AND ?", (low, high))
    connection.execute("DELETE FROM documents WHERE path = ?", (path,))


def _matching(connection: sqlite3.Connection, words: list[str], most: int) -> list[Found]:
    """Return passages that hold all words, then those that hold some. Words are quoted: none is an operator."""
    terms = [f'"{each}"*' if len(each) >= _PREFIX else f'"{each}"' for each in words]
    found: dict[Found, None] = {}
    for joined in (" AND ".join(terms), " OR ".join(terms)):
        for path, heading, first, last, text in connection.execute(_SEARCH, (joined, most)):
            found.setdefault(Found(path, Passage(heading, first, last, text)))
    return list(found)[:most]


def _left_out(problems: list[str], stopped: str) -> str:
    told = "; ".join(problems[:3])
    more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""  # noqa: PLR2004 - those that are told
    return "".join((f"\n(left out: {told}{more})" if problems else "", f"\n({stopped})" if stopped else ""))
