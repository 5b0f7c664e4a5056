"""What the model sees: `render` lists the messages of a request, `project` decides what becomes of reasoning.

Retention classes (CONTRACTS.md, section 8): forbid and hidden never send it; turn sends it behind the last user
message on the wire; sticky-tools sends it there and in every turn that called a tool; sticky-if-tools and all send it
for ever. (sticky-if-tools asks for it only while the request carries tools and ignores it otherwise; sending it all
the same keeps the prefix byte-stable when tools come and go.)
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from hashlib import blake2b
from typing import Literal

from agentkit.core import words
from agentkit.core.contract import INLINE_TAGS, ITEMS, THINKING_PARTS, Bridges, Contract
from agentkit.core.messages import (
    AssistantMessage,
    File,
    Image,
    Json,
    Message,
    Part,
    Stored,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from agentkit.core.replacing import replace
from agentkit.core.state import Entry
from agentkit.core.values import dataclass
from agentkit.errors import ProtocolError

_FRAMES = frozenset({INLINE_TAGS, ITEMS, THINKING_PARTS})
_UNASKED: Mapping[str, str] = {  # by retention: why reasoning stays behind
    "forbid": "this service refuses reasoning that is sent back",
    "hidden": "this service takes no reasoning back",
    "turn": "this service wants it for one turn only",
    "sticky-tools": "this service wants it of the current turn and of turns that called a tool",
    "sticky-if-tools": "it is not asked for here",
    "all": "it is not asked for here",
}


@dataclass(frozen=True, slots=True)
class Instructions:
    """The system message."""

    text: str


Decision = Literal["none", "verbatim", "placeholder", "dropped", "redacted"]


@dataclass(frozen=True)  # without slots: `replace` is fast then
class Sending:
    """One message as it will be sent; what is not named here goes as it stands in the message.

    Attributes:
        reasoning: replaces the message's own text of reasoning; None: none is written.
        carrier: where it is written: a field's name, or one of core/contract's carriers.
        extras: private fields of the message, as they came.
        beside: private fields of each call, as they came; one mapping a call, or empty where there is nothing.
        bridge: assistant text to put before it, where the provider refuses the pair of roles.
        decision, why: what became of the reasoning, or (placeholder) of calls, or parts of a result, that had to be
            changed.
    """

    message: Message | Instructions
    reasoning: str | None = None
    decision: Decision = "none"
    why: str = ""
    carrier: str | None = None
    extras: Mapping[str, Json] = field(default_factory=dict)
    beside: tuple[Mapping[str, Json], ...] = ()
    bridge: str | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """What retention depends on: where the last user message on the wire is, and which turns called a tool."""

    last_user: int = -1
    called: frozenset[int] = frozenset()

    def over(self, entries: Sequence[Entry], first: int) -> "Reach":
        """Return the reach after the entries from `first` on."""
        last_user, called = self.last_user, self.called
        for index, entry in enumerate(entries[first:], first):
            message = entry.message
            if isinstance(message, UserMessage):
                last_user = index
            elif isinstance(message, AssistantMessage) and message.calls and entry.turn not in called:
                called |= {entry.turn}
        return Reach(last_user, called)


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
            before = entries[index - 1].message if index else None
            message = _filled(_answering(entry.message, reader.contract), reader.contents)
            bridge = _bridge(before, message, reader.contract.bridges)
            sendings.append(_told(Sending(message, bridge=bridge), reader.contract))
    return sendings


def _told(sending: Sending, contract: Contract) -> Sending:
    """Put a text in the place of what the service does not take in a tool's result: it is not lost in silence."""
    message = sending.message
    if not isinstance(message, ToolMessage):
        return sending
    parts = tuple(_readable_part(part, contract) for part in message.parts)
    if parts == message.parts:
        return sending
    why = "this service does not take all that the tool returned: a text tells what was left out"
    return replace(sending, message=replace(message, parts=parts), decision="placeholder", why=why)


