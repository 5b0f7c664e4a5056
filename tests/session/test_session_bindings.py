"""What the model is told is recorded: an old session keeps it, a change is a new binding, and all of it replays."""

import logging
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, MemoryJournal, ModelSettings, Outcome, Session, ToolContext, replay, tool
from agentkit.core.events import Compacted, ModelStarted
from agentkit.events import AgentBound, CallClosed, SessionStarted
from agentkit.journal.base import Batch, Placed
from agentkit.testing import Died, Fault, FaultyJournal
from tests.journal.personal import found
from tests.session.desk import Played, Till, asks, facts_of, file, look, lose_the_line, refund, session_of, told

pytestmark = pytest.mark.anyio

PAY = asks(("refund", {"order": "7"}))


@tool(effect="read")
async def weigh(ctx: ToolContext[Till], order: str) -> str:
    """Weigh an order."""
    ctx.deps.done.append(f"weigh {order}")
    return f"{order} kg"


def agent_of(model: Played, *tools: Any, **more: Any) -> Agent[Till, str]:
    return Agent(model, tools=tools, deps_type=Till, **more)


async def test_a_once_tool_that_vanished_while_unknown_stays_unknown_and_can_be_resolved() -> None:
    journal, till, model = MemoryJournal(), Till(trouble=lose_the_line), Played(PAY, "done")
    async with session_of(model, journal, till, refund()) as session:
        (unknown,) = (await session.run("go")).unknowns
    async with session_of(model, journal, till, look) as session:
        assert [each.id for each in (await session.resume()).unknowns] == [unknown.id]
        await session.resolve(unknown, Outcome.happened("paid 7"), by="ann")
        assert (await session.resume()).output == "done"
    assert till.done == ["7"]
    assert told(model.requests[-1]) == ["paid 7"]


async def test_a_once_tool_that_vanished_while_unknown_and_did_not_happen_is_closed() -> None:
    journal, till, model = MemoryJournal(), Till(trouble=lose_the_line), Played(PAY, "done")
    async with session_of(model, journal, till, refund()) as session:
        (unknown,) = (await session.run("go")).unknowns
    async with session_of(model, journal, till, look) as session:
        await session.resolve(unknown, Outcome.not_happened(), by="ann")
        assert (await session.resume()).output == "done"
        assert [event.why for event in await facts_of(session, CallClosed)] == ["gone"]
    assert told(model.requests[-1]) == ["Not run: the tool 'refund' is no longer available."]


async def test_a_once_tool_that_vanished_with_its_reconcile_waits_for_a_person_and_is_asked_when_it_is_back() -> None:
    journal, till, model = MemoryJournal(), Till(trouble=lose_the_line), Played(PAY, "done")
    till.found = Outcome.unknown()
    async with session_of(model, journal, till, refund(reconciles=True)) as session:
        assert (await session.run("go")).unknowns
    async with session_of(model, journal, till, look) as session:
        assert (await session.resume()).unknowns
    till.found = None
    async with session_of(model, journal, till, refund(reconciles=True)) as session:
        assert (await session.resume()).output == "done"
    assert till.done == ["7"]


async def test_tools_that_change_between_turns_are_a_new_binding_and_the_session_replays(tmp_path: Path) -> None:
    till, model = Till(), Played(asks(("look", {"order": "1"})), "one", asks(("weigh", {"order": "2"})), "two", "three")
    async with Session(agent_of(model, look), "s", journal=file(tmp_path), deps=till) as session:
        await session.run("first")
    now = agent_of(model, look, weigh)
    async with Session(now, "s", journal=file(tmp_path), deps=till) as session:
        await session.run("second")
        bound = await facts_of(session, AgentBound)
        assert [[each.name for each in event.tools] for event in bound] == [["look"], ["look", "weigh"]]
    assert "weigh" in str(model.requests[2]["tools"])
    replayed = await replay(file(tmp_path), "s", now)
    assert not replayed.same, "the first turn was sent with one tool"
    assert replayed.difference
    assert replayed.difference.startswith("request 1.1, the settings and tools: byte ")


async def test_the_digest_chain_goes_on_across_a_new_binding_and_back() -> None:
    journal, till, model = MemoryJournal(), Till(), Played("one", "two", "three")
    old, new = agent_of(model, look), agent_of(model, look, settings=ModelSettings(temperature=0.5))
    for agent, text in ((old, "a"), (new, "b"), (old, "c")):
        async with Session(agent, "s", journal=journal, deps=till) as session:
            await session.run(text)
    assert len([0 async for record in journal.read("s") if isinstance(record.event, AgentBound)]) == 3
    replayed = await replay(journal, "s", old)
    assert replayed.difference
    assert replayed.difference.startswith("request 2.1, the settings and tools: byte ")
    assert "temperature" in replayed.difference


async def test_the_same_agent_again_is_no_new_binding() -> None:
    journal, model = MemoryJournal(), Played()
    for text in ("a", "b"):
        async with session_of(model, journal, Till(), look) as session:
            await session.run(text)
            assert len(await facts_of(session, AgentBound)) == 1
    replayed = await replay(journal, "s", agent_of(model, look))
    assert (replayed.same, replayed.difference) == (True, None)


