"""From a function to the JSON Schema the model sees, and back from its JSON to Python values."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from agentkit.core.messages import Json
from agentkit.core.values import dataclass
from agentkit.tools.annotations import Parameter, Signature, signature_of
from agentkit.tools.arguments import BadArguments, quoted
from agentkit.tools.generate import arguments_model, schema_of

__all__ = ["Inputs", "Parameter", "Signature", "difference", "inputs_of", "schema_of", "signature_of", "validated"]


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

    @property
    def known(self) -> tuple[str, ...]:
        """The names that a rule about the arguments (`needs_approval`) may ask for."""
        return self.order

    @property
    def typed(self) -> bool:
        """Whether the schema was read off Python types, so that they count (validate.py)."""
        return True

    def named(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return converted arguments by the names in `known`."""
        return values

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
        if len(values) == len(self.parameters):
            return values
        converted = validated(self.converter, rest)
        return values | {p.name: getattr(converted, f"p{i}") for i, p in enumerate(self.parameters) if not p.plain}


def inputs_of(function: Callable[..., Any]) -> Inputs:
    """Read what a function takes, each argument as a parameter. Raises: ConfigurationError: as `signature_of`."""
    read = signature_of(function)
    model = arguments_model(read.name, {f"p{i}": each.field for i, each in enumerate(read.parameters)})
    return Inputs(
        order=read.order,
        context=read.context,
        parameters=read.parameters,
        description=read.description,
        schema=_schema(read, model),
        converter=_converter(read, model),
    )


def validated(model: type[BaseModel], given: Mapping[str, Any]) -> BaseModel:
    """Return a model made of arguments that fit its schema; nothing is coerced.

    Raises:
        BadArguments: a type says no where its schema could not (a date that does not exist, a validator).
    """
    try:
        return model.model_validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        raise BadArguments("schema", tuple(_problem(dict(each)) for each in error.errors()[:5])) from None
    except Exception as error:  # a user's validator broke: the call is refused, the session goes on
        raise BadArguments("schema", (f"they could not be converted ({type(error).__name__})",)) from error


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


def _converter(read: Signature, model: type[BaseModel]) -> type[BaseModel]:
    """Return a model of the parameters that are not plain; making one takes a third of a declaration's time."""
    rest = {f"p{i}": each.field for i, each in enumerate(read.parameters) if not each.plain}
    if len(rest) == len(read.parameters):
        return model
    return arguments_model(read.name, rest) if rest else BaseModel


def _schema(read: Signature, model: type[BaseModel]) -> dict[str, Json]:
    schema: dict[str, Any] = schema_of(read.name, model)
    for each, text in read.told.items():
        if each in schema["properties"]:
            schema["properties"][each].setdefault("description", text)
    return schema


def _problem(error: Mapping[str, Any]) -> str:
    where = ".".join(str(each) for each in error["loc"]) or "they"
    if error["type"] == "json_invalid":
        return "a text holds half a surrogate pair, which is not a character"
    return f"`{where}`: {error['msg']}, not {quoted(error['input'])}"
