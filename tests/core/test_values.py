"""`values.dataclass` makes of frozen classes what the library makes of them, but their methods when they are used."""

import copy
import dataclasses
import inspect
import pickle
import sys
from collections.abc import Callable
from dataclasses import KW_ONLY, field
from typing import Any, Generic, get_type_hints

import pytest
from typing_extensions import TypeVar

from agentkit import events
from agentkit.core.values import dataclass

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Small:
    """Fields of every kind."""

    one: "int"
    two: list[int] = field(default_factory=list)
    three: str = field(default="x", compare=False)
    four: int = field(default=4, repr=False)
    five: float = field(default=0.5, hash=False)


@dataclass(frozen=True)
class Wide(Generic[T]):
    """A dictionary for its attributes, parameters by keyword only, and a check."""

    one: T
    _: KW_ONLY
    two: int
    three: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.two < 0:
            raise ValueError("two")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:  # noqa: PLW1641 - it has the hash of a frozen class
    """Everything by keyword, and its own way to be told and compared."""

    one: int = 1

    def __eq__(self, other: object) -> bool:
        return repr(other) == "named"

    def __repr__(self) -> str:
        return "named"


@dataclass(frozen=True, slots=True)
class Empty:
    """No field at all."""


@dataclass(frozen=True)
class Hashed:
    """Its own hash and constructor."""

    one: int

    def __init__(self) -> None:
        object.__setattr__(self, "one", 7)

    def __hash__(self) -> int:
        return 7


KINDS = (Small, Wide, Named, Empty, Hashed)


def library(kind: type[Any]) -> type[Any]:
    """Make the same class by the library."""
    own = {name: each for name, each in vars(kind).items() if inspect.isfunction(each) and each.__module__ == __name__}
    by_hand = {name: each for name, each in own.items() if each.__code__.co_filename == __file__}
    fields = [(each.name, each.type, copy.copy(each)) for each in dataclasses.fields(kind)]
    slots = "__slots__" in vars(kind)
    twin = dataclasses.make_dataclass(kind.__name__, fields, namespace=by_hand, frozen=True, slots=slots)
    twin.__qualname__ = kind.__qualname__
    return twin


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_is_as_the_library_makes_it(kind: Any) -> None:
    twin: Any = library(kind)
    assert str(inspect.signature(kind)) == str(inspect.signature(twin))
    assert get_type_hints(kind.__init__) == get_type_hints(twin.__init__)
    assert kind.__match_args__ == twin.__match_args__
    assert str(kind.__dataclass_params__) == str(twin.__dataclass_params__)
    for method in ("__init__", "__repr__", "__eq__", "__hash__"):
        assert getattr(kind, method).__qualname__.rpartition(".")[2] == method
        assert getattr(kind, method).__module__ == __name__


GIVEN: list[tuple[type[Any], dict[str, Any], dict[str, Any]]] = [
    (Small, {"one": 1}, {"one": 2}),
    (Small, {"one": 1, "two": [3], "three": "y"}, {"one": 1, "two": [4]}),
    (Small, {"one": 1, "two": ()}, {"one": 1, "two": (), "five": 0.7}),
    (Wide, {"one": 1, "two": 2}, {"one": 1, "two": 2, "three": (1,)}),
    (Named, {}, {"one": 2}),
    (Empty, {}, {}),
    (Hashed, {}, {}),
]


@pytest.mark.parametrize(("kind", "given", "other"), GIVEN)
def test_a_value_behaves_as_the_librarys(kind: Any, given: dict[str, Any], other: dict[str, Any]) -> None:
    twin: Any = library(kind)
    mine, its = kind(**given), twin(**given)
    assert repr(mine) == repr(its)
    assert dataclasses.asdict(mine) == dataclasses.asdict(its)
    assert mine == kind(**given)
    assert (mine == kind(**other)) is (its == twin(**other))
    assert mine != its or kind is Named
    assert hash_or_error(mine) == hash_or_error(its)
    if kind is not Hashed:
        assert dataclasses.replace(mine, **other) == kind(**{**given, **other})
    for again in (pickle.loads(pickle.dumps(mine)), copy.copy(mine), copy.deepcopy(mine)):  # noqa: S301 - our own
        assert again == mine
        assert dataclasses.astuple(again) == dataclasses.astuple(mine)


def hash_or_error(value: object) -> int | str:
    """Return a hash, or what refuses one."""
    try:
        return hash(value)
    except TypeError as error:
        return str(error)


def test_a_default_is_made_anew_and_one_that_is_given_is_kept() -> None:
    held: list[int] = []
    assert Small(1).two is not Small(1).two
    assert Small(1, held).two is held
    assert Small(1, three="z") == Small(1)
    assert hash(Empty()) == hash(())


