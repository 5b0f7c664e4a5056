"""A tool's function in a process of its own, for what keeps a CPU busy: `process=True`.

It can be killed, which no thread can: when its time is over, when the turn is cancelled, and when this process dies.
The process is there, and has found the function, before the call's time begins; until then nothing has happened.

Not `anyio.to_process`, nor `multiprocessing`: both run the program's main module again in the new process, and one
without `if __name__ == "__main__"` would hold its whole conversation a second time.
"""

import inspect
import os
import pickle
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from json import dumps
from types import FunctionType
from typing import Any, Final

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from agentkit.core.values import dataclass
from agentkit.errors import ConfigurationError
from agentkit.tools.schema import Inputs
from agentkit.tools.worker import HEAD, Answer, Lost

READY: Final = 60.0  # seconds a process may take to start and to import the tool's module
_PROGRAM: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from agentkit.tools.worker import serve; serve()"
)


class NotBegun(Exception):  # noqa: N818 - a known outcome: nothing has happened
    """The process did not get as far as the function. The text says why."""


class ProcessDied(Lost):
    """The process ended without an answer: nobody knows how far it came."""


def check_importable(function: Callable[..., Any], inputs: Inputs) -> None:
    """Refuse what another process cannot run. Raises: ConfigurationError: the text says what to write."""
    name = getattr(function, "__qualname__", repr(function))
    if inputs.context is not None:
        raise ConfigurationError(
            f"{name}: process=True, and a ToolContext: deps stay in this process. Take what the tool needs as "
            "parameters or make it there, and drop the context; or drop process=True."
        )
    if inspect.iscoroutinefunction(function):
        raise ConfigurationError(f"{name}: process=True is for a plain function that computes: write `def`.")
    if not isinstance(function, FunctionType) or "<" in name:
        raise ConfigurationError(
            f"{name}: process=True needs a function that another process can import: write `def` at the top level of "
            "a module (no lambda, no function inside another one, no method of an object, no partial)."
        )
    if function.__module__ == "__main__":
        raise ConfigurationError(
            f"{name}: process=True, and it is defined in the program itself, which another process cannot import "
            "without running it. Move it into a module of its own and import it from there."
        )


@dataclass(frozen=True)
class Worker:
    """A process that has found the function and waits for its arguments."""

    process: Process
    answers: BufferedByteReceiveStream
    values: bytes

    async def run(self) -> Any:
        """Run the function. Raises: ProcessDied, Lost; and whatever the function raises."""
        await self.send(self.values)
        kind, value, trace = await self.answer()
        match kind:
            case "returned":
                return value
            case "large":
                return f"(it is done; its result takes {value} bytes, which are too many to be kept)"
            case "unsent":
                return f"(it is done; its result cannot be sent to this process: {value})"
            case _:
                value.add_note(f"In the tool's process:\n{trace}")
                raise value

    async def send(self, data: bytes) -> None:
        """Send one frame. Raises: ProcessDied."""
        try:
            await _stdin(self.process).send(len(data).to_bytes(HEAD, "big") + data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise ProcessDied(await self._how()) from None

    async def answer(self) -> Answer:
        """Receive one frame. Raises: ProcessDied. Lost: it cannot be read."""
        try:
            size = int.from_bytes(await self.answers.receive_exactly(HEAD), "big")
            data = await self.answers.receive_exactly(size)
        except (anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise ProcessDied(await self._how()) from None
        try:
            answer: Answer = pickle.loads(data)  # noqa: S301 - our own process
        except Exception as error:  # noqa: BLE001 - whatever a value's own code raises: it is no word of the tool's
            raise Lost(f"its answer cannot be read in this process ({type(error).__name__}: {error})") from None
        return answer

    async def _how(self) -> str:
        code = await self.process.wait()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"its process ended with {how} before it had answered"


@asynccontextmanager
async def worker(function: Callable[..., Any], values: dict[str, Any]) -> AsyncIterator[Worker]:
    """Start a process that is ready to run a function, and end it, whatever it does, when it is left.

    Raises:
        NotBegun: it cannot be started, cannot import the function, or the arguments cannot be sent.
    """
    try:
        data = pickle.dumps(values)
    except Exception as error:  # whatever a value's own code raises
        raise NotBegun(f"its arguments cannot be sent to a process ({type(error).__name__}: {error})") from error
    command = [sys.executable, "-c", _PROGRAM, dumps(sys.path)]
    try:
        process = await anyio.open_process(command, stderr=None, start_new_session=True)
    except OSError as error:
        raise NotBegun(f"no process could be started ({error})") from error
    try:
        made = Worker(process, BufferedByteReceiveStream(_stdout(process)), data)
        await _ready(made, function)
        yield made
    finally:
        with anyio.CancelScope(shield=True):
            with suppress(ProcessLookupError, PermissionError):  # it has ended by itself
                os.killpg(process.pid, signal.SIGKILL)
            await process.aclose()


async def _ready(made: Worker, function: Callable[..., Any]) -> None:
    try:
        with anyio.fail_after(READY):
            await made.send(dumps([function.__module__, function.__qualname__]).encode())
            kind, value, _ = await made.answer()
    except (TimeoutError, Lost) as error:
        why = f"it was not ready after {READY:g} s" if isinstance(error, TimeoutError) else str(error)
        raise NotBegun(f"its process did not start ({why})") from error
    if kind != "ready":
        raise NotBegun(f"its process cannot import {function.__module__}.{function.__qualname__} ({value})")


def _stdin(process: Process) -> Any:
    return process.stdin


def _stdout(process: Process) -> Any:
    return process.stdout
