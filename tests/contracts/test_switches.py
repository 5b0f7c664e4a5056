"""A session begun on one contract goes on under another, in every ordered pair: the second service refuses nothing."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import anyio
import pytest

from agentkit import Agent, Limits, MemoryJournal, Session
from agentkit.emulator import Call, Emulator, Fault, Reply
from agentkit.errors import BalanceExhausted
from agentkit.journal.export import export, import_
from agentkit.models import contracts
from tests.contracts.rows import KINDS, NASTY, ROWS, TODAY, TOOLLESS, agent, calls, losses, refusals

pytestmark = pytest.mark.anyio


WAYS = ("turn", "step", "limit")  # what the first service had done when the other took over


def begun(row: str, way: str) -> list[Reply | Fault]:
    """Return what `row`'s service plays: a whole turn, a step and then no more, or two turns of one step."""
    two = calls(row, Call("find", {"q": "a"}), Call("note", {"text": NASTY}))
    then: Reply | Fault = Fault(402) if way == "step" else Reply("Here.", f"{row} has it")
    return [Reply("I look.", f"{row} thinks {NASTY}", two), *([then] if two else [])]


def taken_over(row: str, first: str, way: str) -> list[Reply]:
    """Return what `row`'s service plays in a session that `first` began."""
    two = calls(row, Call("find", {"q": "b"}), Call("note", {"text": NASTY}))
    look = [Reply("I look too.", "mine", two)] if two else []
    return [*[Reply("never")] * answers(row, first, way), *look, Reply("Done.", ""), Reply("Bye.")]


def answers(row: str, first: str, way: str) -> int:
    """Return how many answers stand before `row`'s first one; where a user may not follow a tool, a bridge is one."""
    if way == "limit":
        return 2 + (contracts.named(row, TODAY).bridges.user_after_tool is not None)
    return 2 if way == "turn" and first not in TOOLLESS else 1


def ways(first: str) -> tuple[str, ...]:
    """Return the ways in which `first` begins a session; one row of each kind of carrier is stopped by a limit."""
    if first in TOOLLESS:
        return WAYS[:1]
    return WAYS if first in KINDS else WAYS[:2]


def pairs(second: str, share: str) -> list[tuple[str, str]]:
    """Return the rows that `second` takes over from, and in which way: in each, or in one each, in turn."""
    all_ways, turn = share == "all" or second in KINDS, ROWS.index(second)
    return [
        (first, way)
        for first in before(second, share)
        for at, way in enumerate(
            ways(first), turn + KINDS.index(first) if first in KINDS else turn // 6 + ROWS.index(first)
        )
        if all_ways or at % len(ways(first)) == 0
    ]


@pytest.fixture(scope="module")
def recorded() -> dict[str, list[bytes]]:
    """Return sessions begun by each row in each way, as exported lines, by "row way"."""
    return anyio.run(begin)


async def begin() -> dict[str, list[bytes]]:
    lines = {}
    for row in ROWS:
        async with Emulator({f"{row} {way}": begun(row, way) for way in ways(row)}, contract=row) as server:
            for name in (f"{row} {way}" for way in ways(row)):
                journal, asked = MemoryJournal(), agent(row, server)
                if name.endswith("limit"):
                    asked = replace(asked, limits=Limits(steps=1))
                async with Session(asked, name, journal=journal) as session:
                    with suppress(BalanceExhausted):
                        await session.run(name)
                    if name.endswith("limit"):
                        await session.run("and?")
                lines[name] = [line async for line in export(journal, name)]
            refused = [] if row in TOOLLESS else ["402"]
            assert ([text[:3] for text in refusals(server)], losses(server.counts)) == (refused, {}), row
    return lines


async def cross(lines: list[bytes], asked: Agent[Any, str], name: str) -> None:
    journal = MemoryJournal()
    session_id = await import_(journal, lines, uid=name)
    async with Session(asked, session_id, journal=journal) as session:
        result = await (session.resume() if name.endswith("step") else session.run("go on"))
        assert (name, result.output) == (name, "Done.")
        if name.endswith("turn"):
            assert (await session.run("and on")).output == "Bye."


def before(second: str, share: str) -> list[str]:
    """Return the rows that `second` takes over from. (One without tools: from such only; it cannot send a call.)"""
    firsts = [row for row in ROWS if row != second and (row in TOOLLESS or second not in TOOLLESS)]
    if share == "all" or second in TOOLLESS:
        return firsts
    turn = ROWS.index(second)
    return [row for row in firsts if row in KINDS or (ROWS.index(row) + turn) % 6 == 0]


def test_the_sample_has_every_row_behind_every_kind_of_carrier_and_in_front_of_some() -> None:
    played = {(first, second, way) for second in ROWS for first, way in pairs(second, "some")}
    tooled = [row for row in ROWS if row not in TOOLLESS]
    assert {(kind, row) for kind in KINDS for row in tooled if kind != row} <= {(one, two) for one, two, _ in played}
    assert all(sum(row == first for first, *_ in played) >= 3 for row in tooled)
    assert {(row, way) for row in tooled for way in ways(row)} <= {(first, way) for first, _, way in played}
    assert {(row, way) for row in tooled for way in WAYS} <= {(second, way) for _, second, way in played}


@pytest.mark.parametrize("second", ROWS)
@pytest.mark.parametrize("share", ["some", pytest.param("all", marks=pytest.mark.full)])
async def test_any_row_takes_over_from_any_other(share: str, second: str, recorded: dict[str, list[bytes]]) -> None:
    """All pairs in each way in the full suite: what decides is the carrier, and a row stands for each kind of it."""
    names = {f"{first} {way}": (first, way) for first, way in pairs(second, share)}
    script = {name: taken_over(second, first, way) for name, (first, way) in names.items()}
    async with Emulator(script, contract=second) as server:
        asked = agent(second, server)
        async with anyio.create_task_group() as tasks:
            for name in names:
                tasks.start_soon(cross, recorded[name], asked, name)
        assert refusals(server) == []
        for seen in server.requests:
            foreign = answers(second, *names[str(seen.conversation)])
            own = [message for message in seen.returned if message.position >= foreign]
            assert not any(message.missing or message.reasoning_altered for message in own)
        steps = 1 if second in TOOLLESS else 2
        assert len(server.requests) == sum(steps + (way == "turn") for _, way in names.values())


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
