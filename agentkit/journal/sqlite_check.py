"""Looking at a journal file that may be damaged: nothing is written, nothing is made, and it need not be readable."""

import sqlite3
from pathlib import Path

from agentkit.core.values import dataclass
from agentkit.journal.sqlite_open import explained, open_reader

_MOST = 3  # findings that are told of a damaged file


@dataclass(frozen=True, slots=True)
class Checked:
    """What a look at a file told: its format, and what is wrong with it, empty where nothing is."""

    format: int
    damage: str


def check(path: Path) -> Checked:
    """Look at every page of a journal file (`pragma quick_check`).

    Raises:
        JournalError: it cannot be opened; ForeignJournal: it is no SQLite file.
    """
    try:
        db = open_reader(path)
        try:
            (found,) = db.execute("pragma user_version").fetchone()
            rows = [row for (row,) in db.execute(f"pragma quick_check({_MOST})")]
        finally:
            db.close()
    except sqlite3.Error as error:
        raise explained(error, path) from error
    return Checked(found, "" if rows == ["ok"] else "; ".join(rows))
