"""A data key is destroyed when the erasure is certain: whatever breaks off, nothing is lost of what was not erased."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agentkit.errors import ErasureUnfinished, JournalError, SessionErased
from agentkit.journal import Journal, PostgresJournal, SQLiteJournal, sqlite_keep
from agentkit.journal.keeping import Wanted, tombstone
from agentkit.journal.keys import KeyFolder
from agentkit.journal.seal import Seal
from agentkit.journal.sqlite_open import open_writer
from tests.journal.personal import speak
from tests.postgres import execute, server

pytestmark = pytest.mark.anyio

MASTER = bytes(range(32))
ZOE = "zoe@mail.example"


class Dies(Exception):  # noqa: N818 - a process that ends here
    """The process ended here."""


class Ring(KeyFolder):
    """A folder of keys whose process dies before it destroys one, or behind it."""

    dies = ""

    def destroy(self, name: str) -> None:
        if self.dies == "before":
            raise Dies
        super().destroy(name)
        if self.dies == "behind":
            raise Dies


class Kind:
    """A journal of one kind, opened as often as one likes, by what is one process each time."""

    def __init__(self, make: Callable[[Ring | None], Journal], folder: Path) -> None:
        self.make, self.folder = make, folder

    def __call__(self, dies: str = "") -> Journal:
        ring = Ring(self.folder / "keys", MASTER)
        ring.dies = dies
        return self.make(ring)

    @property
    def keys(self) -> int:
        return len(list((self.folder / "keys").iterdir()))


@pytest.fixture(params=["sqlite", "postgres"])
async def kind(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kind]:
    if request.param == "sqlite":
        yield Kind(lambda ring: SQLiteJournal(tmp_path / "j.db", keys=ring), tmp_path)
    else:
        url = server().fresh()
        yield Kind(lambda ring: PostgresJournal(url, keys=ring), tmp_path)


@pytest.mark.parametrize("structure", [True, False])
@pytest.mark.parametrize("dies", ["before", "behind"])
async def test_who_dies_around_the_destroying_has_erased_and_vacuum_finishes(
    kind: Kind,
    dies: str,
    structure: bool,  # noqa: FBT001 - a case
) -> None:
    async with kind(dies) as journal:
        await speak(journal, times=1)
        await speak(journal, "another", times=1)
        with pytest.raises(Dies):
            await journal.erase(ZOE, structure=structure)
    assert kind.keys == (2 if dies == "before" else 1)
    async with kind() as journal:
        with pytest.raises(SessionErased):
            _ = [record async for record in journal.read(ZOE)]
        head = await journal.head(ZOE)
        assert head is not None
        assert head.erased
        await journal.vacuum()
        assert kind.keys == 1
        assert {name async for name in journal.sessions()} == {"another", *([tombstone(ZOE)] if structure else [])}
        assert len([record async for record in journal.read("another")]) > 1
        if not structure:
            await speak(journal, times=1)


async def test_the_next_erasing_finishes_too_and_without_keys_it_says_what_is_left(kind: Kind) -> None:
    async with kind("before") as journal:
        await speak(journal, times=1)
        with pytest.raises(Dies):
            await journal.erase(ZOE)
    async with kind.make(None) as plain:
        with pytest.raises(ErasureUnfinished, match=r"data key \w+ of an erased session is still to be destroyed"):
            await plain.vacuum()
    async with kind() as journal:
        assert (await journal.erase(ZOE)).session_ids == ()
    assert kind.keys == 0


async def test_a_key_that_cannot_be_destroyed_leaves_the_erasure_unfinished(kind: Kind) -> None:
    async with kind() as journal:
        await speak(journal, times=1)
        (key,) = (kind.folder / "keys").iterdir()
        wrapped = key.read_bytes()
        key.unlink()
        key.mkdir()
        with pytest.raises(ErasureUnfinished, match=r"erased, but .*the data key cannot be destroyed"):
            await journal.erase(ZOE)
        key.rmdir()
        key.write_bytes(wrapped)
        await journal.vacuum()
    assert kind.keys == 0


async def test_a_commit_that_fails_in_a_file_loses_nothing(tmp_path: Path) -> None:
    ring = KeyFolder(tmp_path / "keys", MASTER)
    async with SQLiteJournal(tmp_path / "j.db", keys=ring) as journal:
        await speak(journal, times=1)
        before = [record async for record in journal.read(ZOE)]
    db = open_writer(tmp_path / "j.db", create=False)
    db.execute("pragma foreign_keys = on")  # found wanting when it is committed, not before
    db.executescript(
        "create table whole (n integer primary key);"
        "create table part (n integer references whole (n) deferrable initially deferred);"
        "create trigger fails after update of erased_at on session begin insert into part values (1); end"
    )
    with pytest.raises(JournalError):
        sqlite_keep.erase(db, Wanted((ZOE,), forks=False, structure=True, older=None), Seal(ring))
    db.close()
    async with SQLiteJournal(tmp_path / "j.db", keys=ring) as journal:
        assert [record async for record in journal.read(ZOE)] == before


async def test_a_commit_that_fails_on_a_server_loses_nothing(tmp_path: Path) -> None:
    url = server().fresh()
    async with PostgresJournal(url, keys=KeyFolder(tmp_path / "keys", MASTER)) as journal:
        await speak(journal, times=1)
        before = [record async for record in journal.read(ZOE)]
        execute(url, "create function fails() returns trigger language plpgsql as $$ begin raise 'no'; end $$")
        execute(
            url,
            "create constraint trigger fails after update of erased_at on agentkit.session"
            " deferrable initially deferred for each row execute function fails()",
        )
        with pytest.raises(JournalError):
            await journal.erase(ZOE)
        assert [record async for record in journal.read(ZOE)] == before
