"""From an operation to one object of arguments, and back from arguments to a request."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from agentkit.errors import ConfigurationError, ToolError
from agentkit.tools.openapi.document import Document, Operation, Parameter, leads_elsewhere
from agentkit.tools.openapi.keys import TOKEN
from agentkit.tools.openapi.schemas import Schemas
from agentkit.tools.openapi.wire import (
    Pairs,
    Slot,
    Where,
    as_bytes,
    in_form,
    in_header,
    in_multipart,
    in_path,
    in_query,
    unpacked,
)

Hidden = frozenset[tuple[str, str]]  # (where, name in small letters): never for a model to fill

JSON, FORM, PARTS = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
_ORDER: tuple[Where, ...] = ("path", "query", "header", "cookie")
_ILLEGAL = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST = 64
_STYLES = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}
# RFC 9110: what the connection and the client say, and what OpenAPI keeps out of the parameters
_NOT_HEADERS = frozenset(
    {"accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "cookie", "expect"}
    | {"host", "idempotency-key", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"}
    | {"x-http-method", "x-http-method-override", "x-method-override"}  # a GET may be a DELETE by them
)
_SAYS_NOTHING = frozenset(
    {"type", "properties", "required", "description", "title", "example", "examples", "nullable", "deprecated"}
    | {"externalDocs", "xml", "default", "$schema"}
)
_BODY: Final = "body"


@dataclass(frozen=True)
class Body:
    """What an operation takes as its body: of `media`, as one argument (`whole`) or each property as one."""

    media: str
    whole: bool
    required: bool


@dataclass(frozen=True)
class Request:
    """What is sent: the path and the query are percent-encoded."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    content: bytes | None
    media: str


@dataclass(frozen=True)
class Plan:
    """One operation as a tool: the schema of its arguments, and where each of them goes.

    Attributes:
        slots: by the argument's name.
    """

    operation: Operation
    schema: Mapping[str, Any]
    slots: Mapping[str, Slot]
    body: Body | None
    hidden: Hidden

    def request(self, arguments: Mapping[str, Any]) -> Request:
        """Return the request that a call is. Raises: ToolError: the arguments cannot be sent; nothing was."""
        given = {
            self.slots[name]: each
            for name, each in arguments.items()
            if name in self.slots and (each is not None or self.slots[name].where == "body")
        }
        found = self.operation.found
        path, query, headers = found.path, Pairs(), []
        cookies: Pairs = []
        for slot, value in given.items():
            if slot.where == "path":
                path = path.replace(f"{{{slot.name}}}", in_path(slot, value))
            elif slot.where == "query":
                query += in_query(slot, value)
            elif slot.where == "header":
                headers.append((slot.name, in_header(slot, value)))
            elif slot.where == "cookie":
                cookies += in_query(slot, value)
        if cookies:
            headers.append(("Cookie", "; ".join(f"{name}={value}" for name, value in cookies)))
        self._check(path, query, cookies)
        content, media = self._content({slot: each for slot, each in given.items() if slot.where == "body"})
        told = "&".join(f"{name}={value}" for name, value in query)
        return Request(found.method, path, told, tuple(headers), content, media)

    def _check(self, path: str, query: Pairs, cookies: Pairs) -> None:
        if leads_elsewhere(path):
            raise ToolError("Error: `.` and `..` cannot be a part of the path.")
        if "{" in path:
            raise ToolError(f"Error: a part of the path is missing: {path}")
        for where, pairs in (("query", query), ("cookie", cookies)):  # an object's names are the model's
            for name, _ in pairs:
                if (where, unquote(name).lower()) in self.hidden:
                    raise ToolError(f"Error: the parameter {unquote(name)} is not for you to set.")

    def _content(self, fields: Mapping[Slot, Any]) -> tuple[bytes | None, str]:
        body = self.body
        if body is None or not (fields or body.required):
            return None, ""
        if not _is_object(body.media):
            return _bytes(body.media, next(iter(fields.values()), "")), body.media
        if body.whole and not is_json(body.media):
            fields = _spread(next(iter(fields.values()), {}))
        if body.media == FORM:
            return in_form(fields), FORM
        if body.media == PARTS:
            return in_multipart(fields)
        value = next(iter(fields.values()), None) if body.whole else {slot.name: each for slot, each in fields.items()}
        return json.dumps(value, separators=(",", ":")).encode("ascii"), body.media


