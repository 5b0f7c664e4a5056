"""Redaction: rules applied before a fact is believed or written, so that state, journal and model know the same.

A rule is a pattern and what takes its place, or a function; it must be a function of its text alone and settle: what it
returns it leaves alone. Rules do not see what streams past on a screen, nor what a tool does with its arguments.

Exact, unless it is asked for: **arguments**, because the recorded ones are those a tool runs with, also after a crash;
and **reasoning**, with everything a service gives privately beside an answer, because its contract asks for it as it
came. Always exact: names and ids (message ids, who decided), pictures and files inside a message.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, TypeVar, cast

from agentkit.core.contract import ITEMS, THINKING_PARTS
from agentkit.core.cutting import Cut, cut_again
from agentkit.core.events import (
    AnyEvent,
    CallAnswered,
    CallApproved,
    CallClosed,
    CallDenied,
    CallHeld,
    CallRefused,
    CallResolved,
    CallSuspended,
    Compacted,
    InboxRefused,
    LimitReached,
    ModelFailed,
    ModelInterrupted,
    ModelRejected,
    ModelResponded,
    OutputRefused,
    ToolFinished,
    ToolStarted,
    ToolUnknown,
    TurnEnded,
    UserSaid,
)
from agentkit.core.events_people import CallDeferred, PersonAnswered
from agentkit.core.messages import AssistantMessage, File, Image, Json, Part, Text
from agentkit.core.values import dataclass
from agentkit.errors import ConfigurationError, RedactionFailed

E = TypeVar("E", bound=AnyEvent)
M = TypeVar("M")

Rule: TypeAlias = tuple[re.Pattern[str], str] | Callable[[str], str]
Place: TypeAlias = Literal["user", "text", "results", "arguments", "reasoning", "words"]

# What people wrote counts as user text, what a tool (or a person in its place) told as a result; "words" are agentkit's
# and a service's own, in which anything may be quoted.
PLACES: Final[Mapping[type[Any], Mapping[str, Place]]] = MappingProxyType(
    {
        UserSaid: {"parts": "user"},
        ModelInterrupted: {"why": "words", "text": "text", "reasoning": "reasoning"},
        ModelFailed: {"text": "words", "provider_text": "words"},
        OutputRefused: {"text": "words"},
        CallRefused: {"parts": "words"},
        CallHeld: {"why": "words", "mended": "arguments", "how": "words"},
        CallDeferred: {"why": "words", "parts": "words", "mended": "arguments", "how": "words"},
        CallApproved: {"edited": "arguments"},
        CallDenied: {"reason": "user", "parts": "user"},
        CallClosed: {"parts": "words"},
        ToolStarted: {"edited": "arguments", "mended": "arguments", "how": "words"},
        ToolFinished: {"parts": "results", "detail": "results", "hint": "words"},
        ToolUnknown: {"why": "results", "detail": "results"},
        CallSuspended: {"text": "results"},
        CallAnswered: {"parts": "user"},
        CallResolved: {"parts": "results", "why": "results"},
        LimitReached: {"why": "words"},
        InboxRefused: {"why": "words"},
        TurnEnded: {"reason": "words"},
        PersonAnswered: {"text": "user", "notice": "words"},
        Compacted: {"summary": "text"},
    }
)
_ANSWERS = (ModelResponded, ModelRejected)
_NOTE = "redaction changed the reasoning: it goes back changed, and what came privately beside it does not go back"
_ITEMS_NOTE = "redaction changed the answer: it goes back without the items it came in, their reasoning included"


@dataclass(frozen=True)
class Redaction:
    """Rules, and where they apply.

    Args:
        rules: (compiled pattern, replacement) or a function of a text; all are applied, in order.
        user: to what people say and answer.
        text: to what a model says.
        results: to what tools return, ask and raise.
        arguments: to the arguments of calls. The tool is then run with the changed ones.
        reasoning: to what a model thinks. A service that asks for it as it came may refuse the session from then on.
    """

    rules: Sequence[Rule]
    user: bool = True
    text: bool = True
    results: bool = True
    arguments: bool = False
    reasoning: bool = False

    def __post_init__(self) -> None:
        for rule in self.rules:
            pair: Any = rule
            if not callable(rule) and not (isinstance(pair, tuple) and tuple(map(type, pair)) == (re.Pattern, str)):
                raise ConfigurationError(f"{rule!r:.80} is no rule: (re.compile(...), replacement), or a function")

    def fact(self, event: AnyEvent) -> AnyEvent:
        """Return a fact as the rules leave it; the very one where they change nothing. Raises: RedactionFailed."""
        return redacted(self, event)

    def applies(self, place: Place) -> bool:
        """Tell whether the rules apply to a place."""
        return place == "words" or bool(getattr(self, place))

    def __call__(self, text: str) -> str:
        """Return a text as the rules leave it.

        Raises:
            RedactionFailed: a rule raised, gave no text, or changes again what the rules have left.
        """
        clean = self._once(text)
        if clean != text and self._once(clean) != clean:
            raise RedactionFailed("a rule of redaction changes its own result: each must leave alone what it returns")
        return clean

    def _once(self, text: str) -> str:
        for rule in self.rules:
            text = _applied(rule, text)
        return text


def _applied(rule: Rule, text: str) -> str:
    try:
        clean: Any = rule[0].sub(rule[1], text) if isinstance(rule, tuple) else rule(text)
    except Exception as error:
        raise RedactionFailed(
            f"the rule of redaction {_named(rule)} raised {type(error).__name__}: nothing was written. Mend the rule "
            "and go on: what was to be written is kept in hand while this process lives"
        ) from error
    if not isinstance(clean, str):
        raise RedactionFailed(f"the rule of redaction {_named(rule)} gave {type(clean).__name__}, not a text")
    return clean


def _named(rule: Rule) -> str:
    return rule[0].pattern if isinstance(rule, tuple) else getattr(rule, "__qualname__", type(rule).__name__)


def redacted(rules: Redaction | None, event: E) -> E:
    """Return a fact as the rules leave it; the very one where they change nothing. Raises: RedactionFailed."""
    if rules is None:
        return event
    if isinstance(event, _ANSWERS):
        return cast("E", _answer(rules, event))
    if isinstance(event, ToolFinished | CallResolved) and event.cut is not None and rules.results:
        event = cast("E", _cut(rules, event, event.cut))
    places = PLACES.get(type(event), {})
    changed = {
        name: clean
        for name, place in places.items()
        if rules.applies(place) and (clean := _value(rules, was := getattr(event, name))) != was
    }
    return replace(event, **changed) if changed else event


def _cut(rules: Redaction, event: ToolFinished | CallResolved, cut: Cut) -> ToolFinished | CallResolved:
    """Return a result that was cut, cut anew from the whole text as the rules leave it.

    The rules see the whole first: what they look for may lie on both sides of the cut.
    """
    if not isinstance(cut.whole, Text) or (clean := rules(cut.whole.text)) == cut.whole.text:
        return event
    parts, after = cut_again(event.call, event.parts, cut, clean)
    return replace(event, parts=parts, cut=after)


def redacting(rules: Redaction | None, make: Callable[[M], E]) -> Callable[[M], E]:
    """Return `make` with what it makes redacted."""
    return lambda given: redacted(rules, make(given))


def in_words(rules: Redaction | None, error: BaseException) -> str:
    """Return an error as it may be written: only its kind, where a rule fails on its words."""
    kind, words = type(error).__name__, str(error)
    try:
        return f"{kind}: {words if rules is None else rules(words)}"
    except RedactionFailed:
        return kind


def _value(rules: Redaction, value: Any) -> Any:
    if isinstance(value, str):
        return rules(value)
    return None if value is None else tuple(_part(rules, part) for part in value)


def _part(rules: Redaction, part: Part) -> Part:
    match part:
        case Text(text):
            return Text(rules(text))
        case Image(url) if not url.startswith("data:"):
            return Image(rules(url))
        case File(name, url):
            return File(rules(name), url if url.startswith("data:") else rules(url))
        case _:
            return part


def _answer(rules: Redaction, event: ModelResponded | ModelRejected) -> ModelResponded | ModelRejected:
    message, notes = _message(rules, event.message)
    if isinstance(event, ModelRejected):
        why = rules(event.why)
        same = message == event.message and why == event.why
        return event if same else replace(event, message=message, why=why)
    if message == event.message:
        return event
    if notes:
        _warn(notes)
    return replace(event, message=message, notes=(*event.notes, *notes))


def _message(rules: Redaction, message: AssistantMessage) -> tuple[AssistantMessage, tuple[str, ...]]:
    """Return a model's answer as the rules leave it, and what that means for the next request."""
    said = _said(rules, message)
    if said.reasoning != message.reasoning:
        said = replace(said, extras={}, calls=tuple(replace(call, extras={}) for call in said.calls), redacted=True)
    else:
        said = _beside(rules, said, framed=said != message)
    lost = ITEMS in message.extras and ITEMS not in said.extras
    notes = (_NOTE,) if said.redacted else (_ITEMS_NOTE,) if lost else ()
    return said, notes


