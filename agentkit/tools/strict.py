"""A schema in the subset that a service can keep a model to, and the way back. Pure.

A strict form says the same as the schema, or there is none and a sentence says why: no constraint is lost in silence.
All properties are required there, so an optional one is nullable, and null stands for absent (`undone`). Objects that
say nothing of other keys are closed.
Sources: the subsets of OpenAI's structured outputs and of DeepSeek's strict functions (CONTRACTS.md, 2.6).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, TypeAlias

from agentkit.core.contract import StrictTools
from agentkit.core.spec import ToolSpec
from agentkit.core.values import dataclass

Dialect: TypeAlias = Literal["openai", "deepseek"]
Schema: TypeAlias = Mapping[str, Any]

_SAID = frozenset({"title", "description", "default", "examples", "deprecated", "$comment", "discriminator"})
_NUMBER = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_OF_TYPE: Mapping[str, frozenset[str]] = {  # what constrains values of one type only
    "string": frozenset({"pattern", "format", "minLength", "maxLength"}),
    "number": _NUMBER,
    "integer": _NUMBER,
    "boolean": frozenset(),
    "null": frozenset(),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"}),
    "object": frozenset(
        {
            *("properties", "required", "additionalProperties", "patternProperties", "propertyNames"),
            *("minProperties", "maxProperties"),
        }
    ),
}
_ANYWHERE = frozenset().union(*_OF_TYPE.values())


@dataclass(frozen=True, slots=True)
class _Subset:
    """What a service can keep a model to, beside types, properties, items, enum, anyOf and references."""

    name: str
    keywords: frozenset[str]
    formats: frozenset[str]
    null: bool = True
    depth: int = 10  # objects inside objects
    properties: int = 5000


_SUBSETS: Final[Mapping[Dialect, _Subset]] = {
    "openai": _Subset(
        "OpenAI's",
        _NUMBER | {"pattern", "format", "minItems", "maxItems"},
        frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}),
    ),
    "deepseek": _Subset(
        "DeepSeek's",
        _NUMBER | {"pattern", "format"},
        frozenset({"email", "hostname", "ipv4", "ipv6", "uuid"}),
        null=False,
    ),
}


class Loose(Exception):  # noqa: N818 - no fault of the program: the schema is sent as it is
    """There is no strict form; the text says where and why."""


def strict(schema: Schema, dialect: Dialect = "openai") -> dict[str, Any]:
    """Return the strict form of an object's schema. Raises: Loose: there is none."""
    writer = _Writer(_SUBSETS[dialect], schema)
    found = writer.node({name: each for name, each in schema.items() if name not in {"$defs", "$schema"}}, "", 1)
    if found.get("type") != "object":
        raise Loose("the whole is no object")
    defs = {name: writer.node(each, f"$defs.{name}", 1) for name, each in schema.get("$defs", {}).items()}
    return found | ({"$defs": defs} if defs else {})


