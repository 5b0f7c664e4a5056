"""A `once` call whose outcome is not known is never repeated; each way out gives the right world and words."""

from typing import Any

import anyio
import pytest

from agentkit import Agent, MemoryJournal, Outcome, Session, ToolError, tool
from agentkit.core.messages import text_of
from agentkit.errors import AlreadyDecided, ApprovalVoid
from agentkit.events import CallHeld, CallResolved, ToolStarted
from agentkit.messages import Image
from agentkit.testing import Died
from tests.session.desk import Played, Till, asks, facts_of, hang, lose_the_line, refund, session_of, told, until

pytestmark = pytest.mark.anyio

PAY = asks(("refund", {"order": "7"}))


async def unknown_in(till: Till, *tools: Any, model: Played | None = None) -> tuple[Session[Till, str], Any, Played]:
    """Return a session that waits for a person about a call whose line broke."""
    model = model or Played(PAY, "done")
    session = session_of(model, MemoryJournal(), till, *(tools or (refund(),)))
    result = await session.run("refund 7", id="m1")
    assert result.status == "waiting", result
    return session, result, model


async def test_a_broken_connection_is_unknown_and_not_repeated() -> None:
    till = Till(trouble=lose_the_line)
    session, result, model = await unknown_in(till)
    (unknown,) = result.unknowns
    assert (unknown.tool, unknown.arguments) == ("refund", {"order": "7"})
    assert "ConnectionError" in unknown.why
    assert result.reason == "waiting for a person: it is not known whether refund took effect " + f"({unknown.why})"
    for _ in range(3):
        assert (await session.resume()).unknowns == (unknown,)
    assert till.done == ["7"]
    assert unknown.idempotency_key in till.paid
    assert len(model.requests) == 1


async def test_a_time_out_is_unknown_and_not_repeated() -> None:
    till = Till(trouble=hang)
    session, result, _ = await unknown_in(till, refund(timeout=0.05))
    assert "timed out after 0.05 s" in result.unknowns[0].why
    await session.resume()
    assert till.done == ["7"]


async def test_a_cancel_is_unknown_and_not_repeated_and_the_turn_ends_when_it_is_decided() -> None:
    till, model = Till(trouble=hang), Played(PAY, "done")
    async with session_of(model, MemoryJournal(), till, refund()) as session, anyio.create_task_group() as tasks:
        tasks.start_soon(session.run, "refund 7")
        await until(lambda: till.done)
        await session.cancel(by="ann")
        await until(lambda: _waits(session))
        result = await session.resume()
        assert result.status == "waiting"
        assert "cancelled by ann" in result.unknowns[0].why
        await session.resolve(result.unknowns[0], Outcome.happened("paid 7"), by="ann")
        assert (await session.resume()).status == "cancelled"
        assert (await session.run("so?")).output == "done"
    assert till.done == ["7"]
    assert told(model.requests[-1]) == ["paid 7"]


async def _waits(session: Session[Any, Any]) -> bool:
    status = await session.status()
    return status is not None and bool(status.unknowns)


async def test_a_cancelled_caller_leaves_it_unknown_and_not_repeated() -> None:
    till, model = Till(trouble=hang), Played(PAY, "done")
    async with session_of(model, MemoryJournal(), till, refund()) as session:
        with anyio.move_on_after(0.1):
            await session.run("refund 7", id="m1")
        result = await session.run("refund 7", id="m1")
        assert len(result.unknowns) == 1
    assert till.done == ["7"]


async def test_a_tool_that_takes_the_program_down_is_not_started_again() -> None:
    async def die(_: Till, __: str) -> None:
        raise Died

    till, journal, model = Till(trouble=die), MemoryJournal(), Played(PAY, "done")
    with pytest.raises((Died, BaseExceptionGroup)):
        async with session_of(model, journal, till, refund()) as session:
            await session.run("refund 7", id="m1")
    assert till.done == ["7"]
    async with session_of(model, journal, till, refund()) as session:
        assert (await session.run("refund 7", id="m1")).unknowns
    assert till.done == ["7"]


