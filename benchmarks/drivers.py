"""Drivers as processes: each side's Python runs its driver, is given jobs and tells what they took."""

import json
import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.environments import ROOT, Environment
from benchmarks.sides import Side

GRACE = 60.0  # seconds a driver has beyond a job's budget to stop what it does

_QUIET = {  # what would slow a peer down, or send something out, is off
    "AGNO_TELEMETRY": "false",
    "DO_NOT_TRACK": "1",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "OTEL_SDK_DISABLED": "true",
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tools")]),
}

Job = dict[str, Any]
Told = dict[str, Any]


class Drivers:
    """The drivers' processes, each started when it is first given a job and again after one that went wrong."""

    def __init__(self, environments: dict[str, Environment]) -> None:
        self._environments = environments
        self._processes: dict[str, subprocess.Popen[str]] = {}

    def do(self, side: Side, **job: Any) -> Told:
        """Give a side a job. What it took, or `error`; after an error or a cut its process is a new one."""
        process = self._processes.get(side.key) or self._started(side)
        told = _asked(process, job) if process else {"error": "the driver did not start"}
        if told.get("error") or told.get("cut"):
            self.end(side)
        return told

    def _started(self, side: Side) -> "subprocess.Popen[str] | None":
        process = subprocess.Popen(  # noqa: S603 - our own program
            [*command(self._environments[side.home.name]), "-m", f"benchmarks.peers.{side.driver}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            **surroundings(side),
        )
        self._processes[side.key] = process
        if "error" not in _line(process, GRACE):
            return process
        self.end(side)
        return None

    def end(self, side: Side) -> None:
        """End a side's process, if it has one."""
        if process := self._processes.pop(side.key, None):
            process.kill()
            process.communicate()

    def end_all(self, sides: tuple[Side, ...]) -> None:
        """End them all."""
        for side in sides:
            self.end(side)


@contextmanager
def drivers(environments: dict[str, Environment], sides: tuple[Side, ...]) -> Iterator[Drivers]:
    """Have drivers for as long as the context lasts."""
    having = Drivers(environments)
    try:
        yield having
    finally:
        having.end_all(sides)


def command(environment: Environment) -> list[str]:
    """Return how a side's Python is started."""
    return [str(environment.python), "-W", "ignore"]


def surroundings(side: Side) -> dict[str, Any]:
    """Return where it is started, with the API key it is to use and its event loop."""
    own = {"BENCHMARK_KEY": side.key, "BENCHMARK_LOOP": side.home.loop}
    return {"cwd": ROOT, "env": {**os.environ, **_QUIET, **own}}


def _asked(process: "subprocess.Popen[str]", job: Job) -> Told:
    if process.stdin is None:
        raise TypeError("a driver reads its jobs")
    process.stdin.write(json.dumps(job) + "\n")
    process.stdin.flush()
    return _line(process, job.get("budget", 0.0) + GRACE)


def _line(process: "subprocess.Popen[str]", seconds: float) -> Told:
    if process.stdout is None:
        raise TypeError("a driver tells what jobs took")
    if not select.select([process.stdout], [], [], seconds)[0]:
        return {"error": f"it did not stop in {seconds:g} s"}
    line = process.stdout.readline()
    told: Told = json.loads(line) if line else {"error": "the driver ended"}
    return told
