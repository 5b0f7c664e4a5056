"""`case`: a recorded session as a test fixture."""

import argparse
import re
from pathlib import Path

from agentkit.cli.exits import Exit
from agentkit.cli.project import journal_of, known
from agentkit.cli.screen import DIM, Screen
from agentkit.errors import ConfigurationError
from agentkit.journal import export as lines

FOLDER = Path("tests") / "cases"


async def case(options: argparse.Namespace, screen: Screen) -> int:
    """Write a session where tests find it, and say how to use it."""
    path = Path(options.output) if options.output else FOLDER / f"{_file_name(options.id)}.jsonl"
    async with journal_of(options) as journal:
        head = await known(journal, options.id)
        if not head.last_seq:
            raise ConfigurationError(f"session {options.id!r} holds no event yet: there is nothing to test")
        written = b"".join([line async for line in lines.export(journal, options.id)])
    _write(path, written)
    if screen.json:
        screen.result({"session": options.id, "file": str(path), "bytes": len(written), "events": head.last_seq})
        return Exit.OK
    screen.line(f"session {options.id} is in {path} ({len(written):,} bytes). As a test:")
    screen.line(("from agentkit.testing import replay_case", DIM), indent=4)
    screen.line((f"async def test_{_file_name(options.id).replace('-', '_')}() -> None:", DIM), indent=4)
    screen.line((f'await replay_case("{path.as_posix()}", agent, loop=True)', DIM), indent=8)
    return Exit.OK


def _file_name(session_id: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", session_id).strip("-") or "case"


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise ConfigurationError(
            f"{path} is there already: delete it first, or name another file with --output"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
