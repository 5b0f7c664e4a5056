"""One worker of agentkit: `python -m benchmarks.recording LAYER PLACE WORKER SESSIONS STEPS`.

It says "ready"; for each line, the name of a round, it works and says as JSON when it began and ended (seconds, of the
machine's clock since its start) and the seconds of CPU it took. Layers: `whole`, sessions with a model in
process; `alone`, only what such sessions write: message, claim, every append, release.
"""

import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import anyio

from agentkit import Journal, MemoryJournal
from agentkit.journal import open_journal
from benchmarks.growth import again_and_again, hold

SIZE = 1_000  # bytes of a tool's result
_MESSAGE = b'{"parts":["Read the whole book, page by page, and say when you are done."]}'

Hold = Callable[[Journal, str], Awaitable[None]]


class Listening(MemoryJournal):
    """Keeps what is appended."""

    def __init__(self) -> None:
        super().__init__()
        self.appended: list[tuple[int, Any]] = []

    async def append(self, lease: Any, after: int, batch: Any) -> Any:
        """Append, and keep it."""
        self.appended.append((after, batch))
        return await super().append(lease, after, batch)


async def whole(steps: int) -> Hold:
    """Return what holds a session, model and tool included."""
    return again_and_again(steps, SIZE)


async def alone(steps: int) -> Hold:
    """Return what writes a session as it was written once, and does nothing else."""
    heard = Listening()
    await hold(heard, "heard", steps, SIZE)

    async def one(journal: Journal, name: str) -> None:
        row = await journal.put(name, "message", "m", _MESSAGE, None, agent="agent")
        lease = await journal.claim(name, uid=name, agent="agent", owner="benchmark")
        for after, batch in heard.appended:
            if batch.taken:
                batch = replace(batch, taken=tuple((row.n, index) for _, index in batch.taken))  # noqa: PLW2901
            await journal.append(lease, after, batch)
        await journal.release(lease)

    return one


async def work(layer: str, place: str, worker: str, sessions: int, steps: int) -> None:
    """Hold that many sessions in each round, one behind the other."""
    one = await {"alone": alone, "whole": whole}[layer](steps)
    async with open_journal(place) as journal:
        await one(journal, f"{worker}.warm")
        print("ready", flush=True)
        while line := (await anyio.to_thread.run_sync(sys.stdin.readline)).strip():
            start, cpu = time.monotonic(), time.process_time()
            for n in range(sessions):
                await one(journal, f"{worker}.{line}.{n}")
            print(json.dumps([start, time.monotonic(), time.process_time() - cpu]), flush=True)


if __name__ == "__main__":
    _layer, _place, _worker, _sessions, _steps = sys.argv[1:]
    anyio.run(work, _layer, _place, _worker, int(_sessions), int(_steps))
