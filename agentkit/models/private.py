"""Fields that belong to the service, pure: kept as they came, put together where they come in fragments.

Which they are is the row's to say. Others are not echoed: strict services refuse a field they do not know
(CONTRACTS.md, the rule above section 1).
"""

from collections.abc import Hashable, Mapping
from typing import Any, Final

from agentkit.models.text import joined

_TEXTS: Final = frozenset({"text", "summary", "data", "thinking"})  # what grows by fragments inside an entry
_WORDS: Final = ("text", "summary", "thinking")  # where an entry has thinking that can be read


class Private:
    """The private fields of one message while they come in."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}

    def add(self, name: str, value: Any, *, apart: bool) -> None:
        """Take a field of a delta; with `apart`, of a whole answer: then it is kept to the letter."""
        before = self._fields.get(name)
        if apart and before is None:
            self._fields[name] = value
        elif isinstance(value, list):
            if not isinstance(before, Entries):
                before = self._fields[name] = Entries(before if isinstance(before, list) else [])
            for entry in value:
                before.add(entry)
        else:
            self._fields[name] = merged(before, value)

    def values(self) -> dict[str, Any]:
        """Return the fields as they go back."""
        return {name: value.whole() if isinstance(value, Entries) else value for name, value in self._fields.items()}


class Entries:
    """A list whose entries come in fragments; which belong together is told by index, type and id.

    An index alone is not to be believed: met in streams was the index 0 for every entry. So without an id an entry is
    over once another began under its index, and what is signed or sealed takes no more words.

    Sources: CONTRACTS.md, section 3, OpenRouter: texts concatenate, the signature arrives later, order is kept;
    https://github.com/OpenRouterTeam/ai-sdk-provider/pull/520 (indices in streams).
    """

    def __init__(self, entries: list[Any]) -> None:
        self._entries: list[Any] = []  # an entry, or a grown one: its fields, and its texts in pieces
        self._places: dict[Hashable, list[int]] = {}
        self._newest: dict[Hashable, int] = {}  # by index
        for entry in entries:
            self.add(entry)

    def add(self, entry: Any) -> None:
        """Take an entry or a fragment of one."""
        if not isinstance(entry, dict):
            self._entries.append(entry)
            return
        at = self._known(entry)
        if at is None:
            at = len(self._entries)
            self._entries.append(({}, {}))
            self._places.setdefault(_place(entry), []).append(at)
            self._newest[_place(entry)[1]] = at
        fields, texts = self._entries[at]
        for name, value in entry.items():
            if name in _TEXTS and isinstance(value, str):
                fields[name] = value  # holds the field's place among the others
                texts.setdefault(name, []).append(value)
            elif value is not None or name not in fields:
                fields[name] = value

    def whole(self) -> list[Any]:
        """Return the list, every entry put together."""
        return [_entry(*entry) if isinstance(entry, tuple) else entry for entry in self._entries]

    def _known(self, entry: dict[str, Any]) -> int | None:
        """Find the entry a fragment goes on with. One that names neither index nor id goes on with the last alone."""
        places = self._places.get(_place(entry), [])
        if entry.get("index") is None and entry.get("id") is None:
            alone = bool(places) and places[-1] == len(self._entries) - 1
            return places[-1] if alone and "data" not in entry else None
        return next((at for at in reversed(places) if self._goes_on(at, entry)), None)

    def _goes_on(self, at: int, entry: dict[str, Any]) -> bool:
        known, given = self._entries[at][0].get("id"), entry.get("id")
        if known is not None and given is not None:
            return bool(known == given)
        return self._newest[_place(entry)[1]] == at and not _over(self._entries[at][0], entry)


def _over(fields: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Tell whether a fragment cannot be of an entry: that one is signed, or sealed, and whole."""
    signed = bool(fields.get("signature")) and any(entry.get(name) for name in _WORDS)
    return signed or bool(fields.get("data") and entry.get("data"))


def _place(entry: Mapping[str, Any]) -> tuple[str, str | None]:
    index = entry.get("index")
    return str(entry.get("type")), None if index is None else str(index)


def _entry(fields: dict[str, Any], texts: dict[str, list[str]]) -> dict[str, Any]:
    return fields | {name: joined("".join(pieces)) for name, pieces in texts.items()}


def merged(old: Any, new: Any) -> Any:
    """Put a field together with its next fragment: texts end to end, lists by entry, objects member by member."""
    if isinstance(old, list) and isinstance(new, list):
        return Entries([*old, *new]).whole()
    if isinstance(old, str) and isinstance(new, str):
        return old if old == new else old + new
    return overlaid(old, new)


def overlaid(old: Any, new: Any) -> Any:
    """Lay an object over an earlier one, member by member; anything else that says something takes its place."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {name: overlaid(old.get(name), value) for name, value in new.items()}
    return old if new is None else new


def readable(value: Any) -> str:
    """Return the thinking that can be read in a private list; empty where it is all encrypted."""
    entries = [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
    return "".join(entry[name] for entry in entries for name in _WORDS if isinstance(entry.get(name), str))


def hollow(value: object) -> bool:
    """Tell whether a private field says nothing: some services send every field they know, empty."""
    return all(hollow(item) for item in value.values()) if isinstance(value, dict) else value in (None, "", [])
