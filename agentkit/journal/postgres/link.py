"""A connection that comes back, and what is known of a piece of work that it was lost in.

Before the commit was asked for, a lost connection has written nothing. From there on nobody knows: the work is asked
again, and looks first whether its earlier attempt got through (`Attempt.doubted`). So it is repeated within a bounded
time, and only then raised: as JournalError where nothing was written for certain, as AppendUncertain where in doubt.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from agentkit.errors import AppendUncertain, JournalError
from agentkit.journal.address import redacted, scrubbed

T = TypeVar("T")
Row: TypeAlias = tuple[Any, ...]

OPENING_SECONDS = 5.0  # so long is waited for a server that never answered: it restarts, or it is not there
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 2.0
# What a frozen process may hold up: a thawed one finds its connection cut, and is fenced.
_SETTINGS = (
    "set timezone = 'UTC'; set idle_in_transaction_session_timeout = '10s'; set lock_timeout = '20s';"
    # A database may be set to lose what was committed; a journal may not. All else that is durable is left as it is.
    "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'"
)
# Where the address says nothing else. A peer that is gone without a word is noticed within 15 s, not in two hours.
_OPTIONS: dict[str, Any] = {
    "application_name": "agentkit",
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}

_LOST = ("08", "57P")  # classes of SQLSTATE: the connection is gone, the server goes down
_PASSING = ("53", "57", "58")  # it lacks something (room, memory), was told to stop, cannot read or write its disk
_AGAIN = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    errors.ReadOnlySqlTransaction,  # a standby now: the next connection may reach the new primary
    errors.TooManyConnections,
)
_WORDS: dict[type[psycopg.Error], str] = {
    errors.DiskFull: "the server's disk is full: make room there and resume",
    errors.OutOfMemory: "the server is out of memory",
    errors.TooManyConnections: "the server has no connection left: raise max_connections, or start fewer processes",
    errors.InsufficientPrivilege: "the user lacks a right on schema `agentkit`",
    errors.InvalidSchemaName: "the tables are gone: `agentkit db upgrade` makes them",
    errors.UndefinedTable: "the tables are gone: `agentkit db upgrade` makes them",
    errors.ReadOnlySqlTransaction: "the server takes no writes: is it a standby?",
    errors.LockNotAvailable: "somebody holds a lock on these rows: look into pg_stat_activity",
    errors.DataError: "a value cannot be stored: ids and names hold neither U+0000 nor half a character",
}


class _Failed(Exception):  # noqa: N818 - within this file; it becomes an error of the tree
    """The database failed; the text says how. `passing`: as in JournalError."""

    def __init__(self, text: str, *, passing: bool = False) -> None:
        super().__init__(text)
        self.passing = passing


class _Again(_Failed):
    """It failed in a way that may pass soon: it is tried again at once."""

    def __init__(self, text: str) -> None:
        super().__init__(text, passing=True)


@dataclass(slots=True)
class Attempt:
    """One attempt at a piece of work, on a connection that works.

    `doubted`: an earlier attempt may have been written. `committing`: from here on a lost connection leaves it open
    whether this one was.
    """

    connection: psycopg.Connection[Row]
    doubted: bool = False
    committing: bool = False

    def rows(self, statement: str, *values: Any) -> list[Row]:
        """Run one statement, and return what it returns."""
        cursor = self.connection.execute(statement, values or None, binary=True)
        return cursor.fetchall() if cursor.description else []

    def named(self, statement: str, values: dict[str, Any]) -> list[Row]:
        """Run one statement whose values have names, and return what it returns."""
        cursor = self.connection.execute(statement, values, binary=True)
        return cursor.fetchall() if cursor.description else []

    def script(self, statements: str) -> None:
        """Run many statements without values."""
        self.connection.execute(statements)


@contextmanager
def transaction(attempt: Attempt) -> Iterator[None]:
    """Commit at the end, or leave nothing."""
    attempt.connection.execute("begin")
    try:
        yield
        attempt.committing = True
        attempt.connection.execute("commit")
        attempt.committing = False
    except BaseException:
        try:
            attempt.connection.execute("rollback")
        except psycopg.Error:  # the connection is gone, and the transaction with it
            attempt.connection.close()
        raise


def _patiently(seconds: float) -> Retrying:
    return Retrying(
        retry=retry_if_exception_type(_Again),
        stop=stop_after_delay(seconds),
        wait=wait_random_exponential(_FIRST_WAIT, _LONGEST_WAIT),
        reraise=True,
    )


class Link:
    """A connection to one address. It belongs to one thread.

    A server that refuses a connection is asked again for a while, whatever it says: one that is about to come up says
    no, too. (libpq's `ping` would tell; psycopg holds the interpreter's lock meanwhile, for as long as nobody answers.)
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: psycopg.Connection[Row] | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def run(self, what: str, work: Callable[[Attempt], T], *, patience: float, reads: bool = False) -> T:
        """Return what `work` returns; it is called again, for `patience` seconds, where that can help.

        Args:
            what: what is being done, for the error's text.
            work: it has to find out, where `Attempt.doubted`, whether it has been done already.
            patience: seconds.
            reads: it writes nothing.

        Raises:
            JournalError: nothing was written; the text says why, and what to do.
            AppendUncertain: whether it was written is not known.
        """
        doubted = False

        def once() -> T:
            nonlocal doubted
            attempt = Attempt(self.connected(), doubted)
            try:
                return work(attempt)
            except psycopg.Error as error:
                is_lost = _is_lost(attempt.connection, error)
                if is_lost:
                    self.close()
                doubted = doubted or (is_lost and attempt.committing)
                if is_lost or isinstance(error, _AGAIN):
                    raise _Again(self._explained(error)) from error
                passing = (error.sqlstate or "").startswith(_PASSING)
                raise _Failed(self._explained(error), passing=passing) from error
            except UnicodeEncodeError as error:
                raise _Failed(f"an id or a name holds half a character: {error}") from error

        try:
            return _patiently(patience)(once)
        except _Failed as error:
            raise _told(what, error, doubted=doubted, reads=reads) from error.__cause__

    def connected(self) -> psycopg.Connection[Row]:
        """Return the connection, a new one where there is none that works.

        Raises:
            _Again: the server is away, or says no. _Failed: the address is none.
        """
        if self._connection is not None and not self._connection.closed:
            return self._connection
        try:
            address = make_conninfo(**(_OPTIONS | conninfo_to_dict(self._address)))
        except psycopg.ProgrammingError:  # libpq quotes all of what it cannot read
            raise _Failed(f"{redacted(self._address)} is no address that Postgres knows") from None
        try:
            self._connection = _connect(address)
        except psycopg.Error as error:
            raise _Again(self._explained(error)) from error
        return self._connection

    def _explained(self, error: psycopg.Error) -> str:
        words = next((words for kind, words in _WORDS.items() if isinstance(error, kind)), "")
        theirs = scrubbed(" ".join((error.diag.message_primary or str(error)).split()), self._address)
        return f"{redacted(self._address)}: {words} ({theirs})" if words else f"{redacted(self._address)}: {theirs}"


def _connect(address: str) -> psycopg.Connection[Row]:
    connection: psycopg.Connection[Row] = psycopg.connect(address, autocommit=True)
    connection.execute(_SETTINGS)
    return connection


def _is_lost(connection: psycopg.Connection[Row], error: psycopg.Error) -> bool:
    unsaid = isinstance(error, errors.OperationalError) and error.sqlstate is None  # by libpq, not by the server
    return unsaid or connection.closed or (error.sqlstate or "").startswith(_LOST)


def _told(what: str, error: _Failed, *, doubted: bool, reads: bool) -> JournalError:
    if reads:
        told = JournalError(f"{what}: {error}")
    elif doubted:
        told = AppendUncertain(
            f"{what}: the connection was lost at commit; written or not is known when the session is loaded again. "
            f"{error}"
        )
    else:
        told = JournalError(f"{what}: nothing was written. {error}")
    told.passing = error.passing
    return told
