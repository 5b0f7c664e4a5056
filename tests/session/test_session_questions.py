"""A tool that needs a person's answer: the turn waits, and the answer is the call's result."""

from pathlib import Path

import pytest

from agentkit import MemoryJournal, ToolContext, tool
from agentkit.errors import AlreadyDecided, ApprovalVoid, NeedsAnswer
from agentkit.events import CallSuspended, ToolStarted
from tests.session.desk import Played, Till, asks, facts_of, file, look, session_of, told

pytestmark = pytest.mark.anyio


@tool(effect="once")
async def ask(ctx: ToolContext[Till], text: str) -> str:
    """Ask a person."""
    ctx.deps.done.append(text)
    raise NeedsAnswer(text)


ASK = asks(("ask", {"text": "Which colour?"}))


async def test_the_answer_is_the_calls_result(tmp_path: Path) -> None:
    till, model = Till(), Played(ASK, "done")
    async with session_of(model, file(tmp_path), till, ask) as session:
        result = await session.run("paint it", id="m1")
        assert result.status == "waiting"
        (question,) = result.questions
        assert (question.text, question.session_id) == ("Which colour?", "s")
        assert result.reason == "waiting for a person: a tool asks: Which colour?"
        assert not result.approvals
        assert not result.unknowns
    async with session_of(model, file(tmp_path), till, ask) as session:
        assert (await session.run("paint it", id="m1")).questions == (question,)
        async with file(tmp_path) as journal:
            assert [waiting async for waiting in journal.pending()] == [question]
        await session.answer(question, "blue", by="ann")
        assert (await session.resume()).output == "done"
        assert len(await facts_of(session, ToolStarted)) == len(await facts_of(session, CallSuspended)) == 1
    assert till.done == ["Which colour?"]
    assert told(model.requests[-1]) == ["blue"]


async def test_the_same_answer_twice_is_nothing_and_another_one_is_already_decided() -> None:
    async with session_of(Played(ASK, "done"), MemoryJournal(), Till(), ask) as session:
        (question,) = (await session.run("paint it")).questions
        await session.answer(question, "blue", by="ann")
        await session.answer(question, "blue", by="ann")
        with pytest.raises(AlreadyDecided) as raised:
            await session.answer(question.id, "red", by="bob")
        assert raised.value.by == "ann"
        await session.resume()
        await session.answer(question, "blue", by="ann")
        with pytest.raises(AlreadyDecided):
            await session.answer(question, "red", by="bob")


async def test_a_question_is_not_approved_and_an_approval_not_answered() -> None:
    async with session_of(Played(ASK, "done"), MemoryJournal(), Till(), ask) as session:
        (question,) = (await session.run("paint it")).questions
        with pytest.raises(ApprovalVoid):
            await session.approve(question.id, by="ann")
        with pytest.raises(ApprovalVoid):
            await session.deny(question.id, by="ann", reason="no")
        assert (await session.resume()).questions == (question,)


async def test_cancelled_the_question_is_closed() -> None:
    model = Played(ASK, "done")
    async with session_of(model, MemoryJournal(), Till(), ask) as session:
        (question,) = (await session.run("paint it")).questions
        await session.cancel(by="ann")
        assert (await session.resume()).status == "cancelled"
        with pytest.raises(ApprovalVoid):
            await session.answer(question, "blue", by="ann")
        assert (await session.run("next")).output == "done"
    assert told(model.requests[-1]) == ["Not run: the turn was cancelled."]


async def test_calls_beside_a_question_run_meanwhile() -> None:
    till = Till()
    model = Played(asks(("look", {"order": "1"}), ("ask", {"text": "Which?"}), ("look", {"order": "2"})), "done")
    async with session_of(model, MemoryJournal(), till, ask, look) as session:
        (question,) = (await session.run("go")).questions
        assert sorted(till.done) == ["Which?", "look 1", "look 2"]
        await session.answer(question, "this", by="ann")
        assert (await session.resume()).output == "done"
    assert told(model.requests[-1]) == ["order 1 is blue", "this", "order 2 is blue"]
