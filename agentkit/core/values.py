"""`dataclass`, as the standard library's, for frozen classes: their methods are made when they are first used.

The library writes and compiles six functions for every frozen class when its module is imported. Of the 150 classes
that were loaded for one agent that was a third of the time, and most of the functions were never called. Here the
library still reads the class (its fields, slots, `replace`, `fields`, `match`), and the methods come when they are
asked for; then they are plain functions, as fast as the library's. What extends another dataclass, or is not frozen, is
made by the library at once. There is no `InitVar` and no `field(init=False)`, no field is named `self`, and that a
field without a default stands behind one with it is said at the first use.
"""

import dataclasses
import sys
from collections.abc import Callable
from reprlib import recursive_repr
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool = False, **options: Any) -> Callable[[type], type]:
        """Make a class a dataclass. Args: as of `dataclasses.dataclass`; `frozen` ones may have `slots`, `kw_only`."""

        def made(kind: type) -> type:
            if not frozen or any(map(dataclasses.is_dataclass, kind.__mro__[1:])):
                return dataclasses.dataclass(kind, frozen=frozen, **options)
            return _frozen(kind, **options)

        return made


def _frozen(written: type[Any], *, slots: bool = False, kw_only: bool = False) -> Any:
    own = dict(vars(written))  # as it was: methods are added to it
    if changed := own.keys() & {"__setattr__", "__delattr__"}:
        raise TypeError(f"{written.__qualname__} is frozen, and has a {min(changed)} of its own: leave it out")
    kind: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(written)
    for name, make in _METHODS.items():
        if name not in own or (own[name] is None and "__eq__" in own):  # then it is Python that put `__hash__ = None`
            setattr(kind, name, _Later(kind, name, make))
    kind.__setattr__, kind.__delattr__ = _guards(kind)
    if slots and "__getstate__" not in own:
        kind.__getstate__ = _state
    if slots and "__setstate__" not in own:
        kind.__setstate__ = _set_state
    says = kind.__dataclass_params__
    says.init = says.repr = says.eq = says.frozen = True  # what extends it has to be frozen too
    return kind


class _Later:
    """A method that is made when it is first looked up, and then stands in this one's place."""

    def __init__(self, kind: type[Any], name: str, make: Callable[[type[Any]], Any]) -> None:
        self._kind, self._name, self._make = kind, name, make

    def __get__(self, value: object, kind: type[Any] | None = None) -> Any:
        method = self._make(self._kind)
        method.__qualname__ = f"{self._kind.__qualname__}.{self._name}"
        setattr(self._kind, self._name, method)
        return method.__get__(value, kind)


class _Factory:
    """Stands for "call the factory" among the defaults of parameters."""

    def __repr__(self) -> str:
        return "<factory>"


_FACTORY = _Factory()


def _init(kind: type[Any]) -> Any:
    heads: tuple[list[str], list[str]] = [], ["*"]  # parameters, and those given by keyword only
    lines: list[str] = []
    known: dict[str, Any] = {"_set": object.__setattr__, "_factory": _FACTORY}
    fields = dataclasses.fields(kind)
    for each in fields:
        name, value, default = each.name, each.name, ""
        if each.default_factory is not dataclasses.MISSING:
            known[f"_make_{name}"], default = each.default_factory, "=_factory"
            value = f"_make_{name}() if {name} is _factory else {name}"
        elif each.default is not dataclasses.MISSING:
            known[f"_else_{name}"], default = each.default, f"=_else_{name}"
        heads[each.kw_only is True].append(f"{name}{default}")
        if isinstance(slot := vars(kind).get(name), MemberDescriptorType):  # it takes half as long as by name
            known[f"_set_{name}"] = slot.__set__
            lines.append(f"_set_{name}(self, {value})")
        else:
            lines.append(f"_set(self, {name!r}, {value})")
    if hasattr(kind, "__post_init__"):
        lines.append("self.__post_init__()")
    head = ", ".join(["self", *heads[False], *(heads[True] if len(heads[True]) > 1 else ())])
    method = _compiled(kind, f"__init__({head})", "; ".join(lines) or "pass", known)
    method.__annotations__ = {**{each.name: each.type for each in fields}, "return": None}
    return method


def _repr(kind: type[Any]) -> Any:
    told = ", ".join(f"{each.name}={{self.{each.name}!r}}" for each in dataclasses.fields(kind) if each.repr)
    line = f"return self.__class__.__qualname__ + f'({told})'"
    return recursive_repr()(_compiled(kind, "__repr__(self)", line, {}))


def _eq(kind: type[Any]) -> Any:
    names = [each.name for each in dataclasses.fields(kind) if each.compare]
    line = f"return {_all('self', names)} == {_all('other', names)} if other.__class__ is self.__class__ else _no"
    return _compiled(kind, "__eq__(self, other)", line, {"_no": NotImplemented})


def _hash(kind: type[Any]) -> Any:
    names = [each.name for each in dataclasses.fields(kind) if (each.compare if each.hash is None else each.hash)]
    return _compiled(kind, "__hash__(self)", f"return hash({_all('self', names)})", {})


_METHODS = {"__init__": _init, "__repr__": _repr, "__eq__": _eq, "__hash__": _hash}


def _all(of: str, names: list[str]) -> str:
    return f"({''.join(f'{of}.{name}, ' for name in names)})"


def _compiled(kind: type[Any], head: str, line: str, known: dict[str, Any]) -> Any:
    """Return a function of one line, of the class's module; `known`: what it uses beside its parameters."""
    name, made = head.partition("(")[0], dict[str, Any]()
    text = f"def make({', '.join(known)}):\n def {head}:\n  {line}\n return {name}"
    exec(text, vars(sys.modules[kind.__module__]), made)  # noqa: S102 - the names of a class's own fields
    return made["make"](**known)


def _guards(kind: type[Any]) -> tuple[Any, Any]:
    names = kind.__dataclass_fields__

    def change(self: Any, name: str, value: object) -> None:
        if type(self) is kind or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(kind, self).__setattr__(name, value)  # an attribute of a class that extends it

    def remove(self: Any, name: str) -> None:
        if type(self) is kind or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(kind, self).__delattr__(name)

    return change, remove


def _state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for each, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)
