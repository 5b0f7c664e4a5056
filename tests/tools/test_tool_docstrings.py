"""Descriptions of parameters and fields from docstrings: none is lost."""

import dataclasses
import functools
from collections import Counter
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from agentkit.tools.docstrings import told_by
from agentkit.tools.schema import inputs_of
from tests.tools.documented import Function, functions

ALL = list(functions(100))


@pytest.mark.parametrize("function", ALL, ids=lambda each: each.style)
def test_no_description_is_lost(function: Function) -> None:
    properties: Any = inputs_of(function.call).schema["properties"]
    assert {name: each["description"] for name, each in properties.items()} == function.said
    assert inputs_of(function.call).description.startswith("Do it.")


def test_the_set_has_a_hundred_functions_in_three_styles() -> None:
    assert len({each.doc for each in ALL}) == 100
    assert Counter(each.style for each in ALL) == {"google": 34, "numpy": 33, "rest": 33}


ODD = {
    "a line goes on without being indented": "Args:\n    a: the a,\n    as said\n    b: the b",
    "a name without a colon": "Args:\n    c\n    a: the a, as said\n    b: the b",
    "dashes for colons": "Args:\n    a - the a, as said\n    b (int) - the b",
    "bullets": "Args:\n    - a: the a, as said\n    - b: the b",
    "ticks": "Args:\n    `a`: the a, as said\n    `b`: the b",
    "several at once, google": "Args:\n    a: the a, as said\n    b, c: the b",
    "several at once, numpy": "Parameters\n----------\na : int\n    the a, as said\nb, c : int\n    the b",
    "no blanks around the colon": "Parameters\n----------\na: int\n    the a, as said\nb: int\n    the b",
    "stars, google": "Args:\n    *args: more\n    **kwargs: others\n    a: the a, as said\n    b: the b",
    "stars, numpy": "Parameters\n----------\n*args : int\n    more\na : int\n    the a, as said\nb\n    the b",
    "stars, reST": ":param \\*args: more\n:param a: the a, as said\n:param b: the b",
    "a type with blanks, reST": ":param a: the a, as said\n:param dict[str, int] b: the b",
    "Epydoc": "@param a: the a, as said\n@param b: the b",
    "two styles": "Args:\n    a: the a, as said\n\n:param b: the b",
    "attributes and arguments": "Args:\n    a: the a, as said\n\nAttributes:\n    b: the b",
}


@pytest.mark.parametrize("doc", ODD.values(), ids=ODD)
def test_what_breaks_a_rule_of_its_style_is_read_all_the_same(doc: str) -> None:
    def function(a: int, b: int) -> None: ...

    function.__doc__ = f"Do it.\n\n{doc}"
    properties: Any = inputs_of(function).schema["properties"]
    assert {name: each.get("description") for name, each in properties.items()} == {"a": "the a, as said", "b": "the b"}


def test_what_no_style_reads_stays_in_the_description() -> None:
    def function(a: int) -> None:
        """Do it.

        a is the one: always.
        """

    assert told_by(function).about == "Do it.\n\na is the one: always."


def test_a_partial_a_method_and_an_object_tell_their_own() -> None:
    class Shop:
        """Not about the call."""

        def find(self, a: int) -> None:
            """Find.

            Args:
                a: the a
            """

        def __call__(self, a: int) -> None:
            """Call.

            Args:
                a: the called a
            """

    class Silent:
        """All there is."""

        def __call__(self, a: int) -> None: ...

    bound = functools.partial(functools.partial(Shop().find, a=1))
    assert told_by(bound) == told_by(Shop().find)
    assert told_by(Shop().find).of == {"a": "the a"}
    assert told_by(Shop()).of == {"a": "the called a"}
    assert told_by(Silent()).about == "All there is."
    assert told_by(Shop).about == "Not about the call."


class Kind(BaseModel):
    """The kind.

    Attributes:
        name: its name
        said: never shown, for Field says it better
    """

    name: str
    said: int = Field(default=1, description="by Field")
    renamed: int = Field(default=1, alias="other")
    """behind it"""
    silent: int = 1


class Later(Kind):
    more: int = 1
    """more of it"""


@dataclasses.dataclass
class Plain:
    """A plain one.

    Args:
        name: its name
    """

    name: str
    behind: int = 0
    """behind it"""


@dataclasses.dataclass
class Untold:
    name: str


class Table(TypedDict):
    """A table.

    :param name: its name
    """

    name: str
    behind: int
    """behind it"""


class Pair(NamedTuple):
    """A pair.

    Parameters
    ----------
    left : int
        the left one
    """

    left: int
    right: int


class Bare(NamedTuple):
    left: int


class Quiet(BaseModel):
    """Args:
    name: its name
    """

    name: str


def described(kind: Any) -> tuple[Any, Any]:
    def function(a: Any) -> None: ...

    function.__annotations__["a"] = kind
    found: Any = inputs_of(function).schema["$defs"][kind.__name__]  # type: ignore[index]
    fields = found.get("properties") or dict(enumerate(found["prefixItems"]))
    return found.get("description"), {name: each.get("description") for name, each in fields.items()}


@pytest.mark.parametrize(
    ("kind", "about", "fields"),
    [
        (Kind, "The kind.", {"name": "its name", "said": "by Field", "other": "behind it", "silent": None}),
        (Plain, "A plain one.", {"name": "its name", "behind": "behind it"}),
        (Untold, None, {"name": None}),
        (Table, "A table.", {"name": "its name", "behind": "behind it"}),
        (Pair, "A pair.", {0: "left: the left one", 1: "right"}),
        (Bare, None, {0: "left"}),
        (Quiet, None, {"name": "its name"}),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_fields_of_classes(kind: Any, about: str | None, fields: dict[Any, Any]) -> None:
    assert described(kind) == (about, fields)


def test_fields_of_the_classes_before_it() -> None:
    found = described(Later)[1]
    assert (found["name"], found["other"], found["more"]) == ("its name", "behind it", "more of it")


def test_a_class_without_source_has_its_docstring() -> None:
    made = type(
        "Made", (BaseModel,), {"__annotations__": {"name": str}, "__doc__": "Made.\n\nArgs:\n    name: its name"}
    )
    assert described(made) == ("Made.", {"name": "its name"})
