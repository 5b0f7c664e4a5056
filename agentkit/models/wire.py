"""Ours to JSON bytes, pure: one fragment per message, fragment 0 for all the rest, and the body joined from them.

Fragments are encoded once and joined for ever after (law 10), so their bytes must not depend on what comes later.
Whether an answer is streamed is no part of a fragment: streamed or not, a request has the same digest.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any, Final

from agentkit.core.contract import Contract, Wire
from agentkit.core.request import Sending
from agentkit.core.spec import Binding, ToolSpec
from agentkit.errors import ConfigurationError
from agentkit.models import asking, chat, responses
from agentkit.models.base import Body
from agentkit.models.refs import inlined

# Each has MESSAGES, ROUTE, messages(), tool() and output().
_WIRES: Final[Mapping[Wire, ModuleType]] = {"chat": chat, "responses": responses}


def encode(sending: Sending, contract: Contract) -> bytes:
    """Return one message as it goes on the wire: compact UTF-8 JSON, only lone surrogates escaped.

    What is several objects there (a message behind a bridge, the items of Responses) is one fragment all the same.

    Raises:
        ProtocolError: the message holds a stored part whose contents nobody fetched.
    """
    return b",".join([_bytes(message) for message in _WIRES[contract.wire].messages(sending, contract)])


def head(binding: Binding) -> bytes:
    """Return fragment 0: the request's JSON object without its messages.

    Raises:
        ConfigurationError: a setting that the contract row does not allow, or that is not JSON; a schema that cannot be
            written as the row wants it.
    """
    asking.check(binding)
    body: dict[str, Any] = {"model": binding.model}
    if binding.tools:
        body["tools"] = [_WIRES[binding.contract.wire].tool(_as_read(spec, binding.contract)) for spec in binding.tools]
    body.update(asking.fields(binding.settings, binding.contract, tools=bool(binding.tools)))
    body.update(_WIRES[binding.contract.wire].output(binding.settings.output))
    try:
        return _bytes(body)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the tools or settings of agent {binding.agent!r} are not JSON: {error}") from error


def whole(body: Body, contract: Contract, *, stream: bool) -> bytes:
    """Join a request from its fragments. With `stream`, ask for a streamed answer, and for usage where the row says."""
    tail = b""
    if stream:
        tail = b',"stream":true'
        if contract.usage_in_stream and contract.wire == "chat":
            tail += b',"stream_options":{"include_usage":true}'
    key: bytes = _WIRES[contract.wire].MESSAGES.encode()
    pieces = [*body.messages] or [b""]  # joined at one go: a long session's bytes are copied once
    pieces[0] = b'{"' + key + b'":[' + pieces[0]
    pieces[-1] += b"]"
    return b",".join((*pieces, body.head[1:-1] + tail + b"}"))


def strict_path(body: Body, contract: Contract) -> str | None:
    """Return the path that takes the place of the address's own for this request; None: the address's own."""
    path = contract.strict_tools.path if contract.strict_tools else None
    if path is None or b'"strict":true' not in body.head:
        return None
    tools = json.loads(body.head).get("tools", ())
    return path if any(each.get("function", each).get("strict") is True for each in tools) else None


def route(contract: Contract) -> str:
    """Return the path behind the base URL."""
    found: str = _WIRES[contract.wire].ROUTE
    return found


def _as_read(spec: ToolSpec, contract: Contract) -> ToolSpec:
    """Return a tool with its schema as this service reads schemas."""
    if contract.schema_refs == "keep":
        return spec
    return replace(spec, parameters=inlined(spec.bound.name, spec.parameters))


def _bytes(value: Mapping[str, Any]) -> bytes:
    return _JSON.encode(value).encode("utf-8", "backslashreplace")


_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=dict)  # made once
