"""A process that has imported what our programs import, and becomes them: `python -m tests.zygote SOCKET`.

Importing agentkit, pydantic and the SDK costs a program a second of CPU, a dispatcher's client three; forked from here
it is a process like any other, and costs some milliseconds. `tests.forked` is the other side.
"""

import atexit
import ctypes
import gc
import json
import os
import random
import runpy
import socket
import sys
import threading
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, Final

PRELOADED: Final = (
    "anyio._backends._asyncio",
    "agentkit.alone",
    "agentkit.cli",
    "agentkit.cli.commands",
    "agentkit.cli.parser",
    "agentkit.journal.sqlite",
    "agentkit.journal.postgres",
    "agentkit.models.openai",
    "agentkit.models.prices",
    "agentkit.models.scripted",
    "agentkit.testing",
    "agentkit.tools.validate",
    "agentkit.emulator",
    "agentkit.workers",
)
DISPATCHERS: Final = {"dbos": "dbos", "temporal": "temporalio.client"}  # imported when a program's words name one
PR_SET_PDEATHSIG: Final = 1


def preload(words: list[str]) -> None:
    """Import what every program needs, and what these words ask for. Nothing may run beside: a fork would lose it."""
    asked = [module for word, module in DISPATCHERS.items() if any(word in each for each in words)]
    missing = [module for module in (*PRELOADED, *asked) if module not in sys.modules]
    if not missing:
        return
    for module in missing:
        import_module(module)
    if threading.active_count() > 1:
        raise RuntimeError(f"importing {missing} started {threading.enumerate()[1:]}: fork these programs no more")
    gc.collect()
    gc.freeze()  # what is shared stays shared


def serve(link: socket.socket) -> dict[str, Any] | None:
    """Fork for each order; return it in the child, and None where nobody is left to give orders."""
    while True:
        told, fds, _, _ = socket.recv_fds(link, 1 << 20, 3)
        if not told:
            return None
        order: dict[str, Any] = json.loads(told)
        preload(order["words"])
        theirs, ours = os.pipe()
        middle = os.fork()
        if not middle:
            if child := os.fork():
                os.write(ours, str(child).encode())
                os._exit(0)
            for at, fd in enumerate(fds):
                os.dup2(fd, at)
            os.closerange(3, 1024)
            return order
        os.waitpid(middle, 0)  # now the child is whose we are: the one that gives the orders
        link.send(os.read(theirs, 32))
        for fd in (*fds, theirs, ours):
            os.close(fd)


def become(order: dict[str, Any]) -> None:
    """Be the program, as Python starts it."""
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    if order["session"]:
        os.setsid()
    random.seed()
    warnings.resetwarnings()
    if order["quiet"]:
        warnings.simplefilter("ignore")
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = written(1)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = written(2)  # type: ignore[misc]
    program = order["program"]
    folder = order["cwd"] if order["how"] else str(Path(program).parent.absolute())
    sys.path[:0] = [folder, *order["env"].get("PYTHONPATH", "").split(os.pathsep)]
    sys.argv = [order["how"] or program, *order["words"]]
    try:
        match order["how"]:
            case "-m":
                runpy.run_module(program, run_name="__main__", alter_sys=True)
            case "-c":
                exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - a test's own program
            case _:
                runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            raise
        leave(end.code or 0)
    leave(0)


def leave(code: int) -> None:
    """End as Python does, but for taking a thousand modules apart."""
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - waits for threads, as Python does
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()
    os._exit(code)


def written(fd: int) -> Any:
    """Open a stream as Python does: by lines at a terminal, and for errors."""
    lines = fd == 2 or os.isatty(fd)
    return open(
        fd, "w", 1 if lines else -1, encoding="utf-8", errors="backslashreplace" if fd == 2 else None, closefd=False
    )


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 9)
    if (given := serve(socket.socket(fileno=int(sys.argv[1])))) is not None:
        become(given)