class _Writer:
    """Writes one schema anew."""

    def __init__(self, subset: _Subset, root: Schema) -> None:
        self._subset, self._root, self._properties = subset, root, 0

    def node(self, schema: Any, where: str, depth: int) -> dict[str, Any]:
        """Return the strict form of a part of the schema."""
        if not isinstance(schema, Mapping) or not schema.keys() - _SAID:
            raise Loose(f"{where or 'the whole'} may be anything")
        self._only(schema, where)
        for name, write in (("$ref", self._reference), ("anyOf", self._union), ("oneOf", self._union)):
            if name in schema:
                return write(schema, name, where, depth)
        if "allOf" in schema:
            return self._all_of(schema, where, depth)
        if "const" in schema or "enum" in schema:
            return self._choice(schema, where)
        return self._of_type(schema, where, depth)

    def _only(self, schema: Schema, where: str) -> None:
        """Refuse keywords that stand beside one that is written alone, and unknown ones."""
        for name in ("$ref", "anyOf", "oneOf", "allOf"):
            if name in schema and (beside := schema.keys() - _SAID - {name}):
                raise Loose(f"{_at(where)}{', '.join(sorted(beside))} beside {name}")
        known = _SAID | _ANYWHERE | {"type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf"}
        if unknown := schema.keys() - known:
            raise Loose(f"{_at(where)}{', '.join(sorted(unknown))} is not in {self._subset.name} subset")

    def _reference(self, schema: Schema, _: str, where: str, __: int) -> dict[str, Any]:
        if _referred(schema, self._root) is None:
            raise Loose(f"{_at(where)}{schema['$ref']} refers to nothing under $defs")
        return {"$ref": schema["$ref"]}

    def _union(self, schema: Schema, kind: str, where: str, depth: int) -> dict[str, Any]:
        branches: Sequence[Any] = schema[kind]
        if kind == "oneOf" and not _apart([_resolved(each, self._root) for each in branches]):
            raise Loose(f"{_at(where)}oneOf, and nothing shows that only one can fit")
        return _said(schema) | {"anyOf": [self.node(each, where, depth) for each in branches]}

    def _all_of(self, schema: Schema, where: str, depth: int) -> dict[str, Any]:
        if len(schema["allOf"]) != 1:
            raise Loose(f"{_at(where)}allOf is not in {self._subset.name} subset")
        return self.node(schema["allOf"][0], where, depth)

    def _choice(self, schema: Schema, where: str) -> dict[str, Any]:
        values = schema.get("enum", [schema.get("const")])
        beside = schema.keys() - _SAID - {"enum", "const", "type"}
        if beside or {"enum", "const"} <= schema.keys():
            raise Loose(f"{_at(where)}more than a choice of values")
        if any(isinstance(each, dict | list) for each in values) or (None in values and not self._subset.null):
            raise Loose(f"{_at(where)}a choice of values that are no texts, numbers or booleans")
        kinds = {_kind(each) for each in values}
        if "type" in schema and not kinds <= _wide(schema["type"]):
            raise Loose(f"{_at(where)}values that are not of the type beside them")
        kind = {"type": kinds.pop()} if len(kinds) == 1 else {}
        return _said(schema) | kind | {"enum": list(values)}

    def _of_type(self, schema: Schema, where: str, depth: int) -> dict[str, Any]:
        kind: Any = schema.get("type")
        if isinstance(kind, list):
            shared = {name: each for name, each in schema.items() if name not in _SAID}
            branches = [self._of_type(_for(shared, each), where, depth) for each in kind]
            return _said(schema) | {"anyOf": branches}
        if kind not in _OF_TYPE or (kind == "null" and not self._subset.null):
            raise Loose(f"{_at(where)}{'no type' if kind is None else f'type {kind}'}: {self._subset.name} needs one")
        schema = _for(schema, kind)
        if kind == "object":
            return self._object(schema, where, depth)
        inner = {"items": self.node(schema.get("items"), f"{where}[]", depth)} if kind == "array" else {}
        return _said(schema) | {"type": kind} | self._kept(schema, where, {"items"}) | inner

    def _kept(self, schema: Schema, where: str, done: set[str]) -> dict[str, Any]:
        kept = {name: each for name, each in schema.items() if name not in _SAID | done | {"type"}}
        if lost := kept.keys() - self._subset.keywords:
            raise Loose(f"{_at(where)}{', '.join(sorted(lost))} is not in {self._subset.name} subset")
        if "format" in kept and kept["format"] not in self._subset.formats:
            raise Loose(f"{_at(where)}format {kept['format']} is not in {self._subset.name} subset")
        return kept

    def _object(self, schema: Schema, where: str, depth: int) -> dict[str, Any]:
        properties: Mapping[str, Any] = schema.get("properties", {})
        if schema.get("additionalProperties", not properties) is not False:
            raise Loose(f"{_at(where)}keys that are not named")
        self._kept(schema, where, {"properties", "required", "additionalProperties"})
        self._properties += len(properties)
        if depth > self._subset.depth or self._properties > self._subset.properties:
            raise Loose(f"{_at(where)}nested too deep, or too many properties, for {self._subset.name} subset")
        required = set(schema.get("required", ()))
        if unnamed := required - properties.keys():
            raise Loose(f"{_at(where)}{', '.join(sorted(unnamed))} is required and has no schema")
        written = {
            name: self._property(each, f"{where}.{name}".lstrip("."), depth, optional=name not in required)
            for name, each in properties.items()
        }
        shape = {"properties": written, "required": list(written), "additionalProperties": False}
        return _said(schema) | {"type": "object"} | shape

    def _property(self, schema: Any, where: str, depth: int, *, optional: bool) -> dict[str, Any]:
        found = self.node(schema, where, depth + 1)
        if not optional:
            return found
        if not self._subset.null:
            raise Loose(f"{where} is optional, and {self._subset.name} subset knows no null")
        if _nullable(schema, self._root):
            if schema.get("default") is not None:
                raise Loose(f"{where} may be null or left out, and the two differ")
            return found
        inner = {name: each for name, each in found.items() if name != "description"}
        told = {"description": found["description"]} if "description" in found else {}
        return told | {"anyOf": [inner, {"type": "null"}]}


