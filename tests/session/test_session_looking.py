"""Looking at a session: status, messages, events; none of it claims or writes anything."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit import MemoryJournal, Record, Session
from agentkit.errors import BalanceExhausted
from agentkit.events import RunStarted, TurnEnded
from agentkit.messages import AssistantMessage, Text, ToolMessage, UserMessage
from tests.session.desk import Played, Till, asks, facts, facts_of, file, look, refund, session_of, until

pytestmark = pytest.mark.anyio


async def test_entering_and_looking_writes_nothing_and_claims_nothing(tmp_path: Path) -> None:
    async with session_of(Played(), file(tmp_path)) as session, file(tmp_path) as journal:
        assert await session.status() is None
        assert await session.messages() == ()
        assert await facts(session) == []
        assert await journal.head("s") is None


async def test_looking_at_an_open_turn_of_another_process_leaves_it_alone(tmp_path: Path) -> None:
    till = Till()
    model = Played(asks(("refund", {"order": "7"})), "done")
    async with session_of(model, file(tmp_path), till, refund(needs_approval=True)) as session:
        await session.run("go")
        before = await facts(session)
    async with session_of(Played(), file(tmp_path), till, look) as other:
        status = await other.status()
        assert status
        assert status.approvals
        assert await facts(other) == before
        assert not await facts_of(other, RunStarted)


async def test_status_is_the_last_result_and_raises_a_faulted_turns_fault() -> None:
    model = Played("one", [BalanceExhausted("no balance", status=402), "two"])
    async with session_of(model, MemoryJournal()) as session:
        assert await session.run("a") == await session.status()
        with pytest.raises(BalanceExhausted):
            await session.run("b")
        with pytest.raises(BalanceExhausted):
            await session.status()
        assert await session.resume() == await session.status()


async def test_status_while_it_runs_says_that_the_turn_is_open() -> None:
    go = anyio.Event()

    async def waits(_: object) -> str:
        await go.wait()
        return "done"

    model = Played(waits)
    async with session_of(model, MemoryJournal()) as session, anyio.create_task_group() as tasks:
        tasks.start_soon(session.run, "a")
        await until(lambda: model.requests)
        status = await session.status()
        assert status
        assert (status.status, status.waiting) == ("waiting", ())
        assert "the turn is open" in status.reason
        go.set()


async def test_messages_are_the_conversation_without_instructions() -> None:
    model = Played(asks(("look", {"order": "7"}), text="Let me look."), "It is blue.")
    async with session_of(model, MemoryJournal(), Till(), look) as session:
        await session.run("which colour?")
        asked, called, found, answered = await session.messages()
    assert asked == UserMessage((Text("which colour?"),))
    assert isinstance(called, AssistantMessage)
    assert (called.text, called.calls[0].name) == ("Let me look.", "look")
    assert found == ToolMessage("c0", "look", (Text("order 7 is blue"),))
    assert isinstance(answered, AssistantMessage)
    assert answered.text == "It is blue."


async def test_events_behind_a_number() -> None:
    async with session_of(Played(), MemoryJournal()) as session:
        await session.run("a")
        whole = [record async for record in session.events()]
        assert [record.seq for record in whole] == list(range(1, len(whole) + 1))
        assert [record async for record in session.events(after=3)] == whole[3:]
        assert {record.turn for record in whole[2:]} == {1}


@pytest.mark.parametrize("kind", ["memory", "file", "another session object"])
async def test_following_shows_each_event_once_as_it_comes(kind: str, tmp_path: Path) -> None:
    journal: Any = MemoryJournal() if kind == "memory" else file(tmp_path)
    seen: list[Record] = []

    async def follow(watched: Session[Any, Any]) -> None:
        async for record in watched.events(follow=True):
            seen.append(record)  # noqa: PERF401 - it never ends

    def ends() -> int:
        return sum(isinstance(record.event, TurnEnded) for record in seen)

    async with session_of(Played(), journal) as session:
        await session.run("a")
        other = session_of(Played(), file(tmp_path)) if kind == "another session object" else session
        async with other, anyio.create_task_group() as tasks:
            tasks.start_soon(follow, other)
            await until(lambda: ends() == 1)
            await session.run("b")
            await until(lambda: ends() == 2)
            tasks.cancel_scope.cancel()
        assert seen == [record async for record in session.events()]


async def test_usage_and_steps_of_a_result_are_those_of_its_turn() -> None:
    model = Played(asks(("look", {"order": "7"})), "one", "two")
    async with session_of(model, MemoryJournal(), Till(), look) as session:
        first = await session.run("a")
        second = await session.run("b")
    assert (first.steps, first.usage.tokens, first.turn) == (2, 30, 1)
    assert (second.steps, second.usage.tokens, second.turn) == (1, 15, 2)
    assert first.session_id == second.session_id == "s"
