"""Fields that belong to the service, pure: kept as they came, put together where they come in fragments."""

from typing import Any, Final

# These go back with the message. Others are not echoed: strict services refuse a field they do not know
# (CONTRACTS.md, the rule above section 1).
OPAQUE: Final = ("reasoning_details", "extra_content")

_TEXTS: Final = frozenset({"text", "summary", "data"})  # what grows by fragments inside an entry


def merged(old: Any, new: Any) -> Any:
    """Put what came before and a fragment together; a list's entries are told apart by index, type and id.

    Source: CONTRACTS.md, section 3, OpenRouter: texts concatenate, the signature arrives later, order is kept.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **new}
    if not isinstance(old, list) or not isinstance(new, list):
        return new
    entries = list(old)
    for entry in new:
        at = next((at for at, known in enumerate(entries) if _same(known, entry)), None)
        if at is None:
            entries.append(entry)
        else:
            entries[at] = _grown(entries[at], entry)
    return entries


def _same(known: Any, entry: Any) -> bool:
    if not isinstance(known, dict) or not isinstance(entry, dict) or entry.get("index") is None:
        return False
    if any(known.get(key) != entry.get(key) for key in ("index", "type")):
        return False
    return known.get("id") is None or entry.get("id") is None or known["id"] == entry["id"]


def _grown(known: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    grown = dict(known)
    for name, value in entry.items():
        before = grown.get(name)
        if name in _TEXTS and isinstance(before, str) and isinstance(value, str):
            grown[name] = before + value
        elif value is not None:
            grown[name] = value
    return grown
