"""Is a Responses request well formed? Pure checks, with the texts the service has for each where a source pins them."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from agentkit.emulator.responses.fault import ItemFault, RefusedError
from agentkit.emulator.responses.items import Conversation, Item, kind_of
from agentkit.emulator.responses.rows import ItemContract
from agentkit.emulator.responses.shelf import Shelf

_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_LONGEST_ID = 64
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")
_PARTS = {"assistant": ("output_text", "refusal")}
_OTHER_PARTS = ("input_text", "input_image", "input_file")
_PREFIX = {"reasoning": "rs", "function_call": "fc", "message": "msg"}


def read(raw: bytes, contract: ItemContract, shelf: Shelf) -> Conversation | ItemFault:
    """Decode a request body, or refuse it.

    Args:
        raw: the body.
        contract: what the service demands.
        shelf: what it has stored; a stateless one does not look.
    """
    try:
        body = _decoded(raw)
        _check_body(body, contract)
        items = _items(body["input"])
        for at, item in enumerate(items):
            _check_item(f"input[{at}]", item, contract)
        _check_tools(body.get("tools") or ())
        _check_choice(body)
        if not contract.stateless:
            items = shelf.filled(body, items)
    except RefusedError as refusal:
        return refusal.fault
    return Conversation(body, contract, items=items)


def _decoded(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"We could not parse the JSON body of your request: {error}", None) from error
    if not isinstance(body, dict):
        raise RefusedError("The body of your request is not a JSON object.", None)
    return body


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _need(holder: Mapping[str, Any], field: str, kind: type | tuple[type, ...], where: str = "") -> Any:
    """Return a field that must be there.

    Raises:
        RefusedError: it is absent, null or of another type.
    """
    path = f"{where}.{field}" if where else field
    value = holder.get(field)
    if value is None:
        raise RefusedError(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")
    if not isinstance(value, kind):
        raise RefusedError(f"Invalid type for '{path}'.", path, "invalid_type")
    return value


def _one_of(value: Any, known: Collection[str], path: str) -> None:
    if value not in known:
        supported = ", ".join(f"'{name}'" for name in known)
        raise RefusedError(f"Invalid value: '{value}'. Supported values are: {supported}.", path, "invalid_value")


def _known(holder: Mapping[str, Any], known: Collection[str], where: str = "") -> None:
    for name in holder:
        if name not in known:
            path = f"{where}.{name}" if where else name
            raise RefusedError(f"Unknown parameter: '{path}'.", path, "unknown_parameter")


def _check_body(body: dict[str, Any], contract: ItemContract) -> None:
    if contract.parameters:
        _known(body, contract.parameters)
    _need(body, "model", str)
    if not _need(body, "input", (str, list)):
        raise RefusedError("Invalid 'input': it is empty.", "input", "invalid_value")
    for name, kinds in _TYPES.items():
        if body.get(name) is not None:
            _need(body, name, kinds)
    if (effort := (body.get("reasoning") or {}).get("effort")) is not None:
        _one_of(effort, _EFFORTS, "reasoning.effort")
    most = body.get("max_output_tokens")
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        raise RefusedError("Invalid 'max_output_tokens': expected a positive integer.", "max_output_tokens")


_TYPES: dict[str, type | tuple[type, ...]] = {
    "include": list,
    "instructions": str,
    "metadata": dict,
    "parallel_tool_calls": bool,
    "previous_response_id": str,
    "reasoning": dict,
    "store": bool,
    "stream": bool,
    "tools": list,
    "tool_choice": (str, dict),
}


def _items(given: str | list[Any]) -> list[Item]:
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def _check_item(where: str, item: Any, contract: ItemContract) -> None:
    if not isinstance(item, dict):
        raise RefusedError(f"Invalid type for '{where}': expected an object.", where, "invalid_type")
    kind = kind_of(item)
    _one_of(kind, _CHECKS, f"{where}.type")
    _CHECKS[kind](where, item, contract)
    if (given := item.get("id")) is not None:
        _need(item, "id", str, where)
    if contract.parameters:
        _known(item, _FIELDS[kind], where)
        prefix = _PREFIX.get(kind)
        if prefix and given and not given.startswith(prefix):
            raise RefusedError(
                f"Invalid '{where}.id': '{given}'. Expected an ID that begins with '{prefix}'.",
                f"{where}.id",
                "invalid_value",
            )


def _check_message(where: str, item: Item, contract: ItemContract) -> None:
    role = _need(item, "role", str, where)
    _one_of(role, contract.roles, f"{where}.role")
    content = _need(item, "content", (str, list), where)
    if isinstance(content, list):
        _check_parts(f"{where}.content", content, _PARTS.get(role, _OTHER_PARTS))


def _check_parts(where: str, parts: list[Any], known: Collection[str]) -> None:
    for at, part in enumerate(parts):
        place = f"{where}[{at}]"
        if not isinstance(part, dict):
            raise RefusedError(f"Invalid type for '{place}': expected an object.", place, "invalid_type")
        _one_of(_need(part, "type", str, place), known, f"{place}.type")
        if part["type"].endswith("_text"):
            _need(part, "text", str, place)


def _check_reasoning(where: str, item: Item, contract: ItemContract) -> None:
    if contract.sealed:
        _need(item, "summary", list, where)
        if item.get("encrypted_content") is not None:
            _need(item, "encrypted_content", str, where)
    if item.get("content") is not None:
        _check_parts(f"{where}.content", _need(item, "content", list, where), ("reasoning_text",))


def _check_call(where: str, item: Item, contract: ItemContract) -> None:
    _check_call_id(where, item, contract)
    if not _NAME.fullmatch(_need(item, "name", str, where)):
        raise RefusedError(
            f"Invalid '{where}.name': string does not match pattern. Expected a string that matches the pattern "
            "'^[a-zA-Z0-9_-]+$'.",
            f"{where}.name",
            "invalid_value",
        )
    _need(item, "arguments", str, where)


def _check_output(where: str, item: Item, contract: ItemContract) -> None:
    _check_call_id(where, item, contract)
    output = _need(item, "output", (str, list), where)
    if isinstance(output, list):
        _check_parts(f"{where}.output", output, _OTHER_PARTS)


def _check_call_id(where: str, item: Item, contract: ItemContract) -> None:
    given = _need(item, "call_id", str, where)
    if not given:
        raise RefusedError(f"Invalid '{where}.call_id': empty string.", f"{where}.call_id", "empty_string")
    if contract.parameters and len(given) > _LONGEST_ID:
        raise RefusedError(
            f"Invalid '{where}.call_id': string too long. Expected a string with maximum length {_LONGEST_ID}, but got "
            f"a string with length {len(given)} instead.",
            f"{where}.call_id",
            "string_above_max_length",
        )


_CHECKS = {
    "message": _check_message,
    "reasoning": _check_reasoning,
    "function_call": _check_call,
    "function_call_output": _check_output,
}
# `status` of a reasoning item is for output only.
_FIELDS = {
    "message": {"type", "id", "role", "content", "status", "phase"},
    "reasoning": {"type", "id", "summary", "content", "encrypted_content"},
    "function_call": {"type", "id", "call_id", "name", "arguments", "status", "namespace"},
    "function_call_output": {"type", "id", "call_id", "output", "status"},
}


def _check_tools(tools: Any) -> None:
    """Tools are flat here: the name stands beside the type."""
    names: set[str] = set()
    for at, tool in enumerate(tools):
        where = f"tools[{at}]"
        if not isinstance(tool, dict):
            raise RefusedError(f"Invalid type for '{where}': expected an object.", where, "invalid_type")
        _one_of(_need(tool, "type", str, where), ("function",), f"{where}.type")
        name = _need(tool, "name", str, where)
        if name in names:
            raise RefusedError(f"Tool names must be unique: '{name}' is offered twice.", "tools", "invalid_value")
        names.add(name)
        if tool.get("parameters") is not None:
            _need(tool, "parameters", dict, where)


def _check_choice(body: dict[str, Any]) -> None:
    choice = body.get("tool_choice")
    if choice is None or isinstance(choice, str):
        _one_of(choice or "auto", ("none", "auto", "required"), "tool_choice")
        return
    name = _need(choice, "name", str, "tool_choice") if isinstance(choice, dict) else choice
    if name not in [tool["name"] for tool in body.get("tools") or ()]:
        raise RefusedError(f"Tool choice '{name}' not found in 'tools' parameter.", "tool_choice")
