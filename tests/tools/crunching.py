"""Tools that run in a process of their own: another process imports this module."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentkit import ToolError, tool
from agentkit.core.spec import Effect


class Odd(Exception):  # noqa: N818 - that is its point
    """An exception that can be written and cannot be read back."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} and {other}")


def crunch(how: str, path: str = "") -> Any:
    """End in one of many ways."""
    if path:
        Path(path).write_text(str(os.getpid()))
    return WAYS[how]()


def _raise(error: BaseException) -> Callable[[], Any]:
    def do() -> Any:
        raise error

    return do


def _spin() -> None:
    while True:
        pass


def _with_a_child() -> None:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)  # crunching"])
    time.sleep(600)


class Unread:
    """A value that can be written and cannot be read back."""

    def __reduce__(self) -> Any:
        return int, ("it is done",)


def _printed() -> str:
    print("noise on the output")  # noqa: T201 - that is tried here
    return f"read {sys.stdin.read()!r}"


def _too_large() -> None:
    raise ValueError("x" * (65 * 2**20))


WAYS: dict[str, Callable[[], Any]] = {
    "count": lambda: sum(range(1000)),
    "pid": os.getpid,
    "printed": _printed,
    "spin": _spin,
    "child": _with_a_child,
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: sys.exit(3),
    "leave": lambda: os._exit(3),
    "tool error": _raise(ToolError("No such number.")),
    "value error": _raise(ValueError("bad number")),
    "odd": _raise(Odd("one", "other")),
    "unread": Unread,
    "large error": _too_large,
    "interrupted": _raise(KeyboardInterrupt()),
    "unsendable": lambda: lambda: 1,
    "large": lambda: b"x" * (65 * 2**20),
    "long": lambda: "x" * 1000,
}


def declared(effect: Effect, **more: Any) -> Any:
    """Return `crunch` as a tool: the name still leads to the function."""
    return tool(**{"effect": effect, "process": True, **more})(crunch)


@tool(effect="read", process=True)
def decorated(n: int) -> int:
    """Double a number: the name leads to the tool."""
    return 2 * n
