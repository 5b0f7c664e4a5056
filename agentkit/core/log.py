"""Sequences and sets that grow at the tail, shared between the states that hold them.

A state is a value, and folding must not copy history (law 10). A `Log` is a view of the first `length` items of a
list: the newest view appends in place, an older one copies first, so no view ever sees an item that is not its own.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar, overload

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

_new = object.__new__


class Log(Sequence[T]):
    """An immutable sequence with append in O(new items) along one line of history."""

    __slots__ = ("_items", "_length")

    def __init__(self, items: Sequence[T] = ()) -> None:
        self._items = list(items)
        self._length = len(self._items)

    def append(self, *items: T) -> "Log[T]":
        """Return a log with `items` behind this one's."""
        grown: Log[T] = _new(Log)
        grown._items = held = self._items if len(self._items) == self._length else self._items[: self._length]
        held.extend(items)
        grown._length = len(held)
        return grown

    def cut(self, length: int) -> "Log[T]":
        """Return the first `length` items as a log."""
        if length >= self._length:
            return self
        shorter: Log[T] = _new(Log)
        shorter._items = self._items
        shorter._length = length
        return shorter

    def extends(self, older: "Log[T]") -> bool:
        """Tell, in O(1), whether this log is `older` with nothing or something appended (False may be a miss)."""
        return self._items is older._items and self._length >= older._length  # noqa: SLF001 - its own class

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return [self._items[i] for i in range(*index.indices(self._length))]
        if not -self._length <= index < self._length:
            raise IndexError(index)
        return self._items[index if index >= 0 else self._length + index]

    def __iter__(self) -> Iterator[T]:
        return iter(self[:])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Log) and self[:] == other[:]

    __hash__ = None  # type: ignore[assignment]  # a sequence that may hold unhashable values

    def __repr__(self) -> str:
        return f"Log({self[:]!r})"


class Names(Generic[K]):
    """An immutable map from a name to the place it was added at; adding is O(1) along one line of history."""

    __slots__ = ("_length", "_places")

    def __init__(self) -> None:
        self._places: dict[K, int] = {}
        self._length = 0

    def add(self, name: K) -> "Names[K]":
        """Return a map that also holds `name`, at place `len(self)`."""
        grown: Names[K] = Names.__new__(Names)
        newest = len(self._places) == self._length
        grown._places = self._places if newest else {n: p for n, p in self._places.items() if p < self._length}
        grown._places.setdefault(name, self._length)
        grown._length = len(grown._places)
        return grown

    def without(self, names: Iterable[K]) -> "Names[K]":
        """Return a map that does not hold `names`, in O(all names)."""
        gone, left = set(names), Names[K]()
        for name in self:
            left = left if name in gone else left.add(name)
        return left

    def __contains__(self, name: object) -> bool:
        return name in self._places and self._places[name] < self._length

    def __len__(self) -> int:
        return self._length

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Names) and set(self) == set(other)

    __hash__ = None  # type: ignore[assignment]  # as Log

    def __iter__(self) -> Iterator[K]:
        return (name for name, place in self._places.items() if place < self._length)
