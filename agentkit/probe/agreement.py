"""What was found beside what a contract row says: the facts a row holds and an endpoint shows, compared. Pure."""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agentkit.core.contract import INLINE_TAGS, ITEMS, THINKING_PARTS, Contract
from agentkit.core.messages import Json
from agentkit.probe.facts import Fact, Findings
from agentkit.probe.settings import IDS, in_words


@dataclass(frozen=True, slots=True)
class Compared:
    """One fact beside a row: what the row says, and whether both agree; None where there is nothing to compare."""

    fact: Fact
    says: str
    agrees: bool | None


@dataclass(frozen=True, slots=True)
class _View:
    """How a row tells a fact, and whether it agrees with what was found."""

    says: Callable[[Contract], Any]
    agrees: Callable[[Contract, Any], bool]


def compare(findings: Findings, row: Contract) -> list[Compared]:
    """Return every fact beside what `row` says about it."""
    return [_compared(fact, row) for fact in findings.facts]


def differing(findings: Findings, row: Contract) -> list[str]:
    """Return the names of the facts in which a row differs from what was found; what is unknown does not differ."""
    return [each.fact.name for each in compare(findings, row) if each.agrees is False]


def _compared(fact: Fact, row: Contract) -> Compared:
    view = _VIEWS.get(fact.name)
    if view is None:
        return Compared(fact, "", None)
    says = view.says(row)
    return Compared(fact, told(says), view.agrees(row, fact.value) if fact.found and says is not None else None)


def told(value: Json) -> str:
    """Return a value as a person reads it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, Sequence):
        return ", ".join(told(item) for item in value) or "none"
    return in_words(value) if isinstance(value, Mapping) else json.dumps(value)


def _same(says: Callable[[Contract], Any]) -> _View:
    return _View(says, lambda row, value: bool(says(row) == value))


def _among(says: Callable[[Contract], Any]) -> _View:
    return _View(says, lambda row, value: says(row) in value)


def carriers(row: Contract) -> list[str]:
    """Return where a row says that reasoning may come."""
    if row.wire == "responses":
        return [ITEMS]
    if row.retention == "hidden":
        return []
    framed = [INLINE_TAGS] if row.carrier.tags else []
    framed += [THINKING_PARTS] if row.carrier.write == THINKING_PARTS else []
    return [*row.carrier.read, *framed, *row.carrier.opaque, *row.carrier.beside_calls]


def _carried(row: Contract, value: Collection[str]) -> bool:
    """Tell whether reasoning came where the row says; that none came is no difference where thinking is off unasked."""
    return set(value) <= set(carriers(row)) if value else not carriers(row) or not row.thinking.default


def _writes(row: Contract) -> str:
    if row.wire == "responses":
        return ITEMS
    return ", ".join(dict.fromkeys([row.carrier.write, *row.carrier.opaque, *row.carrier.beside_calls]))


def _written(row: Contract, value: str) -> bool:
    """Tell whether reasoning goes back where it is read; "same" is the field it came in."""
    named = _writes(row).split(", ")
    return value in named or ("same" in named and value in carriers(row))


def _asked(row: Contract) -> str | None:
    return row.applies_to if row.missing == "error" else None


def _refusing(row: Contract, value: str) -> bool:
    return any(text in value for text in row.error_match.reasoning)


def _quoted(row: Contract) -> Any:
    return row.error_match.reasoning or None if row.missing == "error" else None


def _switch(row: Contract) -> Any:
    return row.thinking.off if row.thinking.off is not None else "impossible"


def _switched(row: Contract, value: Collection[Any]) -> bool:
    return not value if row.thinking.off is None else row.thinking.off in value


def _forced(row: Contract, value: str) -> bool:
    refused = {"reject", "never"}
    if value in refused and row.thinking.off is None:  # nobody can tell them apart
        return row.forced_tool_choice in refused
    return value == row.forced_tool_choice or (value == "ignored" and row.forced_tool_choice in refused)


def _parallel(row: Contract, value: str) -> bool:
    return value in {"unasked", "no"} or value == row.parallel_calls_key


def _modes(row: Contract, value: Collection[str]) -> bool:
    return set(row.json_mode) <= set(value)


def _ids(row: Contract, value: Collection[str]) -> bool:
    return {call_id for call_id in IDS if re.fullmatch(row.call_ids.pattern, call_id)} == set(value)


def _pair(name: str) -> Callable[[Contract], str]:
    return lambda row: "ok" if getattr(row.bridges, name) is None else "refused"


def _word(row: Contract) -> str:
    return "error" if row.missing == "error" else "accepted"


_VIEWS: Final[Mapping[str, _View]] = {
    "wire": _same(lambda row: row.wire),
    "token_limit_key": _among(lambda row: "max_output_tokens" if row.wire == "responses" else row.token_limit_key),
    "always_stream": _same(lambda row: row.always_stream),
    "tools": _same(lambda row: row.tools),
    "carrier": _View(carriers, _carried),
    "streamed_carrier": _View(carriers, _carried),
    "thinks": _same(lambda row: row.thinking.default),
    "retention": _same(lambda row: row.retention),
    "missing": _same(_word),
    "applies_to": _same(_asked),
    "empty": _same(lambda row: row.empty),
    "write": _View(_writes, _written),
    "refusal": _View(_quoted, _refusing),
    "off": _View(_switch, _switched),
    "efforts": _among(lambda row: row.thinking.effort_key),
    "forced_tool_choice": _View(lambda row: row.forced_tool_choice, _forced),
    "parallel": _View(lambda row: row.parallel_calls_key or "-", _parallel),
    "system_role": _among(lambda row: row.system_role),
    "user_after_tool": _same(_pair("user_after_tool")),
    "user_after_user": _same(_pair("user_after_user")),
    "sampling": _same(lambda row: "refused" if row.sampling == "fixed_error" else "accepted"),
    "json_mode": _View(lambda row: list(row.json_mode), _modes),
    "call_ids": _View(lambda row: row.call_ids.pattern, _ids),
    "usage_in_stream": _View(lambda row: row.usage_in_stream or None, lambda _, value: bool(value)),
}
"""Facts that a row holds. The others describe the endpoint, and no field of a row depends on them."""
