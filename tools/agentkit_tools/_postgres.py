"""Postgres for the sql tools: each statement in a connection and a transaction of its own, read-only unless it writes.

A statement is always sent by the extended protocol, which takes one statement and no second one behind a semicolon.
What the server's functions may do is the role's business: give the tools a role that may do no more than read.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from agentkit import ToolError
from agentkit.errors import ConfigurationError
from agentkit_tools._statements import Limits, Value, check

try:
    import psycopg
except ImportError:  # only those who give a postgresql:// URL need it
    psycopg = None  # type: ignore[assignment]

_CONNECT_SECONDS = 5
_TABLES = """
    select format('%s.%s (%s)', table_schema, table_name,
        string_agg(column_name || ' ' || data_type, ', ' order by ordinal_position))
    from information_schema.columns where table_schema not in ('pg_catalog', 'information_schema')
    group by table_schema, table_name order by 1
"""


class Postgres:
    """A database on a server.

    Raises:
        ConfigurationError: psycopg is not installed.
    """

    def __init__(self, url: str, limits: Limits) -> None:
        if psycopg is None:
            raise ConfigurationError("Postgres needs psycopg: pip install 'agentkit-reasoning[postgres]'.")
        self._url = url
        self._limits = limits

    def rows(self, statement: str, parameters: Sequence[Value]) -> Generator[str, None, None]:
        """Yield the rows of a statement that reads. The server makes the JSON, and cuts a row that is too long."""
        text = check(statement, ("SELECT", "WITH", "VALUES", "TABLE"), self._limits)
        length = self._limits.characters + 1
        # A statement is the model's to write; no value is put into it here.
        wrapped = f"select left(row_to_json(agentkit_row)::text, {length}) from (\n{text}\n) as agentkit_row"  # noqa: S608
        with self._open(read_only=True) as connection, self._refusing("Only reading is allowed here"):
            for row in connection.cursor().stream(_bytes(wrapped), parameters):
                yield row[0]

    def change(self, statement: str, parameters: Sequence[Value]) -> int:
        """Run a statement that changes rows, in a transaction of its own."""
        text = check(statement, ("INSERT", "UPDATE", "DELETE", "MERGE", "WITH"), self._limits)
        with self._open(read_only=False) as connection:
            with self._refusing("Only rows may be inserted, updated and deleted here"):
                _check_silent(connection, _bytes(text))
                # `prepare`: by the extended protocol, also without parameters
                count = connection.execute(_bytes(text), parameters, prepare=True).rowcount
            connection.commit()  # an error here is no refusal: whether it happened is not known
            return count

    def tables(self) -> Generator[str, None, None]:
        """Yield each table with its columns."""
        with self._open(read_only=True) as connection, self._refusing("It cannot be read"):
            for row in connection.execute(_TABLES):
                yield row[0]

    @contextmanager
    def _open(self, *, read_only: bool) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
        """Give a connection that is closed afterwards: what was not committed is undone."""
        milliseconds = int(self._limits.seconds * 1000)
        ours = f"-c statement_timeout={milliseconds} -c default_transaction_read_only={'on' if read_only else 'off'}"
        try:
            own = str(psycopg.conninfo.conninfo_to_dict(self._url).get("options") or "")  # such as a search_path
            connection = psycopg.connect(
                self._url,
                options=f"{own} {ours}",
                connect_timeout=_CONNECT_SECONDS,
                tcp_user_timeout=milliseconds,
                cursor_factory=psycopg.RawCursor,
            )
        except psycopg.Error as error:
            raise ToolError("The database cannot be reached now.") from error
        with closing(connection):
            connection.read_only = read_only
            yield connection

    @contextmanager
    def _refusing(self, allowed: str) -> Iterator[None]:
        try:
            yield
        except psycopg.errors.QueryCanceled as error:
            raise ToolError(
                f"It took longer than the {self._limits.seconds:g} s allowed. Ask for less at a time."
            ) from error
        except (psycopg.Error, UnicodeError) as error:
            why = getattr(getattr(error, "diag", None), "message_primary", None) or type(error).__name__
            raise ToolError(f"The database refused it: {why}. {allowed}, one statement at a time.") from error


def _check_silent(connection: "psycopg.Connection[tuple[Any, ...]]", statement: bytes) -> None:
    """Raise a ToolError if rows would come back: they are not shown, and nothing would bound what they take here."""
    connection.pgconn.prepare(b"", statement)  # what is wrong with it, running it says
    if connection.pgconn.describe_prepared(b"").nfields:
        raise ToolError("Only rows may be changed here, and none come back: leave RETURNING out.")


def _bytes(statement: str) -> bytes:
    """Psycopg wants a literal or bytes; ours is neither made of values nor checked by a type checker."""
    return statement.encode()
