"""Running a program with as little as it needs: no input, no environment, limits, and a box where there is one.

In the box (bubblewrap, `bwrap`) a program sees the system's own folders and the one it works in, cannot write outside
it, has no network, and dies with all it started. Without it there are the limits, the empty environment and the end of
the process group: a program may then read what its user may read, reach the network, and leave a process behind.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT

from anyio import (
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    create_task_group,
    current_time,
    move_on_after,
    open_process,
)
from anyio.abc import Process

from agentkit.errors import ConfigurationError

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime", "/etc/ssl")
_NAMES = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")  # how names of hosts are found
_PROBE = 10.0  # seconds
_REST_SECONDS = 0.5  # for what is still in the pipe when the program has ended
# Runs before the program, in its process: sets the limits, which everything it starts inherits.
_LAUNCH = """
import os, resource, sys
for each in sys.argv[1].split(","):
    name, value = each.split("=")
    kind = getattr(resource, name)
    most = resource.getrlimit(kind)[1]
    value = int(value) if most < 0 else min(int(value), most)
    resource.setrlimit(kind, (value, value))
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one program may take.

    Attributes:
        seconds: by the clock; its processes may each use as much of a CPU, too. output: bytes. memory: bytes of address
            space, of each process. file: bytes of each file it writes. arguments: bytes of all of them.
    """

    seconds: float = 20.0
    output: int = 50_000
    memory: int = 2_000_000_000
    file: int = 100_000_000
    arguments: int = 100_000


@dataclass(frozen=True, kw_only=True)
class Box:
    """What a program is shut in.

    Attributes:
        required: True: not without bubblewrap. False: without it. None: with it where it is there and works.
        network: whether the program reaches the network.
        see: folders it sees beside the system's own and the one it works in, for reading.
    """

    required: bool | None = None
    network: bool = False
    see: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ended:
    """How a program ended: its code (negative: a signal), its output, and why it was stopped, "" if it was not."""

    code: int | None
    output: bytes
    stopped: str


class Runner:
    """Runs programs in a folder.

    Raises:
        ConfigurationError: a folder is not there, the box is required and does not work here, or the system has no
            process groups.
    """

    def __init__(self, folder: str | os.PathLike[str], box: Box, limits: Limits, *, write: bool) -> None:
        if not hasattr(os, "killpg"):
            raise ConfigurationError("programs are run on systems with process groups only (Linux, macOS).")
        if not Path(folder).is_dir():
            raise ConfigurationError(f"the folder {os.fspath(folder)!r} is not there: make it first.")
        if missing := next((each for each in box.see if not Path(each).is_dir()), None):
            raise ConfigurationError(f"Box(see=…): the folder {missing!r} is not there.")
        self._folder = os.fspath(Path(folder).resolve())
        self._limits = limits
        self._box = () if box.required is False else _box(self._folder, box, write=write)
        if box.required and not self._box:
            raise ConfigurationError(
                "the box needs bubblewrap (`bwrap`) and user namespaces; one of the two is missing."
            )
        self.boxed = bool(self._box)
        self._seen = (*_SYSTEM, self._folder, *map(os.path.realpath, box.see)) if self.boxed else ("/",)

    def sees(self, program: str) -> bool:
        """Tell whether a program would be found in the box."""
        places = {Path(program).absolute(), Path(program).resolve()}
        return all(any(each.is_relative_to(seen) for seen in self._seen) for each in places)

    async def run(self, program: str, arguments: Sequence[str]) -> Ended:
        """Run a program to its end, or to the end of its time or room. What it started ends with it.

        Raises:
            OSError: it could not be started.
        """
        process = await open_process(
            [*self._launch(), *self._box, program, *arguments],
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            cwd=self._folder,
            env={"PATH": os.defpath, "HOME": "/nonexistent", "LANG": "C.UTF-8"},
            start_new_session=True,
        )
        watch = _Watch(process, self._limits.output)
        try:
            with move_on_after(self._limits.seconds) as scope:
                await watch.run()
        finally:
            _kill(process)
            with CancelScope(shield=True):
                await process.aclose()
        stopped = f"it ran longer than the {self._limits.seconds:g} s allowed" if scope.cancelled_caught else watch.full
        return Ended(process.returncode, bytes(watch.output), stopped)

    def _launch(self) -> tuple[str, ...]:
        limits = {
            "RLIMIT_CPU": ceil(self._limits.seconds) + 1,
            "RLIMIT_AS": self._limits.memory,
            "RLIMIT_FSIZE": self._limits.file,
            "RLIMIT_CORE": 0,
            "RLIMIT_NOFILE": 256,
        }
        told = ",".join(f"{name}={value}" for name, value in limits.items())
        return sys.executable, "-I", "-S", "-c", _LAUNCH, told


class _Watch:
    """Reads what a program says until it has ended, or has said too much."""

    def __init__(self, process: Process, room: int) -> None:
        self.output = bytearray()
        self.full = ""
        self._process = process
        self._room = room

    async def run(self) -> None:
        async with create_task_group() as group:
            group.start_soon(self._read)
            await self._process.wait()
            # A process it left behind may hold the pipe open: its end is not waited for.
            group.cancel_scope.deadline = min(group.cancel_scope.deadline, current_time() + _REST_SECONDS)

    async def _read(self) -> None:
        stream = self._process.stdout
        with suppress(EndOfStream, BrokenResourceError, ClosedResourceError):
            while stream is not None and not self.full:
                self.output += await stream.receive(16_384)
                if len(self.output) > self._room:
                    del self.output[self._room :]
                    self.full = f"it said more than the {self._room} bytes allowed"
                    _kill(self._process)


def _kill(process: Process) -> None:
    """End a program and what it started, as far as that stayed in its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _box(folder: str, box: Box, *, write: bool) -> tuple[str, ...]:
    """Return the command that makes the box, nothing where it does not work."""
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        return ()
    shown = (*_SYSTEM, *_SETTINGS, *(_NAMES if box.network else ()), *(str(Path(each).absolute()) for each in box.see))
    system = [part for each in shown for part in ("--ro-bind-try", each, each)]
    command = (
        *(bubblewrap, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *(("--share-net",) if box.network else ()),
        *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", *system),  # noqa: S108 - a new one, in the box
        *("--bind" if write else "--ro-bind", folder, folder, "--chdir", folder, "--"),
    )
    nothing = shutil.which("true") or "true"
    try:
        tried = subprocess.run((*command, nothing), stdin=DEVNULL, capture_output=True, timeout=_PROBE, check=False)  # noqa: S603 - ours
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return command if tried.returncode == 0 else ()