async def test_a_tool_error_is_proof_that_nothing_happened() -> None:
    async def closed(_: Till, __: str) -> None:
        raise ToolError("the till is closed; try tomorrow")

    till, model = Till(before=closed), Played(PAY, "done")
    async with session_of(model, MemoryJournal(), till, refund()) as session:
        assert (await session.run("refund 7")).output == "done"
    assert told(model.requests[-1]) == ["the till is closed; try tomorrow"]


async def test_an_exception_named_as_proof_is_proof() -> None:
    async def wrong(_: Till, __: str) -> None:
        raise ValueError("no such order")

    till, model = Till(before=wrong), Played(PAY, "done")
    async with session_of(model, MemoryJournal(), till, refund(no_effect=(ValueError,))) as session:
        assert (await session.run("refund 7")).output == "done"
    assert told(model.requests[-1]) == ["Error: refund failed (ValueError); nothing was changed."]


# --- ways out: reconcile ---------------------------------------------------------------------------------------------


async def test_reconcile_happened_settles_it_with_its_result() -> None:
    till, model = Till(trouble=lose_the_line), Played(PAY, "done")
    async with session_of(model, MemoryJournal(), till, refund(reconciles=True)) as session:
        assert (await session.run("refund 7")).output == "done"
        assert [event.kind for event in await facts_of(session, CallResolved)] == ["happened"]
    assert (till.done, till.asked) == (["7"], 1)
    assert told(model.requests[-1]) == ["paid 7"]


async def test_reconcile_not_happened_starts_it_again_with_the_same_key() -> None:
    keys: list[str] = []

    async def early_once(_: Till, __: str) -> None:
        keys.append("try")
        if len(keys) == 1:
            raise ConnectionError

    till, model = Till(before=early_once), Played(PAY, "done")
    async with session_of(model, MemoryJournal(), till, refund(reconciles=True)) as session:
        assert (await session.run("refund 7")).output == "done"
        assert len(await facts_of(session, ToolStarted)) == 2
    assert till.done == ["7"]
    assert len(till.paid) == 1
    assert told(model.requests[-1]) == ["paid 7"]


@pytest.mark.parametrize("found", [Outcome.unknown(), RuntimeError("the bank is closed")])
async def test_reconcile_that_cannot_tell_leaves_it_to_a_person_and_is_asked_once_a_run(found: Any) -> None:
    till = Till(trouble=lose_the_line, found=found)
    session, result, model = await unknown_in(till, refund(reconciles=True))
    assert till.asked == 1
    assert "reconcile" in result.unknowns[0].why
    await session.resume()
    assert till.asked == 2
    await session.resolve(result.unknowns[0], Outcome.happened("paid 7"), by="ann")
    assert (await session.resume()).output == "done"
    assert told(model.requests[-1]) == ["paid 7"]


async def test_a_call_that_never_happens_is_not_tried_for_ever() -> None:
    tries: list[str] = []

    async def always(_: Till, what: str) -> None:
        tries.append(what)
        raise ConnectionError

    till, model = Till(before=always), Played(PAY, "done")
    async with session_of(model, MemoryJournal(), till, refund(reconciles=True)) as session:
        with anyio.move_on_after(3) as scope:
            await session.run("refund 7")
    assert not scope.cancelled_caught
    assert len(tries) <= 3
    assert not till.paid


# --- ways out: a person ----------------------------------------------------------------------------------------------


async def test_resolved_as_happened_the_model_gets_the_result() -> None:
    till = Till(trouble=lose_the_line)
    session, result, model = await unknown_in(till)
    await session.resolve(result.unknowns[0], Outcome.happened({"receipt": 9}), by="ann")
    assert (await session.resume()).output == "done"
    assert till.done == ["7"]
    assert told(model.requests[-1]) == ['{"receipt":9}']


async def test_resolved_as_not_happened_it_runs_again_once() -> None:
    async def early_once(till: Till, _: str) -> None:
        till.before = None
        raise ConnectionError

    till = Till(before=early_once)
    session, result, model = await unknown_in(till)
    await session.resolve(result.unknowns[0].id, Outcome.not_happened(), by="ann")
    assert (await session.resume()).output == "done"
    assert till.done == ["7"]
    assert told(model.requests[-1]) == ["paid 7"]


