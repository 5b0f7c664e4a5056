"""Fields that belong to the service, pure: kept as they came, put together where they come in fragments."""

from collections.abc import Mapping, Sequence
from typing import Final

from agentkit.core.messages import Json

# These go back with the message. Others are not echoed: strict services refuse a field they do not know
# (CONTRACTS.md, the rule above section 1).
OPAQUE: Final = ("reasoning_details", "extra_content")

_TEXTS: Final = frozenset({"text", "summary", "data"})  # what grows by fragments inside an entry


def merged(old: Json, new: Json) -> Json:
    """Put what came before and a fragment together; a list's entries are told apart by index, type and id.

    Source: CONTRACTS.md, section 3, OpenRouter: texts concatenate, the signature arrives later, order is kept.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return {**old, **new}
    if not isinstance(old, list) or not isinstance(new, list):
        return new
    entries: list[Json] = list(old)
    for entry in new:
        at = _place(entries, entry)
        if at is None:
            entries.append(entry)
        else:
            entries[at] = _grown(entries[at], entry)
    return entries


def _place(entries: Sequence[Json], entry: Json) -> int | None:
    if isinstance(entry, Mapping) and entry.get("index") is not None:
        for at, known in enumerate(entries):
            if isinstance(known, Mapping) and _same(known, entry):
                return at
    return None


def _same(known: Mapping[str, Json], entry: Mapping[str, Json]) -> bool:
    if any(known.get(key) != entry.get(key) for key in ("index", "type")):
        return False
    return known.get("id") is None or entry.get("id") is None or known["id"] == entry["id"]


def _grown(known: Json, entry: Json) -> Json:
    if not isinstance(known, Mapping) or not isinstance(entry, Mapping):
        return entry
    grown = dict(known)
    for name, value in entry.items():
        before = grown.get(name)
        if name in _TEXTS and isinstance(before, str) and isinstance(value, str):
            grown[name] = before + value
        elif value is not None:
            grown[name] = value
    return grown
