"""What may befall a journal file: a storm of writers, a clock that is set, a disk that fills."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from agentkit.errors import JournalError, SessionBusy
from agentkit.journal import SQLiteJournal
from agentkit.journal.base import Lease
from tests.forked import Forked

pytestmark = [pytest.mark.anyio, pytest.mark.crash]

ROOT = Path(__file__).parents[2]
WORKER = ROOT / "tests/journal/journal_worker.py"
HOUR = 3_600_000  # milliseconds


class Others:
    """Other processes on the journal `j.db` of a folder."""

    def __init__(self, folder: Path) -> None:
        self.path, self.started = folder / "j.db", list[subprocess.Popen[str]]()

    def start(self, action: str, ttl: float = 15.0) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "ignore", str(WORKER), str(self.path), str(ttl), action]
        worker = Forked(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.started.append(worker)
        return worker

    def set(self, statement: str) -> None:
        """Change the file behind everybody's back."""
        db = sqlite3.connect(self.path, isolation_level=None, timeout=10)
        try:
            db.execute(statement)
        finally:
            db.close()


@pytest.fixture
def others(tmp_path: Path) -> Iterator[Others]:
    made = Others(tmp_path)
    yield made
    for worker in made.started:
        worker.kill()
        worker.communicate()


async def claim(journal: SQLiteJournal) -> Lease:
    return await journal.claim("s", uid="u", agent="a", owner="test")


def line(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    return worker.stdout.readline().strip()


# --- a storm of writers ----------------------------------------------------------------------------------------------


async def test_eight_processes_write_as_fast_as_they_can(tmp_path: Path, others: Others) -> None:
    """Nothing lost, nothing twice, nobody waits without end: the lock has no queue, so some wait long."""
    workers = [others.start("storm") for _ in range(8)]
    said = [json.loads(worker.communicate(timeout=110)[0]) for worker in workers]
    longest = max(each["longest"] for each in said)
    print(f"\n8 writers: {sum(each['written'] for each in said)} appends, longest wait {longest:.2f} s")  # noqa: T201
    assert [each["errors"] for each in said] == [[]] * 8
    assert longest < 15  # seconds: half of what is waited at most
    async with SQLiteJournal(tmp_path / "j.db", create=False) as journal:
        for each in said:
            records = [record.seq async for record in journal.read(each["session"])]
            assert records == list(range(1, each["written"] + 1))
        rows = [row.dedup for row in await journal.inbox("all")]
        assert len(rows) == len(set(rows)) == sum(each["written"] for each in said)


@pytest.mark.full
async def test_a_lock_that_is_not_given_back_is_said_to_be_so(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        lease = await claim(journal)
        db = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
        db.execute("begin immediate")
        began = anyio.current_time()
        with pytest.raises(JournalError, match=r"nothing was written.*others held the file's lock for 30 s"):
            await journal.put("s", "message", "m", b"{}", None)
        assert anyio.current_time() - began < 30 + 5 + 5, "a renewal of leases keeps it waiting a third of their time"
        db.execute("rollback")
        db.close()
        assert await journal.inbox("s") == []
        await journal.release(lease)


# --- a clock that is set by an hour: for the journal that is the same as leases shifted by one -----------------------


async def test_the_clock_goes_forward_and_a_live_owner_is_fenced(tmp_path: Path, others: Others) -> None:
    worker = others.start("hold")
    assert line(worker) == "holding"
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        with pytest.raises(SessionBusy):
            await claim(journal)
        others.set(f"update session set lease_until = lease_until - {HOUR}")  # noqa: S608 - a figure
        assert [each.session_id for each in await journal.ready()] == ["s"]
        lease = await claim(journal)
        assert lease.epoch == 2
        assert worker.communicate("\n", timeout=60)[0].startswith("Fenced session 's' was taken over behind event 1")
        assert [record.seq async for record in journal.read("s")] == [1]


async def test_the_clock_goes_back_and_a_dead_owner_blocks_nobody(tmp_path: Path, others: Others) -> None:
    worker = others.start("hold", ttl=5)
    assert line(worker) == "holding"
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    others.set("update session set owner = json_set(owner, '$.boot', 'of another machine')")
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        assert await journal.ready() == []
        with pytest.raises(SessionBusy):  # it may live: nobody here can tell, and its lease may yet last
            await claim(journal)
        others.set(f"update session set lease_until = lease_until + {HOUR}")  # noqa: S608 - a figure
        assert [each.session_id for each in await journal.ready()] == ["s"]
        assert (await claim(journal)).epoch == 2


# --- a disk that fills while a worker works --------------------------------------------------------------------------


def test_a_full_disk_stops_workers_and_room_lets_them_go_on(tmp_path: Path) -> None:
    """A disk of two megabytes, mounted where only this test's processes can see it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    small = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=2m none "$0" && exec "$@"', str(disk)]
    if not shutil.which("unshare") or subprocess.run([*small, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a disk of their own")
    command = [*small, sys.executable, "-W", "ignore", "-m", "tests.durable.full_disk", str(tmp_path), str(disk)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    print("\n" + done.stdout)  # noqa: T201 - the figures
    assert "the disk is full: make room and resume" in done.stdout
    assert "it answers again" in done.stdout
