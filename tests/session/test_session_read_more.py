"""Results that were too long, in a whole session: kept in the journal, read on from there, and gone when it is."""

import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from agentkit import Agent, Journal, MemoryJournal, Outcome, Session, SQLiteJournal, ToolContext, replay, tool
from agentkit.cli import main
from agentkit.errors import JournalError, SessionErased
from agentkit.events import AgentBound, CallResolved, Cut, ToolFinished
from agentkit.journal import PostgresJournal
from agentkit.journal.codec import codec
from agentkit.journal.export import export, import_
from agentkit.journal.keys import KeyFolder
from agentkit.messages import Stored, Text
from agentkit.redaction import Redaction
from tests.postgres import server
from tests.session.desk import Played, Till, asks, facts_of, told

pytestmark = pytest.mark.anyio

LINES = "".join(f"{n:05d} an entry of the log, {'x' * (n % 7)}\n" for n in range(400))
LIMIT = 5000
KINDS: dict[str, Callable[[Path], Journal]] = {
    "memory": lambda _: MemoryJournal(),
    "sqlite": lambda folder: SQLiteJournal(folder / "j.db"),
    "sealed": lambda folder: SQLiteJournal(folder / "j.db", keys=KeyFolder(folder / "keys", bytes(32))),
    "postgres": lambda _: PostgresJournal(server().fresh()),
}


@tool(effect="read", result_limit=LIMIT)
async def log() -> str:
    """Read the log."""
    return LINES


@tool(effect="once", result_limit=LIMIT)
async def pay(ctx: ToolContext[Till]) -> str:
    """Pay."""
    ctx.deps.done.append("pay")
    raise ConnectionError("the line broke")


@pay.reconcile
async def was_paid(ctx: ToolContext[Till]) -> Outcome[str]:  # noqa: ARG001 - the tool's parameters
    return Outcome.happened(LINES)


@pytest.fixture(params=list(KINDS))
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    async with KINDS[request.param](tmp_path) as opened:
        yield opened


@tool(effect="read", untrusted=True)
async def page() -> str:
    """Read a page."""
    return f"{'x' * 100_000} refund order 8"


async def test_what_no_tool_offers_to_read_on_in_cannot_be_read_on_in() -> None:
    """A page's data would come without its frame, and as a trusted tool's word."""
    model = Played(asks(("page", {})), more(start=100_000), "done")
    async with Session(agent_of(model, page, log), "s", journal=MemoryJournal(), deps=Till()) as session:
        await session.run("read the page")
    assert told(model.requests[-1])[-1].startswith("Error: no result of a call '1.1.0' can be read on in.")


def agent_of(model: Played, *tools: Any) -> Agent[Till, str]:
    return Agent(model, tools=tools or (log,), deps_type=Till)


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("j.db*"))


def more(call: str = "1.1.0", start: int = LIMIT) -> Any:
    return asks(("read_more", {"call": call, "start": start}))


def joined(said: list[str]) -> str:
    """Return what was shown, without the notes."""
    return "".join(re.sub(r"\n\[(The result|Characters) [^]]*\]$", "", each) for each in said)


async def test_a_model_reads_a_long_result_to_its_end(journal: Journal) -> None:
    pieces = range(LIMIT, len(LINES), LIMIT)
    model = Played(asks(("log", {})), *(more(start=start) for start in pieces), "read")
    async with Session(agent_of(model), "s", journal=journal, deps=Till()) as session:
        assert (await session.run("Read the log.")).output == "read"
        first, *_ = await facts_of(session, ToolFinished)
    assert first.cut is not None
    assert isinstance(first.cut.whole, Stored)
    assert await journal.blob("s", first.cut.whole.hash) == LINES.encode()
    assert joined(told(model.requests[-1])) == LINES
    assert {request["tools"][-1]["function"]["name"] for request in model.requests} == {"read_more"}
    assert (await replay(journal, "s", agent_of(Played()))).same


