"""What a probe found: facts, each with what it follows from, or unknown, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agentkit.core.messages import Json

# The facts of a probe, in the order they are told, and how a person calls them.
TITLES: Final[Mapping[str, str]] = {
    "wire": "wire",
    "token_limit_key": "token limit",
    "always_stream": "only streams",
    "tools": "tools",
    "carrier": "reasoning comes in",
    "streamed_carrier": "and streamed in",
    "thinks": "thinks by default",
    "retention": "old reasoning",
    "missing": "where it is missing",
    "applies_to": "asked for on",
    "empty": "empty reasoning",
    "validated": "what is checked",
    "write": "it is read from",
    "other_field": "in another field",
    "refusal": "the refusal says",
    "off": "thinking off by",
    "efforts": "effort taken in",
    "forced_tool_choice": "forced calls",
    "parallel": "parallel calls",
    "system_role": "roles of a system",
    "user_after_tool": "user after tool",
    "user_after_user": "user after user",
    "sampling": "temperature 0.2",
    "json_mode": "JSON modes",
    "call_ids": "call ids",
    "usage_in_stream": "usage in a stream",
    "usage": "usage fields",
    "stream": "stream",
    "errors": "errors",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact.

    Attributes:
        name: a key of `TITLES`.
        value: what was found, JSON; None where it is unknown.
        why: how it shows; of an unknown one, why it is unknown.
        by: numbers of the requests it follows from.
    """

    name: str
    value: Json = None
    why: str = ""
    by: tuple[int, ...] = ()

    @property
    def found(self) -> bool:
        """Whether it was found."""
        return self.value is not None


@dataclass(frozen=True, slots=True)
class Findings:
    """What a probe found at one endpoint.

    Attributes:
        host, model: who was probed.
        facts: every key of `TITLES`, in that order.
        requests, tokens: what it took; tokens as the endpoint counted them, 0 where it did not.
        body: the fields that went along with each request because the caller asked so.
        broke: why it ended before its end; what was not reached is unknown.
    """

    host: str
    model: str
    facts: tuple[Fact, ...]
    requests: int
    tokens: int
    body: Mapping[str, Json]
    broke: str = ""

    def fact(self, name: str) -> Fact:
        """Return the fact of this name. Raises: KeyError: there is none of this name."""
        for fact in self.facts:
            if fact.name == name:
                return fact
        raise KeyError(name)


class Notes:
    """Facts while they come in; the first word on each stands."""

    def __init__(self) -> None:
        self._facts: dict[str, Fact] = {}

    def found(self, name: str, value: Json, why: str, *by: int) -> None:
        """Note a fact."""
        self._add(Fact(name, value, why, by))

    def unknown(self, names: str, why: str, *by: int) -> None:
        """Note that facts, their names apart by blanks, are not known."""
        for name in names.split():
            self._add(Fact(name, None, why, by))

    def value(self, name: str) -> Json:
        """Return what was found so far; None where nothing was."""
        fact = self._facts.get(name)
        return None if fact is None else fact.value

    def all(self) -> tuple[Fact, ...]:
        """Return every fact there is, noted or not."""
        return tuple(self._facts.get(name) or Fact(name, None, "the probe did not get that far") for name in TITLES)

    def _add(self, fact: Fact) -> None:
        if fact.name not in TITLES:
            raise KeyError(fact.name)
        self._facts.setdefault(fact.name, fact)