def plan_of(document: Document, operation: Operation, hidden: Hidden) -> Plan:
    """Return how an operation is called.

    Raises:
        ConfigurationError: its parameters cannot be told to a model, or do not fit its path.
    """
    place = f"{operation.found.method} {operation.found.path}"
    schemas = Schemas(document, place)
    made = _Made({}, [], {})
    try:
        for parameter, raw in sorted(operation.parameters, key=lambda each: _ORDER.index(each[0].param_in.value)):
            where: Where = parameter.param_in.value
            if _is_ours(parameter.name, where, hidden):
                continue
            needed = where == "path" or parameter.required
            made.add(_slot(parameter, raw, where), _schema(schemas, raw, parameter.description), needed=needed)
        body = None if operation.body is None else _body(document, schemas, operation.body, made, place)
        schema: dict[str, Any] = {"type": "object", "properties": made.properties}
        if made.required:
            schema["required"] = made.required
        schema = schemas.whole(schema | {"additionalProperties": False})
    except RecursionError:
        raise ConfigurationError(f"{place}: its schemas are nested too deep") from None
    _check_path(operation, made.slots.values(), place)
    return Plan(operation, schema, made.slots, body, hidden)


@dataclass
class _Made:
    """What the arguments of a tool are so far."""

    properties: dict[str, Any]
    required: list[str]
    slots: dict[str, Slot]

    def add(self, slot: Slot, schema: Any, *, needed: bool) -> None:
        name = self._name(slot)
        self.properties[name], self.slots[name] = schema, slot
        if needed:
            self.required.append(name)

    def _name(self, slot: Slot) -> str:
        """Return a name that every provider takes. The first of a name keeps it: that in the path."""
        name = _ILLEGAL.sub("_", slot.name)
        if name != slot.name:
            name = name.strip("_") or slot.where
        name = name[:_LONGEST]
        if name in self.slots:
            name = f"{slot.where}_{name}"[:_LONGEST]
        number = 2
        plain = name
        while name in self.slots:
            name = f"{plain[: _LONGEST - 4]}_{number}"
            number += 1
        return name


def _is_ours(name: str, where: str, hidden: Hidden) -> bool:
    return (where, name.lower()) in hidden or (where == "header" and name.lower() in _NOT_HEADERS)


def _slot(parameter: Parameter, raw: Mapping[str, Any], where: Where) -> Slot:
    if raw.get("content"):
        return Slot(parameter.name, where, "json", explode=False)
    if where == "header" and not TOKEN.fullmatch(parameter.name):
        raise ConfigurationError(f"{parameter.name!r:.200} is no name of a header")
    style = parameter.style or _STYLES[where]
    explode = raw.get("explode")
    return Slot(parameter.name, where, style, style == "form" if explode is None else bool(explode))


def _schema(schemas: Schemas, raw: Mapping[str, Any], description: str | None) -> Any:
    given = raw.get("schema", {})
    if isinstance(content := raw.get("content"), Mapping) and content:
        media = next(iter(content.values()))
        given = media.get("schema", {}) if isinstance(media, Mapping) else {}
    schema = schemas.lean(given)
    if isinstance(schema, bool) or not description or not description.strip():
        return schema
    # through `lean` once more: it cuts
    return {**schema, **schemas.lean({"description": description})}


