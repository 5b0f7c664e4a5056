"""A folder to work in, beside what must not be reached; and a name that is two things in turns."""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HIDDEN = "the plans of the shop"
_EXCHANGE = 2  # RENAME_EXCHANGE, renameat2(2)
_HERE = -100  # AT_FDCWD


def furnished(place: Path) -> Path:
    """Make a folder with some files, beside a secret."""
    (place / "secret.txt").write_text(HIDDEN)
    (place / "outside").mkdir()
    (place / "outside/secret.txt").write_text(HIDDEN)
    inside = place / "notes"
    (inside / "sub").mkdir(parents=True)
    (inside / "a.md").write_text("one\ntwo\nthree\n")
    (inside / "sub/b.md").write_text("two more\n")
    return inside


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def untouched(room: Path) -> bool:
    outside = room.parent
    return (
        names_in(outside) == ["notes", "outside", "secret.txt"]
        and names_in(outside / "outside") == ["secret.txt"]
        and (outside / "secret.txt").read_text() == HIDDEN
        and (outside / "outside/secret.txt").read_text() == HIDDEN
    )


def exchange(one: Path, other: Path) -> None:
    """Let two names change places in one step, so that neither is missing for a moment."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextmanager
def swapping(one: Path, other: Path) -> Iterator[None]:
    """Exchange two names as fast as a thread can."""
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            exchange(one, other)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
