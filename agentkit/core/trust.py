"""Data from outside: what may still act by itself once the model has seen some.

A result of a tool that is `untrusted` may hold anybody's words, written to be obeyed. So the model gets it framed
(framing.py), and from then on a `once` call needs a person, unless the agent's policy lets that tool act
(`BoundTool.after_untrusted`) *and* every leaf of its arguments occurs in a user's message or in a trusted result. What
counts, and what does not:

* A leaf is a text or a number; null, true, false and an empty text are none. The name of a nested value is one too,
  unless the tool's schema gives it (`BoundTool.fields`): where any name may stand, a name is data.
* A text occurs where it stands by itself: not inside a word, and not as a part of what is joined by `-`, `.`, `@` or
  `/`. Case and white space do not matter. A number occurs where one of the same value stands: 12.50 is 12.5.
* A trusted result counts if the model had seen nothing from outside when it asked, or asked with leaves that occurred:
  else `find(order="7")`, answering "no order 7", would make anything known. Errors, refusals, summaries, notices and
  what the model says itself count for nothing; nor does a result too large to be kept in its event.

Nothing is searched before the model has seen data from outside; then it is once for each `once` call.
"""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from agentkit.core.messages import AssistantMessage, Part, Text, ToolMessage
from agentkit.core.replacing import replace
from agentkit.core.spec import BoundTool
from agentkit.core.state import Call, Origin, State

Leaf: TypeAlias = str | Decimal

_NUMBER = re.compile(r"(?<![\w.,])-?\d+(?:\.\d+)?(?!\w|[.,]\d)")
_JOINTS = r"[-.@/]"
_SHOWN = 60  # characters of a leaf that a person is shown


def origin(state: State, call: Call, *, failed: bool) -> Origin:
    """Return what a result of a call's tool is. What was said of the tool when it started counts, and today's word."""
    tool = state.tool(call.tool)
    if call.untrusted or (tool is not None and tool.untrusted):
        return "outside"
    return "" if failed else "known"


def seen(state: State, tool: str) -> State:
    """Say that the next entry of the transcript is data from outside."""
    at = state.outside_at if state.outside else len(state.transcript)
    names = state.outside if tool in state.outside else (*state.outside, tool)
    return replace(state, outside=names, outside_at=at)


def carried(state: State, call: Call | None) -> State:
    """Remember that the notice of a deferred call, which may wait to be heard, brings data from outside."""
    if call is None or call.origin != "outside":
        return state
    return replace(state, carried=(*state.carried, (call.key, call.tool)))


def heard(state: State, about: str) -> tuple[State, Origin]:
    """Return what a message in the user's place is: a user's, or the notice of the call `about`."""
    if not about:
        return state, "known"
    tool = dict(state.carried).get(about)
    return (state, "") if tool is None else (seen(state, tool), "outside")


def doubt(state: State, call: Call, tool: BoundTool) -> str:
    """Return why a call needs a person because of data from outside; empty: it does not."""
    if not state.outside or tool.effect != "once":
        return ""
    why = f"data from outside ({', '.join(state.outside)}) is in this conversation"
    strange = _strange(call.effective, tool, _known(state))
    if strange is None:
        return "" if tool.after_untrusted else why
    return f"{why}, and {_told(state, strange)}"


class _Words:
    """Texts in which leaves are looked for."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._numbers: set[Decimal] = set()

    def add(self, parts: tuple[Part, ...]) -> None:
        for text in (part.text for part in parts if isinstance(part, Text)):
            self._texts.append(_plain(text))
            self._numbers.update(map(Decimal, _NUMBER.findall(text)))

    def hold(self, leaf: Leaf) -> bool:
        if isinstance(leaf, Decimal):
            return leaf in self._numbers
        wanted = _plain(leaf)
        # A guard stands only beside a letter or digit of the leaf's own: beside a mark, nothing can go on.
        before = rf"(?<!\w)(?<!\w{_JOINTS})" if wanted[:1].isalnum() else ""
        after = rf"(?!\w)(?!{_JOINTS}\w)" if wanted[-1:].isalnum() else ""
        pattern = re.compile(before + re.escape(wanted) + after)
        return not wanted or any(pattern.search(text) for text in self._texts)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _known(state: State) -> _Words:
    """Return what users have said, and what trusted tools have told."""
    words, asked, tools = _Words(), dict[str, str](), state.tools
    for index, entry in enumerate(state.transcript):
        message = entry.message
        if isinstance(message, AssistantMessage):
            asked = {call.id: call.arguments for call in message.calls}
        elif entry.origin == "known" and not (
            index > state.outside_at
            and isinstance(message, ToolMessage)
            and _strange(asked.get(message.call_id, "?"), tools.get(message.name), words)
        ):
            words.add(message.parts)
    return words


def _strange(raw: str, tool: BoundTool | None, words: _Words) -> tuple[str, Leaf] | None:
    """Return the first leaf of arguments that does not occur, behind its place; None where all do."""
    fields = tool.fields if tool is not None else ()
    try:
        given = json.loads(raw if raw.strip() else "{}", parse_int=Decimal, parse_float=Decimal)
        leaves = list(_leaves(given, "", fields))
    except (ValueError, ArithmeticError, RecursionError):
        return "", raw
    return next(((place, leaf) for place, leaf in leaves if not words.hold(leaf)), None)


def _leaves(value: Any, place: str, fields: tuple[str, ...]) -> Iterator[tuple[str, Leaf]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if place and name not in fields:
                yield place, name
            yield from _leaves(item, f"{place}.{name}" if place else name, fields)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, place, fields)
    elif isinstance(value, str | Decimal):
        yield place, value


def _told(state: State, strange: tuple[str, Leaf]) -> str:
    place, leaf = strange
    if not place:
        return "its arguments cannot be read"
    outside = _Words()
    for entry in state.transcript:
        if entry.origin == "outside" and not isinstance(entry.message, AssistantMessage):
            outside.add(entry.message.parts)
    shown = str(leaf) if isinstance(leaf, Decimal) else json.dumps(leaf, ensure_ascii=False)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    where = "only in it" if outside.hold(leaf) else "neither in a user's message nor in a trusted result"
    return f"{place} {shown} occurs {where}"
