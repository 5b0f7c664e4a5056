"""An approval is for what was shown: after anything of it has changed it runs nothing, and says why."""

from pathlib import Path
from typing import Any

import pytest

from agentkit import Journal, MemoryJournal, Outcome, Session, ToolContext, UnknownOutcome, tool
from agentkit.core.events import CallApproved
from agentkit.errors import ApprovalVoid
from agentkit.events import CallHeld, CallRefused, Forked, InboxRefused, ToolStarted
from agentkit.inbox import body_of
from agentkit.journal.export import export, import_
from agentkit.testing import Died, FaultyJournal
from tests.session.desk import Played, Till, asks, facts_of, file, look, lose_the_line, refund, session_of, told

pytestmark = pytest.mark.anyio

PAY = asks(("refund", {"order": "7"}))
ASKING = refund(needs_approval=True)


@tool(effect="once", needs_approval=True, name="refund")
async def in_part(ctx: ToolContext[Till], order: str, part: float = 1.0) -> str:
    """Refund an order, or a part of it."""
    return await ctx.deps.pay(ctx.idempotency_key, f"{part} of {order}")


async def asked(journal: Journal, till: Till, model: Played) -> Any:
    async with session_of(model, journal, till, ASKING) as session:
        (approval,) = (await session.run("refund 7", id="m1")).approvals
        return approval


async def test_after_the_tool_changed_the_approval_is_void_and_asked_again() -> None:
    journal, till, model = MemoryJournal(), Till(), Played(PAY, "done")
    old = await asked(journal, till, model)
    async with session_of(model, journal, till, in_part) as session:
        (new,) = (await session.resume()).approvals
        assert new.id != old.id
        assert "the tool has changed" in new.why
        with pytest.raises(ApprovalVoid, match="the tool has changed") as raised:
            await session.approve(old, by="ann")
        assert new.id in raised.value.why
        await session.resume()
        assert till.done == []
        await session.approve(new, by="ann")
        assert (await session.resume()).output == "done"
    assert till.done == ["1.0 of 7"]


async def test_approved_before_the_tool_changed_and_driven_after_it_runs_nothing() -> None:
    journal, till, model = MemoryJournal(), Till(), Played(PAY, "done")
    async with session_of(model, journal, till, ASKING) as session:
        (old,) = (await session.run("refund 7")).approvals
        await session.approve(old, by="ann")
    async with session_of(model, journal, till, in_part) as session:
        (new,) = (await session.resume()).approvals
        assert new.id != old.id
        assert "no longer open" in (await facts_of(session, InboxRefused))[0].why
    assert till.done == []


async def test_approved_and_recorded_then_killed_then_the_tool_changed_it_is_asked_again() -> None:
    for at in range(1, 30):
        journal, till, model = MemoryJournal(), Till(), Played(PAY, "done")
        faulty = FaultyJournal(journal, at=at, fault="die after")
        try:
            async with session_of(model, faulty, till, ASKING) as session:
                (old,) = (await session.run("refund 7")).approvals
                await session.approve(old, by="ann")
                await session.resume()
        except (Died, BaseExceptionGroup):
            await faulty.bury()
        async with session_of(model, journal, till, in_part) as session:
            approved, started = await facts_of(session, CallApproved), await facts_of(session, ToolStarted)
            if approved and not started:
                (new,) = (await session.resume()).approvals
                assert new.why == "what was approved has changed"
                assert till.done == []
                return
    raise AssertionError("the approval and the start are one commit: there is nothing to test")


async def test_the_digest_changed_and_changed_back_asks_again() -> None:
    journal, till, model = MemoryJournal(), Till(), Played(PAY, "done")
    old = await asked(journal, till, model)
    async with session_of(model, journal, till, in_part) as session:
        (between,) = (await session.resume()).approvals
    async with session_of(model, journal, till, ASKING) as session:
        (new,) = (await session.resume()).approvals
        assert len({old.id, between.id, new.id}) == 3
        for void in (old, between):
            with pytest.raises(ApprovalVoid):
                await session.approve(void, by="ann")
        assert len(await facts_of(session, CallHeld)) == 3
        await session.approve(new, by="ann")
        assert (await session.resume()).output == "done"
    assert till.done == ["7"]


async def test_a_raw_row_for_an_older_question_is_refused_readably() -> None:
    journal, till, model = MemoryJournal(), Till(), Played(PAY, "done")
    old = await asked(journal, till, model)
    call, question = old.id.split("-")[:2]
    async with session_of(model, journal, till, in_part) as session:
        await session.resume()
        row = body_of(CallApproved(call, int(question), "eve"))
        await journal.put("s", "approval", "late", row, "eve")
        assert (await session.resume()).status == "waiting"
        (refused,) = await facts_of(session, InboxRefused)
        assert f"question {question} is no longer open" in refused.why
    assert till.done == []


