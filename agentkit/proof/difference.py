"""The first byte that differs between two requests, in words, and what explains it."""

import json
from collections.abc import Iterator, Sequence

from agentkit.core.changes import Change, ChangeKind, changes, moved
from agentkit.core.spec import VERSION, Binding

_AROUND = 24  # bytes shown on either side of a difference
_TOLD: tuple[ChangeKind, ...] = ("instructions", "tools", "settings", "model", "version")  # what may move a byte


def encoded_otherwise(now: Sequence[str], recorded: Sequence[str], step: str) -> str:
    """Say which message has another hash than was recorded, though everything it is made of is the same."""
    pairs = zip(now, recorded, strict=False)
    index = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(now), len(recorded)))
    return (
        f"request {step}, {_named(index)}: this version of agentkit encodes it otherwise than when it was recorded "
        f"({len(recorded)} fragments then, {len(now)} now)"
    )


def first_difference(then: Sequence[bytes], today: Sequence[bytes], step: str) -> str:
    """Say which message differs first, and where in it."""
    for index, (old, new) in enumerate(zip(then, today, strict=False)):
        if old != new:
            return f"request {step}, {_named(index)}: {_byte(old, new, index)}"
    return f"request {step}: {len(then)} fragments were sent, {len(today)} would be sent today"


def reasons(old: Binding, new: Binding, hosts: tuple[str, str], *, all_of: bool = False) -> tuple[str, ...]:
    """Return what has changed that goes into a request, one sentence each.

    Args:
        old: what the model was told then.
        new: what it would be told now.
        hosts: of the model, then and now.
        all_of: also what only agentkit goes by: limits, and what tools declare of their effects.
    """
    found = [*changes(old, new), *moved(*hosts)]
    if all_of:
        return tuple(map(str, found)) or tuple(_nothing(old))
    told = [str(change) for kind in _TOLD for change in found if change.kind == kind and _is_told(change)]
    return tuple(told) or tuple(_nothing(old))


def _is_told(change: Change) -> bool:
    """Leave out what a tool declares only for agentkit: no request holds it."""
    return not (change.kind == "tools" and change.place.endswith((".effect", ".exclusive", ".reconcile")))


def _nothing(old: Binding) -> Iterator[str]:
    yield (
        f"nothing that the agent declares has changed: agentkit {VERSION} writes it otherwise than agentkit "
        f"{old.version}, which recorded it, or the journal is damaged"
    )


def _byte(old: bytes, new: bytes, index: int) -> str:
    at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    window = slice(max(0, at - _AROUND), at + _AROUND)
    was, now = (text[window].decode("utf-8", "replace") for text in (old, new))
    return f"byte {at}{_of(old, new) if index else ''} differs: sent …{was}…, today …{now}…"


def _of(*fragments: bytes) -> str:
    roles = list(dict.fromkeys(filter(None, map(_role, fragments))))
    return f" ({', today '.join(roles)})" if roles else ""


def _role(fragment: bytes) -> str:
    """Return whose message a fragment is; nothing where it does not say."""
    try:
        message = json.loads(fragment)
    except ValueError:
        return ""
    role = message.get("role") if isinstance(message, dict) else None
    return role if isinstance(role, str) else ""


def _named(index: int) -> str:
    return "the settings and tools" if index == 0 else f"message {index - 1}"
