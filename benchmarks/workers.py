"""Workers of whoever records, as processes: they are started, work round by round, and end with the benchmark."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments import FOLDER, made
from benchmarks.sides import LANGGRAPH

_HERE = Path(__file__).parent
_HOME = FOLDER / LANGGRAPH.name
PINNED = tuple(each for each in LANGGRAPH.requires if each.startswith("langgraph"))

Command = Callable[[str, str, int, int], list[str]]
"""From a place, a worker's name, sessions in a round and steps in a session to what is run."""


@dataclass(frozen=True, slots=True)
class Took:
    """What a round took: recorded steps per second of all workers, milliseconds of CPU per step of the workers."""

    rate: float
    cpu: float


class Workers:
    """The processes of one who records, on one database."""

    def __init__(self, processes: Sequence["subprocess.Popen[str]"], steps: int) -> None:
        self._processes, self._steps = processes, steps

    def round(self, name: str) -> Took:
        """Work one round. Raises: RuntimeError: a worker ended; what it said is on standard error."""
        for process in self._processes:
            _line_to(process, name)
        told = [json.loads(_line_from(process)) for process in self._processes]
        seconds = max(end for _, end, _ in told) - min(start for start, _, _ in told)
        return Took(self._steps / seconds, 1000 * sum(cpu for _, _, cpu in told) / self._steps)


@contextmanager
def started(commands: Sequence[list[str]], steps: int) -> Iterator[Workers]:
    """Start workers, one behind the other, and end them. `steps`: how many all of them record in a round."""
    with ExitStack() as stack:
        processes = []
        for command in commands:
            processes.append(stack.enter_context(_process(command)))
            if _line_from(processes[-1]) != "ready":
                raise RuntimeError(f"{command} did not start")
        yield Workers(processes, steps)


@contextmanager
def _process(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        try:
            yield process
            if process.stdin:
                process.stdin.close()
            process.wait(30)
        finally:
            process.kill()


def _line_to(process: "subprocess.Popen[str]", line: str) -> None:
    if process.stdin:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()


def _line_from(process: "subprocess.Popen[str]") -> str:
    line = process.stdout.readline().strip() if process.stdout else ""
    if not line:
        raise RuntimeError(f"a worker ended: {process.args!r}")
    return line


def agentkit(layer: str) -> Command:
    """Return the command of a worker of agentkit; `layer` as in `recording`."""

    def command(place: str, name: str, sessions: int, steps: int) -> list[str]:
        return [sys.executable, "-m", "benchmarks.recording", layer, place, name, str(sessions), str(steps)]

    return command


def langgraph(layer: str, synchronous: str = "normal") -> Command:
    """Return the command of a worker of LangGraph; `layer` as in `recording_langgraph`."""
    program = str(_HERE / "recording_langgraph.py")

    def command(place: str, name: str, sessions: int, steps: int) -> list[str]:
        return [str(_HOME / "bin/python"), program, layer, place, synchronous, name, str(sessions), str(steps)]

    return command


def dbos(place: str, name: str, sessions: int, steps: int) -> list[str]:
    """Return the command of a worker of DBOS."""
    url = place if "://" in place else f"sqlite:///{place}"
    return [sys.executable, "-m", "benchmarks.recording_dbos", url, name, str(sessions), str(steps)]


def install_langgraph() -> None:
    """Make LangGraph's environment from the package registry, once. Raises: RuntimeError: it could not be made."""
    if failed := made(LANGGRAPH).failed:
        raise RuntimeError(failed)
