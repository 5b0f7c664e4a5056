"""The rules about what a request asks for: thinking, effort, sampling, tools, output. Pure; the row has the facts."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from agentkit.emulator.asked import Asked
from agentkit.emulator.carriers import text_of
from agentkit.emulator.row import CHOICES, Switch
from agentkit.emulator.script import Fault

Rule = Callable[[Asked], Fault | None]


def _refused_fields(asked: Asked) -> Fault | None:
    for field in asked.contract.refused_fields:
        if field in asked.body:
            return Fault(400, f"{field} is not supported by this model")
    for path, models, text in asked.contract.refused_for:
        named = any(fnmatchcase(asked.body["model"], pattern) for pattern in models)
        if named and Switch(path, None).found(asked.body) is not None:
            return Fault(400, text)
    return None


def _conflicts(asked: Asked) -> Fault | None:
    for conflict in asked.contract.conflicts:
        if all(Switch(path, None).found(asked.body) is not None for path in (conflict.one, conflict.other)):
            return Fault(400, conflict.text, gateway=True)
    return None


def _thinking(asked: Asked) -> Fault | None:
    contract, thinking = asked.contract, asked.body.get("thinking")
    if contract.thinking_types and thinking is not None:
        known = isinstance(thinking, dict) and thinking.get("type", contract.thinking_types[0])
        if known not in contract.thinking_types:
            return Fault(400, f"thinking.type is one of {', '.join(contract.thinking_types)}")
    if contract.always_thinks and asked.switched_off:
        return Fault(400, "thinking cannot be disabled for this model")
    return None


def _effort(asked: Asked) -> Fault | None:
    contract, effort = asked.contract, asked.body.get("reasoning_effort")
    if effort is None:
        return None
    if effort in contract.bad_efforts or (contract.efforts and effort not in contract.efforts):
        return Fault(400, f"reasoning_effort: {effort!r} is not supported")
    if asked.tools and effort != "none" and not contract.tool_effort:
        model = asked.body["model"]
        return Fault(400, f"Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions")
    return None


def _sampling(asked: Asked) -> Fault | None:
    for name, fixed in asked.contract.sampling:
        if asked.body.get(name) not in (None, fixed):
            return Fault(400, f"invalid {name}: only {fixed} is allowed for this model")
    return None


def _tools(asked: Asked) -> Fault | None:
    if asked.tools and not asked.contract.tools:
        return Fault(400, f"{asked.body['model']} does not support Function Calling")
    return None


def _choice(asked: Asked) -> Fault | None:
    choice, contract = asked.body.get("tool_choice"), asked.contract
    kind = "specified" if isinstance(choice, dict) else choice
    taken = contract.choices if asked.thinks else contract.quiet_choices
    if kind is None or kind in taken or taken == CHOICES:
        return None
    return Fault(400, contract.choice_refused.format(kind=kind))


def _logprobs(asked: Asked) -> Fault | None:
    wanted = asked.body.get("logprobs") or asked.body.get("top_logprobs")
    if wanted and asked.thinks and not asked.contract.logprobs:
        return Fault(400, "logprobs and top_logprobs are not supported in thinking mode")
    return None


def _strict(asked: Asked) -> Fault | None:
    """Strict functions: on `/beta`, all or none, every property required and no other one allowed."""
    functions = [tool["function"] for tool in asked.tools]
    strict = [function for function in functions if function.get("strict")]
    if not strict or not asked.contract.strict_on_beta:
        return None
    if not asked.beta:
        return Fault(400, "strict functions are served at the /beta base URL only")
    if len(strict) < len(functions):
        return Fault(400, "strict must be set on all functions of a request or on none")
    for function in strict:
        if problem := _loose(function.get("parameters", {}), function["name"]):
            return Fault(400, f"Invalid schema for function '{function['name']}': {problem}")
    return None


def _loose(schema: Any, where: str) -> str | None:
    """Return what a strict schema lacks, looking into every sub-schema."""
    if isinstance(schema, list):
        return next(filter(None, (_loose(item, where) for item in schema)), None)
    if not isinstance(schema, dict):
        return None
    properties = schema.get("properties", {})
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            return f"{where}: additionalProperties must be false"
        if set(schema.get("required", ())) != set(properties):
            return f"{where}: required must list every property"
    inner = [*properties.values(), schema.get("items"), schema.get("anyOf"), *schema.get("$defs", {}).values()]
    return _loose(inner, where)


def _output(asked: Asked) -> Fault | None:
    contract = asked.contract
    wanted = (asked.body.get("response_format") or {}).get("type", "text")
    if wanted == "text":
        return None
    if not contract.json_output or not (wanted == "json_object" or contract.json_schema):
        return Fault(400, "This response_format type is unavailable now")
    if contract.json_word and not any("json" in text_of(m.get("content")).lower() for m in asked.messages):
        return Fault(
            400, "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'."
        )
    return _schema(asked) if wanted == "json_schema" else None


def _schema(asked: Asked) -> Fault | None:
    """A schema that is to be kept to has an object at its root, and no key is optional."""
    told = asked.body["response_format"].get("json_schema") or {}
    if not told.get("strict"):
        return None
    schema, name = told.get("schema", {}), told.get("name")
    problem = "schema must be a JSON Schema of 'type: \"object\"'" if schema.get("type") != "object" else None
    if problem := problem or _loose(schema, "schema"):
        return Fault(400, f"Invalid schema for response_format '{name}': {problem}")
    return None


SETTINGS: tuple[Rule, ...] = (
    _refused_fields,
    _conflicts,
    _thinking,
    _effort,
    _sampling,
    _tools,
    _strict,
    _output,
    _logprobs,
    _choice,
)
