"""Limits: checked before a start, typed when met, and the next turn works."""

from decimal import Decimal
from typing import Any

import anyio
import pytest

from agentkit import Limits, MemoryJournal, Outcome, Result, Usage, tool
from agentkit.core.events import Prices
from agentkit.errors import ConfigurationError, NotCompleted
from agentkit.events import CallClosed, LimitReached, ModelResponded, ModelStarted, ToolFinished, ToolStarted, TurnEnded
from agentkit.messages import AssistantMessage
from agentkit.models.base import Piece, Show
from tests.session.desk import Played, Till, asks, facts, facts_of, hang, look, refund, session_of, told

pytestmark = pytest.mark.anyio

LOOK = asks(("look", {"order": "7"}))


class Priced(Played):
    """Costs a dollar a token, in and out."""

    def prices(self) -> Prices:
        return Prices(Decimal(1_000_000), Decimal(1_000_000), "test")


def met(result: Result[str], kind: str) -> bool:
    assert result.status == "limit"
    assert result.reason.startswith("limit reached: ")
    with pytest.raises(NotCompleted, match="limit reached"):
        _ = result.output
    return kind in result.reason


async def kinds(session: Any) -> list[str]:
    return [event.kind for event in await facts_of(session, LimitReached)]


async def test_steps() -> None:
    model = Played(LOOK, LOOK, LOOK, "done")
    async with session_of(model, MemoryJournal(), Till(), look, limits=Limits(steps=2)) as session:
        assert met(await session.run("go"), "2 steps")
        assert len(model.requests) == 2
        assert await kinds(session) == ["steps"]


async def test_the_turn_after_a_limit_works() -> None:
    model = Played(LOOK, LOOK, "done")
    async with session_of(model, MemoryJournal(), Till(), look, limits=Limits(steps=1)) as session:
        assert met(await session.run("go"), "1 steps")
        assert met(await session.run("go on"), "1 steps")
        assert (await session.run("and the answer?")).output == "done"
        assert (await session.resume()).output == "done"
    assert told(model.requests[-1], "user") == ["go", "go on", "and the answer?"]


async def test_tool_calls_the_started_ones_finish_the_rest_is_not_run() -> None:
    till, model = Till(), Played(asks(*(("look", {"order": str(n)}) for n in range(4))), "done")
    async with session_of(model, MemoryJournal(), till, look, limits=Limits(tool_calls=2)) as session:
        assert met(await session.run("go"), "2 tool calls")
        assert sorted(till.done) == ["look 0", "look 1"]
        assert len(await facts_of(session, ToolStarted)) == 2
        assert [event.why for event in await facts_of(session, CallClosed)] == ["limit", "limit"]
        await session.run("next")
    assert told(model.requests[-1]) == [
        *("order 0 is blue", "order 1 is blue"),
        *("Not run: limit reached.", "Not run: limit reached."),
    ]


async def test_tokens_are_reserved_before_the_call() -> None:
    model = Played(LOOK, "done", usage=Usage(180, 0, 10, 0))
    async with session_of(model, MemoryJournal(), Till(), look, limits=Limits(tokens=200)) as session:
        assert met(await session.run("go"), "200 tokens in one turn (190 used, the next call may take")
        assert len(model.requests) == 1
        assert [event.kind for event in await facts_of(session, LimitReached)] == ["tokens"]


async def test_a_message_that_is_over_the_limit_by_itself_never_reaches_the_model() -> None:
    model = Played()
    async with session_of(model, MemoryJournal(), limits=Limits(tokens=100)) as session:
        assert met(await session.run("x" * 1000), "tokens")
        assert not model.requests
        assert (await session.run("short")).status in {"limit", "completed"}


async def test_cost_is_reserved_before_the_call_and_counted_from_what_was_reported() -> None:
    model = Priced(LOOK, "done", usage=Usage(20, 0, 5, 0, Decimal(105)))
    async with session_of(model, MemoryJournal(), Till(), look, limits=Limits(cost=Decimal(110))) as session:
        result = await session.run("go")
        assert met(result, "110 USD in one turn (105 used, the next call may cost")
        assert result.usage.cost == 105
        reserved = [event.cost for event in await facts_of(session, ModelStarted)]
        assert len(reserved) == 1
        assert reserved[0]


async def test_a_limit_on_cost_without_a_price_is_a_configuration_error_before_anything_is_sent() -> None:
    class Unpriced(Played):
        def prices(self) -> None:
            return None

    model = Unpriced()
    async with session_of(model, MemoryJournal(), limits=Limits(cost=Decimal(1))) as session:
        with pytest.raises(ConfigurationError, match="no price is known"):
            await session.run("go")
    assert not model.requests


async def test_usage_that_is_not_reported_leaves_the_reservation_spent() -> None:
    model = Played("done", usage=None)
    async with session_of(model, MemoryJournal(), limits=Limits(tokens=1000)) as session:
        result = await session.run("x" * 400)
        assert result.usage.tokens >= 100


@pytest.mark.parametrize("seconds", [0.2, 1.2])
async def test_seconds_end_a_model_call_that_does_not_come(seconds: float) -> None:
    async def never(_: object) -> str:
        await anyio.sleep(60)
        return ""

    model = Played([never, "done"])
    async with session_of(model, MemoryJournal(), limits=Limits(seconds=seconds)) as session:
        with anyio.fail_after(seconds + 4):
            assert met(await session.run("go"), f"{seconds} seconds")
        assert (await session.run("again")).output == "done"