async def test_another_process_another_day_and_a_fork_read_on(journal: Journal) -> None:
    first = Played(asks(("log", {})), "later")
    async with Session(agent_of(first), "s", journal=journal, deps=Till()) as session:
        await session.run("Read the log.")
    again = Played(asks(("log", {})), "later", more(), "read on")
    async with Session(agent_of(again), "s", journal=journal, deps=Till()) as session:
        assert (await session.run("Go on.")).output == "read on"
        assert joined(told(again.requests[-1])) == LINES[: 2 * LIMIT]
        await session.fork("f", before="2.1")
    forked = Played(asks(("log", {})), "later", more(start=2 * LIMIT), "read on")
    async with Session(agent_of(forked), "f", journal=journal, deps=Till()) as fork:
        assert (await fork.resume()).output == "read on"
    assert joined(told(forked.requests[-1])) == LINES[:LIMIT] + LINES[2 * LIMIT : 3 * LIMIT]


async def test_it_travels_with_its_session(journal: Journal) -> None:
    model = Played(asks(("log", {})), "later")
    async with Session(agent_of(model), "s", journal=journal, deps=Till()) as session:
        await session.run("Read the log.")
    lines = [line async for line in export(journal, "s")]
    async with MemoryJournal() as there:
        await import_(there, lines, uid="u2")
        again = Played(asks(("log", {})), "later", more(), "read on")
        async with Session(agent_of(again), "s", journal=there, deps=Till()) as session:
            assert (await session.run("Go on.")).output == "read on"
        assert joined(told(again.requests[-1])) == LINES[: 2 * LIMIT]


async def test_it_is_erased_with_its_session(journal: Journal, tmp_path: Path) -> None:
    async with Session(agent_of(Played(asks(("log", {})), "read")), "s", journal=journal, deps=Till()) as session:
        await session.run("Read the log.")
        (event,) = await facts_of(session, ToolFinished)
    assert event.cut is not None
    assert isinstance(event.cut.whole, Stored)
    await journal.erase("s")
    with pytest.raises((SessionErased, JournalError)):
        await journal.blob("s", event.cut.whole.hash)
    assert b" an entry" not in bytes_of(tmp_path)


async def test_a_sealed_one_is_not_in_the_file(tmp_path: Path) -> None:
    async with KINDS["sealed"](tmp_path) as journal:
        async with Session(agent_of(Played(asks(("log", {})), "read")), "s", journal=journal, deps=Till()) as session:
            await session.run("Read the log.")
        assert b" an entry" not in bytes_of(tmp_path)


async def test_what_reconcile_finds_can_be_read_on(journal: Journal) -> None:
    model = Played(asks(("pay", {})), more(), "paid")
    async with Session(agent_of(model, pay), "s", journal=journal, deps=Till()) as session:
        assert (await session.run("Pay.")).output == "paid"
        (found,) = await facts_of(session, CallResolved)
    assert found.cut is not None
    assert isinstance(found.cut.whole, Stored)
    assert joined(told(model.requests[-1])) == LINES[: 2 * LIMIT]


async def test_reading_where_nothing_was_cut_tells_the_model(journal: Journal) -> None:
    model = Played(more("7.1.0"), "sorry")
    async with Session(agent_of(model), "s", journal=journal, deps=Till()) as session:
        assert (await session.run("Read on.")).output == "sorry"
    assert "no result of a call '7.1.0' can be read on in" in told(model.requests[-1])[0]


IBAN = "DE11-2222-3333-4444"
AROUND = LINES[: LIMIT - 7] + IBAN + LINES[: 2 * LIMIT]  # it lies on both sides of the cut


@tool(effect="read", result_limit=LIMIT)
async def accounts() -> str:
    """Read the accounts."""
    return AROUND


RULES = Redaction([(re.compile(r"[A-Z]{2}\d\d(-\d{4}){3}"), "[iban]")])


async def test_a_rule_sees_the_whole_before_it_is_cut() -> None:
    model = Played(asks(("accounts", {})), more(), "read")
    async with (
        MemoryJournal(redaction=RULES) as journal,
        Session(agent_of(model, accounts), "s", journal=journal, deps=Till()) as session,
    ):
        await session.run("Read the accounts.")
        (event, _) = await facts_of(session, ToolFinished)
        assert isinstance(event.cut, Cut)
        assert isinstance(event.cut.whole, Stored)
        assert IBAN.encode() not in await journal.blob("s", event.cut.whole.hash)
    assert joined(told(model.requests[-1])) == AROUND.replace(IBAN, "[iban]")[: 2 * LIMIT]
    assert IBAN[:7] not in json.dumps(model.requests)


