"""Deferred approval: the talk goes on, and the outcome opens a turn of its own, whatever happens in between."""

from pathlib import Path

import anyio
import pytest

from agentkit import Agent, MemoryJournal, Outcome, Session
from agentkit.core.policy import Approvals
from agentkit.events import CallDeferred, CallRefused, ToolStarted, TurnEnded, UserSaid
from agentkit.ids import uuid7
from agentkit.journal.export import export, import_all
from agentkit.ledger import ledger
from agentkit.proof import replay
from tests.session.desk import Played, Till, asks, facts, facts_of, file, look, lose_the_line, refund, session_of, told

pytestmark = pytest.mark.anyio

PAY = asks(("refund", {"order": "7"}))
DEFERRED = refund(needs_approval="defer")
SENT = "was sent for approval. It has not happened."


async def test_the_talk_goes_on_and_the_outcome_opens_a_turn() -> None:
    till, model = Till(), Played(PAY, "I sent it for approval.", "It is blue.", "Your refund is there.")
    async with session_of(model, MemoryJournal(), till, DEFERRED) as session:
        first = await session.run("refund 7")
        assert (first.status, first.output) == ("completed", "I sent it for approval.")
        assert SENT in told(model.requests[1])[0]
        (approval,) = first.approvals
        assert (approval.tool, approval.arguments) == ("refund", {"order": "7"})
        second = await session.run("which colour is it?")
        assert (second.output, second.approvals) == ("It is blue.", (approval,))
        await session.approve(approval, by="ann")
        assert till.done == []
        third = await session.resume()
        assert (third.turn, third.output, third.approvals) == (3, "Your refund is there.", ())
    assert till.done == ["7"]
    notice = told(model.requests[-1], "user")[-1]
    assert notice.startswith("[Notice, not from the user]")
    assert '{"order": "7"}' in notice
    assert notice.endswith("paid 7")


async def test_a_no_is_told_too() -> None:
    model = Played(PAY, "sent", "Sorry, no refund.")
    async with session_of(model, MemoryJournal(), Till(), DEFERRED) as session:
        (approval,) = (await session.run("refund 7")).approvals
        await session.deny(approval, by="ann", reason="too late")
        assert (await session.resume()).output == "Sorry, no refund."
        assert [said.about for said in await facts_of(session, UserSaid)] == ["", "1.1.0"]
    assert "ann did not approve this call: too late" in told(model.requests[-1], "user")[-1]


async def test_it_survives_the_process_and_is_listed_in_the_journal(tmp_path: Path) -> None:
    till = Till()
    async with session_of(Played(PAY, "sent"), file(tmp_path), till, DEFERRED) as session:
        (approval,) = (await session.run("refund 7", id="m1")).approvals
    async with file(tmp_path) as journal:
        assert [each async for each in journal.pending()] == [approval]
    model = Played(PAY, "sent", "paid")
    async with session_of(model, file(tmp_path), till, DEFERRED) as session:
        assert (await session.run("refund 7", id="m1")).approvals == (approval,)
        await session.approve(approval.id, by="ann")
    async with session_of(model, file(tmp_path), till, DEFERRED) as session:
        assert (await session.resume()).output == "paid"
    async with file(tmp_path) as journal:
        proof = await replay(journal, "s", Agent(model, tools=[DEFERRED], deps_type=Till))
        assert proof.same, proof.difference
        assert [each async for each in journal.pending()] == []
    assert till.done == ["7"]


async def test_an_equal_call_is_not_sent_twice() -> None:
    model = Played(PAY, "sent", PAY, "I asked already.")
    async with session_of(model, MemoryJournal(), Till(), DEFERRED) as session:
        await session.run("refund 7")
        result = await session.run("refund 7!")
        assert len(result.approvals) == 1
        assert len(await facts_of(session, CallDeferred)) == 1
        assert [refused.kind for refused in await facts_of(session, CallRefused)] == ["policy"]
    assert "an equal refund call was sent for approval" in told(model.requests[-1])[-1]


async def test_other_calls_of_the_step_run_and_other_arguments_are_sent_too() -> None:
    both = asks(("refund", {"order": "7"}), ("look", {"order": "7"}), ("refund", {"order": "8"}))
    till, model = Till(), Played(both, "sent", "8 is paid", "7 is not")
    async with session_of(model, MemoryJournal(), till, DEFERRED, look) as session:
        seven, eight = (await session.run("refund 7 and 8")).approvals
        assert till.done == ["look 7"]
        await session.approve(eight, by="ann")
        result = await session.resume()
        assert (result.output, result.approvals) == ("8 is paid", (seven,))
        await session.deny(seven, by="ann", reason="")
        assert (await session.resume()).output == "7 is not"
    assert till.done == ["look 7", "8"]


async def test_a_lost_outcome_is_reconciled_or_asked_and_never_repeated() -> None:
    till = Till(trouble=lose_the_line, found=Outcome.unknown())
    tool = refund(needs_approval="defer", reconciles=True)
    model = Played(PAY, "sent", "A person checks.")
    async with session_of(model, MemoryJournal(), till, tool) as session:
        (approval,) = (await session.run("refund 7")).approvals
        await session.approve(approval, by="ann")
        result = await session.resume()
        assert (result.status, result.turn) == ("completed", 1)
        (unknown,) = result.unknowns
        assert unknown.tool == "refund"
        await session.resolve(unknown, Outcome.happened("paid 7, says the bank"), by="bob")
        assert (await session.resume()).output == "A person checks."
        entries = ledger("s", [record async for record in session.events()])
        assert [(entry.verdict, len(entry.starts)) for entry in entries] == [("once", 1)]
    assert (till.done, till.asked) == (["7"], 1)


