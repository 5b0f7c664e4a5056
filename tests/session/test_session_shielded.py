"""Nothing of a batch can be cancelled, whether the journal keeps cancels off where it waits or the recorder has to."""

import threading
from pathlib import Path

import anyio
import pytest

from agentkit import Journal, MemoryJournal, SQLiteJournal
from agentkit.core.events import SessionStarted
from agentkit.journal.base import Appended, Batch, Lease
from agentkit.journal.sqlite_file import enter
from agentkit.recorder import Recorder

pytestmark = pytest.mark.anyio
STARTED = SessionStarted("u", "desk")


class Slow(MemoryJournal):
    """Waits before each append, and keeps no cancel off."""

    async def append(self, lease: Lease, after: int, batch: Batch) -> Appended:
        """Append when a while has passed."""
        await anyio.sleep(0.05)
        return await super().append(lease, after, batch)


async def leased(journal: Journal) -> Recorder:
    recorder = Recorder(journal, "s")
    recorder.lease = await journal.claim("s", uid="u", agent="desk", owner="me")
    return recorder


async def recorded_although_cancelled(recorder: Recorder) -> None:
    with anyio.move_on_after(0.01) as scope:
        await recorder.record(STARTED, then=False)
        await anyio.sleep(30)
    assert (recorder.state.seq, recorder.state.uid, scope.cancelled_caught) == (1, "u", True)
    assert [record.event async for record in recorder.journal.read("s")] == [STARTED]


async def test_a_cancel_does_not_reach_a_journal_that_keeps_none_off() -> None:
    await recorded_although_cancelled(await leased(Slow()))


async def test_a_cancel_does_not_reach_a_batch_that_waits_for_the_journals_thread(tmp_path: Path) -> None:
    path, go_on = tmp_path / "shielded.db", threading.Event()
    async with SQLiteJournal(path) as journal, anyio.create_task_group() as tasks:
        recorder, file = await leased(journal), enter(path, create=False)
        tasks.start_soon(file.writer.run, lambda _: go_on.wait(30))
        await anyio.sleep(0.01)
        threading.Timer(0.1, go_on.set).start()
        await recorded_although_cancelled(recorder)
        await file.leave()
