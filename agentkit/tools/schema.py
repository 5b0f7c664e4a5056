"""From a function's hints and docstring to the JSON Schema the model sees, and back from its JSON to Python values."""

import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import docstring_parser
from pydantic import BaseModel, ConfigDict, Field, JsonValue, PydanticUserError, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from agentkit.core.messages import Json
from agentkit.errors import ConfigurationError
from agentkit.tools.arguments import BadArguments, quoted
from agentkit.tools.context import ToolContext

_NAMED = frozenset({"properties", "$defs", "patternProperties", "dependentSchemas"})  # keys are names, values schemas
_DATA = frozenset({"default", "enum", "const", "examples"})  # values are data of the user's
_CONTEXT = re.compile(r"(\w+\.)*ToolContext\b")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a function that the model fills."""

    name: str
    hint: Any
    default: Any  # inspect.Parameter.empty where there is none
    plain: bool  # JSON as it is: no conversion

    @property
    def field(self) -> Any:
        """The pydantic field. The alias is the name: a name such as `schema` or `_x` would not do as an attribute."""
        if self.default is inspect.Parameter.empty:
            return Annotated[self.hint, Field(alias=self.name)]
        if isinstance(self.default, FieldInfo):
            return Annotated[self.hint, self.default, Field(alias=self.name)]
        return Annotated[self.hint, Field(alias=self.name)], self.default


@dataclass(frozen=True)
class Inputs:
    """What a function takes.

    Attributes:
        order: the names of all parameters, the context's too.
        context: the name of the parameter that gets the `ToolContext`, None without one.
        parameters: those the model fills.
        description: of the function, for the model.
        schema: JSON Schema (draft 2020-12) of the arguments.
    """

    order: tuple[str, ...]
    context: str | None
    parameters: tuple[Parameter, ...]
    description: str
    schema: Mapping[str, Json]
    converter: type[BaseModel]

    def convert(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return Python values for arguments that fit the schema, defaults filled in. Nothing is coerced.

        Parameters of plain JSON types keep what came: pydantic would refuse a text with half a surrogate pair.

        Raises:
            BadArguments: a type says no where its schema could not (a date that does not exist, a validator).
        """
        values: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        for each in self.parameters:
            if not each.plain:
                rest.update({each.name: given[each.name]} if each.name in given else {})
            else:
                values[each.name] = given.get(each.name, each.default)
        converted = self._converted(rest)
        return values | {p.name: getattr(converted, f"p{i}") for i, p in enumerate(self.parameters) if not p.plain}

    def _converted(self, given: Mapping[str, Any]) -> BaseModel:
        try:
            return self.converter.model_validate_json(json.dumps(given), strict=True)
        except ValidationError as error:
            raise BadArguments("schema", tuple(_problem(dict(each)) for each in error.errors()[:5])) from None
        except Exception as error:  # a user's validator broke: the call is refused, the session goes on
            raise BadArguments("schema", (f"they could not be converted ({type(error).__name__})",)) from error


def inputs_of(function: Callable[..., Any]) -> Inputs:
    """Read a function's parameters.

    Raises:
        ConfigurationError: a parameter without annotation, of a kind no model can fill, or of a type without a schema.
    """
    name = getattr(function, "__name__", repr(function))
    taken = parameters_of(function)
    hints = {each.name: _hint(function, each, name) for each in taken}
    contexts = [each for each, hint in hints.items() if _is_context(hint)]
    if len(contexts) > 1:
        raise ConfigurationError(f"{name} has two ToolContext parameters, {' and '.join(contexts)}: keep one.")
    parameters = tuple(
        Parameter(each.name, hints[each.name], each.default, _is_plain(hints[each.name], each.default))
        for each in taken
        if each.name not in contexts
    )
    description, told = _documented(function)
    return Inputs(
        order=tuple(hints),
        context=contexts[0] if contexts else None,
        parameters=parameters,
        description=description,
        schema=_schema(name, parameters, told),
        converter=_model({f"p{i}": p.field for i, p in enumerate(parameters) if not p.plain}),
    )


