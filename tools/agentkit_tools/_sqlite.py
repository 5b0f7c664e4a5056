"""SQLite for the sql tools: a connection for each statement, and a guard that is asked about each step of it."""

import os
import sqlite3
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from agentkit import ToolError
from agentkit.errors import ConfigurationError
from agentkit_tools._statements import Limits, Value, as_json, check

_READING: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})
_CHANGING: Final = _READING | {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}
_NO_FUNCTIONS: Final = frozenset({"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"})
_STEPS = 100  # of SQLite's machine, between two looks at the clock: one that compares long texts takes long
_TABLES = (
    "select name, type from sqlite_schema where type in ('table', 'view') and name not like 'sqlite\\_%' escape '\\' "
    "order by name"
)
_COLUMNS = "select group_concat(name || ' ' || type, ', ') from pragma_table_info(?)"
_VIRTUAL = """select '"' || replace(name, '"', '""') || '"' from sqlite_schema where sql like 'create virtual %'"""


class SQLite:
    """A database in a file.

    Raises:
        ConfigurationError: there is no such file.
    """

    def __init__(self, path: str | os.PathLike[str], limits: Limits) -> None:
        if not Path(path).is_file():
            raise ConfigurationError(f"the database {os.fspath(path)!r} is not there: make it first, or mend the URL.")
        self._path = Path(path).absolute()
        self._limits = limits

    def rows(self, statement: str, parameters: Sequence[Value]) -> Generator[str, None, None]:
        """Yield the rows of a statement that reads."""
        text = check(statement, ("SELECT", "WITH", "VALUES", "EXPLAIN"), self._limits)
        with _refusing("Only reading is allowed here", self._limits), self._open("ro") as connection:
            self._open_virtual(connection)
            connection.set_authorizer(_Guard(_READING))
            cursor = connection.execute(text, tuple(parameters))
            names = [each[0] for each in cursor.description or ()]
            for row in cursor:
                yield as_json(names, row, self._limits.characters)

    def change(self, statement: str, parameters: Sequence[Value]) -> int:
        """Run a statement that changes rows, in a transaction of its own."""
        text = check(statement, ("INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"), self._limits)
        with self._open("rw") as connection:
            with _refusing("Only rows may be inserted, updated and deleted here", self._limits):
                connection.execute("begin immediate")
                self._open_virtual(connection)
                connection.set_authorizer(_Guard(_CHANGING))
                cursor = connection.execute(text, tuple(parameters))
                for _ in cursor:  # of RETURNING: it has to be read to its end
                    pass
            connection.set_authorizer(None)
            count: int = connection.execute("select changes()").fetchone()[0]  # `rowcount` knows none behind WITH
            _commit(connection)
            return count

    def tables(self) -> Generator[str, None, None]:
        """Yield each table with its columns."""
        with _refusing("It cannot be read", self._limits), self._open("ro") as connection:
            for name, kind in connection.execute(_TABLES).fetchall():
                yield f"{name} ({_columns(connection, name)})" + (" [a view]" if kind == "view" else "")

    def _open_virtual(self, connection: sqlite3.Connection) -> None:
        """Have virtual tables set up before the guard is there: to SQLite that looks like making a table."""
        # Reads the schema: a table of more columns than a row may have is known by now, and can be asked for some.
        for (quoted,) in connection.execute(_VIRTUAL).fetchall():
            with suppress(sqlite3.Error):  # of a module that is not there: whoever asks for it is told
                connection.execute(f"select 1 from {quoted} limit 0")  # noqa: S608 - a quoted name
        connection.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, self._limits.columns)

    @contextmanager
    def _open(self, mode: str) -> Iterator[sqlite3.Connection]:
        uri = f"file:{quote(os.fspath(self._path))}?mode={mode}"
        with closing(sqlite3.connect(uri, uri=True, timeout=self._limits.seconds, isolation_level=None)) as connection:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self._limits.value)
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            connection.execute("pragma trusted_schema = off")  # a view of the file calls no function with side effects
            connection.execute("pragma foreign_keys = on")  # SQLite does not keep what the file declares unless told
            until = time.monotonic() + self._limits.seconds
            connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
            yield connection


class _Guard:
    """What SQLite asks before each step of a statement; what is not known to be harmless is refused."""

    def __init__(self, allowed: frozenset[int]) -> None:
        self._allowed = allowed

    def __call__(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action == sqlite3.SQLITE_FUNCTION:
            fine = (second or "").lower() not in _NO_FUNCTIONS
        elif action == sqlite3.SQLITE_PRAGMA:
            fine = (first, second) == ("data_version", None)  # full-text tables ask for it themselves
        else:
            fine = action in self._allowed and not (action in _CHANGING - _READING and _inner(first))
        return sqlite3.SQLITE_OK if fine else sqlite3.SQLITE_DENY


def _commit(connection: sqlite3.Connection) -> None:
    """Commit. Raises: ToolError: nothing was changed. sqlite3.Error: whether it was is not known."""
    try:
        connection.execute("commit")
    except sqlite3.Error as error:
        if not connection.in_transaction:
            raise
        # somebody reads, or a foreign key does not hold: it could be tried again, and is undone instead
        raise ToolError(f"The database refused it, and nothing was changed: {error}.") from error


def _columns(connection: sqlite3.Connection, table: str) -> str:
    try:
        return str(connection.execute(_COLUMNS, (table,)).fetchone()[0])
    except sqlite3.OperationalError as error:  # a view of what is gone
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        return f"it cannot be read: {error}"


def _inner(table: str | None) -> bool:
    return (table or "").lower().startswith("sqlite_")


@contextmanager
def _refusing(allowed: str, limits: Limits) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeError) as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            raise ToolError(f"It took longer than the {limits.seconds:g} s allowed. Ask for less.") from error
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_TOOBIG:
            raise ToolError(f"A value of at most {limits.value} bytes is allowed.") from error
        raise ToolError(f"The database refused it: {error}. {allowed}, one statement at a time.") from error
