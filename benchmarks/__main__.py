"""`python -m benchmarks [peers | growth | durable | profile] [--only MEASURE …] [--rounds N] [--small]`: prints tables.

The whole run, which takes about twenty minutes once the peers are installed, writes RESULTS.md and RESULTS.svg;
`durable`, a run of its own, writes DURABLE.md. `peers`, `growth`, `--only` and `--small` write nothing.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import durable, growth, opening, peers_run, profiled
from benchmarks.workers import install_langgraph

DURABLE = Path(__file__).with_name("DURABLE.md")
RESULTS = Path(__file__).with_name("RESULTS.md")

Tell = Callable[..., None]


def main() -> int:
    """Measure what was asked for; the exit code is 1 where a budget is broken."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="What a step of agentkit costs.")
    parser.add_argument("what", nargs="?", choices=("all", "peers", "growth", "durable", "profile"), default="all")
    parser.add_argument("--only", nargs="+", choices=peers_run.MEASURES, default=[], help="these measures of the peers")
    parser.add_argument("--rounds", "--repeats", type=int, default=5, help="runs of each; the median counts")
    parser.add_argument("--small", action="store_true", help="only that it measures, in a minute, without the peers")
    options = parser.parse_args()
    told: list[str] = []

    def tell(*lines: str) -> None:
        told.extend(lines)
        print(*lines, sep="\n", flush=True)

    if options.what == "durable":
        _durable(tell, 1 if options.small else options.rounds, small=options.small)
        if not options.small:
            DURABLE.write_text("\n".join([*told, ""]), "utf-8")
        return int(any("**broken**" in line for line in told))
    rounds = 1 if options.small else options.rounds
    if options.what == "profile":
        tell("# Where a step's time goes", "", *profiled.profile(rounds))
        return 0
    tell("# What a step costs", "")
    if options.what == "growth":
        tell(*growth.HEADER, *growth.rows(growth.alone(rounds)), "", *growth.SIZE_HEADER, *growth.sizes(), "")
        return int(any("**broken**" in line for line in told))
    figures = peers_run.compare(tell, options.only, rounds, small=options.small)
    if options.what == "all" and not options.only and not options.small:
        tell(*peers_run.pictured(figures))
        RESULTS.write_text("\n".join([*told, ""]), "utf-8")
    return int(any("**broken**" in line for line in told))


def _durable(tell: Tell, repeats: int, *, small: bool) -> None:
    sessions = 200 if small else 10_000
    if not small:
        install_langgraph()
    tell("# What recording costs", "", durable.circumstances(repeats), "")
    tell(f"## One session among {sessions:,} in one SQLite file", "", *opening.HEADER, *opening.opening(sessions), "")
    tell("## Recorded steps per second", "", *durable.HEADER)
    for cell in durable.cells(small=small):
        tell(*durable.throughput(cell, repeats))


if __name__ == "__main__":
    sys.exit(main())
