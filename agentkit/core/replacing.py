"""`replace`, for values that are made anew many times in a step; `draft` and `done`, for many changes at once.

A state has forty fields, and a fact changes it five times over, in functions that each take a state and return one.
`draft` copies it once, and up to `done` `replace` changes that copy in place: nobody else has it yet. So who has called
`replace` on a draft goes on with what it returns, and not with what it was given, which is the same object.
"""

import dataclasses
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["done", "draft", "replace"]

T = TypeVar("T")
_new = object.__new__
_DRAFT = "(draft)"  # no field's name


@cache
def _read_by(kind: type[Any]) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """Return the names of a dataclass's fields, and what reads them all at once."""
    names = tuple(field.name for field in dataclasses.fields(kind))
    return names, attrgetter(*names, *names[:1])  # of one name alone it returns no tuple


if TYPE_CHECKING:
    from dataclasses import replace
else:

    def replace(value: T, /, **changes: Any) -> T:
        """Return a value with some fields changed, as `dataclasses.replace` does; ten times as fast without slots.

        `State` has forty fields, and one step makes it anew eighteen times: with the library's function, which calls
        the constructor, that was a fifth of a step's CPU.

        Raises:
            TypeError: there is no such field.
        """
        try:
            fields = value.__dict__
        except AttributeError:
            names, read = _read_by(value.__class__)
            return value.__class__(**{**dict(zip(names, read(value), strict=False)), **changes})
        if _DRAFT in fields:
            fields.update(changes)
            return value
        new = _new(value.__class__)
        held = new.__dict__
        held.update(fields, **changes)
        if len(held) > len(fields):
            raise TypeError(f"{type(value).__name__} has no {', '.join(sorted(changes.keys() - fields.keys()))}")
        return new


def draft(value: T, /, **changes: Any) -> T:
    """Return a copy with some fields changed, which `replace` changes in place until it is `done`.

    Raises:
        TypeError: there is no such field.
    """
    new = replace(value, **changes)  # type: ignore[type-var]  # a dataclass without slots
    new.__dict__[_DRAFT] = True
    return new


def done(value: T) -> T:
    """Return a draft as the value it has become. Raises: TypeError: it was given a field that there is not."""
    fields = value.__dict__
    names, _ = _read_by(value.__class__)  # type: ignore[arg-type]  # mypy takes a class of T for not hashable
    del fields[_DRAFT]
    if len(fields) > len(names):
        raise TypeError(f"{type(value).__name__} has no {', '.join(sorted(fields.keys() - set(names)))}")
    return value
