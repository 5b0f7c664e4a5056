"""The quick way from a stored event's JSON to the event: what `shape` knows, compiled for pydantic-core.

It judges nothing by itself: where it says no, `shape` is asked, says no as well, and why and where.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from pydantic_core import SchemaValidator, core_schema

from agentkit.core.messages import Text
from agentkit.journal.shape import shape_of

_SCALARS: Final[Mapping[Any, core_schema.CoreSchema]] = {
    str: core_schema.str_schema(strict=True),
    int: core_schema.int_schema(strict=True),
    bool: core_schema.bool_schema(strict=True),
}

_TEXT: Final = core_schema.no_info_after_validator_function(Text, _SCALARS[str])


@cache
def quick(kind: type[Any]) -> Callable[[Any], Any]:
    """Return what makes a `kind` of plain JSON. It raises ValueError, or as `Shape.unpack`, where that would."""
    return SchemaValidator(_of(kind)).validate_python


def _of(hint: Any) -> core_schema.CoreSchema:
    if hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _fields(hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return core_schema.literal_schema(list(args))
    if origin is tuple:
        return core_schema.tuple_schema([_of(args[0])], variadic_item_index=0)
    some = [arg for arg in args if arg is not NoneType]
    if origin in {Union, UnionType} and len(some) == 1:
        return core_schema.nullable_schema(_of(some[0]))
    unpack = core_schema.no_info_plain_validator_function(shape_of(hint).unpack)
    return core_schema.union_schema([_TEXT, unpack], mode="left_to_right") if Text in args else unpack


def _fields(kind: type[Any]) -> core_schema.CoreSchema:
    hints, fields = get_type_hints(kind), dataclasses.fields(kind)
    return core_schema.dataclass_schema(
        kind,
        core_schema.dataclass_args_schema(
            kind.__name__,
            [
                core_schema.dataclass_field(field.name, _given(field, _of(hints[field.name])), kw_only=True)
                for field in fields
            ],
            extra_behavior="forbid",
        ),
        [field.name for field in fields],
        slots="__slots__" in vars(kind),
        frozen=True,
    )


def _given(field: "dataclasses.Field[Any]", schema: core_schema.CoreSchema) -> core_schema.CoreSchema:
    if field.default_factory is not dataclasses.MISSING:
        return core_schema.with_default_schema(schema, default_factory=field.default_factory)
    if field.default is not dataclasses.MISSING:
        return core_schema.with_default_schema(schema, default=field.default)
    return schema
