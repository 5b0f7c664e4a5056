"""An answer as it came: nothing is put where it belongs, so that what is odd about it can be told. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agentkit.models.sse import Events, Mark, decode

# Pairs of tags that have been met in `content` around reasoning.
TAGS: Final = (
    ("<think>", "</think>"),
    ("<mm:think>", "</mm:think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
)
_THOUGHT: Final = re.compile("reason|think|thought", re.IGNORECASE)
_OWN: Final = frozenset({"id", "type", "function", "index"})


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to one request.

    Attributes:
        number: of the request, from 1.
        status: of HTTP.
        said: the service's words, where it refused.
        raw: the body.
        values: the JSON values in it; more than one where it was streamed.
        streamed: it came as a stream of events.
        back: what goes back in the next request: fields of a message, or items.
        calls: (id, name, arguments) of its tool calls.
        text: what it says.
        carriers: where reasoning came.
        reasoning: the reasoning that can be read.
        finish: why it ended.
        usage: as the service counts.
    """

    number: int
    status: int
    said: str = ""
    raw: bytes = b""
    values: Sequence[Any] = ()
    streamed: bool = False
    back: Mapping[str, Any] = field(default_factory=dict)
    calls: Sequence[tuple[str, str, str]] = ()
    text: str = ""
    carriers: Sequence[str] = ()
    reasoning: str = ""
    finish: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether it was accepted."""
        return self.status == 200 and not self.said  # noqa: PLR2004 - HTTP's own

    @property
    def prompt(self) -> int | None:
        """Tokens of the request as the service counts them, cached ones included; None where it does not say."""
        return _number(self.usage, "prompt_tokens") or _number(self.usage, "input_tokens")

    @property
    def output(self) -> int:
        """Tokens of the answer, 0 where the service does not count them."""
        return _number(self.usage, "completion_tokens") or _number(self.usage, "output_tokens") or 0

    @property
    def thought(self) -> bool:
        """Whether the model thought, by what came or by what was counted."""
        details = self.usage.get("completion_tokens_details") or self.usage.get("output_tokens_details") or {}
        return bool(self.carriers or _number(details, "reasoning_tokens"))


def values_in(raw: bytes) -> list[Any]:
    """Return the JSON values of a stream of events; its end mark is none of them."""
    events = Events()
    values = [value for value in (*events.feed(raw), *events.end()) if value is not Mark.DONE]
    return [value for value in values if isinstance(value, dict | list)]


def value_in(raw: bytes) -> list[Any]:
    """Return the JSON value of an answer that is not streamed; none where it is no object and no list."""
    try:
        value = decode(raw)
    except ValueError:
        return []
    return [value] if isinstance(value, dict | list) else []


def thoughts(fields: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields that hold reasoning: text first, then what only the service can read."""
    named = [name for name, value in fields.items() if value and _THOUGHT.search(name)]
    return sorted(named, key=lambda name: not isinstance(fields[name], str))


def tags_in(content: object) -> tuple[str, str] | None:
    """Return the pair of tags that stands in a text."""
    if not isinstance(content, str):
        return None
    return next((pair for pair in TAGS if pair[1] in content), None)


def beside(call: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields that stand beside a call and are not the call's own."""
    return [name for name, value in call.items() if name not in _OWN and value]


def _number(given: object, name: str) -> int | None:
    value = given.get(name) if isinstance(given, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