def _readable_part(part: Part, contract: Contract) -> Part:
    if isinstance(part, Image) and "image" not in contract.tool_parts:
        return words.left_out("a picture")
    if isinstance(part, File) and "file" not in contract.tool_parts:
        return words.left_out(f"the file {part.name}")
    return part


def _bridge(before: Message | None, message: Message, bridges: Bridges) -> str | None:
    """Return what a pair of roles needs in between; what this contract caused itself stands in the transcript."""
    if not isinstance(message, UserMessage):
        return None
    if isinstance(before, ToolMessage):
        return bridges.user_after_tool
    return bridges.user_after_user if isinstance(before, UserMessage) else None


def _answering(message: Message, contract: Contract) -> Message:
    if not isinstance(message, ToolMessage):
        return message
    legal = legal_id(message.call_id, contract)
    return message if legal == message.call_id else replace(message, call_id=legal)


def legal_id(call_id: str, contract: Contract) -> str:
    """Return a call's id as this contract takes it: its own, or one that follows from it (another service made it)."""
    pattern = contract.call_ids.pattern
    if re.fullmatch(pattern, call_id):
        return call_id
    digest = blake2b(call_id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return next((shape for shape in (f"call_{digest}", digest[:9]) if re.fullmatch(pattern, shape)), call_id)


def placed(message: AssistantMessage, turn: int, step: int, contract: Contract) -> AssistantMessage:
    """Give the calls whose own ids could not be used ids that follow from their place in the session (law 4)."""
    taken = {call.id for call in message.calls}
    calls = []
    for index, call in enumerate(message.calls):
        mine = call.id if call.given_id is None else legal_id(f"call_{turn}_{step}_{index}", contract)
        calls.append(call if mine in taken else replace(call, id=mine))
    return message if tuple(calls) == message.calls else replace(message, calls=tuple(calls))


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
    foreign = _foreign(message, contract, model)
    sending = _text_sent(message, contract, foreign=foreign, retained=retained)
    if retained and not foreign:
        sending = _with_private(sending, message, contract)
    if contract.carrier.sentinel is not None and message.calls and retained:
        sending = _with_sentinel(sending, contract.carrier.sentinel)
    if sending.decision == "none" and (foreign or not retained) and _has_private(message):
        why = "another model's private fields" if foreign else _UNASKED[contract.retention]
        sending = replace(sending, decision="dropped", why=why)
    if message.redacted and retained and sending.decision in {"none", "verbatim"}:
        sending = replace(sending, decision="redacted", why=_redacted(contract))
    return _with_calls(sending, message, contract)


def _redacted(contract: Contract) -> str:
    asked = ", and this service asks for it as it came" if contract.missing == "error" else ""
    return f"a rule changed its reasoning before it was recorded{asked}"


def _has_private(message: AssistantMessage) -> bool:
    """Tell whether there is more than text to lose: fields of the service, other than what its content looked like."""
    return not message.extras.keys() <= _FRAMES or any(call.extras for call in message.calls)


def _with_calls(sending: Sending, message: AssistantMessage, contract: Contract) -> Sending:
    """Make the calls legal for the reader: their ids, and arguments that are JSON where it refuses others."""
    calls = tuple(_legal(call, contract) for call in message.calls)
    broken = [index for index, call in enumerate(calls) if not _readable(call.arguments, contract)]
    if broken:
        calls = tuple(replace(call, arguments="{}") if index in broken else call for index, call in enumerate(calls))
        said = f"the arguments of call {', '.join(map(str, broken))} are no JSON, and the contract refuses that"
        sending = replace(sending, decision="placeholder", why="; ".join(filter(None, (sending.why, said))))
    return sending if calls == message.calls else replace(sending, message=replace(message, calls=calls))


def _legal(call: ToolCall, contract: Contract) -> ToolCall:
    legal = legal_id(call.id, contract)
    return call if legal == call.id else replace(call, id=legal)


def _readable(arguments: str, contract: Contract) -> bool:
    if contract.arguments == "any" or (contract.arguments == "json_or_empty" and not arguments):
        return True
    try:
        json.loads(arguments, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return False
    return True


def _no_json(word: str) -> None:
    """Refuse NaN and Infinity, which Python alone takes for JSON."""
    raise ValueError(word)


def _text_sent(message: AssistantMessage, contract: Contract, *, foreign: bool, retained: bool) -> Sending:
    reasoning = message.reasoning
    if not retained:
        why = _UNASKED[contract.retention]
        return Sending(message) if reasoning is None else Sending(message, None, "dropped", why)
    carrier = _carrier(message, contract, foreign=foreign)
    if reasoning is None:
        return _absent(message, contract, carrier)
    if foreign and contract.on_model_switch != "keep_text":
        return _replaced(message, contract, carrier, "another model's reasoning", contract.on_model_switch)
    if reasoning == "" and contract.empty != "send":
        return _replaced(message, contract, carrier, "it was empty, and the contract refuses that", contract.empty)
    if carrier is None:
        return Sending(message, None, "dropped", "this service takes no text of reasoning")
    return Sending(message, reasoning, "verbatim", carrier=carrier)


def _carrier(message: AssistantMessage, contract: Contract, *, foreign: bool) -> str | None:
    """Return where reasoning is written: where the row says, or where it came in. None: nowhere."""
    carrier = contract.carrier
    if carrier.write != "same":
        return None if carrier.write == "none" else carrier.write
    usual = next(iter(carrier.read), None)
    return usual if foreign else message.carrier or usual


def _absent(message: AssistantMessage, contract: Contract, carrier: str | None) -> Sending:
    asked = contract.missing == "error" and (contract.applies_to == "all_assistant" or message.calls)
    if not asked:
        return Sending(message)
    return _replaced(message, contract, carrier, "there was none, and the contract asks for it", "placeholder")


def _replaced(message: AssistantMessage, contract: Contract, carrier: str | None, why: str, how: str) -> Sending:
    if how == "placeholder" and contract.placeholder is not None and carrier is not None:
        return Sending(message, contract.placeholder, "placeholder", why, carrier)
    return Sending(message) if message.reasoning is None else Sending(message, None, "dropped", why)


def _with_private(sending: Sending, message: AssistantMessage, contract: Contract) -> Sending:
    """Add the private fields this service gave. A placeholder stands alone: they do not hold what was asked for."""
    row = contract.carrier
    beside = tuple(
        {name: call.extras[name] for name in row.beside_calls if name in call.extras} for call in message.calls
    )
    if any(beside):
        sending = replace(sending, beside=beside)
    framed = {message.carrier, INLINE_TAGS} if row.write == "same" else {row.write}
    extras = _chosen(message.extras, {*framed, *row.opaque})
    if not extras or (sending.decision == "placeholder" and not framed.isdisjoint(extras)):
        return sending
    if row.with_opaque == "alone" and not extras.keys().isdisjoint(row.opaque):
        return replace(sending, reasoning=None, carrier=None, decision="verbatim", why="", extras=extras)
    decision: Decision = "verbatim" if sending.decision == "none" else sending.decision
    return replace(sending, extras=extras, decision=decision)


def _chosen(fields: Mapping[str, Json], names: Collection[str | None]) -> dict[str, Json]:
    return {name: value for name, value in fields.items() if name in names}


def _with_sentinel(sending: Sending, sentinel: Mapping[str, Json]) -> Sending:
    """Put the documented stand-in beside the first call, where this service's own mark is missing."""
    if sending.beside and sending.beside[0]:
        return sending
    calls = sending.message.calls if isinstance(sending.message, AssistantMessage) else ()
    beside = (sentinel, *(sending.beside[1:] or ({},) * (len(calls) - 1)))
    why = "; ".join(filter(None, (sending.why, "its first call has no signature of this service")))
    return replace(sending, beside=beside, decision="placeholder", why=why)


def _foreign(message: AssistantMessage, contract: Contract, model: str) -> bool:
    made = message.producer
    if made is None or contract.switch_boundary == "none":
        return False
    return made.contract != contract.id or (contract.switch_boundary == "model" and made.model != model)


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
    return part.holding(contents[part.hash])
