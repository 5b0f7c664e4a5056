"""A database: `list_tables` and `query`, which only reads; with `write=True` also `execute`, which asks a person.

Values go in as parameters and are never part of a statement; each call is one statement in a transaction of its own.
SQLite files are opened read-only, with a guard that refuses whatever is not reading. Postgres gets a read-only
transaction; there the last word is the role's: give one that may do no more than read.
"""

from typing import Any

from agentkit import Tool, tool
from agentkit.errors import ConfigurationError
from agentkit_tools._postgres import Postgres
from agentkit_tools._sqlite import SQLite
from agentkit_tools._statements import Database, Limits, Value, shown

__all__ = ["Limits", "tools"]

_PLACES = {"sqlite": "?", "postgresql": "$1, $2 and so on"}


def tools(
    url: str, *, write: bool = False, prefix: str = "", untrusted: bool = True, limits: Limits | None = None
) -> tuple[Tool[object, Any, Any], ...]:
    """Return the tools for one database.

    Args:
        url: "sqlite:///relative.db", "sqlite:////absolute.db" or "postgresql://…".
        write: whether there is `execute` (`once`, asks a person): it inserts, updates and deletes rows.
        prefix: what the tools' names begin with, for an agent with two databases.
        untrusted: whether rows are data from outside, as they are where customers' words are stored.
        limits: how much one call may take.

    Raises:
        ConfigurationError: the URL is of neither kind, the file is not there, or psycopg is not installed.
    """
    kind, _, rest = url.partition("://")
    limits = limits or Limits()
    database: Database
    if kind == "sqlite" and rest.startswith("/"):
        database = SQLite(rest[1:], limits)
    elif kind in {"postgresql", "postgres"}:
        kind, database = "postgresql", Postgres(url, limits)
    else:
        raise ConfigurationError(f'{kind}:… is no database: write "sqlite:///shop.db" or "postgresql://host/shop".')
    bodies = Sql(database, limits)
    told = f"\n\nIt is {'SQLite' if kind == 'sqlite' else 'Postgres'}; write {_PLACES[kind]} where a parameter goes."
    made: list[Tool[object, Any, Any]] = [
        tool(effect="read", name=f"{prefix}list_tables", untrusted=untrusted)(bodies.list_tables),
        tool(effect="read", name=f"{prefix}query", description=_QUERY + told, untrusted=untrusted)(bodies.query),
    ]
    if write:
        declared = tool(effect="once", name=f"{prefix}execute", description=_EXECUTE + told, needs_approval=True)
        made.append(declared(bodies.execute))
    return tuple(made)


_QUERY = (
    f"""Read from the database with one SQL statement. Rows come back as JSON, at most {Limits().rows} by default."""
)
_EXECUTE = "Change rows of the database with one SQL statement: INSERT, UPDATE or DELETE."


class Sql:
    """The bodies of the tools. They wait, so agentkit runs them in threads."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits

    def list_tables(self) -> str:
        """List the tables of the database with their columns."""
        return shown(self._database.tables(), self._limits)

    def query(self, statement: str, parameters: list[Value] | None = None) -> str:
        """Read from the database.

        Args:
            statement: one SQL statement; values that come from elsewhere go into the parameters.
            parameters: the values, in order.
        """
        return shown(self._database.rows(statement, parameters or ()), self._limits)

    def execute(self, statement: str, parameters: list[Value] | None = None) -> str:
        """Change rows.

        Args:
            statement: one SQL statement; values that come from elsewhere go into the parameters.
            parameters: the values, in order.
        """
        return f"{self._database.change(statement, parameters or ())} rows were changed."
