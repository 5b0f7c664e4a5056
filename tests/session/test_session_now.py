"""`now=True`: a message that enters an open turn behind the open step; and cancelling."""

from typing import Any

import anyio
import pytest

from agentkit import MemoryJournal, Session, tool
from agentkit.core.events import CancelRequested
from agentkit.errors import NothingToResume
from agentkit.events import InboxRefused, ModelInterrupted, ModelStarted, TurnEnded, UserSaid
from agentkit.inbox import body_of
from agentkit.models.base import Broken, Piece, Show
from tests.session.desk import Played, Till, asks, facts_of, hang, look, refund, session_of, told, until

pytestmark = pytest.mark.anyio

LOOK = asks(("look", {"order": "7"}))


class Gate:
    """Holds a turn of the model until it is opened."""

    def __init__(self, answer: Any) -> None:
        self.began, self.open, self.answer = anyio.Event(), anyio.Event(), answer

    async def __call__(self, _: Show | None) -> Any:
        self.began.set()
        await self.open.wait()
        return self.answer


async def run_with(session: Session[Any, Any], gate: Gate, during: Any) -> Any:
    """Run a turn, and something else while the gate holds it; return the turn's result."""
    results = []

    async def run() -> None:
        results.append(await session.run("first", id="m1"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await gate.began.wait()
        await during()
        await anyio.sleep(0.02)
        gate.open.set()
    return results[0]


def roles(request: Any) -> list[str]:
    return [message["role"] for message in request["messages"]]


async def test_while_thinking_it_enters_behind_the_step() -> None:
    gate = Gate(LOOK)
    model = Played(gate, "done")
    async with session_of(model, MemoryJournal(), Till(), look) as session:
        result = await run_with(session, gate, lambda: session.say("and hurry", id="m2", now=True))
        assert result.output == "done"
        assert (await session.run("and hurry", id="m2", now=True)).turn == 1
        assert len(await facts_of(session, TurnEnded)) == 1
    assert roles(model.requests[-1]) == ["user", "assistant", "tool", "user"]
    assert told(model.requests[-1], "user") == ["first", "and hurry"]


async def test_while_thinking_a_repeated_attempt_sends_the_same_bytes() -> None:
    gate = Gate(Broken("the line broke", "hal", ""))
    model = Played([gate, LOOK], "done")
    async with session_of(model, MemoryJournal(), Till(), look) as session:
        await run_with(session, gate, lambda: session.say("and hurry", id="m2", now=True))
        assert [event.attempt for event in await facts_of(session, ModelStarted)] == [1, 2, 1]
    assert model.requests[0] == model.requests[1]
    assert told(model.requests[2], "user") == ["first", "and hurry"]


async def test_while_acting_it_enters_behind_the_results() -> None:
    go = anyio.Event()

    async def wait(_: Till, __: str) -> None:
        await go.wait()

    till, model = Till(before=wait), Played(asks(("refund", {"order": "7"})), "done")
    async with session_of(model, MemoryJournal(), till, refund()) as session, anyio.create_task_group() as tasks:
        tasks.start_soon(session.run, "first")
        await until(lambda: model.requests)
        await session.say("and hurry", id="m2", now=True)
        await anyio.sleep(0.05)
        go.set()
        await until(lambda: len(model.requests) == 2)
    assert roles(model.requests[-1]) == ["user", "assistant", "tool", "user"]


async def test_at_the_final_answer_the_turn_goes_on_with_it() -> None:
    gate = Gate("one")
    model = Played(gate, "two")
    async with session_of(model, MemoryJournal()) as session:
        result = await run_with(session, gate, lambda: session.say("wait!", id="m2", now=True))
        assert (result.output, result.turn, result.steps) == ("two", 1, 2)
    assert roles(model.requests[-1]) == ["user", "assistant", "user"]


async def test_at_rest_it_opens_a_turn_like_any_other() -> None:
    model = Played("one", "two")
    async with session_of(model, MemoryJournal()) as session:
        await session.run("first")
        assert (await session.run("second", now=True)).turn == 2


async def test_run_with_now_from_another_task_returns_the_turns_result() -> None:
    gate = Gate("one")
    results = []
    async with session_of(Played(gate, "two"), MemoryJournal()) as session:

        async def during() -> None:
            tasks.start_soon(also)

        async def also() -> None:
            results.append(await session.run("wait!", id="m2", now=True))

        async with anyio.create_task_group() as tasks:
            first = await run_with(session, gate, during)
        assert results == [first]


async def test_when_the_turn_is_cancelled_it_starts_the_next_one() -> None:
    gate = Gate("one")
    model = Played([gate, "two"])
    async with session_of(model, MemoryJournal()) as session:

        async def during() -> None:
            await session.say("no, this", id="m2", now=True)
            await until(lambda: _heard(session))
            await session.cancel(by="ann")

        result = await run_with(session, gate, during)
        assert result.status == "cancelled"
        assert (await session.run("no, this", id="m2", now=True)).output == "two"


async def _heard(session: Session[Any, Any]) -> bool:
    return len(await facts_of(session, UserSaid)) == 2


# --- cancelling ------------------------------------------------------------------------------------------------------


async def test_cancelled_while_thinking_partial_text_is_kept_for_people_only() -> None:
    async def half(show: Show | None) -> str:
        assert show
        show([Piece("reasoning", "hm"), Piece("text", "half an ans")])
        began.set()
        await anyio.sleep(60)
        return "never"

    began = anyio.Event()
    model = Played([half, "done"])
    async with session_of(model, MemoryJournal()) as session:
        async with session.stream("first") as stream:
            await began.wait()
            await session.cancel(by="ann")
            result = await stream.result()
        assert (result.status, result.reason, result.text) == ("cancelled", "cancelled by ann", "half an ans")
        (broken,) = await facts_of(session, ModelInterrupted)
        assert (broken.text, broken.reasoning, broken.why) == ("half an ans", "hm", "cancelled by ann")
        assert (await session.run("second")).output == "done"
    assert roles(model.requests[-1]) == ["user", "user"]


async def test_cancel_closes_only_the_open_turn() -> None:
    gate = Gate("one")
    model = Played([gate, "two"])
    async with session_of(model, MemoryJournal()) as session:

        async def during() -> None:
            await session.say("second", id="m2")
            await until(lambda: _heard(session))
            await session.cancel(by="ann")

        assert (await run_with(session, gate, during)).status == "cancelled"
        assert (await session.run("second", id="m2")).output == "two"
        assert [event.status for event in await facts_of(session, TurnEnded)] == ["cancelled", "completed"]


async def test_a_cancel_for_a_past_turn_is_refused_readably() -> None:
    journal = MemoryJournal()
    gate = Gate("two")
    async with session_of(Played("one", gate), journal) as session:
        await session.run("zero", id="m0")
        row = body_of(CancelRequested(1, "eve"))

        async def during() -> None:
            await journal.put("s", "cancel", "1", row, "eve")
            await until(lambda: facts_of(session, InboxRefused))

        assert (await run_with(session, gate, during)).output == "two"
        (refused,) = await facts_of(session, InboxRefused)
        assert (refused.kind, refused.dedup, refused.why) == ("cancel", "1", "turn 1 is over")


async def test_a_cancel_for_a_past_turn_at_rest_is_refused_readably_and_harms_nobody() -> None:
    journal = MemoryJournal()
    async with session_of(Played("one", "two"), journal) as session:
        await session.run("first")
        await journal.put("s", "cancel", "1", body_of(CancelRequested(1, "eve")), "eve")
        assert (await session.run("second")).output == "two"
        assert len(await facts_of(session, InboxRefused)) == 1


async def test_cancel_at_rest_and_before_the_first_turn_does_nothing() -> None:
    async with session_of(Played("one"), MemoryJournal()) as session:
        await session.cancel(by="ann")
        with pytest.raises(NothingToResume):
            await session.resume()
        await session.run("first")
        await session.cancel(by="ann")
        assert (await session.resume()).output == "one"


async def test_cancelled_while_acting_read_calls_are_cut_off_at_once_and_the_model_is_told() -> None:
    @tool(effect="read")
    async def stare(order: str) -> str:
        """Stare at it."""
        till.done.append(order)
        await anyio.sleep(60)
        return order

    till, model = Till(), Played(asks(("stare", {"order": "7"}), ("refund", {"order": "8"})), "done")
    async with session_of(model, MemoryJournal(), till, stare, refund()) as session:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.run, "first")
            await until(lambda: till.done)
            with anyio.fail_after(1.5):
                await session.cancel(by="ann")
                await until(lambda: facts_of(session, TurnEnded))
        assert (await session.run("second")).output == "done"
    assert till.done == ["7"]
    assert told(model.requests[-1]) == ["Not run: the turn was cancelled."] * 2 or told(model.requests[-1])[1] == (
        "Not run: the turn was cancelled."
    )


async def test_cancelled_while_acting_a_once_call_gets_a_moment_to_end() -> None:
    async def soon(_: Till, __: str) -> None:
        await anyio.sleep(0.3)

    till, model = Till(before=soon), Played(asks(("refund", {"order": "7"})), "done")
    async with session_of(model, MemoryJournal(), till, refund()) as session:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.run, "first")
            await until(lambda: model.requests)
            await anyio.sleep(0.1)
            await session.cancel(by="ann")
        assert (await session.resume()).status == "cancelled"
        assert (await session.run("second")).output == "done"
    assert told(model.requests[-1]) == ["paid 7"]


async def test_cancelled_twice_is_cancelled_once() -> None:
    till = Till(trouble=hang)
    async with session_of(Played(asks(("refund", {"order": "7"}))), MemoryJournal(), till, refund()) as session:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.run, "first")
            await until(lambda: till.done)
            await session.cancel(by="ann")
            await session.cancel(by="bob")
        result = await session.resume()
        assert "cancelled by ann" in result.unknowns[0].why
        assert len(await facts_of(session, CancelRequested)) == 1
