"""What every driver does: it reads jobs, one JSON object a line, and prints what each took, one JSON object a line.

Standard library and anyio only: it runs in the environment of every peer.
"""

import gc
import json
import logging
import os
import re
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from types import FunctionType
from typing import Any, TextIO

import anyio
import anyio.lowlevel
import anyio.to_thread

MODEL = "deepseek-v4-flash"
KEY = os.environ.get("BENCHMARK_KEY", "unused")  # the emulator keeps a prefix cache for each
LOOP = os.environ.get("BENCHMARK_LOOP", "asyncio")
QUESTION = "Read the whole book, page by page, and say when you are done."
SCHEMA: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Look a page of the book up.",
        "parameters": {
            "type": "object",
            "properties": {
                "page": {"type": "integer", "description": "its number."},
                "size": {"type": "integer", "description": "how many characters of it."},
            },
            "required": ["page", "size"],
            "additionalProperties": False,
        },
    },
}
FOREVER = 1_000_000  # more steps than any session has: for those who would stop a long one
CONNECTIONS = 1000  # the SDK's own limit, for clients that are made without it

LAST = 10  # requests between the last tools of a session, of which CPU is told apart

_looked_up: list[float] = []  # when, in CPU seconds of the process


async def look_up(page: int, size: int) -> str:
    """Look a page of the book up.

    Args:
        page: its number.
        size: how many characters of it.
    """
    _looked_up.append(time.process_time())
    return f"{page:0{size}d}"


def beta(url: str) -> str:
    """Return where DeepSeek serves strict functions, for those who ask for them by themselves."""
    return f"{url.removesuffix('/v1')}/beta"


def numbered(n: int) -> Any:
    """Return a function like `look_up` with a name of its own."""
    made = FunctionType(look_up.__code__, look_up.__globals__, f"look_up_{n}")
    made.__doc__, made.__annotations__ = look_up.__doc__, dict(look_up.__annotations__)
    made.__module__, made.__qualname__ = look_up.__module__, made.__name__
    return made


class Driver:
    """One side. What it cannot do it does not define, and the table leaves the cell open."""

    async def aim(self, url: str, stack: AsyncExitStack) -> None:
        """Make the one client, and the agent with the tool `look_up`, for the service at that base URL.

        `stack` closes what has to be closed when the driver ends.
        """
        raise NotImplementedError

    async def hold(self) -> str:
        """Hold a session from the question on; return its last answer."""
        raise NotImplementedError

    async def stream(self) -> str:
        """Ask and read the answer as it comes; return its text, joined of the pieces."""
        raise NotImplementedError

    def declare(self, functions: list[Any]) -> list[Any]:
        """Make tools of functions, where that is a step of its own."""
        return functions

    def construct(self, tools: list[Any]) -> object:
        """Make an agent with those tools."""
        raise NotImplementedError

    async def record(self, folder: Path) -> str:
        """Hold a session and record it in that folder; return its last answer."""
        raise NotImplementedError

    async def reopen(self, folder: Path) -> int:
        """Open the session recorded in that folder, as to go on with it; return how many messages it holds."""
        raise NotImplementedError


Job = dict[str, Any]
_Doing = Callable[[Driver, Job], Awaitable[Job]]


def serve(driver: Driver) -> None:
    """Do jobs until standard input ends. What a peer prints goes to standard error, and nobody logs."""
    logging.disable()
    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard) if soft != hard else (soft, hard))
    anyio.run(_serve, driver, out, backend_options={"use_uvloop": LOOP == "uvloop"})


async def _serve(driver: Driver, out: TextIO) -> None:
    aimed = ""
    async with AsyncExitStack() as stack:
        out.write('{"ready": true}\n')
        while line := await anyio.to_thread.run_sync(sys.stdin.readline):
            job = json.loads(line)
            try:
                if job.get("url", aimed) != aimed:
                    aimed = job["url"]
                    await driver.aim(aimed, stack)
                told = await _JOBS[job["do"]](driver, job)
            except Exception as error:  # noqa: BLE001 - it is told, and stands in the table
                told = {"error": f"{type(error).__name__}: {_line(error)}"}
            out.write(json.dumps(told) + "\n")


def _line(error: BaseException) -> str:
    inner = getattr(error, "exceptions", None)
    return _line(inner[0]) if inner else " ".join(str(error).split())[:300]


async def _timed(job: Job, doing: Callable[[], Awaitable[Any]]) -> Job:
    """Do it within the budget of seconds; tell CPU and wall time, how many tools ran, and CPU between the last ones."""
    gc.collect()
    _looked_up.clear()
    wall, cpu = time.perf_counter(), time.process_time()
    said: Any = None
    with anyio.move_on_after(job["budget"]) as scope:
        said = await doing()
    told = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "ran": len(_looked_up)}
    last = _looked_up[-1] - _looked_up[-1 - LAST] if len(_looked_up) > LAST else None
    return told | {"last": last, "cut": scope.cancelled_caught, "said": said}


async def _session(driver: Driver, job: Job) -> Job:
    async def several() -> str:
        said = ""
        for _ in range(job["sessions"]):
            said = await driver.hold()
        return said

    return await _timed(job, several)


async def _stream(driver: Driver, job: Job) -> Job:
    told = await _timed(job, driver.stream)
    return told | {"said": len(told["said"] or "")}


async def _crowd(driver: Driver, job: Job) -> Job:
    async def all_at_once() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(job["sessions"]):
                group.start_soon(driver.hold)

    before = _peak()
    told = await _timed(job, all_at_once)
    return told | {"memory": _peak() - before}


def _peak() -> int:
    """Return the most memory this process ever had, in bytes. Linux's `getrusage` counts what it was forked from."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text("utf-8"))[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


async def _construct(driver: Driver, job: Job) -> Job:
    """Make an agent with ten tools, again and again; microseconds, the median."""
    declared, constructed = [], []
    driver.construct(driver.declare([numbered(n) for n in range(10)]))  # the first one pays for what is loaded late
    for _ in range(job["times"]):
        functions = [numbered(n) for n in range(10)]
        start = time.process_time()
        tools = driver.declare(functions)
        middle = time.process_time()
        driver.construct(tools)
        constructed.append(time.process_time() - middle)
        declared.append(middle - start)
        await anyio.lowlevel.checkpoint()
    return {"declare": median(declared), "construct": median(constructed)}


async def _record(driver: Driver, job: Job) -> Job:
    return await _timed(job, lambda: driver.record(Path(job["folder"])))


async def _reopen(driver: Driver, job: Job) -> Job:
    return await _timed(job, lambda: driver.reopen(Path(job["folder"])))


_JOBS: dict[str, _Doing] = {
    "session": _session,
    "stream": _stream,
    "crowd": _crowd,
    "construct": _construct,
    "record": _record,
    "reopen": _reopen,
}
