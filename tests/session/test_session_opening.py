"""What opening a session costs: so many Python calls a step, whatever its length, and nothing is held twice."""

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from agentkit import SQLiteJournal
from agentkit.core.loop import fold
from agentkit.recorder import Recorder
from benchmarks import growth

pytestmark = pytest.mark.anyio

CALLS = 140  # a step has four events: a call of the model and its answer, a call of a tool and its result


async def _opened(journal: SQLiteJournal, name: str) -> tuple[int, Recorder]:
    recorder, calls = Recorder(journal, name), 0

    def count(_frame: FrameType, event: str, _of: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        await recorder.load()
    finally:
        sys.setprofile(None)
    return calls, recorder


async def test_each_step_costs_so_many_python_calls_and_the_state_is_the_fold_of_the_events(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "opening.db") as journal:
        for name, steps in (("short", 20), ("long", 60)):
            await growth.hold(journal, name, steps, 100)
        await _opened(journal, "short")  # what is compiled on first use is
        (few, _), (many, recorder) = await _opened(journal, "short"), await _opened(journal, "long")
        assert (many - few) / 40 <= CALLS
        assert recorder.state == fold([record.event async for record in journal.read("long")])
