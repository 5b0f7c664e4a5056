"""Messages as Chat Completions takes them, pure: ours in, JSON objects out."""

from collections.abc import Mapping
from typing import Any, Final, assert_never

from agentkit.core.contract import INLINE_TAGS, THINKING_PARTS, Contract
from agentkit.core.messages import (
    AssistantMessage,
    File,
    Image,
    Json,
    Part,
    Stored,
    Text,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from agentkit.core.request import Instructions, Sending
from agentkit.core.spec import OutputSpec, ToolSpec
from agentkit.models import parts, tags
from agentkit.models.content import of_tool, of_user, unfetched

_OURS: Final = frozenset({INLINE_TAGS, THINKING_PARTS})  # extras that are no fields: the content is rebuilt from them
_FIXED: Final = frozenset({"role", "content", "tool_calls"})  # what no private field replaces
MESSAGES = "messages"  # the body's field that holds them
ROUTE = "/chat/completions"


def messages(sending: Sending, contract: Contract) -> list[dict[str, Any]]:
    """Return one message, behind its bridge if it needs one.

    Raises:
        ProtocolError: the message holds a stored part whose contents nobody fetched.
    """
    match sending.message:
        case Instructions(text):
            message: dict[str, Any] = {"role": contract.system_role, "content": text}
        case UserMessage(parts):
            message = {"role": "user", "content": of_user(parts, _part)}
        case ToolMessage(call_id, _, parts):
            message = {"role": "tool", "tool_call_id": call_id, "content": of_tool(parts, _part)}
        case AssistantMessage() as answer:
            message = _answer(answer, sending, contract)
        case _:
            assert_never(sending.message)
    bridge = [] if sending.bridge is None else [{"role": "assistant", "content": sending.bridge}]
    return [*bridge, message]


def tool(spec: ToolSpec) -> dict[str, Any]:
    """Return a tool as the model is told of it."""
    function = {"name": spec.bound.name, "description": spec.description, "parameters": spec.parameters}
    return {"type": "function", "function": function | {"strict": True} if spec.strict else function}


def output(spec: OutputSpec | None) -> dict[str, Any]:
    """Return the field that asks for an answer of a type; nothing where it is asked for in other ways."""
    if spec is None or spec.form not in {"json_schema", "json_object"}:
        return {}
    if spec.form == "json_object":
        return {"response_format": {"type": "json_object"}}
    schema = {"name": "answer", "schema": spec.schema, "strict": spec.strict}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _answer(message: AssistantMessage, sending: Sending, contract: Contract) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": "assistant"}
    if message.text:
        wire["content"] = message.text
    elif contract.empty_content != "omit":
        wire["content"] = "" if contract.empty_content == "empty" else None
    wire |= _thought(message, sending, contract) | _as_it_came(message, sending)
    if message.calls:
        beside = sending.beside or ({},) * len(message.calls)
        wire["tool_calls"] = [_call(*pair) for pair in zip(message.calls, beside, strict=True)]
    return wire | {name: value for name, value in sending.extras.items() if name not in _OURS and name not in _FIXED}


def _as_it_came(message: AssistantMessage, sending: Sending) -> dict[str, Any]:
    """Return the content of this service's own answer to the letter, where more than its texts is needed for that."""
    texts = message.reasoning or "", message.text or ""
    kept = sending.extras.get(INLINE_TAGS)
    if INLINE_TAGS not in {message.carrier, sending.carrier} and tags.holds_reasoning(kept):
        kept = None  # a field says the same: once is enough
    content = tags.rebuilt(kept, *texts)
    chunks = parts.rebuilt(sending.extras.get(THINKING_PARTS), *texts)
    if content is None and chunks is None:
        return {}
    return {"content": content if chunks is None else chunks}


def _thought(message: AssistantMessage, sending: Sending, contract: Contract) -> dict[str, Any]:
    reasoning, carrier, text = sending.reasoning, sending.carrier, message.text or ""
    if reasoning is None or carrier is None:
        return {}
    if carrier == INLINE_TAGS:
        before, after = (contract.carrier.tags or tags.KNOWN)[0]
        return {"content": f"{before}{reasoning}{after}{text}"}
    return {"content": parts.usual(reasoning, text)} if carrier == THINKING_PARTS else {carrier: reasoning}


def _call(call: ToolCall, beside: Mapping[str, Json]) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {**beside, "id": call.id, "type": "function", "function": function}


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image(url):
            return {"type": "image_url", "image_url": {"url": url}}
        case File(name, url):
            return {"type": "file", "file": {"filename": name, "file_data": url}}
        case Stored():
            raise unfetched(part)
        case _:
            assert_never(part)
