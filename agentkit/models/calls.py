"""Tool calls put together from what services send, pure. Every quirk handled here was met in a recorded answer."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentkit.core.contract import Contract
from agentkit.core.messages import Json, ToolCall
from agentkit.models.sse import decode
from agentkit.models.text import Track

_NOT_EXTRA = frozenset({"id", "index", "type", "function"})


class ShapeError(Exception):
    """A part of an answer is not of the documented shape."""


@dataclass(slots=True)
class _Open:
    """A call that may still grow."""

    index: object
    id: str = ""
    name: str = ""
    arguments: Track = field(default_factory=Track)
    extras: dict[str, Json] = field(default_factory=dict)

    def complete(self) -> bool:
        """Whether the arguments are a whole JSON object: nothing can follow it."""
        try:
            return isinstance(decode(self.arguments.text().encode("utf-8", "surrogatepass")), dict)
        except ValueError:
            return False


class Calls:
    """The calls of one answer, in the order asked."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._calls: list[_Open] = []

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, part: Mapping[str, Any], *, apart: bool) -> str:
        """Take one entry of `tool_calls`; with `apart`, every entry is a call of its own (an answer in one piece).

        Returns what there is to show of its arguments.

        Raises:
            ShapeError: the entry's shape is not known.
        """
        function = part.get("function") or {}
        if not isinstance(function, dict):
            raise ShapeError("a tool call's `function` is not an object")
        call_id, name = str(part.get("id") or ""), str(function.get("name") or "")
        fragment = self._arguments(function.get("arguments"))
        call = None if apart else self._known(part.get("index"), call_id, name, fragment)
        if call is None:
            call = _Open(part.get("index"))
            self._calls.append(call)
        call.id = call.id or call_id
        call.name = call.name or name
        call.extras |= {key: value for key, value in part.items() if key not in _NOT_EXTRA and not _hollow(value)}
        if self._repeated(call, fragment):
            return ""
        return call.arguments.add(fragment)

    def settled(self, contract: Contract) -> tuple[ToolCall, ...]:
        """Return the calls with ids that are non-empty, unique in the message and legal for the row (law 4)."""
        given = [call.id for call in self._calls]
        settled: list[ToolCall] = []
        taken = set(given)
        for index, call in enumerate(self._calls):
            arguments = call.arguments.text()
            if legal(contract, call.id) and call.id not in given[:index]:
                settled.append(ToolCall(call.id, call.name, arguments, extras=call.extras))
                continue
            derived = _derived(contract, index, taken)
            taken.add(derived)
            self.notes.append(f"call {index}: id {call.id!r} replaced by {derived!r}")
            settled.append(ToolCall(derived, call.name, arguments, call.id, call.extras))
        return tuple(settled)

    def _arguments(self, given: object) -> str:
        if given is None or isinstance(given, str):
            return given or ""
        self.notes.append("arguments came as JSON, not as text")
        return json.dumps(given, ensure_ascii=False, separators=(",", ":"))

    def _known(self, index: object, call_id: str, name: str, fragment: str) -> _Open | None:
        """Find the call a fragment goes on with; None where it begins one.

        An index names a call until another id comes with a name (parallel calls all under index 0), or a name comes
        after whole arguments (the same, without ids). Without index the id names it; without both, a name begins one.
        """
        same = [call for call in self._calls if (call.index == index if index is not None else call.id == call_id)]
        if index is None and not call_id:
            same = [] if name else self._calls
        if not same:
            return None
        last = same[-1]
        if not name or not last.name:
            return last
        if call_id and last.id:
            return last if call_id == last.id else next((call for call in same if call.id == call_id), None)
        return None if last.complete() and fragment != last.arguments.text() else last

    def _repeated(self, call: _Open, fragment: str) -> bool:
        """Tell whether whole arguments were sent a second time."""
        if not fragment.lstrip().startswith("{") or fragment != call.arguments.text() or not call.complete():
            return False
        self.notes.append(f"arguments of {call.name!r} were sent twice")
        return True


def legal(contract: Contract, call_id: str) -> bool:
    """Tell whether the row allows this call id on the wire."""
    return bool(call_id) and re.fullmatch(contract.call_ids.pattern, call_id) is not None


def _derived(contract: Contract, index: int, taken: set[str]) -> str:
    """Return an id made from the call's index; the second shape suits services that want nine letters and digits."""
    shapes = [shape for n in range(len(taken) + 1) for shape in (f"call_{index + n}", f"call{index + n:05d}")]
    free = [shape for shape in shapes if shape not in taken]
    return next((shape for shape in free if legal(contract, shape)), free[0])


def _hollow(value: object) -> bool:
    """Tell whether a private field says nothing: some services send every field they know, empty."""
    return all(_hollow(item) for item in value.values()) if isinstance(value, dict) else value in (None, "", [])