async def test_a_tool_that_is_gone_refuses_the_call_and_the_turn_goes_on() -> None:
    journal, till, model = MemoryJournal(), Till(), Played(PAY, "done")
    old = await asked(journal, till, model)
    async with session_of(model, journal, till, look) as session:
        assert (await session.resume()).output == "done"
        assert [event.kind for event in await facts_of(session, CallRefused)] == ["gone"]
        with pytest.raises(ApprovalVoid):
            await session.approve(old, by="ann")
    assert told(model.requests[-1]) == ["Not run: the tool 'refund' is no longer available."]


async def moved(old: Journal, new: Journal) -> None:
    await import_(new, export(old, "s"), uid="another")


async def test_after_an_import_an_old_approval_is_void_and_asked_again() -> None:
    old, new, till, model = MemoryJournal(), MemoryJournal(), Till(), Played(PAY, "done")
    given = await asked(old, till, model)
    await moved(old, new)
    async with session_of(model, new, till, ASKING) as session:
        with pytest.raises(ApprovalVoid):
            await session.approve(given, by="ann")
        (again,) = (await session.resume()).approvals
        assert again.id != given.id
        with pytest.raises(ApprovalVoid):
            await session.approve(given, by="ann")
        assert till.done == []
        await session.approve(again, by="ann")
        assert (await session.resume()).output == "done"
        assert len(await facts_of(session, Forked)) == 1
    assert till.done == ["7"]


async def test_an_approval_recorded_before_an_import_runs_nothing_after_it() -> None:
    for at in range(1, 30):
        old, new, till, model = MemoryJournal(), MemoryJournal(), Till(), Played(PAY, "done")
        faulty = FaultyJournal(old, at=at, fault="die after")
        try:
            async with session_of(model, faulty, till, ASKING) as session:
                await session.approve((await session.run("refund 7")).approvals[0], by="ann")
                await session.resume()
        except (Died, BaseExceptionGroup):
            await faulty.bury()
        events = [record.event async for record in old.read("s")]
        if isinstance(events[-1], CallApproved):
            await moved(old, new)
            async with session_of(model, new, till, ASKING) as session:
                assert (await session.resume()).approvals
            assert till.done == []
            return
    raise AssertionError("the approval and the start are one commit: there is nothing to test")


@pytest.mark.parametrize("fault", ["die before", "die after"])
async def test_a_session_exported_at_any_moment_goes_on_after_the_import(fault: Any) -> None:
    for at in range(1, 30):
        old, new, till, model = MemoryJournal(), MemoryJournal(), Till(), Played(PAY, "done")
        faulty = FaultyJournal(old, at=at, fault=fault)
        try:
            async with session_of(model, faulty, till, refund()) as session:
                await session.run("refund 7", id="m1")
        except (Died, BaseExceptionGroup):
            await faulty.bury()
        if await old.head("s") is None or not [record async for record in old.read("s")]:
            continue
        await moved(old, new)
        async with session_of(model, new, till, refund()) as session:
            await to_the_end(session, till)
        assert till.done == ["7"], at
        if faulty.appends < at:
            return
    raise AssertionError("it never got through")


async def to_the_end(session: Session[Till, str], till: Till) -> None:
    result = await session.run("refund 7", id="m1")
    for _ in range(5):
        if result.status == "completed":
            return
        for unknown in result.unknowns:
            await session.resolve(unknown, truth(till, unknown), by="ann")
        for approval in result.approvals:
            await session.approve(approval, by="ann")
        result = await session.resume()
    raise AssertionError(result)


def truth(till: Till, unknown: UnknownOutcome) -> Outcome[Any]:
    return Outcome.happened("paid 7") if till.paid[unknown.idempotency_key] else Outcome.not_happened()


async def test_an_unknown_call_of_a_changed_tool_is_asked_again_before_it_runs_again(tmp_path: Path) -> None:
    till, model = Till(trouble=lose_the_line), Played(PAY, "done")
    async with session_of(model, file(tmp_path), till, refund()) as session:
        await session.run("refund 7")
    till.trouble = None
    async with session_of(model, file(tmp_path), till, in_part) as session:
        (unknown,) = (await session.resume()).unknowns
        await session.resolve(unknown, Outcome.not_happened(), by="ann")
        (approval,) = (await session.resume()).approvals
        assert approval.why == "the tool has changed since it was started"
        await session.approve(approval, by="ann")
        assert (await session.resume()).output == "done"
    assert till.done == ["7", "1.0 of 7"]
