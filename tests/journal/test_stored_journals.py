"""Journals of every format there was, stored as files: this version opens, replays and goes on with them.

A folder `stored/vN` holds those of format N, made by `stored/make.py` when N was the newest; the agents they were
recorded with stay in `stored/agents.py`. A new format adds a folder and changes none.
"""

import gzip
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import pytest

from agentkit import Agent, Journal, MemoryJournal, Session, SQLiteJournal, replay
from agentkit.errors import ForeignJournal
from agentkit.events import AnyEvent
from agentkit.journal.export import export, import_
from agentkit.journal.sqlite_upgrades import VERSION
from tests.journal.stored.agents import DESKS, World, agent_named, rows_of, settled

pytestmark = pytest.mark.anyio

STORED = Path(__file__).parent / "stored"
FOLDERS = {int(folder.name[1:]): folder for folder in sorted(STORED.glob("v*"))}
EXPECTED: dict[int, Any] = {
    number: json.loads((folder / "expected.json").read_text("utf-8")) for number, folder in FOLDERS.items()
}
FILES = [(number, file) for number, expected in EXPECTED.items() for file in expected["files"]]
LATER: dict[str, str] = {}  # types that no stored journal holds yet, and why

each_file = pytest.mark.parametrize(("number", "file"), FILES, ids=[f"v{number}-{file}" for number, file in FILES])


def copied(number: int, file: str, to: Path) -> Path:
    """Return a copy that may be written."""
    path = to / file.removesuffix(".gz")
    path.write_bytes(gzip.decompress((FOLDERS[number] / file).read_bytes()))
    return path


def sessions(number: int, file: str) -> Iterator[tuple[str, Any, Agent[World, str]]]:
    """Yield each session's name, what is expected of it, and its agent, for whom all trouble is over."""
    rows = rows_of(FOLDERS[number])
    for name, about in EXPECTED[number]["files"][file].items():
        yield name, about, agent_named(about["agent"], rows, later=True)


def lines_of(number: int, about: Any) -> list[bytes]:
    return gzip.decompress((FOLDERS[number] / about["lines"]).read_bytes()).splitlines(keepends=True)


def held(number: int) -> Counter[str]:
    """Return how many events of each type the stored journals of a format are said to hold."""
    files = EXPECTED[number]["files"].values()
    return sum((Counter(about["events"]) for file in files for about in file.values()), Counter[str]())


@pytest.mark.parametrize("number", FOLDERS)
def test_they_hold_every_type_of_event_of_their_format(number: int) -> None:
    assert sorted(held(number)) == sorted(EXPECTED[number]["types"])


def test_every_type_of_today_is_stored_or_said_not_to_be() -> None:
    today = {kind.__name__ for kind in get_args(AnyEvent)}
    missing = today - {name for number in FOLDERS for name in held(number)}
    assert missing <= LATER.keys(), f"no stored journal holds {missing - LATER.keys()}"


@each_file
async def test_they_read_and_replay_as_they_were(number: int, file: str, tmp_path: Path) -> None:
    path, replayed = copied(number, file, tmp_path), 0
    async with SQLiteJournal(path, create=False) as journal:
        for name, about, agent in sessions(number, file):
            head = await journal.head(name)
            events = Counter([type(record.event).__name__ async for record in journal.read(name)])
            waiting = [asked.kind async for _, asked in journal.asked(name)]
            rows = [row.kind for row in await journal.inbox(name)]
            assert head is not None
            assert (name, head.status, dict(events)) == (name, about["status"], about["events"])
            assert (name, waiting, rows) == (name, about["waiting"], about["inbox"])
            if events:
                found = await replay(journal, name, agent)
                assert (name, found.difference, found.requests) == (name, None, about["requests"])
                replayed += found.requests
    assert replayed >= 50
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("pragma user_version").fetchone() == (VERSION,), "the file was upgraded where it is"
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)


@each_file
async def test_exported_lines_of_then_are_the_same_sessions_in_every_journal(
    journal: Journal, number: int, file: str, tmp_path: Path
) -> None:
    async with SQLiteJournal(copied(number, file, tmp_path)) as stored:
        for name, about, agent in sessions(number, file):
            lines = lines_of(number, about)
            assert await import_(journal, lines, uid=f"new {name}") == name
            there = [record.event async for record in journal.read(name)]
            assert there == [record.event async for record in stored.read(name)]
            again = [line async for line in export(stored, name)]
            assert len(again) == len(lines)
            assert not there or (await replay(journal, name, agent)).same


@each_file
async def test_those_in_the_middle_go_on(number: int, file: str, tmp_path: Path) -> None:
    async with SQLiteJournal(copied(number, file, tmp_path)) as journal:
        for name, about, agent in sessions(number, file):
            if "after" not in about:
                continue
            world = World(paid=Counter(about["paid"]))
            async with Session(agent, name, journal=journal, deps=world) as session:
                result = await settled(session, await session.resume())
            came = {"status": result.status, "text": result.text, "turn": result.turn, "paid": dict(world.paid)}
            assert (name, came) == (name, about["after"])
            assert (await replay(journal, name, agent)).difference is None


@each_file
async def test_those_at_rest_take_another_turn(number: int, file: str, tmp_path: Path) -> None:
    async with SQLiteJournal(copied(number, file, tmp_path)) as journal:
        for name, about, agent in sessions(number, file):
            if "after" in about or about["agent"] not in DESKS:
                continue
            async with Session(agent, name, journal=journal, deps=World()) as session:
                before = await session.status()
                result = await session.run("one more", id="one more")
            assert before is not None
            assert (name, result.status, result.turn) == (name, "completed", before.turn + 1)
            assert (await replay(journal, name, agent)).difference is None


@each_file
async def test_a_later_format_is_refused_and_left_as_it_is(number: int, file: str, tmp_path: Path) -> None:
    path = copied(number, file, tmp_path)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"pragma user_version = {VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(ForeignJournal, match=f"format {VERSION + 1}.*reads up to {VERSION}"):
        async with SQLiteJournal(path):
            pytest.fail("it was opened")
    assert path.read_bytes() == before
    _, about, _ = next(sessions(number, file))
    header, *lines = lines_of(number, about)
    later = json.dumps({**json.loads(header), "agentkit": 99}).encode() + b"\n"
    journal = MemoryJournal()
    with pytest.raises(ForeignJournal):
        await import_(journal, [later, *lines], uid="u")
    assert [name async for name in journal.sessions()] == []
