"""The keywords of JSON Schema that may take any time, with ours, and drafts made of them. Patterns: patterns.py.

jsonschema runs patterns with Python's `re`, which nothing can stop. Every subschema that is entered also costs from the
budget of the check: references may multiply without end where no pattern is slow.
"""

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend, validator_for
from referencing.jsonschema import lookup_recursive_ref

from agentkit.tools.arguments import canonical
from agentkit.tools.patterns import Budget, occurs

budget: ContextVar[Budget] = ContextVar("budget")  # of the check that runs; jsonschema hands nothing of ours through


def draft_of(schema: Any, *, typed: bool) -> type[Validator]:
    """Return the draft a schema names in `$schema`, as we run it; 2020-12 where it names none, or one of its own."""
    named = isinstance(schema, bool) or isinstance(schema.get("$schema", ""), str)  # of what is no name, it tells
    return _ours(validator_for(schema, default=Draft202012Validator) if named else Draft202012Validator, typed=typed)


@lru_cache(maxsize=32)
def _ours(plain: type[Validator], *, typed: bool) -> type[Validator]:
    checker = plain.TYPE_CHECKER.redefine("integer", _python_int) if typed else plain.TYPE_CHECKER
    known = {name: rule for name, rule in _RULES.items() if name in plain.VALIDATORS}
    kind: Any = extend(plain, known, type_checker=checker)  # type: ignore[no-untyped-call]  # not annotated

    def evolve(self: Any, **changes: Any) -> Any:
        """Enter a subschema: in our draft, where jsonschema's own method would leave it for a plain one."""
        _ = budget.get().left
        schema = changes.get("schema", self.schema)
        entered = _ours(validator_for(schema, default=plain), typed=typed)
        same = {"schema": schema, "format_checker": self.format_checker}
        inside = {"registry": self._registry, "_resolver": self._resolver}
        return entered(**(same | inside | changes))

    kind.evolve = evolve
    return kind  # type: ignore[no-any-return]  # `extend` is not annotated


def _python_int(_: object, value: object) -> bool:
    """Take an integer for what it is to Python: a function's `int` gets no 1.0, which JSON Schema takes for one."""
    return isinstance(value, int) and not isinstance(value, bool)


def _pattern(validator: Any, pattern: str, value: Any, _: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "string") and not occurs(pattern, value, budget.get()):
        yield ValidationError("it does not match")


def _pattern_properties(validator: Any, patterns: Any, value: Any, _: Any) -> Iterator[ValidationError]:
    if not validator.is_type(value, "object"):
        return
    for pattern, schema in patterns.items():
        for name in (name for name in value if occurs(pattern, name, budget.get())):
            yield from validator.descend(value[name], schema, path=name, schema_path=pattern)


def _additional(validator: Any, rule: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(value, "object"):
        return
    for name in sorted(value.keys() - _declared(value, schema)):
        if rule is False:
            yield ValidationError(name)
        else:
            yield from validator.descend(value[name], rule, path=name)


def _unevaluated(validator: Any, rule: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(value, "object"):
        return
    rest = {keyword: each for keyword, each in schema.items() if keyword != "unevaluatedProperties"}
    for name in sorted(value.keys() - evaluated(validator, value, rest)):
        if rule is False:
            yield ValidationError(name)
        else:
            yield from validator.descend(value[name], rule, path=name)


def _unique(validator: Any, rule: Any, value: Any, _: Any) -> Iterator[ValidationError]:
    """Compare by text: jsonschema compares objects each with each, and ten thousand keep it busy for minutes."""
    if not rule or not validator.is_type(value, "array"):
        return
    seen, limit = set[str](), budget.get()
    for item in value:
        _ = limit.left
        text = f'"{item}' if isinstance(item, str) else canonical(item)  # no text of another kind begins so
        if text in seen:
            yield ValidationError("an item is there twice")
            return
        seen.add(text)


def _declared(value: Mapping[str, Any], schema: Mapping[str, Any]) -> set[str]:
    """Return the properties that `properties` and `patternProperties` name."""
    patterns = schema.get("patternProperties", {})
    limit = budget.get()
    matched = {name for name in value for pattern in patterns if occurs(pattern, name, limit)}
    return matched.union(name for name in schema.get("properties", {}) if name in value)


def evaluated(validator: Any, value: Mapping[str, Any], schema: Any) -> set[str]:
    """Return the properties of an object that some rule of a schema looked at (JSON Schema core, 11.3)."""
    if isinstance(schema, bool):
        return set()
    if "additionalProperties" in schema or "unevaluatedProperties" in schema:
        return set(value)  # what they refuse makes the schema fail: nobody asks then
    found = _declared(value, schema)
    for inner, at in _applied(validator, value, schema):
        found |= evaluated(at, value, inner)
    return found


def _applied(validator: Any, value: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the subschemas that apply to the same object and hold for it, each with the validator of its place."""
    resolver = validator._resolver  # noqa: SLF001 - references have no other way in
    for keyword, look_up in _REFERENCES.items():
        if keyword in schema:
            found = look_up(resolver, schema[keyword])
            yield found.contents, validator.evolve(schema=found.contents, _resolver=found.resolver)
    inner = [each for name, each in schema.get("dependentSchemas", {}).items() if name in value]
    inner += [each for keyword in ("allOf", "anyOf", "oneOf") for each in schema.get(keyword, ())]
    if "if" in schema:
        holds = _holds(validator, value, schema["if"])
        inner += [schema["if"], schema.get("then", True)] if holds else [schema.get("else", True)]
    yield from ((each, validator) for each in inner if _holds(validator, value, each))


def _holds(validator: Any, value: Any, schema: Any) -> bool:
    return next(iter(validator.descend(value, schema)), None) is None


_REFERENCES: Mapping[str, Callable[[Any, Any], Any]] = {
    "$ref": lambda resolver, reference: resolver.lookup(reference),
    "$dynamicRef": lambda resolver, reference: resolver.lookup(reference),
    "$recursiveRef": lambda resolver, _: lookup_recursive_ref(resolver),
}
_RULES: Mapping[str, Callable[[Any, Any, Any, Any], Iterator[ValidationError]]] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
    "uniqueItems": _unique,
    "unevaluatedProperties": _unevaluated,
}
