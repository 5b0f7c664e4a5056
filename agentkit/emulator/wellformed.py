"""Is a request well formed? Pure checks that hold for every contract, in the order a server makes them.

Texts in quotes of the provider are its own; the others are in its manner, because no source pins them.
"""

import json
import re
from typing import Any

from agentkit.emulator.asked import Asked
from agentkit.emulator.script import Fault
from agentkit.emulator.table import Contract

INSUFFICIENT = (
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
    "(insufficient tool messages following tool_calls message)"
)
ORPHAN = "Messages with role 'tool' must be a response to a preceding message with 'tool_calls'"
MOST_FUNCTIONS = 128
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")


class MalformedError(Exception):
    """The request cannot be read; the text goes to the client.

    The judge's own signal: it never leaves this module.
    """


def read(raw: bytes, contract: Contract, *, beta: bool = False) -> Asked | Fault:
    """Decode a request body, or refuse it with the 400 a server gives."""
    try:
        body = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return Fault(400, f"Failed to parse the request body as JSON: {error}")
    try:
        _check_body(body)
        if not contract.lenient:
            _check_variants(body)
        contract = contract.asked_by(body)
        asked = Asked(body, contract, beta)
        for index, message in enumerate(asked.messages):
            _check_message(index, message, contract, raw)
        _check_tools(body, contract)
        if not contract.lenient:
            _check_choice(body)
        _check_results(asked.messages)
    except MalformedError as refusal:
        return Fault(400, str(refusal))
    return asked


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _deserialize(what: str) -> MalformedError:
    return MalformedError(f"Failed to deserialize the JSON body into the target type: {what}")


def _need(holder: dict[str, Any], field: str, kind: type, where: str) -> Any:
    value = holder.get(field)
    if value is None:
        raise _deserialize(f"{where}missing field `{field}`")
    if not isinstance(value, kind):
        raise _deserialize(f"{where}{field}: invalid type, expected {kind.__name__}")
    return value


def _check_body(body: Any) -> None:
    if not isinstance(body, dict):
        raise _deserialize("expected an object")
    _need(body, "model", str, "")
    if not _need(body, "messages", list, ""):
        raise MalformedError("Empty input messages")
    for limit in ("max_tokens", "max_completion_tokens"):
        value = body.get(limit)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise MalformedError(f"Invalid {limit} value, the valid range of {limit} starts at 1")


def _check_variants(body: dict[str, Any]) -> None:
    thinking = body.get("thinking")
    if thinking is not None and (not isinstance(thinking, dict) or thinking.get("type") not in {"enabled", "disabled"}):
        raise _deserialize('thinking: expected {"type": "enabled" | "disabled"}')
    if body.get("reasoning_effort") not in (None, *_EFFORTS):
        raise _deserialize(f"reasoning_effort: unknown variant, expected one of {', '.join(_EFFORTS)}")


def _check_message(index: int, message: Any, contract: Contract, raw: bytes) -> None:
    where = f"messages[{index}]"
    if not isinstance(message, dict):
        raise _deserialize(f"{where}: invalid type, expected object")
    role = _need(message, "role", str, f"{where}: ")
    if role not in contract.roles:
        known = ", ".join(f"`{name}`" for name in contract.roles)
        place = _place(raw, json.dumps(role).encode())
        raise _deserialize(f"{where}.role: unknown variant `{role}`, expected one of {known} at {place}")
    _check_content(message.get("content"), where)
    if role == "tool":
        _need(message, "tool_call_id", str, f"{where}: ")
        _check_tool_content(message.get("content"), where, contract)
    elif role == "assistant":
        _check_answer(message, where, contract)
    if role != "assistant" and message.get("content") is None:
        raise _deserialize(f"{where}: missing field `content`")


def _place(raw: bytes, needle: bytes) -> str:
    end = raw.find(needle) + len(needle)
    line = raw.count(b"\n", 0, end) + 1
    column = end - raw.rfind(b"\n", 0, end) - 1
    return f"line {line} column {column}"


def _check_content(content: Any, where: str) -> None:
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list):
        raise _deserialize(f"{where}.content: invalid type, expected string or list of parts")
    for part in content:
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise _deserialize(f"{where}.content: missing field `type`")
        if part["type"] == "text" and not isinstance(part.get("text"), str):
            raise _deserialize(f"{where}.content: missing field `text`")
        if part["type"] == "thinking" and not _entries(part.get("thinking")):
            raise _deserialize(f"{where}.content: missing field `thinking`")


def _check_tool_content(content: Any, where: str, contract: Contract) -> None:
    others = [part["type"] for part in content if part["type"] != "text"] if isinstance(content, list) else []
    if contract.tool_texts and others:
        raise MalformedError(f"Invalid '{where}.content': {others[0]!r} is not supported in a tool message, only text")


