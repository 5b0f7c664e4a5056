"""Approvals: given anywhere, once, for what was shown; with edits; and what the model is told."""

from pathlib import Path

import anyio
import pytest

from agentkit import Approval, MemoryJournal
from agentkit.core.events import CallApproved
from agentkit.errors import AlreadyDecided, ApprovalVoid, ConfigurationError
from agentkit.events import CallDenied, InboxRefused, ToolStarted
from agentkit.inbox import body_of
from tests.session.desk import Played, Till, asks, facts_of, file, look, refund, session_of, told, until

pytestmark = pytest.mark.anyio

RAW = '{"order":  "7"}'  # two blanks: the model's own bytes
PAY = asks(("refund", RAW))
ASKING = refund(needs_approval=True)


async def test_an_approved_call_runs_once_at_the_next_resume() -> None:
    till, model = Till(), Played(PAY, "done")
    async with session_of(model, MemoryJournal(), till, ASKING) as session:
        result = await session.run("refund 7")
        (approval,) = result.approvals
        assert (approval.tool, approval.arguments, approval.session_id) == ("refund", {"order": "7"}, "s")
        assert approval.asked_at.tzinfo is not None
        assert approval.expires_at is None
        assert "refund needs approval" in result.reason
        assert till.done == []
        await session.approve(approval, by="ann")
        assert till.done == []
        assert (await session.resume()).output == "done"
    assert till.done == ["7"]
    assert told(model.requests[-1]) == ["paid 7"]


async def test_it_survives_a_restart_and_its_id_is_the_same_in_every_process(tmp_path: Path) -> None:
    till, model = Till(), Played(PAY, "done")
    async with session_of(model, file(tmp_path), till, ASKING) as session:
        first = (await session.run("refund 7", id="m1")).approvals
    async with session_of(model, file(tmp_path), till, ASKING) as session:
        again = await session.run("refund 7", id="m1")
        assert again.approvals == first
        async with file(tmp_path) as journal:
            assert [waiting async for waiting in journal.pending()] == list(first)
        await session.approve(first[0].id, by="ann")
        assert (await session.resume()).output == "done"
        async with file(tmp_path) as journal:
            assert [waiting async for waiting in journal.pending()] == []
    assert till.done == ["7"]
    assert len(model.requests) == 2


async def test_given_from_another_session_object_while_the_first_is_open(tmp_path: Path) -> None:
    till, model = Till(), Played(PAY, "done")
    async with session_of(model, file(tmp_path), till, ASKING) as session:
        result = await session.run("refund 7")
        async with session_of(Played(), file(tmp_path), Till(), ASKING) as other:
            await other.approve(result.approvals[0], by="ann")
        assert (await session.resume()).output == "done"
    assert till.done == ["7"]


async def test_given_from_another_session_object_while_the_first_drives(tmp_path: Path) -> None:
    async def until_paid(till: Till, what: str) -> None:
        if what == "slow":
            await until(lambda: "7" in till.done)

    till = Till(before=until_paid)
    model = Played(asks(("slow", {"order": "slow"}), ("refund", RAW)), "done")
    tools = (refund(name="slow", exclusive=False), refund(needs_approval=True, exclusive=False))
    async with session_of(model, file(tmp_path), till, *tools) as session, anyio.create_task_group() as tasks:
        outputs: list[str] = []

        async def run() -> None:
            outputs.append((await session.run("go")).output)

        tasks.start_soon(run)
        async with session_of(Played(), file(tmp_path), Till(), *tools) as other:
            found: list[Approval] = []

            async def look_for_it() -> bool:
                status = await other.status()
                found[:] = status.approvals if status else ()
                return bool(found)

            await until(look_for_it)
            await other.approve(found[0], by="ann")
    assert outputs == ["done"]
    assert sorted(till.done) == ["7", "slow"]


async def test_the_same_decision_twice_is_nothing() -> None:
    till, model = Till(), Played(PAY, "done")
    async with session_of(model, MemoryJournal(), till, ASKING) as session:
        (approval,) = (await session.run("refund 7")).approvals
        await session.approve(approval, by="ann")
        await session.approve(approval, by="bob")
        await session.resume()
        await session.approve(approval, by="ann")
        await session.resume()
        assert len(await facts_of(session, CallApproved)) == 1
        assert not await facts_of(session, InboxRefused)
    assert till.done == ["7"]