async def test_a_crash_while_it_runs_leaves_it_unknown(tmp_path: Path) -> None:
    class Crash(BaseException):
        pass

    async def die(_: Till, __: str) -> None:
        raise Crash

    till = Till(trouble=die)
    async with session_of(Played(PAY, "sent"), file(tmp_path), till, DEFERRED) as session:
        (approval,) = (await session.run("refund 7")).approvals
        await session.approve(approval, by="ann")
        with pytest.raises(Crash):
            await session.resume()
    till.trouble = None
    async with session_of(Played(PAY, "sent"), file(tmp_path), till, DEFERRED) as session:
        (unknown,) = (await session.resume()).unknowns
        entries = ledger("s", [record async for record in session.events()])
        assert [entry.verdict for entry in entries] == ["unknown"]
        await session.resolve(unknown, Outcome.not_happened(), by="bob")
        assert (await session.resume()).output == "answer 2"
    assert till.done == ["7", "7"], "a person said that it had not happened"


async def test_cancelling_a_turn_does_not_take_it_back() -> None:
    model = Played(PAY, asks(("ask", {"order": "1"})), "told")
    asking = refund(name="ask", needs_approval=True)
    till = Till()
    async with session_of(model, MemoryJournal(), till, DEFERRED, asking) as session:
        waiting = await session.run("refund 7")
        deferred, held = waiting.approvals
        assert (waiting.status, held.tool) == ("waiting", "ask")
        await session.cancel(by="bob")
        assert [ended.status for ended in await facts_of(session, TurnEnded)] == ["cancelled"]
        result = await session.resume()
        assert result.approvals == (deferred,)
        await session.approve(deferred, by="ann")
        assert (await session.resume()).output == "told"
    assert till.done == ["7"]


async def test_it_runs_while_the_open_turn_waits_for_a_person() -> None:
    model = Played(PAY, asks(("ask", {"order": "1"})), "asked", "told")
    till = Till()
    async with session_of(model, MemoryJournal(), till, DEFERRED, refund(name="ask", needs_approval=True)) as session:
        deferred, held = (await session.run("refund 7")).approvals
        await session.approve(deferred, by="ann")
        assert (await session.resume()).approvals == (held,)
        assert till.done == ["7"], "the other one may wait for days"
        await session.approve(held, by="ann")
        assert (await session.resume()).output == "told"
        assert [said.about for said in await facts_of(session, UserSaid)] == ["", "1.1.0"]
    assert till.done == ["7", "1"]


async def test_it_expires_as_any_question() -> None:
    model = Played(PAY, "sent", "Nobody decided.")
    agent = Agent(model, tools=[DEFERRED], deps_type=Till, approvals=Approvals(expire_after=0.05))
    async with Session(agent, "s", journal=MemoryJournal(), deps=Till()) as session:
        await session.run("refund 7")
        await anyio.sleep(0.06)
        assert (await session.resume()).output == "Nobody decided."
    assert "nobody decided within" in told(model.requests[-1], "user")[-1]


async def test_changed_arguments_are_told() -> None:
    till, model = Till(), Played(PAY, "sent", "paid 8")
    async with session_of(model, MemoryJournal(), till, DEFERRED) as session:
        (approval,) = (await session.run("refund 7")).approvals
        await session.approve(approval, by="ann", arguments={"order": "8"})
        assert (await session.resume()).output == "paid 8"
    assert till.done == ["8"]
    assert "a person changed the arguments" in told(model.requests[-1], "user")[-1]


async def test_a_fork_drops_it_and_an_imported_one_is_asked_anew(tmp_path: Path) -> None:
    async with file(tmp_path) as journal:
        async with session_of(Played(PAY, "sent", "blue"), journal, Till(), DEFERRED) as session:
            (approval,) = (await session.run("refund 7")).approvals
            await session.run("which colour?")
            fork = await session.fork("f", before="2.1")
        async with fork:
            result = await fork.resume()
            assert (result.output, result.approvals) == ("blue", ())
        lines = [line async for line in export(journal, "s", whole=True)]
    async with MemoryJournal() as other:
        assert await import_all(other, lines, uid=uuid7) == ["s"]
        till = Till()
        async with session_of(Played(PAY, "sent", "blue", "paid"), other, till, DEFERRED) as session:
            (anew,) = (await session.resume()).approvals
            assert anew.id != approval.id
            await session.approve(anew, by="ann")
            assert (await session.resume()).output == "paid"
    assert till.done == ["7"]


async def test_two_that_act_alone_run_one_after_the_other() -> None:
    running, most = 0, 0

    async def count(_: Till, __: str) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.sleep(0.01)
        running -= 1

    till = Till(before=count)
    model = Played(asks(("refund", {"order": "7"}), ("refund", {"order": "8"})), "sent")
    async with session_of(model, MemoryJournal(), till, DEFERRED) as session:
        for approval in (await session.run("both")).approvals:
            await session.approve(approval, by="ann")
        await session.resume()
        starts = [event.call for event in await facts(session) if isinstance(event, ToolStarted)]
    assert (till.done, starts, most) == (["7", "8"], ["1.1.0", "1.1.1"], 1)
