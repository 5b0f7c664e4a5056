"""On every contract that keeps reasoning, fifty steps cost fifty times the new tokens: all before is in the cache."""

from dataclasses import replace
from typing import Any

import pytest

from agentkit import Limits, MemoryJournal, Session
from agentkit.emulator import CONTRACTS, Call, Emulator, Reply
from agentkit.models import contracts
from tests.contracts.rows import TODAY, WITH_TOOLS, agent, losses, refusals

pytestmark = pytest.mark.anyio

STEPS, FEW = 50, 12
STICKY = [
    row for row in WITH_TOOLS if contracts.named(row, TODAY).retention in {"sticky-tools", "sticky-if-tools", "all"}
]


def lengths() -> list[Any]:
    """Return (row, steps): fifty for the first row of each way of keeping, and for the others in the full suite."""
    seen, found = set[tuple[str, str]](), list[Any]()
    for row in STICKY:
        told = contracts.named(row, TODAY)
        kind = (told.retention, told.carrier.write)
        found.append(pytest.param(row, FEW if kind in seen else STEPS, id=row))
        if kind in seen:
            found.append(pytest.param(row, STEPS, marks=pytest.mark.full, id=f"{row} long"))
        seen.add(kind)
    return found


def script(count: int) -> dict[str, list[Reply]]:
    """Return a turn of so many steps, and a second one: what was kept must still be there behind a user message."""
    steps = [
        Reply(f"Step {at}.", f"thinking {at} " * (3 + at % 5), (Call("find", {"q": f"item {at}"}),))
        for at in range(count)
    ]
    return {"go": [*steps, Reply("Done.", "at last"), Reply("More.", "again")]}


def forgets(row: str) -> bool:
    """Tell whether the service itself leaves old reasoning out behind a user message: no client can help that."""
    judge = CONTRACTS[row]
    return judge.keeps == "since the last user" and judge.keep_switch is None


@pytest.mark.parametrize(("row", "count"), lengths())
async def test_only_new_tokens_miss_the_cache(row: str, count: int) -> None:
    async with Emulator(script(count), contract=row, cache_unit=64) as server:
        asked = replace(agent(row, server), limits=Limits(steps=count + 1))
        async with Session(asked, "s", journal=MemoryJournal()) as session:
            assert (await session.run("go")).output == "Done."
            if not forgets(row):
                assert (await session.run("on")).output == "More."
        assert (refusals(server), losses(server.counts)) == ([], {})
        before = 0
        for seen in server.requests:
            assert seen.tokens is not None
            assert seen.tokens.hit >= before - before % 64, f"request {seen.number}"
            # Whole tokens of this prompt and its answer, each of them rounded up; the next prompt begins with both.
            before = seen.tokens.hit + seen.tokens.miss + seen.tokens.output - 2
        assert len(server.requests) == count + (1 if forgets(row) else 2)
