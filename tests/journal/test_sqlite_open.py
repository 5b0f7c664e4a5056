"""Opening: who may read the file, which files are refused, and that nothing foreign is touched."""

import os
import shutil
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest

from agentkit.core.events import UserSaid
from agentkit.core.messages import Text
from agentkit.errors import ForeignJournal, JournalError
from agentkit.journal import SQLiteJournal
from agentkit.journal.base import Batch, Lease, Placed
from agentkit.journal.sqlite_open import explained, open_reader, open_writer, switch_to_wal

pytestmark = pytest.mark.anyio


def said(text: str, *, durable: bool = False) -> Batch:
    return Batch([Placed(UserSaid((Text(text),)), 1, 1)], durable=durable)


async def claim(journal: SQLiteJournal, session_id: str = "s") -> Lease:
    return await journal.claim(session_id, uid="u", agent="a", owner="test")


def files(directory: Path) -> list[Path]:
    return list(directory.iterdir())


async def open_and_close(path: Path, *, create: bool = True) -> None:
    async with SQLiteJournal(path, create=create):
        pass


async def test_the_file_and_its_log_are_private_from_the_start(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with SQLiteJournal(tmp_path / "j.db") as journal:
            await claim(journal)
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files(tmp_path)}
    finally:
        os.umask(before)
    assert modes == {"j.db": 0o600, "j.db-wal": 0o600, "j.db-shm": 0o600}


async def test_a_missing_file_is_not_made_for_a_reader(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"j.db does not exist"):
        await open_and_close(tmp_path / "j.db", create=False)
    assert files(tmp_path) == []
    await open_and_close(tmp_path / "j.db")  # the failure is not remembered


async def test_paths_that_cannot_be_a_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="is a directory"):
        await open_and_close(tmp_path)
    with pytest.raises(JournalError, match="none does not exist: make the directory"):
        await open_and_close(tmp_path / "none" / "j.db")
    (tmp_path / "file").write_text("x")
    with pytest.raises(JournalError, match="cannot be used"):
        await open_and_close(tmp_path / "file" / "j.db")
    with pytest.raises(ValueError, match="ttl"):
        SQLiteJournal(tmp_path / "j.db", ttl=0)


async def test_something_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ann, " * 500)
    with pytest.raises(ForeignJournal, match=r"letter.txt: this is not a journal"):
        await open_and_close(path)
    assert path.read_text() == "Dear Ann, " * 500


async def test_another_program_s_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as db:
        db.execute("create table orders (id)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(ForeignJournal, match="database of another program"):
        await open_and_close(path)
    assert path.read_bytes() == before
    assert files(tmp_path) == [path]


async def test_a_journal_of_a_later_format_is_refused(tmp_path: Path) -> None:
    await open_and_close(tmp_path / "j.db")
    with sqlite3.connect(tmp_path / "j.db") as db:
        db.execute("pragma user_version = 3")
    db.close()
    with pytest.raises(ForeignJournal, match=r"format 3.*reads up to 2. Update"):
        await open_and_close(tmp_path / "j.db")


async def test_an_empty_file_becomes_a_journal(tmp_path: Path) -> None:
    (tmp_path / "j.db").touch()
    await open_and_close(tmp_path / "j.db")
    await open_and_close(tmp_path / "j.db", create=False)


async def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    async with SQLiteJournal(path) as journal:
        lease = await claim(journal)
        await journal.append(lease, 0, said("x" * 30_000))
    whole = bytearray(path.read_bytes())
    whole[100:4096] = b"\xff" * 3996  # the table of tables
    path.write_bytes(whole)
    with pytest.raises(JournalError, match=r"j.db: .*(damaged|malformed)"):
        await open_and_close(path)


@pytest.fixture
def locked_directory() -> Iterator[Path]:
    """Give a directory that this user cannot write; root becomes another user for the time."""
    place = Path(tempfile.mkdtemp())
    shutil.copy(Path(__file__), place / "j.db")
    place.chmod(0o555)
    (place / "j.db").chmod(0o444)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield place
    if root:
        os.seteuid(0)
    place.chmod(0o755)
    shutil.rmtree(place)


async def test_a_file_that_cannot_be_written_is_refused(locked_directory: Path) -> None:
    with pytest.raises(JournalError, match=r"j.db cannot be written by this user"):
        await open_and_close(locked_directory / "j.db", create=False)
    with pytest.raises(JournalError, match="cannot be used: Permission denied"):
        await open_and_close(locked_directory / "new.db")


def test_without_wal_there_is_no_journal() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    with pytest.raises(JournalError, match=r"write-ahead logging is not possible here .SQLite says 'memory'"):
        switch_to_wal(db, Path("x.db"))
    db.close()


async def test_opening_waits_for_those_who_read_a_file_that_is_not_wal_yet(tmp_path: Path) -> None:
    await open_and_close(tmp_path / "j.db")
    reader = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
    assert reader.execute("pragma journal_mode = delete").fetchone() == ("delete",)
    reader.execute("begin")
    reader.execute("select * from session").fetchall()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(open_and_close, tmp_path / "j.db")
        await anyio.sleep(0.3)
        reader.execute("commit")
    reader.close()


def test_a_new_file_is_made_by_one_of_many_who_open_it_at_once(tmp_path: Path) -> None:
    def open_it(path: Path) -> str:
        start.wait()
        db = open_writer(path, create=True)
        names = db.execute("select group_concat(name) from sqlite_master").fetchone()
        db.close()
        return str(names)

    start = threading.Barrier(4)
    with ThreadPoolExecutor(4) as threads:
        for n in range(10):
            assert len(set(threads.map(open_it, [tmp_path / f"{n}.db"] * 4))) == 1


async def test_the_reading_connection_cannot_write(tmp_path: Path) -> None:
    await open_and_close(tmp_path / "j.db")
    db = open_reader(tmp_path / "j.db")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("delete from session")
    db.close()


def test_every_error_of_sqlite_has_words() -> None:
    db = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.OperationalError) as failed:
        db.execute("select x from nowhere")
    db.close()
    assert str(explained(failed.value, "x.db")) == "x.db: SQLite failed (no such table: nowhere)"
