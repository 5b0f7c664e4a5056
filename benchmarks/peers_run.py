"""One run beside the floors and the peers: environments, measures, tables."""

import ast
import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import environments, growth, measures, report
from benchmarks.drivers import drivers
from benchmarks.measures import SMALL, Bench, Scale
from benchmarks.sides import ALL, PICTURE, Side
from benchmarks.verdicts import TRANSPORTS

Tell = Callable[..., None]

MEASURES = tuple(report.SECTIONS)
FIGURES = environments.FOLDER / "figures.json"
PICTURED = Path(__file__).with_name("RESULTS.svg")


def compare(tell: Tell, only: Sequence[str], rounds: int, *, small: bool) -> dict[str, Any]:
    """Measure; tell tables as they come. Returns all figures, and who the sides are."""
    sides = _here() if small else ALL
    homes = dict.fromkeys(side.home for side in sides)
    made = {home.name: environments.this() if small else environments.made(home) for home in homes}
    failed = {name: each.failed for name, each in made.items() if each.failed}
    present = tuple(side for side in sides if side.home.name not in failed)
    results: dict[str, Any] = {}
    tell(_circumstances(rounds), "")
    with drivers(made, present) as running:
        bench = Bench(present, made, running, SMALL if small else replace(Scale(), rounds=rounds))
        for measure in MEASURES:
            if only and measure not in only:
                continue
            results[measure] = _measured(bench, measure, results)
            tell(*report.section(results, measure))
    if not (small or only):
        results["alone"] = growth.alone(rounds)
        tell("## agentkit beside itself: sending left out", "", *growth.HEADER, *growth.rows(results["alone"]), "")
        tell("## Size of the file", "", *growth.SIZE_HEADER, *growth.sizes(), "")
    if not small:
        tell("## What must hold", "", *report.held(results), "")
    tell("## Who, and how configured", "")
    versions = {name: each.versions for name, each in made.items()}
    docs = {side.driver: _docstring(side) for side in sides}
    tell(*report.sides(sides, docs, versions, failed), "")
    named = {side.key: {"title": side.title.replace("*", ""), "kind": side.kind} for side in sides}
    return {"results": results, "sides": named, "versions": versions, "failed": failed}


def _measured(bench: Bench, measure: str, results: dict[str, Any]) -> measures.Table:
    if measure != "requests":
        taken: measures.Table = getattr(measures, measure)(bench)
        return taken
    judged = results.get("conformance") or measures.conformance(bench)
    return measures.requests(bench, {key: each["contract"] for key, each in judged.items()})


def _here() -> tuple[Side, ...]:
    """Return the floors and agentkit as they run in this environment: with `agentkit[fast]`, where it is installed."""
    _, ours, unrecorded, sdk, bare = TRANSPORTS[1 if find_spec("aiohttp") and find_spec("uvloop") else 0]
    return bare, sdk, unrecorded, ours


def _docstring(side: Side) -> str:
    text = Path(__file__).with_name("peers").joinpath(f"{side.driver}.py").read_text("utf-8")
    return ast.get_docstring(ast.parse(text)) or ""


def _circumstances(rounds: int) -> str:
    return (
        f"Python {platform.python_version()} on {os.cpu_count()} cores. One run, everybody in turns, the median of "
        f"{rounds} rounds, or of as many as a side's share of time allows. CPU is the client process's, all threads. "
        "The service is the emulator in a process of its own; for growth, crowds and recording, where its judging is "
        "what would be measured, one that answers the same and judges nothing. agentkit and floors on aiohttp run "
        "on uvloop, as docs/fast.md says how to, all else in asyncio's own loop. Machines differ: compare the ratios."
    )


def pictured(told: dict[str, Any]) -> Iterator[str]:
    """Keep the figures and draw the picture; yield the line that shows it, or why there is none."""
    FIGURES.write_text(json.dumps(told, indent=1), "utf-8")
    drawing = environments.made(PICTURE)
    if drawing.failed:
        yield f"No picture: {drawing.failed}"
        return
    program = str(Path(__file__).with_name("picture.py"))
    subprocess.run([str(drawing.python), program, str(FIGURES), str(PICTURED)], check=True)  # noqa: S603 - our own program
    yield f"![What agentkit, the floors and the peers take]({PICTURED.name})"
