"""Tools whose parameters are given as a JSON Schema or a pydantic model, not read from a function's own."""

from collections.abc import Callable, Mapping
from typing import Any, get_origin

from pydantic import BaseModel

from agentkit.core.messages import Json
from agentkit.core.values import dataclass
from agentkit.errors import ConfigurationError
from agentkit.tools.annotations import Signature, signature_of
from agentkit.tools.generate import schema_of
from agentkit.tools.schema import Inputs, validated


@dataclass(frozen=True)
class RawInputs(Inputs):
    """All arguments as one: the parameter `whole` gets the mapping, or the model made of it."""

    whole: str = ""
    model: type[BaseModel] | None = None

    @property
    def known(self) -> tuple[str, ...]:
        """The function's own parameters, and each property of the schema."""
        return (*self.order, *(each for each in _properties(self.schema) if each not in self.order))

    @property
    def typed(self) -> bool:
        """Not so where the schema was given as such."""
        return self.model is not None

    def named(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the arguments as one and each by itself; one that was left out is at its default, else None."""
        whole = values[self.whole]
        if isinstance(whole, BaseModel):
            fields = type(whole).model_fields
            each = {field.alias or name: getattr(whole, name) for name, field in fields.items()}
        else:
            each = {name: _default(told) for name, told in _properties(self.schema).items()} | whole
        return {**each, **values}

    def convert(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the one argument. Raises: BadArguments: the model's validators say no."""
        return {self.whole: dict(given) if self.model is None else validated(self.model, given)}


def raw_inputs(function: Callable[..., Any], parameters: Mapping[str, Json] | type[BaseModel]) -> RawInputs:
    """Return the inputs of a function that takes all arguments as one value, and perhaps a `ToolContext`.

    Raises:
        ConfigurationError: it takes anything else, or the schema is not that of an object.
    """
    read = signature_of(function)
    if len(read.parameters) != 1:
        taken = ", ".join(each.name for each in read.parameters) or "nothing"
        raise ConfigurationError(
            f"{read.name}: with parameters=… the function takes all arguments as one, `async def f(arguments: "
            f"dict[str, Any])`, and a ToolContext if it wants one; this one takes {taken}."
        )
    model, schema = _given(read.name, parameters)
    _check_whole(read, model)
    described = schema.pop("description", "") if model else ""  # a model's docstring describes the tool
    return RawInputs(
        order=read.order,
        context=read.context,
        parameters=read.parameters,
        description=read.description or str(described),
        schema=schema,
        converter=BaseModel,
        whole=read.parameters[0].name,
        model=model,
    )


def _given(name: str, parameters: object) -> tuple[type[BaseModel] | None, dict[str, Json]]:
    model = parameters if isinstance(parameters, type) and issubclass(parameters, BaseModel) else None
    if model is None and not isinstance(parameters, Mapping):
        raise ConfigurationError(
            f"{name}: parameters={parameters!r:.80}: give a JSON Schema as a mapping, or a pydantic model (the class)."
        )
    schema = schema_of(name, model) if model else dict(parameters)  # type: ignore[call-overload]  # it is a mapping
    if schema.get("type") != "object":
        raise ConfigurationError(f'{name}: parameters=… is the schema of an object: say "type": "object".')
    return model, schema


def _check_whole(read: Signature, model: type[BaseModel] | None) -> None:
    whole = read.parameters[0]
    kind = get_origin(whole.hint) or whole.hint
    wanted = model or dict
    if kind is not Any and isinstance(kind, type) and not issubclass(wanted, kind):
        shown = model.__name__ if model else "dict[str, Any]"
        raise ConfigurationError(
            f"{read.name}: it gets its arguments as {shown}, and `{whole.name}` is annotated with {kind.__name__}: "
            f"write `{whole.name}: {shown}`."
        )


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found = schema.get("properties", {})
    return found if isinstance(found, Mapping) else {}


def _default(told: object) -> object:
    return told.get("default") if isinstance(told, Mapping) else None