async def test_given_up_the_model_is_told_that_it_may_have_happened() -> None:
    till = Till(trouble=lose_the_line)
    session, result, model = await unknown_in(till)
    await session.resolve(result.unknowns[0], Outcome.unknown(), by="ann")
    assert (await session.resume()).output == "done"
    (words,) = told(model.requests[-1])
    for part in ("not known", "may have happened", "Do not repeat it", "A person (ann) is checking"):
        assert part in words
    assert till.done == ["7"]


async def test_the_same_call_unknown_twice_is_two_questions() -> None:
    async def early_once(till: Till, _: str) -> None:
        till.before, till.trouble = None, lose_the_line
        raise ConnectionError

    till = Till(before=early_once)
    session, first, model = await unknown_in(till)
    await session.resolve(first.unknowns[0], Outcome.not_happened(), by="ann")
    second = await session.resume()
    assert second.unknowns[0].id != first.unknowns[0].id
    assert second.unknowns[0].idempotency_key == first.unknowns[0].idempotency_key
    with pytest.raises(AlreadyDecided) as raised:
        await session.resolve(first.unknowns[0], Outcome.happened("no"), by="bob")
    assert raised.value.by == "ann"
    await session.resolve(first.unknowns[0], Outcome.not_happened(), by="ann")  # the same again: nothing
    assert (await session.resume()).unknowns == second.unknowns
    await session.resolve(second.unknowns[0], Outcome.happened("paid 7"), by="ann")
    assert (await session.resume()).output == "done"
    assert till.done == ["7"]
    assert told(model.requests[-1]) == ["paid 7"]


async def test_resolved_twice_the_same_is_nothing_and_otherwise_already_decided() -> None:
    till = Till(trouble=lose_the_line)
    session, result, _ = await unknown_in(till)
    for _ in range(2):
        await session.resolve(result.unknowns[0], Outcome.happened("paid"), by="ann")
    with pytest.raises(AlreadyDecided) as raised:
        await session.resolve(result.unknowns[0], Outcome.not_happened(), by="bob")
    assert raised.value.by == "ann"
    assert raised.value.at is not None
    await session.resume()
    with pytest.raises(AlreadyDecided):
        await session.resolve(result.unknowns[0], Outcome.not_happened(), by="bob")
    with pytest.raises(ApprovalVoid):
        await session.resolve("9.9.9-99-abc", Outcome.not_happened(), by="bob")


# --- equal calls -----------------------------------------------------------------------------------------------------


def _again(answer: str) -> Played:
    return Played(PAY, PAY, answer)


@pytest.mark.parametrize("arguments", ['{"order": "7"}', '{ "order":"7" }'])
@pytest.mark.parametrize("later_turn", [True, False])
async def test_given_up_and_asked_again_by_the_model_is_held_as_a_twin(arguments: str, *, later_turn: bool) -> None:
    till = Till(trouble=lose_the_line)
    again = asks(("refund", arguments))
    model = Played(PAY, "noted", again, "done") if later_turn else Played(PAY, again, "done")
    session, result, _ = await unknown_in(till, model=model)
    await session.resolve(result.unknowns[0], Outcome.unknown(), by="ann")
    result = await session.resume()
    if later_turn:
        assert result.output == "noted"
        result = await session.run("refund 7 please", id="m2")
    assert result.status == "waiting"
    assert "its outcome is not known" in result.approvals[0].why
    assert [event.kind for event in await facts_of(session, CallHeld)] == ["twin"]
    assert till.done == ["7"]
    till.trouble = None
    await session.deny(result.approvals[0], by="ann", reason="it was paid")
    assert (await session.resume()).output == "done"
    assert till.done == ["7"]
    assert "it was paid" in told(model.requests[-1])[-1]


