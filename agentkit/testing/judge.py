"""A judge of what the model gets to see."""

from collections.abc import Mapping
from typing import Any


def ill_formed(request: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a Chat Completions request, None if nothing is.

    Each call of an assistant message is answered by exactly one tool message right behind it, in any order; no tool
    message stands elsewhere; ids are unique in their message; the first message of the talk is the user's.
    """
    owed: list[str] = []
    for index, message in enumerate(request["messages"]):
        role = message["role"]
        if role == "tool":
            if message["tool_call_id"] not in owed:
                return f"message {index}: a result nobody asked for ({message['tool_call_id']})"
            owed.remove(message["tool_call_id"])
            continue
        if owed:
            return f"message {index}: {role} stands where the results of {owed} are owed"
        if role == "assistant":
            owed = [call["id"] for call in message.get("tool_calls") or ()]
            if len(set(owed)) != len(owed):
                return f"message {index}: two calls have one id"
            if not owed and not message.get("content"):
                return f"message {index}: an empty answer"
    return f"the results of {owed} are missing" if owed else None
