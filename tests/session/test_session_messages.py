"""A message is taken once: repeated, waiting, in two places at once, after a fault."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit import MemoryJournal, Result
from agentkit.core.messages import text_of
from agentkit.errors import BadRequest, BalanceExhausted, MessageIdReused, NothingToResume
from agentkit.events import InboxRefused, ModelFailed, ModelResponded, TurnEnded, TurnResumed, UserSaid
from agentkit.journal.export import export, import_
from tests.session.desk import Played, Till, asks, facts_of, file, look, refund, session_of, told, until

pytestmark = pytest.mark.anyio


async def test_the_same_message_again_returns_the_recorded_result() -> None:
    model, journal = Played("hello"), MemoryJournal()
    async with session_of(model, journal) as session:
        first = await session.run("hi", id="m1")
        assert await session.run("hi", id="m1") == first
    async with session_of(model, journal) as session:
        assert await session.run("hi", id="m1") == first
    assert len(model.requests) == 1


async def test_the_same_message_after_another_turn_returns_its_own_result() -> None:
    model = Played("one", "two")
    async with session_of(model, MemoryJournal()) as session:
        await session.run("first", id="m1")
        await session.run("second", id="m2")
        assert (await session.run("first", id="m1")).output == "one"
    assert len(model.requests) == 2


async def test_an_id_with_another_text_is_an_error_that_says_so() -> None:
    async with session_of(Played(), MemoryJournal()) as session:
        await session.run("hi", id="m1")
        with pytest.raises(MessageIdReused, match=r"m1.*another text"):
            await session.run("ho", id="m1")
        with pytest.raises(MessageIdReused):
            await session.say("ho", id="m1")


async def test_messages_without_an_id_are_two_messages() -> None:
    model = Played()
    async with session_of(model, MemoryJournal()) as session:
        assert (await session.run("hi")).turn == 1
        assert (await session.run("hi")).turn == 2


async def test_say_leaves_a_message_that_the_next_resume_takes() -> None:
    model = Played("hello")
    async with session_of(model, MemoryJournal()) as session:
        await session.say("hi", id="m1")
        await session.say("hi", id="m1")
        assert not model.requests
        result = await session.resume()
    assert result.output == "hello"
    assert told(model.requests[0], "user") == ["hi"]


async def test_two_waiting_messages_start_a_turn_each_in_order() -> None:
    model = Played("one", "two", "three")
    async with session_of(model, MemoryJournal()) as session:
        for name in ("a", "b", "c"):
            await session.say(f"text {name}", id=name)
        assert (await session.resume()).output == "three"
        assert [(await session.run(f"text {name}", id=name)).output for name in ("a", "b", "c")] == [
            "one",
            "two",
            "three",
        ]
        assert [event.id for event in await facts_of(session, UserSaid)] == ["a", "b", "c"]


async def test_a_message_in_mid_turn_waits_for_its_end() -> None:
    model, till = Played(asks(("look", {"order": "7"})), "one", "two"), Till()
    began, go = anyio.Event(), anyio.Event()

    async def slowly(_: object) -> Any:
        began.set()
        await go.wait()
        return asks(("look", {"order": "7"}))

    model.turns = (slowly, "one", "two")
    results: dict[str, Result[str]] = {}
    async with session_of(model, MemoryJournal(), till, look) as session, anyio.create_task_group() as tasks:

        async def run(text: str) -> None:
            results[text] = await session.run(text, id=text)

        tasks.start_soon(run, "first")
        await began.wait()
        tasks.start_soon(run, "second")
        await anyio.sleep(0.05)
        go.set()
    assert {text: result.output for text, result in results.items()} == {"first": "one", "second": "two"}
    assert [message["role"] for message in model.requests[-1]["messages"]] == [
        *("user", "assistant", "tool", "assistant", "user")
    ]


async def test_a_message_behind_a_waiting_turn_is_kept_and_answered_in_a_turn_of_its_own() -> None:
    model, till = Played(asks(("refund", {"order": "7"})), "one", "two"), Till()
    async with session_of(model, MemoryJournal(), till, refund(needs_approval=True)) as session:
        waiting = await session.run("refund 7", id="m1")
        behind = await session.run("and then?", id="m2")
        assert behind.status == "waiting"
        assert behind.approvals == waiting.approvals
        await session.approve(waiting.approvals[0], by="ann")
        assert (await session.resume()).output == "two"
        assert (await session.run("refund 7", id="m1")).output == "one"
        assert (await session.run("and then?", id="m2")).output == "two"


async def test_resume_at_rest_returns_the_last_result_and_asks_nobody() -> None:
    model = Played("hello")
    async with session_of(model, MemoryJournal()) as session:
        result = await session.run("hi")
        assert await session.resume() == result
    assert len(model.requests) == 1


async def test_resume_without_a_turn_says_so() -> None:
    async with session_of(Played(), MemoryJournal()) as session:
        with pytest.raises(NothingToResume, match="use run"):
            await session.resume()


async def test_a_fault_is_recorded_and_raised_and_the_same_message_again_resumes_the_turn() -> None:
    model = Played([BalanceExhausted("no balance", status=402), "hello"])
    async with session_of(model, MemoryJournal()) as session:
        with pytest.raises(BalanceExhausted):
            await session.run("hi", id="m1")
        assert (await facts_of(session, ModelFailed))[0].status == 402
        assert (await session.run("hi", id="m1")).output == "hello"
        assert len(await facts_of(session, TurnResumed)) == 1
        assert len(await facts_of(session, UserSaid)) == 1


async def test_resume_goes_on_with_a_faulted_turn() -> None:
    model = Played([BalanceExhausted("no balance", status=402), "hello"])
    async with session_of(model, MemoryJournal()) as session:
        with pytest.raises(BalanceExhausted):
            await session.run("hi")
        assert (await session.resume()).output == "hello"


async def test_a_fault_that_stays_is_raised_at_each_resume() -> None:
    model = Played(BalanceExhausted("no balance", status=402))
    async with session_of(model, MemoryJournal()) as session:
        for times in (1, 2, 3):
            with pytest.raises(BalanceExhausted):
                await session.run("hi", id="m1")
            assert len(model.requests) == times


async def test_a_new_message_ends_the_failed_turn_first_and_the_old_one_raises_its_recorded_fault() -> None:
    model = Played([BadRequest("poison", status=400, message_index=0), "hello"])
    async with session_of(model, MemoryJournal()) as session:
        with pytest.raises(BadRequest):
            await session.run("poison", id="m1")
        assert (await session.run("hi", id="m2")).output == "hello"
        assert [event.status for event in await facts_of(session, TurnEnded)] == ["failed", "completed"]
        with pytest.raises(BadRequest, match="poison") as raised:
            await session.run("poison", id="m1")
        assert (raised.value.status, raised.value.message_index) == (400, 0)
        assert len(model.requests) == 2


async def test_a_poisonous_message_is_off_the_wire_afterwards() -> None:
    model = Played([BadRequest("poison", status=400), "hello"], "again")
    async with session_of(model, MemoryJournal()) as session:
        with pytest.raises(BadRequest):
            await session.run("poison")
        await session.run("hi")
        await session.run("ho")
        assert told(model.requests[1], "user") == ["hi"]
        assert told(model.requests[2], "user") == ["hi", "ho"]
        assert [text_of(event.parts) for event in await facts_of(session, UserSaid)] == ["poison", "hi", "ho"]


async def test_a_turn_that_failed_after_an_answer_stays_on_the_wire() -> None:
    model, till = Played(asks(("look", {"order": "7"})), [BadRequest("no", status=400), "fine"]), Till()
    async with session_of(model, MemoryJournal(), till, look) as session:
        with pytest.raises(BadRequest):
            await session.run("look")
        await session.run("hi")
    assert told(model.requests[-1], "user") == ["look", "hi"]
    assert told(model.requests[-1]) == ["order 7 is blue"]


async def test_a_faulted_turn_can_be_cancelled() -> None:
    model = Played([BalanceExhausted("no balance", status=402), "hello"])
    async with session_of(model, MemoryJournal()) as session:
        with pytest.raises(BalanceExhausted):
            await session.run("hi")
        await session.cancel(by="ann")
        result = await session.resume()
        assert (result.status, result.reason) == ("cancelled", "cancelled by ann")


async def test_two_sessions_on_one_file_both_get_the_result_of_the_turn_that_took_the_message(tmp_path: Path) -> None:
    model = Played("hello")
    results = []
    async with session_of(model, file(tmp_path)) as one, session_of(model, file(tmp_path)) as two:

        async def run(session: Any) -> None:
            results.append(await session.run("hi", id="m1"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, one)
            tasks.start_soon(run, two)
    assert results[0] == results[1]
    assert len(model.requests) == 1


async def test_two_sessions_on_one_file_hand_over_different_messages(tmp_path: Path) -> None:
    began = anyio.Event()

    async def slowly(_: object) -> str:
        began.set()
        await anyio.sleep(0.2)
        return "one"

    model = Played(slowly, "two")
    outputs = {}
    async with session_of(model, file(tmp_path)) as one, session_of(model, file(tmp_path)) as two:

        async def run(session: Any, text: str) -> None:
            outputs[text] = (await session.run(text, id=text)).output

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, one, "first")
            await began.wait()
            tasks.start_soon(run, two, "second")
    assert outputs == {"first": "one", "second": "two"}


async def test_two_runs_at_once_on_one_session_are_two_turns() -> None:
    model = Played("one", "two")
    outputs = set()
    async with session_of(model, MemoryJournal()) as session:

        async def run(text: str) -> None:
            outputs.add((await session.run(text)).output)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, "a")
            tasks.start_soon(run, "b")
        assert len(await facts_of(session, ModelResponded)) == 2
    assert outputs == {"one", "two"}


async def test_a_message_id_taken_before_an_export_is_still_taken_after_the_import() -> None:
    model, old, new = Played("hello"), MemoryJournal(), MemoryJournal()
    async with session_of(model, old) as session:
        first = await session.run("hi", id="m1")
    await import_(new, export(old, "s"), uid="another")
    async with session_of(model, new) as session:
        with pytest.raises(MessageIdReused):
            await session.run("something else", id="m1")
        assert (await session.run("hi", id="m1")).output == first.output
        assert not await facts_of(session, InboxRefused)


async def test_a_message_left_while_nobody_drives_does_not_keep_a_follower_spinning() -> None:
    async with session_of(Played(), MemoryJournal()) as session:
        await session.say("hi", id="m1")
        seen = 0

        async def follow() -> None:
            nonlocal seen
            async for _ in session.events(follow=True):
                seen += 1

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await anyio.sleep(0.05)
            await session.resume()
            await until(lambda: seen > 3)
            tasks.cancel_scope.cancel()
