"""One file, one connection, many who use it: leases of several lengths, row numbers given again, long readings."""

import sqlite3
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio
import pytest

from agentkit.core.events import UserSaid
from agentkit.core.messages import Text
from agentkit.errors import Fenced, JournalError
from agentkit.journal import SQLiteJournal, sqlite_transaction, sqlite_write
from agentkit.journal.base import Batch, Placed
from agentkit.journal.owner import Owner
from agentkit.journal.seal import Seal
from agentkit.journal.sqlite_file import LONG_LOG, enter
from agentkit.journal.sqlite_open import be_patient, open_writer, synchronise, waiting
from tests.journal.test_journal_thread import turning

pytestmark = pytest.mark.anyio


async def test_a_lease_shorter_than_all_others_is_renewed_in_its_own_time(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    async with SQLiteJournal(path, ttl=3600) as long, SQLiteJournal(path, ttl=0.3) as short:
        await long.claim("long", uid="u", agent="a", owner="test")
        await anyio.sleep(0.05)  # the thread has looked at the first one, and sleeps for twenty minutes
        await short.claim("short", uid="u", agent="a", owner="test")
        await anyio.sleep(0.6)
        with sqlite3.connect(path) as db:
            (left,) = db.execute(
                "select lease_until - ? from session where id = 'short'", (1000 * time.time(),)
            ).fetchone()
        db.close()
        assert left > 0


async def test_an_erased_sessions_lease_writes_nothing_into_another_session(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    async with SQLiteJournal(path) as journal:
        db, seal = open_writer(path, create=False), Seal(None)
        owner = Owner.this_process("test")
        lost = sqlite_write.claim(db, "a", ("ua", "agent"), owner, 1, seal=seal)  # nobody renews it
        await anyio.sleep(0.01)
        await journal.erase("a", structure=False)
        other = sqlite_write.claim(db, "b", ("ub", "agent"), owner, 15_000, seal=seal)
        db.close()
        assert (lost.row, lost.epoch) == (other.row, other.epoch)
        batch = Batch([Placed(UserSaid((Text("of a"),)), 1, 1)], status="idle", news=False)
        with pytest.raises(Fenced):
            await journal.append(lost, 0, batch)
        assert [record async for record in journal.read("b")] == []


def no_updates(action: int, *_: object) -> int:
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_UPDATE else sqlite3.SQLITE_OK


async def test_a_lease_that_cannot_be_given_back_is_an_error_of_the_journal(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        lease = await journal.claim("s", uid="u", agent="a", owner="test")
        file = enter(tmp_path / "j.db", create=False)
        await file.writer.run(lambda db: db.set_authorizer(no_updates))
        with pytest.raises(JournalError, match="SQLite failed"):
            await journal.release(lease, trouble="it broke")
        await file.writer.run(lambda db: db.set_authorizer(None))
        await file.leave()


def test_what_could_not_be_said_to_a_connection_is_said_again(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "j.db", create=True)

    def setting(name: str) -> int:
        (value,) = db.execute(f"pragma {name}").fetchone()
        return int(value)

    be_patient(db, True)  # noqa: FBT003 - as it is called
    synchronise(db, full=False)
    assert (setting("busy_timeout"), setting("wal_autocheckpoint"), setting("synchronous")) == (30_000, 8000, 1)
    db.set_authorizer(lambda *_: sqlite3.SQLITE_DENY)
    for say in (partial(be_patient, db, False), partial(synchronise, db, full=True)):  # noqa: FBT003
        with pytest.raises(sqlite3.DatabaseError):
            say()
    db.set_authorizer(None)
    be_patient(db, False)  # noqa: FBT003
    synchronise(db, full=True)
    assert (setting("busy_timeout"), setting("wal_autocheckpoint"), setting("synchronous")) == (0, 0, 2)
    db.close()


async def test_a_long_history_is_read_beside_other_work(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        lease = await journal.claim("s", uid="u", agent="a", owner="test")
        placed = [Placed(UserSaid((Text("a"),)), 1, 1)] * 500
        await journal.append(lease, 0, Batch(placed))
        await journal.head("s")  # the file is open for reading
        async with turning() as so_far:
            before = so_far()
            assert len([record async for record in journal.read("s")]) == 500
            assert so_far() - before >= 4


async def test_a_log_that_has_grown_long_is_emptied(tmp_path: Path) -> None:
    log = tmp_path / "j.db-wal"
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        await journal.put("s", "message", "long", bytes(LONG_LOG), None)
        assert log.stat().st_size > LONG_LOG
        await journal.put("s", "message", "on the thread too", bytes(100_000), None)
        assert log.stat().st_size < LONG_LOG
        assert len(await journal.inbox("s")) == 2


def test_a_lock_held_for_a_moment_is_waited_out_where_nobody_may_wait_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_transaction, "YIELDING_SECONDS", 20)
    with closing(open_writer(tmp_path / "j.db", create=True)) as db, closing(held(tmp_path / "j.db")) as other:
        be_patient(db, False)  # noqa: FBT003
        letting_go = threading.Timer(0.05, other.execute, ["commit"])
        letting_go.start()
        with sqlite_transaction.transaction(db, "a test"):
            assert db.in_transaction
        letting_go.join()


def test_what_does_not_pass_in_a_moment_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(open_writer(tmp_path / "j.db", create=True)) as db, closing(held(tmp_path / "j.db")):
        be_patient(db, False)  # noqa: FBT003
        with pytest.raises(JournalError, match="nothing was written"), sqlite_transaction.transaction(db, "a test"):
            pytest.fail("another process holds the lock")
        monkeypatch.setattr(sqlite_transaction, "YIELDING_SECONDS", 20)
        db.execute("pragma query_only = on")
        start = time.monotonic()
        with pytest.raises(JournalError, match="nothing was written"), sqlite_transaction.transaction(db, "a test"):
            db.execute("delete from event")
        db.set_authorizer(lambda *_: sqlite3.SQLITE_DENY)
        with pytest.raises(sqlite3.DatabaseError):
            sqlite_transaction._begin(db)  # noqa: SLF001 - what `transaction` tells of it needs statements
        assert time.monotonic() - start < 10


def test_who_may_wait_waits_no_longer_than_it_was_told_to(tmp_path: Path) -> None:
    with closing(open_writer(tmp_path / "j.db", create=True)) as db, closing(held(tmp_path / "j.db")):
        for told in (False, True):
            if told:
                be_patient(db, True)  # noqa: FBT003 - as it is called
            asked: list[str] = []
            db.set_trace_callback(asked.append)
            with (
                waiting(db, 0.1),
                pytest.raises(JournalError, match="locked"),
                sqlite_transaction.transaction(db, "a test"),
            ):
                pytest.fail("another process holds the lock")
            db.set_trace_callback(None)
            assert asked.count("begin immediate") == 1


def held(path: Path) -> sqlite3.Connection:
    """Return another connection, which holds the write lock."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("begin immediate")
    return other