@pytest.mark.parametrize("value", [Small(1), Wide(1, two=2), Named()])
def test_nothing_is_changed_or_deleted(value: Any) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'one'"):
        value.one = 5
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'other'"):
        value.other = 5
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'one'"):
        del value.one


def test_what_extends_a_class_keeps_its_own_attributes_and_no_others() -> None:
    class Plain(Small):
        __slots__ = ("more",)
        more: int

    plain: Any = Plain(1)
    plain.more = 5
    assert plain.more == 5
    del plain.more
    with pytest.raises(dataclasses.FrozenInstanceError, match="one"):
        plain.one = 5
    with pytest.raises(dataclasses.FrozenInstanceError, match="one"):
        del plain.one


def test_a_class_that_extends_one_or_is_not_frozen_is_the_librarys() -> None:
    @dataclass(frozen=True, slots=True)
    class More(Small):
        """One field more."""

        six: int = 6

    @dataclass(slots=True)
    class Loose:
        """Not frozen."""

        one: int

    assert repr(More(1)).endswith("More(one=1, two=[], three='x', five=0.5, six=6)")
    assert copy.copy(More(1, six=7)) == More(1, six=7) != More(1)
    assert inspect.isfunction(vars(More)["__init__"])
    loose = Loose(1)
    loose.one = 2
    assert loose == Loose(2)
    with pytest.raises(TypeError, match="frozen"):
        dataclasses.dataclass(type("Melted", (Small,), {}))


def test_a_value_that_holds_itself_can_be_shown() -> None:
    held: list[Any] = []
    value = Small(1, held)
    held.append(value)
    assert repr(value) == "Small(one=1, two=[...], three='x', five=0.5)"


def test_wrong_arguments_are_told_of_the_class() -> None:
    small: Any = Small
    wide: Any = Wide
    with pytest.raises(TypeError, match=r"Small.__init__\(\) missing 1 required positional argument: 'one'"):
        small()
    with pytest.raises(TypeError, match=r"Wide.__init__\(\) missing 1 required keyword-only argument: 'two'"):
        wide(1)
    with pytest.raises(ValueError, match="two"):
        Wide(1, two=-1)


def test_methods_are_made_when_they_are_used_and_stay() -> None:
    @dataclass(frozen=True, slots=True)
    class Fresh:
        """Nobody has used it."""

        one: int

    assert not any(inspect.isfunction(vars(Fresh)[name]) for name in ("__init__", "__repr__", "__eq__", "__hash__"))
    assert Fresh(1).one == 1
    assert inspect.isfunction(vars(Fresh)["__init__"])
    assert not inspect.isfunction(vars(Fresh)["__eq__"])
    assert Fresh(1) == Fresh(1)
    assert vars(Fresh)["__eq__"] is Fresh.__eq__


@pytest.mark.parametrize("slots", [False, True])
def test_what_a_class_says_of_itself_stays(*, slots: bool) -> None:
    @dataclass(frozen=True, slots=slots)  # type: ignore[literal-required]  # either
    class Stored:
        """Its own way to be copied, and no hash."""

        one: int
        __hash__ = None  # type: ignore[assignment]  # of a value that may hold a list

        def __getstate__(self) -> int:
            return self.one

        def __setstate__(self, one: int) -> None:
            object.__setattr__(self, "one", 10 * one)

    assert copy.copy(Stored(1)) == Stored(10)
    with pytest.raises(TypeError, match="unhashable"):
        hash(Stored(1))


@pytest.mark.parametrize("name", ["__setattr__", "__delattr__"])
def test_a_frozen_class_has_no_say_in_how_it_is_changed(name: str) -> None:
    with pytest.raises(TypeError, match=f"Open is frozen, and has a {name} of its own"):
        dataclass(frozen=True)(type("Open", (), {name: lambda *_: None, "__doc__": "Not to be."}))


def ours() -> list[type[Any]]:
    """Return every class of agentkit's that is loaded and was made so."""
    names = [name for name in sys.modules if name.partition(".")[0] == "agentkit"]
    kinds = {each for name in names for each in vars(sys.modules[name]).values() if isinstance(each, type)}
    return [kind for kind in kinds if dataclasses.is_dataclass(kind) and kind.__module__ in names]


@pytest.mark.parametrize("allowed", [lambda each: each.init, lambda each: "InitVar" not in str(each.type)])
def test_no_class_asks_for_what_is_not_there(allowed: Callable[[dataclasses.Field[Any]], bool]) -> None:
    lazy = [kind for kind in ours() if not _by_the_library(kind)]
    assert events.UserSaid in lazy
    assert [kind for kind in lazy if not all(map(allowed, vars(kind)["__dataclass_fields__"].values()))] == []


def _by_the_library(kind: type[Any]) -> bool:
    return "change" not in vars(kind)["__setattr__"].__name__ if "__setattr__" in vars(kind) else True
