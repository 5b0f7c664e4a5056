"""`export` and `import`: a session as JSON lines, out of one journal and into another."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from agentkit.cli.exits import Exit
from agentkit.cli.project import hint, journal_of, known
from agentkit.cli.screen import Screen
from agentkit.errors import ConfigurationError
from agentkit.ids import uuid7
from agentkit.journal import export as lines
from agentkit.journal.base import Journal


async def export(options: argparse.Namespace, screen: Screen) -> int:
    """Write a session's lines to a file, or to whatever standard output is piped into."""
    if options.output is None and sys.stdout.isatty():
        raise ConfigurationError("these lines are for a file: name one with --output, or pipe them on")
    async with journal_of(options) as journal:
        if options.output is None:
            await _write(journal, options.id, sys.stdout.buffer)
            return Exit.OK
        await known(journal, options.id)
        with _opened(Path(options.output), "xb") as file:
            await _write(journal, options.id, file)
    screen.line(f"session {options.id} is in {options.output}")
    return Exit.OK


async def import_(options: argparse.Namespace, screen: Screen) -> int:
    """Take a session from lines."""
    async with journal_of(options, create=True) as journal:
        if options.file == "-":
            name = await lines.import_(journal, sys.stdin.buffer, uid=uuid7(), session_id=options.new_id)
        else:
            with _opened(Path(options.file), "rb") as file:
                name = await lines.import_(journal, file, uid=uuid7(), session_id=options.new_id)
    screen.line(f"session {name} is here now; to look at it: {hint(options, 'show', name)}")
    return Exit.OK


async def _write(journal: Journal, session_id: str, file: BinaryIO) -> None:
    async for line in lines.export(journal, session_id):
        file.write(line)
    file.flush()


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[BinaryIO]:
    try:
        file = path.open(mode)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    with file:
        yield file  # type: ignore[misc]  # both modes are binary