def _said(rules: Redaction, message: AssistantMessage) -> AssistantMessage:
    """Return an answer with its texts as the rules leave them, and all else as it is."""
    text, reasoning, calls = message.text, message.reasoning, message.calls
    if rules.text and text is not None:
        text = rules(text)
    if rules.reasoning and reasoning is not None:
        reasoning = rules(reasoning)
    if rules.arguments:
        calls = tuple(replace(call, arguments=rules(call.arguments)) for call in calls)
    return replace(message, text=text, reasoning=reasoning, calls=calls)


def _framed(rules: Redaction, extras: Mapping[str, Json]) -> dict[str, Json]:
    """Return private fields beside a text that was changed: what repeats the text goes, or is changed with it.

    Items hold lengths of the text as it came (models/items.py); a list of content may hold the text itself.
    """
    kept = {name: value for name, value in extras.items() if name != ITEMS}
    match kept.get(THINKING_PARTS):
        case {"content": [*chunks]}:
            clean = [_strings(rules, chunk) if _is_text(chunk) else chunk for chunk in chunks]
            kept[THINKING_PARTS] = {"content": clean}
    return kept


def _is_text(chunk: Any) -> bool:
    return isinstance(chunk, str) or (isinstance(chunk, Mapping) and chunk.get("type") == "text")


