"""The public face of core's messages: what was said, as plain frozen values."""

from agentkit.core.messages import (
    AssistantMessage,
    Content,
    File,
    Image,
    Json,
    Message,
    Part,
    Producer,
    Stored,
    Text,
    ToolCall,
    ToolMessage,
    UserMessage,
    text_of,
)

__all__ = [
    "AssistantMessage",
    "Content",
    "File",
    "Image",
    "Json",
    "Message",
    "Part",
    "Producer",
    "Stored",
    "Text",
    "ToolCall",
    "ToolMessage",
    "UserMessage",
    "text_of",
]
