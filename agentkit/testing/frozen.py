"""A worker in a real process that is frozen in the middle of its work, as a paused machine or a swapped-out one is."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

import anyio

from agentkit.core.events import AnyEvent
from agentkit.errors import AgentkitError
from agentkit.journal.base import Journal

_GRACE = 10.0  # seconds a process is given to end after SIGTERM
_LOOK = 0.01  # seconds between looks at whether it has stopped


class FrozenWorker:
    """A child process that is stopped (SIGSTOP) once an event of a session is recorded, until `thaw`.

    Freeze it in the middle of a tool, let another worker take the session over when the lease has run out, thaw it, and
    see that its record is refused and that it says so (`said`). Not on Windows.

    Args:
        command: the process, like `["agentkit", "worker", "--agent", "shop:support", "--journal", "shop.db"]`.
        journal: where the session is, opened by the test.
        session_id: the session.
        at: the type of the event behind which it is frozen, like `events.ToolStarted`. Freezing takes a few
            milliseconds, so what is to be caught has to last longer.
        env: the process's environment; None: this one's.
        seconds: how long to wait for the event.
    """

    def __init__(
        self,
        command: Sequence[str],
        journal: Journal,
        session_id: str,
        *,
        at: type[AnyEvent],
        env: Mapping[str, str] | None = None,
        seconds: float = 30.0,
    ) -> None:
        self._command, self._journal, self._session_id, self._at = tuple(command), journal, session_id, at
        self._env, self._seconds, self._after = env, seconds, 0
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None

    async def __aenter__(self) -> Self:
        """Start it, and wait until it is frozen. Raises: AgentkitError: the event did not come, or it ended."""
        self._output = TemporaryFile()  # noqa: SIM115 - closed in __aexit__
        self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - a command of the test's own; starting takes no time
            self._command, stdout=self._output, stderr=self._output, env=None if self._env is None else dict(self._env)
        )
        try:
            await self._freeze()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, t: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        if self._running.poll() is None:
            self._running.kill()
        self._running.wait()
        if self._output is not None:
            self._output.close()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._running.pid

    @property
    def said(self) -> str:
        """What it has written so far, to stdout and stderr."""
        if self._output is None:
            return ""
        return os.pread(self._output.fileno(), 1 << 24, 0).decode("utf-8", "replace")

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise AgentkitError("the worker is not started: use `async with FrozenWorker(…)`")
        return self._process

    def thaw(self) -> None:
        """Let it go on."""
        self._running.send_signal(signal.SIGCONT)

    async def says(self, text: str, *, seconds: float = 10.0) -> None:
        """Wait until it has written `text`. Raises: AgentkitError: it did not."""
        with anyio.move_on_after(seconds):
            return await _until(lambda: text in self.said)
        raise AgentkitError(f"the worker did not say {text!r} within {seconds:g} s. It said:\n{self.said}")

    async def stop(self) -> int:
        """Stop it as an operator would, by SIGTERM, and return its exit code. Raises: AgentkitError: it stays."""
        self._running.terminate()
        with anyio.move_on_after(_GRACE):
            await _until(lambda: self._running.poll() is not None)
            return self._running.returncode
        raise AgentkitError(f"the worker did not end within {_GRACE:g} s of SIGTERM. It said:\n{self.said}")

    async def _freeze(self) -> None:
        with anyio.move_on_after(self._seconds):
            while not await self._seen():
                if self._running.poll() is not None:
                    raise AgentkitError(f"the worker ended before {self._at.__name__}. It said:\n{self.said}")
                await anyio.sleep(_LOOK)
            self._running.send_signal(signal.SIGSTOP)
            return await _until(lambda: os.WIFSTOPPED(os.waitpid(self.pid, os.WUNTRACED | os.WNOHANG)[1]))
        raise AgentkitError(
            f"session {self._session_id!r} had no {self._at.__name__} within {self._seconds:g} s. The worker said:\n"
            f"{self.said}"
        )

    async def _seen(self) -> bool:
        async for record in self._journal.read(self._session_id, after=self._after):
            self._after = record.seq
            if isinstance(record.event, self._at):
                return True
        return False


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - a process and its output tell nobody when they change
        await anyio.sleep(_LOOK)