@pytest.mark.parametrize(("fault", "kept"), [("die before", []), ("die after", ["SessionStarted", "AgentBound"])])
async def test_a_session_begins_in_one_batch_with_who_answers(fault: Fault, kept: list[str]) -> None:
    inner, model = MemoryJournal(), Played("one")
    dying = FaultyJournal(inner, at=1, fault=fault)
    async with session_of(model, dying, Till(), look) as session:
        with pytest.raises((Died, BaseExceptionGroup)):
            await session.run("a", id="m1")
    await dying.bury()
    assert [type(record.event).__name__ async for record in inner.read("s")] == kept
    async with session_of(model, inner, Till(), look) as session:
        assert (await session.run("a", id="m1")).output == "one"
        assert len(await facts_of(session, AgentBound)) == len(await facts_of(session, SessionStarted)) == 1


async def test_a_session_that_was_begun_and_not_bound_is_bound_when_it_goes_on() -> None:
    journal = MemoryJournal()
    lease = await journal.claim("s", uid="uid-1", agent="agent", owner="who was killed")
    await journal.append(lease, 0, Batch([Placed(SessionStarted("uid-1", "agent"), 0, None)]))
    await journal.release(lease)
    async with session_of(Played("one"), journal, Till(), look) as session:
        assert (await session.run("a")).output == "one"
        assert len(await facts_of(session, AgentBound)) == 1


async def test_a_session_with_a_compaction_goes_on_and_replays() -> None:
    journal, model, till = MemoryJournal(), Played("one", "two", "three"), Till()
    agent = agent_of(model, look)
    async with Session(agent, "s", journal=journal, deps=till) as session:
        await session.run("first")
        await session.run("second")
        recorder = session._recorder  # noqa: SLF001 - nobody compacts yet; the fact is what this test is about
        recorder.lease = await journal.claim("s", uid="", agent="agent", owner="test")
        before = len(recorder.state.transcript)
        await recorder.record(ModelStarted(1, purpose="compaction"), then=False)
        await recorder.record(Compacted(before - 1, "They said hello twice."), then=False)
        await journal.release(recorder.lease)
        model.turns = ("two", "after the summary")
        assert (await session.run("third")).output == "after the summary"
        assert told(model.requests[-1], "user") == ["They said hello twice.", "third"]
        state = recorder.state
    async with Session(agent, "s", journal=journal, deps=till) as session:
        model.turns = ("two", "three", "and again")
        assert (await session.run("fourth")).output == "and again"
        assert await session.messages() == tuple(entry.message for entry in session._recorder.state.transcript)  # noqa: SLF001
        assert state.uid == session._recorder.state.uid  # noqa: SLF001
    replayed = await replay(journal, "s", agent)
    assert (replayed.same, replayed.difference) == (True, None)


async def test_instructions_as_a_function_are_evaluated_once_per_session() -> None:
    asked: list[Till] = []

    def instructions(till: Till) -> str:
        asked.append(till)
        return f"You are number {len(asked)}."

    journal, model, till = MemoryJournal(), Played(), Till()
    agent = agent_of(model, instructions=instructions)
    for text in ("a", "b"):
        async with Session(agent, "s", journal=journal, deps=till) as session:
            await session.run(text)
            await session.run(text + "!")
    assert asked == [till]
    assert {told(request, "system")[0] for request in model.requests} == {"You are number 1."}
    async with Session(agent, "other", journal=journal, deps=till) as session:
        await session.run("a")
    assert told(model.requests[-1], "system") == ["You are number 2."]
    assert (await replay(journal, "s", agent)).same


async def test_an_old_session_keeps_what_it_recorded_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    journal, model = MemoryJournal(), Played()
    async with Session(agent_of(model, instructions="Be kind."), "s", journal=journal, deps=Till()) as session:
        await session.run("a")
    changed = agent_of(model, instructions="Be rude.")
    with caplog.at_level(logging.WARNING, "agentkit"):
        async with Session(changed, "s", journal=journal, deps=Till()) as session:
            await session.run("b")
            first, second = await facts_of(session, AgentBound)
            assert second.instructions == first.instructions, "the session keeps its own"
            assert await journal.blob("s", second.declared or "") == b"Be rude."
            await session.run("c")
            assert len(await facts_of(session, AgentBound)) == 2, "it is said once"
    assert told(model.requests[-1], "system") == ["Be kind."]
    assert "keeps the instructions it recorded" in caplog.text
    replayed = await replay(journal, "s", changed)
    assert replayed.difference
    assert replayed.difference.startswith("request 1.1, message 0: byte ")
    assert "Be kind" in replayed.difference
    assert "Be rude" in replayed.difference


async def test_a_tool_that_became_stricter_while_it_ran_is_not_started_again() -> None:
    journal, till, model = MemoryJournal(), Till(), Played(PAY, "done")

    async def die(_: Till, __: str) -> None:
        raise Died

    till.trouble = die
    with pytest.raises((Died, BaseExceptionGroup)):
        async with session_of(model, journal, till, refund(effect="idempotent")) as session:
            await session.run("go", id="m1")
    till.trouble = None
    async with session_of(model, journal, till, refund(effect="once")) as session:
        assert (await session.run("go", id="m1")).unknowns
    assert till.done == ["7"]


async def test_instructions_told_to_one_session_stay_its_own_when_the_agent_tells_all_the_same(tmp_path: Path) -> None:
    model = Played("hello", "again")
    async with Session(
        agent_of(model, instructions=lambda _: "Zoe Müller is ill."), "s", journal=file(tmp_path), deps=Till()
    ) as session:
        await session.run("hi")
    changed = agent_of(model, weigh, instructions="Be brief.")
    async with Session(changed, "s", journal=file(tmp_path), deps=Till()) as session:
        await session.run("and now")
        assert len(await facts_of(session, AgentBound)) == 2
    async with file(tmp_path) as journal:
        await journal.erase("s")
    assert found(tmp_path, words=("ller is ill",)) == []
