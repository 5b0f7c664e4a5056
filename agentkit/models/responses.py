"""Messages as the Responses API takes them, pure: ours in, items out.

An answer of this service goes back as the items that came. Another's is written anew, its reasoning before its text
and its calls: a service that asks for reasoning looks for it there (CONTRACTS.md, 2.9, and section 8, axis C).
"""

from collections.abc import Mapping
from typing import Any, assert_never

from agentkit.core.contract import ITEMS, Contract
from agentkit.core.messages import AssistantMessage, File, Image, Part, Stored, Text, ToolCall, ToolMessage, UserMessage
from agentkit.core.request import Instructions, Sending
from agentkit.core.spec import OutputSpec, ToolSpec
from agentkit.models.content import of_tool, of_user, unfetched
from agentkit.models.items import CALL, REASONING, kind_of, rebuilt

MESSAGES = "input"  # the body's field that holds them
ROUTE = "/responses"


def messages(sending: Sending, contract: Contract) -> list[dict[str, Any]]:
    """Return the items of one message, behind its bridge if it needs one.

    Raises:
        ProtocolError: the message holds a stored part whose contents nobody fetched.
    """
    match sending.message:
        case Instructions(text):
            items: list[dict[str, Any]] = [{"role": contract.system_role, "content": text}]
        case UserMessage(parts):
            items = [{"role": "user", "content": of_user(parts, _part)}]
        case ToolMessage(call_id, _, parts):
            items = [{"type": "function_call_output", "call_id": call_id, "output": of_tool(parts, _part)}]
        case AssistantMessage() as answer:
            items = _answer(answer, sending)
        case _:
            assert_never(sending.message)
    bridge = [] if sending.bridge is None else [{"role": "assistant", "content": sending.bridge}]
    return [*bridge, *items]


def tool(spec: ToolSpec) -> dict[str, Any]:
    """Return a tool as the model is told of it. `strict` is said aloud: left out, it counts as true here."""
    return {
        "type": "function",
        "name": spec.bound.name,
        "description": spec.description,
        "parameters": spec.parameters,
        "strict": spec.strict,
    }


def output(spec: OutputSpec | None) -> dict[str, Any]:
    """Return the field that asks for an answer of a type; nothing where it is asked for in other ways."""
    if spec is None or spec.form not in {"json_schema", "json_object"}:
        return {}
    if spec.form == "json_object":
        return {"text": {"format": {"type": "json_object"}}}
    return {"text": {"format": {"type": "json_schema", "name": "answer", "schema": spec.schema, "strict": spec.strict}}}


def _answer(message: AssistantMessage, sending: Sending) -> list[dict[str, Any]]:
    entries = sending.extras.get(ITEMS)
    if isinstance(entries, list | tuple) and entries:
        return [_given_back(item) for item in rebuilt(entries, message)]
    items = []
    if sending.reasoning is not None and sending.carrier is not None:
        items.append(_thought(sending.reasoning))
    if message.text or not message.calls:
        items.append({"role": "assistant", "content": message.text or ""})
    return [*items, *(_call(call) for call in message.calls)]


def _given_back(item: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what servers give and refuse to take: how far a reasoning item had come, and its fields that are null.

    Messages and calls keep their status: typed servers ask for it there.
    """
    if kind_of(item) == REASONING:
        return {name: value for name, value in item.items() if value is not None and name != "status"}
    return {name: value for name, value in item.items() if value is not None or name != "status"}


def _thought(reasoning: str) -> dict[str, Any]:
    return {"type": REASONING, "summary": [], "content": [{"type": "reasoning_text", "text": reasoning}]}


def _call(call: ToolCall) -> dict[str, Any]:
    return {"type": CALL, "call_id": call.id, "name": call.name, "arguments": call.arguments}


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"type": "input_text", "text": text}
        case Image(url):
            return {"type": "input_image", "image_url": url, "detail": "auto"}
        case File(name, url):
            return {"type": "input_file", "filename": name, "file_data": url}
        case Stored():
            raise unfetched(part)
        case _:
            assert_never(part)
