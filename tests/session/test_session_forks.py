"""Forks: a session that takes a step anew shares the past, asks before it acts, and leaves its parent as it was."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Journal, MemoryJournal, Outcome, Record, Session, replay, tool
from agentkit.errors import ConfigurationError, JournalError, NoSuchSession
from agentkit.events import AgentBound, CallHeld, Forked, ModelResponded, ToolStarted, UserSaid
from agentkit.journal.export import export, import_
from agentkit.testing import Died, Fault, FaultyJournal
from tests.session.desk import Played, Till, asks, collected, file, look, lose_the_line, refund, told

pytestmark = pytest.mark.anyio

REFUND = refund()
TURNS = (
    asks(("look", {"order": "1"}), ("refund", {"order": "1"}), text="I look"),  # 1.1
    asks(("refund", {"order": "2"})),  # 1.2: its line breaks, and nobody knows what came of it
    asks(("refund", {"order": "2"}), ("look", {"order": "2"})),  # 1.3: a twin
    "one is done",  # 1.4
    asks(("look", {"order": "3"})),  # 2.1
    asks(("refund", {"order": "3"})),  # 2.2
    "two is done",  # 2.3
)
STEPS = ("1.1", "1.2", "1.3", "1.4", "2.1", "2.2", "2.3")
# How many `once` calls the model asks for from that step to the turn's end.
ACTS = {"1.1": 3, "1.2": 2, "1.3": 1, "1.4": 0, "2.1": 1, "2.2": 1, "2.3": 0}


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    makes: dict[str, Callable[[], Journal]] = {"memory": MemoryJournal, "sqlite": lambda: file(tmp_path)}
    return makes[request.param]()


def agent_of(model: Played, **told_: Any) -> Agent[Till, str]:
    return Agent(model, tools=[look, REFUND], deps_type=Till, **told_)


def session_of(model: Played, journal: Journal, till: Till, name: str = "s", **told_: Any) -> Session[Till, str]:
    return Session(agent_of(model, **told_), name, journal=journal, deps=till)


async def break_at_2(till: Till, what: str) -> None:
    if what == "2" and till.done.count("2") == 1:
        await lose_the_line(till, what)


async def settled(session: Session[Till, str], result: Any) -> Any:
    """Let people decide until the turn is over: yes to all that is asked, and nobody knows what is unknown."""
    while result.status == "waiting":
        for approval in result.approvals:
            await session.approve(approval, by="ann")
        for unknown in result.unknowns:
            await session.resolve(unknown, Outcome.unknown(), by="bob")
        result = await session.resume()
    return result


async def recorded(journal: Journal, till: Till) -> tuple[list[Record], Played]:
    model = Played(*TURNS)
    till.trouble = break_at_2
    async with session_of(model, journal, till) as session:
        for text in ("one", "two"):
            assert (await settled(session, await session.run(text, id=text))).status == "completed"
        assert [held.kind for held in await kinds(session, CallHeld)] == ["twin"]
        return await collected(session.events()), model


async def kinds(session: Session[Till, str], kind: Any) -> list[Any]:
    return [record.event async for record in session.events() if isinstance(record.event, kind)]


def begins(records: list[Record], step: str) -> int:
    """Return how many events come before a step's model call."""
    asked = ((r.seq, f"{r.turn}.{r.step}") for r in records if type(r.event).__name__ == "ModelStarted")
    return next(seq for seq, where in asked if where == step) - 1


@pytest.mark.parametrize("step", STEPS)
async def test_a_fork_before_any_step_takes_it_anew(journal: Journal, step: str) -> None:
    till = Till()
    async with journal:
        parent, old = await recorded(journal, till)
        before, model = begins(parent, step), Played(*TURNS)
        paid = dict(till.paid)
        till.trouble = None
        async with await session_of(model, journal, till).fork("t", before=step) as fork:
            assert [r async for r in fork.events()][:before] == parent[:before]
            result = await fork.resume()
            assert model.requests[0] == old.requests[STEPS.index(step)]
            assert till.paid == paid  # nothing acts before a person was asked
            assert (await settled(fork, result)).status == "completed"
            mark, *rest = (await collected(fork.events()))[before:]
        assert isinstance(mark.event, Forked)
        assert (mark.seq, mark.event.seq, mark.event.before) == (before + 1, before, step)
        new = {key: count for key, count in till.paid.items() if key not in paid}
        assert all(key.startswith(f"{mark.event.uid}/") and count == 1 for key, count in new.items())
        started = [r.event for r in rest if isinstance(r.event, ToolStarted) and r.event.effect == "once"]
        held = {r.event.call for r in rest if isinstance(r.event, CallHeld)}
        assert len(new) == len(started) == ACTS[step]
        assert {event.call for event in started} <= held
        assert all(till.paid[key] == count for key, count in paid.items())
        assert [record async for record in journal.read("s")] == parent
        for name in ("s", "t"):
            found = await replay(journal, name, agent_of(Played()))
            assert (found.same, found.difference) == (True, None)


async def test_a_fork_of_a_fork_and_its_export_go_on(journal: Journal) -> None:
    till = Till()
    async with journal:
        parent, _ = await recorded(journal, till)
        till.trouble = None
        async with await session_of(Played(*TURNS), journal, till).fork("t", before="1.3") as fork:
            await settled(fork, await fork.resume())
            first = await collected(fork.events())
            async with await fork.fork("u", before="1.4") as second:
                assert (await settled(second, await second.resume())).text == "one is done"
                marks = await kinds(second, Forked)
                assert [mark.before for mark in marks] == ["1.3", "1.4"]
                assert marks[1].parent == marks[0].uid != marks[1].uid
                assert (await second.status()) is not None
            async with await fork.fork("v", before="1.2") as third:
                assert [mark.before for mark in await kinds(third, Forked)] == ["1.2"]
            assert await collected(fork.events()) == first
        assert [record async for record in journal.read("s")] == parent
        elsewhere = MemoryJournal()
        await import_(elsewhere, export(journal, "u"), uid="another")
        there = [record.event async for record in elsewhere.read("u")]
        assert there == [record.event async for record in journal.read("u")]
        assert (await replay(elsewhere, "u", agent_of(Played()))).same


