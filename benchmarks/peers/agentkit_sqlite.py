"""agentkit, `Session` on a `SQLiteJournal` that is open all the time: every step is on disk before the next begins."""

from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from agentkit import Journal, SQLiteJournal
from benchmarks.peers.agentkit_memory import Agentkit
from benchmarks.peers.shape import serve


class Recorded(Agentkit):
    """Sessions of agentkit in a file."""

    def journal(self, stack: AsyncExitStack) -> Journal:
        """Return a file in a new folder."""
        return SQLiteJournal(Path(stack.enter_context(TemporaryDirectory()), "bench.db"))


SIDE = Recorded

if __name__ == "__main__":
    serve(SIDE())
