"""A session begun on one contract goes on under another, in every ordered pair: the second service refuses nothing."""

from typing import Any

import anyio
import pytest

from agentkit import Agent, MemoryJournal, Session
from agentkit.emulator import Call, Emulator, Reply
from agentkit.journal.export import export, import_
from tests.contracts.rows import NASTY, ROWS, TOOLLESS, agent, calls, losses, refusals

pytestmark = pytest.mark.anyio


def begun(row: str) -> list[Reply]:
    """Return the first turn of a session, as `row`'s service plays it."""
    two = calls(row, Call("find", {"q": "a"}), Call("note", {"text": NASTY}))
    return [Reply("I look.", f"{row} thinks {NASTY}", two), *([Reply("Here.", f"{row} has it")] if two else [])]


def taken_over(row: str, first: str) -> list[Reply]:
    """Return the second and third turn, as `row`'s service plays them in a session that `first` began."""
    before = [Reply("never")] * len(begun(first))
    two = calls(row, Call("find", {"q": "b"}), Call("note", {"text": NASTY}))
    return [*before, *([Reply("I look too.", "mine", two)] if two else []), Reply("Done.", ""), Reply("Bye.")]


@pytest.fixture(scope="module")
def recorded() -> dict[str, list[bytes]]:
    """Return a session begun by each row, as exported lines."""
    return anyio.run(begin)


async def begin() -> dict[str, list[bytes]]:
    lines = {}
    for row in ROWS:
        journal = MemoryJournal()
        async with Emulator({f"by {row}": begun(row)}, contract=row) as server:
            async with Session(agent(row, server), row, journal=journal) as session:
                assert (await session.run(f"by {row}")).status == "completed"
            assert (refusals(server), losses(server.counts)) == ([], {}), row
        lines[row] = [line async for line in export(journal, row)]
    return lines


async def cross(lines: list[bytes], asked: Agent[Any, str], uid: str) -> None:
    journal = MemoryJournal()
    session_id = await import_(journal, lines, uid=uid)
    async with Session(asked, session_id, journal=journal) as session:
        assert (await session.run("go on")).output == "Done."
        assert (await session.run("and on")).output == "Bye."


@pytest.mark.parametrize("second", ROWS)
async def test_any_row_takes_over_from_any_other(second: str, recorded: dict[str, list[bytes]]) -> None:
    """All ordered pairs. (Not to a service without tools from one with: there is no way to send what was called.)"""
    firsts = [row for row in ROWS if row != second and (row in TOOLLESS or second not in TOOLLESS)]
    async with Emulator({f"by {first}": taken_over(second, first) for first in firsts}, contract=second) as server:
        asked = agent(second, server)
        async with anyio.create_task_group() as tasks:
            for first in firsts:
                tasks.start_soon(cross, recorded[first], asked, f"from {first}")
        assert refusals(server) == []
        for seen in server.requests:
            foreign = len(begun(str(seen.conversation).removeprefix("by ")))
            own = [message for message in seen.returned if message.position >= foreign]
            assert not any(message.missing or message.reasoning_altered for message in own)
        assert len(server.requests) == len(firsts) * (2 if second in TOOLLESS else 3)


@pytest.mark.parametrize("row", ROWS)
async def test_thinking_switched_off_and_on_inside_a_session(row: str) -> None:
    """Answers given without thinking stand in the history when it is switched on again."""
    journal = MemoryJournal()
    two = calls(row, Call("find", {"q": "a"}))
    begun = [Reply("I look.", "t1", two), *([Reply("Here.", "t2")] if two else [])]
    async with Emulator({"go": begun * 3}, contract=row) as server:
        off = agent(row, server).model.resolve().thinking.off  # type: ignore[union-attr]  # a Model, not a name
        for effort in ({}, {} if off is None else {"effort": "none"}, {}):
            async with Session(agent(row, server, **effort), "s", journal=journal) as session:
                said = "go" if server.counts.requests == 0 else "on"
                assert (await session.run(said)).output == ("Here." if two else "I look.")
        assert refusals(server) == []