def _check_answer(message: dict[str, Any], where: str, contract: Contract) -> None:
    _check_reasoning(message, where, contract)
    calls = message.get("tool_calls")
    if calls is None or (calls == [] and contract.lenient):
        if message.get("content") is None:
            raise MalformedError(f"Invalid assistant message: content or tool_calls must be set ({where})")
        return
    if not isinstance(calls, list) or not calls:
        raise MalformedError(f"Invalid '{where}.tool_calls': empty array. Expected an array with minimum length 1.")
    for call in calls:
        _check_call(call, where)
    ids = [call["id"] for call in calls]
    if len(set(ids)) < len(ids):
        raise MalformedError(f"Duplicate tool call id in {where}.tool_calls")


def _check_reasoning(message: dict[str, Any], where: str, contract: Contract) -> None:
    details = message.get("reasoning_details")
    if details is not None and contract.form == "details" and not _entries(details):
        raise _deserialize(f"{where}.reasoning_details: invalid type, expected list of objects")
    carried = message.get(contract.carrier)
    listed = contract.carrier == "reasoning_details"
    if carried is not None and contract.form in {"field", "details"} and not (listed or isinstance(carried, str)):
        raise _deserialize(f"{where}.{contract.carrier}: invalid type, expected string")


def _entries(details: Any) -> bool:
    return isinstance(details, list) and all(
        isinstance(entry, dict) and isinstance(entry.get("text") or "", str) for entry in details
    )


def _check_call(call: Any, where: str) -> None:
    if not isinstance(call, dict):
        raise _deserialize(f"{where}: invalid type, expected object")
    if not _need(call, "id", str, f"{where}: "):
        raise MalformedError(f"Invalid '{where}.tool_calls': empty id")
    if _need(call, "type", str, f"{where}: ") != "function":
        raise _deserialize(f"{where}: unknown variant `{call['type']}`, expected `function`")
    function = _need(call, "function", dict, f"{where}: ")
    name = _need(function, "name", str, f"{where}: ")
    if not _NAME.fullmatch(name):
        raise MalformedError(f"Invalid '{where}.tool_calls': name {name!r} does not match ^[a-zA-Z0-9_-]{{1,64}}$")
    _need(function, "arguments", str, f"{where}: ")


def _check_tools(body: dict[str, Any], contract: Contract) -> None:
    tools = body.get("tools")
    if tools is None or (tools == [] and contract.lenient):
        return
    if not isinstance(tools, list) or not tools:
        raise MalformedError("Invalid 'tools': expected an array with minimum length 1")
    if len(tools) > MOST_FUNCTIONS:
        raise MalformedError(f"Invalid 'tools': expected at most {MOST_FUNCTIONS} functions, got {len(tools)}")
    names: set[str] = set()
    for at, tool in enumerate(tools):
        name = _tool_name(tool, f"tools[{at}]: ", contract)
        if name in names:
            raise MalformedError(f"Tool names must be unique: {name!r} is offered twice")
        names.add(name)


def _tool_name(tool: Any, where: str, contract: Contract) -> str:
    if not isinstance(tool, dict) or tool.get("type", "function" if contract.lenient else None) != "function":
        raise _deserialize(f"{where}expected an object of type `function`")
    function = _need(tool, "function", dict, where)
    name: str = _need(function, "name", str, where)
    if not _NAME.fullmatch(name):
        raise MalformedError(f"Invalid 'tools': name {name!r} does not match ^[a-zA-Z0-9_-]{{1,64}}$")
    parameters = function.get("parameters", {})
    if not isinstance(parameters, dict):
        raise MalformedError(
            f"Invalid schema for function '{name}': {json.dumps(parameters)} is not of type \"object\""
        )
    if not isinstance(required := parameters.get("required", []), list):
        raise MalformedError(f"Invalid schema for function '{name}': {json.dumps(required)} is not of type \"array\"")
    if not contract.refs and (unknown := next((key for key in ("$ref", "$defs") if _has(parameters, key)), None)):
        raise MalformedError(f'Invalid JSON payload received. Unknown name "{unknown}" in the parameters of {name!r}')
    return name


def _has(node: Any, key: str) -> bool:
    if isinstance(node, list):
        return any(_has(each, key) for each in node)
    return isinstance(node, dict) and (key in node or any(_has(each, key) for each in node.values()))


def _check_choice(body: dict[str, Any]) -> None:
    choice = body.get("tool_choice")
    if choice is None or choice in ("none", "auto", "required"):
        return
    if not isinstance(choice, dict) or choice.get("type") != "function":
        raise _deserialize("tool_choice: unknown variant, expected `none`, `auto`, `required` or a function")
    name = _need(_need(choice, "function", dict, "tool_choice: "), "name", str, "tool_choice: ")
    if name not in {tool["function"]["name"] for tool in body.get("tools") or ()}:
        raise MalformedError(f"Tool {name!r} of tool_choice is not in tools")


def _check_results(messages: list[dict[str, Any]]) -> None:
    """Results follow their calls at once, each once, in any order."""
    owed: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in owed:
                raise MalformedError(ORPHAN)
            owed.remove(message["tool_call_id"])
            continue
        if owed:
            raise MalformedError(INSUFFICIENT)
        if message["role"] == "assistant":
            owed = {call["id"] for call in message.get("tool_calls") or ()}
    if owed:
        raise MalformedError(INSUFFICIENT)
