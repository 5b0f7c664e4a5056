"""From one argument to what travels: the styles in which OpenAPI writes values into paths, queries and headers.

Every character that is not plain is percent-encoded, so that a value can never become another path or parameter.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from agentkit.errors import ToolError

Where: TypeAlias = Literal["path", "query", "header", "cookie", "body"]
Pairs: TypeAlias = list[tuple[str, str]]  # names and values, both encoded

_BETWEEN = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}


@dataclass(frozen=True)
class Slot:
    """Where an argument goes.

    Attributes:
        name: what the API calls it. where: in what part of a request.
        style: how lists and objects are written: OpenAPI's names; `json`: everything as JSON text; `field`: of a form,
            objects as JSON text.
        explode: each item by itself.
        binary: the argument is base64 of what is sent.
    """

    name: str
    where: Where
    style: str
    explode: bool
    binary: bool = False


def as_text(value: Any) -> str:
    """Return a value as plain text."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def encoded(value: Any) -> str:
    """Return a value percent-encoded. Raises: ToolError: it holds half a surrogate pair."""
    try:
        return quote(as_text(value), safe="")
    except UnicodeEncodeError:
        raise ToolError("Error: a text holds half a surrogate pair, which is not a character.") from None


def as_bytes(value: Any) -> bytes:
    """Return a value as what is sent of a text. Raises: ToolError: it holds half a surrogate pair."""
    try:
        return as_text(value).encode()
    except UnicodeEncodeError:
        raise ToolError("Error: a text holds half a surrogate pair, which is not a character.") from None


def in_path(slot: Slot, value: Any) -> str:
    """Return what stands in a path. Raises: ToolError: it would lead to another path."""
    if isinstance(value, Mapping) and slot.style != "json":
        items = [f"{encoded(k)}{'=' if slot.explode else ','}{encoded(v)}" for k, v in value.items()]
    elif isinstance(value, list) and slot.style != "json":
        items = [encoded(each) for each in value]
    else:
        items = [encoded(value)]
    made = _styled(slot, items, named=not isinstance(value, Mapping))
    if not made:
        raise ToolError(f"Error: `{slot.name}` is a part of the path and must not be empty.")
    return made


def _styled(slot: Slot, items: Sequence[str], *, named: bool) -> str:
    if slot.style == "label":
        return "." + ("." if slot.explode else ",").join(items)
    if slot.style != "matrix":
        return ",".join(items)
    if slot.explode:
        return "".join(f";{encoded(slot.name)}={each}" if named else f";{each}" for each in items)
    return f";{encoded(slot.name)}={','.join(items)}"


def in_query(slot: Slot, value: Any) -> Pairs:
    """Return what stands in a query, or in a form."""
    name = encoded(slot.name)
    if slot.style == "json":
        return [(name, encoded(json.dumps(value, separators=(",", ":"))))]
    if isinstance(value, Mapping):
        return list(_of_object(slot, name, value))
    items = [encoded(each) for each in value] if isinstance(value, list) else [encoded(value)]
    return [(name, each) for each in items] if slot.explode else [(name, _BETWEEN.get(slot.style, ",").join(items))]


def _of_object(slot: Slot, name: str, value: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    if slot.style == "deepObject":
        yield from _deep(name, value)
    elif slot.style == "field":
        yield name, encoded(value)
    elif slot.explode:
        yield from ((encoded(key), encoded(each)) for key, each in value.items())
    else:
        yield name, _BETWEEN.get(slot.style, ",").join(encoded(each) for pair in value.items() for each in pair)


def _deep(name: str, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _deep(f"{name}%5B{encoded(key)}%5D", each)
    elif isinstance(value, list):
        for each in value:
            yield from _deep(name, each)
    else:
        yield name, encoded(value)


def in_header(slot: Slot, value: Any) -> str:
    """Return what stands in a header. Raises: ToolError: it is not printable ASCII, or may become another header."""
    if isinstance(value, Mapping) and slot.style != "json":
        text = ",".join(f"{as_text(k)}{'=' if slot.explode else ','}{as_text(v)}" for k, v in value.items())
    elif isinstance(value, list) and slot.style != "json":
        text = ",".join(map(as_text, value))
    else:
        text = as_text(value)
    if not (text.isascii() and (text.isprintable() or not text)):
        raise ToolError(f"Error: `{slot.name}` goes into a header: use printable ASCII characters.")
    return text.strip()


def in_form(fields: Mapping[Slot, Any]) -> bytes:
    """Return the body of a form."""
    pairs = [pair for slot, value in fields.items() for pair in in_query(slot, value)]
    return "&".join(f"{name}={value}" for name, value in pairs).encode("ascii")


def in_multipart(fields: Mapping[Slot, Any]) -> tuple[bytes, str]:
    """Return the body of a form in parts, and its media type. Raises: ToolError: a file is not base64."""
    parts = []
    for slot, value in fields.items():
        name = slot.name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        file = f'; filename="{name}"' if slot.binary else ""
        head = f'Content-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        for each in value if isinstance(value, list) and not slot.binary else [value]:
            data = unpacked(slot.name, each) if slot.binary else as_bytes(each)
            parts.append(as_bytes(head) + data + b"\r\n")
    # made of what it must not occur in: the same call is the same bytes
    boundary = blake2b(b"".join(parts), digest_size=16).hexdigest()
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + each for each in parts) + f"--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def unpacked(name: str, value: Any) -> bytes:
    """Return the bytes that base64 stands for. Raises: ToolError: it is none."""
    try:
        return base64.b64decode(as_text(value), validate=True)
    except (binascii.Error, ValueError):
        raise ToolError(f"Error: `{name}` has to be base64 of the bytes to send.") from None
