"""The contract table: which row rules for a host and a model on a day. It reads `contracts.toml` once, and no clock."""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Final

from agentkit.core.contract import Contract
from agentkit.errors import ConfigurationError
from agentkit.models.rows import File, read

_WITH_PORT: Final = re.compile(r"[^:]*:(\d+|\*)")  # `*:11434`, and not `::1`
_NAME: Final = re.compile(r"([\w./-]*\w)\*?")  # patterns that a name is seen in: `kimi-k3*`, and not `qwen3.?-*`


def rows() -> tuple[Contract, ...]:
    """Return every row of the shipped table, in its order."""
    return _shipped().rows


def of_file(path: Path) -> tuple[Contract, ...]:
    """Return the rows of a user's file; a row may be `like` a shipped one.

    Raises:
        ConfigurationError: the file cannot be read or a row is wrong: one line per problem.
    """
    return read(path, _shipped().tables).rows


def ruling(host: str, model: str, today: date, *tables: Sequence[Contract], port: int | None = None) -> Contract:
    """Return the row that rules for `model` at `host`: of the first table that has one (the shipped one by default).

    Raises:
        ConfigurationError: no row matches (the shipped table has one that always does).
    """
    tables = tables or (rows(),)
    for table in tables:
        matching = (row for row in table if _at(host, port, row.match.host) and _fits(model, row.match.model))
        if found := _best(matching, today):
            return found
    raise ConfigurationError(f"no contract row matches model {model!r} at {host!r}; name one: {_ids(*tables)}")


def means_file(text: str) -> bool:
    """Tell whether a text that should be a row's id is a file of rows: by its ending, or because it is there."""
    if text.endswith(".toml"):
        return True
    try:
        return text not in {"auto", *(row.id for row in rows())} and Path(text).is_file()
    except OSError:  # longer than any path
        return False


def named(contract_id: str, today: date, table: Sequence[Contract] | None = None) -> Contract:
    """Return the row of this id that is in force.

    Raises:
        ConfigurationError: there is none; the text lists the known ids, and says which one may have been meant.
    """
    table = rows() if table is None else table
    if found := _best((row for row in table if row.id == contract_id), today):
        return found
    known = {row.id for row in table}
    hint = "" if contract_id in known else _meant(contract_id, known)
    raise ConfigurationError(f"no contract row {contract_id!r} is in force.{hint} There are: {_ids(table)}")


def at_home(model: str, today: date, own: Sequence[Contract] = (), table: Sequence[Contract] | None = None) -> Contract:
    """Return the row that knows where `model` lives (it has a `base_url`): of the user's own, else of the table.

    In the table a row has to list the name: one that takes any name there, or that is a gateway, is no home. In a file
    of their own users say what they mean.

    Raises:
        ConfigurationError: no row does; the text lists the known names and shows how to name an address.
    """
    mine = (row for row in own if row.base_url is not None and _fits(model, row.match.model))
    homes = [(row, _listed(row)) for row in (rows() if table is None else table) if row.base_url and not row.gateway]
    found = _best(mine, today) or _best((row for row, names in homes if _fits(model, names)), today)
    if found is None:
        known = dict.fromkeys(pattern for _, names in homes for pattern in names)
        hint = _meant(model, (name[1] for pattern in known if (name := _NAME.fullmatch(pattern))))
        raise ConfigurationError(
            f"unknown model {model!r}.{hint} Without an address agentkit knows {', '.join(known)}. "
            f'For any other OpenAI-compatible server say where it is: Model("{model}", base_url="https://…/v1")'
        )
    return found


@cache
def _shipped() -> File:
    return read(Path(__file__).with_name("contracts.toml"))


def _best(matching: Iterable[Contract], today: date) -> Contract | None:
    in_force = [row for row in matching if row.effective_from <= today.isoformat()]
    return max(in_force, key=_rank, default=None)


def _rank(row: Contract) -> tuple[bool, bool, str]:
    return "*" not in row.match.host, "*" not in row.match.model, row.effective_from


def _listed(row: Contract) -> tuple[str, ...]:
    return tuple(pattern for pattern in row.match.model if pattern != "*")


def _at(host: str, port: int | None, patterns: tuple[str, ...]) -> bool:
    with_port = f"{host}:{port or ''}"
    return any(_fits(with_port if _WITH_PORT.fullmatch(pattern) else host, (pattern,)) for pattern in patterns)


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)


def _meant(text: str, known: Iterable[str]) -> str:
    close = get_close_matches(text.lower(), known, 1, cutoff=0.7)
    return f" Did you mean {close[0]!r}?" if close else ""


def _ids(*tables: Sequence[Contract]) -> str:
    return ", ".join(dict.fromkeys(row.id for table in tables for row in table))
