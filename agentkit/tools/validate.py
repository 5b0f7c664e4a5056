"""Raw arguments against the schema the model was told: the only home of `jsonschema`. Nothing is ever fetched."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, SchemaError
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from agentkit.core.messages import Json
from agentkit.errors import ConfigurationError
from agentkit.tools.arguments import BadArguments, quoted

TOLD = 5  # problems told at once

_formats = FormatChecker(
    ["date", "email", "ipv4", "ipv6", "uuid", "regex"]  # cheap, and needing no further package
)


@_formats.checks("date-time")
def _is_date_time(value: object) -> bool:
    """Only that it is not a bare number: pydantic would read "1700000000" as a time stamp, and does the rest itself."""
    return not (isinstance(value, str) and value.lstrip("+-").replace(".", "", 1).isdigit())


# "1.0" is an integer to JSON Schema, and not to Python: taking it would be a silent coercion
_Validator: type[Validator] = extend(  # type: ignore[no-untyped-call]  # not annotated in types-jsonschema
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


class Schema:
    """One tool's schema, compiled once."""

    def __init__(self, tool: str, schema: Mapping[str, Json]) -> None:
        try:
            _Validator.check_schema(dict(schema))
        except SchemaError as error:
            raise ConfigurationError(f"the parameters of {tool} are no valid JSON Schema: {error.message}") from error
        self._validator = _Validator(schema, registry=Registry(), format_checker=_formats)

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Check parsed arguments.

        Raises:
            BadArguments: they do not fit; at most five problems are named.
            ConfigurationError: the schema refers to another document.
        """
        try:
            errors = list(islice(self._validator.iter_errors(arguments), TOLD))
        except RecursionError:
            raise BadArguments("malformed", ("nested too deep",)) from None
        except Unresolvable as error:
            raise ConfigurationError(f"a tool's schema refers to {error.ref}, and nothing is fetched") from error
        if errors:
            told = [problem for error in errors for problem in _problems(error)]
            raise BadArguments("schema", tuple(dict.fromkeys(told)))


def _problems(error: ValidationError) -> Iterator[str]:
    error = best_match([error]) or error  # inside anyOf: the branch that came nearest
    rule: Any = error.validator_value
    value: Any = error.instance
    path = _path(error)
    if error.validator == "required":
        yield from (f"`{_joined(path, name)}` is missing" for name in rule if name not in value)
    elif error.validator == "additionalProperties" and rule is False:
        schema: Any = error.schema
        known = schema.get("properties", {})
        told = ", ".join(known) or "none"
        yield from (f"`{_joined(path, name)}` is no parameter (known: {told})" for name in value if name not in known)
    else:
        yield f"{f'`{path}`' if path else 'they'} {_rule(error)}, not {quoted(value)}"


def _rule(error: ValidationError) -> str:
    said = _RULES.get(str(error.validator))
    if said is None:
        return f"must obey {error.validator}: {quoted(error.validator_value)}"
    return said(error.validator_value)


def _kind(value: Any) -> str:
    """Name a type, a list of types or a branch of anyOf."""
    if isinstance(value, str):
        return f"{'an' if value[0] in 'aeio' else 'a'} {value}" if value != "null" else value
    if isinstance(value, list):
        return " or ".join(_kind(each) for each in value)
    if "type" in value:
        return _kind(value["type"])
    if "const" in value or "enum" in value:
        return " or ".join(quoted(each) for each in value.get("enum", [value.get("const")]))
    return str(value["$ref"]).rpartition("/")[2] if "$ref" in value else "another form"


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
