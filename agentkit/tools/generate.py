"""JSON Schema of types, as pydantic makes it, in the words a model needs: no titles, but every description there is."""

import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from agentkit.core.messages import Json
from agentkit.errors import ConfigurationError
from agentkit.tools.docstrings import told_by_class

_NAMED = frozenset({"properties", "$defs", "patternProperties", "dependentSchemas"})  # keys are names, values schemas
_DATA = frozenset({"default", "enum", "const", "examples"})  # values are data of the user's
_CONFIG = ConfigDict(extra="forbid", val_json_bytes="base64", ser_json_bytes="base64")


class _Schema(GenerateJsonSchema):
    """Says what the model needs to know of nested types, and nothing twice.

    It is quiet about a default that is no JSON: the model is not told of it, and the function gets it all the same.
    """

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        """Warn of nothing."""

    def bytes_schema(self, schema: Any) -> dict[str, Any]:
        """Bytes are base64; how many there may be is checked when they are read."""
        made = super().bytes_schema(schema)
        return {"type": "string", "contentEncoding": "base64"} if made.get("format") == "base64url" else made

    def model_schema(self, schema: Any) -> dict[str, Any]:
        """A pydantic model: unless it says otherwise, an unknown property is refused, not dropped in silence."""
        kind: type[BaseModel] = schema["cls"]
        made = super().model_schema(schema)
        keys = {name: each.validation_alias or each.alias or name for name, each in kind.model_fields.items()}
        return self._told(made, kind, keys, closed=kind.model_config.get("extra") is None)

    def dataclass_schema(self, schema: Any) -> dict[str, Any]:
        """A dataclass, as a pydantic model."""
        kind: type = schema["cls"]
        extra = getattr(kind, "__pydantic_config__", {}).get("extra")
        return self._told(super().dataclass_schema(schema), kind, {}, closed=extra is None)

    def typed_dict_schema(self, schema: Any) -> dict[str, Any]:
        """A TypedDict; its unknown properties are refused in any case."""
        return self._told(super().typed_dict_schema(schema), schema["cls"], {}, closed=False)

    def named_tuple_schema(self, schema: Any) -> dict[str, Any]:
        """A NamedTuple: an array, each item of which has a name."""
        return _named(super().named_tuple_schema(schema), schema["cls"])

    def call_schema(self, schema: Any) -> dict[str, Any]:
        """A NamedTuple, as pydantic told of it before 2.14."""
        return _named(super().call_schema(schema), schema["function"])

    def _told(self, made: dict[str, Any], kind: type, keys: Mapping[str, Any], *, closed: bool) -> dict[str, Any]:
        if "properties" not in made and made.get("type") != "object":  # a RootModel
            return made
        told = told_by_class(kind)
        if made.get("description") == inspect.cleandoc(kind.__doc__ or ""):
            made.pop("description")
            made |= {"description": told.about} if told.about else {}
        for name, text in told.of.items():
            field = made.get("properties", {}).get(keys.get(name, name))
            if field is not None:
                field.setdefault("description", text)
        return made | ({"additionalProperties": False} if closed and self.mode == "validation" else {})


def schema_of(name: str, model: type[BaseModel]) -> dict[str, Json]:
    """Return a model's JSON Schema, without titles. Raises: ConfigurationError: a field's type has none."""
    try:
        schema: dict[str, Json] = _untitled(model.model_json_schema(schema_generator=_Schema))
    except PydanticUserError as error:
        raise ConfigurationError(f"{name}: a parameter's type has no JSON Schema: {error.message}") from error
    return schema


def schema_of_result(name: str, hint: Any) -> dict[str, Json]:
    """Return the JSON Schema of what a function returns. Raises: ConfigurationError: its type has none."""
    try:
        adapter = TypeAdapter(hint)
        schema: dict[str, Json] = _untitled(adapter.json_schema(schema_generator=_Schema, mode="serialization"))
    except PydanticUserError as error:
        raise ConfigurationError(f"{name}: what it returns has no JSON Schema: {error.message}") from error
    return schema


def arguments_model(name: str, fields: dict[str, Any]) -> type[BaseModel]:
    """Return a model of a function's parameters. Raises: ConfigurationError: a field's type has no schema."""
    try:
        # Nobody wrote this class: without the module's name its source would be looked for, in all of this file.
        return create_model("Arguments", __config__=_CONFIG, __module__=BaseModel.__module__, **fields)
    except PydanticUserError as error:
        raise ConfigurationError(f"{name}: a parameter's type has no JSON Schema: {error.message}") from error


def _named(made: dict[str, Any], kind: Any) -> dict[str, Any]:
    told = told_by_class(kind)
    for item, name in zip(made.get("prefixItems", ()), getattr(kind, "_fields", ()), strict=False):
        said = item.get("description") or told.of.get(name)
        item["description"] = f"{name}: {said}" if said else name
    return made | ({"description": told.about} if told.about and not _made_up(kind) else {})


def _made_up(kind: type) -> bool:
    """Tell whether Python wrote the docstring itself."""
    return (kind.__doc__ or "").startswith(f"{kind.__name__}(")


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
