"""Making and upgrading the tables: numbered SQL files, each run once, all under one lock, and recorded."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, TypeVar

from agentkit.core.values import dataclass
from agentkit.errors import ForeignJournal, JournalError
from agentkit.journal.address import redacted
from agentkit.journal.postgres.link import OPENING_SECONDS, Attempt, Link, transaction

T = TypeVar("T")
_LOCK = 0x61676B74  # "agkt"; an advisory lock is a number for the whole database
_NAME = re.compile(r"(\d{4})_(\w+)\.sql")


class Migration(NamedTuple):
    """A numbered file."""

    number: int
    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Format:
    """What a database holds: the number of its last migration (0: none), and the names of those still to come."""

    at: int
    missing: Sequence[str]


@cache
def migrations() -> Sequence[Migration]:
    """Return all migrations that this version of agentkit knows, in order."""
    found = [
        Migration(int(match[1]), match[2], file.read_text("utf-8"))
        for file in files("agentkit.journal.postgres").iterdir()
        if (match := _NAME.fullmatch(file.name))
    ]
    return sorted(found)


def check(attempt: Attempt, place: str, *, create: bool) -> None:
    """See that the database can be used as it is; make the tables, with `create`, where there are none.

    Raises:
        ForeignJournal: tables of a later version, or of another program. They were not touched.
        JournalError: there are none and none are to be made, or they are of an older version.
    """
    at = _at(attempt, place)
    if at == migrations()[-1].number:
        return
    if at:
        raise JournalError(
            f"{place} is of format {at}, this version of agentkit writes format {migrations()[-1].number}: "
            "stop all that use it, then `agentkit db upgrade`"
        )
    if not create:
        raise JournalError(
            f"{place}: there is no journal here. Look at the address, or make one: `agentkit db upgrade`"
        )
    _upgrade(attempt, place)


def look(address: str) -> Format:
    """Look at what a database holds. Raises: ForeignJournal: tables of a later version, or of another program."""
    at = _run(address, lambda attempt: _at(attempt, redacted(address)))
    return Format(at, [_file(each) for each in migrations() if each.number > at])


def upgrade(address: str) -> Sequence[str]:
    """Run the migrations that a database lacks, and return their names. Raises: as `look`."""
    done = _run(address, lambda attempt: _upgrade(attempt, redacted(address)))
    return [_file(each) for each in done]


def _run(address: str, work: Callable[[Attempt], T]) -> T:
    link = Link(address)
    try:
        return link.run(f"the tables in {redacted(address)}", work, patience=OPENING_SECONDS)
    finally:
        link.close()


def _file(migration: Migration) -> str:
    return f"{migration.number:04}_{migration.name}"


def _at(attempt: Attempt, place: str) -> int:
    """Return the number of the last migration that was run, 0 for none."""
    tables = attempt.rows(
        "select c.relname from pg_class c join pg_namespace s on s.oid = c.relnamespace"
        " where s.nspname = 'agentkit' and c.relkind in ('r', 'p')"
    )
    if not tables:
        return 0
    if ("migration",) not in tables:
        raise ForeignJournal(f"{place} has a schema `agentkit` of another program: it was left as it is")
    ((at,),) = attempt.rows("select coalesce(max(number), 0) from agentkit.migration")
    newest = migrations()[-1].number
    if at > newest:
        raise ForeignJournal(
            f"{place} is a journal of format {at}; this version of agentkit reads up to {newest}. Update agentkit"
        )
    return int(at)


def _upgrade(attempt: Attempt, place: str) -> Sequence[Migration]:
    """Run the migrations that are missing, in one transaction, and return them."""
    with transaction(attempt):
        # Whoever comes second waits here, and then finds nothing to do.
        attempt.rows("select pg_advisory_xact_lock(%s)", _LOCK)
        at = _at(attempt, place)
        missing = [each for each in migrations() if each.number > at]
        if not at:
            attempt.script(
                "create schema if not exists agentkit;"
                "create table agentkit.migration ("
                "number integer primary key, name text not null, at timestamptz not null default now())"
            )
        for each in missing:
            attempt.script(each.sql)
            values: tuple[Any, ...] = (each.number, each.name)
            attempt.rows("insert into agentkit.migration (number, name) values (%s, %s)", *values)
    return missing
