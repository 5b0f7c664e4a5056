"""Raw arguments against the schema the model was told: the home of `jsonschema`. Nothing is ever fetched.

A schema from elsewhere is judged as JSON Schema says: by the draft its `$schema` names (2020-12 where it names none),
1.0 is an integer, and `format` tells and refuses nothing. A typed function is told by its types: 1.0 is no `int`, and
formats are checked. Patterns and references run for a bounded time (keywords.py).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from jsonschema import Draft7Validator, Draft201909Validator, Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.protocols import Validator
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # it has no types
from referencing.exceptions import NoSuchResource, Unresolvable

from agentkit.core.messages import Json
from agentkit.errors import ConfigurationError
from agentkit.tools.arguments import BadArguments, quoted, read
from agentkit.tools.keywords import budget, draft_of
from agentkit.tools.patterns import LONGEST, Budget, TooSlow, readable
from agentkit.tools.plain import well_formed
from agentkit.tools.strict import undone

T = TypeVar("T")

TOLD = 5  # problems told at once
SECONDS = 1.0  # of CPU, for one check; a schema may make a small value cost any time
SECONDS_SCHEMA = 10.0  # of CPU, for a schema itself, when the agent is made

_MODERN = {
    each.META_SCHEMA["$id"] for each in (Draft7Validator, Draft201909Validator, Draft202012Validator)
}  # plain.py speaks of these
_formats = FormatChecker(["date", "email", "ipv4", "ipv6", "uuid"])  # cheap, and needing no further package
_of_schemas = FormatChecker([])


@_formats.checks("date-time")
def _is_date_time(value: object) -> bool:
    """Only that it is not a bare number: pydantic would read "1700000000" as a time stamp, and does the rest itself."""
    return not (isinstance(value, str) and value.lstrip("+-").replace(".", "", 1).isdigit())


@_formats.checks("regex")
@_of_schemas.checks("regex")
def _is_pattern(value: object) -> bool:
    return not isinstance(value, str) or readable(value)


class Schema:
    """One tool's schema, compiled once: `validator`.

    Args:
        tool: its name, for messages. schema: JSON Schema; `true` or `false` is one too.
        typed: whether it was read off a typed function, so that Python's types count.

    Raises:
        ConfigurationError: it is no valid JSON Schema, or a pattern in it cannot be used.
    """

    def __init__(self, tool: str, schema: Mapping[str, Json] | bool, *, typed: bool = True) -> None:  # noqa: FBT001 - JSON Schema's own form
        self._tool = tool
        kind = draft_of(schema, typed=typed)
        _check_schema(tool, kind, schema)
        self.validator = kind(schema, registry=REGISTRY, format_checker=_formats if typed else None)

    def fits(self, value: Any, part: Mapping[str, Any]) -> bool:
        """Tell whether a value fits a part of the schema. Raises: as `check`."""
        return self.measured(lambda: self._fits(value, part))

    def _fits(self, value: Any, part: Mapping[str, Any]) -> bool:
        root: Any = self.validator.schema
        defs = root.get("$defs")
        return bool(self.validator.evolve(schema={**part, "$defs": defs} if defs else part).is_valid(value))

    def undone(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return arguments without the nulls that stand for absent where the model was told a strict form."""
        root: Any = self.validator.schema
        back: dict[str, Any] = self.measured(lambda: undone(arguments, root, self._fits))
        return back

    def as_told(self, raw: str) -> str:
        """Return raw arguments in the schema's own form, where they came in its strict one; else as they are."""
        try:
            given = read(raw)
        except BadArguments:
            return raw
        back = self.undone(given)
        return raw if back == given else json.dumps(back, ensure_ascii=False)

    def check(self, arguments: Any) -> None:
        """Check parsed arguments.

        Raises:
            BadArguments: they do not fit, or to find out takes longer than `SECONDS`; at most five problems are named.
            ConfigurationError: the schema refers to another document.
        """
        errors = self.measured(lambda: list(islice(self.validator.iter_errors(arguments), TOLD)))
        if errors:
            told = [problem for error in errors for problem in _problems(error)]
            raise BadArguments("schema", tuple(dict.fromkeys(told)))

    def measured(self, work: Callable[[], T]) -> T:
        """Do something with the validator, for a bounded time. Raises: as `check`."""
        token = budget.set(Budget(SECONDS))
        try:
            return work()
        except TooSlow as slow:
            raise BadArguments("schema", (str(slow),)) from None
        except RecursionError:
            raise BadArguments("malformed", ("nested too deep",)) from None
        except ArithmeticError as error:  # a number that no float can hold, to be divided by one
            raise BadArguments("schema", (f"a number cannot be compared ({type(error).__name__})",)) from None
        except (NoSuchResource, Unresolvable) as error:
            raise ConfigurationError(f"{self._tool}: its schema refers to {error.ref}; nothing is fetched") from error
        finally:
            budget.reset(token)