def _beside(rules: Redaction, said: AssistantMessage, *, framed: bool) -> AssistantMessage:
    """Return an answer with its private fields as the rules leave them. `framed`: the texts in them were changed."""
    extras = _framed(rules, said.extras) if framed else said.extras
    if not rules.reasoning:
        return said if extras is said.extras else replace(said, extras=extras)
    left, calls = (
        _private(rules, extras),
        tuple(replace(call, extras=_private(rules, call.extras)) for call in said.calls),
    )
    return replace(said, extras=left, calls=calls, redacted=said.redacted or left != extras or calls != said.calls)


def _private(rules: Redaction, extras: Mapping[str, Json]) -> dict[str, Json]:
    """Return private fields without those in which a rule finds something: changed ones would only be refused."""
    return {name: value for name, value in extras.items() if _strings(rules, value) == value}


def _strings(rules: Redaction, value: Any) -> Any:
    """Return JSON with every text in it as the rules leave it."""
    if isinstance(value, str):
        return rules(value)
    if isinstance(value, Mapping):
        return {name: _strings(rules, item) for name, item in value.items()}
    return [_strings(rules, item) for item in value] if isinstance(value, list | tuple) else value


@cache
def _warn(notes: tuple[str, ...]) -> None:
    """Say once in this process what redaction costs."""
    text = "%s. A service whose contract asks for reasoning as it came may refuse the session from here on"
    logging.getLogger("agentkit").warning(text, "; ".join(notes))
