"""Contract rows from TOML files: read, laid over the rows they start from, checked, and refused in words for people.

What is wrong with a row is found here and not by the row's type: rows that sessions recorded are read back by the
type alone, so a check that is new today cannot make an old journal unreadable.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeAlias

from agentkit.core.contract import INLINE_TAGS, ITEMS, Contract, Row, typed
from agentkit.core.request import legal_id
from agentkit.core.values import dataclass
from agentkit.errors import ConfigurationError
from agentkit.models import address

Table: TypeAlias = dict[str, Any]

_HOME: Final = ("base_url", "api_key_env", "price_provider", "price_model")  # facts of one address
_TAKEN: Final = frozenset({"role", "content", "tool_calls", "tool_call_id", "name"})  # fields with another meaning
_MADE: Final = "call_ and 32, or just 9, of the digits 0-9a-f"  # core/request, legal_id
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WANTED: Final[Mapping[str, str]] = {  # pydantic's types of error, in words for who writes TOML
    "tuple_type": "it should be a list",
    "too_long": "it should be a list of two",
    "model_type": "it should be a table",
    "dict_type": "it should be a table",
    "string_type": "it should be a string",
    "bool_type": "it should be true or false",
    "bool_parsing": "it should be true or false",
    "int_type": "it should be a whole number",
    "int_parsing": "it should be a whole number",
    "int_from_float": "it should be a whole number",
    "finite_number": "it should be a whole number",
}


@dataclass(frozen=True, slots=True)
class File:
    """What a file holds: its rows, and the tables they came from, with `like` followed."""

    rows: tuple[Contract, ...]
    tables: tuple[Table, ...]


def read(path: Path, above: Sequence[Table] = ()) -> File:
    """Read a file of rows; a row may start from one of `above`, or from an earlier one of the file (`like`).

    Raises:
        ConfigurationError: the file cannot be read, is no TOML (the text names the line), or holds rows that are
            wrong: one line per problem, with the row's number and id, the field, and what is allowed.
    """
    said: list[str] = []
    rows: list[Contract] = []
    tables: list[Table] = []
    for number, given in enumerate(_given(path), 1):
        wrong: list[str] = []
        table = _whole(given, [*above, *tables], wrong)
        row = None if wrong else _row(table, wrong)
        if row is not None and any((other.id, other.effective_from) == (row.id, row.effective_from) for other in rows):
            wrong.append(f"there is a row of this id and effective_from = {row.effective_from!r} above it")
        said += [f"{path}, row {number} ({given.get('id', 'without id')}): {what}" for what in wrong]
        tables.append(table)
        rows += [row] if row is not None else []
    if said:
        raise ConfigurationError("\n".join(said))
    return File(tuple(rows), tuple(tables))


def checked(row: Contract) -> Contract:
    """Return a row made in code, looked through like one of a file (`model_copy` looks at nothing).

    Raises:
        ConfigurationError: it is wrong: one line per problem.
    """
    wrong: list[str] = []
    sound = _row(row.model_dump(warnings=False), wrong)
    if sound is None or wrong:
        raise ConfigurationError("\n".join(f"contract row {row.id!r}: {what}" for what in wrong))
    return sound


def _given(path: Path) -> list[Table]:
    try:
        data = tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"contract rows cannot be read from {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigurationError(f"{path} is not UTF-8 (at line {line})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is no TOML: {error}") from error
    rows = data.pop("row", None)
    if data or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        found = ", ".join(map(repr, data)) or ("[row] in single brackets" if rows else "nothing")
        raise ConfigurationError(f"{path}: rows are written as [[row]] tables, and nothing else; it holds {found}")
    return rows


def _whole(given: Table, above: Sequence[Table], wrong: list[str]) -> Table:
    """Lay a row over the one it is like. A row that moves to a new address leaves the old one's key behind."""
    table = {name: value for name, value in given.items() if name != "like"}
    if isinstance(table.get("effective_from"), date):
        table["effective_from"] = table["effective_from"].isoformat()  # TOML has dates: without quotes
    if "like" not in given:
        return table
    base = max((row for row in above if row.get("id") == given["like"]), key=_age, default=None)
    if base is None:
        known = ", ".join(dict.fromkeys(str(row.get("id")) for row in above))
        wrong.append(f"like = {given['like']!r} is no row above it; there are: {known}")
        return table
    if "id" not in given:
        wrong.append("id is missing (a row that is like another one has a name of its own)")
    moved = "base_url" in table or "host" in _table(table.get("match"))
    kept = {name: value for name, value in base.items() if not moved or name not in _HOME}
    return kept | {name: _over(kept.get(name), value, name) for name, value in table.items()}


def _over(old: Any, new: Any, name: str) -> Any:
    """Lay a table of the row over another, field by field; `body` is a value, and takes the other's place."""
    return {**old, **new} if name != "body" and isinstance(old, dict) and isinstance(new, dict) else new


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _age(table: Table) -> str:
    return str(table.get("effective_from", ""))


def _row(table: Table, wrong: list[str]) -> Contract | None:
    row, errors = typed(table)
    wrong += map(_said, errors) if row is None else _problems(row)
    return row