async def test_a_picture_a_person_found_out_is_no_less_a_picture_where_the_arguments_were_changed() -> None:
    till, found = Till(trouble=lose_the_line), Image("https://shop.example/receipt.png")
    model = Played(PAY, "done")
    async with session_of(model, MemoryJournal(), till, refund(needs_approval=True)) as session:
        (approval,) = (await session.run("refund 7")).approvals
        await session.approve(approval, by="ann", arguments={"order": "8"})
        (unknown,) = (await session.resume()).unknowns
        await session.resolve(unknown, Outcome.happened(["it is paid", found]), by="ann")
        assert (await session.resume()).output == "done"
        (resolved,) = await facts_of(session, CallResolved)
    note, picture = resolved.parts
    assert picture == found
    assert text_of((note,)).endswith('changed the arguments to {"order": "8"} before the call ran.\nit is paid')


async def test_a_number_written_another_way_is_a_twin() -> None:
    paid: list[float] = []

    @tool(effect="once")
    async def pay(amount: float, orders: list[float]) -> None:
        """Pay."""
        paid.append(amount * len(orders))
        raise ConnectionError("the line broke")

    model = Played(asks(("pay", {"amount": 100, "orders": [7]}), ("pay", {"amount": 100.0, "orders": [7.0]})), "done")
    async with Session(Agent(model, tools=[pay]), "s", journal=MemoryJournal()) as session:
        (unknown,) = (await session.run("pay")).unknowns
        await session.resolve(unknown, Outcome.unknown(), by="ann")
        (twin,) = (await session.resume()).approvals
    assert (paid, twin.arguments) == ([100.0], {"amount": 100.0, "orders": [7.0]})


async def test_a_twin_that_is_approved_runs() -> None:
    till = Till(trouble=lose_the_line)
    session, result, model = await unknown_in(till, model=_again("done"))
    await session.resolve(result.unknowns[0], Outcome.unknown(), by="ann")
    result = await session.resume()
    till.trouble = None
    await session.approve(result.approvals[0], by="ann")
    assert (await session.resume()).output == "done"
    assert till.done == ["7", "7"]
    assert len(till.paid) == 2
    assert told(model.requests[-1])[-1] == "paid 7"


async def test_other_arguments_are_no_twin() -> None:
    till = Till(trouble=lose_the_line)
    session, result, _ = await unknown_in(till, model=Played(PAY, asks(("refund", {"order": "8"})), "done"))
    await session.resolve(result.unknowns[0], Outcome.unknown(), by="ann")
    till.trouble = None
    assert (await session.resume()).output == "done"
    assert till.done == ["7", "8"]


async def test_an_equal_call_in_the_same_step_is_held_while_the_first_is_unknown() -> None:
    async def first_only(till: Till, _: str) -> None:
        if len(till.done) == 1:
            till.trouble = None
            raise ConnectionError

    pay = ("refund", {"order": "7"})
    till, model = Till(trouble=first_only), Played(asks(pay, pay), "done")
    session, result, _ = await unknown_in(till, refund(), model=model)
    assert len(result.unknowns) == 1
    assert till.done == ["7"]
    await session.resolve(result.unknowns[0], Outcome.happened("paid 7"), by="ann")
    assert (await session.resume()).output == "done"
    assert till.done == ["7", "7"], "it is known what became of the first, so the second is what the model asked for"


async def test_an_equal_call_that_need_not_wait_its_turn_is_held_as_a_twin_while_the_first_is_unknown() -> None:
    pay = ("refund", {"order": "7"})
    till, model = Till(trouble=lose_the_line), Played(asks(pay, pay), "done")
    async with session_of(model, MemoryJournal(), till, refund(exclusive=False, needs_approval=True)) as session:
        first, second = (await session.run("refund 7 twice")).approvals
        await session.approve(first, by="ann")
        result = await session.resume()
        assert len(result.unknowns) == 1
        till.trouble = None
        await session.approve(second, by="ann")
        result = await session.resume()
        assert till.done == ["7"]
        (twin,) = result.approvals
        assert twin.id != second.id
        assert "its outcome is not known" in twin.why
        await session.approve(twin, by="ann")
        result = await session.resume()
        assert till.done == ["7", "7"]
        await session.resolve(result.unknowns[0], Outcome.happened("paid 7 before"), by="ann")
        assert (await session.resume()).output == "done"
    assert told(model.requests[-1]) == ["paid 7 before", "paid 7"]
