"""From a type hint to the two functions that turn its values into JSON and back.

It knows the types that events are made of and no others: `str int bool float Decimal None`, `Literal`,
`tuple[X, ...]`, `X | None`, `Mapping[str, Json]`, frozen dataclasses, contract rows, and unions of dataclasses. These
say what they are under `"is"`; only `Text`, the most frequent by far, is its plain text. Fields at their default are
left out, so **a default is part of the stored format**.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from agentkit.core.contract import Row
from agentkit.core.messages import Text
from agentkit.errors import JournalError
from agentkit.journal.jsonbytes import MAX_BITS, plain

TAG = "is"
_REQUIRED = object()


class Shape(NamedTuple):
    """How values of one type are stored: `pack` makes plain JSON, `unpack` makes the value; both raise `Misfit`."""

    pack: Callable[[Any], Any]
    unpack: Callable[[Any], Any]


class Misfit(JournalError):  # noqa: N818 - within this folder only; the codec turns it into an error of the tree
    """A value that is not of the type its place asks for. The text names the place."""

    def __init__(self, why: str, place: str = "") -> None:
        super().__init__(f"{place}: {why}" if place else why)
        self.why = why
        self.place = place

    def within(self, outer: str) -> "Misfit":
        """Return the same fault, named from one level further out."""
        joint = "" if not self.place or self.place.startswith("[") else "."
        return Misfit(self.why, f"{outer}{joint}{self.place}")


@cache
def shape_of(hint: Any) -> Shape:
    """Compile a type hint.

    Raises:
        TypeError: the codec knows no such type.
    """
    if hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, type) and (dataclasses.is_dataclass(hint) or issubclass(hint, Row)):
        return _fields(hint)
    make = _GENERICS.get(get_origin(hint))
    if make is None:
        raise TypeError(f"the codec knows no way to store {hint!r}")
    return make(get_args(hint))


def _exactly(kind: type, word: str) -> Shape:
    def check(value: Any) -> Any:
        if not isinstance(value, kind):
            raise Misfit(f"{word} is wanted, not {type(value).__name__}")
        return value

    return Shape(check, check)


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Misfit(f"a whole number is wanted, not {type(value).__name__}")
    if value.bit_length() > MAX_BITS:
        raise Misfit("a whole number has at most 4,300 digits")
    return value


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise Misfit(f"a finite number is wanted, not {value!r:.40}")
    return float(value)


def _decimal(value: Any) -> Decimal:
    try:
        number = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        raise Misfit(f"a decimal number in quotes is wanted, not {value!r:.40}")
    return number


def _decimal_text(value: Any) -> str:
    if not isinstance(value, Decimal) or not value.is_finite():
        raise Misfit(f"a finite Decimal is wanted, not {value!r:.40}")
    return str(value)


def _literal(choices: tuple[Any, ...]) -> Shape:
    def check(value: Any) -> Any:
        if value not in choices:
            raise Misfit(f"one of {choices} is wanted, not {value!r:.40}")
        return value

    return Shape(check, check)


def _tuple(hints: tuple[Any, ...]) -> Shape:
    item = shape_of(hints[0])
    if hints[1:] != (...,):
        raise TypeError("the codec stores tuple[X, ...] only")

    def pack(values: Any) -> list[Any]:
        if not isinstance(values, tuple):
            raise Misfit(f"a tuple is wanted, not {type(values).__name__}")
        return _each(item.pack, values)

    def unpack(values: Any) -> tuple[Any, ...]:
        if not isinstance(values, list):
            raise Misfit(f"a list is wanted, not {type(values).__name__}")
        return tuple(_each(item.unpack, values))

    return Shape(pack, unpack)


def _union(hints: tuple[Any, ...]) -> Shape:
    some = [hint for hint in hints if hint is not NoneType]
    inner = shape_of(some[0]) if len(some) == 1 else _tagged(some)
    if len(some) == len(hints):
        return inner
    return Shape(
        lambda value: None if value is None else inner.pack(value),
        lambda value: None if value is None else inner.unpack(value),
    )


def _tagged(hints: list[Any]) -> Shape:
    if not all(isinstance(kind, type) and dataclasses.is_dataclass(kind) for kind in hints):
        raise TypeError(f"the codec stores unions of dataclasses only, not {hints}")
    names: dict[type, str] = {kind: kind.__name__.lower() for kind in hints if kind is not Text}
    kinds = {name: shape_of(kind) for kind, name in names.items()}

    def pack(value: Any) -> Any:
        if isinstance(value, Text) and Text in hints:
            return _at("text", _SCALARS[str].pack, value.text)
        name = names.get(type(value))
        if name is None:
            raise Misfit(f"one of {sorted(kinds)} is wanted, not {type(value).__name__}")
        return {TAG: name, **kinds[name].pack(value)}

    def unpack(stored: Any) -> Any:
        if isinstance(stored, str) and Text in hints:
            return Text(stored)
        body = dict(stored) if isinstance(stored, dict) else {}
        name = body.pop(TAG, None)
        if name not in kinds:
            raise Misfit(f"one of {sorted(kinds)} is wanted under {TAG!r}, not {name!r:.40}")
        return kinds[name].unpack(body)

    return Shape(pack, unpack)


def _mapping(_: tuple[Any, ...]) -> Shape:
    def pack(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise Misfit(f"a mapping is wanted, not {type(value).__name__}")
        try:
            return plain(value)
        except JournalError as error:
            raise Misfit(str(error)) from error

    return Shape(pack, _exactly(dict, "an object").unpack)


def _fields(kind: type) -> Shape:
    fields = {name: (shape_of(hint), default) for name, hint, default in _declared(kind)}
    required = frozenset(name for name, (_, default) in fields.items() if default is _REQUIRED)
    pack = _packer(kind, [(name, shape.pack, default) for name, (shape, default) in fields.items()])
    return Shape(pack, _unpacker(kind, {name: shape.unpack for name, (shape, _) in fields.items()}, required))


def _packer(kind: type, fields: list[tuple[str, Callable[[Any], Any], Any]]) -> Callable[[Any], dict[str, Any]]:
    """Return what packs a `kind`. Its function is compiled when it is first needed: few of all kinds ever are."""
    compiled: Callable[[Any], dict[str, Any]] | None = None

    def pack(value: Any) -> dict[str, Any]:
        nonlocal compiled
        if compiled is None:
            compiled = _written_out(kind, fields)
        return compiled(value)

    return pack


def _written_out(kind: type, fields: list[tuple[str, Callable[[Any], Any], Any]]) -> Callable[[Any], dict[str, Any]]:
    """Compile what packs a `kind` field by field, as the library does for a dataclass's methods.

    A loop over the fields takes twice as long, and was the dearest part of a step's recording in Python.
    """
    known: dict[str, Any] = {"_kind": kind, "_misfit": Misfit, "_strange": _strange}
    lines: list[str] = []
    for name, pack, default in fields:
        known |= {f"_pack_{name}": pack, f"_else_{name}": default}
        unlike = "" if default is None else f" and item != _else_{name}"
        given = "" if default is _REQUIRED else f"if item is not _else_{name}{unlike}: "
        as_is = "item if type(item) is str else " if pack is _SCALARS[str].pack else ""
        lines += [f"item = value.{name}", f"{given}name = {name!r}; body[name] = {as_is}_pack_{name}(item)"]
    made = dict[str, Any]()
    exec(_PACK.format(known=", ".join(known), lines="\n   ".join(lines or ["pass"])), made)  # noqa: S102 - the names of a class's own fields
    packs: Callable[[Any], dict[str, Any]] = made["make"](**known)
    return packs


_PACK = """
def make({known}):
 def pack(value):
  if type(value) is not _kind:
   raise _strange(_kind, value)
  body, name = {{}}, ""
  try:
   {lines}
  except _misfit as misfit:
   raise misfit.within(name) from None
  return body
 return pack
