"""The shop: a database file, its transactions, and the log of what was changed under which key."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import Field, asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, cast

from agentkit import ToolError

ResultT = TypeVar("ResultT", covariant=True)
BUSY_SECONDS = 30.0


class Change(Protocol[ResultT]):
    """What somebody wants changed: a dataclass whose fields are the tool's arguments."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    tool: ClassVar[str]

    def apply(self, db: sqlite3.Connection, /) -> ResultT:
        """Check the shop's rules, then write.

        Raises:
            ToolError: The rules forbid it; nothing was written.
        """
        ...


@dataclass(frozen=True)
class Shop:
    """A shop in one SQLite file, safe to use from several threads and processes at once.

    Every look-up and every change opens a connection of its own: nothing is shared, nothing is left to close.

    Attributes:
        path: An existing shop; `seed.seeded` and `load.load` make new ones.
    """

    path: Path

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view of the books.

        Raises:
            FileNotFoundError: There is no shop at this path.
        """
        with self._connection() as db:
            db.execute("BEGIN")
            yield db

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is written, or, when anything raises, none.

        Raises:
            FileNotFoundError: There is no shop at this path.
        """
        with self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.rollback()
                raise
            db.commit()

    def perform(self, change: Change[ResultT], *, key: str) -> ResultT:
        """Make a change once, however often it is asked for under the same key.

        Args:
            change: What is to be done.
            key: The idempotency key; a repeated one returns the recorded result and does nothing.

        Raises:
            ToolError: The shop's rules forbid the change; nothing was written.
            ValueError: The key is empty, or was used for another change.
        """
        if not key:
            raise ValueError("a change needs an idempotency key: without one it could not be told from its repetition")
        with self.changing() as db:
            done = _logged(db, change, key)
            if done is not None:
                return done
            result = change.apply(db)
            db.execute(
                "INSERT INTO change_log (idempotency_key, tool, arguments, result) VALUES (?, ?, ?, ?)",
                (key, change.tool, _arguments(change), json.dumps(result)),
            )
        return result

    def recorded(self, change: Change[ResultT], *, key: str) -> ResultT | None:
        """What came of a change under this key: its result, or None if it never happened.

        Args:
            change: What was asked for.
            key: The idempotency key it was asked under.

        Raises:
            ValueError: The key was used for another change.
        """
        with self.reading() as db:
            return _logged(db, change, key)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if not self.path.exists():
            raise FileNotFoundError(
                f"no shop at {self.path}: make one with seed.seeded(path) or load.load(path, books)"
            )
        with closing(connect(self.path)) as db:
            try:
                yield db
            except UnicodeEncodeError as error:  # models do send them; SQLite stores characters only
                raise ToolError(
                    "A text holds half of a surrogate pair, which is no character. Leave it out."
                ) from error


def connect(path: Path) -> sqlite3.Connection:
    """Open a database file, made if it is absent, the way the shop wants it: rows by name, transactions by hand.

    Args:
        path: The file.
    """
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA foreign_keys = ON")
    return db


def _arguments(change: Change[ResultT]) -> str:
    return json.dumps(asdict(change), sort_keys=True)


def _logged(db: sqlite3.Connection, change: Change[ResultT], key: str) -> ResultT | None:
    row = db.execute("SELECT tool, arguments, result FROM change_log WHERE idempotency_key = ?", (key,)).fetchone()
    if row is None:
        return None
    if (row["tool"], row["arguments"]) != (change.tool, _arguments(change)):
        raise ValueError(f"the key {key!r} belongs to another change: {row['tool']}({row['arguments']})")
    return cast("ResultT", json.loads(row["result"]))
