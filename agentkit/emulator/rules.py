"""May a well-formed request be served? Pure: the contract's row decides, and each rule is one function.

`rules_settings` has the rules about what the request asks for; here are those about the conversation, which come last.
A gateway passes on what its upstream refuses, and says so in words of its own; its own refusals have `gateway`.
"""

import json
import re
from collections.abc import Callable, Collection
from itertools import pairwise

from agentkit.emulator.asked import Asked
from agentkit.emulator.carriers import CARRIAGES
from agentkit.emulator.rules_settings import SETTINGS
from agentkit.emulator.script import Fault

Rule = Callable[[Asked], Fault | None]


def missing(asked: Asked) -> list[int]:
    """Return the indices of the assistant messages whose reasoning the contract demands and which carry none."""
    demanded = asked.scope(asked.contract.demands)
    return [index for index in asked.answers if index in demanded and not _carried(asked, index)]


def _carried(asked: Asked, index: int) -> bool:
    reasoning = asked.back[index].reasoning
    return bool(reasoning) or (reasoning == "" and asked.contract.empty)


def refusal(asked: Asked, *, minted: Collection[str] = (), tokens: int = 0) -> Fault | None:
    """Return the error the service gives to a well-formed request, or None.

    Args:
        asked: the request.
        minted: ids of calls for which a warm service tolerates missing reasoning.
        tokens: the prompt's size.
    """
    for rule in (*SETTINGS, *HISTORY):
        if fault := rule(asked):
            return fault
    return _reasoning(asked, minted) or _context(asked, tokens)


def _reasoning(asked: Asked, minted: Collection[str]) -> Fault | None:
    for index in missing(asked):
        calls = asked.messages[index].get("tool_calls") or ()
        if not calls or any(call["id"] not in minted for call in calls):
            tool = calls[0]["function"]["name"] if calls else ""
            return Fault(400, asked.contract.missing.format(index=index, tool=tool))
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


def _forbidden(asked: Asked) -> Fault | None:
    if not asked.contract.forbids:
        return None
    for index in asked.answers:
        if asked.contract.carrier in asked.messages[index]:
            return Fault(400, f"messages[{index}]: {asked.contract.carrier} is not allowed in the input")
    return None


def _unsupported(asked: Asked) -> Fault | None:
    for index in asked.answers:
        for field in asked.contract.unsupported:
            if field in asked.messages[index]:
                return Fault(400, f"'messages.{index}' : property '{field}' is unsupported")
    return None


def _forged(asked: Asked) -> Fault | None:
    contract = asked.contract
    genuine = CARRIAGES[contract.form].genuine
    for index in sorted(asked.scope(contract.validates)):
        if not genuine(asked.messages[index], contract):
            return Fault(400, contract.forged.format(index=index))
    return None


def _user_after_tool(asked: Asked) -> Fault | None:
    roles = [message["role"] for message in asked.messages]
    if not asked.contract.user_after_tool and ("tool", "user") in pairwise(roles):
        return Fault(400, "Unexpected role 'user' after role 'tool'")
    return None


def _call_ids(asked: Asked) -> Fault | None:
    pattern = asked.contract.call_ids
    for index in asked.answers if pattern else ():
        for call in asked.messages[index].get("tool_calls") or ():
            if not re.fullmatch(pattern, call["id"]):
                return Fault(400, f"Tool call id was {call['id']} but must match ^{pattern}$")
    return None


def _valid_arguments(asked: Asked) -> Fault | None:
    for index in asked.answers if asked.contract.valid_arguments else ():
        for call in asked.messages[index].get("tool_calls") or ():
            try:
                json.loads(call["function"]["arguments"])
            except ValueError:
                return Fault(400, f"messages[{index}]: the arguments of {call['function']['name']} are not valid JSON")
    return None


HISTORY: tuple[Rule, ...] = (_forbidden, _unsupported, _user_after_tool, _call_ids, _valid_arguments, _forged)
