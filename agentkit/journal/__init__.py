"""Where events are kept: memory, SQLite, Postgres; the only truth about a session.

Law: a journal stores and fences; it never interprets. Events alone are the truth, every other table is a projection.
Bodies are bytes. It imports core and errors, and nothing of the driver, models or tools.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentkit.journal.base import Journal
    from agentkit.journal.keys import KeyFolder, KeyRing
    from agentkit.journal.memory import MemoryJournal
    from agentkit.journal.places import open_journal
    from agentkit.journal.postgres import PostgresJournal
    from agentkit.journal.sqlite import SQLiteJournal

__all__ = ["Journal", "KeyFolder", "KeyRing", "MemoryJournal", "PostgresJournal", "SQLiteJournal", "open_journal"]

_HOMES = {
    "Journal": "base",
    "KeyFolder": "keys",
    "KeyRing": "keys",
    "MemoryJournal": "memory",
    "PostgresJournal": "postgres",
    "SQLiteJournal": "sqlite",
    "open_journal": "places",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
