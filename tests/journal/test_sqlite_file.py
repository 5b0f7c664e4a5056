"""A file that is open: leases, locks, full disks, and what closing does."""

import logging
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from agentkit.core.events import UserSaid
from agentkit.core.messages import Text
from agentkit.errors import Fenced, ForeignJournal, JournalError, SessionBusy
from agentkit.journal import SQLiteJournal
from agentkit.journal.base import Asked, Batch, Lease, Placed
from agentkit.journal.bells import Bell
from agentkit.journal.sqlite_file import enter
from agentkit.journal.sqlite_transaction import transaction

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


async def test_closing_folds_the_log_into_the_file(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        await claim(journal)
        assert (tmp_path / "j.db-wal").stat().st_size > 0
    assert [path.name for path in files(tmp_path)] == ["j.db"]
    async with SQLiteJournal(tmp_path / "j.db", create=False) as journal:
        assert [name async for name in journal.sessions()] == ["s"]


async def test_closing_empties_the_log_also_where_others_have_the_file_open(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        await claim(journal)
        other = sqlite3.connect(tmp_path / "j.db")
        assert other.execute("select count(*) from session").fetchone() == (1,)
    assert [path.stat().st_size for path in files(tmp_path) if path.name == "j.db-wal"] == [0]
    other.close()


async def test_closing_gives_held_leases_back(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db", ttl=3600) as journal:
        old = await claim(journal)
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        assert (await claim(journal)).epoch == 2
        with pytest.raises(Fenced):
            await journal.append(old, 0, said("lost"))


async def test_one_file_is_opened_once_however_many_use_it(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "j.db")
    first, second = SQLiteJournal(tmp_path / "j.db"), SQLiteJournal(tmp_path / "link.db")
    async with first, second, first:
        await claim(first)
        with pytest.raises(SessionBusy, match="this process"):
            await claim(second)
        assert sorted(threads_of("j.db")) == ["j.db reader", "j.db writer"]
    with pytest.raises(JournalError, match="is not open"):
        await first.head("s")
    async with second:
        assert await second.head("s") is not None
    with anyio.fail_after(10):
        while threads_of("j.db"):  # noqa: ASYNC110 - a thread's end is no event of a loop
            await anyio.sleep(0.01)


def threads_of(file: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(file)]


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
        done = []
        with anyio.CancelScope() as scope:
            scope.cancel()
            done.append(await journal.append(lease, 0, said("a")))
        assert [appended.last_seq for appended in done] == [1]
        assert await count(journal) == 1


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
    with pytest.raises(JournalError, match=r"append: nothing was written.*others held"), transaction(db, "append"):
        pass
    holder.close()
    db.close()


async def test_the_log_is_folded_into_the_file_while_short_work_is_done_at_once(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        lease = await claim(journal)
        for seq in range(300):
            await journal.append(lease, seq, said(40_000 * "x"))
        assert (tmp_path / "j.db-wal").stat().st_size < 8_000_000  # 12 MB were written
        assert await count(journal) == 300


async def test_a_transaction_that_an_interrupt_left_open_is_ended_by_the_next(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        lease = await claim(journal)
        await journal._file.writer.run(lambda db: db.execute("begin immediate"))  # noqa: SLF001 - as a Ctrl-C leaves it
        await journal.append(lease, 0, said("x"))
        assert await count(journal) == 1


async def test_what_is_large_is_written_on_the_thread(tmp_path: Path) -> None:
    names = list[str]()
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        lease, thread = await claim(journal), journal._file.writer  # noqa: SLF001 - who writes is not seen from outside
        await thread.run(lambda db: db.set_trace_callback(lambda _: names.append(threading.current_thread().name)))
        names.clear()
        await journal.append(lease, 0, said("a few words"))
        assert set(names) == {threading.current_thread().name}
        names.clear()
        await journal.append(lease, 1, said(70_000 * "x"))
        await journal.put("s", "message", "large", b'"%b"' % (70_000 * b"x"), None)
        question = Asked("q", 1, "question", "1.1.1", b'"%b"' % (70_000 * b"x"))
        await journal.append(lease, 2, replace(said("?"), opened=[question]))
        assert set(names) == {"j.db writer"}


async def test_an_append_behind_anothers_lock_does_not_hold_the_event_loop_up(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        lease = await claim(journal)
        await anyio.sleep(0.05)  # the thread has nothing to do then
        holder = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
        holder.execute("begin immediate")
        with anyio.fail_after(10):  # others' locks are waited for three times as long
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(journal.append, lease, 0, said("at last"))
                await anyio.sleep(0.05)  # a loop that stands still would not come here before the lock was given back
                holder.execute("rollback")
        holder.close()
        assert await count(journal) == 1


async def test_a_lease_is_renewed_from_its_claim_on(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db", ttl=0.3) as journal:
        await anyio.sleep(0.05)  # the thread sleeps by now, without a time to wake up at
        await claim(journal)
        first = await journal.head("s")
        await anyio.sleep(0.25)
        later = await journal.head("s")
    assert first is not None
    assert later is not None
    assert first.lease_until is not None
    assert later.lease_until is not None
    assert later.lease_until > first.lease_until


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
            await until_logged(caplog, "renewal of leases")
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
    async with SQLiteJournal(tmp_path / "j.db", ttl=0.003) as journal:  # a lease that is due for renewal all the time
        await claim(journal)
        file = enter(tmp_path / "j.db", create=False)
        await file.writer.run(lambda db: db.execute("pragma busy_timeout = 0"))
        await file.leave()
        holder = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
        holder.execute("begin immediate")
    assert "was not closed cleanly" in caplog.text
    holder.close()
    await open_and_close(tmp_path / "j.db")


async def test_what_cannot_be_read_is_an_error_of_the_journal(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        with sqlite3.connect(tmp_path / "j.db") as db:
            db.execute("alter table question rename to lost")
        db.close()
        with pytest.raises(JournalError, match=r"j\.db: .*no such table"):
            await journal.ready()
        with pytest.raises(JournalError, match="half a character"):
            await journal.head("\ud800")


@pytest.mark.parametrize("ahead", [7.0, 31.0])
async def test_an_append_renews_a_lease_of_which_too_little_or_too_much_is_left(tmp_path: Path, ahead: float) -> None:
    async with SQLiteJournal(tmp_path / "j.db", ttl=15) as journal:
        lease = await claim(journal)
        await journal.append(lease, 0, said("a"))
        db = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
        now = "cast((julianday('now') - 2440587.5) * 86400000 as integer)"
        left = f"select (lease_until - {now}) / 1000.0, last_seq from session"  # noqa: S608 - our own words
        db.execute(f"update session set lease_until = {now} + {1000 * ahead}")  # noqa: S608 - our own words
        await journal.append(lease, 1, said("b"))
        seconds, last_seq = db.execute(left).fetchone()
        assert (round(seconds), last_seq) == (15, 2)
        db.execute(f"update session set lease_until = {now} + 10000")  # noqa: S608 - our own words
        await journal.append(lease, 2, said("c"))
        seconds, last_seq = db.execute(left).fetchone()
        assert (round(seconds), last_seq) == (10, 3)  # more than half is left: the thread sees to it
        db.close()
