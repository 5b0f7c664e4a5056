"""What erasing leaves in the files of a journal, searched as bytes."""

import resource
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import anyio
import pytest

from agentkit.errors import ErasureUnfinished, JournalError, KeyMissing, SessionErased
from agentkit.journal import SQLiteJournal
from agentkit.journal.keeping import tombstone
from agentkit.journal.keys import KeyFolder
from tests.journal.personal import NAME, WORDS, found, speak

pytestmark = pytest.mark.anyio

MASTER = bytes(range(32))
ZOE = "zoe@mail.example"


async def test_no_byte_of_the_persons_text_is_left_while_the_journal_is_open(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        await speak(journal)
        await speak(journal, "another", times=1)
        await journal.erase("another")  # so that pages are free when the next one goes
        await speak(journal, "third", times=2)
        assert len(found(tmp_path)) > 10
        await journal.erase(ZOE, "third")
        assert found(tmp_path) == []
        assert [trace.type async for trace in journal.traces(ZOE)].count("UserSaid") == 3
    assert found(tmp_path) == []


@pytest.mark.parametrize("structure", [True, False])
async def test_others_keep_what_they_said(tmp_path: Path, *, structure: bool) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        await speak(journal)
        await speak(journal, "another")
        before = [record async for record in journal.read("another")]
        await journal.erase(ZOE, structure=structure)
        assert [record async for record in journal.read("another")] == before
        assert await journal.head("another") is not None


async def test_a_reader_of_an_old_state_keeps_an_erasure_unfinished(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db", wait=0.5) as journal:
        await speak(journal)
        other = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
        other.execute("begin")
        assert other.execute("select count(*) from event").fetchone()[0] > 0
        with pytest.raises(ErasureUnfinished, match=r"others hold an old state of the file.*agentkit vacuum"):
            await journal.erase(ZOE)
        assert found(tmp_path) != []
        with pytest.raises(SessionErased):
            _ = [record async for record in journal.read(ZOE)]
        other.execute("rollback")
        await journal.vacuum()
        assert found(tmp_path) == []
        assert (await journal.erase(ZOE)).session_ids == ()
        other.close()


async def test_a_reader_that_ends_in_time_is_waited_for(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        await speak(journal)
        other = sqlite3.connect(tmp_path / "j.db", isolation_level=None, check_same_thread=False)
        other.execute("begin")
        assert other.execute("select count(*) from event").fetchone()[0] > 0
        threading.Timer(1.5, lambda: other.execute("rollback")).start()
        await journal.erase(ZOE)
        assert found(tmp_path) == []
        other.close()


async def test_leases_held_here_are_renewed_while_an_erasure_waits(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db", ttl=2, wait=3) as journal:
        await speak(journal)
        lease = await journal.claim("mine", uid="u", agent="a", owner="test")
        other = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
        other.execute("begin")
        other.execute("select count(*) from event").fetchone()
        with pytest.raises(ErasureUnfinished):
            await journal.erase(ZOE)
        head = await journal.head("mine")
        assert head is not None
        assert head.lease_until is not None
        assert head.epoch == lease.epoch
        (now,) = other.execute("select (julianday('now') - 2440587.5) * 86400").fetchone()
        assert head.lease_until.timestamp() > now
        other.close()


async def test_a_file_of_the_first_format_can_be_erased_from(tmp_path: Path) -> None:
    """secure_delete, free pages and the log of a file that an earlier version wrote."""
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        await speak(journal)
        db = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
        db.execute("create table scratch (x)")
        db.executemany("insert into scratch values (?)", [(NAME,)] * 500)
        db.execute("drop table scratch")
        db.close()
        await journal.erase(ZOE)
    assert found(tmp_path) == []


async def test_free_pages_are_given_back(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        await speak(journal, times=40)
        large = (await journal.sizes()).file
        await journal.erase(ZOE, structure=False)
        sizes = await journal.sizes()
        assert large is not None
        assert sizes.file is not None
        assert sizes.file < large / 4
        assert (sizes.log, sizes.free) == (0, 0)
        assert (tmp_path / "j.db").stat().st_size == sizes.file


async def test_nothing_readable_is_in_a_sealed_file_ever(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db", keys=KeyFolder(tmp_path / "keys", MASTER)) as journal:
        await speak(journal, "session-1")
        assert found(tmp_path) == []
        assert found(tmp_path, words=(ZOE,)) == []
        backup = tmp_path / "backup"
        backup.mkdir()
        for name in ("j.db", "j.db-wal"):
            (backup / name).write_bytes((tmp_path / name).read_bytes())
        assert WORDS[4] in str([record async for record in journal.read("session-1")])
        await journal.erase("session-1")
        assert list((tmp_path / "keys").iterdir()) == []
    async with SQLiteJournal(backup / "j.db", keys=KeyFolder(tmp_path / "keys", MASTER)) as old:
        with pytest.raises(KeyMissing, match=r"is not in .*keys: another folder is meant, or it was destroyed"):
            _ = [record async for record in old.read("session-1")]
        with pytest.raises(KeyMissing):
            await old.inbox("session-1")
    assert found(backup) == []


async def test_erasing_a_sealed_session_without_keys_is_refused(tmp_path: Path) -> None:
    ring = KeyFolder(tmp_path / "keys", MASTER)
    async with SQLiteJournal(tmp_path / "j.db", keys=ring) as journal:
        await speak(journal)
    async with SQLiteJournal(tmp_path / "j.db") as plain:
        with pytest.raises(KeyMissing, match="Nothing was erased"):
            await plain.erase(ZOE)
        with pytest.raises(KeyMissing, match="is sealed with data key"):
            _ = [record async for record in plain.read(ZOE)]
        with pytest.raises(KeyMissing, match="the sessions of this journal are sealed"):
            await speak(plain, "another")
        assert [name async for name in plain.sessions()] == [ZOE]
        assert (await plain.sizes()).sessions[0].events > 4
    async with SQLiteJournal(tmp_path / "j.db", keys=ring) as journal:
        assert len([record async for record in journal.read(ZOE)]) == 13
        await journal.erase(ZOE)


async def test_a_session_erased_by_a_killed_process_is_erased_by_the_next(tmp_path: Path) -> None:
    """Killed between the commit and the clean-up: the rows are gone, the bytes go when it is repeated."""
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        await speak(journal)
    program = (
        "import os, anyio\n"
        "from agentkit.journal import SQLiteJournal, sqlite_keep\n"
        "sqlite_keep.scrub = lambda db: os._exit(9)\n"
        "async def main():\n"
        f"    async with SQLiteJournal({str(tmp_path / 'j.db')!r}) as journal:\n"
        f"        await journal.erase({ZOE!r})\n"
        "anyio.run(main)\n"
    )
    assert (
        await anyio.to_thread.run_sync(lambda: subprocess.run([sys.executable, "-c", program], check=False))
    ).returncode == 9
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        with pytest.raises(SessionErased):
            await speak(journal)
        await journal.erase(ZOE)
        assert found(tmp_path) == []
        assert [name async for name in journal.sessions()] == [tombstone(ZOE)]


async def test_a_disk_without_room_for_the_new_file_leaves_an_erasure_unfinished_not_undone(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        await speak(journal)
        await speak(journal, "another", times=40)
        await journal.vacuum()
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "j.db").stat().st_size // 2, before[1]))
        try:
            with pytest.raises(ErasureUnfinished, match=r"j\.db: .* `agentkit vacuum`"):
                await journal.erase(ZOE, structure=False)
            with pytest.raises(JournalError, match=r"j\.db: "):
                await journal.vacuum()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert await journal.head(ZOE) is None
        await journal.vacuum()
        await journal.erase("another")
        assert found(tmp_path) == []


async def test_a_journal_of_many_sessions_is_measured_in_one_walk(tmp_path: Path) -> None:
    """A walk through all contents for each session took 18 s for 10,000 sessions."""
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        await speak(journal)
        with sqlite3.connect(tmp_path / "j.db") as db:
            many = "with recursive c(x) as (select 1 union all select x + 1 from c where x < 10000) select "
            db.execute(f"insert into session (id, created_at, status) {many} 's' || x, 1, 'completed' from c")
            db.execute("insert into blob select 'h' || n, n, zeroblob(600) from session where created_at = 1")
        db.close()
        began = anyio.current_time()
        sizes = await journal.sizes()
        assert anyio.current_time() - began < 3
        assert (len(sizes.sessions), sizes.sessions[-1].blob_bytes) == (10_001, 600)
        erased = await journal.erase(*(f"s{n}" for n in range(1, 3001)))
        assert len(erased.session_ids) == 3000
        left = await journal.sizes()
        assert sum(each.blob_bytes == 600 for each in left.sessions) == 7000
