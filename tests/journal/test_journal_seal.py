"""Data keys and what is sealed with them: bound to its place, worth nothing without its key."""

import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from agentkit.errors import ConfigurationError, JournalError, KeyMissing
from agentkit.journal import SQLiteJournal
from agentkit.journal.base import Branch
from agentkit.journal.keys import Box, KeyFolder
from tests.journal.personal import WORDS, speak

pytestmark = pytest.mark.anyio

MASTER, OTHER = bytes(range(32)), bytes(32)


def journal_of(folder: Path, master: bytes = MASTER) -> SQLiteJournal:
    return SQLiteJournal(folder / "j.db", keys=KeyFolder(folder / "keys", master))


def change(folder: Path, statement: str) -> None:
    db = sqlite3.connect(folder / "j.db", isolation_level=None)
    assert db.execute(statement).rowcount > 0
    db.close()


async def read(journal: SQLiteJournal, name: str = "one") -> str:
    records = str([record async for record in journal.read(name)])
    inbox = str(await journal.inbox(name, taken=True))
    return records + inbox + str([asked async for asked in journal.asked(name)])


@pytest.mark.parametrize(
    "statement",
    [
        "update event set body = (select body from event where session = 1 and seq = 6) where session = 1 and seq = 2",
        "update event set type = 'ToolFinished' where session = 1 and seq = 2",
        "update event set body = (select body from event where session = 2 and seq = 2) where session = 1 and seq = 2",
        "update event set body = substr(body, 1, length(body) - 1) where session = 1 and seq = 2",
        "update event set body = x'00' where session = 1 and seq = 2",
        "update inbox set body = (select body from inbox where n = 2) where n = 1",
        "update inbox set dedup = 'other' where n = 1",
        "update inbox set kind = 'answer' where n = 1",
        "update question set body = (select body from question where session = 2) where session = 1",
        "update question set id = 'other' where session = 1",
    ],
)
async def test_no_row_can_stand_in_for_another(tmp_path: Path, statement: str) -> None:
    async with journal_of(tmp_path) as journal:
        await speak(journal, "one", times=2)
        await speak(journal, "two", times=2)
        assert WORDS[4] in await read(journal)
        change(tmp_path, statement)
        with pytest.raises(JournalError, match="was not sealed as that with this session's data key"):
            await read(journal)


async def test_contents_cannot_stand_in_for_others(tmp_path: Path) -> None:
    async with journal_of(tmp_path) as journal:
        await speak(journal, "one")
        db = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
        (first, data), (second, _) = db.execute("select hash, data from blob order by length(data)").fetchall()
        db.execute("update blob set data = ? where hash = ?", (data, second))
        db.close()
        assert len({first, second}) == 2
        event = [record.event async for record in journal.read("one")][3]
        with pytest.raises(JournalError, match="was not sealed as that"):
            await journal.blob("one", event.parts[0].hash)  # type: ignore[union-attr]  # the letter


async def test_a_wrong_master_key_is_told_from_a_missing_key(tmp_path: Path) -> None:
    async with journal_of(tmp_path) as journal:
        await speak(journal, "one")
    async with journal_of(tmp_path, OTHER) as journal:
        with pytest.raises(KeyMissing, match=r"session 'one': .*was not wrapped with this master key"):
            await read(journal)
        head = await journal.head("one")
        assert head is not None
        assert head.trouble == "it cannot be told: the session's data key is missing"
    for key in (tmp_path / "keys").iterdir():
        key.unlink()
    async with journal_of(tmp_path) as journal:
        with pytest.raises(KeyMissing, match="another folder is meant, or it was destroyed"):
            await read(journal)


async def test_a_fork_reads_its_parent_s_words_and_has_a_key_of_its_own(tmp_path: Path) -> None:
    async with journal_of(tmp_path) as journal:
        await speak(journal, "one")
        await journal.fork(Branch("two", "u", "desk", "one", 5, ()))
        assert WORDS[4] in str([record async for record in journal.read("two")])
        assert len(list((tmp_path / "keys").iterdir())) == 2
        await journal.erase("two")
        assert len(list((tmp_path / "keys").iterdir())) == 1
        assert WORDS[4] in await read(journal)


