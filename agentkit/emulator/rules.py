"""May a well-formed request be served? Pure: the contract's row decides, and each rule is one function."""

from collections.abc import Callable, Collection
from typing import Any

from agentkit.emulator.asked import Asked, text_of
from agentkit.emulator.script import Fault

FORCED = "Thinking mode does not support this tool_choice"

Rule = Callable[[Asked], Fault | None]


def missing(asked: Asked) -> list[int]:
    """Return the indices of the assistant messages whose reasoning the contract demands and which carry none."""
    first = asked.first_in(asked.contract.demands)
    carrier = asked.contract.carrier
    return [index for index in asked.answers if index >= first and asked.messages[index].get(carrier) is None]


def refusal(asked: Asked, *, minted: Collection[str] = (), tokens: int = 0) -> Fault | None:
    """Return the error the service gives to a well-formed request, or None.

    Args:
        asked: the request.
        minted: ids of calls for which a warm service tolerates missing reasoning.
        tokens: the prompt's size.
    """
    for rule in RULES:
        if fault := rule(asked):
            return fault
    return _reasoning(asked, minted) or _context(asked, tokens)


def _reasoning(asked: Asked, minted: Collection[str]) -> Fault | None:
    for index in missing(asked):
        calls = asked.messages[index].get("tool_calls") or ()
        if not calls or any(call["id"] not in minted for call in calls):
            return Fault(400, asked.contract.missing.format(index=index))
    return None


def _context(asked: Asked, tokens: int) -> Fault | None:
    wanted = asked.body.get("max_tokens") or asked.body.get("max_completion_tokens") or 0
    limit = asked.contract.context
    if tokens + wanted <= limit:
        return None
    return Fault(
        400,
        f"This model's maximum context length is {limit} tokens. However, you requested {tokens + wanted} tokens "
        f"({tokens} in the messages, {wanted} in the completion).",
    )


def _forced_call(asked: Asked) -> Fault | None:
    forced = asked.body.get("tool_choice") not in (None, "none", "auto")
    if forced and asked.thinks and not asked.contract.forced_call:
        return Fault(400, FORCED)
    return None


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


def _json_mode(asked: Asked) -> Fault | None:
    wanted = (asked.body.get("response_format") or {}).get("type", "text")
    if wanted == "text" or not asked.contract.json_mode:
        return None
    if wanted != "json_object":
        return Fault(400, "This response_format type is unavailable now")
    if not any("json" in text_of(message.get("content")).lower() for message in asked.messages):
        return Fault(
            400, "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'."
        )
    return None


RULES: tuple[Rule, ...] = (_strict, _json_mode, _logprobs, _forced_call)
