"""What a failing journal leaves in hand is recorded where it belongs, and nothing that is known is lost."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Journal, MemoryJournal, Outcome, Session, Tool, ToolError, tool
from agentkit.errors import JournalError
from agentkit.events import AgentBound, CallResolved, ModelResponded, ToolFinished
from agentkit.journal.base import Appended, Batch, Lease
from agentkit.journal.export import export, import_
from agentkit.models.base import Show
from agentkit.testing import Died, FaultyJournal
from agentkit.tools.running import lives
from tests.session.desk import Played, Till, asks, facts, facts_of, file, refund, session_of, told, until
from tests.session.faults import FaultyAt

pytestmark = pytest.mark.anyio

# --- kept outcomes ---------------------------------------------------------------------------------------------------


async def test_a_binding_that_met_a_full_disk_is_recorded_with_its_contents() -> None:
    inner = MemoryJournal()
    async with session_of(Played("one"), FaultyAt(inner, AgentBound, "full")) as session:
        with pytest.raises(JournalError):
            await session.run("a", id="m1")
        assert (await session.run("a", id="m1")).output == "one"
    async with session_of(Played("one", "two"), inner) as session:
        assert (await session.run("b", id="m2")).output == "two"


async def test_a_kept_answer_is_not_recorded_for_another_turns_request() -> None:
    inner = MemoryJournal()
    dying = FaultyJournal(inner)

    async def die(_: Show | None) -> str:
        dying.dead = True
        return "lost"

    model = Played("kept", "for two")
    async with session_of(model, FaultyAt(inner, ModelResponded, "full")) as keeper:
        with pytest.raises(JournalError):
            await keeper.run("one", id="m1")
        other = session_of(Played("for one", die), dying)
        assert (await other.run("one", id="m1")).output == "for one"
        with pytest.raises((Died, BaseExceptionGroup)):
            await other.run("two", id="m2")
        await dying.bury()
        assert (await keeper.run("two", id="m2")).output == "for two"
        assert (await keeper.run("one", id="m1")).output == "for one"


async def test_a_kept_outcome_is_handed_over_when_its_session_is_left() -> None:
    till = Till()
    journal = FaultyAt(MemoryJournal(), ToolFinished, "full")
    pay = asks(("refund", {"order": "7"}))
    async with session_of(Played(pay, "done"), journal, till, refund()) as session:
        with pytest.raises(JournalError):
            await session.run("go", id="m1")
    async with session_of(Played(pay, "done"), journal, till, refund()) as session:
        assert (await session.run("go", id="m1")).output == "done"
    assert till.done == ["7"]


class Interrupt(BaseException):
    """What Ctrl-C does, but not to the test's own event loop."""


class Interrupted(MemoryJournal):
    """It comes when the first result of a tool has just been written."""

    done = False

    async def append(self, lease: Lease, after: int, batch: Batch) -> Appended:
        """Append, and be interrupted."""
        appended = await super().append(lease, after, batch)
        if not self.done and any(isinstance(placed.event, ToolFinished) for placed in batch.events):
            self.done = True
            raise Interrupt
        return appended


async def test_a_session_interrupted_in_an_append_goes_on_from_what_was_written() -> None:
    till = Till()
    async with session_of(Played(asks(("refund", {"order": "7"})), "done"), Interrupted(), till, refund()) as session:
        with pytest.raises((Interrupt, BaseExceptionGroup)):
            await session.run("go", id="m1")
        assert (await session.run("go", id="m1")).output == "done"
    assert till.done == ["7"]


# --- events of a later version ---------------------------------------------------------------------------------------


async def test_a_session_goes_on_behind_an_ignorable_event_of_a_later_version(tmp_path: Path) -> None:
    async with session_of(Played("one"), file(tmp_path)) as session:
        await session.run("a", id="m1")
    db = sqlite3.connect(tmp_path / "desk.db", isolation_level=None)
    db.execute("update session set last_seq = last_seq + 1")
    db.execute(
        "insert into event (session, seq, type, turn, step, epoch, body, at) "
        "select e.session, s.last_seq, 'Dreamed', e.turn, null, e.epoch, ?, e.at "
        "from event e, session s where e.seq = 1",
        (b'{"ignorable":true}',),
    )
    db.close()
    async with session_of(Played("one", "two"), file(tmp_path)) as session:
        assert (await session.run("b", id="m2")).output == "two"


async def test_an_import_goes_on_behind_an_ignorable_event_of_a_later_version() -> None:
    journal, there = MemoryJournal(), MemoryJournal()
    async with session_of(Played("one"), journal) as session:
        await session.run("a", id="m1")
    *lines, last, _ = [json.loads(line) async for line in export(journal, "s")]
    dreamed = {**last, "type": "Dreamed", "body": {"ignorable": True}}
    await import_(there, _sealed([*lines, dreamed, {**last, "seq": last["seq"] + 1}]), uid="u")
    async with session_of(Played("one", "two"), there) as session:
        assert (await session.run("b", id="m2")).output == "two"


def _sealed(values: list[Any]) -> list[bytes]:
    lines = [json.dumps(value).encode() + b"\n" for value in values]
    digest = blake2b(b"".join(lines), digest_size=16).hexdigest()
    return [*lines, json.dumps({"lines": len(lines), "digest": digest}).encode() + b"\n"]


# --- threads that end when nobody waits any more ---------------------------------------------------------------------


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()


def paying(gate: threading.Event, *, fails: bool = False) -> Tool[Any, ..., Any]:
    """Return a `once` tool whose thread is given up, and ends when the gate opens."""

    @tool(effect="once", timeout=0.1)
    def pay(order: str) -> str:
        """Pay an order."""
        gate.wait(20)
        if fails:
            raise ToolError(f"no account for {order}")
        return "receipt 4711"

    return pay


def bank_of(model: Played, journal: Journal, pay: Tool[Any, ..., Any]) -> Session[None, str]:
    return Session(Agent(model, tools=[pay]), "s", journal=journal)


async def test_a_failure_that_is_handed_over_is_told_as_a_failure(gate: threading.Event, tmp_path: Path) -> None:
    pay, model = paying(gate, fails=True), Played(asks(("pay", {"order": "7"})), "done")
    async with bank_of(model, file(tmp_path), pay) as session:
        unknown = (await session.run("go", id="m1")).unknowns[0]
        gate.set()
        await until(lambda: not lives(unknown.idempotency_key))
    async with bank_of(model, file(tmp_path), pay) as session:
        assert (await session.run("go", id="m1")).output == "done"
        (resolved,) = await facts_of(session, CallResolved)
    assert resolved.failed
    assert "no account for 7" in told(model.requests[-1])[0]


async def test_a_result_that_comes_after_its_call_was_given_up_is_recorded(gate: threading.Event) -> None:
    model = Played(asks(("pay", {"order": "7"})), "done", "next")
    async with bank_of(model, MemoryJournal(), paying(gate)) as session:
        unknown = (await session.run("go", id="m1")).unknowns[0]
        await session.resolve(unknown, Outcome.unknown(), by="ann")
        assert (await session.resume()).output == "done"
        gate.set()
        await until(lambda: not lives(unknown.idempotency_key))
        assert (await session.run("and?", id="m2")).output == "next"
        assert any("receipt 4711" in repr(event) for event in await facts(session))