def _said(error: Mapping[str, Any]) -> str:
    """Say for people what the type found."""
    loc, given = error["loc"], error["input"]
    where = ".".join(str(part) for part in loc if part != "[key]")
    match error["type"]:
        case "extra_forbidden":
            known = _fields(loc[:-1])
            close = get_close_matches(str(loc[-1]), known, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"
            return f"{where} is no field; {hint}"
        case "missing":
            return f"{where} is missing"
        case "literal_error":
            return f"{where} = {given!r} is not allowed; allowed: {error['ctx']['expected']}"
        case "invalid-json-value":
            return f"{where} = {given} is not allowed: JSON has no such value (a date or a time goes in quotes)"
        case wrong:
            wanted = _WANTED.get(wrong) or error["msg"].replace("Input should", "it should")
            return f"{where} = {given!r} is not allowed: {wanted}"


def _fields(loc: tuple[int | str, ...]) -> list[str]:
    """Return the fields of the table at a place in the row."""
    kind: Any = Contract
    for part in loc:
        kind = kind.model_fields[part].annotation
    kinds = (kind, *getattr(kind, "__args__", ()))  # `StrictTools | None`
    tables = (each for each in kinds if isinstance(each, type) and issubclass(each, Row))
    return [name for each in tables for name in each.model_fields]


def _problems(row: Contract) -> Iterator[str]:
    """Yield what no type can see: facts that do not go together, and texts that are no date, pattern or address."""
    yield from _text_problems(row)
    yield from _carrier_problems(row)
    yield from _placeholder_problems(row)
    thinking = row.thinking
    if thinking.effort and thinking.effort_key is None:
        yield "thinking.effort says words for an effort, and thinking.effort_key no field to put them in"
    if thinking.effort_only and not thinking.effort:
        yield "thinking.effort_only allows the keys of thinking.effort, and there are none"
    if any(len(names) < 2 for names in row.apart):  # noqa: PLR2004 - one thing is never apart
        yield "apart holds lists of two or more body fields of which only one may be sent"


def _text_problems(row: Contract) -> Iterator[str]:
    if not _is_date(row.effective_from):
        yield f"effective_from = {row.effective_from!r} is no date; dates are written 2026-08-01"
    try:
        made = legal_id("", row)
        if not re.fullmatch(row.call_ids.pattern, made):
            yield f"call_ids.pattern = {row.call_ids.pattern!r} fits no id agentkit can make, like {_MADE}"
    except re.error as error:
        yield f"call_ids.pattern = {row.call_ids.pattern!r} is no regular expression: {error}"
    if row.base_url is not None:
        try:
            address.checked(row.base_url)
        except ConfigurationError as error:
            yield str(error)
    if row.api_key_env is not None and not _VARIABLE.fullmatch(row.api_key_env):
        yield "api_key_env is the name of an environment variable, never a key itself"


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _carrier_problems(row: Contract) -> Iterator[str]:
    carrier = row.carrier
    if taken := _TAKEN & {carrier.write, *carrier.read, *carrier.opaque}:
        yield f"carrier: {', '.join(sorted(taken))} cannot hold reasoning: the wire gives it another meaning"
    if carrier.write == INLINE_TAGS and not carrier.tags:
        yield f'carrier.tags is missing: carrier.write = "{INLINE_TAGS}" needs a pair, [["<think>", "</think>"]]'
    if any("" in pair for pair in carrier.tags):
        yield "carrier.tags holds an empty tag"
    if carrier.sentinel is not None and not set(carrier.sentinel) <= set(carrier.beside_calls):
        yield "carrier.sentinel stands in for fields of carrier.beside_calls, and has to name the same"
    if (carrier.write == ITEMS) != (row.wire == "responses") and carrier.write != "none":
        yield f'carrier.write = "{ITEMS}" and wire = "responses" go together, and neither goes with anything else'


def _placeholder_problems(row: Contract) -> Iterator[str]:
    """Reasoning that is demanded needs a text to stand in; what nobody but the service can make has none."""
    demanded = row.missing == "error" and row.carrier.write not in {"none", ITEMS}
    by = {'missing = "error"': demanded, 'empty = "placeholder"': row.empty == "placeholder"}
    by['on_model_switch = "placeholder"'] = row.on_model_switch == "placeholder"
    if row.placeholder is None and any(by.values()):
        asks = " and ".join(name for name, asked in by.items() if asked)
        yield f'placeholder is missing: {asks} needs a text to send ("" where an empty one is accepted)'
    if row.placeholder == "" and row.empty != "send":
        yield f'placeholder = "" is an empty text, which empty = "{row.empty}" says is not accepted'
    if demanded and row.on_model_switch == "drop":
        yield 'on_model_switch = "drop" leaves out what missing = "error" asks for; keep it, or send the placeholder'
    if demanded and row.empty == "omit":
        yield 'empty = "omit" leaves out what missing = "error" asks for; send it, or the placeholder'
    if row.missing == "error" and row.retention in {"forbid", "hidden"}:
        yield f'missing = "error" asks for what retention = "{row.retention}" never sends'
