"""What people, policies and readers see is what was meant: contexts, clocks, decisions, notes, log lines, replays."""

import logging
import re
from dataclasses import replace
from typing import Any

import anyio
import pytest

from agentkit import Agent, Limits, MemoryJournal, Outcome, Session, ToolContext, tool
from agentkit.core.contract import Bridges, Contract
from agentkit.events import CallResolved, InboxRefused, LimitReached, ToolFinished, UserSaid
from agentkit.messages import AssistantMessage
from agentkit.models.base import Show
from agentkit.proof import replay
from agentkit.testing import Died
from tests.session.desk import Played, Till, asks, facts, facts_of, look, lose_the_line, refund, session_of, told, until
from tests.session.faults import FaultyAt

pytestmark = pytest.mark.anyio

PAY = asks(("refund", {"order": "7"}))


class Contracted(Played):
    """Plays turns under a contract of the test's own."""

    def __init__(self, contract: Contract, *turns: Any) -> None:
        self._row = contract
        super().__init__(*turns)

    def resolve(self) -> Contract:
        return self._row


# --- policies --------------------------------------------------------------------------------------------------------


async def test_a_policy_sees_the_session_and_the_key_that_its_tool_will_see() -> None:
    asked: list[tuple[str, str]] = []
    ran: list[tuple[str, str]] = []

    def rule(ctx: ToolContext[Till]) -> bool:
        asked.append((ctx.session_id, ctx.idempotency_key))
        return True

    @tool(effect="once", needs_approval=rule)
    async def give(ctx: ToolContext[Till]) -> str:
        """Give."""
        ran.append((ctx.session_id, ctx.idempotency_key))
        return "gave"

    async with session_of(Played(asks(("give", {})), "done"), MemoryJournal(), Till(), give) as session:
        result = await session.run("go")
        await session.approve(result.approvals[0], by="ann", arguments={})
        assert (await session.resume()).output == "done"
    assert ran[0][0] == "s"
    assert set(asked) == set(ran)


# --- clocks ----------------------------------------------------------------------------------------------------------


async def test_people_who_talk_while_a_tool_works_do_not_stop_the_clock() -> None:
    released = anyio.Event()

    @tool(effect="read")
    async def slow() -> str:
        """Work until the test is over."""
        await released.wait()
        return "ok"

    limits, model = Limits(seconds=0.3), Played(asks(("slow", {})), "done")
    async with session_of(model, MemoryJournal(), Till(), slow, limits=limits) as session:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.run, "go")
            for number in range(10):
                await anyio.sleep(0.1)
                await session.say("hello?", id=f"h{number}")
            released.set()
        said = [type(event) for event in await facts(session) if isinstance(event, LimitReached | UserSaid)]
    assert said[0] is said[-1] is UserSaid
    assert LimitReached in said, "the limit was met while people talked"


async def test_the_time_a_session_lay_dead_does_not_count() -> None:
    inner, till, limits = MemoryJournal(), Till(), Limits(seconds=1)
    model = Played(asks(("refund", {"order": "1"}), ("refund", {"order": "2"})), "done")
    dying = FaultyAt(inner, ToolFinished, "die after")
    with pytest.raises((Died, BaseExceptionGroup)):
        async with session_of(model, dying, till, refund(), limits=limits) as session:
            await session.run("go", id="m1")
    await dying.bury()
    await anyio.sleep(1.1)
    async with session_of(model, inner, till, refund(), limits=limits) as session:
        result = await session.run("go", id="m1")
    assert result.output == "done"
    assert till.done == ["1", "2"]


# --- decisions -------------------------------------------------------------------------------------------------------


async def test_an_edit_that_was_refused_can_be_approved_again_when_it_fits() -> None:
    journal, till, known = MemoryJournal(), Till(), {"7"}

    def rule(order: str) -> bool:
        if order not in known:
            raise LookupError(order)
        return True

    async with session_of(Played(PAY, "done"), journal, till, refund(needs_approval=rule)) as session:
        approval = (await session.run("go")).approvals[0]
        async with Session(Agent(Played()), "s", journal=journal) as elsewhere:  # it knows no tool that could refuse
            await elsewhere.approve(approval.id, by="ann", arguments={"order": "8"})
        approval = (await session.resume()).approvals[0]
        assert len(await facts_of(session, InboxRefused)) == 1
        known.add("8")
        await session.approve(approval, by="ann", arguments={"order": "8"})
        assert (await session.resume()).output == "done"
    assert till.done == ["8"]


