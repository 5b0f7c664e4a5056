"""What is true of the file: who may read it, what is refused, what a full disk does, how large it gets."""

import logging
import os
import shutil
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from agentkit.core.events import UserSaid
from agentkit.core.messages import Text
from agentkit.errors import Fenced, ForeignJournal, JournalError, SessionBusy
from agentkit.journal import SQLiteJournal
from agentkit.journal.base import Batch, Lease, Placed
from agentkit.journal.sqlite_file import enter
from agentkit.journal.sqlite_open import explained, switch_to_wal
from agentkit.journal.sqlite_thread import Bell
from agentkit.journal.sqlite_write import transaction

pytestmark = pytest.mark.anyio


def said(text: str, *, durable: bool = False) -> Batch:
    return Batch([Placed(UserSaid((Text(text),)), 1, 1)], durable=durable)


async def claim(journal: SQLiteJournal, session_id: str = "s") -> Lease:
    return await journal.claim(session_id, uid="u", agent="a", owner="test")


async def count(journal: SQLiteJournal, session_id: str = "s") -> int:
    return len([record async for record in journal.read(session_id)])


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


async def test_closing_folds_the_log_into_the_file(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        await claim(journal)
        assert (tmp_path / "j.db-wal").stat().st_size > 0
    assert [path.name for path in files(tmp_path)] == ["j.db"]
    async with SQLiteJournal(tmp_path / "j.db", create=False) as journal:
        assert [name async for name in journal.sessions()] == ["s"]


async def test_closing_gives_held_leases_back(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db", ttl=3600) as journal:
        old = await claim(journal)
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        assert (await claim(journal)).epoch == 2
        with pytest.raises(Fenced):
            await journal.append(old, 0, said("lost"))


async def test_one_file_is_opened_once_however_many_use_it(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "j.db")
    before = threading.active_count()
    first, second = SQLiteJournal(tmp_path / "j.db"), SQLiteJournal(tmp_path / "link.db")
    async with first, second, first:
        await claim(first)
        with pytest.raises(SessionBusy, match="this process"):
            await claim(second)
        assert threading.active_count() <= before + 2
    with pytest.raises(JournalError, match="is not open"):
        await first.head("s")
    async with second:
        assert await second.head("s") is not None


async def test_several_event_loops_may_use_one_file(tmp_path: Path) -> None:
    async def fill(session_id: str) -> None:
        async with SQLiteJournal(tmp_path / "j.db") as journal:
            lease = await claim(journal, session_id)
            for n in range(30):
                await journal.append(lease, n, said(str(n)))

    loops = [threading.Thread(target=anyio.run, args=(fill, f"s{n}")) for n in range(3)]
    for loop in loops:
        loop.start()
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        for n, loop in enumerate(loops):
            await anyio.to_thread.run_sync(loop.join)
            assert await count(journal, f"s{n}") == 30


def test_a_bell_of_a_loop_that_ended_rings_for_nobody() -> None:
    async def make() -> Bell:
        return Bell.here()

    anyio.run(make).ring()


async def test_a_cancelled_append_is_still_finished(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        lease = await claim(journal)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await journal.append(lease, 0, said("a"))
        assert await count(journal) == 1


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
        db.execute("pragma user_version = 2")
    db.close()
    with pytest.raises(ForeignJournal, match=r"format 2.*reads up to 1. Update"):
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


async def test_the_start_of_a_once_tool_is_committed_in_full_and_the_rest_is_not(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        lease = await claim(journal)
        file = enter(tmp_path / "j.db", create=False)
        for after, durable in enumerate([True, False, True]):
            await journal.append(lease, after, said("a", durable=durable))
            level = await file.writer.run(lambda db: db.execute("pragma synchronous").fetchone()[0])
            assert level == (2 if durable else 1)
        await file.leave()


async def test_a_full_disk_writes_nothing_and_says_so(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        lease = await claim(journal)
        await journal.append(lease, 0, said("a"))
        file = enter(tmp_path / "j.db", create=False)
        pages = await file.writer.run(lambda db: db.execute("pragma page_count").fetchone()[0])
        await file.writer.run(lambda db: db.execute(f"pragma max_page_count = {pages + 2}"))
        with pytest.raises(JournalError, match=r"nothing was written.*disk is full") as full:
            await journal.append(lease, 1, said("x" * 100_000))
        assert type(full.value) is JournalError
        assert await count(journal) == 1
        await file.writer.run(lambda db: db.execute("pragma max_page_count = 100000"))
        await journal.append(lease, 1, said("x" * 100_000))
        assert await count(journal) == 2
        await file.leave()


async def test_a_failure_in_the_middle_of_a_batch_leaves_nothing_of_it(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        lease = await claim(journal)
        db = sqlite3.connect(tmp_path / "j.db")
        db.execute(
            "create trigger no before insert on event when new.seq = 3 begin select raise(abort, 'no three'); end"
        )
        three = Batch([Placed(UserSaid((Text(str(n)),)), 1, 1) for n in range(3)])
        with pytest.raises(JournalError, match=r"nothing was written.*no three"):
            await journal.append(lease, 0, three)
        assert await count(journal) == 0
        db.execute("drop trigger no")
        db.close()
        await journal.append(lease, 0, three)
        assert await count(journal) == 3


async def test_a_lock_that_is_never_given_back_is_an_error_in_words(tmp_path: Path) -> None:
    await open_and_close(tmp_path / "j.db")
    holder = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
    holder.execute("begin immediate")
    db = sqlite3.connect(tmp_path / "j.db", isolation_level=None, timeout=0)
    with pytest.raises(JournalError, match=r"append: nothing was written.*another process"), transaction(db, "append"):
        pass
    holder.close()
    db.close()


async def test_half_a_character_in_an_id_is_an_error_in_words(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        with pytest.raises(JournalError, match=r"nothing was written.*half a character"):
            await claim(journal, "s\ud83d")
        with pytest.raises(JournalError, match="half a character"):
            await journal.put("s", "message", "m\ud83d", b"{}", None)


async def test_a_row_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        lease = await claim(journal)
        await journal.append(lease, 0, said("a"))
        await journal.append(lease, 1, said("b"))
        db = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
        db.execute("update event set body = ? where seq = 1", (b'{"of":"sheep","ignorable":true}',))
        db.execute("update event set type = 'Dreamed' where seq = 1")
        assert [record.seq async for record in journal.read("s")] == [2]
        db.execute("update event set type = 'Dreamed' where seq = 2")
        with pytest.raises(ForeignJournal, match="session 's', event 2: Dreamed"):
            await count(journal)
        db.close()


async def test_a_lease_that_cannot_be_renewed_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with SQLiteJournal(tmp_path / "j.db", ttl=0.6) as journal:
        lease = await claim(journal)
        file = enter(tmp_path / "j.db", create=False)
        await file.writer.run(lambda db: db.execute("pragma busy_timeout = 0"))
        holder = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
        holder.execute("begin immediate")
        with caplog.at_level(logging.WARNING):
            await until_logged(caplog, "could not be renewed")
        holder.execute("rollback")
        await anyio.sleep(0.5)
        head = await journal.head("s")
        assert head is not None
        assert head.lease_until is not None
        (now,) = holder.execute("select (julianday('now') - 2440587.5) * 86400").fetchone()
        assert head.lease_until.timestamp() > now
        holder.close()
        await journal.append(lease, 0, said("a"))
        await file.leave()


async def until_logged(caplog: pytest.LogCaptureFixture, words: str) -> None:
    with anyio.fail_after(10):
        while words not in caplog.text:  # noqa: ASYNC110 - a log has no event to wait for
            await anyio.sleep(0.02)


async def test_a_lease_that_was_lost_is_not_renewed(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db", ttl=0.3) as journal:
        lease = await claim(journal)
        db = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
        db.execute("update session set epoch = 7, lease_until = 5")
        await anyio.sleep(0.4)
        assert db.execute("select lease_until from session").fetchone() == (5,)
        db.close()
        with pytest.raises(Fenced):
            await journal.append(lease, 0, said("lost"))
        assert (await claim(journal)).epoch == 8


async def test_a_file_that_cannot_be_settled_is_closed_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    holder = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        await claim(journal)
        file = enter(tmp_path / "j.db", create=False)
        await file.writer.run(lambda db: db.execute("pragma busy_timeout = 0"))
        await file.leave()
        holder.execute("begin immediate")
    assert "was not closed cleanly" in caplog.text
    holder.close()
    await open_and_close(tmp_path / "j.db")


def test_every_error_of_sqlite_has_words() -> None:
    db = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.OperationalError) as failed:
        db.execute("select x from nowhere")
    db.close()
    assert str(explained(failed.value, "x.db")) == "x.db: SQLite failed (no such table: nowhere)"
