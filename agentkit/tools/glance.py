"""Values that fit a schema of everyday keywords, seen at a glance: by pydantic's compiled validators.

Only that a value fits is ever said. Whatever else comes, and every schema that holds anything else, is judged by
`jsonschema` (validate.py), which also has the words for what is wrong. So a rule here may be stricter than JSON Schema
has it (1.0 is no integer, half a surrogate pair no text), and never laxer: of a `number` no bound is known, since
pydantic compares floats. Drafts 7 to 2020-12 agree on all of it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import CoreSchema, SchemaError, SchemaValidator, core_schema

_SAYING = frozenset({"default", "description", "examples", "readOnly", "title", "writeOnly"})  # and refusing nothing
_BOUNDS = {"exclusiveMaximum": "lt", "exclusiveMinimum": "gt", "maximum": "le", "minimum": "ge"}
_LENGTHS = {"maxLength": "max_length", "minLength": "min_length", "maxItems": "max_length", "minItems": "min_length"}


class _Strange(Exception):  # noqa: N818 - no fault: jsonschema is asked
    """Something that nothing is known of here."""


def glance(schema: Any) -> Callable[[Any], bool] | None:
    """Return what tells of most values that fit a valid schema that they do; None: nothing can be told."""
    try:
        return SchemaValidator(_core(schema, saying=_SAYING | {"$schema"})).isinstance_python
    except (_Strange, SchemaError, RecursionError):
        return None


def _core(schema: Any, saying: frozenset[str] = _SAYING) -> CoreSchema:
    if not isinstance(schema, dict):
        raise _Strange
    rules = {keyword: rule for keyword, rule in schema.items() if keyword not in saying}
    if rules.keys() == {"anyOf"}:
        return core_schema.union_schema([_core(each) for each in rules["anyOf"]], mode="left_to_right")
    kind = rules.pop("type", None)
    if not isinstance(kind, str):
        raise _Strange
    return _KINDS[kind](rules)


def _object(rules: dict[str, Any]) -> CoreSchema:
    needed, others = rules.pop("required", ()), rules.pop("additionalProperties", True)
    fields = {
        name: core_schema.typed_dict_field(_core(each), required=name in needed)
        for name, each in rules.pop("properties", {}).items()
    }
    if rules or not isinstance(others, bool) or not fields.keys() >= set(needed):
        raise _Strange
    return core_schema.typed_dict_schema(fields, extra_behavior="allow" if others else "forbid", strict=True)


def _array(rules: dict[str, Any]) -> CoreSchema:
    items = _core(rules.pop("items")) if "items" in rules else None
    return core_schema.list_schema(items, strict=True, **_counts(rules, _LENGTHS))


def _integer(rules: dict[str, Any]) -> CoreSchema:
    return core_schema.int_schema(strict=True, **_counts(rules, _BOUNDS))


def _string(rules: dict[str, Any]) -> CoreSchema:
    if rules.keys() == {"enum"} and all(isinstance(each, str) for each in rules["enum"]):
        return core_schema.literal_schema(rules["enum"])
    return core_schema.str_schema(strict=True, **_counts(rules, _LENGTHS))


def _plain(make: Callable[..., CoreSchema]) -> Callable[[dict[str, Any]], CoreSchema]:
    return lambda rules: make(**_counts(rules, {}))


def _counts(rules: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    if not rules.keys() <= names.keys() or any(type(rule) is not int for rule in rules.values()):
        raise _Strange
    return {names[keyword]: rule for keyword, rule in rules.items()}


_KINDS: Mapping[str, Callable[[dict[str, Any]], CoreSchema]] = {
    "array": _array,
    "boolean": _plain(lambda: core_schema.bool_schema(strict=True)),
    "integer": _integer,
    "null": _plain(core_schema.none_schema),
    "number": _plain(lambda: core_schema.float_schema(strict=True)),
    "object": _object,
    "string": _string,
}
