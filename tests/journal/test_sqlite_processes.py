"""What only a file can meet in another process: a limit on its size, a disk of one megabyte."""

import shutil
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from agentkit.core.events import UserSaid
from agentkit.core.messages import Text
from agentkit.journal import SQLiteJournal

pytestmark = pytest.mark.anyio

WORKER = Path(__file__).parent / "journal_worker.py"


async def texts(journal: SQLiteJournal) -> list[str]:
    found = [record.event async for record in journal.read("s")]
    return [event.parts[0].text for event in found if isinstance(event, UserSaid) and isinstance(event.parts[0], Text)]


async def test_a_write_that_fails_at_commit_is_uncertain_until_loaded_again(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", str(WORKER), str(tmp_path / "j.db"), "15", "outgrow"]
    said_of_it = (await anyio.run_process(command)).stdout.decode().splitlines()
    assert said_of_it[0] == "last_seq 1"
    assert said_of_it[1].startswith("AppendUncertain")
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        assert await texts(journal) == ["before", "after"]


def test_a_full_disk_writes_nothing_and_room_is_all_it_needs(tmp_path: Path) -> None:
    """A disk of one megabyte, mounted where only this test's process can see it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    small = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=1m none "$0" && exec "$@"', str(disk)]
    if not shutil.which("unshare") or subprocess.run([*small, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a disk of their own")
    command = [*small, sys.executable, str(WORKER), str(disk / "j.db"), "15", "fill"]
    said_of_it = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said_of_it[0].startswith("JournalError append to session 's': nothing was written")
    assert "disk is full" in said_of_it[0]
    written, read = said_of_it[1].split()
    assert int(written) == int(read) > 5
    assert said_of_it[2] == "appended"
