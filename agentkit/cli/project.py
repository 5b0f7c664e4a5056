"""What the project's pyproject.toml says: where the journal is, and who answers."""

import argparse
import os
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agentkit import journal as journals
from agentkit.cli.named import found
from agentkit.errors import ConfigurationError, NoSuchSession
from agentkit.journal import open_journal
from agentkit.journal.address import is_address, redacted
from agentkit.journal.base import Head, Journal
from agentkit.redaction import Redaction

if TYPE_CHECKING:
    from agentkit.journal.keys import KeyRing

JOURNAL = "agentkit.db"
_KEYS = frozenset({"journal", "agent", "keys", "master_key_env", "redaction"})


@dataclass(frozen=True, slots=True)
class Project:
    """`[tool.agentkit]` of the nearest pyproject.toml that has it. `folder` is where that file is."""

    folder: Path
    journal: str | None = None
    agent: str | None = None
    keys: str | None = None  # a folder of data keys
    master_key_env: str | None = None  # the environment variable that holds their master key
    redaction: str | None = None  # MODULE:NAME of the rules


def project(start: Path) -> Project:
    """Look for `[tool.agentkit]` in `start` and above.

    Raises:
        ConfigurationError: a pyproject.toml on the way that cannot be read, or says something agentkit does not know.
    """
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file() and (table := _table(file)) is not None:
            return Project(folder, **table)
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
        raise ConfigurationError(f"{file}: [tool.agentkit] holds {', '.join(sorted(_KEYS))}, all text")
    return table  # type: ignore[no-any-return]  # checked above


def place_of(options: argparse.Namespace) -> str:
    """Return where the journal is that a command is about: a path, or a server's address. Show it `redacted`."""
    here = project(Path.cwd())
    if options.journal or not here.journal:
        return options.journal or JOURNAL
    return here.journal if is_address(here.journal) else str(here.folder / Path(here.journal).expanduser())


def journal_of(options: argparse.Namespace, *, create: bool = False) -> Journal:
    """Return the journal that a command is about; without `create` it has to exist.

    Raises:
        ConfigurationError: as `open_journal`; or a folder of keys, a master key or rules that cannot be used.
    """
    here = project(Path.cwd())
    rules = None if here.redaction is None else found(here.redaction, here.folder, "redaction", "a Redaction")
    if not isinstance(rules, Redaction | None):
        raise ConfigurationError(f"redaction {here.redaction}: this is no agentkit.redaction.Redaction")
    ttl = getattr(options, "ttl", 15.0)
    return open_journal(place_of(options), create=create, ttl=ttl, keys=_keys(here), redaction=rules)


def _keys(here: Project) -> "KeyRing | None":
    if here.keys is None:
        return None
    if here.master_key_env is None:
        raise ConfigurationError("[tool.agentkit] keys: say with master_key_env which variable holds the master key")
    try:
        master = bytes.fromhex(os.environ.get(here.master_key_env, ""))
    except ValueError:
        master = b""
    if not master:
        raise ConfigurationError(
            f"{here.master_key_env} holds no master key: 64 hexadecimal digits, as "
            "`python -c 'import secrets; print(secrets.token_hex(32))'` makes them"
        )
    return journals.KeyFolder(here.folder / Path(here.keys).expanduser(), master)


async def known(journal: Journal, session_id: str) -> Head:
    """Return what the journal knows of a session. Raises: NoSuchSession."""
    head = await journal.head(session_id)
    if head is None:
        raise NoSuchSession(f"the journal holds no session {session_id!r}; `agentkit sessions` lists them")
    return head


def hint(options: argparse.Namespace, *words: str) -> str:
    """Return a command line for a person to type, about the same journal."""
    journal = () if options.journal is None else ("--journal", redacted(options.journal))
    return shlex.join(("agentkit", *words, *journal))
