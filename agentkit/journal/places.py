"""From a place, as a person names it, to the journal that is kept there."""

import os
from typing import TYPE_CHECKING, Any

from agentkit.errors import ConfigurationError
from agentkit.journal import postgres
from agentkit.journal.address import SCHEMES, is_address, redacted
from agentkit.journal.base import Journal
from agentkit.journal.sqlite import SQLiteJournal

if TYPE_CHECKING:
    from agentkit.journal.keys import KeyRing
    from agentkit.redaction import Redaction


def open_journal(
    place: str | os.PathLike[str],
    *,
    create: bool = True,
    ttl: float = 15.0,
    keys: "KeyRing | None" = None,
    redaction: "Redaction | None" = None,
) -> Journal:
    """Return the journal of a place: a file's path, or a server's address, `postgresql://…`. Open it: `async with`.

    Args:
        place: where it is.
        create: make it where there is none; else that is an error when it is opened.
        ttl: seconds after which the lease of a process that stopped renewing it runs out.
        keys: data keys that what is said is sealed with (journal/keys.py).
        redaction: rules applied before anything is written (agentkit/redaction.py).

    Raises:
        ConfigurationError: an address of something else; or psycopg, which an address needs, is not installed.
    """
    place = os.fspath(place)
    settings: dict[str, Any] = {"create": create, "ttl": ttl, "keys": keys, "redaction": redaction}
    if not is_address(place):
        return SQLiteJournal(place, **settings)
    made: Journal = on_server(place, "PostgresJournal")(place, **settings)
    return made


def on_server(place: str, name: str) -> Any:
    """Return what `agentkit.journal.postgres` has under a name, for an address. Raises: as `open_journal`."""
    if not place.startswith(SCHEMES):
        raise ConfigurationError(
            f"{redacted(place)}: a journal is a SQLite file, named by its path, or a database of a Postgres server: "
            "postgresql://user@host/name"
        )
    try:
        return getattr(postgres, name)
    except ImportError as error:
        raise ConfigurationError(
            f"{redacted(place)} needs a package that is not here ({error}): pip install 'agentkit-reasoning[postgres]'"
        ) from error
