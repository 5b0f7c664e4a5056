"""Data from outside: what may still act by itself once the model has seen some.

A result of a tool that is `untrusted` may hold anybody's words, written to be obeyed. So the model gets it framed
(framing.py), and from then on a `once` call needs a person, unless the agent's policy lets that tool act
(`BoundTool.after_untrusted`) *and* every leaf of its arguments occurs in a user's message or in a trusted result. What
counts, and what does not:

* A leaf is a text or a number; null, true, false and an empty text are none. The name of a value is one too, unless
  the tool's schema gives it (`BoundTool.fields`): where any name may stand, a name is data.
* A text occurs where it stands by itself: not inside or beside a word, and not as a part of what is joined by `-`, `.`,
  `@`, `/` or `+`. Case and white space do not matter. A number occurs where one of the same value stands by itself:
  12.50 is 12.5, and A-12 is no 12.
* A trusted result counts if the model had seen nothing from outside when it asked, or asked with leaves that occurred:
  else `find(order="7")`, answering "no order 7", would make anything known. It counts no more once the model has asked
  a tool that changes something with a leaf that did not occur: what is written there may be what is read here. Errors,
  refusals, summaries, notices and what the model says itself count for nothing; nor does a result too large to be kept
  in its event.

A sub-agent is told what to do by a model: where that one had seen data from outside, its task is such data, too.

Nothing is searched before the model has seen data from outside; then it is once for each `once` call.
"""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from agentkit.core.events import UserSaid
from agentkit.core.messages import AssistantMessage, Part, Text, ToolCall, ToolMessage
from agentkit.core.replacing import replace
from agentkit.core.sharing import told_above
from agentkit.core.spec import BoundTool
from agentkit.core.state import Call, Origin, State

Leaf: TypeAlias = str | Decimal

_NUMBER = re.compile(r"(?<![\w.,])(?<!\w[-@/+])-?\d+(?:\.\d+)?(?!\w|[-.,@/+]\w)")
_JOINTS = r"[-.@/+]"
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


def heard(state: State, said: UserSaid) -> tuple[State, Origin]:
    """Return what a message in the user's place is: a user's, the notice of a call, or a task out of such data."""
    outside = said.inherited.outside if said.inherited else ()
    state = told_above(state, said)
    for name in outside:
        state = seen(state, name)
    if outside or not said.about:
        return state, "outside" if outside else "known"
    tool = dict(state.carried).get(said.about)
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
        if not wanted:
            return True
        # Beside a word of the leaf's own, a joint must not go on with another; beside a joint of its own, nothing may.
        before = rf"(?<!{_JOINTS})" if re.match(_JOINTS, wanted[0]) else rf"(?<!\w{_JOINTS})"
        after = rf"(?!{_JOINTS})" if re.match(_JOINTS, wanted[-1]) else rf"(?!{_JOINTS}\w)"
        pattern = re.compile(rf"(?<!\w){before}{re.escape(wanted)}{after}(?!\w)")
        return any(pattern.search(text) for text in self._texts)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _known(state: State) -> _Words:
    """Return what users have said, and what trusted tools have told."""
    words, asked, tools, spread = _Words(), dict[str, str](), state.tools, False
    for index, entry in enumerate(state.transcript):
        message, behind = entry.message, index > state.outside_at
        if isinstance(message, AssistantMessage):
            asked = {call.id: call.arguments for call in message.calls}
            spread = spread or (behind and any(_spreads(call, tools.get(call.name), words) for call in message.calls))
        elif entry.origin == "known" and not (
            behind
            and isinstance(message, ToolMessage)
            and (spread or _strange(asked.get(message.call_id, "?"), tools.get(message.name), words))
        ):
            words.add(message.parts)
    return words


def _spreads(call: ToolCall, tool: BoundTool | None, words: _Words) -> bool:
    """Tell whether a call may have put what did not occur where a trusted tool reads it."""
    changes = tool is None or tool.effect != "read"
    return changes and _strange(call.arguments, tool, words) is not None


def _strange(raw: str, tool: BoundTool | None, words: _Words) -> tuple[str, Leaf] | None:
    """Return the first leaf of arguments that does not occur, behind its place; None where all do."""
    fields = tool.fields if tool is not None else ()
    told = tool is not None and tool.after_untrusted  # only then the names its schema gives are known
    try:
        given = json.loads(raw if raw.strip() else "{}", parse_int=Decimal, parse_float=Decimal)
        named = given if told and isinstance(given, Mapping) else ()
        names = [("arguments", name) for name in named if name not in fields]
        leaves = [*names, *_leaves(given, "", fields)]
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