def _check_schema(tool: str, kind: type[Validator], schema: Any) -> None:
    token = budget.set(Budget(SECONDS_SCHEMA))
    try:
        error = None if _is_plain(kind, schema) else next(iter(_of_draft(kind).iter_errors(schema)), None)
    except TooSlow:
        raise ConfigurationError(f"the parameters of {tool} are too large a schema to be checked") from None
    except RecursionError:
        raise ConfigurationError(f"the parameters of {tool} are nested too deep") from None
    finally:
        budget.reset(token)
    if error is not None:
        why = (
            f"a pattern that is not usable here (at most {LONGEST} characters): " if error.validator == "format" else ""
        )
        raise ConfigurationError(f"the parameters of {tool} are no valid JSON Schema: {why}{error.message[:300]}")


def _is_plain(kind: type[Validator], schema: Any) -> bool:
    return kind.META_SCHEMA.get("$id") in _MODERN and well_formed(schema)


@cache
def _of_draft(kind: type[Validator]) -> Validator:
    """Return what checks schemas of a draft."""
    return kind(kind.META_SCHEMA, registry=REGISTRY, format_checker=_of_schemas)


def _problems(error: ValidationError) -> Iterator[str]:
    error = best_match([error]) or error  # inside anyOf: the branch that came nearest
    rule: Any = error.validator_value
    value: Any = error.instance
    path = _path(error)
    if error.validator == "required":
        yield from (f"`{_joined(path, name)}` is missing" for name in rule if name not in value)
    elif error.validator in _CLOSED and rule is False:
        schema: Any = error.schema
        told = ", ".join(schema.get("properties", {})) or "none"
        yield f"`{_joined(path, error.message)}` is no parameter (known: {told})"
    else:
        yield f"{f'`{path}`' if path else 'they'} {_rule(error)}, not {quoted(value)}"


def _rule(error: ValidationError) -> str:
    said = _RULES.get(str(error.validator))
    if said is None:
        return f"must obey {error.validator}: {quoted(error.validator_value)}"
    return said(error.validator_value)


def _kind(value: Any) -> str:
    """Name a type, a list of types or a branch of anyOf."""
    if isinstance(value, bool):
        return "anything" if value else "nothing"
    if isinstance(value, str):
        return f"{'an' if value[0] in 'aeio' else 'a'} {value}" if value != "null" else value
    if isinstance(value, list):
        return " or ".join(_kind(each) for each in value)
    if "type" in value:
        return _kind(value["type"])
    if "const" in value or "enum" in value:
        return " or ".join(quoted(each) for each in value.get("enum", [value.get("const")]))
    return str(value["$ref"]).rpartition("/")[2] if "$ref" in value else "another form"


_CLOSED = frozenset({"additionalProperties", "unevaluatedProperties"})
_RULES: dict[str, Callable[[Any], str]] = {
    "type": lambda value: f"must be {_kind(value)}",
    "anyOf": lambda value: f"must be {_kind(value)}",
    "oneOf": lambda value: f"must be exactly one of: {_kind(value)}",
    "enum": lambda value: f"must be one of {', '.join(quoted(each) for each in value)}",
    "const": lambda value: f"must be {quoted(value)}",
    "minimum": lambda value: f"must be at least {value}",
    "maximum": lambda value: f"must be at most {value}",
    "exclusiveMinimum": lambda value: f"must be more than {value}",
    "exclusiveMaximum": lambda value: f"must be less than {value}",
    "multipleOf": lambda value: f"must be a multiple of {value}",
    "minLength": lambda value: f"must have at least {value} characters",
    "maxLength": lambda value: f"must have at most {value} characters",
    "minItems": lambda value: f"must have at least {value} items",
    "maxItems": lambda value: f"must have at most {value} items",
    "uniqueItems": lambda _: "must not hold an item twice",
    "pattern": lambda value: f"must match the pattern {value}",
    "format": lambda value: f"must be a valid {value}",
}


def _path(error: ValidationError) -> str:
    path = ""
    for each in error.absolute_path:
        path = f"{path}[{each}]" if isinstance(each, int) else _joined(path, str(each))
    return path


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