async def test_sessions_from_before_stay_readable_and_the_same_message_is_one_row(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as plain:
        await speak(plain, "old")
    async with journal_of(tmp_path) as journal:
        assert WORDS[4] in await read(journal, "old")
        first = await journal.put("new", "message", "zoe@mail.example", b'{"parts":["a"]}', "zoe")
        again = await journal.put("new", "message", "zoe@mail.example", b'{"parts":["b"]}', "max")
        assert (first, again.dedup, again.by) == (again, "zoe@mail.example", "zoe")
        assert len(await journal.inbox("new")) == 1
    rows = sqlite3.connect(tmp_path / "j.db").execute("select dedup, by from inbox where session = 2").fetchall()
    assert [(len(dedup), by) for dedup, by in rows] == [(32, None)]


async def test_a_key_is_private_and_on_the_disk_before_it_is_used(tmp_path: Path) -> None:
    ring = KeyFolder(tmp_path / "keys", MASTER)
    name = ring.make()
    file = tmp_path / "keys" / f"{name}.key"
    assert (file.stat().st_mode & 0o777, (tmp_path / "keys").stat().st_mode & 0o777) == (0o600, 0o700)
    assert len(ring.data_key(name)) == 32
    assert ring.data_key(name) not in file.read_bytes()
    held = file.open("rb")  # what a program, or the disk, still has of the file
    before = held.read()
    ring.forget(name)
    held.seek(0)
    assert held.read() != before
    held.close()
    assert not file.exists()
    ring.forget(name)
    with pytest.raises(KeyMissing):
        ring.box(name)
    for foreign in ("../../etc/passwd", "x", ""):
        with pytest.raises(KeyMissing, match="another key ring made it"):
            ring.data_key(foreign)


async def test_a_folder_that_fails_is_no_missing_key_and_nobody_is_blamed(tmp_path: Path) -> None:
    ring = KeyFolder(tmp_path / "keys", MASTER)
    name = ring.make()
    file = tmp_path / "keys" / f"{name}.key"
    kept = file.read_bytes()
    file.unlink()
    file.mkdir()  # what cannot be read, by whoever runs the test
    for use, words in ((ring.box, "cannot be read"), (ring.forget, "cannot be destroyed")):
        with pytest.raises(JournalError, match=rf"{name}.key: the data key {words}") as raised:
            use(name)
        assert type(raised.value) is JournalError
        assert raised.value.passing
    file.rmdir()
    file.write_bytes(kept)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(JournalError, match="no data key can be made") as raised:
            ring.make()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert raised.value.passing
    assert list((tmp_path / "keys").iterdir()) == [file]
    assert len(ring.data_key(name)) == 32


def test_the_same_is_sealed_differently_each_time_and_labelled_the_same() -> None:
    box = Box(os.urandom(32))
    assert box.seal(b"a", b"x") != box.seal(b"a", b"x")
    assert (box.open(box.seal(b"a", b"x"), b"x"), box.open(box.seal(b"a", b"x"), b"y")) == (b"a", None)
    assert box.label("zoe") == box.label("zoe") != Box(os.urandom(32)).label("zoe")


@pytest.mark.parametrize("master", [b"", b"short", bytes(31), bytes(33)])
def test_a_master_key_is_32_bytes(tmp_path: Path, master: bytes) -> None:
    with pytest.raises(ConfigurationError, match="32 bytes"):
        KeyFolder(tmp_path / "keys", master)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for place in ("file", "missing/keys"):
        with pytest.raises(ConfigurationError, match="cannot be a folder of keys"):
            KeyFolder(tmp_path / place, MASTER)


async def test_without_the_extra_a_journal_works_and_keys_say_what_to_install() -> None:
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from agentkit.journal import SQLiteJournal\n"
        "from agentkit.errors import ConfigurationError\n"
        "SQLiteJournal('x.db')\n"
        "try:\n"
        "    from agentkit.journal import KeyFolder\n"
        "except ConfigurationError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", code]
    done = await anyio.run_process(command, check=False, stderr=subprocess.STDOUT)
    assert done.stdout.decode() == "data keys need the extra `keys`: pip install 'agentkit-reasoning[keys]'\n"


async def test_a_journal_without_keys_loads_no_cryptography(tmp_path: Path) -> None:
    code = (
        "import sys, anyio\nfrom agentkit import SQLiteJournal\n"
        f"async def main():\n    async with SQLiteJournal({str(tmp_path / 'j.db')!r}): pass\n"
        "anyio.run(main)\nprint('cryptography' in sys.modules)\n"
    )
    assert (await anyio.run_process([sys.executable, "-c", code])).stdout == b"False\n"