def undone(value: Any, schema: Schema, fits: Callable[[Any, Schema], bool]) -> Any:
    """Return a value in its strict form as the schema itself wants it: null where a key may be absent is left out.

    A value that was never in a strict form stays as it is, but for such a null, which its schema refuses.

    Args:
        value: as it came.
        schema: the whole schema, as it was before it was made strict.
        fits: tells whether a value fits a part of the schema.
    """
    return _Back(schema, fits).value(value, schema)


@dataclass(frozen=True, slots=True)
class _Back:
    """The way back from the strict form."""

    root: Schema
    fits: Callable[[Any, Schema], bool]

    def value(self, value: Any, schema: Any) -> Any:
        schema = _resolved(schema, self.root)
        if not isinstance(schema, Mapping):
            return value
        if branches := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
            if self.fits(value, schema):
                return value
            found = ((self.value(value, each), each) for each in branches)
            return next((back for back, each in found if self.fits(back, each)), value)
        if isinstance(value, dict):
            return self._object(value, schema)
        if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
            return [self.value(each, schema["items"]) for each in value]
        return value

    def _object(self, value: dict[str, Any], schema: Schema) -> dict[str, Any]:
        properties, required = schema.get("properties", {}), schema.get("required", ())
        back = {}
        for name, each in value.items():
            told = properties.get(name, True)
            if each is None and name in properties and name not in required and not self.fits(None, told):
                continue
            back[name] = self.value(each, told)
        return back


def strict_specs(specs: Sequence[ToolSpec], row: StrictTools | None) -> tuple[tuple[ToolSpec, ...], tuple[str, ...]]:
    """Return tools with their strict forms, as far as there are any, and why others have none."""
    if row is None:
        return tuple(specs), ("its contract row knows no strict functions",) if specs else ()
    found, why = [], []
    for spec in specs:
        try:
            found.append(replace(spec, parameters=strict(spec.parameters, row.subset), strict=True))
        except Loose as loose:
            found.append(spec)
            why.append(f"{spec.bound.name}: {loose}")
    if why and row.all_or_none:
        return tuple(specs), (*why, "all functions of a request have to be strict, or none: none is")
    return tuple(found), tuple(why)


def _said(schema: Schema) -> dict[str, Any]:
    """Return what the model is told in words; a default is one of them."""
    told = [schema["description"]] if schema.get("description") else []
    if schema.get("default") is not None:
        told.append(f"Default: {schema['default']}")
    return {"description": " ".join(told)} if told else {}


def _at(where: str) -> str:
    return f"{where}: " if where else ""


def _for(schema: Schema, kind: str) -> dict[str, Any]:
    """Return a schema for values of one type: what constrains others only is no constraint there."""
    mine = _OF_TYPE.get(kind, frozenset())
    return {n: each for n, each in schema.items() if n not in _ANYWHERE or n in mine} | {"type": kind}


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    kinds = {str: "string", int: "integer", float: "number", type(None): "null"}
    return kinds[type(value)]


def _wide(kind: str | Sequence[str]) -> set[str]:
    kinds = {kind} if isinstance(kind, str) else set(kind)
    return kinds | ({"integer"} if "number" in kinds else set())


def _referred(schema: Schema, root: Schema) -> Any:
    where = str(schema["$ref"])
    return root.get("$defs", {}).get(where.removeprefix("#/$defs/")) if where.startswith("#/$defs/") else None


def _resolved(schema: Any, root: Schema) -> Any:
    seen: set[str] = set()
    while isinstance(schema, Mapping) and "$ref" in schema and schema["$ref"] not in seen:
        seen.add(schema["$ref"])
        schema = _referred(schema, root)
    return schema


def _nullable(schema: Any, root: Schema) -> bool:
    schema = _resolved(schema, root)
    if not isinstance(schema, Mapping):
        return False
    branches = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf") or ()
    values = schema.get("enum", [schema["const"]] if "const" in schema else ())
    return "null" in _wide(schema.get("type", ())) or None in values or any(_nullable(b, root) for b in branches)


def _apart(branches: Sequence[Any]) -> bool:
    """Tell whether a property that each of some objects requires has another fixed value in each."""
    if not all(isinstance(each, Mapping) for each in branches):
        return False
    common = set.intersection(*(set(each.get("required", ())) for each in branches))
    return any(len({repr(_fixed(each, name)) for each in branches} - {"None"}) == len(branches) for name in common)


def _fixed(schema: Schema, name: str) -> object:
    return schema.get("properties", {}).get(name, {}).get("const")
