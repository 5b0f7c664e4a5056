"""Ours to JSON bytes, pure: one fragment per message, fragment 0 for all the rest, and the body joined from them.

Fragments are encoded once and joined for ever after (law 10), so their bytes must not depend on what comes later.
Whether an answer is streamed is no part of a fragment: streamed or not, a request has the same digest.
"""

import json
from collections.abc import Mapping
from typing import Any, assert_never

from agentkit.core.contract import Contract
from agentkit.core.messages import (
    AssistantMessage,
    File,
    Image,
    Part,
    Stored,
    Text,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from agentkit.core.request import Instructions, Sending
from agentkit.core.spec import Binding, Settings, ToolSpec
from agentkit.errors import ConfigurationError, ProtocolError
from agentkit.models.base import Body

THINKING_CHUNKS = "content-parts:thinking"  # the carrier of services whose `content` is a list that holds the thinking
_OURS = frozenset({"messages", "model", "tools", "stream", "stream_options"})  # `Settings.extra` may not speak of these


def encode(sending: Sending, contract: Contract) -> bytes:
    """Return one message as it goes on the wire: compact UTF-8 JSON, only lone surrogates escaped.

    Raises:
        ProtocolError: the message holds a stored part whose contents nobody fetched.
    """
    match sending.message:
        case Instructions(text):
            message: dict[str, Any] = {"role": "system", "content": text}
        case UserMessage(parts):
            message = {"role": "user", "content": _user_content(parts)}
        case ToolMessage(call_id, _, parts):
            message = {"role": "tool", "tool_call_id": call_id, "content": _tool_content(parts)}
        case AssistantMessage() as answer:
            message = _answer(answer, sending.reasoning, contract)
        case _:
            assert_never(sending.message)
    return _bytes(message)


def head(binding: Binding) -> bytes:
    """Return fragment 0: the request's JSON object without its messages.

    Raises:
        ConfigurationError: a setting that the contract row does not allow, or that is not JSON.
    """
    body: dict[str, Any] = {"model": binding.model}
    if binding.tools:
        body["tools"] = [_tool(spec) for spec in binding.tools]
    body.update(_settings(binding.settings, binding.contract))
    try:
        return _bytes(body)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the tools or settings of agent {binding.agent!r} are not JSON: {error}") from error


def whole(body: Body, contract: Contract, *, stream: bool) -> bytes:
    """Join a request from its fragments. With `stream`, ask for a streamed answer, and for usage where the row says."""
    tail = b""
    if stream:
        tail = b',"stream":true'
        if contract.usage_in_stream:
            tail += b',"stream_options":{"include_usage":true}'
    return b'{"messages":[' + b",".join(body.messages) + b"]," + body.head[1:-1] + tail + b"}"


def carrier_of(message: AssistantMessage, contract: Contract) -> str:
    """Return the field in which `message`'s reasoning goes back: the row's, or the one it came in."""
    if contract.carrier.write != "same":
        return contract.carrier.write
    return message.carrier or contract.carrier.read[0]


def _bytes(value: Mapping[str, Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=dict)
    return text.encode("utf-8", "backslashreplace")


def _answer(message: AssistantMessage, reasoning: str | None, contract: Contract) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": "assistant"}
    if message.text:
        wire["content"] = message.text
    elif contract.empty_content != "omit":
        wire["content"] = "" if contract.empty_content == "empty" else None
    if reasoning is not None:
        wire.update(_thought(reasoning, carrier_of(message, contract), message.text))
    if message.calls:
        wire["tool_calls"] = [_call(call) for call in message.calls]
    return wire | {name: value for name, value in message.extras.items() if name not in wire}


def _thought(reasoning: str, carrier: str, text: str | None) -> dict[str, Any]:
    if carrier != THINKING_CHUNKS:
        return {carrier: reasoning}
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": reasoning}]}
    return {"content": [thinking, {"type": "text", "text": text}] if text else [thinking]}


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {**call.extras, "id": call.id, "type": "function", "function": function}


def _user_content(parts: tuple[Part, ...]) -> str | list[dict[str, Any]]:
    match parts:
        case (Text(text),):
            return text
        case _:
            return [_part(part) for part in parts]


def _tool_content(parts: tuple[Part, ...]) -> str | list[dict[str, Any]]:
    texts = [part.text for part in parts if isinstance(part, Text)]
    return "".join(texts) if len(texts) == len(parts) else [_part(part) for part in parts]


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image(url):
            return {"type": "image_url", "image_url": {"url": url}}
        case File(name, url):
            return {"type": "file", "file": {"filename": name, "file_data": url}}
        case Stored(name, _):
            raise ProtocolError(f"contents {name} were not fetched before encoding")
        case _:
            assert_never(part)


def _tool(spec: ToolSpec) -> dict[str, Any]:
    function = {"name": spec.bound.name, "description": spec.description, "parameters": spec.parameters}
    return {"type": "function", "function": function}


def _settings(settings: Settings, contract: Contract) -> dict[str, Any]:
    if taken := _OURS & settings.extra.keys():
        raise ConfigurationError(f"ModelSettings.extra may not hold {', '.join(sorted(taken))}: agentkit sets them")
    fields: dict[str, Any] = {}
    if settings.temperature is not None and contract.sampling != "fixed_error":
        fields["temperature"] = settings.temperature
    if settings.max_tokens is not None:
        fields[contract.token_limit_key] = settings.max_tokens
    if settings.parallel_calls is not None and contract.parallel_calls_key is not None:
        fields[contract.parallel_calls_key] = settings.parallel_calls > 1
    return {**fields, **_thinking(settings, contract), **settings.extra}


def _thinking(settings: Settings, contract: Contract) -> dict[str, Any]:
    thinking, effort = contract.thinking, settings.effort
    if effort is None:
        return dict(thinking.on) if thinking.default else {}
    if effort == "none":
        if thinking.off is None:
            raise ConfigurationError(f'contract {contract.id!r}: thinking cannot be switched off (effort="none")')
        return dict(thinking.off)
    if thinking.effort_key is None:
        raise ConfigurationError(f"contract {contract.id!r} knows no effort; leave the setting out")
    return {**thinking.on, thinking.effort_key: thinking.effort.get(effort, effort)}
