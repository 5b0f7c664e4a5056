"""A process that still drives a session which was erased meanwhile, and begun anew under its id."""

import logging
from pathlib import Path

import anyio
import pytest

from agentkit import Agent, Session
from agentkit.errors import Fenced
from agentkit.events import CallResolved, InboxRefused, ToolUnknown
from agentkit.journal.base import Lease
from tests.session.desk import Played, Till, asks, facts_of, file, lose_the_line, refund

pytestmark = pytest.mark.anyio


def session(path: Path, order: str, till: Till) -> Session[Till, str]:
    model = Played(asks(("refund", {"order": order})), "done")
    return Session(Agent(model, tools=[refund()], deps_type=Till), "mary", journal=file(path), deps=till)


async def test_its_outcome_is_not_the_outcome_of_another_sessions_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate, began = anyio.Event(), anyio.Event()

    async def before(_: Till, __: str) -> None:
        began.set()
        await gate.wait()

    old, new = (
        session(tmp_path, "of the old one", Till(before=before)),
        session(tmp_path, "of the new one", Till(trouble=lose_the_line)),
    )
    fenced = anyio.Event()

    async def drive() -> None:
        with pytest.raises(Fenced):
            await old.run("refund")
        fenced.set()

    async with file(tmp_path) as journal, old, new, anyio.create_task_group() as tasks:
        tasks.start_soon(drive)
        await began.wait()
        head = await journal.head("mary")
        assert head is not None
        lease = Lease("mary", head.epoch, head.last_seq, created=False, uid=head.uid)
        await journal.release(lease)  # as if it had run out
        await journal.erase("mary", structure=False)
        assert (await new.run("refund")).unknowns, "it is not known whether the new one happened"
        gate.set()
        await fenced.wait()
        assert (await new.resume()).unknowns
        assert not await journal.inbox("mary")
        assert len(await facts_of(new, ToolUnknown)) == 1
        assert not await facts_of(new, CallResolved)
        assert not await facts_of(new, InboxRefused)
    (told,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert told.getMessage() == "session 'mary' was erased while call 1.1.0 ran: what came of it is not kept"
