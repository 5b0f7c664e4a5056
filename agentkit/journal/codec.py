"""Events to bytes and back: format 1, and the way from every older stored form to today's.

A body is a JSON object of the fields that are not at their default; the event's class name stands beside it, in the
row, and so does `usage`, which may outlive an erased body. Two keys are the codec's own: `"v"`, the version of the
type's stored form where it is not 1, and `"ignorable": true`, by which a later version says of a type of its own that
older ones may read past it. Everything else that is not known is refused: half an understanding of a session repeats
effects.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, get_args

from agentkit.core.events import AnyEvent, CallEscalated
from agentkit.core.spec import Usage
from agentkit.errors import ForeignJournal, JournalError
from agentkit.journal.jsonbytes import decode_json, dumps
from agentkit.journal.quick import quick
from agentkit.journal.shape import Misfit, shape_of

_NO_GUARDS = {"repairs": None, "repeats": None}  # these limits came, and are on by default: nobody had set them

Upgrade: TypeAlias = Callable[[Mapping[str, Any]], dict[str, Any]]

UPGRADES: Mapping[tuple[str, int], Upgrade] = MappingProxyType(
    {
        ("Forked", 1): dict,  # `before` and `asks` came; an import, all there was, has neither
        ("ToolStarted", 1): dict,  # `process` came: nobody had said it
        ("AgentBound", 1): dict,  # a tool's `patience` and `declared` came: nobody's time ran out before
        ("AgentBound", 2): lambda body: {**body, "limits": body.get("limits", {}) | _NO_GUARDS},
    }
)
"""(type, version) to the pure function that makes a body of the next version. A changed default needs one too."""

IGNORABLE: frozenset[type[AnyEvent]] = frozenset({CallEscalated})
"""Types that came after format 1 was pinned, and that an older version may read past: nothing runs because of them."""

_IN_COLUMN = {"input_tokens": "in", "cached_tokens": "cached", "output_tokens": "out", "reasoning_tokens": "reasoning"}
_IN_EVENT = {short: name for name, short in _IN_COLUMN.items()}


class Stored(NamedTuple):
    """An event as a row holds it."""

    type: str
    body: bytes
    usage: bytes | None = None


class Codec:
    """The codec of a union of event types; a type's version is one more than the upgrades there are for it."""

    def __init__(self, events: Any, upgrades: Mapping[tuple[str, int], Upgrade]) -> None:
        self._upgrades = upgrades
        self._kinds = {kind.__name__: kind for kind in get_args(events)}
        self._shapes = {kind.__name__: shape_of(kind) for kind in get_args(events)}
        self._versions = {name: 1 + sum(1 for key, _ in upgrades if key == name) for name in self._shapes}

    def pack(self, event: AnyEvent) -> tuple[str, dict[str, Any]]:
        """Return an event's type and its body as plain JSON.

        Raises:
            JournalError: a value in it cannot be stored.
        """
        name = type(event).__name__
        if name not in self._shapes:
            raise JournalError(f"{name} is no event: it cannot be stored")
        try:
            body: dict[str, Any] = self._shapes[name].pack(event)
        except Misfit as misfit:
            raise JournalError(f"{misfit.within(name)}: nothing was written") from misfit
        if (version := self._versions[name]) > 1:
            body["v"] = version
        if type(event) in IGNORABLE:
            body["ignorable"] = True
        return name, body

    def unpack(self, name: str, body: Any) -> AnyEvent | None:
        """Return the event of a type and a body, which is used up; None for one that is unknown and may be read past.

        Raises:
            ForeignJournal: a type, or a version of one, that this version of agentkit does not know.
            JournalError: the body is not what this type's body looks like.
        """
        if not isinstance(body, dict):
            raise JournalError(f"the body of {name} is not a JSON object")
        version, ignorable = body.pop("v", 1), body.pop("ignorable", False)
        if version != self._versions.get(name) or type(version) is not int:
            if ignorable is True and not self._knows(name, version):
                return None
            body = self._upgraded(name, version, body)
        try:
            return quick(self._kinds[name])(body)  # type: ignore[no-any-return]  # it makes that kind
        except (ValueError, Misfit):
            return self._judged(name, body)

    def _knows(self, name: str, version: object) -> bool:
        return isinstance(version, int) and 1 <= version <= self._versions.get(name, 0)

    def _upgraded(self, name: str, version: Any, body: dict[str, Any]) -> dict[str, Any]:
        newest = self._versions.get(name, 0)
        if not self._knows(name, version):
            raise ForeignJournal(
                f"{name}, version {version!r:.20}, is unknown to this version of agentkit, which reads up to {newest}. "
                "A later version wrote it: read it with that one"
            )
        for older in range(version, newest):
            body = self._upgrades[name, older](body)
        return body

    def _judged(self, name: str, body: Mapping[str, Any]) -> AnyEvent:
        try:
            event: AnyEvent = self._shapes[name].unpack(body)
        except Misfit as misfit:
            raise JournalError(f"{misfit.within(name)}. The row is damaged, or not agentkit's") from misfit
        return event

    def encode(self, event: AnyEvent) -> Stored:
        """Return an event as a row holds it. Raises: JournalError: a value in it cannot be stored."""
        name, body = self.pack(event)
        usage = body.pop("usage", None)
        return Stored(name, dumps(body), None if usage is None else dumps(_renamed(usage, _IN_COLUMN)))

    def decode(self, stored: tuple[str, bytes, bytes | None]) -> AnyEvent | None:
        """Return the event of a row: `Stored`, or a bare tuple. Raises: as `unpack`; JournalError: it is not JSON."""
        name, data, usage = stored
        body = decode_json(data)
        if usage is not None and isinstance(body, dict):
            body["usage"] = _renamed(decode_json(usage), _IN_EVENT)
        return self.unpack(name, body)


def _renamed(usage: Any, names: Mapping[str, str]) -> Any:
    """Return usage with the keys of the column, or of the event: the long ones are 2 % of a conversation."""
    return {names.get(key, key): value for key, value in usage.items()} if isinstance(usage, dict) else usage


def usage_of(column: bytes | None) -> Usage | None:
    """Return the usage that a row tells beside an event's body, which may be gone."""
    usage: Usage | None = None if column is None else shape_of(Usage).unpack(_renamed(decode_json(column), _IN_EVENT))
    return usage


@cache
def codec() -> Codec:
    """Return the codec of this version's events, compiled on first use."""
    return Codec(AnyEvent, UPGRADES)
