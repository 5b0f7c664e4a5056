"""Where each microsecond of a step goes: `python -m benchmarks profile`, one session over HTTP, recorded in a file.

A timer of the process's CPU time (ITIMER_PROF) looks every millisecond at what the event loop's thread is at; the
innermost frame of a file in `PARTS` names the part.
Microseconds are shares of the samples, of the CPU that the same session takes without the timer.
"""

import gc
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import FrameType

import anyio

from agentkit import Agent, Limits, Model, Session, SQLiteJournal
from benchmarks.measures import SIZE
from benchmarks.peers.shape import KEY, MODEL
from benchmarks.service import serving
from benchmarks.work import QUESTION, look_up

EVERY = 0.001  # seconds of CPU between two looks
PARTS = {  # a piece of a file's path: whose work it is; the longer piece counts where two fit
    "agentkit/journal/": "journal: SQLite's two commits and the encoding",
    "agentkit/core/": "core: folding facts, what follows, what is owed",
    "agentkit/models/": "models: fragments, reading the answer, counting its cost",
    "agentkit/tools/": "tools: checking arguments, running, the result",
    "agentkit/": "driver, recorder, session: performing and recording",
    "benchmarks/": "the tool's own body",
    "jsonschema/": "tools: checking arguments, running, the result",
    "genai_prices/": "models: fragments, reading the answer, counting its cost",
    "openai/": "HTTP: the SDK's client",
    "httpx2/": "HTTP: httpx and what is under it",
    "httpcore2/": "HTTP: httpx and what is under it",
    "httpx/": "HTTP: httpx and what is under it",
    "httpcore/": "HTTP: httpx and what is under it",
    "h11/": "HTTP: httpx and what is under it",
    "aiohttp/": "HTTP: aiohttp",
    "httpx_aiohttp/": "HTTP: aiohttp",
    "yarl/": "HTTP: aiohttp",
    "anyio/": "event loop: anyio",
    "asyncio/": "event loop: asyncio and the selector",
}
HEADER = ("| whose work | share | us per step |", "|---|---:|---:|")


def profile(rounds: int, steps: int = 200) -> list[str]:
    """Return the rows of a table: what a step's CPU goes to, in sessions of `steps` steps."""
    seen: Counter[str] = Counter()
    with serving([sys.executable, "-m", "benchmarks.lean", str(SIZE)]) as url:
        base_url = f"{url}/{steps}-0/v1"
        _cpu(base_url, steps)  # the first time pays for imports
        whole = median(_cpu(base_url, steps) for _ in range(rounds))
        for _ in range(rounds):
            with _looking(seen):
                _cpu(base_url, steps)
    each, looks = 1e6 * whole / steps, sum(seen.values())
    rows = [f"| {part} | {n / looks:.0%} | {each * n / looks:.0f} |" for part, n in seen.most_common()]
    return [*HEADER, *rows, f"| all, {looks:,} looks | 100% | {each:.0f} |"]


def _cpu(base_url: str, steps: int) -> float:
    with TemporaryDirectory() as folder:
        gc.collect()
        before = time.process_time()
        anyio.run(_hold, base_url, Path(folder, "profile.db"), steps)
        return time.process_time() - before


async def _hold(base_url: str, path: Path, steps: int) -> None:
    model = Model(MODEL, base_url=base_url, api_key=KEY, contract="deepseek-v4")
    agent: Agent[None] = Agent(model, tools=[look_up], limits=Limits(steps=None, repeats=None))
    async with Session(agent, "profile", journal=SQLiteJournal(path)) as session:
        result = await session.run(QUESTION)
    if result.steps != steps:
        raise RuntimeError(f"{result.steps} steps of {steps}: {result.reason}")


@contextmanager
def _looking(seen: Counter[str]) -> Iterator[None]:
    def look(_: int, frame: FrameType | None) -> None:
        seen[_part(frame)] += 1

    before = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _part(frame: FrameType | None) -> str:
    while frame is not None:
        path = frame.f_code.co_filename
        found = max((piece for piece in PARTS if piece in path), key=len, default="")
        if found:
            return PARTS[found]
        frame = frame.f_back
    return "the rest"
