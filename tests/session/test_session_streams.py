"""Watching a run: what comes, in which order, to a slow reader, and what leaving does."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from agentkit import Delta, MemoryJournal, Record, Session, ToolContext, tool
from agentkit.errors import BalanceExhausted
from agentkit.events import ModelResponded, ToolUnknown
from agentkit.models.base import Broken, Piece, Show
from tests.session.desk import Played, Till, asks, collected, facts_of, file, hang, refund, session_of, until

pytestmark = pytest.mark.anyio


async def speaks(show: Show | None) -> str:
    """Stream an answer in four reads."""
    assert show
    for pieces in ([Piece("reasoning", "let me "), Piece("reasoning", "see")], [Piece("text", "hel")]):
        show(pieces)
        await anyio.sleep(0.01)
    for text in ("lo", " there"):
        show([Piece("text", text)])
        await anyio.sleep(0.01)
    return "hello there"


def deltas(news: list[Any]) -> list[Delta]:
    return [item for item in news if isinstance(item, Delta)]


async def test_deltas_and_records_come_in_order_and_then_the_result() -> None:
    async with session_of(Played(speaks), MemoryJournal()) as session:
        async with session.stream("hi") as stream:
            news = await collected(aiter(stream))
            result = await stream.result()
        assert result.output == "hello there"
        shown = deltas(news)
        assert "".join(delta.text for delta in shown if delta.kind == "text") == "hello there"
        assert "".join(delta.text for delta in shown if delta.kind == "reasoning") == "let me see"
        assert {(delta.step, delta.attempt) for delta in shown} == {("1.1", 1)}
        records = [item for item in news if isinstance(item, Record)]
        assert records == [record async for record in session.events()]
        answered = next(n for n, item in enumerate(news) if isinstance(getattr(item, "event", None), ModelResponded))
        assert all(news.index(delta) < answered for delta in shown)


async def test_a_new_attempt_carries_a_higher_number() -> None:
    async def breaks(show: Show | None) -> Broken:
        assert show
        show([Piece("text", "hel")])
        return Broken("the line broke", "hel", "")

    async with session_of(Played([breaks, speaks]), MemoryJournal()) as session, session.stream("hi") as stream:
        shown = deltas(await collected(aiter(stream)))
    assert [delta.attempt for delta in shown] == sorted(delta.attempt for delta in shown)
    assert "".join(delta.text for delta in shown if delta.attempt == 2 and delta.kind == "text") == "hello there"


async def test_a_slow_reader_gets_merged_deltas_and_loses_nothing() -> None:
    async def chatty(show: Show | None) -> str:
        assert show
        for n in range(1000):
            show([Piece("text", f"{n} ")])
            if n % 100 == 0:
                await anyio.lowlevel.checkpoint()
        return "done"

    async with session_of(Played(chatty), MemoryJournal()) as session, session.stream("hi") as stream:
        news = []
        async for item in stream:
            news.append(item)
            await anyio.sleep(0.02)
    shown = deltas(news)
    assert "".join(delta.text for delta in shown) == "".join(f"{n} " for n in range(1000))
    assert len(shown) < 50


async def test_progress_of_a_tool_is_shown_and_not_recorded() -> None:
    @tool(effect="read")
    async def work(ctx: ToolContext[Till]) -> str:
        await ctx.progress("half way")
        return "worked"

    async with session_of(Played(asks(("work", {})), "done"), MemoryJournal(), Till(), work) as session:
        async with session.stream("hi") as stream:
            shown = [delta for delta in deltas(await collected(aiter(stream))) if delta.kind == "progress"]
        assert shown == [Delta("progress", "half way", "1.1", 1)]


async def test_leaving_normally_waits_until_the_session_rests() -> None:
    async def later(_: object) -> str:
        await anyio.sleep(0.2)
        return "done"

    model = Played(later)
    async with session_of(model, MemoryJournal()) as session:
        async with session.stream("hi"):
            pass
        assert (await session.status()).output == "done"  # type: ignore[union-attr]


async def left_by_an_exception(session: Session[Any, Any], moment: Callable[[], Awaitable[object]]) -> None:
    async with session.stream("hi", id="m1"):
        await moment()
        raise ZeroDivisionError


async def test_leaving_by_an_exception_stops_the_run_and_goes_on_its_way() -> None:
    async def never(_: object) -> str:
        await anyio.sleep(60)
        return "never"

    async with session_of(Played([never, "done"]), MemoryJournal()) as session:
        with anyio.fail_after(5), pytest.raises(ZeroDivisionError):
            await left_by_an_exception(session, lambda: anyio.sleep(0.05))
        assert (await session.run("hi", id="m1")).output == "done"


async def test_leaving_again_and_again_while_the_model_thinks_is_no_fault_of_the_model() -> None:
    async def never(_: object) -> str:
        await anyio.sleep(60)
        return "never"

    async with session_of(Played([never] * 5 + ["done"]), MemoryJournal()) as session:
        for _ in range(5):
            with anyio.move_on_after(0.05):
                async with session.stream("hi", id="m1") as stream:
                    await stream.result()
        assert (await session.run("hi", id="m1")).output == "done"


async def test_leaving_by_an_exception_leaves_a_once_call_that_ends_in_time_known() -> None:
    began: list[str] = []

    async def soon(_: Till, what: str) -> None:
        began.append(what)
        await anyio.sleep(0.2)

    till, model = Till(before=soon), Played(asks(("refund", {"order": "7"})), "done")
    async with session_of(model, MemoryJournal(), till, refund()) as session:
        with pytest.raises(ZeroDivisionError):
            await left_by_an_exception(session, lambda: until(lambda: began))
        assert not await facts_of(session, ToolUnknown)
        assert (await session.run("hi", id="m1")).output == "done"
    assert till.done == ["7"]


async def test_leaving_by_an_exception_leaves_a_once_call_that_hangs_unknown() -> None:
    till = Till(trouble=hang)
    async with session_of(Played(asks(("refund", {"order": "7"}))), MemoryJournal(), till, refund()) as session:
        with anyio.fail_after(6), pytest.raises(ZeroDivisionError):
            await left_by_an_exception(session, lambda: until(lambda: till.done))
        assert len(await facts_of(session, ToolUnknown)) == 1
        assert (await session.run("hi", id="m1")).unknowns


async def test_a_fault_of_the_run_is_raised_where_the_stream_ends_and_by_result() -> None:
    session = session_of(Played(BalanceExhausted("no balance", status=402)), MemoryJournal())
    async with session, session.stream("hi") as stream:
        with pytest.raises(BalanceExhausted):
            await collected(aiter(stream))
        with pytest.raises(BalanceExhausted):
            await stream.result()


async def test_a_fault_nobody_asked_for_is_not_swallowed() -> None:
    async with session_of(Played(BalanceExhausted("no balance", status=402)), MemoryJournal()) as session:
        with pytest.raises(BalanceExhausted):
            async with session.stream("hi"):
                pass


async def test_a_stream_without_a_message_resumes() -> None:
    till = Till()
    tools = refund(needs_approval=True)
    async with session_of(Played(asks(("refund", {"order": "7"})), speaks), MemoryJournal(), till, tools) as session:
        (approval,) = (await session.run("hi")).approvals
        await session.approve(approval, by="ann")
        async with session.stream() as stream:
            shown = deltas(await collected(aiter(stream)))
            assert (await stream.result()).output == "hello there"
        assert {delta.step for delta in shown} == {"1.2"}


async def test_a_stream_of_a_session_that_is_driven_elsewhere_shows_its_records(tmp_path: Path) -> None:
    async def later(_: object) -> str:
        await anyio.sleep(0.3)
        return "done"

    async with session_of(Played(later), file(tmp_path)) as one, session_of(Played(), file(tmp_path)) as two:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one.run, "hi")
            await until(lambda: facts_of(one, ModelResponded.__base__ or object))
            async with two.stream("and?", id="m2") as stream:
                news = await collected(aiter(stream))
                assert (await stream.result()).turn == 2
        assert [type(item.event).__name__ for item in news if isinstance(item, Record)][-1] == "TurnEnded"


async def test_two_streams_at_once_both_see_everything_from_where_they_joined() -> None:
    model = Played(speaks, speaks)
    seen: dict[str, str] = {}
    async with session_of(model, MemoryJournal()) as session:

        async def watch(text: str) -> None:
            async with session.stream(text, id=text) as stream:
                shown = deltas(await collected(aiter(stream)))
                seen[text] = "".join(delta.text for delta in shown if delta.kind == "text")
                assert (await stream.result()).output == "hello there"

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch, "a")
            tasks.start_soon(watch, "b")
    assert seen["a"] == seen["b"] == "hello there" * 2
