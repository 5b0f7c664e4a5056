"""What the project's pyproject.toml says: where the journal is, and who answers."""

import argparse
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path

from agentkit.errors import ConfigurationError, NoSuchSession
from agentkit.journal import SQLiteJournal
from agentkit.journal.base import Head, Journal

JOURNAL = "agentkit.db"
_KEYS = frozenset({"journal", "agent"})


@dataclass(frozen=True, slots=True)
class Project:
    """`[tool.agentkit]` of the nearest pyproject.toml that has it. `folder` is where that file is."""

    folder: Path
    journal: str | None = None
    agent: str | None = None


def project(start: Path) -> Project:
    """Look for `[tool.agentkit]` in `start` and above.

    Raises:
        ConfigurationError: a pyproject.toml on the way that cannot be read, or says something agentkit does not know.
    """
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file() and (table := _table(file)) is not None:
            return Project(folder, table.get("journal"), table.get("agent"))
    return Project(start)


def _table(file: Path) -> dict[str, str] | None:
    try:
        table = tomllib.loads(file.read_text("utf-8")).get("tool", {}).get("agentkit")
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from error
    if table is None:
        return None
    fits = isinstance(table, dict) and table.keys() <= _KEYS and all(isinstance(each, str) for each in table.values())
    if not fits:
        raise ConfigurationError(f"{file}: [tool.agentkit] holds {' and '.join(sorted(_KEYS))}, both text")
    return table  # type: ignore[no-any-return]  # checked above


def place_of(options: argparse.Namespace) -> str:
    """Return where the journal is that a command is about.

    Raises:
        ConfigurationError: an address of a server, which this version has no journal for.
    """
    here = project(Path.cwd())
    place = options.journal or (str(here.folder / Path(here.journal).expanduser()) if here.journal else JOURNAL)
    if "://" in place:
        raise ConfigurationError(f"--journal {place}: this version keeps journals in SQLite files; name a path")
    return place


def journal_of(options: argparse.Namespace, *, create: bool = False) -> SQLiteJournal:
    """Return the journal that a command is about; without `create` it has to exist.

    Raises:
        ConfigurationError: an address of a server, which this version has no journal for.
    """
    return SQLiteJournal(place_of(options), create=create)


async def known(journal: Journal, session_id: str) -> Head:
    """Return what the journal knows of a session. Raises: NoSuchSession."""
    head = await journal.head(session_id)
    if head is None:
        raise NoSuchSession(f"the journal holds no session {session_id!r}; `agentkit sessions` lists them")
    return head


def hint(options: argparse.Namespace, *words: str) -> str:
    """Return a command line for a person to type, about the same journal."""
    journal = () if options.journal is None else ("--journal", options.journal)
    return shlex.join(("agentkit", *words, *journal))
