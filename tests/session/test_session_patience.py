"""Nobody decides: somebody else is told, and at last nobody is waited for. The clock is the journal's."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit import Agent, Approval, Approvals, Journal, Outcome, Question, Session, ToolContext, UnknownOutcome, tool
from agentkit.errors import AlreadyDecided, ConfigurationError, NeedsAnswer
from agentkit.events import (
    CallAnswered,
    CallApproved,
    CallDenied,
    CallEscalated,
    InboxRefused,
    RunStarted,
    ToolFinished,
    ToolStarted,
)
from tests.session.desk import Played, Till, asks, facts, facts_of, file, look, lose_the_line, refund, told, until

pytestmark = pytest.mark.anyio

PAY = asks(("refund", {"order": "7"}))
ASKING = refund(needs_approval=True)
SOON, NEVER = Approvals(expire_after=0.2), Approvals()
TOLD_AT_ONCE = Approvals(escalate_after=0.1, escalate_to="the shift lead")


@tool(effect="once")
async def ask(ctx: ToolContext[Till], text: str) -> str:
    """Ask a person."""
    ctx.deps.done.append(text)
    raise NeedsAnswer(text)


@tool(effect="read")
async def slow(order: str) -> str:
    """Look for a long time."""
    await anyio.sleep(0.6)
    return order


def desk(model: Played, journal: Journal, till: Till, approvals: Approvals, *tools: Any) -> Session[Till, str]:
    agent = Agent(model, tools=tools or [ASKING], deps_type=Till, approvals=approvals)
    return Session(agent, "s", journal=journal, deps=till)


async def ready(path: Path) -> Sequence[str]:
    async with file(path) as journal:
        return [each.session_id for each in await journal.ready()]


async def pending(path: Path) -> list[Any]:
    async with file(path) as journal:
        return [waiting async for waiting in journal.pending()]


async def test_a_call_that_nobody_decides_in_time_is_refused_by_whoever_drives_then(tmp_path: Path) -> None:
    till, model = Till(), Played(PAY, "done")
    async with desk(model, file(tmp_path), till, SOON) as session:
        (approval,) = (await session.run("refund 7", id="m1")).approvals
        assert approval.expires_at == approval.asked_at + timedelta(seconds=0.2)
        assert await pending(tmp_path) == [approval]
        assert await ready(tmp_path) == []
        seen = len(await facts(session))
    await anyio.sleep(0.25)
    assert await ready(tmp_path) == ["s"], "its time has come: a worker is to drive it"
    async with desk(model, file(tmp_path), till, SOON) as session:
        assert (await session.resume()).output == "done"
        first = (await facts(session))[seen]
        assert isinstance(first, CallDenied)
        assert (first.by, first.reason) == ("agentkit", "nobody decided within 0.2 s")
        with pytest.raises(
            AlreadyDecided, match=r"agentkit decided otherwise at .*: nobody decided within 0\.2 s"
        ) as late:
            await session.approve(approval, by="ann")
        assert (late.value.by, late.value.at is not None) == ("agentkit", True)
        await session.deny(approval, by="ann", reason="no")
    assert told(model.requests[-1]) == [
        "Not run: nobody decided within 0.2 s. It did not happen, and this request is over."
    ]
    assert (till.done, await ready(tmp_path), await pending(tmp_path)) == ([], [], [])


async def test_who_drives_before_the_time_has_come_changes_nothing(tmp_path: Path) -> None:
    till, model = Till(), Played(PAY, "done")
    async with desk(model, file(tmp_path), till, Approvals(expire_after=60)) as session:
        result = await session.run("refund 7")
        seen = await facts(session)
        assert (await session.resume()).approvals == result.approvals
        assert await facts(session) == seen


async def test_a_yes_that_lies_in_the_inbox_wins_whatever_the_clock_says(tmp_path: Path) -> None:
    till, model = Till(), Played(PAY, "done")
    async with desk(model, file(tmp_path), till, SOON) as session:
        (approval,) = (await session.run("refund 7")).approvals
        await anyio.sleep(0.25)
        await session.approve(approval, by="ann")
        assert (await session.resume()).output == "done"
        assert not await facts_of(session, CallDenied)
    assert till.done == ["7"]


async def test_a_yes_that_is_refused_does_not_keep_a_call_open(tmp_path: Path) -> None:
    till, model, journal = Till(), Played(PAY, "done"), file(tmp_path)
    async with desk(model, journal, till, SOON) as session:
        (approval,) = (await session.run("refund 7")).approvals
        call, number, _ = approval.id.split("-")
        await anyio.sleep(0.25)
        await journal.put("s", "approval", f"{call}/{number}/x", b"not an event", "ann")
        assert (await session.resume()).output == "done"
        assert await facts_of(session, InboxRefused)
        assert await facts_of(session, CallDenied)
    assert till.done == []


async def test_a_timer_runs_out_while_other_calls_work(tmp_path: Path) -> None:
    till, model = Till(), Played(asks(("refund", {"order": "7"}), ("slow", {"order": "8"})), "done")
    async with desk(model, file(tmp_path), till, SOON, refund(needs_approval=True, exclusive=False), slow) as session:
        assert (await session.run("go")).output == "done"
        denied, finished = [each for each in await facts(session) if isinstance(each, CallDenied | ToolFinished)]
        assert isinstance(denied, CallDenied)
        assert isinstance(finished, ToolFinished)


async def test_a_question_that_nobody_answers_in_time_gets_no_answer(tmp_path: Path) -> None:
    till, model = Till(), Played(asks(("ask", {"text": "Which colour?"})), "done")
    async with desk(model, file(tmp_path), till, SOON, ask) as session:
        (question,) = (await session.run("paint it")).questions
        assert question.expires_at == question.asked_at + timedelta(seconds=0.2)
        assert await pending(tmp_path) == [question]
        await anyio.sleep(0.25)
        assert await ready(tmp_path) == ["s"]
        assert (await session.resume()).output == "done"
        assert [event.by for event in await facts_of(session, CallAnswered)] == ["agentkit"]
        with pytest.raises(AlreadyDecided, match="agentkit decided otherwise"):
            await session.answer(question, "blue", by="ann")
    assert "Nobody answered within 0.2 s" in told(model.requests[-1])[0]


async def test_an_unknown_outcome_is_escalated_and_never_expires(tmp_path: Path) -> None:
    till, model = Till(trouble=lose_the_line), Played(PAY, "done")
    patience = Approvals(expire_after=0.2, escalate_after=0.1, escalate_to="the bank's desk")
    async with desk(model, file(tmp_path), till, patience, refund()) as session:
        (before,) = (await session.run("go")).unknowns
        await anyio.sleep(0.25)
        assert await ready(tmp_path) == ["s"]
        (after,) = (await session.resume()).unknowns
        assert after == replace(before, escalated_to="the bank's desk", escalated_at=after.escalated_at)
        assert await pending(tmp_path) == [after]
        assert isinstance(after, UnknownOutcome)
        assert await ready(tmp_path) == []
        assert (await session.resume()).unknowns == (after,)
        assert len(await facts_of(session, CallEscalated)) == 1
        await session.resolve(after, Outcome.happened("paid 7"), by="ann")
        assert (await session.resume()).output == "done"


async def test_somebody_else_is_told_and_the_question_stays_the_same(tmp_path: Path) -> None:
    till, model = Till(), Played(PAY, "done")
    patience = Approvals(escalate_after=0.1, escalate_to="the shift lead", expire_after=30)
    async with desk(model, file(tmp_path), till, patience) as session:
        (before,) = (await session.run("refund 7")).approvals
        assert (before.escalated_to, before.escalated_at) == ("", None)
        await anyio.sleep(0.15)
        assert await ready(tmp_path) == ["s"]
        (after,) = (await session.resume()).approvals
    assert after == replace(
        before, escalated_to="the shift lead", escalated_at=before.asked_at + timedelta(seconds=0.1)
    )
    assert await pending(tmp_path) == [after], "the journal says the same, the time of the expiry included"
    assert await ready(tmp_path) == []
    async with desk(model, file(tmp_path), till, patience) as session:
        (event,) = await facts_of(session, CallEscalated)
        assert (event.to, f"{event.call}-{event.question}") == ("the shift lead", before.id.rsplit("-", 1)[0])
        assert (await session.resume()).approvals == (after,)
        await session.approve(before, by="ann")
        assert (await session.resume()).output == "done"
    assert till.done == ["7"]


async def test_a_question_is_escalated_too(tmp_path: Path) -> None:
    till, model = Till(), Played(asks(("ask", {"text": "Which colour?"})), "done")
    async with desk(model, file(tmp_path), till, TOLD_AT_ONCE, ask) as session:
        await session.run("paint it")
        await anyio.sleep(0.15)
        (question,) = (await session.resume()).questions
        assert isinstance(question, Question)
        assert (question.escalated_to, question.expires_at) == ("the shift lead", None)
        assert await pending(tmp_path) == [question]


async def test_where_both_are_overdue_nobody_is_told_of_what_is_over(tmp_path: Path) -> None:
    till, model = Till(), Played(PAY, "done")
    patience = Approvals(escalate_after=0.1, escalate_to="the shift lead", expire_after=0.2)
    async with desk(model, file(tmp_path), till, patience) as session:
        await session.run("refund 7")
        await anyio.sleep(0.25)
        assert (await session.resume()).output == "done"
        assert not await facts_of(session, CallEscalated)


async def test_a_tool_may_have_times_of_its_own(tmp_path: Path) -> None:
    till, model = Till(), Played(asks(("refund", {"order": "7"}), ("gift", {"order": "8"})), "done")
    patience = Approvals(expire_after=60, tools={"gift": Approvals(expire_after=3600), "look": NEVER})
    gift = refund(name="gift", needs_approval=True)
    async with desk(model, file(tmp_path), till, patience, ASKING, gift, look) as session:
        first, second = (await session.run("go")).approvals
        assert isinstance(first, Approval)
        times = [(each.expires_at or each.asked_at) - each.asked_at for each in (first, second)]
        assert times == [timedelta(minutes=1), timedelta(hours=1)]


@pytest.mark.parametrize(("then", "today"), [(Approvals(expire_after=60), SOON), (NEVER, SOON)])
async def test_a_changed_agent_moves_no_clock_that_runs(tmp_path: Path, then: Approvals, today: Approvals) -> None:
    till, model = Till(), Played(PAY, "done", PAY, "done")
    async with desk(model, file(tmp_path), till, then) as session:
        (asked,) = (await session.run("refund 7")).approvals
    await anyio.sleep(0.25)
    async with desk(model, file(tmp_path), till, today) as session:
        assert (await session.resume()).approvals == (asked,), (
            "the clock is the one that was declared when it was asked"
        )
        await session.deny(asked, by="ann", reason="no")
        await session.resume()
        (fresh,) = (await session.run("refund it after all")).approvals
        assert fresh.expires_at == fresh.asked_at + timedelta(seconds=0.2)


async def test_who_asks_again_waits_again(tmp_path: Path) -> None:
    """A tool that changed opens a new question: people get all the time there is."""
    till, model = Till(), Played(PAY, "done")
    async with desk(model, file(tmp_path), till, Approvals(expire_after=0.5)) as session:
        (old,) = (await session.run("refund 7")).approvals
    await anyio.sleep(0.1)
    async with desk(
        model, file(tmp_path), till, Approvals(expire_after=0.5), refund(needs_approval=True, exclusive=False)
    ) as again:
        (new,) = (await again.resume()).approvals
        assert (old.expires_at, new.expires_at) != (None, None)
        assert new.asked_at > old.asked_at
        assert new.expires_at == new.asked_at + timedelta(seconds=0.5)


async def test_what_ran_out_before_the_agent_changed_has_run_out(tmp_path: Path) -> None:
    till, model = Till(), Played(PAY, "done")
    async with desk(model, file(tmp_path), till, SOON) as session:
        await session.run("refund 7")
    await anyio.sleep(0.25)
    async with desk(model, file(tmp_path), till, SOON, refund(needs_approval=True, exclusive=False)) as session:
        assert (await session.resume()).output == "done"
    assert till.done == []


async def test_a_twin_runs_out_like_any_other_call(tmp_path: Path) -> None:
    till, model = Till(trouble=lose_the_line), Played(PAY, PAY, "done")
    async with desk(model, file(tmp_path), till, SOON, refund()) as session:
        (unknown,) = (await session.run("go")).unknowns
        await session.resolve(unknown, Outcome.unknown(), by="ann")
        (twin,) = (await session.resume()).approvals
        assert twin.expires_at is not None
        await anyio.sleep(0.25)
        assert (await session.resume()).output == "done"
    assert till.done == ["7"]


async def test_a_call_that_was_approved_runs_out_no_more(tmp_path: Path) -> None:
    till, model = Till(), Played(asks(("slow", {"order": "8"}), ("refund", {"order": "7"})), "done")
    async with desk(model, file(tmp_path), till, Approvals(expire_after=0.3), slow, ASKING) as session:

        async def decide() -> None:
            await until(session.status)
            await until(lambda: facts_of(session, ToolStarted))
            async with file(tmp_path) as journal:
                (held,) = [waiting async for waiting in journal.pending()]
            await session.approve(held.id, by="ann")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.run, "go")
            tasks.start_soon(decide)
        assert await facts_of(session, CallApproved)
        assert not await facts_of(session, CallDenied)
        assert not await facts_of(session, RunStarted)
    assert till.done == ["7"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"expire_after": 0}, "seconds, more than 0"),
        ({"expire_after": -1}, "seconds, more than 0"),
        ({"expire_after": True}, "seconds, more than 0"),
        ({"expire_after": "1 h"}, "seconds, more than 0"),
        ({"expire_after": float("inf")}, "seconds, more than 0"),
        ({"expire_after": float("nan")}, "seconds, more than 0"),
        ({"escalate_after": 5}, "both, or neither"),
        ({"escalate_to": "bob"}, "both, or neither"),
        ({"escalate_after": 60, "escalate_to": "bob", "expire_after": 60}, "is not before expire_after"),
        ({"tools": {"refund": 60}}, r"tools\['refund'\] is an Approvals"),
        ({"tools": {"refund": Approvals(tools={"look": NEVER})}}, r"tools\['refund'\] is an Approvals"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Approvals(**wrong)


def test_times_for_a_tool_that_is_not_there_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="approvals: there is no tool refnd; there are refund"):
        Agent(Played(), tools=[ASKING], deps_type=Till, approvals=Approvals(tools={"refnd": SOON}))
