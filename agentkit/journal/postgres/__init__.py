"""The journal on a Postgres server: many machines, the same tables as in a file.

Law: SQL and psycopg stay in this folder. Every table is named with its schema, and no setting of the database is
changed, so that an application and an engine can live in the same database. The clock is the database's. What a lost
connection leaves open is found out by asking again, not guessed.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentkit.journal.postgres.journal import PostgresJournal
    from agentkit.journal.postgres.schema import look, upgrade

__all__ = ["PostgresJournal", "look", "upgrade"]

_HOMES = {"PostgresJournal": "journal", "look": "schema", "upgrade": "schema"}  # psycopg may not be installed


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
