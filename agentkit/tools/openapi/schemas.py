"""From the schemas of a document to one small JSON Schema (2020-12) of a tool's arguments.

What tells a model nothing (titles, examples, XML names) is left out. A schema that is referred to once is put where it
is referred to; others stand in `$defs`, so that neither a circle nor a reference that doubles at every step grows.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from agentkit.errors import ConfigurationError
from agentkit.tools.openapi.document import Document
from agentkit.tools.patterns import readable

LARGEST: Final = 20_000  # schemas in one tool's; the largest of GitHub's 1,223 has some 300
TOLD: Final = 300  # characters of a parameter's description

_ONE = frozenset(
    {"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"}
    | {"unevaluatedProperties", "unevaluatedItems"}
)
_MANY = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED = frozenset({"properties", "patternProperties", "dependentSchemas"})
_PLAIN = frozenset(
    {"type", "enum", "const", "default", "description", "format", "pattern", "required", "dependentRequired"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"}
    | {"minItems", "maxItems", "uniqueItems", "minContains", "maxContains", "minProperties", "maxProperties"}
    | {"contentEncoding"}
)
_LISTS = _MANY | {"enum", "required"}
_DEFS = "#/$defs/"


class Schemas:
    """The schemas of one tool's arguments. Raises: ConfigurationError: one cannot be read; `place` says where."""

    def __init__(self, document: Document, place: str) -> None:
        self._document = document
        self._place = place
        self._names: dict[str, str] = {}
        self._defs: dict[str, Any] = {}
        self._uses: Counter[str] = Counter()
        self._count = 0

    def lean(self, raw: Any) -> Any:
        """Return a schema as the model is told of it; its references are to be resolved by `whole`."""
        self._count += 1
        if self._count > LARGEST:
            raise ConfigurationError(f"{self._place}: its schema has more than {LARGEST} parts")
        if isinstance(raw, bool):
            return raw
        if not isinstance(raw, Mapping):
            raise ConfigurationError(f"{self._place}: {raw!r:.80} is no schema")
        self._check(raw)
        if "$ref" in raw:
            return self._referring(raw)
        known = {name: each for name, each in raw.items() if name in _PLAIN or name in _ONE | _MANY | _NAMED}
        if "properties" in known:
            known |= _writable(known)
        return _told(_modern(mapped(known, self.lean), raw) if self._document.old else mapped(known, self.lean))

    def _check(self, raw: Mapping[str, Any]) -> None:
        for name, each in raw.items():
            wanted = list if name in _LISTS else Mapping if name in _NAMED else str if name == "$ref" else object
            strange = name == "required" and isinstance(each, list) and not all(isinstance(one, str) for one in each)
            if strange or not isinstance(each, wanted):
                raise ConfigurationError(f"{self._place}: {name}={each!r:.80} is no part of a schema")

    def _referring(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        ref = raw["$ref"]
        if ref not in self._names:
            target = self._document.followed(raw, self._place)
            self._names[ref] = self._name(ref)
            self._defs[self._names[ref]] = self.lean(target)
        name = self._names[ref]
        self._uses[name] += 1
        rest = {} if self._document.old else {each: raw[each] for each in raw if each != "$ref"}
        return {"$ref": _DEFS + name, **(self.lean(rest) if rest else {})}

    def _name(self, ref: str) -> str:
        base = re.sub(r"[^A-Za-z0-9_.-]", "_", ref.rpartition("/")[2])[:64] or "schema"
        taken = set(self._names.values())
        return base if base not in taken else f"{base}_{len(taken)}"

    def whole(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a schema made of `lean` ones, with what they refer to."""
        placed: dict[str, Any] = self._placed(schema)
        kept = {name: self._placed(each) for name, each in self._defs.items() if self._uses[name] > 1}
        return placed | ({"$defs": kept} if kept else {})

    def _placed(self, schema: Any) -> Any:
        """Put what is referred to once where it is referred to. A circle is referred to twice, so this ends."""
        if isinstance(schema, bool):
            return schema
        name = str(schema.get("$ref", "")).removeprefix(_DEFS)
        if "$ref" not in schema or self._uses[name] > 1:
            return mapped(schema, self._placed)
        target, rest = self._placed(self._defs[name]), {each: schema[each] for each in schema if each != "$ref"}
        if isinstance(target, Mapping) and rest.keys() <= {"description", "default"}:
            return {**target, **rest}
        return {**mapped(rest, self._placed), "allOf": [target, *rest.get("allOf", ())]}


def mapped(schema: Mapping[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """Return a schema with each schema right inside it changed."""
    made: dict[str, Any] = {}
    for name, each in schema.items():
        if name in _ONE:
            made[name] = change(each)
        elif name in _MANY:
            made[name] = [change(one) for one in each]
        elif name in _NAMED:
            made[name] = {key: change(one) for key, one in each.items()}
        else:
            made[name] = each
    return made


def _writable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out properties that only answers have."""
    properties = schema["properties"]
    kept = {
        name: each
        for name, each in properties.items()
        if not (isinstance(each, Mapping) and each.get("readOnly") is True)
    }
    if "required" not in schema:
        return {"properties": kept}
    required = [name for name in schema["required"] if name in kept or name not in properties]
    return {"properties": kept, "required": required}


def _modern(schema: dict[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    """Say in today's words what OpenAPI 3.0 says in its own: `nullable`, and limits that exclude."""
    for limit, excluding in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(schema.get(excluding), bool):
            excluded = schema.pop(excluding)
            if excluded and limit in schema:
                schema[excluding] = schema.pop(limit)
    if raw.get("nullable") is not True:
        return schema
    if isinstance(schema.get("type"), str) and not _MANY & schema.keys():
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
        return schema
    outside: dict[str, Any] = {name: schema.pop(name) for name in ("description", "default") if name in schema}
    return {"anyOf": [schema, {"type": "null"}], **outside} if schema else outside


def _told(schema: dict[str, Any]) -> dict[str, Any]:
    """Cut the description, and tell a pattern in it that cannot be checked."""
    text = schema.pop("description", None)
    text = text.strip() if isinstance(text, str) else ""
    text = shortened(text, TOLD)
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and not readable(pattern):
        del schema["pattern"]
        text = f"{text} (pattern: {pattern[:TOLD]})".strip()
    return {"description": text, **schema} if text else schema


def shortened(text: str, most: int) -> str:
    """Return a text of at most `most` characters, cut between words."""
    if len(text) <= most:
        return text
    return f"{text[: most - 2].rpartition(' ')[0] or text[: most - 2]} …"
