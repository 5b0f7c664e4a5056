"""The contract table: which row rules for a host and a model on a day. It reads `contracts.toml` once, and no clock."""

import tomllib
from collections.abc import Iterable, Sequence
from datetime import date
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from agentkit.core.contract import Contract
from agentkit.errors import ConfigurationError


@cache
def rows() -> tuple[Contract, ...]:
    """Return every row of the table, in its order."""
    text = Path(__file__).with_name("contracts.toml").read_text("utf-8")
    return tuple(Contract.model_validate(row) for row in tomllib.loads(text)["row"])


def ruling(host: str, model: str, today: date, table: Sequence[Contract] | None = None) -> Contract:
    """Return the row that rules for `model` at `host`.

    Raises:
        ConfigurationError: no row matches (the shipped table has one that always does).
    """
    return _best(
        (row for row in table or rows() if _fits(host, row.match.host) and _fits(model, row.match.model)),
        today,
        f"no contract row matches model {model!r} at {host!r}; name one: {_ids(table or rows())}",
    )


def named(contract_id: str, today: date, table: Sequence[Contract] | None = None) -> Contract:
    """Return the row of this id that is in force.

    Raises:
        ConfigurationError: there is none; the text lists the known ids.
    """
    return _best(
        (row for row in table or rows() if row.id == contract_id),
        today,
        f"no contract row {contract_id!r} is in force; there are: {_ids(table or rows())}",
    )


def at_home(model: str, today: date, table: Sequence[Contract] | None = None) -> Contract:
    """Return the row that knows where `model` lives (it has a `base_url`).

    Raises:
        ConfigurationError: no row does; the text lists the known names and shows how to name an address.
    """
    homes = [row for row in table or rows() if row.base_url is not None]
    known = ", ".join(pattern for row in homes for pattern in row.match.model)
    return _best(
        (row for row in homes if _fits(model, row.match.model)),
        today,
        f"unknown model {model!r}: without an address agentkit knows {known}. "
        f'For any other OpenAI-compatible server say where it is: Model("{model}", base_url="https://…/v1")',
    )


def _best(matching: Iterable[Contract], today: date, otherwise: str) -> Contract:
    in_force = [row for row in matching if row.effective_from <= today.isoformat()]
    if not in_force:
        raise ConfigurationError(otherwise)
    return max(in_force, key=lambda row: ("*" not in row.match.host, "*" not in row.match.model, row.effective_from))


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)


def _ids(table: Sequence[Contract]) -> str:
    return ", ".join(dict.fromkeys(row.id for row in table))
