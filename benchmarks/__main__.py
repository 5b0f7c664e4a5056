"""`python -m benchmarks [growth | durable] [--steps N …] [--repeats N]`: prints tables.

The whole run also writes RESULTS.md; `durable`, a run of its own, writes DURABLE.md, unless it is `--small`.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from benchmarks import durable, floors, growth, opening
from benchmarks.workers import install_langgraph

DURABLE = Path(__file__).with_name("DURABLE.md")
RESULTS = Path(__file__).with_name("RESULTS.md")
SIZE = 1_000  # bytes of a tool's result
LONG = 1_000  # steps of a session that is run once only: the SDK's `create` takes minutes for it


def main() -> int:
    """Measure what was asked for; the exit code is 1 where a budget is broken."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="What a step of agentkit costs.")
    parser.add_argument("what", nargs="?", choices=("all", "growth", "durable"), default="all")
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 100], help="lengths of sessions")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each; the median counts")
    parser.add_argument("--small", action="store_true", help="durable: only that it measures, in a few seconds")
    options = parser.parse_args()
    told: list[str] = []

    def tell(*lines: str) -> None:
        told.extend(lines)
        print(*lines, sep="\n", flush=True)

    if options.what == "durable":
        _durable(tell, 1 if options.small else options.repeats, small=options.small)
        if not options.small:
            DURABLE.write_text("\n".join([*told, ""]), "utf-8")
        return int(any("**broken**" in line for line in told))
    tell("# What a step costs", "", _circumstances(options.repeats), "")
    if options.what == "all":
        tell(f"## Beside the floors: sessions over HTTP, results of {SIZE:,} bytes", "", *floors.HEADER)
        for steps in options.steps:
            tell(*floors.compare(steps, SIZE, options.repeats if steps < LONG else 1))
        tell("")
    tell("## Growth: sending left out", "", *growth.CPU_HEADER, *growth.growth(options.repeats), "")
    tell("## Size of the file", "", *growth.SIZE_HEADER, *growth.sizes())
    if options.what == "all":
        RESULTS.write_text("\n".join([*told, ""]), "utf-8")
    return int(any("**broken**" in line for line in told))


def _durable(tell: Callable[..., None], repeats: int, *, small: bool) -> None:
    sessions = 200 if small else 10_000
    if not small:
        install_langgraph()
    tell("# What recording costs", "", durable.circumstances(repeats), "")
    tell(f"## One session among {sessions:,} in one SQLite file", "", *opening.HEADER, *opening.opening(sessions), "")
    tell("## Recorded steps per second", "", *durable.HEADER)
    for cell in durable.cells(small=small):
        tell(*durable.throughput(cell, repeats))


def _circumstances(repeats: int) -> str:
    return (
        f"Python {platform.python_version()} on {os.cpu_count()} cores, openai {version('openai')}. One run, everybody "
        f"in turns, the median of {repeats} (sessions of {LONG:,} steps: once). CPU is the client process's, all "
        "threads. Machines differ: compare the ratios."
    )


if __name__ == "__main__":
    sys.exit(main())