async def test_the_same_decision_twice_is_nothing_also_after_reconcile_could_not_tell() -> None:
    till = Till(trouble=lose_the_line, found=Outcome.unknown())
    async with session_of(Played(PAY, "done"), MemoryJournal(), till, refund(reconciles=True)) as session:
        unknown = (await session.run("go")).unknowns[0]
        for _ in range(2):
            await session.resolve(unknown, Outcome.happened("paid"), by="ann")
            assert (await session.resume()).output == "done"
        people = [event for event in await facts_of(session, CallResolved) if event.source == "person"]
        assert len(people) == 1


@pytest.mark.parametrize("found", ["by reconcile", "by a person", "by nobody"])
async def test_a_result_found_out_later_also_begins_with_the_note_of_the_edit(found: str) -> None:
    till, model = Till(trouble=lose_the_line), Played(PAY, "done")
    tools = refund(reconciles=found == "by reconcile", needs_approval=True)
    async with session_of(model, MemoryJournal(), till, tools) as session:
        result = await session.run("go")
        await session.approve(result.approvals[0], by="ann", arguments={"order": "8"})
        for unknown in (await session.resume()).unknowns:
            outcome = Outcome.happened("paid") if found == "by a person" else Outcome.unknown()
            await session.resolve(unknown, outcome, by="ann")
        assert (await session.resume()).output == "done"
    (words,) = told(model.requests[-1])
    assert words.startswith('Note: a person changed the arguments to {"order": "8"}')


# --- readers ---------------------------------------------------------------------------------------------------------


async def test_each_record_has_its_line_from_the_first_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="agentkit")
    journal = MemoryJournal()
    async with session_of(Played("done"), journal) as session:
        await session.run("go")
    recorded = [type(record.event).__name__ async for record in journal.read("s")]
    assert re.findall(r"event='(\w+)'", caplog.text) == recorded
    assert recorded[:2] == ["SessionStarted", "AgentBound"]


async def test_log_lines_hold_no_argument_and_no_text_of_an_exception(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="agentkit")
    journal = MemoryJournal()
    till = Till(trouble=lose_the_line, found=ConnectionError("GET https://u:PASSWORD@bank"))
    tools = refund(needs_approval=True, reconciles=True)
    async with session_of(Played(PAY, "done"), journal, till, tools) as session:
        approval = (await session.run("go")).approvals[0]
        async with Session(Agent(Played()), "s", journal=journal) as elsewhere:  # it knows no tool that could refuse
            await elsewhere.approve(approval.id, by="ann", arguments={"order": ["4111-CARD"]})
        await session.approve((await session.resume()).approvals[0], by="ann")
        assert (await session.resume()).unknowns
    assert {"InboxRefused", "CallResolved"} <= {word for word in caplog.text.split("'") if word.isalpha()}
    assert "CARD" not in caplog.text
    assert "PASSWORD" not in caplog.text


async def test_a_replay_sees_that_the_contracts_bridges_are_others_today() -> None:
    journal, started = MemoryJournal(), anyio.Event()

    async def cancelled(_: Show | None) -> str:
        started.set()
        await anyio.sleep(60)
        return "never"

    plain, bridged = Contract(id="mine"), Contract(id="mine", bridges=Bridges(user_after_user="(noted)"))
    async with session_of(Contracted(plain, [cancelled, "two"]), journal) as session:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.run, "one")
            await started.wait()
            await session.cancel()
        assert (await session.run("two")).output == "two"
    today = {name: Agent(Contracted(row)) for name, row in (("plain", plain), ("bridged", bridged))}
    assert (await replay(journal, "s", today["plain"])).same
    assert not (await replay(journal, "s", today["bridged"])).same


async def test_a_session_sends_the_same_bytes_as_one_that_was_loaded_where_reasoning_sticks_to_tools() -> None:
    same, loaded = await _last_request(loaded=False), await _last_request(loaded=True)
    assert same == loaded


async def _last_request(*, loaded: bool) -> Any:
    """Return what is sent in a second turn, by the session that had the first, or by one that has loaded it."""
    journal = MemoryJournal()
    looks, done = replace(asks(("look", {"order": "7"})), reasoning="R2"), AssistantMessage("done", reasoning="R3")

    async def interrupted(_: Show | None) -> AssistantMessage:
        await first.say("and now?", id="n1", now=True)
        await until(lambda: _said(first, 2))
        return AssistantMessage("thinking aloud", reasoning="R1")

    model = Contracted(Contract(id="mine", retention="sticky-tools"), interrupted, looks, done, "two")
    first = session_of(model, journal, Till(), look)
    await first.run("go", id="m1")
    second = session_of(model, journal, Till(), look) if loaded else first
    assert (await second.run("next", id="m2")).output == "two"
    return model.requests[-1]["messages"]


async def _said(session: Session[Till, str], number: int) -> bool:
    return len(await facts_of(session, UserSaid)) == number
