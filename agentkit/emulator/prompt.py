"""What the model reads of a request, as bytes: the measure of tokens and of the prefix cache. Pure.

A token is four bytes of UTF-8, rounded up over the whole: not any model's tokenizer, but the same in every run.
"""

import json
from collections.abc import Iterator
from typing import Any

from agentkit.emulator.asked import Asked
from agentkit.emulator.returned import Emitted

BYTES_PER_TOKEN = 4


def tokens(size: int) -> int:
    """Return how many tokens so many bytes are."""
    return -(-size // BYTES_PER_TOKEN)


def octets(text: str) -> bytes:
    """Encode text as UTF-8, lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")


def render(asked: Asked) -> bytes:
    """Return the prompt: the tools, then the messages, with the reasoning that the service keeps."""
    first = asked.first_in(asked.contract.keeps)
    parts = [json.dumps(asked.tools, ensure_ascii=False)] if asked.tools else []
    for index, message in enumerate(asked.messages):
        parts.extend(_message(message, asked.contract.carrier if index >= first else None))
    return octets("".join(parts))


def rendered_answer(asked: Asked, emitted: Emitted) -> bytes:
    """Return an answer as it will stand in the next prompt, if it comes back as it was sent."""
    calls = [{"function": {"name": call.name, "arguments": call.arguments}} for call in emitted.calls]
    message = {"role": "assistant", "reasoning": emitted.reasoning, "content": emitted.content, "tool_calls": calls}
    read = asked.thinks and (asked.tools or not asked.contract.only_with_tools)
    return octets("".join(_message(message, "reasoning" if read else None)))


def generated(emitted: Emitted) -> tuple[int, int]:
    """Return the tokens of an answer, and how many of them are reasoning."""
    thought = len(octets(emitted.reasoning or ""))
    said = len(octets(emitted.content)) + sum(len(octets(call.name + call.arguments)) for call in emitted.calls)
    return tokens(thought + said), tokens(thought)


def _message(message: dict[str, Any], carrier: str | None) -> Iterator[str]:
    yield f"<|{message['role']}|>"
    if carrier and (reasoning := message.get(carrier)):
        yield f"<think>{reasoning}</think>"
    content = message.get("content")
    if isinstance(content, str):
        yield content
    elif content:
        yield json.dumps(content, ensure_ascii=False)
    for call in message.get("tool_calls") or ():
        yield f"<call {call['function']['name']}>{call['function']['arguments']}"
