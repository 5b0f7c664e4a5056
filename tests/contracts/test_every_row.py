"""Every contract, every way an answer may travel: right on the wire, and nothing lost without a word."""

from typing import Any, get_args

import anyio
import pytest

from agentkit import Agent, MemoryJournal, Session
from agentkit.emulator import CONTRACTS, Emulator, Reply
from agentkit.emulator.log import Seen
from agentkit.emulator.script import Quirk
from tests.contracts.rows import KINDS, NASTY, ROWS, TOOLLESS, agent, losses, refusals, turns

pytestmark = pytest.mark.anyio

# Markup that leaks into the text is a fault of the service: what becomes of it is told in test_models_leaks.
BROKEN = frozenset({"error_event", "error_list", "dsml_leak", "think_leak"})
QUIRKS = ("none", *sorted(set(get_args(Quirk)) - BROKEN))
PLACES = ("finish", "trailing", "absent")


def some(row: str, *, streamed: bool) -> tuple[str, ...]:
    """Return every quirk for a row of each kind of carrier, and none and every fourth for the others, in turn."""
    turn = ROWS.index(row) + 2 * streamed
    return tuple(quirk for at, quirk in enumerate(QUIRKS) if row in KINDS or at == 0 or (at + turn) % 4 == 0)


def scripts(row: str) -> dict[str, list[Reply]]:
    """Return a conversation for each quirk, named by its first message."""
    return {
        quirk: turns(row, quirks=() if quirk == "none" else (quirk,), usage_at=PLACES[at % 3], keep_alives=at % 2)
        for at, quirk in enumerate(QUIRKS)
    }


def test_both_tables_know_the_same_rows() -> None:
    assert set(ROWS) == set(CONTRACTS) - {"deepseek-v4-measured"}


async def converse(asked: Agent[Any, str], quirk: str, streamed: bool, row: str) -> None:  # noqa: FBT001 - a task's argument
    async with Session(asked, quirk, journal=MemoryJournal()) as session:
        for said, expected in ((quirk, "I look." if row in TOOLLESS else f"Here: {NASTY}"), ("more", "Done.")):
            if streamed:
                async with session.stream(said) as events:
                    result = await events.result()
            else:
                result = await session.run(said)
            assert (quirk, result.status, result.output) == (quirk, "completed", expected)


def apart(seen: Seen) -> bool:
    """Tell whether no two calls of a request share an id, also where the service gives none (law 4)."""
    body: dict[str, Any] = seen.body or {}
    calls = [call["id"] for message in body.get("messages", ()) for call in message.get("tool_calls", ())]
    calls += [item["call_id"] for item in body.get("input", ()) if item.get("type") == "function_call"]
    return len(set(calls)) == len(calls)


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("share", ["some", pytest.param("all", marks=pytest.mark.full)])
async def test_every_quirk_of_every_row(share: str, row: str, streamed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    quirks = QUIRKS if share == "all" else some(row, streamed=streamed)
    async with Emulator(scripts(row), contract=row) as server:
        asked = agent(row, server)
        async with anyio.create_task_group() as tasks:
            for quirk in quirks:
                tasks.start_soon(converse, asked, quirk, streamed, row)
        assert refusals(server) == []
        assert losses(server.counts) == {}
        assert all(map(apart, server.requests))
        answers = sum(len(seen.returned) for seen in server.requests)
        assert answers == len(quirks) * (1 if row in TOOLLESS else 10)