async def test_a_fork_is_bound_to_today_s_agent_and_its_past_is_its_parent_s_to_prove(journal: Journal) -> None:
    till, model = Till(), Played(*TURNS)
    async with journal:
        await recorded(journal, till)
        async with await session_of(model, journal, till, instructions="Be kind.").fork("t", before="2.3") as fork:
            assert (await fork.resume()).text == "two is done"
            assert [len(await kinds(fork, kind)) for kind in (AgentBound, ModelResponded)] == [2, 7]
        assert told(model.requests[0], "system") == ["Be kind."]
        found = await replay(journal, "t", agent_of(Played(), instructions="Be kind."))
        assert (found.same, found.requests) == (True, 1)
        found = await replay(journal, "t", agent_of(Played(), instructions="Be rude."))
        assert not found.same
        assert str(found.difference).startswith("request 2.3, ")


async def test_a_fork_can_be_told_something_first(journal: Journal) -> None:
    till, model = Till(), Played(*TURNS)
    async with journal:
        await recorded(journal, till)
        async with await session_of(model, journal, till).fork("t", before="2.2", say="rather not") as fork:
            await settled(fork, await fork.resume())
        assert told(model.requests[0], "user") == ["one", "two", "rather not"]
        assert (await replay(journal, "t", agent_of(Played()))).same


async def test_told_not_to_ask_a_fork_acts_as_its_tools_declare(journal: Journal) -> None:
    till = Till()
    async with journal:
        await recorded(journal, till)
        till.trouble = None
        async with await session_of(Played(*TURNS), journal, till).fork("t", before="2.2", asks=False) as fork:
            assert (await fork.resume()).status == "completed"
        assert (till.done.count("3"), len(till.paid)) == (2, 5)


async def test_what_waited_is_dropped_and_its_id_is_free(journal: Journal) -> None:
    till, model = Till(), Played(asks(("say_more", {})), "first")
    async with journal:
        talk = Session(Agent(model, tools=[], deps_type=Till), "s", journal=journal, deps=till)

        @tool(effect="read")
        async def say_more() -> str:
            """Let somebody say something in mid-turn."""
            await talk.say("later", id="later")
            return "said"

        talk = Session(Agent(model, tools=[say_more], deps_type=Till), "s", journal=journal, deps=till)
        async with talk:
            await talk.run("now", id="now")
            await talk.resume()
            assert [message.parts for message in await kinds(talk, UserSaid)][1:]
            async with await talk.fork("t", before="1.2") as fork:
                result = await fork.resume()
                assert (result.status, result.turn) == ("completed", 1)
                assert (await fork.run("another text", id="later")).turn == 2
                assert (await fork.run("now", id="now")).turn == 1


async def test_a_wrong_point_is_told(journal: Journal) -> None:
    till = Till()
    async with session_of(Played(*TURNS), journal, till) as session:
        with pytest.raises(NoSuchSession, match="'s'"):
            await session.fork("t", before="1.1")
        till.trouble = lose_the_line
        assert (await session.run("one")).status == "waiting"
        for wrong in ("", "2", "1.0", "0.1", "1.1.0", "a.b", "\u0661.\u0661", "1.1 "):
            with pytest.raises(ConfigurationError, match=r"TURN\.STEP"):
                await session.fork("t", before=wrong)
        with pytest.raises(ConfigurationError, match=r"calls of step 1\.1 .* not settled"):
            await session.fork("t", before="1.2")
        with pytest.raises(ConfigurationError, match=r"in step 2\.1; it stands at step 1\.1"):
            await session.fork("t", before="2.1")
        with pytest.raises(JournalError, match="already"):
            await session.fork("s", before="1.1")
        with pytest.raises(ConfigurationError, match="needs an id"):
            await session.fork("", before="1.1")
        assert [name async for name in journal.sessions()] == ["s"]
        async with await session.fork("t", before="1.1") as fork:  # where the parent waits, its open step can be left
            assert (await fork.resume()).approvals


@pytest.mark.parametrize("fault", ["die before", "die after", "full", "uncertain before", "uncertain after"])
async def test_a_fork_made_in_trouble_is_whole_or_not_there(journal: Journal, fault: Fault) -> None:
    till = Till()
    async with journal:
        parent, _ = await recorded(journal, till)
        till.trouble = None
        for at in range(1, 20):
            name, faulty = f"t{at}", FaultyJournal(journal, at=at, fault=fault)
            with suppress(Died, BaseExceptionGroup, JournalError):
                async with await session_of(Played(*TURNS), faulty, till).fork(name, before="1.2", say="hm") as fork:
                    await settled(fork, await fork.resume())
            await faulty.bury()
            made = await journal.head(name) is not None
            assert made == (at > 1 or fault in {"die after", "uncertain after"})
            if made:
                async with session_of(Played(*TURNS), journal, till, name) as again:
                    assert (await settled(again, await again.resume())).status == "completed"
                    assert [type(e) for e in await kinds(again, Forked | UserSaid)] == [UserSaid, Forked, UserSaid]
                assert (await replay(journal, name, agent_of(Played()))).same
            assert [record async for record in journal.read("s")] == parent
            if faulty.appends < at:
                break
        else:
            raise AssertionError("the run never came to its end")
    assert all(count == 1 for count in till.paid.values())
