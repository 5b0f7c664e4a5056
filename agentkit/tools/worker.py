"""The other side of process.py: runs one function of a tool in this process, which is there for that alone.

Nothing but the tool's module is imported. The program's main module is not: a program that is not guarded by
`if __name__ == "__main__"` would run a second time, and with it every effect it has.
"""

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from json import loads
from threading import Thread
from typing import Any, BinaryIO, Final, TypeAlias

MOST: Final = 64 * 2**20  # bytes of an encoded value that are handed over
HEAD: Final = 8  # bytes that tell a frame's length

Answer: TypeAlias = tuple[str, Any, str]  # what kind, the value or exception, a traceback


class Lost(Exception):  # noqa: N818 - what is known of a body that ended otherwise than by its own word
    """A body ended in a way that proves nothing of what it did, whatever its tool says of exceptions (law 6)."""


def serve() -> None:
    """Answer that the function is there, wait for its arguments, run it, and answer with what came of it."""
    inward, outward = _streams()
    module, name = loads(_frame(inward))
    try:
        function = _found(module, name)
    except BaseException as error:  # noqa: BLE001 - a module may do anything when it is imported
        _send(outward, ("raised", f"{type(error).__name__}: {error}", traceback.format_exc()))
        return
    _send(outward, ("ready", None, ""))
    values = _frame(inward)
    Thread(target=_end_with, args=(inward,), daemon=True).start()
    _send(outward, _run(function, values))


def _streams() -> tuple[BinaryIO, BinaryIO]:
    """Return the pipes to the parent, and leave to the tool an empty input, and an output that people see."""
    inward, outward = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return inward, outward


def _found(module: str, name: str) -> Callable[..., Any]:
    found: Any = import_module(module)
    for each in name.split("."):
        found = getattr(found, each)
    function: Callable[..., Any] = getattr(found, "function", found)  # the name is the tool's, or still the function's
    return function


def _run(function: Callable[..., Any], values: bytes) -> Answer:
    try:
        return "returned", function(**pickle.loads(values)), ""  # noqa: S301 - from the process that started this one
    except SystemExit as left:
        return "raised", Lost(f"it tried to end the process: SystemExit({left.code!r})"), ""
    except Exception as error:  # noqa: BLE001 - every end of a tool is a fact
        return "raised", error, traceback.format_exc()
    except BaseException as error:  # noqa: BLE001 - what would end the process that waits, too
        return "raised", Lost(f"{type(error).__name__}: {error}"), traceback.format_exc()


def _send(outward: BinaryIO, answer: Answer) -> None:
    data = _encoded(answer)
    outward.write(len(data).to_bytes(HEAD, "big") + data)
    outward.flush()


def _encoded(answer: Answer) -> bytes:
    kind, value, trace = answer
    try:
        data = pickle.dumps(answer)
        if kind == "raised":
            pickle.loads(data)  # noqa: S301 - its own: many an exception can be written and not be read
    except Exception as error:  # noqa: BLE001 - whatever a value's own code raises
        if kind == "returned":
            return pickle.dumps(("unsent", f"{type(value).__name__}: {error}", ""))
        return pickle.dumps((kind, Lost(f"{type(value).__name__}: {_words(value)}"), trace[-MOST:]))
    if len(data) <= MOST:
        return data
    if kind == "returned":
        return pickle.dumps(("large", len(data), ""))
    return pickle.dumps((kind, Lost(f"{type(value).__name__}, with {len(data)} bytes, too many to be told"), ""))


def _words(error: object) -> str:
    try:
        return str(error)[:MOST]
    except Exception as broken:  # noqa: BLE001 - as above
        return f"its text cannot be had ({type(broken).__name__})"


def _end_with(inward: BinaryIO) -> None:
    """End when the parent has: nobody waits any more, and it may be told that nothing happens any longer."""
    inward.read(1)
    os.killpg(0, signal.SIGKILL)  # with whatever the tool has started


def _frame(inward: BinaryIO) -> bytes:
    size = int.from_bytes(_exactly(inward, HEAD), "big")
    return _exactly(inward, size)


def _exactly(inward: BinaryIO, size: int) -> bytes:
    data = inward.read(size)
    if len(data) < size:
        sys.exit(1)  # the parent is gone, and nothing has begun
    return data
