"""Which message a service means that says "reasoning was lost", pure. It does not always say so (CONTRACTS.md, 2.7)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from agentkit.core.contract import INLINE_TAGS, ITEMS, THINKING_PARTS, Contract
from agentkit.models.sse import decode

_INDEX: Final = re.compile(r"(?:message index |at index |messages?\[|messages\.|input\[|input\.)(\d+)")
_QUOTED: Final = re.compile(r"['`\"]([A-Za-z]+_[\w-]+)['`\"]")
_CALLED: Final = {
    THINKING_PARTS: "content[].thinking",
    INLINE_TAGS: "content with its thinking tags",
    ITEMS: "reasoning",
}


def index_in(said: str) -> int | None:
    """Return the message index that a service names itself."""
    found = _INDEX.search(said)
    return int(found.group(1)) if found else None


def who_lacks(fragments: Sequence[bytes], row: Contract, said: str) -> str:
    """Say in words what is missing where, as the row asks; the index comes from `index_of`."""
    index = index_of(fragments, row, said)
    if row.wire == "responses":
        where = "no answer in the request" if index is None else f"item {index}"
        return f"{where} lacks the `reasoning` item before it"
    where = "no answer in the request" if index is None else f"message {index}"
    return f"{where} lacks `{_field(row, said)}`"


def index_of(fragments: Sequence[bytes], row: Contract, said: str) -> int | None:
    """Return the index of the message (Responses: of the item) that is meant; None where none is to blame.

    The service's own index wins, then an item it names by id, then the first one that lacks what the row asks for.
    """
    named = index_in(said)
    if named is not None:
        return named
    sent = [message for fragment in fragments for message in decode(b"[" + fragment + b"]")]
    if row.wire == "chat":
        return _first_message(sent, row, said)
    ids = set(_QUOTED.findall(said))
    meant = (index for index, item in enumerate(sent) if {item.get("id"), item.get("call_id")} & ids)
    return next(meant, _first_item(sent, row))


def _first_message(sent: Sequence[Mapping[str, Any]], row: Contract, said: str) -> int | None:
    """Find the first answer without what the row asks for; where it asks inside a turn only, in the last turn."""
    found = None
    field = _field(row, said)
    for index, message in enumerate(sent):
        if message.get("role") == "user" and row.retention == "turn":
            found = None
        asked = row.applies_to == "all_assistant" or message.get("tool_calls")
        if found is None and asked and message.get("role") == "assistant" and _lacks(message, row, field):
            found = index
    return found


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


def _first_item(sent: Sequence[Mapping[str, Any]], row: Contract) -> int | None:
    """Find the first answer without a reasoning item before it: an answer is a run of messages and calls."""
    found, before = None, ""
    for index, item in enumerate(sent):
        kind = _kind(item)
        if kind == "user" and row.retention == "turn":
            found = None
        if kind == "answer" and before not in {"answer", "reasoning"} and found is None:
            found = index
        before = kind
    return found


def _kind(item: Mapping[str, Any]) -> str:
    """Return the kind of an item: user, answer, reasoning, or another."""
    kind = item.get("type") or "message"
    if kind == "message":
        return "answer" if item.get("role") == "assistant" else str(item.get("role"))
    return "answer" if kind == "function_call" else str(kind)
