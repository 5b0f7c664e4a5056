"""How reasoning travels, out and back: one `Carriage` of pure functions for each form a row can name.

What goes out is remembered in the shape in which it comes back (`Emitted.came`), so that the judge compares like with
like: the text a service reads, and its seal. A seal proves itself, so that a changed one is known as such in any
process: it ends in a digest of its own beginning, of the text, and of the row's name.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from agentkit.emulator.returned import Came, Emitted, EmittedCall
from agentkit.emulator.row import Contract, Form

Place: TypeAlias = tuple[str, int]
"""Conversation and position."""
Cut: TypeAlias = Callable[[str], list[str]]
"""Cuts a text into what its deltas hold."""
Fields: TypeAlias = dict[str, Any]

OPEN, CLOSE = "<think>\n", "\n</think>\n\n"
SENTINEL = "skip_thought_signature_validator"
"""What stands for the signature of a call that another model made."""
_PROOF = 16


def text_of(content: Any) -> str:
    """Return the text of a message's content: a string, null, or a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or ())


def calls_of(message: Mapping[str, Any]) -> tuple[EmittedCall, ...]:
    """Return the calls of an assistant message of a well-formed request."""
    return tuple(
        EmittedCall(call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message.get("tool_calls") or ()
    )


def signed(begin: str, text: str, row: str) -> str:
    """Return a seal: its beginning, and the proof that it belongs to a text and to a row."""
    return begin + _digest((begin, text, row))[:_PROOF]


def genuine(seal: Any, text: str, row: str) -> bool:
    """Return whether a service of that row made this seal for this text."""
    return isinstance(seal, str) and len(seal) > _PROOF and seal == signed(seal[:-_PROOF], text, row)


def _digest(value: object) -> str:
    return hashlib.blake2b(repr(value).encode("utf-8", "backslashreplace"), digest_size=24).hexdigest()


def _canonical(entries: Any) -> str:
    return json.dumps(entries, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _out(row: Contract) -> tuple[str, ...]:
    return row.emits or (row.carrier,)


def _plain_seals(emitted: Emitted, _row: Contract, _place: Place) -> Emitted:
    return emitted


def _nothing(_emitted: Emitted, *_: Any) -> Sequence[Fields]:
    return ()


def _nothing_beside(_emitted: Emitted, _at: int) -> Fields:
    return {}


def _always(_message: Mapping[str, Any], _row: Contract) -> bool:
    return True


def _content(emitted: Emitted, _row: Contract) -> Fields:
    return {"content": emitted.content}


def _blank(_emitted: Emitted, _row: Contract) -> Fields:
    return {"content": ""}


def _words(emitted: Emitted, cut: Cut) -> Sequence[Fields]:
    return [{"content": piece} for piece in cut(emitted.content)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriage:
    """One way for reasoning to travel.

    Attributes:
        read: what came back in a message.
        seals: what is emitted of reasoning, text and calls, told as it comes back.
        whole: the fields of a message that is not streamed.
        opening: the fields of the first delta.
        thoughts: the deltas with the reasoning.
        words: the deltas with the text.
        beside: what a call bears beside its function, by its index.
        genuine: whether what came back bears seals that a service of that row made.
    """

    read: Callable[[Mapping[str, Any], Contract], Came]
    seals: Callable[[Emitted, Contract, Place], Emitted] = _plain_seals
    whole: Callable[[Emitted, Contract], Fields] = _content
    opening: Callable[[Emitted, Contract], Fields] = _blank
    thoughts: Callable[[Emitted, Contract, Cut], Sequence[Fields]] = _nothing
    words: Callable[[Emitted, Cut], Sequence[Fields]] = _words
    beside: Callable[[Emitted, int], Fields] = _nothing_beside
    genuine: Callable[[Mapping[str, Any], Contract], bool] = _always


def _read_field(message: Mapping[str, Any], row: Contract) -> Came:
    return Came(message.get(row.carrier), text_of(message.get("content")), calls_of(message))


def _field_whole(emitted: Emitted, row: Contract) -> Fields:
    thought = {} if emitted.reasoning is None else dict.fromkeys(_out(row), emitted.reasoning)
    return {"content": emitted.content, **thought}


def _field_opening(emitted: Emitted, row: Contract) -> Fields:
    return {"content": ""} if emitted.reasoning is None else {"content": None, **dict.fromkeys(_out(row), "")}


def _field_thoughts(emitted: Emitted, row: Contract, cut: Cut) -> Sequence[Fields]:
    return [dict.fromkeys(_out(row), piece) for piece in cut(emitted.reasoning or "")]


_FIELD = Carriage(
    read=_read_field,
    whole=_field_whole,
    opening=_field_opening,
    thoughts=_field_thoughts,
)


def _details_seals(emitted: Emitted, row: Contract, place: Place) -> Emitted:
    text = emitted.reasoning
    if text is None:
        return emitted
    nonce = _digest((row.name, place))
    if row.validates == "nothing":
        entries = [{"type": "reasoning.text", "text": text, "format": "unknown", "id": f"text-{nonce[:8]}", "index": 0}]
        return _sealed(emitted, entries)
    shown = {"format": "anthropic-claude-v1", "id": f"text-{nonce[:8]}", "index": 0}
    hidden = {"format": "anthropic-claude-v1", "id": f"data-{nonce[:8]}", "index": 1}
    entries = [
        {"type": "reasoning.text", "text": text, **shown, "signature": signed(nonce, text, row.name)},
        {"type": "reasoning.encrypted", **hidden, "data": signed(nonce, "", row.name)},
    ]
    return _sealed(emitted, entries)


def _sealed(emitted: Emitted, entries: Sequence[Fields]) -> Emitted:
    return Emitted(emitted.reasoning, emitted.content, emitted.calls, seal=_canonical(entries), thought=emitted.thought)


def _read_details(message: Mapping[str, Any], row: Contract) -> Came:
    entries = message.get("reasoning_details")
    carried = message.get(row.carrier)
    text = text_of(carried) if isinstance(carried, list) else carried
    seal = _canonical(entries) if entries is not None else ""
    return Came(text, text_of(message.get("content")), calls_of(message), seal)


def _entries(emitted: Emitted) -> list[Fields]:
    found: list[Fields] = json.loads(emitted.seal) if emitted.seal else []
    return found


def _details_whole(emitted: Emitted, row: Contract) -> Fields:
    if emitted.reasoning is None:
        return {"content": emitted.content}
    text = dict.fromkeys(row.emits, emitted.reasoning)
    return {"content": emitted.content, **text, "reasoning_details": _entries(emitted)}


def _details_thoughts(emitted: Emitted, row: Contract, cut: Cut) -> Sequence[Fields]:
    """Return fragments: each says what it belongs to, the text comes in pieces, a signature after all of them."""
    return [delta for entry in _entries(emitted) for delta in _fragments(entry, row, cut)]


def _fragments(entry: Fields, row: Contract, cut: Cut) -> Iterator[Fields]:
    head = {name: entry[name] for name in ("type", "format", "id", "index")}
    if "text" in entry:
        for piece in cut(entry["text"]) or [""]:
            yield {**dict.fromkeys(row.emits, piece), "reasoning_details": [{**head, "text": piece}]}
    for late in ("signature", "data"):
        if late in entry:
            yield {"reasoning_details": [{**head, late: entry[late]}]}


def _details_genuine(message: Mapping[str, Any], row: Contract) -> bool:
    entries = message.get("reasoning_details") or ()
    proofs = {"reasoning.text": "signature", "reasoning.encrypted": "data"}
    return all(
        genuine(entry.get(proofs.get(entry.get("type", ""), "")), entry.get("text") or "", row.name)
        for entry in entries
    )


_DETAILS = Carriage(
    seals=_details_seals,
    read=_read_details,
    whole=_details_whole,
    thoughts=_details_thoughts,
    genuine=_details_genuine,
)


def _thinking(text: str) -> Fields:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def _parts_seals(emitted: Emitted, _row: Contract, _place: Place) -> Emitted:
    return Emitted(emitted.reasoning or None, emitted.content, emitted.calls, thought=emitted.thought)


def _read_parts(message: Mapping[str, Any], _row: Contract) -> Came:
    content = message.get("content")
    thoughts = [part for part in content if part["type"] == "thinking"] if isinstance(content, list) else []
    text = "".join(text_of(part.get("thinking")) for part in thoughts) if thoughts else None
    return Came(text, text_of(content), calls_of(message))


def _parts_whole(emitted: Emitted, _row: Contract) -> Fields:
    if emitted.reasoning is None:
        return {"content": emitted.content}
    text = [{"type": "text", "text": emitted.content}] if emitted.content else []
    return {"content": [_thinking(emitted.reasoning), *text]}


def _parts_thoughts(emitted: Emitted, _row: Contract, cut: Cut) -> Sequence[Fields]:
    return [{"content": [_thinking(piece)]} for piece in cut(emitted.reasoning or "")]


def _parts_words(emitted: Emitted, cut: Cut) -> Sequence[Fields]:
    """Return text as a part first, then as a string: both are sent."""
    first, *others = cut(emitted.content) or [""]
    if emitted.reasoning is None or not first:
        return _words(emitted, cut)
    return [{"content": [{"type": "text", "text": first}]}, *({"content": piece} for piece in others)]


_PARTS = Carriage(
    seals=_parts_seals,
    read=_read_parts,
    whole=_parts_whole,
    thoughts=_parts_thoughts,
    words=_parts_words,
)


def _untagged(text: str) -> tuple[str | None, str]:
    """Split a text that may begin with reasoning in tags; one that was cut off has perhaps no closing tag, or half."""
    if not text.startswith(OPEN):
        return None, text
    thought, close, rest = text[len(OPEN) :].partition(CLOSE)
    if not close:
        half = next((size for size in range(len(CLOSE) - 1, 0, -1) if thought.endswith(CLOSE[:size])), 0)
        thought = thought[: len(thought) - half]
    return thought, rest


def tagged(emitted: Emitted) -> str:
    """Return the content with the reasoning in tags before it."""
    return emitted.content if emitted.reasoning is None else OPEN + emitted.reasoning + CLOSE + emitted.content


def _tags_seals(emitted: Emitted, _row: Contract, _place: Place) -> Emitted:
    thought, rest = _untagged(tagged(emitted))
    before = "" if thought is None else OPEN
    return Emitted(thought, rest, emitted.calls, before=before, thought=emitted.thought)


def _read_tags(message: Mapping[str, Any], _row: Contract) -> Came:
    return Came(*_untagged(text_of(message.get("content"))), calls_of(message))


def _tags_whole(emitted: Emitted, _row: Contract) -> Fields:
    return {"content": tagged(emitted)}


def _tags_words(emitted: Emitted, cut: Cut) -> Sequence[Fields]:
    return [{"content": piece} for piece in cut(tagged(emitted))]


_TAGS = Carriage(
    seals=_tags_seals,
    read=_read_tags,
    whole=_tags_whole,
    words=_tags_words,
)


def _signature_seals(emitted: Emitted, row: Contract, place: Place) -> Emitted:
    signature = signed(_digest((row.name, place)), "", row.name) if emitted.calls else None
    return Emitted(signature, emitted.content, emitted.calls, thought=emitted.thought)


def signature_of(message: Mapping[str, Any]) -> str | None:
    """Return the signature that the first call of an assistant message bears, or None."""
    found: Any = next(iter(message.get("tool_calls") or ()), None)
    for name in ("extra_content", "google", "thought_signature"):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else None


def _read_signature(message: Mapping[str, Any], _row: Contract) -> Came:
    return Came(signature_of(message), text_of(message.get("content")), calls_of(message))


def _signature_beside(emitted: Emitted, at: int) -> Fields:
    if at or emitted.reasoning is None:
        return {}
    return {"extra_content": {"google": {"thought_signature": emitted.reasoning}}}


def _signature_genuine(message: Mapping[str, Any], row: Contract) -> bool:
    signature = signature_of(message)
    return signature in (None, SENTINEL) or genuine(signature, "", row.name)


_SIGNATURE = Carriage(
    seals=_signature_seals,
    read=_read_signature,
    beside=_signature_beside,
    genuine=_signature_genuine,
)


def _hidden_seals(emitted: Emitted, _row: Contract, _place: Place) -> Emitted:
    return Emitted(None, emitted.content, emitted.calls, thought=emitted.thought)


def _read_hidden(message: Mapping[str, Any], _row: Contract) -> Came:
    return Came(None, text_of(message.get("content")), calls_of(message))


_HIDDEN = Carriage(
    seals=_hidden_seals,
    read=_read_hidden,
)

CARRIAGES: Mapping[Form, Carriage] = {
    "field": _FIELD,
    "details": _DETAILS,
    "parts": _PARTS,
    "tags": _TAGS,
    "signature": _SIGNATURE,
    "hidden": _HIDDEN,
}