"""


def _strange(kind: type, value: object) -> Misfit:
    return Misfit(f"{kind.__name__} is wanted, not {type(value).__name__}")


def _unpacker(kind: type, fields: Mapping[str, Callable[[Any], Any]], required: frozenset[str]) -> Callable[[Any], Any]:
    known = fields.keys()

    def unpack(body: Any) -> Any:
        if not isinstance(body, dict):
            raise Misfit(f"an object is wanted, not {type(body).__name__}")
        if not required <= body.keys() <= known:
            _refuse_fields(kind, body.keys() - known, required - body.keys())
        given, name = dict[str, Any](), ""
        try:
            for name, item in body.items():
                given[name] = fields[name](item)
        except Misfit as misfit:
            raise misfit.within(name) from None
        return kind(**given)

    return unpack


def _refuse_fields(kind: type, strange: Iterable[str], missing: Iterable[str]) -> None:
    names = ", ".join(sorted(strange))
    raise Misfit(f"{kind.__name__} {f'has no field {names}' if names else 'lacks ' + ', '.join(sorted(missing))}")


def _each(function: Callable[[Any], Any], values: Iterable[Any]) -> list[Any]:
    done: list[Any] = []
    try:
        for value in values:
            done.append(function(value))  # noqa: PERF401 - its length names the place of a misfit
    except Misfit as misfit:
        raise misfit.within(f"[{len(done)}]") from None
    return done


def _at(name: str, function: Callable[[Any], Any], value: Any) -> Any:
    try:
        return function(value)
    except Misfit as misfit:
        raise misfit.within(name) from None


def _declared(kind: Any) -> Iterator[tuple[str, Any, Any]]:
    hints = get_type_hints(kind)
    if issubclass(kind, Row):
        for name, row_field in kind.model_fields.items():
            default = _REQUIRED if row_field.is_required() else row_field.get_default(call_default_factory=True)
            yield name, hints[name], default
        return
    for field in dataclasses.fields(kind):
        if field.default_factory is not dataclasses.MISSING:
            yield field.name, hints[field.name], field.default_factory()
        else:
            required = field.default is dataclasses.MISSING
            yield field.name, hints[field.name], _REQUIRED if required else field.default


_SCALARS: Mapping[Any, Shape] = {
    str: _exactly(str, "text"),
    int: Shape(_whole, _whole),
    bool: _exactly(bool, "true or false"),
    float: Shape(_float, _float),
    Decimal: Shape(_decimal_text, _decimal),
}

_GENERICS: Mapping[Any, Callable[[tuple[Any, ...]], Shape]] = {
    Literal: _literal,
    tuple: _tuple,
    Union: _union,
    UnionType: _union,
    Mapping: _mapping,
}
