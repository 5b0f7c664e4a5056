"""What a session knew is given back when it has ended by itself, and not when Python's garbage collector comes by."""

import gc
from pathlib import Path
from typing import Any

import pytest

from agentkit import Journal, MemoryJournal
from tests.session.desk import Played, Till, asks, file, look, session_of

pytestmark = pytest.mark.anyio

TURN = (asks(("look", {"order": "7"})), asks(("look", {"order": "8"})), "done")


async def hold(journal: Journal, *, stream: bool) -> None:
    async with session_of(Played(*TURN), journal, Till(), look) as session:
        if stream:
            async with session.stream("go") as said:
                assert [item async for item in said]
        else:
            assert (await session.run("go")).output == "done"


def journal_of(kind: str, folder: Path) -> Any:
    return MemoryJournal() if kind == "memory" else file(folder)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_nothing_of_a_session_waits_for_the_garbage_collector(tmp_path: Path, kind: str, *, stream: bool) -> None:
    (tmp_path / "first").mkdir()
    async with journal_of(kind, tmp_path / "first") as first, journal_of(kind, tmp_path) as journal:
        await hold(first, stream=stream)  # what is made once in a process is made now
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            await hold(journal, stream=stream)
            gc.collect()
            kept = sorted({type(each).__qualname__ for each in gc.garbage})
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert kept == []
