"""From what a tool's body did (returned, raised) to the fact that is recorded, in words the model can use."""

import json
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from pydantic_core import to_json, to_jsonable_python

from agentkit.core.events import CallSuspended, ToolFinished, ToolUnknown
from agentkit.core.messages import File, Image, Part, Text
from agentkit.core.values import dataclass
from agentkit.errors import NeedsAnswer, ToolError
from agentkit.tools.child import Rested, Waits
from agentkit.tools.returned import holds_parts, misfit
from agentkit.tools.tool import Declared
from agentkit.tools.worker import Lost

NOTHING = "(the tool returned nothing)"
_MISFIT = "its result does not have the form it is declared to have: {}"
_NO_JSON = "(it is done; its result is not JSON and is shown as text)"


@dataclass(frozen=True, slots=True)
class Returned:
    """The body ended with a value."""

    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """The body ended with an exception."""

    error: Exception


Ended: TypeAlias = Returned | Raised
Fact: TypeAlias = ToolFinished | ToolUnknown | CallSuspended


def parts_for(value: object, note: str = "") -> tuple[Part, ...]:
    """Return what the model sees of a result: `note`, then the text itself, or JSON of any other value.

    `Text`, `Image` and `File` are shown as such, alone or in a list, in which everything else is shown as by itself.
    None is `null`, bytes are base64; an empty text becomes a notice, because a model must not see an empty result. A
    value that is no JSON is shown as Python shows it, and said to be so: the tool did its work, and only its report is
    unreadable.
    """
    if not holds_parts(value):
        return (Text(note + _shown(value)),)
    items = value if isinstance(value, list | tuple) else (value,)
    parts = [each if isinstance(each, Image | File) else Text(_text(each)) for each in items]
    if note and isinstance(parts[0], Text):
        return (Text(note + parts[0].text), *parts[1:])
    return (Text(note), *parts) if note else tuple(parts)


def parts_of_deed(declared: Declared, value: object, note: str = "") -> tuple[Part, ...]:
    """Return what the model sees of something that happened: also where its report has not the form it should have."""
    problem = misfit(declared, value)
    return parts_for(value, f"{note}Note: it is done, but {_MISFIT.format(problem)}.\n" if problem else note)


def fact(call: str, declared: Declared, ended: Ended, note: str = "", *, late: bool = False) -> Fact:
    """Return the fact that a body's end is; `late`: it was told to stop, its time was over."""
    if isinstance(ended, Returned):
        return _returned(call, declared, ended.value, note)
    causes = tuple(_leaves(ended.error))
    if len(causes) == 1 and isinstance(causes[0], NeedsAnswer):
        return CallSuspended(call, "question", str(causes[0]))
    detail = "".join(traceback.format_exception(ended.error))
    proof = _proof(declared, causes)
    if proof is not None:
        return failed(call, proof, note, detail)
    if late:
        return timed_out(call, declared, note, detail)
    if declared.effect == "once":
        return ToolUnknown(call, f"{declared.name} raised {_classes(causes)}", detail)
    return failed(call, f"Error: {declared.name} failed ({_classes(causes)}).", note, detail)


def _returned(call: str, declared: Declared, value: object, note: str) -> Fact:
    if isinstance(value, Waits):
        return CallSuspended(call, "child", value.session_id)
    if isinstance(value, Rested):
        return ToolFinished(call, (Text(note + value.text),), value.failed, value.detail, child=value.child)
    problem = misfit(declared, value)
    if not problem:
        return ToolFinished(call, parts_for(value, note))
    detail = f"{declared.name}: {_MISFIT.format(problem)}. It returned: {_as_python(value)}"
    if declared.effect == "once":
        return ToolFinished(call, parts_of_deed(declared, value, note), detail=detail)
    return failed(call, f"Error: {declared.name} is of no use now: {_MISFIT.format(problem)}.", note, detail)


def fleeting(declared: Declared, ended: Ended | None) -> str:
    """Return why a body failed that might not fail again (None: it was cut off); empty where the tool itself said."""
    if not isinstance(ended, Raised):
        return "cut off" if ended is None else ""
    causes = tuple(_leaves(ended.error))
    told = _proof(declared, causes) is not None or (len(causes) == 1 and isinstance(causes[0], NeedsAnswer))
    return "" if told else _classes(causes)


def timed_out(call: str, declared: Declared, note: str, detail: str | None = None) -> Fact:
    """Return the fact that a body was still busy when its time was over."""
    if declared.effect == "once":
        return ToolUnknown(call, f"{declared.name} timed out after {declared.timeout:g} s", detail)
    return failed(call, f"Error: {declared.name} timed out after {declared.timeout:g} s.", note, detail)


def failed(call: str, text: str, note: str = "", detail: str | None = None) -> ToolFinished:
    """Return the outcome of a call that did not do its work; `text` is for the model, `detail` for people."""
    return ToolFinished(call, (Text(note + text),), failed=True, detail=detail)


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value or NOTHING
    for show in (_as_json, _as_json_with_surrogates):
        # It happened: whatever the value's own code raises must not say that it did not.
        with suppress(Exception):
            return show(value)
    return f"{_NO_JSON} {_as_python(value)}"


def _text(item: object) -> str:
    return item.text or NOTHING if isinstance(item, Text) else _shown(item)


def _as_json(value: object) -> str:
    return to_json(value, bytes_mode="base64").decode("utf-8")


def _as_json_with_surrogates(value: object) -> str:
    """Half a surrogate pair is no UTF-8, which pydantic writes, but a Python text may hold one."""
    return json.dumps(to_jsonable_python(value, bytes_mode="base64"), ensure_ascii=False, separators=(",", ":"))


def _as_python(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - as above
        return f"a {type(value).__name__}"


def _proof(declared: Declared, causes: Sequence[Exception]) -> str | None:
    """Return what the model is told where the exceptions prove that nothing happened (law 6), else None."""
    if any(isinstance(each, Lost) for each in causes):  # also where the tool names all exceptions
        return None
    if all(isinstance(each, ToolError) for each in causes):
        return "\n".join(str(each) for each in causes if str(each)) or f"Error: {declared.name} failed."
    if all(isinstance(each, (ToolError, *declared.no_effect)) for each in causes):
        return f"Error: {declared.name} failed ({_classes(causes)}); nothing was changed."
    return None


def _classes(causes: Sequence[Exception]) -> str:
    return ", ".join(dict.fromkeys(type(each).__name__ for each in causes))


def _leaves(error: Exception) -> Iterator[Exception]:
    """Yield the exceptions inside groups: what a tool raised in a task group of its own is what it raised."""
    if isinstance(error, ExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error
