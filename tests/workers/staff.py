"""Worker processes, and the shop they work in."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agentkit import Agent, Journal, Model, Session
from agentkit.journal.base import Head
from agentkit.journal.places import open_journal
from tests.forked import Forked, ran
from tests.session import desk

ROOT = Path(__file__).parents[2]


class Shop:
    """A folder: the journal, and what was done in the world."""

    def __init__(self, folder: Path, place: str | None = None) -> None:
        self.folder, self.place = folder, place or str(folder / "db")

    def journal(self) -> Journal:
        """Return the journal as this process uses it."""
        return open_journal(self.place)

    def lines(self, name: str) -> list[list[str]]:
        """Return the words of each line of a file of the world."""
        path = self.folder / name
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def did(self, verb: str) -> list[list[str]]:
        """Return what was done under one verb."""
        return [words[1:] for words in self.lines("did") if words[0] == verb]

    def twice(self, name: str) -> list[str]:
        """Return what stands more than once in a file, by its first word."""
        return [word for word, count in Counter(words[0] for words in self.lines(name)).items() if count > 1]

    def twice_did(self, verb: str) -> list[str]:
        """Return what was done more than once under one verb, by its first word."""
        return [word for word, count in Counter(words[0] for words in self.did(verb)).items() if count > 1]

    def asks_for(self, **pauses: float) -> None:
        """Set how long things take, in seconds."""
        for name, seconds in pauses.items():
            (self.folder / name).write_text(str(seconds))

    async def say(self, session_id: str, text: str, *, id: str = "m1", agent: str = "support") -> None:
        """Leave a message, as an API process does."""
        async with self.journal() as journal:
            await self.session(journal, session_id, agent).say(text, id=id)

    def session(self, journal: Journal, session_id: str, agent: str = "support") -> Session[None, str]:
        """Return a session as a process that drives nothing has it."""
        nobody = Model("nobody", base_url="http://127.0.0.1", contract="generic")
        return Session(Agent(nobody, name=agent), session_id, journal=journal)

    async def head(self, session_id: str) -> Head:
        """Return what the journal knows of a session."""
        async with self.journal() as journal:
            head = await journal.head(session_id)
        assert head is not None
        return head

    async def completed(self, session_id: str) -> bool:
        """Tell whether a session's last turn is completed."""
        return (await self.head(session_id)).status == "completed"

    def opens(self, gate: str) -> None:
        """Let go what `hold` waits for."""
        (self.folder / gate).touch()

    async def statuses(self) -> Counter[str]:
        """Return how many sessions rest in each way."""
        async with self.journal() as journal:
            heads = [await journal.head(session_id) async for session_id in journal.sessions()]
        return Counter(head.status for head in heads if head is not None)

    def command(self, *words: str) -> str:
        """Type a command about the journal, and return what it told."""
        command = (sys.executable, "-m", "agentkit.cli", *words, "--journal", self.place)
        return str(ran(command, cwd=ROOT, env=self._env, check=True).stdout)

    @property
    def _env(self) -> dict[str, str]:
        return {**os.environ, "SHOP": str(self.folder), "PYTHONPATH": str(ROOT)}

    @contextmanager
    def worker(self, *words: str, who: str = "support", ttl: float = 15) -> Iterator["Worker"]:
        """Start a worker; kill it in the end, where it still lives."""
        log = self.folder / f"worker-{time.monotonic_ns()}.log"
        command = (sys.executable, "-m", "agentkit.cli", "worker", "--agent", f"tests.workers.shop:{who}")
        with log.open("w") as output:
            process = Forked(
                (*command, "--journal", self.place, "--ttl", str(ttl), *words),
                cwd=ROOT,
                env=self._env,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield Worker(process, log)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()


class Worker:
    """A worker process."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._process, self._log = process, log
        self.pid = process.pid

    def told(self) -> str:
        """Return what it has written so far."""
        return self._log.read_text()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def ended(self, seconds: float = 40) -> int:
        """Wait for its end, and return its exit code."""
        return self._process.wait(seconds)

    @property
    def lives(self) -> bool:
        """Tell whether it still runs."""
        return self._process.poll() is None


async def until(condition: Callable[[], object | Awaitable[object]]) -> float:
    """Wait until something holds, on a machine where a process may need seconds to start; return the seconds."""
    begun = time.monotonic()
    await desk.until(condition, 40)
    return time.monotonic() - begun
