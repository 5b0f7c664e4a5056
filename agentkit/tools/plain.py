"""Schemas of everyday keywords, known to be well-formed at a glance.

The official way, the draft's meta-schema, costs 10 ms a tool, and a company's API has a thousand. Most schemas use the
keywords below and nothing else; of these we can tell. Whatever else is in one, or is not as it should be: "not known",
and the meta-schema decides. Drafts 7 to 2020-12 agree on all of it.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})


def well_formed(schema: object) -> bool:
    """Tell whether a schema is known to be a valid JSON Schema; False may be a miss."""
    if isinstance(schema, bool):
        return True
    if not isinstance(schema, dict):
        return False
    for key, value in schema.items():
        rule = _KEYWORDS.get(key)
        if rule is None or not rule(value):
            return False
    return True


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _any(_: Any) -> bool:
    return True


def _list(value: Any) -> bool:
    return isinstance(value, list)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _named(value: Any) -> bool:
    return isinstance(value, dict) and all(map(well_formed, value.values()))


def _several(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(map(well_formed, value))


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value)) and len(set(value)) == len(value)


def _kinds(value: Any) -> bool:
    return value in _TYPES if isinstance(value, str) else _names(value) and len(value) > 0 and _TYPES.issuperset(value)


def _pattern(value: Any) -> bool:
    # Imported where it is asked for: `regex` takes 20 ms to load, and few schemas hold a pattern.
    return isinstance(value, str) and bool(import_module("agentkit.tools.patterns").readable(value))


_KEYWORDS: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("const", "default"), _any),
    **dict.fromkeys(("description", "format", "title", "$ref", "$schema"), _text),
    **dict.fromkeys(("properties", "$defs"), _named),
    **dict.fromkeys(("additionalProperties", "items", "not"), well_formed),
    **dict.fromkeys(("allOf", "anyOf", "oneOf"), _several),
    **dict.fromkeys(("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"), _number),
    **dict.fromkeys(("maxItems", "maxLength", "minItems", "minLength"), _count),
    **dict.fromkeys(("readOnly", "uniqueItems", "writeOnly"), _flag),
    "enum": _list,
    "examples": _list,
    "pattern": _pattern,
    "required": _names,
    "type": _kinds,
}
