"""The world outside agentkit: files that only grow, and that outlive every process."""

import os
import time
from pathlib import Path
from typing import NamedTuple


class Line(NamedTuple):
    """What one process noted: its words, and when (seconds since 1970)."""

    words: tuple[str, ...]
    at: float


class World:
    """A folder of such files. What is done in it takes `takes` seconds before it happens, and as many after."""

    def __init__(self, folder: Path, takes: float = 0.01) -> None:
        self.folder, self.takes = folder, takes

    def note(self, name: str, *words: str) -> None:
        """Add a line in one write, so that it is there in full or not at all, whoever is killed."""
        file = os.open(self.folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{time.time():.6f} {' '.join(words)}\n".encode())
        os.close(file)

    def lines(self, name: str) -> list[Line]:
        """Return what was noted, in order."""
        path = self.folder / name
        told = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [Line(tuple(words), float(at)) for at, *words in told]


def done(session: str, step: int) -> str:
    """Return what `book` returns."""
    return f"booked {session}/{step}"
