"""What erasing leaves on a server: its data directory, and a copy of it made before, searched as bytes."""

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest

from agentkit.errors import KeyMissing, SessionErased
from agentkit.journal import PostgresJournal
from agentkit.journal.base import Branch
from agentkit.journal.keeping import tombstone
from agentkit.journal.keys import KeyFolder
from tests.journal.personal import WORDS, found, speak
from tests.postgres import Server, execute

pytestmark = pytest.mark.anyio

MASTER = bytes(range(32))


@pytest.fixture
def own() -> Iterator[Server]:
    """A server of the test's own: its directory holds nothing of others."""
    server = Server()
    yield server
    server.end()


def backup(server: Server, place: Path) -> Path:
    """Copy the data directory, with its write-ahead log, while the server is down."""
    server.stop(gently=True)
    shutil.copytree(server.data, place)
    server.start()
    return place


def restored(server: Server, place: Path) -> None:
    """Let the server go on from a copy."""
    server.stop()
    shutil.rmtree(server.data)
    shutil.copytree(place, server.data)
    if os.geteuid() == 0:
        owner = server.home.stat()
        for each in (server.data, *server.data.rglob("*")):
            os.chown(each, owner.st_uid, owner.st_gid)
    server.data.chmod(0o700)
    server.start()


async def test_nothing_readable_is_in_a_backup_of_a_sealed_session(own: Server, tmp_path: Path) -> None:
    url, keys = own.fresh(), tmp_path / "keys"
    async with PostgresJournal(url, keys=KeyFolder(keys, MASTER)) as journal:
        await speak(journal, "session-1")
        assert WORDS[4] in str([record async for record in journal.read("session-1")])
        copy = await anyio.to_thread.run_sync(lambda: backup(own, tmp_path / "backup"))
        assert found(copy) == []
        erased = await journal.erase("session-1")
        assert (erased.session_ids, erased.remains) == (("session-1",), "")
        assert found(own.data) == []
    await anyio.to_thread.run_sync(lambda: restored(own, copy))
    async with PostgresJournal(url, keys=KeyFolder(keys, MASTER)) as old:
        assert [name async for name in old.sessions()] == ["session-1"]
        with pytest.raises(KeyMissing, match=r"is not in .*keys: another folder is meant, or it was destroyed"):
            _ = [record async for record in old.read("session-1")]


async def test_what_was_not_sealed_is_in_a_backup_and_erasing_says_so(own: Server, tmp_path: Path) -> None:
    async with PostgresJournal(own.fresh()) as journal:
        await speak(journal)
        copy = await anyio.to_thread.run_sync(lambda: backup(own, tmp_path / "backup"))
        assert len(found(copy)) > 5
        erased = await journal.erase("zoe@mail.example")
        assert "write-ahead log" in erased.remains
        assert "backup" in erased.remains
        with pytest.raises(SessionErased):
            _ = [record async for record in journal.read("zoe@mail.example")]


async def test_no_row_holds_a_word_of_an_erased_session(own: Server) -> None:
    url = own.fresh()
    async with PostgresJournal(url) as journal:
        await speak(journal)
        await speak(journal, "another", times=1)
        await journal.erase("zoe@mail.example", "another")
    rows = [
        str(execute(url, f"select t::text, encode(convert_to(t::text, 'UTF8'), 'escape') from agentkit.{table} t"))  # noqa: S608
        for table in ("session", "event", "inbox", "blob", "question")
    ]
    assert [word for word in WORDS for row in rows if word.encode("utf-8", "backslashreplace").decode() in row] == []
    assert tombstone("zoe@mail.example") in rows[0]


async def test_what_is_put_or_forked_while_a_session_is_erased_goes_with_it_or_is_refused(own: Server) -> None:
    url = own.fresh()
    async with PostgresJournal(url) as journal:
        for n in range(20):
            name = f"session {n}"
            await speak(journal, name, times=1)
            outcomes: list[str] = []

            async def put(name: str = name, outcomes: list[str] = outcomes) -> None:
                try:
                    await journal.put(name, "message", "late", b'{"parts":["late words"]}', None)
                    outcomes.append("put")
                except SessionErased:
                    outcomes.append("refused")

            async def fork(name: str = name, outcomes: list[str] = outcomes) -> None:
                try:
                    await journal.fork(Branch(f"fork of {name}", "u", "desk", name, 2, ()))
                    outcomes.append("forked")
                except SessionErased:
                    outcomes.append("refused")

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(put)
                tasks.start_soon(fork)
                tasks.start_soon(partial(journal.erase, name, forks=True))
            assert len(outcomes) == 2
    assert execute(url, "select count(*) from agentkit.inbox") == [(0,)]
    assert execute(url, "select count(*) from agentkit.session where erased_at is null") == [(0,)]
