"""What a function's signature tells: its parameters, their types, and which of them gets the `ToolContext`."""

import functools
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import Field, JsonValue
from pydantic.fields import FieldInfo

from agentkit.core.values import dataclass
from agentkit.errors import ConfigurationError
from agentkit.tools.context import ToolContext
from agentkit.tools.docstrings import told_by

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


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function's signature and docstring tell: its parameters, and `told`, their descriptions by name."""

    name: str
    order: tuple[str, ...]
    context: str | None
    parameters: tuple[Parameter, ...]
    description: str
    told: Mapping[str, str]


def signature_of(function: Callable[..., Any]) -> Signature:
    """Read a function's parameters.

    Raises:
        ConfigurationError: a parameter without annotation, of a kind no model can fill, or of a type without a schema.
    """
    name = name_of(function)
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
    told = told_by(function)
    return Signature(name, tuple(hints), contexts[0] if contexts else None, parameters, told.about, told.of)


def parameters_of(function: Callable[..., Any]) -> tuple[inspect.Parameter, ...]:
    """Return a function's parameters; those that a `functools.partial` has bound are nobody's to fill any more.

    Raises:
        ConfigurationError: it does not tell them, as some built-in ones.
    """
    bound = function.keywords if isinstance(function, functools.partial) else {}
    try:
        told = inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{error}: wrap it in a function with annotated parameters.") from error
    return tuple(each for each in told.values() if each.name not in bound)


def name_of(function: Callable[..., Any]) -> str:
    """Return a function's name, for messages."""
    return getattr(function, "__name__", repr(function))


def code_of(function: Any) -> Any:
    """Return the function that runs in the end: of a partial, a bound method, a wrapper, an object that is called."""
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function) and not isinstance(function, type):
        function = type(function).__call__
    return inspect.unwrap(getattr(function, "__func__", function))


def returned_by(function: Callable[..., Any]) -> Any:
    """Return the annotation of what a function returns.

    Raises:
        ConfigurationError: it has none, or one that cannot be read.
    """
    code = code_of(function)
    annotation = getattr(code, "__annotations__", {}).get("return", inspect.Parameter.empty)
    if annotation is inspect.Parameter.empty:
        raise ConfigurationError(
            f"{name_of(function)}: returns=True takes the schema from the return annotation, and there is none: write "
            "it, as in `-> Order`, or give the JSON Schema."
        )
    return _resolved(function, "return", annotation, name_of(function))


def _hint(function: Callable[..., Any], parameter: inspect.Parameter, name: str) -> Any:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise ConfigurationError(
            f"{name}: a model fills parameters by name, so `{parameter}` cannot be filled. "
            "Name each argument, for example `def f(order_id: str, amount: int = 1)`."
        )
    if parameter.annotation is parameter.empty:
        if parameter.name in {"self", "cls"}:
            raise ConfigurationError(
                f"{name} is a method and not bound to an object yet: make the tool of the object's own method, as in "
                f'`tool(effect="read")(shop.{name})`.'
            )
        raise ConfigurationError(
            f"{name}: the parameter `{parameter.name}` has no annotation. Write its type, for example "
            f"`{parameter.name}: str`, or `{parameter.name}: ToolContext` if agentkit is to fill it."
        )
    if isinstance(parameter.annotation, str) and _CONTEXT.match(parameter.annotation):
        return ToolContext  # need not be importable at run time: it may stand under `if TYPE_CHECKING`
    return _resolved(function, parameter.name, parameter.annotation, name)


def _resolved(function: Callable[..., Any], parameter: str, annotation: Any, name: str) -> Any:
    code = code_of(function)
    module = sys.modules.get(getattr(code, "__module__", ""))
    namespace = getattr(code, "__globals__", vars(module) if module else {})
    holder = types.SimpleNamespace(__annotations__={parameter: annotation})
    try:
        return typing.get_type_hints(holder, globalns=namespace, include_extras=True)[parameter]
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise ConfigurationError(
            f"{name}: the annotation of `{parameter}`, {annotation!r}, cannot be read: {error}. "
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
    if origin is dict:  # a key of JSON is a text
        return args[0] in (str, Any) and _is_plain(args[1], None)
    if origin in (Union, types.UnionType, list):
        return all(_is_plain(each, None) for each in args)
    if origin is Literal:
        return all(isinstance(each, str) for each in args)
    return hint is JsonValue or hint in (str, int, bool, None, type(None), Any, object, list, dict)


def _only_describes(field: FieldInfo) -> bool:
    return field.is_required() and not field.metadata
