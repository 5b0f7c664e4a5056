"""Output items of the Responses wire, pure: what can be read in them, and how they are kept without saying it twice.

An answer goes back as the items that came: their order, their ids, the fields nobody reads. Kept beside the message
(`AssistantMessage.extras[ITEMS]`) they hold a number where the message holds the text already: so many characters of
its text, its reasoning or the call's arguments, each from where the last number ended. An item in which that would not
give back what came stands as it is, in a list of its own.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from agentkit.core.messages import AssistantMessage, Json, ToolCall
from agentkit.models.text import joined

Item: TypeAlias = dict[str, Any]
Said: TypeAlias = Literal["text", "reasoning", "arguments"]

MESSAGE: Final = "message"
REASONING: Final = "reasoning"
CALL: Final = "function_call"

_LISTS: Final = ("content", "summary")  # of an item: lists of parts
_TEXT_KEYS: Final = {"output_text": "text", "text": "text", "refusal": "refusal"}  # parts of a message, by type


class Slot(NamedTuple):
    """A place in an item that holds something readable."""

    said: Said
    holder: dict[str, Any]
    key: str

    @property
    def value(self) -> Any:
        """What stands there: a text, unless the service has ideas of its own."""
        return self.holder[self.key]


def kind_of(item: Mapping[str, Any]) -> str:
    """Return an item's type; one without is a message."""
    return str(item.get("type") or MESSAGE)


def slots(item: Item) -> list[Slot]:
    """Return the readable places of an item in order; none where its type is not known here.

    A reasoning item is read in its own words; where it has none, in the summary of them.
    """
    kind = kind_of(item)
    if kind == MESSAGE:
        return list(_spoken(item))
    if kind == CALL:
        return [Slot("arguments", item, "arguments")] if "arguments" in item else []
    if kind != REASONING:
        return []
    words = list(_thought(item, "content"))
    return words if any(slot.value for slot in words) else list(_thought(item, "summary"))


def read(items: Iterable[Item], said: Literal["text", "reasoning"]) -> str | None:
    """Return what the items say, put together; None where no item of that kind came, "" where it says nothing."""
    kind = MESSAGE if said == "text" else REASONING
    found = [[slot.value for slot in slots(item)] for item in items if kind_of(item) == kind]
    texts = [value for values in found for value in values if isinstance(value, str)]
    return joined("".join(texts)) if found else None


def kept(items: Iterable[Item], message: AssistantMessage) -> list[Json]:
    """Return items as they are kept beside the message that was read from them."""
    texts, entries = _Texts(message), list[Json]()
    for came in items:
        item = _open(came)
        texts.enter(item)
        places = slots(item)
        same = [texts.holds(slot) for slot in places]
        if not all(same):
            entries.append([came])
            continue
        for slot in places:
            slot.holder[slot.key] = len(slot.value)
        entries.append(item)
    return entries


def rebuilt(entries: Iterable[Any], message: AssistantMessage) -> list[Item]:
    """Return items from what was kept; each call has the id that the message gives it."""
    texts, items = _Texts(message), list[Item]()
    for entry in entries:
        as_it_is = not isinstance(entry, Mapping)
        item = _open(entry[0] if as_it_is else entry)
        call = texts.enter(item)
        for slot in slots(item):
            if as_it_is:
                texts.holds(slot)
            else:
                slot.holder[slot.key] = texts.take(slot.said, slot.value)
        if call is not None and item.get("call_id") != call.id:
            item["call_id"] = call.id
        items.append(item)
    return items


class _Texts:
    """A message's texts, taken piece by piece in the order in which its items hold them."""

    def __init__(self, message: AssistantMessage) -> None:
        self._texts: dict[Said, str] = {"text": message.text or "", "reasoning": message.reasoning or ""}
        self._at: dict[Said, int] = {"text": 0, "reasoning": 0}
        self._calls = iter(message.calls)

    def enter(self, item: Item) -> ToolCall | None:
        """Begin an item. Returns the call it stands for, if it is one."""
        if kind_of(item) != CALL:
            return None
        call = next(self._calls)
        self._texts["arguments"], self._at["arguments"] = call.arguments, 0
        return call

    def take(self, said: Said, length: int) -> str:
        """Return the next piece of a text."""
        at = self._at[said]
        self._at[said] = at + length
        return self._texts[said][at : at + length]

    def holds(self, slot: Slot) -> bool:
        """Tell whether the next piece is what stands in an item, and step over it."""
        value = slot.value
        return isinstance(value, str) and self.take(slot.said, len(value)) == value


def _spoken(item: Item) -> Iterator[Slot]:
    if isinstance(item.get("content"), str | int):  # without parts, as items of a request may be
        yield Slot("text", item, "content")
    for part in _parts(item, "content"):
        key = _TEXT_KEYS.get(str(part.get("type")))
        if key in part:
            yield Slot("text", part, key)


def _thought(item: Item, name: str) -> Iterator[Slot]:
    return (Slot("reasoning", part, "text") for part in _parts(item, name) if "text" in part)


def _parts(item: Item, name: str) -> list[dict[str, Any]]:
    parts = item.get(name)
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _open(item: Mapping[str, Any]) -> Item:
    """Copy an item as deep as its slots lie."""
    opened = dict(item)
    for name in _LISTS:
        parts = opened.get(name)
        if isinstance(parts, Sequence) and not isinstance(parts, str):
            opened[name] = [dict(part) if isinstance(part, Mapping) else part for part in parts]
    return opened
