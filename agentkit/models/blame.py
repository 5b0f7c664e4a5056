"""Which message a service means that says "reasoning was lost", pure. It does not always say so (CONTRACTS.md, 2.7).

The same texts of a contract row speak of messages that are out of place or hold too much, so what is said of a message
here is only what can be seen in it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from agentkit.core.contract import INLINE_TAGS, ITEMS, THINKING_PARTS, Contract
from agentkit.models.sse import decode

_INDEX: Final = re.compile(r"(?:(?:message|item)s?(?: at)? index |messages?\[|messages\.|input\[|input\.)(\d+)")
_ID: Final = re.compile(r"\b[A-Za-z]+_[\w-]+")
_CALLED: Final = {
    THINKING_PARTS: "content[].thinking",
    INLINE_TAGS: "content with its thinking tags",
    ITEMS: "reasoning",
}


def index_in(said: str) -> int | None:
    """Return the message index that a service names itself."""
    found = _INDEX.search(said)
    return int(found.group(1)) if found else None


def found(fragments: Sequence[bytes], row: Contract, said: str) -> tuple[int | None, str]:
    """Return the index of the message (Responses: of the item) that is meant, and in words what is to be seen there.

    The service's own index wins, then an item it names by id, then the first one that lacks what the row asks for;
    None where none is to blame.
    """
    sent = [message for fragment in fragments for message in decode(b"[" + fragment + b"]")]
    chat = row.wire == "chat"
    lacking = (_lacking_messages(sent, row, said) if chat else _lacking_items(sent, row)) if _asks(row) else []
    named = index_in(said) if chat else _item_named(sent, said)
    index = next(iter(lacking), None) if named is None else named
    what = f"`{_field(row, said)}`" if chat else "the `reasoning` item before it"
    where = f"{'message' if chat else 'item'} {index}"
    if index in lacking and (named is None or row.missing == "error"):
        return index, f"{where} lacks {what}, which contract row {row.id!r} asks for on every answer it covers"
    meant = f"{where} is meant" if index is not None else "no message is named"
    if index is None and _asks(row):
        meant = f"no answer in the request lacks {what}"
    return index, f"{meant}; all were written as contract row {row.id!r} says"


def _item_named(sent: Sequence[Mapping[str, Any]], said: str) -> int | None:
    ids = set(_ID.findall(said))
    by_id = (index for index, item in enumerate(sent) if {item.get("id"), item.get("call_id")} & ids)
    return next(by_id, None) if (named := index_in(said)) is None else named


def _asks(row: Contract) -> bool:
    """Tell whether an answer without reasoning may be what the service refuses."""
    return row.retention not in {"forbid", "hidden"} and row.missing != "degrade"


def _lacking_messages(sent: Sequence[Mapping[str, Any]], row: Contract, said: str) -> list[int]:
    """Find the answers without what the row asks for; where it asks inside a turn only, in the last turn."""
    lacking: list[int] = []
    field = _field(row, said)
    for index, message in enumerate(sent):
        if message.get("role") == "user" and row.retention == "turn":
            lacking = []
        asked = row.applies_to == "all_assistant" or message.get("tool_calls")
        if asked and message.get("role") == "assistant" and _lacks(message, row, field):
            lacking.append(index)
    return lacking


def _field(row: Contract, said: str) -> str:
    """Return the field to name: one that the service's words name, else the one the row writes."""
    carrier = row.carrier
    texts = carrier.read if carrier.write == "same" else (carrier.write,)
    private = (*carrier.opaque, *carrier.beside_calls)
    named = next((name for name in (*texts, *private) if name in said), None)
    demanded = carrier.beside_calls if carrier.sentinel is not None else ()
    first = next(iter((*demanded, *texts, *private)), "reasoning")
    return _CALLED.get(named or first, named or first)


def _lacks(message: Mapping[str, Any], row: Contract, field: str) -> bool:
    if field in row.carrier.beside_calls:
        calls = message.get("tool_calls") or []
        return bool(calls) and not calls[0].get(field)
    content = message.get("content")
    if field == _CALLED[THINKING_PARTS]:
        return not (isinstance(content, list) and any(part.get("type") == "thinking" for part in content))
    if field == _CALLED[INLINE_TAGS]:
        return not any(opening in str(content) for opening, _ in row.carrier.tags)
    same = row.carrier.write == "same" and field in row.carrier.read
    return all(message.get(name) is None for name in (row.carrier.read if same else (field,)))


def _lacking_items(sent: Sequence[Mapping[str, Any]], row: Contract) -> list[int]:
    """Find the answers without a reasoning item before it: an answer is a run of messages and calls."""
    lacking: list[int] = []
    before = ""
    for index, item in enumerate(sent):
        kind = _kind(item)
        if kind == "user" and row.retention == "turn":
            lacking = []
        if kind == "answer" and before not in {"answer", "reasoning"}:
            lacking.append(index)
        before = kind
    return lacking


def _kind(item: Mapping[str, Any]) -> str:
    """Return the kind of an item: user, answer, reasoning, or another."""
    kind = item.get("type") or "message"
    if kind == "message":
        return "answer" if item.get("role") == "assistant" else str(item.get("role"))
    return "answer" if kind == "function_call" else str(kind)