@pytest.mark.parametrize("driven", [False, True])
async def test_the_opposite_decision_raises_who_decided_and_when(*, driven: bool) -> None:
    till = Till()
    async with session_of(Played(PAY, "done"), MemoryJournal(), till, ASKING) as session:
        (approval,) = (await session.run("refund 7")).approvals
        await session.approve(approval, by="ann")
        if driven:
            await session.resume()
        with pytest.raises(AlreadyDecided, match="ann decided otherwise") as raised:
            await session.deny(approval, by="bob", reason="no")
        assert raised.value.by == "ann"
        assert raised.value.at is not None
        with pytest.raises(AlreadyDecided):
            await session.approve(approval, by="bob", arguments={"order": "8"})
        await session.resume()
    assert till.done == ["7"]


@pytest.mark.parametrize("driven", [False, True])
async def test_an_approval_after_a_denial_raises(*, driven: bool) -> None:
    till = Till()
    async with session_of(Played(PAY, "done"), MemoryJournal(), till, ASKING) as session:
        (approval,) = (await session.run("refund 7")).approvals
        await session.deny(approval, by="ann", reason="too much")
        if driven:
            await session.resume()
        with pytest.raises(AlreadyDecided) as raised:
            await session.approve(approval, by="bob")
        assert raised.value.by == "ann"
        await session.resume()
    assert till.done == []


async def test_denied_the_reason_reaches_the_model() -> None:
    till, model = Till(), Played(PAY, "sorry")
    async with session_of(model, MemoryJournal(), till, ASKING) as session:
        (approval,) = (await session.run("refund 7")).approvals
        await session.deny(approval, by="ann", reason="the order is 3 years old")
        assert (await session.resume()).output == "sorry"
        assert len(await facts_of(session, CallDenied)) == 1
        assert not await facts_of(session, ToolStarted)
    assert told(model.requests[-1]) == ["Not run: ann did not approve this call: the order is 3 years old"]


async def test_with_edited_arguments_the_tool_gets_the_edit_and_the_model_is_told() -> None:
    till, model = Till(), Played(PAY, "done")
    async with session_of(model, MemoryJournal(), till, ASKING) as session:
        (approval,) = (await session.run("refund 7")).approvals
        await session.approve(approval, by="ann", arguments={"order": "8"})
        assert (await session.resume()).output == "done"
        (started,) = await facts_of(session, ToolStarted)
        assert started.edited == '{"order": "8"}'
    assert till.done == ["8"]
    (asked,) = [message for message in model.requests[-1]["messages"] if message["role"] == "assistant"]
    assert asked["tool_calls"][0]["function"]["arguments"] == RAW
    (words,) = told(model.requests[-1])
    assert words.startswith('Note: a person changed the arguments to {"order": "8"} before the call ran.\n')
    assert words.endswith("paid 8")


async def test_an_edit_that_does_not_fit_is_refused_at_once_and_a_good_one_works() -> None:
    till = Till()
    async with session_of(Played(PAY, "done"), MemoryJournal(), till, ASKING) as session:
        (approval,) = (await session.run("refund 7")).approvals
        with pytest.raises(ConfigurationError, match="do not fit refund"):
            await session.approve(approval, by="ann", arguments={"order": 8})
        with pytest.raises(ConfigurationError, match="amount"):
            await session.approve(approval, by="ann", arguments={"order": "8", "amount": 1})
        assert (await session.resume()).approvals == (approval,)
        await session.approve(approval, by="ann", arguments={"order": "8"})
        assert (await session.resume()).output == "done"
    assert till.done == ["8"]


