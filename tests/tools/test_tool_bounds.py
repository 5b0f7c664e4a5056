"""What a tool declares of how it is run is refused at once where it cannot work, and the text says what to write."""

import runpy
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agentkit import ToolContext, tool
from agentkit.errors import ConfigurationError
from agentkit.tools.dispatch import Dispatch


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"retries": -1}, "give how often a failed call is tried again"),
        ({"retries": True}, "give how often a failed call is tried again"),
        ({"retries": 1.5}, "give how often a failed call is tried again"),
        ({"retries": 1, "effect": "once"}, "may have taken effect"),
        ({"concurrency": 0}, "concurrency=0: give a whole number, 1 or more, or None"),
        ({"concurrency": True}, "concurrency=True"),
        ({"rate": 0}, "rate=0: give how many calls may start in a second"),
        ({"rate": -1.0}, "rate=-1.0"),
        ({"rate": float("inf")}, "rate=inf"),
        ({"rate": float("nan")}, "rate=nan"),
        ({"rate": True}, "rate=True"),
        ({"result_limit": 0}, "result_limit=0: give a whole number up to 1000000, or None"),
        ({"result_limit": 1_000_001}, "up to 1000000"),
    ],
)
def test_a_bound_that_cannot_work_is_refused(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        tool(**{"effect": "read", **declared})


def test_the_largest_and_the_smallest_bounds_are_taken() -> None:
    tool(effect="idempotent", retries=0, concurrency=1, rate=0.001, result_limit=1_000_000)
    tool(effect="once", retries=0, concurrency=1, rate=1, result_limit=1)


def compute(n: int) -> int:
    return n


class Machine:
    def compute(self, n: int) -> int:
        return n

    def __call__(self, n: int) -> int:
        return n


async def waiting(n: int) -> int:
    return n


def with_deps(ctx: ToolContext[str], n: int) -> int:  # noqa: ARG001 - its signature is what is looked at
    return n


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda n: n, "annotation"),
        (partial(compute, 1), "partial|another process can import"),
        (Machine().compute, "no method of an object"),
        (Machine(), "another process can import"),
        (waiting, "write `def`"),
        (with_deps, "deps stay in this process"),
    ],
)
def test_what_another_process_cannot_run_is_refused_where_it_is_declared(function: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        tool(effect="read", process=True, name="compute")(function)


def test_a_function_inside_another_one_is_refused() -> None:
    def inner(n: int) -> int:
        return n

    with pytest.raises(ConfigurationError, match="at the top level of a module"):
        tool(effect="read", process=True)(inner)


def test_a_function_of_the_program_itself_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from agentkit import tool\n\n@tool(effect='read', process=True)\ndef compute(n: int) -> int:\n    return n\n"
    )
    with pytest.raises(ConfigurationError, match="Move it into a module of its own"):
        runpy.run_path(str(program), run_name="__main__")


def test_a_name_that_agentkit_needs_is_not_given_twice() -> None:
    mine = tool(effect="read", name="read_more")(compute)
    assert [each.bound.name for each in Dispatch([mine]).specs] == ["read_more"]
    with pytest.raises(ConfigurationError, match="two tools are named 'read_more'"):
        Dispatch([mine, tool(effect="read", result_limit=10)(compute)])
