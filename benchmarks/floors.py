"""agentkit beside the floors: CPU and wall time of whole sessions, in turns, the median of several."""

import gc
import time
from dataclasses import dataclass
from statistics import median

import anyio

from benchmarks.contenders import CONTENDERS, Contender
from benchmarks.service import emulator
from benchmarks.work import script


@dataclass(frozen=True, slots=True)
class Cost:
    """What a session cost the client: seconds of CPU (all threads) and of wall time."""

    cpu: float
    wall: float


def compare(steps: int, size: int, repeats: int) -> list[str]:
    """Run everybody `repeats` times in turns; return the rows of a table for sessions of `steps` steps."""
    costs: dict[str, list[Cost]] = {name: [] for name in CONTENDERS}
    with emulator(script(steps, size)) as base_url:
        for name, contender in CONTENDERS.items() if repeats > 1 else ():
            _once(name, contender, base_url, steps)  # the first time pays for imports
        for _ in range(repeats):
            for name, contender in CONTENDERS.items():
                costs[name].append(_once(name, contender, base_url, steps))
    middle = {name: Cost(median(c.cpu for c in runs), median(c.wall for c in runs)) for name, runs in costs.items()}
    bare, sdk, *_ = middle.values()
    return [_row(steps, name, cost, bare, sdk) for name, cost in middle.items()]


def _once(name: str, contender: Contender, base_url: str, steps: int) -> Cost:
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    took = anyio.run(contender, base_url)
    cost = Cost(time.process_time() - cpu, time.perf_counter() - wall)
    if took != steps:
        raise RuntimeError(f"{name} took {took} steps of {steps}")
    return cost


def _row(steps: int, name: str, cost: Cost, bare: Cost, sdk: Cost) -> str:
    each = 1000 / steps
    return (
        f"| {steps:,} | {name} | {cost.cpu * each:.2f} | {cost.cpu / bare.cpu:.2f} | {cost.cpu / sdk.cpu:.2f} "
        f"| {cost.wall * each:.2f} | {cost.wall / bare.wall:.2f} | {cost.wall / sdk.wall:.2f} |"
    )


HEADER = (
    "| steps | who | CPU ms per step | x bare | x SDK | wall ms per step | x bare | x SDK |",
    "|---:|---|---:|---:|---:|---:|---:|---:|",
)
