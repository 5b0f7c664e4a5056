"""What the model sees: `render` lists the messages of a request, `project` decides what becomes of reasoning.

Retention classes (CONTRACTS.md, section 8): forbid and hidden never send it; turn sends it behind the last user
message on the wire; sticky-tools sends it there and in every turn that called a tool; sticky-if-tools and all send it
for ever. (sticky-if-tools asks for it only while the request carries tools and ignores it otherwise; sending it all
the same keeps the prefix byte-stable when tools come and go.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from agentkit.core.contract import Contract
from agentkit.core.messages import AssistantMessage, Message, Part, Stored, Text, UserMessage
from agentkit.core.state import Entry
from agentkit.errors import ProtocolError


@dataclass(frozen=True, slots=True)
class Instructions:
    """The system message."""

    text: str


@dataclass(frozen=True, slots=True)
class Sending:
    """One message as it will be sent. `reasoning` replaces the message's own: None means the field is left out."""

    message: Message | Instructions
    reasoning: str | None = None
    decision: Literal["none", "verbatim", "placeholder", "dropped"] = "none"
    why: str = ""


@dataclass(frozen=True, slots=True)
class Reach:
    """What retention depends on: where the last user message on the wire is, and which turns called a tool."""

    last_user: int = -1
    called: frozenset[int] = frozenset()

    def over(self, entries: Sequence[Entry], first: int) -> "Reach":
        """Return the reach after the entries from `first` on."""
        last_user, called = self.last_user, set(self.called)
        for index in range(first, len(entries)):
            message = entries[index].message
            if isinstance(message, UserMessage):
                last_user = index
            elif isinstance(message, AssistantMessage) and message.calls:
                called.add(entries[index].turn)
        return Reach(last_user, self.called if called == self.called else frozenset(called))


@dataclass(frozen=True, slots=True)
class Reader:
    """Who will read the request: a contract and a model; `contents` holds the texts of `Stored` parts by hash."""

    contract: Contract
    model: str
    contents: Mapping[str, str]


def render(entries: Sequence[Entry], first: int, reach: Reach, reader: Reader) -> list[Sending]:
    """Return the entries from `first` on as they will be sent."""
    sendings = []
    for index in range(first, len(entries)):
        entry = entries[index]
        if isinstance(entry.message, AssistantMessage):
            kept = _retained(reader.contract, after_user=index > reach.last_user, called=entry.turn in reach.called)
            sendings.append(project(entry.message, reader.contract, reader.model, retained=kept))
        else:
            sendings.append(Sending(_filled(entry.message, reader.contents)))
    return sendings


def moves_with_user(contract: Contract) -> bool:
    """Tell whether a new user message changes how earlier answers are sent."""
    return contract.retention in {"turn", "sticky-tools"}


def _retained(contract: Contract, *, after_user: bool, called: bool) -> bool:
    match contract.retention:
        case "forbid" | "hidden":
            return False
        case "turn":
            return after_user
        case "sticky-tools":
            return after_user or called
        case "sticky-if-tools" | "all":  # pragma: no branch - the last two classes
            return True


def project(message: AssistantMessage, contract: Contract, model: str, *, retained: bool) -> Sending:
    """Decide what becomes of one answer's reasoning: sent as it came, as a placeholder, or dropped."""
    reasoning = message.reasoning
    if not retained:
        why = f"{contract.retention}: not asked for here"
        return Sending(message) if reasoning is None else Sending(message, None, "dropped", why)
    if reasoning is None:
        return _absent(message, contract)
    if _foreign(message, contract, model) and contract.on_model_switch != "keep_text":
        return _foreign_sent(message, contract)
    if reasoning == "" and contract.empty != "send":
        return _empty_sent(message, contract)
    return Sending(message, reasoning, "verbatim")


def _absent(message: AssistantMessage, contract: Contract) -> Sending:
    asked = contract.missing == "error" and (contract.applies_to == "all_assistant" or message.calls)
    if not asked or contract.placeholder is None:
        return Sending(message)
    return Sending(message, contract.placeholder, "placeholder", "there was none, and the contract asks for it")


def _foreign(message: AssistantMessage, contract: Contract, model: str) -> bool:
    made = message.producer
    if made is None or contract.switch_boundary == "none":
        return False
    return made.contract != contract.id or (contract.switch_boundary == "model" and made.model != model)


def _foreign_sent(message: AssistantMessage, contract: Contract) -> Sending:
    if contract.on_model_switch == "placeholder" and contract.placeholder is not None:
        return Sending(message, contract.placeholder, "placeholder", "another model's reasoning")
    return Sending(message, None, "dropped", "another model's reasoning")


def _empty_sent(message: AssistantMessage, contract: Contract) -> Sending:
    if contract.empty == "placeholder" and contract.placeholder is not None:
        return Sending(message, contract.placeholder, "placeholder", "it was empty, and the contract refuses that")
    return Sending(message, None, "dropped", "it was empty, and the contract refuses that")


def stored(entries: Sequence[Entry], first: int) -> list[str]:
    """Return the hashes of contents that the entries from `first` on need and do not hold."""
    parts = (part for entry in entries[first:] for part in getattr(entry.message, "parts", ()))
    return [part.hash for part in parts if isinstance(part, Stored)]


def _filled(message: Message, contents: Mapping[str, str]) -> Message:
    if isinstance(message, AssistantMessage) or not any(isinstance(part, Stored) for part in message.parts):
        return message
    return replace(message, parts=tuple(_fill(part, contents) for part in message.parts))


def _fill(part: Part, contents: Mapping[str, str]) -> Part:
    if not isinstance(part, Stored):
        return part
    if part.hash not in contents:
        raise ProtocolError(f"contents {part.hash} were not fetched")
    return Text(contents[part.hash])
