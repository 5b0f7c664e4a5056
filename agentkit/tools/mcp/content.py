"""What MCP calls content, and what agentkit calls parts: from the one to the other, both ways."""

import base64
import binascii
import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TypeAlias, assert_never
from urllib.parse import quote, unquote_to_bytes, urlsplit

from mcp import types

from agentkit.core.messages import File, Image, Json, Part, Text, text_of

Value: TypeAlias = str | tuple[Text | Image | File, ...] | Json

NOTHING = "(the server returned nothing)"


def value_of(result: types.CallToolResult, *, structured: bool) -> Value:
    """Return what a tool is to return for a result; `structured`: it has declared the form of it.

    Where content is there beside the structured value that text cannot hold, the parts are returned, so that no picture
    is lost.
    """
    parts = parts_of(result.content)
    only_text = all(isinstance(each, Text) for each in parts)
    if result.structured_content is not None and only_text and (structured or not parts):
        value: Json = result.structured_content
        return value
    return text_in(parts) if only_text else parts


def text_in(parts: Sequence[Part]) -> str:
    """Return the text of parts, each beginning on a line of its own."""
    return "\n".join(text_of((each,)) for each in parts) or NOTHING


def parts_of(content: Sequence[types.ContentBlock]) -> tuple[Text | Image | File, ...]:
    """Return content as parts."""
    return tuple(_part(each) for each in content)


def _part(block: types.ContentBlock) -> Text | Image | File:
    match block:
        case types.TextContent(text=text):
            return Text(text)
        case types.ImageContent(data=data, mime_type=kind):
            return Image(f"data:{kind};base64,{data}")
        case types.AudioContent(data=data, mime_type=kind):
            return File(f"audio.{kind.rpartition('/')[2]}", f"data:{kind};base64,{data}")
        case types.EmbeddedResource(resource=resource):
            return _resource(resource)
        case types.ResourceLink(uri=uri, name=name):
            return Text(f"[{name}: {uri}]")
    assert_never(block)


def _resource(resource: types.TextResourceContents | types.BlobResourceContents) -> Text | Image | File:
    if isinstance(resource, types.TextResourceContents):
        return Text(f"[{resource.uri}]\n{resource.text}")
    return _file(resource.uri, resource.blob, resource.mime_type or "application/octet-stream")


def _file(uri: str, data: str, kind: str) -> Image | File:
    url = f"data:{kind};base64,{data}"
    if kind.startswith("image/"):
        return Image(url)
    return File(PurePosixPath(urlsplit(uri).path).name or "resource", url)


def content_of(parts: Sequence[Part]) -> list[types.ContentBlock]:
    """Return parts as content."""
    return [_block(each) for each in parts]


def _block(part: Part) -> types.ContentBlock:
    if isinstance(part, Image | File) and part.url.startswith("data:"):
        return _data(part, *_decoded(part.url))
    if isinstance(part, Image | File):
        return types.ResourceLink(name=part.name if isinstance(part, File) else "image", uri=part.url)
    return types.TextContent(text=text_of((part,)))


def _data(part: Image | File, kind: str, data: bytes) -> types.ContentBlock:
    encoded = base64.b64encode(data).decode("ascii")
    if isinstance(part, Image):
        return types.ImageContent(data=encoded, mime_type=kind)
    if kind.startswith("audio/"):
        return types.AudioContent(data=encoded, mime_type=kind)
    uri = f"file:///{quote(part.name)}"
    if kind.startswith("text/"):
        text = data.decode("utf-8", "replace")
        return types.EmbeddedResource(resource=types.TextResourceContents(uri=uri, mime_type=kind, text=text))
    return types.EmbeddedResource(resource=types.BlobResourceContents(uri=uri, mime_type=kind, blob=encoded))


def _decoded(url: str) -> tuple[str, bytes]:
    """Return the kind and the bytes of a `data:` URL; one whose base64 is broken holds nothing."""
    head, _, body = url.removeprefix("data:").partition(",")
    kind, *more = head.split(";")
    if "base64" not in more:
        return kind or "text/plain", unquote_to_bytes(body)
    try:
        return kind or "text/plain", base64.b64decode(body)
    except binascii.Error:
        return kind or "text/plain", b""


def structured_in(parts: Sequence[Part]) -> Json:
    """Return the JSON value that a text is, None where it is none."""
    try:
        value: Json = json.loads(text_of(parts))
    except ValueError:
        return None
    return value
