"""Who waits for news of a file hears of it, from this process and from others, and of nothing else."""

import sqlite3
import statistics
from pathlib import Path

import anyio
import pytest

from agentkit.journal import SQLiteJournal
from agentkit.journal.base import MAIL_ONLY
from agentkit.journal.sqlite_file import POLL_SECONDS, enter
from tests.journal.test_sqlite_file import claim, said

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", ["event", "message"])
async def test_news_of_this_process_does_not_wait_for_the_poll(tmp_path: Path, kind: str) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        lease = await claim(journal)
        waits = []
        for n in range(20):
            session_id = "s" if kind == "event" else f"s{n}"
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(journal.changed, session_id, n, 30.0)
                await anyio.sleep(0.005)
                if kind == "event":
                    await journal.append(lease, n, said("a"))
                else:
                    await journal.put(session_id, "message", "m", b"{}", None)
                written = anyio.current_time()
            waits.append(anyio.current_time() - written)
        assert statistics.median(waits) < POLL_SECONDS / 2


async def test_a_commit_of_others_wakes_those_it_is_news_for(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        for name in ("a", "b"):
            await journal.append(await claim(journal, name), 0, said("hello"))
        file = enter(tmp_path / "j.db", create=False)
        with file.watch.waiting("a", 1) as a, file.watch.waiting("b", 1) as b:
            await file.read(lambda _: None)  # the thread has looked since
            db = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
            db.execute("update session set last_seq = 2 where id = 'b'")
            db.close()
            with anyio.fail_after(10):
                await b.event.wait()
            assert not a.event.is_set()
        await file.leave()


@pytest.mark.parametrize("letters", ["3", "34", "345"])
async def test_mail_of_others_wakes_whom_it_is_for_and_who_waits_for_mail_alone_not_for_events(
    tmp_path: Path, letters: str
) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        for name in ("a", "b", "c"):
            await journal.append(await claim(journal, name), 0, said("hello"))
        file = enter(tmp_path / "j.db", create=False)
        db = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
        post = (
            "insert into inbox (session, kind, dedup, body, at) select n, 'message', ?, '{}', 0 from session where id=?"
        )
        with (
            file.watch.waiting("a", MAIL_ONLY) as a,
            file.watch.waiting("b", MAIL_ONLY) as b,
            file.watch.waiting("c", 1) as c,
        ):
            await file.read(lambda _: None)  # the thread has looked since
            db.execute("update session set last_seq = 2 where id = 'a'")
            for bell, name, letter in ((b, "b", "1"), (c, "c", "2")):
                db.execute(post, (letter, name))
                with anyio.fail_after(10):
                    await bell.event.wait()
            assert not a.event.is_set()
            assert file.watch.asked() == [("c", 1)]  # of the others there may be thousands
            db.execute("begin")
            db.execute("delete from inbox")
            for letter in letters:  # under numbers that were others'
                db.execute(post, (letter, "a"))
            db.execute("commit")
            with anyio.fail_after(10):
                await a.event.wait()
        db.close()
        await file.leave()


async def test_a_look_for_news_that_fails_is_made_again(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        await journal.append(await claim(journal), 0, said("hello"))
        file = enter(tmp_path / "j.db", create=False)
        with file.watch.waiting("s", MAIL_ONLY) as bell, file.watch.waiting("s", 7):
            await file.read(lambda db: db.set_authorizer(no_json))
            await journal.put("other", "message", "1", b"{}", None)
            writer = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
            writer.execute("update inbox set session = (select n from session where id = 's')")
            await anyio.sleep(4 * POLL_SECONDS)
            assert not bell.event.is_set()
            await file.read(lambda db: db.set_authorizer(None))
            with anyio.fail_after(10):
                await bell.event.wait()
            writer.close()
        await file.leave()


def no_json(_: int, __: object, what: object, *___: object) -> int:
    """Let no statement be made that looks who has events."""
    return sqlite3.SQLITE_DENY if what == "json_extract" else sqlite3.SQLITE_OK


async def test_who_waits_hears_of_a_commit_of_others_though_nothing_else_is_read(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        await journal.append(await claim(journal), 0, said("hello"))
        await journal.head("s")
        await anyio.sleep(0.05)  # the thread sleeps by now, without a time to wake up at
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(journal.changed, "s", 1, 15.0)
            await anyio.sleep(0.05)
            db = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
            db.execute("update session set last_seq = 2")
            db.close()
            start = anyio.current_time()
        assert anyio.current_time() - start < 10
