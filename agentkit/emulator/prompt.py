"""What the model reads of a request, as bytes: the measure of tokens and of the prefix cache. Pure.

A token is four bytes of UTF-8, rounded up over the whole: not any model's tokenizer, but the same in every run.
"""

import json
from collections.abc import Iterator
from typing import Any

from agentkit.emulator.asked import Asked
from agentkit.emulator.returned import Came, Emitted

BYTES_PER_TOKEN = 4


def tokens(size: int) -> int:
    """Return how many tokens so many bytes are."""
    return -(-size // BYTES_PER_TOKEN)


def octets(text: str) -> bytes:
    """Encode text as UTF-8, lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")


def render(asked: Asked) -> bytes:
    """Return the prompt: the tools, then the messages, with the reasoning that the service keeps."""
    kept = asked.scope(asked.contract.keeps)
    parts = [json.dumps(asked.tools, ensure_ascii=False)] if asked.tools else []
    for index, message in enumerate(asked.messages):
        back = asked.back.get(index)
        parts.extend(_message(message) if back is None else _answer(back, kept=index in kept))
    return octets("".join(parts))


def rendered_answer(asked: Asked, emitted: Emitted) -> bytes:
    """Return an answer as it will stand in the next prompt, if it comes back as it was sent."""
    kept = asked.thinks and (bool(asked.tools) or not asked.contract.only_with_tools)
    return octets("".join(_answer(emitted.came, kept=kept)))


def generated(emitted: Emitted) -> tuple[int, int]:
    """Return the tokens of an answer, and how many of them are reasoning."""
    thought = len(octets((emitted.reasoning if emitted.thought is None else emitted.thought) or ""))
    said = len(octets(emitted.content)) + sum(len(octets(call.name + call.arguments)) for call in emitted.calls)
    return tokens(thought + said), tokens(thought)


def _message(message: dict[str, Any]) -> Iterator[str]:
    yield f"<|{message['role']}|>"
    content = message.get("content")
    if isinstance(content, str):
        yield content
    elif content:
        yield json.dumps(content, ensure_ascii=False)


def _answer(back: Came, *, kept: bool) -> Iterator[str]:
    yield "<|assistant|>"
    if kept and back.reasoning:
        yield f"<think>{back.reasoning}</think>"
    yield back.content
    for call in back.calls:
        yield f"<call {call.name}>{call.arguments}"
