"""`export` and `import`: a session as JSON lines, out of one journal and into another."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from agentkit.cli.exits import Exit
from agentkit.cli.figures import count
from agentkit.cli.keep import matching
from agentkit.cli.project import hint, journal_of, known
from agentkit.cli.screen import Screen
from agentkit.errors import ConfigurationError
from agentkit.ids import uuid7
from agentkit.journal import export as lines
from agentkit.journal.base import Journal

_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY


async def export(options: argparse.Namespace, screen: Screen) -> int:
    """Write a session's lines to a file, or to whatever standard output is piped into."""
    if options.output is None and sys.stdout.isatty():
        raise ConfigurationError("these lines are for a file: name one with --output, or pipe them on")
    if (options.id is None) == (options.matching is None):
        raise ConfigurationError("name a session, or --matching PATTERN: one of the two")
    async with journal_of(options) as journal:
        names = [options.id] if options.id is not None else await matching(journal, options.matching)
        whole = options.matching is not None
        if options.output is None:
            await _write(journal, names, sys.stdout.buffer, whole=whole)
            return Exit.OK
        for name in names:
            await known(journal, name)
        with _opened(Path(options.output), "xb") as file:
            await _write(journal, names, file, whole=whole)
    what = count(len(names), "session") if whole else f"session {options.id}"
    screen.line(f"{what} {'is' if len(names) == 1 else 'are'} in {options.output}")
    return Exit.OK


async def import_(options: argparse.Namespace, screen: Screen) -> int:
    """Take a session from lines."""
    async with journal_of(options, create=True) as journal:
        if options.file == "-":
            names = await _taken(journal, sys.stdin.buffer, options.new_id)
        else:
            with _opened(Path(options.file), "rb") as file:
                names = await _taken(journal, file, options.new_id)
    for name in names:
        screen.line(f"session {name} is here now; to look at it: {hint(options, 'show', name)}")
    return Exit.OK


async def _taken(journal: Journal, file: BinaryIO, new_id: str | None) -> list[str]:
    return await lines.import_all(journal, file, uid=uuid7, session_id=new_id)


async def _write(journal: Journal, session_ids: list[str], file: BinaryIO, *, whole: bool) -> None:
    async for line in lines.export_all(journal, *session_ids, whole=whole):
        file.write(line)
    file.flush()


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[BinaryIO]:
    try:
        file = path.open(mode) if mode == "rb" else os.fdopen(os.open(path, _NEW, 0o600), "wb")  # private as a journal
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    with file:
        yield file  # type: ignore[misc]  # both modes are binary
