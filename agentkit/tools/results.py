"""From what a tool's body did (returned, raised) to the fact that is recorded, in words the model can use."""

import json
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic_core import to_json, to_jsonable_python

from agentkit.core.events import CallSuspended, ToolFinished, ToolUnknown
from agentkit.core.messages import Part, Text
from agentkit.errors import NeedsAnswer, ToolError
from agentkit.tools.tool import Declared

NOTHING = "(the tool returned nothing)"
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

    None is `null`; an empty text becomes a notice, because a model must not see an empty result. A value that is no
    JSON is shown as Python shows it, and said to be so: the tool did its work, and only its report is unreadable.
    """
    return (Text(note + _shown(value)),)


def fact(call: str, declared: Declared, ended: Ended, note: str = "", *, late: bool = False) -> Fact:
    """Return the fact that a body's end is; `late`: it was told to stop, its time was over."""
    if isinstance(ended, Returned):
        return ToolFinished(call, parts_for(ended.value, note))
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
    for show in (_as_json, _as_json_with_surrogates, _as_text):
        # It happened: whatever the value's own code raises must not say that it did not.
        with suppress(Exception):
            return show(value)
    return f"{_NO_JSON} a {type(value).__name__}"


def _as_json(value: object) -> str:
    return to_json(value).decode("utf-8")


def _as_json_with_surrogates(value: object) -> str:
    """Half a surrogate pair is no UTF-8, which pydantic writes, but a Python text may hold one."""
    return json.dumps(to_jsonable_python(value), ensure_ascii=False, separators=(",", ":"))


def _as_text(value: object) -> str:
    return f"{_NO_JSON} {value!r}"


def _proof(declared: Declared, causes: Sequence[Exception]) -> str | None:
    """Return what the model is told where the exceptions prove that nothing happened (law 6), else None."""
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
