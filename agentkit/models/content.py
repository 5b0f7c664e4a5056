"""What people and tools said, as either wire takes it, pure: plain text where it is nothing but text, else parts."""

from collections.abc import Callable
from typing import Any

from agentkit.core.messages import Part, Stored, Text
from agentkit.errors import ProtocolError

Encode = Callable[[Part], dict[str, Any]]


def of_user(parts: tuple[Part, ...], encode: Encode) -> str | list[dict[str, Any]]:
    """Return a user's content; several texts stay apart, as they were given. `encode` makes a part of the wire."""
    match parts:
        case (Text(text),):
            return text
        case _:
            return [encode(part) for part in parts]


def of_tool(parts: tuple[Part, ...], encode: Encode) -> str | list[dict[str, Any]]:
    """Return a tool's content; several texts become one, since not every service takes parts there."""
    texts = [part.text for part in parts if isinstance(part, Text)]
    return "".join(texts) if len(texts) == len(parts) else [encode(part) for part in parts]


def unfetched(part: Stored) -> ProtocolError:
    """Return the error for contents that nobody fetched before encoding."""
    return ProtocolError(f"contents {part.hash} were not fetched before encoding")
