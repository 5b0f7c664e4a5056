"""A sub-agent's session is a part of its caller's: it is erased, exported and kept with it, in every journal."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, MemoryJournal, Session, tool
from agentkit.errors import JournalError, SessionErased
from agentkit.ids import uuid7
from agentkit.journal import Journal, SQLiteJournal, sqlite_keep
from agentkit.journal.calls import calls, calls_by_caller
from agentkit.journal.export import export_all, import_all
from agentkit.journal.keeping import Kin, Old, Wanted, ready_to_go
from agentkit.journal.seal import Seal
from agentkit.journal.sqlite_open import open_writer
from tests.session.desk import Played, asks

pytestmark = pytest.mark.anyio


@tool(effect="read")
async def look() -> str:
    """Look."""
    return "Mary lives in Rome"


@tool(effect="once", needs_approval=True)
async def pay() -> str:
    """Pay."""
    return "paid"


def desk(*turns: Any, inner: Any = look) -> Agent[object, str]:
    """Return an agent that asks an agent that asks an agent that uses a tool."""
    below = Agent(Played(asks((inner.name, {})), "found"), name="searcher", tools=[inner])
    middle = Agent(Played(asks(("searcher", {"task": "look"})), "told"), name="helper", tools=[below.as_tool()])
    return Agent(Played(*turns or (asks(("helper", {"task": "ask"})), "done")), name="desk", tools=[middle.as_tool()])


async def talk(journal: Journal, session_id: str = "mary") -> list[str]:
    """Run one turn; return the sessions that are calls of it, below one another."""
    async with Session(desk(), session_id, journal=journal, deps=None) as session:
        assert (await session.run("Where does Mary live?")).output == "done"
    return await calls(journal, session_id)


async def names(journal: Journal) -> set[str]:
    return {name async for name in journal.sessions()}


async def test_who_is_whose_call(journal: Journal) -> None:
    assert await calls(journal, "mary") == []
    helper, searcher = await talk(journal)
    head = await journal.head("mary")
    assert head is not None
    assert helper == f"{head.uid}/1.1.0"
    assert await calls(journal, helper) == [searcher]
    assert await calls(journal, "mary", helper) == [searcher]
    await journal.put("a/1.1.1", "message", "m", b'{"parts":["x"],"id":"m"}', None)  # only looks like one
    assert await calls_by_caller(journal) == {"mary": [helper], helper: [searcher]}


async def test_erasing_takes_all_below_along(journal: Journal) -> None:
    below, other = await talk(journal), await talk(journal, "other")
    erased = await journal.erase("mary")
    assert set(erased.session_ids) == {"mary", *below}
    for name in ("mary", *below):
        with pytest.raises(SessionErased):
            [record async for record in journal.read(name)]
    assert {"other", *other} <= await names(journal)
    assert (await names(journal)).isdisjoint({"mary", *below})
    await journal.erase("other", structure=False)
    assert not any("/" in name or name == "other" for name in await names(journal))


async def test_a_fork_shares_its_parents_calls_and_leaves_them(journal: Journal) -> None:
    below = await talk(journal)
    async with Session(desk(), "mary", journal=journal, deps=None) as session:
        await session.fork("fork", before="1.2")
    assert await calls(journal, "fork") == []
    await journal.erase("fork")
    assert {"mary", *below} <= await names(journal)
    async with Session(desk(), "mary", journal=journal, deps=None) as session:
        await session.fork("again", before="1.2")
    assert set((await journal.erase("mary", forks=True)).session_ids) == {"mary", "again", *below}


async def test_an_export_takes_all_below_along_and_so_does_erasing_where_it_came_to(journal: Journal) -> None:
    async with MemoryJournal() as here:
        below = await talk(here)
        lines = [line async for line in export_all(here, "mary", whole=True)]
        said = b"".join(lines)
        assert said.count(b'"agentkit":2') == 3
        assert b"Mary lives in Rome" in said
        assert [line async for line in export_all(here, "mary", *below)] == [
            line async for line in export_all(here, "mary")
        ]
    assert await import_all(journal, lines, uid=uuid7) == ["mary", *below]
    assert await calls(journal, "mary") == below
    again = desk(asks(("helper", {"task": "ask"})), "done", asks(("helper", {"task": "x"})), "two")
    async with Session(again, "mary", journal=journal, deps=None) as session:
        assert (await session.run("And again?")).output == "two"
    more = await calls(journal, "mary")
    assert (len(more), set(below) < set(more)) == (4, True)
    assert set((await journal.erase("mary")).session_ids) == {"mary", *more}
    assert await calls(journal, "mary") == []


async def test_a_copy_under_another_id_shares_what_is_there_already(journal: Journal) -> None:
    below = await talk(journal)
    lines = [line async for line in export_all(journal, "mary")]
    assert await import_all(journal, lines, uid=uuid7, session_id="copy") == ["copy"]
    assert await calls(journal, "copy") == []
    await talk(journal, "other")
    both = [line async for line in export_all(journal, "mary", "other")]
    async with MemoryJournal() as there:
        with pytest.raises(JournalError, match="a new id is for one; nothing was written"):
            await import_all(there, both, uid=uuid7, session_id="copy")
        assert await names(there) == set()
        assert await import_all(there, lines, uid=uuid7, session_id="copy") == ["copy", *below]
        assert await calls(there, "copy") == below
        assert set((await there.erase("copy")).session_ids) == {"copy", *below}


async def test_a_sub_agent_that_waits_goes_on_where_its_caller_was_taken_to() -> None:
    async with MemoryJournal() as here, MemoryJournal() as there:
        async with Session(desk(inner=pay), "mary", journal=here, deps=None) as session:
            assert (await session.run("Pay.")).status == "waiting"
        await import_all(there, [line async for line in export_all(here, "mary")], uid=uuid7)
        async with Session(desk(inner=pay), "mary", journal=there, deps=None) as session:
            result = await session.resume()
            assert result.status == "waiting"
            await session.approve(result.approvals[0], by="ann")
            assert (await session.resume()).output == "done"


async def test_a_call_made_since_it_was_looked_for_goes_too(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        below = await talk(journal)
    db = open_writer(tmp_path / "j.db", create=False)
    try:
        erased = sqlite_keep.erase(db, Wanted(("mary",), forks=False, structure=True, older=None), Seal(None))
    finally:
        db.close()
    assert set(erased) == {"mary", *below}


def aged(name: str, status: str = "completed", *, held: bool = False) -> Old:
    return Old(name, status, datetime(2026, 1, 1, tzinfo=UTC), held, erased=False)


def test_retention_takes_a_call_with_its_caller_and_not_before() -> None:
    kin = Kin({}, {"a": ["a/1"], "a/1": ["a/2"], "b": ["b/1"], "c": ["c/1"], "young": ["y/1"]})
    sessions = [
        aged("a"),
        aged("a/1", "waiting"),
        aged("a/2"),
        aged("b"),
        aged("c"),
        aged("c/1", held=True),
        aged("y/1"),
    ]
    going, left = ready_to_go(sessions, kin, ("completed",))
    assert [each.session_id for each in going] == ["a", "a/1", "a/2"]
    assert [(each.session_id, why) for each, why in left] == [
        ("b", "a call of it has news, or a fork that stays"),
        ("c", "a call of it has news, or a fork that stays"),
        ("c/1", "it is driven, or has mail"),
        ("y/1", "it is a call of a session that stays"),
    ]
