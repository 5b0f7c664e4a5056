"""Tool calls put together from what services send, pure. Every quirk handled here was met in a recorded answer."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentkit.core.contract import Contract
from agentkit.core.messages import Json, ToolCall
from agentkit.models.private import hollow, overlaid
from agentkit.models.sse import decode
from agentkit.models.text import Track


class ShapeError(Exception):
    """A part of an answer is not of the documented shape."""


@dataclass(slots=True)
class _Open:
    """A call that may still grow."""

    index: object
    id: str = ""
    name: str = ""
    arguments: Track = field(default_factory=Track)
    size: int = 0  # characters of arguments
    extras: dict[str, Json] = field(default_factory=dict)

    def complete(self) -> bool:
        """Whether the arguments are a whole JSON object: nothing can follow it."""
        try:
            return isinstance(decode(self.arguments.text().encode("utf-8", "surrogatepass")), dict)
        except ValueError:
            return False


class Calls:
    """The calls of one answer, in the order asked. `beside` names the private fields that are kept with them."""

    def __init__(self, beside: tuple[str, ...] = ()) -> None:
        self.notes: list[str] = []
        self._beside = beside
        self._calls: list[_Open] = []

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, part: Mapping[str, Any], *, apart: bool) -> str:
        """Take one entry of `tool_calls`; with `apart`, every entry is a call of its own (an answer in one piece).

        Returns what there is to show of its arguments.

        Raises:
            ShapeError: the entry's shape is not known.
        """
        function = part.get("function") or part  # some leave the wrapping out
        if not isinstance(function, dict):
            raise ShapeError("a tool call's `function` is not an object")
        index, call_id, name = _number(part.get("index")), _word(part.get("id")), _word(function.get("name"))
        fragment = self._arguments(function.get("arguments"))
        call = None if apart else self._known(index, call_id, name, fragment)
        if call is None:
            call = _Open(index)
            self._calls.append(call)
        call.id = call.id or call_id
        call.name = call.name or name
        for key in self._beside:
            if not hollow(part.get(key)):
                call.extras[key] = overlaid(call.extras.get(key), part[key])
        if self._repeated(call, fragment):
            return ""
        call.size += len(fragment)
        return call.arguments.add(fragment)

    def more(self, part: object) -> str | None:
        """Take an entry that only goes on with the last call's arguments, as `add` would; None: it may be another."""
        function = part.get("function") if type(part) is dict else None
        if type(part) is not dict or type(function) is not dict or not self._calls or self._beside:
            return None
        call, index, fragment = self._calls[-1], part.get("index"), function.get("arguments")
        begins = part.get("id") or function.get("name") or type(index) is not int or index != call.index
        if begins or type(fragment) is not str or fragment.lstrip().startswith("{"):
            return None
        call.size += len(fragment)
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
            note = f"call {index}: id {call.id!r} cannot be used, another takes its place"
            self.notes += [] if note in self.notes else [note]
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
        same = self._same(index, call_id, name)
        if not same:
            return None
        last = same[-1]
        if not name or not last.name:
            return last
        if call_id and last.id:
            return last if call_id == last.id else next((call for call in same if call.id == call_id), None)
        return None if last.complete() and fragment != last.arguments.text() else last

    def _same(self, index: object, call_id: str, name: str) -> list[_Open]:
        """Return the calls a fragment may belong to."""
        if index is not None:
            return [call for call in self._calls if call.index == index]
        if not call_id:
            return [] if name else self._calls
        same = [call for call in self._calls if call.id == call_id]
        late = [] if same or name else self._calls[-1:]  # an id that comes behind its call's name
        return same or [call for call in late if not call.id]

    def _repeated(self, call: _Open, fragment: str) -> bool:
        """Tell whether whole arguments were sent a second time."""
        if len(fragment) != call.size or not fragment.lstrip().startswith("{"):
            return False
        if fragment != call.arguments.text() or not call.complete():
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


def _word(given: object) -> str:
    """Return an id or a name as text: some services number their calls."""
    return "" if given is None else str(given)


def _number(index: object) -> object:
    return int(index) if isinstance(index, str) and index.isascii() and index.isdigit() else index
