"""The tools that the conformance runner wants a server to have, as agentkit's own; `agentkit mcp serve` offers them."""

import base64
from typing import Any

import anyio

from agentkit import ToolContext, ToolError, tool
from agentkit.errors import NeedsAnswer
from agentkit.messages import File, Image, Text
from agentkit.tools.mcp import caller

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
SILENCE = base64.b64encode(b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0@\x1f\0\0@\x1f\0\0\x01\0\x08\0data\0\0\0\0")

ADDRESS: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"address": {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
    "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
    "additionalProperties": False,
}

FORM = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
}
_OPTIONS = ["option1", "option2", "option3"]
_TITLED = [{"const": "value1", "title": "First"}, {"const": "value2", "title": "Second"}]
CHOICES = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": _OPTIONS},
        "titledSingle": {"type": "string", "oneOf": _TITLED},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["One", "Two"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": _OPTIONS}},
        "titledMulti": {"type": "array", "items": {"anyOf": _TITLED}},
    },
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


@tool(effect="read")
async def test_tool_with_logging(context: ToolContext) -> str:
    """Tell three times what it does."""
    for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await context.progress(text)
        await anyio.sleep(0.01)
    return "done"


@tool(effect="read")
async def test_sampling(prompt: str) -> str:
    """Ask the client's model."""
    return f"LLM response: {await caller().sample(prompt, max_tokens=100)}"


@tool(effect="read")
async def test_elicitation_sep1034_defaults() -> str:
    """Ask the person to fill in a form with defaults."""
    return f"Elicitation completed: {await caller().ask('Who are you?', FORM)}"


@tool(effect="read")
async def test_elicitation_sep1330_enums() -> str:
    """Ask the person to choose."""
    return f"Elicitation completed: {await caller().ask('Which ones?', CHOICES)}"


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
    test_tool_with_logging,
    test_sampling,
    test_elicitation_sep1034_defaults,
    test_elicitation_sep1330_enums,
    nested,
]
