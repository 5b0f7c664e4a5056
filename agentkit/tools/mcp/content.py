"""What MCP calls content, and what agentkit calls parts: from the one to the other, both ways."""

import base64
import binascii
import json
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TypeAlias, assert_never
from urllib.parse import quote, unquote_to_bytes, urlsplit

from mcp import types

from agentkit.core.messages import File, Image, Json, Part, Text, text_of
from agentkit.errors import ToolError
from agentkit.tools.declared import Declared
from agentkit.tools.returned import misfit

Value: TypeAlias = str | tuple[Text | Image | File, ...] | Json

NOTHING = "(the server returned nothing)"
_DONE = "Note: it is done, but its structured result has not the form that it is declared to have: {}.\n"
_KIND = re.compile(r"[\w.+-]{1,80}/[\w.+-]{1,80}", re.ASCII)


def value_of(result: types.CallToolResult, declared: Declared) -> Value:
    """Return what a tool is to return for a result; `declared.returns` is the form that its server promised.

    Where content is there beside the structured value that text cannot hold, the parts are returned, so that no picture
    is lost.

    Raises:
        ToolError: the result has not the promised form, and the tool may be repeated. Of a `once` tool it is told with
            a note, because it is the report of something done.
    """
    parts, structured = parts_of(result.content), result.structured_content
    if declared.returns is not None and (problem := misfit(declared, structured)):
        if declared.effect != "once":
            raise ToolError(
                f"Error: {declared.name} is of no use now: its structured result has not its form: {problem}."
            )
        return (Text(_DONE.format(problem)), *(parts or (Text(_json(structured)),)))
    only_text = all(isinstance(each, Text) for each in parts)
    if structured is not None and only_text and (declared.returns is not None or not parts):
        value: Json = structured
        return value
    if structured is not None and not any(isinstance(each, Text) for each in parts):
        return (Text(_json(structured)), *parts)
    return text_in(parts) if only_text else parts


def failure_of(result: types.CallToolResult) -> str:
    """Return what a server says of a failure."""
    parts = parts_of(result.content)
    return text_in(parts) if parts or result.structured_content is None else _json(result.structured_content)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


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
            return _file("image", data, kind)
        case types.AudioContent(data=data, mime_type=kind):
            return _file(f"audio.{kind.rpartition('/')[2]}", data, kind)
        case types.EmbeddedResource(resource=resource):
            return _resource(resource)
        case types.ResourceLink(uri=uri, name=name):
            return Text(f"[{name}: {uri}]")
    assert_never(block)


def _resource(resource: types.TextResourceContents | types.BlobResourceContents) -> Text | Image | File:
    if isinstance(resource, types.TextResourceContents):
        return Text(f"[{resource.uri}]\n{resource.text}")
    name = PurePosixPath(urlsplit(resource.uri).path).name or "resource"
    return _file(name, resource.blob, resource.mime_type or "application/octet-stream")


def _file(name: str, data: str, kind: str) -> Text | Image | File:
    """Return bytes as an image or a file. Broken ones are only told: a service would refuse them each time."""
    if not _KIND.fullmatch(kind) or not _sound(data):
        return Text(f"[{name}: the server sent something that is no {kind:.80}]")
    url = f"data:{kind};base64,{data}"
    return Image(url) if kind.startswith("image/") else File(name, url)


def _sound(data: str) -> bool:
    try:
        return bool(base64.b64decode(data, validate=True))
    except ValueError:
        return False


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
    """Return the JSON object that a text is, None where it is none."""
    try:
        value: Json = json.loads(text_of(parts))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