def _body(document: Document, schemas: Schemas, raw: Mapping[str, Any], made: _Made, place: str) -> Body | None:
    content: Mapping[str, Any] = raw["content"]
    if not content:
        return None
    named = min(content, key=_rank)
    media = JSON if "*" in named else named.partition(";")[0].strip().lower()
    told: Mapping[str, Any] = document.followed(content[named] or {}, place)
    required = raw.get("required") is True
    text = raw.get("description")
    description = text if isinstance(text, str) else None
    if not _is_object(media):
        schema = {"type": "string"} if media.startswith("text/") else {"type": "string", "contentEncoding": "base64"}
        made.add(
            Slot(_BODY, "body", "json", explode=False),
            _schema(schemas, {"schema": schema}, description),
            needed=required,
        )
        return Body(media, whole=True, required=required)
    given = told.get("schema", {})
    whole = document.followed(given, place) if isinstance(given, Mapping) else {}
    if not _is_flat(whole, required=required):
        made.add(Slot(_BODY, "body", "json", explode=False), _schema(schemas, told, description), needed=required)
        return Body(media, whole=True, required=required)
    lean = schemas.lean({name: whole[name] for name in ("type", "properties", "required") if name in whole})
    encoding = told.get("encoding")
    for name, each in lean["properties"].items():
        slot = _field(name, whole["properties"][name], encoding if isinstance(encoding, Mapping) else {}, media)
        schema = {"type": "string", "contentEncoding": "base64"} if slot.binary else each
        made.add(slot, schema, needed=name in lean.get("required", ()))
    return Body(media, whole=False, required=required)


def _field(name: str, raw: Any, encoding: Mapping[str, Any], media: str) -> Slot:
    """Return where a property of a body goes: in a form, objects are JSON unless the document says otherwise."""
    said = encoding.get(name)
    style = str((said.get("style") if isinstance(said, Mapping) else None) or "field")
    explode = said.get("explode") if isinstance(said, Mapping) else None
    binary = media == PARTS and isinstance(raw, Mapping) and raw.get("format") == "binary"
    return Slot(name, "body", style, style in {"form", "field"} if explode is None else bool(explode), binary)


def _is_flat(schema: Mapping[str, Any], *, required: bool) -> bool:
    """Tell whether a body's properties can be arguments, with nothing lost that its schema says of them together."""
    says = {name for name in schema if not name.startswith("x-")} - _SAYS_NOTHING
    if says - {"additionalProperties"} or schema.get("additionalProperties", False) is not False:
        return False
    properties = schema.get("properties")
    return isinstance(properties, Mapping) and bool(properties) and (required or not schema.get("required"))


def _rank(media: str) -> int:
    kind = media.partition(";")[0].strip().lower()
    kinds = (kind == JSON, is_json(kind), kind == FORM, kind == PARTS, kind.startswith("text/"), "*" in kind)
    return kinds.index(True) if True in kinds else len(kinds)


def is_json(media: str) -> bool:
    """Tell whether a media type is JSON."""
    return media == JSON or media.endswith("+json")


def _is_object(media: str) -> bool:
    return is_json(media) or media in {FORM, PARTS}


def _bytes(media: str, value: Any) -> bytes:
    return as_bytes(value) if media.startswith("text/") else unpacked(_BODY, value)


def _spread(value: Any) -> dict[Slot, Any]:
    if not isinstance(value, Mapping):
        raise ToolError("Error: `body` has to be an object.")
    return {Slot(name, "body", "field", explode=True): each for name, each in value.items()}


def _check_path(operation: Operation, slots: Iterable[Slot], place: str) -> None:
    told = {slot.name for slot in slots if slot.where == "path"}
    named = set(re.findall(r"\{([^{}]*)\}", operation.found.path))
    if told != named:
        raise ConfigurationError(
            f"{place}: its path names {', '.join(sorted(named)) or 'nothing'}, and its parameters "
            f"{', '.join(sorted(told)) or 'nothing'}"
        )
