"""The tools that the conformance runner wants a server to have, as agentkit's own; `agentkit mcp serve` offers them."""

import base64
from typing import Any

import anyio

from agentkit import ToolContext, ToolError, tool
from agentkit.errors import NeedsAnswer
from agentkit.messages import File, Image, Text

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
SILENCE = base64.b64encode(b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0@\x1f\0\0@\x1f\0\0\x01\0\x08\0data\0\0\0\0")

ADDRESS: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"address": {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
    "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
    "additionalProperties": False,
}


@tool(effect="read")
async def test_simple_text() -> str:
    """Return a text."""
    return "This is a simple text response for testing."


@tool(effect="read")
async def test_image_content() -> Image:
    """Return a picture."""
    return Image(f"data:image/png;base64,{PIXEL}")


@tool(effect="read")
async def test_audio_content() -> File:
    """Return a sound."""
    return File("silence.wav", f"data:audio/wav;base64,{SILENCE.decode()}")


@tool(effect="read")
async def test_embedded_resource() -> File:
    """Return a file."""
    return File("embedded-resource", "data:text/plain,This%20is%20an%20embedded%20resource%20content.")


@tool(effect="read")
async def test_multiple_content_types() -> tuple[Text | Image | File, ...]:
    """Return a text, a picture and a file."""
    file = File("mixed.json", "data:application/json,{}")
    return Text("Multiple content types test:"), Image(f"data:image/png;base64,{PIXEL}"), file


@tool(effect="read")
async def test_error_handling() -> str:
    """Fail."""
    raise ToolError("This tool intentionally returns an error for testing")


@tool(effect="read")
async def test_tool_with_progress(context: ToolContext) -> str:
    """Tell three times how far it is."""
    for text in ("0 of 100", "50 of 100", "100 of 100"):
        await context.progress(text)
        await anyio.sleep(0.01)
    return "done"


@tool(effect="read")
async def test_elicitation(message: str) -> str:
    """Ask the person."""
    raise NeedsAnswer(message)


@tool(effect="read", name="json_schema_2020_12_tool", description="Takes a nested address", parameters=ADDRESS)
async def nested(arguments: dict[str, Any]) -> str:
    return repr(arguments)


TOOLS = [
    test_simple_text,
    test_image_content,
    test_audio_content,
    test_embedded_resource,
    test_multiple_content_types,
    test_error_handling,
    test_tool_with_progress,
    test_elicitation,
    nested,
]
