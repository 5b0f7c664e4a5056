"""Programs of ours in processes of their own that cost no imports: forked from one that has them (`tests.zygote`).

`Forked` is `subprocess.Popen`, and the process it starts is a child of this one, to be killed, frozen and waited for.
What is not started by this Python, and everything where there is no Linux, is started in the ordinary way.
"""

import atexit
import ctypes
import inspect
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
PR_SET_CHILD_SUBREAPER: Final = 36
COUNTING: Final = "COVERAGE_PROCESS_CONFIG"  # coverage's own: who finds it counts
_DESCRIPTORS: Final = ("p2cread", "c2pwrite", "errwrite")
_PIPES: Final = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
_EXECUTE: Final[Any] = getattr(subprocess.Popen, "_execute_child")  # noqa: B009 - of the library: what starts a process
_SIGNATURE: Final = inspect.signature(_EXECUTE)


class Forked(subprocess.Popen[Any]):
    """A process; its command is `[sys.executable, "-W", "ignore", "-m", MODULE, WORD, …]`, or with `-c`, or a file."""

    def _execute_child(self, *given: Any, **named: Any) -> None:
        told = _SIGNATURE.bind(self, *given, **named).arguments
        order = _order(told)
        if order is None:
            super()._execute_child(*given, **named)  # type: ignore[misc]
            return
        try:
            self.pid = _zygote(counted=COUNTING in os.environ).fork(
                order, [told[each] if told[each] != -1 else at for at, each in enumerate(_DESCRIPTORS)]
            )
            self._child_created = True
        finally:
            self._close_pipe_fds(*(told[each] for each in _PIPES))  # type: ignore[attr-defined]


def ran(command: Sequence[str | Path], *, timeout: float = 60, check: bool = False, **how: Any) -> Any:
    """Run a program to its end, as `subprocess.run` does with its output captured as text."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **how}
    with Forked([str(each) for each in command], **streams) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(command, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done


def _order(told: dict[str, Any]) -> dict[str, Any] | None:
    words = [str(each) for each in told["args"]] if not isinstance(told["args"], str) else []
    quiet = words[1:3] == ["-W", "ignore"]
    rest = words[3 if quiet else 1 :]
    special = (told[name] for name in ("preexec_fn", "executable", "pass_fds", "shell"))
    if sys.platform != "linux" or words[:1] != [sys.executable] or not rest or any(special):
        return None
    how, program = (rest[0], rest[1]) if rest[0] in {"-m", "-c"} else ("", rest[0])
    if program.startswith("-"):
        return None
    return {
        "how": how,
        "program": program,
        "words": rest[2 if how else 1 :],
        "quiet": quiet,
        "cwd": str(Path(told["cwd"] or ".").absolute()),
        "env": {**(os.environ if told["env"] is None else told["env"])},
        "session": told["start_new_session"],
    }


class _Zygote:
    def __init__(self, *, counted: bool) -> None:
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.zygote", str(theirs.fileno())]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        if not counted:
            env.pop(COUNTING, None)
        self._process = subprocess.Popen(command, cwd=ROOT, env=env, pass_fds=[theirs.fileno()])
        theirs.close()

    def fork(self, order: dict[str, Any], fds: list[int]) -> int:
        """Return the pid of a new child of this process."""
        prctl = ctypes.CDLL(None).prctl
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        try:
            socket.send_fds(self._link, [json.dumps(order).encode()], fds)
            answer = self._link.recv(32)
        finally:
            prctl(PR_SET_CHILD_SUBREAPER, 0)
        if not answer:
            raise RuntimeError(f"tests.zygote ended with {self._process.wait()}: what it said is above")
        return int(answer)

    def end(self) -> None:
        self._link.close()
        self._process.wait()


@cache
def _zygote(*, counted: bool) -> _Zygote:
    """Return the process to fork from: one whose lines coverage counts, and one for tests that are not `counted`."""
    started = _Zygote(counted=counted)
    atexit.register(started.end)
    return started