@pytest.mark.parametrize("edited", ['{"order": 8}', "{", '{"order": "8", "order": "9"}', "[]"])
async def test_an_invalid_edit_in_a_raw_row_is_refused_readably_and_a_good_one_works(edited: str) -> None:
    till, journal = Till(), MemoryJournal()
    async with session_of(Played(PAY, "done"), journal, till, ASKING) as session:
        (approval,) = (await session.run("refund 7")).approvals
        call, question = approval.id.split("-")[:2]
        bad = CallApproved(call, int(question), "ann", edited)
        await journal.put("s", "approval", "a bad one", body_of(bad), "ann")
        assert (await session.resume()).approvals == (approval,)
        (refused,) = await facts_of(session, InboxRefused)
        assert (refused.kind, refused.dedup) == ("approval", "a bad one")
        assert "changed arguments do not fit" in refused.why
        await session.approve(approval, by="ann", arguments={"order": "8"})
        assert (await session.resume()).output == "done"
    assert till.done == ["8"]


async def test_a_row_that_is_no_decision_is_refused_readably() -> None:
    till, journal = Till(), MemoryJournal()
    async with session_of(Played(PAY, "done"), journal, till, ASKING) as session:
        (approval,) = (await session.run("refund 7")).approvals
        await journal.put("s", "approval", "rubbish", b"not json", "eve")
        await journal.put("s", "approval", "other", b'{"call":"1.1.0"}', "eve")
        await journal.put("s", "child", "a child", b"{}", "eve")
        assert (await session.resume()).approvals == (approval,)
        assert [event.dedup for event in await facts_of(session, InboxRefused)] == ["rubbish", "other", "a child"]
    assert till.done == []


async def test_an_id_that_was_never_asked_is_void() -> None:
    async with session_of(Played(PAY, "done"), MemoryJournal(), Till(), ASKING) as session:
        (approval,) = (await session.run("refund 7")).approvals
        for name in ("nonsense", "1.1.0-1-abc", "7.7.7-7-abc"):
            with pytest.raises(ApprovalVoid):
                await session.approve(name, by="ann")
        other = approval.id[:-1] + ("0" if approval.id[-1] != "0" else "1")
        with pytest.raises(ApprovalVoid, match=approval.id):
            await session.approve(other, by="ann")


async def test_two_approvals_in_one_step_are_decided_one_by_one() -> None:
    till, model = Till(), Played(asks(("refund", {"order": "a"}), ("refund", {"order": "b"})), "done")
    async with session_of(model, MemoryJournal(), till, ASKING) as session:
        first, second = (await session.run("both")).approvals
        await session.approve(second, by="ann")
        assert (await session.resume()).approvals == (first,)
        assert till.done == [], "a held call holds the exclusive calls behind it"
        await session.deny(first, by="ann", reason="no")
        assert (await session.resume()).output == "done"
    assert till.done == ["b"]


async def test_a_rule_decides_which_calls_are_asked() -> None:
    tool = refund(needs_approval=lambda order: order != "small")
    till, model = Till(), Played(asks(("refund", {"order": "small"}), ("refund", {"order": "big"})), "done")
    async with session_of(model, MemoryJournal(), till, tool) as session:
        result = await session.run("both")
        assert [approval.arguments for approval in result.approvals] == [{"order": "big"}]
        assert till.done == ["small"]


async def test_a_rule_that_raises_runs_nothing_and_the_turn_goes_on() -> None:
    def broken(order: str) -> bool:
        raise ZeroDivisionError(order)

    till, model = Till(), Played(asks(("refund", RAW), ("look", RAW)), "done")
    async with session_of(model, MemoryJournal(), till, refund(needs_approval=broken), look) as session:
        assert (await session.run("go")).output == "done"
    assert till.done == ["look 7"]
    assert "could not be decided (ZeroDivisionError)" in told(model.requests[-1])[0]


async def test_cancelled_a_held_call_is_closed_and_its_approval_void() -> None:
    till, model = Till(), Played(PAY, "done")
    async with session_of(model, MemoryJournal(), till, ASKING) as session:
        (approval,) = (await session.run("refund 7")).approvals
        await session.cancel(by="ann")
        assert (await session.resume()).status == "cancelled"
        with pytest.raises(ApprovalVoid):
            await session.approve(approval, by="ann")
        assert (await session.run("next")).output == "done"
    assert till.done == []
    assert told(model.requests[-1]) == ["Not run: the turn was cancelled."]