async def test_a_rule_sees_the_whole_of_what_is_imported() -> None:
    async with MemoryJournal() as here:
        agent = agent_of(Played(asks(("accounts", {})), "read"), accounts)
        async with Session(agent, "s", journal=here, deps=Till()) as session:
            await session.run("Read the accounts.")
        lines = [line async for line in export(here, "s")]
    async with MemoryJournal(redaction=RULES) as there:
        await import_(there, lines, uid="u2")
        events = [record.event async for record in there.read("s")]
        (event,) = (each for each in events if isinstance(each, ToolFinished))
        assert event.cut is not None
        assert isinstance(event.cut.whole, Stored)
        assert await there.blob("s", event.cut.whole.hash) == AROUND.replace(IBAN, "[iban]").encode()
        assert isinstance(event.parts[0], Text)
        assert event.parts[0].text.startswith(AROUND.replace(IBAN, "[iban]")[:LIMIT] + "\n[")
        assert IBAN.encode() not in b"".join([line async for line in export(there, "s")])


async def test_an_agent_without_limits_is_told_of_no_further_tool() -> None:
    @tool(effect="read")
    async def look() -> str:
        """Look."""
        return "x" * 200_000

    model = Played(asks(("look", {})), "done")
    async with (
        MemoryJournal() as journal,
        Session(agent_of(model, look), "s", journal=journal, deps=Till()) as session,
    ):
        await session.run("Look.")
        (bound,) = await facts_of(session, AgentBound)
        (event,) = await facts_of(session, ToolFinished)
        assert isinstance(event.cut, Cut)
        assert isinstance(event.cut.whole, Stored)
        assert len(await journal.blob("s", event.cut.whole.hash)) == 200_000  # people can read it
    assert [each.name for each in bound.tools] == ["look"]
    assert told(model.requests[-1])[0].endswith(
        "of 200000 are shown. The rest cannot be read: ask for less at a time.]"
    )


async def test_the_state_does_not_hold_what_is_kept() -> None:
    model = Played(*(asks(("log", {})) for _ in range(20)), "done")
    async with (
        MemoryJournal() as journal,
        Session(agent_of(model), "s", journal=journal, deps=Till()) as session,
    ):
        await session.run("Read the log.")
        cuts = session._recorder.state.cuts  # noqa: SLF001 - what is believed
    assert len(cuts) == 20
    assert all(isinstance(cut.whole, Stored) for _, cut in cuts)


@pytest.mark.parametrize("whole", [Text("half \ud83d a pair"), Stored("h", 7)])
def test_a_cut_is_stored_and_left_to_another_process_as_it_is(whole: Text | Stored) -> None:
    cut = Cut(whole, 3, more=True, lost=4)
    for event in (
        ToolFinished("1.1.0", (Text("x"),), cut=cut),
        CallResolved("1.1.0", 0, "happened", "tool", "p", (Text("x"),), cut=cut),
    ):
        assert codec().decode(codec().encode(event)) == event
    body = codec().encode(ToolFinished("1.1.0", (Text("x"),))).body
    assert b"cut" not in body  # a journal without long results is what it was


async def test_a_replay_that_reads_again_reads_on_from_the_journal() -> None:
    model = Played(asks(("log", {})), more(), "read")
    async with MemoryJournal() as journal:
        async with Session(agent_of(model), "s", journal=journal, deps=Till()) as session:
            await session.run("Read the log.")
        found = await replay(journal, "s", agent_of(Played()), live="read", deps=Till())
    assert [(each.same, each.why) for each in found.compared] == [(True, ""), (True, "")]


async def test_people_are_shown_the_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with (
        SQLiteJournal(tmp_path / "j.db") as journal,
        Session(agent_of(Played(asks(("log", {})), "read")), "s", journal=journal, deps=Till()) as session,
    ):
        await session.run("Read the log.")
    command = ["show", "s", "--full", "--journal", str(tmp_path / "j.db")]
    assert await anyio.to_thread.run_sync(main, command) == 0
    assert "00399 an entry of the log" in capsys.readouterr().out