def parameters_of(function: Callable[..., Any]) -> tuple[inspect.Parameter, ...]:
    """Return a function's parameters. Raises: ConfigurationError: it does not tell them, as some built-in ones."""
    try:
        return tuple(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{error}: wrap it in a function with annotated parameters.") from error


def difference(one: Inputs, other: Inputs) -> str:
    """Say in what the parameters of two functions differ; "" if in nothing that matters."""
    if one.order != other.order:
        return f"({', '.join(one.order)}), not ({', '.join(other.order)})"
    if one.context != other.context:
        return f"`{one.context or other.context}` is a ToolContext in one of the two only"
    for mine, theirs in zip(one.parameters, other.parameters, strict=True):
        if repr(mine.hint) != repr(theirs.hint):  # two equal `Field(gt=0)` are not equal to pydantic
            return f"`{mine.name}` has different annotations"
    return ""


def _hint(function: Callable[..., Any], parameter: inspect.Parameter, name: str) -> Any:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise ConfigurationError(
            f"{name}: a model fills parameters by name, so `{parameter}` cannot be filled. "
            "Name each argument, for example `def f(order_id: str, amount: int = 1)`."
        )
    if parameter.annotation is parameter.empty:
        raise ConfigurationError(
            f"{name}: the parameter `{parameter.name}` has no annotation. Write its type, for example "
            f"`{parameter.name}: str`, or `{parameter.name}: ToolContext` if agentkit is to fill it."
        )
    if isinstance(parameter.annotation, str) and _CONTEXT.match(parameter.annotation):
        return ToolContext  # need not be importable at run time: it may stand under `if TYPE_CHECKING`
    return _resolved(function, parameter, name)


def _resolved(function: Callable[..., Any], parameter: inspect.Parameter, name: str) -> Any:
    unwrapped = inspect.unwrap(getattr(function, "func", function))
    namespace = getattr(unwrapped, "__globals__", {})
    holder = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    try:
        return typing.get_type_hints(holder, globalns=namespace, include_extras=True)[parameter.name]
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise ConfigurationError(
            f"{name}: the annotation of `{parameter.name}`, {parameter.annotation!r}, cannot be read: {error}. "
            "Import its type at the top of the module, outside `if TYPE_CHECKING`."
        ) from error


def _is_context(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        return _is_context(get_args(hint)[0])
    return (get_origin(hint) or hint) is ToolContext


def _is_plain(hint: Any, default: Any) -> bool:
    if isinstance(default, FieldInfo):
        return False
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:  # a description changes nothing; anything else might
        only_told = all(isinstance(each, FieldInfo) and _only_describes(each) for each in args[1:])
        return only_told and _is_plain(args[0], default)
    if origin in (Union, types.UnionType, list, dict):
        return all(_is_plain(each, None) for each in args)
    if origin is Literal:
        return all(isinstance(each, str) for each in args)
    return hint is JsonValue or hint in (str, int, bool, None, type(None), Any, object, list, dict)


def _only_describes(field: FieldInfo) -> bool:
    return field.is_required() and not field.metadata


class _Schema(GenerateJsonSchema):
    """Quiet about a default that is no JSON: the model is not told of it, and the function gets it all the same."""

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        """Warn of nothing."""


def _schema(name: str, parameters: tuple[Parameter, ...], told: Mapping[str, str]) -> dict[str, Json]:
    try:
        model = _model({f"p{i}": each.field for i, each in enumerate(parameters)})
        schema: dict[str, Any] = _untitled(model.model_json_schema(schema_generator=_Schema))
    except PydanticUserError as error:
        raise ConfigurationError(f"{name}: a parameter's type has no JSON Schema: {error.message}") from error
    for each, text in told.items():
        if each in schema["properties"]:
            schema["properties"][each].setdefault("description", text)
    return schema


def _model(fields: dict[str, Any]) -> type[BaseModel]:
    return create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)


def _untitled(node: Any) -> Any:
    """Drop the titles pydantic makes of names: they cost tokens and say nothing new."""
    if isinstance(node, list):
        return [_untitled(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {key: _inside(key, value) for key, value in node.items() if key != "title"}


def _inside(key: str, value: Any) -> Any:
    if key in _DATA:
        return value
    if key in _NAMED:
        return {name: _untitled(schema) for name, schema in value.items()}
    return _untitled(value)


def _documented(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """Return the description of a function and those of its parameters: google, numpy or reST style."""
    parsed = docstring_parser.parse(inspect.getdoc(function) or "")
    parts = (parsed.short_description, parsed.long_description)
    described = {
        name.strip(" *"): " ".join(each.description.split())
        for each in parsed.params
        for name in each.arg_name.split(",")  # numpy style documents several at once
        if each.description
    }
    return "\n\n".join(part.strip() for part in parts if part), described


def _problem(error: Mapping[str, Any]) -> str:
    where = ".".join(str(each) for each in error["loc"]) or "they"
    if error["type"] == "json_invalid":
        return "a text holds half a surrogate pair, which is not a character"
    return f"`{where}`: {error['msg']}, not {quoted(error['input'])}"