async def test_seconds_an_answer_that_is_still_coming_is_recorded_and_its_calls_closed() -> None:
    till = Till()

    async def slowly(_: object) -> Any:
        await anyio.sleep(0.6)
        return LOOK

    model = Played(slowly, "done")
    async with session_of(model, MemoryJournal(), till, look, limits=Limits(seconds=0.3)) as session:
        assert met(await session.run("go"), "0.3 seconds")
        assert len(await facts_of(session, ModelResponded)) == 1
        assert [event.why for event in await facts_of(session, CallClosed)] == ["limit"]
        assert till.done == []
        assert (await session.run("again")).output == "done"
    assert told(model.requests[-1]) == ["Not run: limit reached."]


@pytest.mark.parametrize("seconds", [0.2, 0.8])
async def test_seconds_with_a_hung_once_call_waiting_wins_over_the_limit(seconds: float) -> None:
    till, model = Till(trouble=hang), Played(asks(("refund", {"order": "7"})), "done")
    async with session_of(model, MemoryJournal(), till, refund(), limits=Limits(seconds=seconds)) as session:
        with anyio.fail_after(seconds + 5):
            result = await session.run("go", id="m1")
        assert result.status == "waiting"
        assert len(result.unknowns) == 1
        await session.resolve(result.unknowns[0], Outcome.happened("paid 7"), by="ann")
        assert met(await session.resume(), "seconds")
        assert [event.status for event in await facts_of(session, TurnEnded)] == ["limit"]
        assert (await session.run("again", id="m2")).output == "done"
    assert told(model.requests[-1]) == ["paid 7"]
    assert till.done == ["7"]


async def test_waiting_for_a_person_does_not_count() -> None:
    till, model = Till(), Played(asks(("refund", {"order": "7"})), "done")
    limits = Limits(seconds=0.5)
    async with session_of(model, MemoryJournal(), till, refund(needs_approval=True), limits=limits) as session:
        result = await session.run("go")
        await anyio.sleep(0.8)
        await session.approve(result.approvals[0], by="ann")
        assert (await session.resume()).output == "done"


async def test_waiting_for_a_person_does_not_count_across_a_new_agent() -> None:
    journal, till, model = MemoryJournal(), Till(), Played(asks(("refund", {"order": "7"})), "done")
    limits = Limits(seconds=0.5)
    async with session_of(model, journal, till, refund(needs_approval=True), limits=limits) as session:
        await session.run("go")
    await anyio.sleep(0.8)
    async with session_of(model, journal, till, refund(needs_approval=True), look, limits=limits) as session:
        result = await session.resume()
        assert result.status == "waiting"
        await session.approve(result.approvals[0], by="ann")
        assert (await session.resume()).output == "done"


async def test_seconds_partial_text_is_kept_for_people_when_the_call_is_cut() -> None:
    async def starts(show: Show | None) -> AssistantMessage:
        assert show
        show([Piece("text", "half an ans")])
        await anyio.sleep(60)
        return AssistantMessage("never")

    model = Played([starts, "done"])
    async with session_of(model, MemoryJournal(), limits=Limits(seconds=0.2)) as session:
        async with session.stream("go") as stream:
            result = await stream.result()
        assert met(result, "seconds")
        assert result.text == "half an ans"
        events = await facts(session)
        assert [type(event).__name__ for event in events[-3:]] == ["LimitReached", "ModelInterrupted", "TurnEnded"]
        assert (await session.run("again")).output == "done"
    assert told(model.requests[-1], "assistant") == []


async def test_limits_count_per_turn() -> None:
    model = Played("one", "two", "three", usage=Usage(60, 0, 10, 0))
    async with session_of(model, MemoryJournal(), limits=Limits(tokens=120, steps=1)) as session:
        for text in ("one", "two", "three"):
            assert (await session.run(text)).output == text


async def test_a_turn_that_does_not_get_on_is_told_so_and_then_ends() -> None:
    model = Played(*[LOOK] * 6, "done")
    async with session_of(model, MemoryJournal(), Till(), look) as session:
        result = await session.run("go")
        assert met(result, "6 steps in a row brought nothing new")
        finished = await facts_of(session, ToolFinished)
        assert [bool(event.hint) for event in finished] == [False, False, True, True, True, True]
        assert finished[2].hint in told(model.requests[3], "tool")[-1]
        assert await kinds(session) == ["repeats"]
        assert (await session.run("and the answer?")).output == "done"


async def test_arguments_that_are_never_right_end_the_turn() -> None:
    model = Played(*[asks(("look", {"no": n})) for n in range(4)], "done")
    async with session_of(model, MemoryJournal(), Till(), look) as session:
        assert met(await session.run("go"), "the arguments for look could not be used 4 times")
        assert "do not call look again" in told(model.requests[3], "tool")[-1]
        assert await kinds(session) == ["repairs"]


async def test_a_large_result_is_compared_as_it_is_stored() -> None:
    @tool(effect="read")
    async def page() -> str:
        """Read a page."""
        return "x" * 100_000

    model = Played(*[asks(("page", {}))] * 3, "done")
    async with session_of(model, MemoryJournal(), Till(), page) as session:
        assert (await session.run("go")).output == "done"
        assert [bool(event.hint) for event in await facts_of(session, ToolFinished)] == [False, False, True]
        assert told(model.requests[-1], "tool")[-1].startswith("x" * 100_000 + "\n\nNote: ")
