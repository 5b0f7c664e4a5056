"""An agent of several models: a declared fault of one is the next one's turn, and the journal tells it."""

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit import (
    Agent,
    Journal,
    Limits,
    MemoryJournal,
    Model,
    Outcome,
    ScriptedModel,
    Session,
    UnknownOutcome,
    Usage,
    replay,
)
from agentkit import errors as wrong
from agentkit.cli.story import told as story_of
from agentkit.core.contract import Contract
from agentkit.core.events import Prices
from agentkit.core.loop import fold
from agentkit.emulator import Call, Emulator, Fault, Reply
from agentkit.errors import ConfigurationError, JournalError, ModelError
from agentkit.events import AgentBound, ModelFailed, ModelResponded, ModelStarted, TurnEnded, TurnResumed
from agentkit.messages import AssistantMessage
from agentkit.models.base import Broken, Unusable
from agentkit.testing import Died, FaultyJournal
from tests.session.desk import Played, Till, asks, facts, facts_of, file, look, refund, told, until

pytestmark = pytest.mark.anyio

LOOK = asks(("look", {"order": "7"}))
BUSY = {"Retry-After": "0"}
DECLARED = [
    wrong.Unreachable("a is down"),
    wrong.RateLimited("a is down", status=429),
    wrong.Overloaded("a is down", status=503),
    wrong.AuthenticationFailed("a is down", status=401),
    wrong.BalanceExhausted("a is down", status=402),
    wrong.ContextTooLong("a is down", status=400),
]
OURS = [
    wrong.BadRequest("mend this", status=400),
    wrong.ContractViolation("mend this", status=400),
    wrong.ContentFiltered("mend this", status=400),
    wrong.ModelError("mend this"),
]


class Named(Played):
    """A played model with a name of its own, as services have them."""

    def __init__(self, name: str, *turns: Any, usage: Usage | None = None) -> None:
        super().__init__(*turns, usage=usage)
        self.name = name


class Changed(Named):
    """One whose contract row is another one today."""

    def resolve(self) -> Contract:
        return super().resolve().model_copy(update={"system_role": "developer"})


def session(
    models: Sequence[Model | str], journal: Journal, till: Till | None = None, **how: Any
) -> Session[Till, str]:
    agent = Agent(models, tools=[look, refund()], deps_type=Till, **how)
    return Session(agent, "s", journal=journal, deps=till or Till())


def kinds(events: Sequence[Any]) -> list[str]:
    return [type(event).__name__ for event in events]


@pytest.mark.parametrize("fault", DECLARED, ids=lambda fault: fault.kind)
async def test_a_declared_fault_is_the_next_models_turn_and_the_journal_tells_it(fault: ModelError) -> None:
    journal, a, b = MemoryJournal(), Named("a", LOOK, fault), Named("b")
    async with session([a, b], journal) as one:
        result = await one.run("go")
        assert (result.output, result.model) == ("answer 1", "b")
        assert (await one.status()) == result
        events: list[Any] = list(await facts(one))
        records = [record async for record in one.events()]
    at = kinds(events).index("ModelFailed")
    assert kinds(events[at : at + 4]) == ["ModelFailed", "AgentBound", "TurnResumed", "ModelStarted"]
    assert len({record.at for record in records[at : at + 4]}) == 1  # one batch
    failed, bound, _, started = events[at : at + 4]
    assert (failed.kind, failed.text, bound.model, started.attempt) == (fault.kind, "a is down", "b", 2)
    assert [len(a.requests), len(b.requests)] == [2, 1]
    assert told(b.requests[0]) == ["order 7 is blue"]
    for length in range(1, len(events) + 1):
        fold(events[:length])
    story = story_of(records)
    assert story.bound is not None
    assert (story.bound.model, [turn.status for turn in story.turns]) == ("b", ["completed"])
    agent = Agent([a, b], tools=[look, refund()], deps_type=Till)
    found = await replay(journal, "s", agent)
    assert (found.same, found.difference, found.requests) == (True, None, 3)


@pytest.mark.parametrize("fault", OURS, ids=lambda fault: fault.kind)
async def test_what_is_ours_or_the_users_to_mend_is_raised(fault: ModelError) -> None:
    a, b = Named("a", fault), Named("b")
    async with session([a, b], MemoryJournal()) as one:
        with pytest.raises(type(fault), match=r"^mend this$"):
            await one.run("go")
        assert [bound.model for bound in await facts_of(one, AgentBound)] == ["a"]
    assert b.requests == []


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (Unusable("empty", "it was empty", AssistantMessage(), "stop", Usage(10, 0, 5)), "rejected"),
        (Unusable("malformed", "it was odd", AssistantMessage(), "", None), "malformed"),
        (Broken("the line broke", "x", "y"), "interrupted"),
    ],
)
async def test_answers_of_no_use_are_the_next_models_turn_when_all_are_spent(bad: Any, kind: str) -> None:
    a, b = Named("a", [bad]), Named("b")
    async with session([a, b], MemoryJournal()) as one:
        assert (await one.run("go")).output == "answer 0"
        assert [failed.kind for failed in await facts_of(one, ModelFailed)] == [kind]
        assert [started.attempt for started in await facts_of(one, ModelStarted)] == [1, 2, 3, 4]
    assert [len(a.requests), len(b.requests)] == [3, 1]


async def test_the_last_ones_fault_is_raised_names_all_and_a_resume_begins_with_the_first() -> None:
    a = Named("a", [wrong.Overloaded("a is down"), "a is back"])
    b, c = Named("b", wrong.RateLimited("b is down")), Named("c", wrong.BalanceExhausted("c is empty.", status=402))
    async with session([a, b, c], MemoryJournal()) as one:
        with pytest.raises(wrong.BalanceExhausted) as caught:
            await one.run("go", id="m")
        place = "at 127.0.0.1"
        assert str(caught.value) == f"c is empty. Tried before it in this turn: a {place}, b {place}."
        assert caught.value.status == 402
        with pytest.raises(wrong.BalanceExhausted):
            await one.status()
        result = await one.resume()
        assert (result.output, result.model) == ("a is back", "a")
        assert [bound.model for bound in await facts_of(one, AgentBound)] == ["a", "b", "c", "a"]
    assert [len(model.requests) for model in (a, b, c)] == [2, 1, 1]


async def test_a_turn_that_failed_on_all_is_over_when_the_next_message_comes_and_that_begins_with_the_first() -> None:
    a, b = Named("a", [wrong.Overloaded("a is down"), "hello"]), Named("b", wrong.BalanceExhausted("b is empty"))
    async with session([a, b], MemoryJournal()) as one:
        with pytest.raises(wrong.BalanceExhausted):
            await one.run("go")
        assert (await one.run("again")).model == "a"
        assert [ended.status for ended in await facts_of(one, TurnEnded)] == ["failed", "completed"]


async def test_the_next_turn_begins_with_the_first_also_in_the_same_run() -> None:
    journal, till = MemoryJournal(), Till()
    a, b = Named("a", wrong.Overloaded("a is down")), Named("b")
    one = session([a, b], journal, till)

    async def say(_: Any) -> str:
        await one.say("second", id="m2")
        return "first answer"

    b.turns = (say,)
    async with one:
        await one.run("first", id="m1")
        assert (await one.run("second", id="m2")).model == "a"
        assert (await one.run("third")).model == "a"
        events = await facts(one)
        answered = [event for event in events if isinstance(event, AgentBound | ModelResponded | TurnEnded)]
        assert kinds(answered)[:5] == ["AgentBound", "AgentBound", "ModelResponded", "TurnEnded", "AgentBound"]
        assert [each.model for each in answered if isinstance(each, AgentBound)] == ["a", "b", "a"]
        for length in range(1, len(events) + 1):
            fold(events[:length])
    assert [len(a.requests), len(b.requests)] == [3, 1]
    found = await replay(journal, "s", Agent([a, b], tools=[look, refund()], deps_type=Till))
    assert (found.same, found.difference, found.requests) == (True, None, 4)


async def test_a_replay_compares_each_binding_with_the_model_it_is_of() -> None:
    journal, a, b = MemoryJournal(), Named("a", wrong.Overloaded("a is down")), Named("b")
    how: dict[str, Any] = {"tools": [look, refund()], "deps_type": Till, "instructions": "Be kind."}
    async with session([a, b], journal, instructions="Be kind.") as one:
        await one.run("go")
    assert (await replay(journal, "s", Agent([Named("a"), Named("b")], **how))).same
    assert (await replay(journal, "s", Agent([Named("b"), Named("a")], **how))).same  # who is first is no byte of it
    found = await replay(journal, "s", Agent([a, Changed("b")], **how))
    assert found.difference is not None
    assert "message 0" in found.difference
    assert "developer" in found.difference
    assert found.requests == 2


async def test_a_turn_that_is_being_cancelled_does_not_go_on_with_the_next() -> None:
    a, b = Named("a"), Named("b")
    one = session([a, b], MemoryJournal())

    async def fails_while_it_is_cancelled(_: Any) -> Any:
        with anyio.CancelScope(shield=True):
            await one.cancel(by="ann")
            await until(lambda: one._recorder.state.ending)  # noqa: SLF001 - the moment that is meant
            raise wrong.Overloaded("a is down")

    a.turns = (fails_while_it_is_cancelled,)
    async with one:
        assert (await one.run("go")).status == "cancelled"
        assert [type(event) for event in await facts(one) if isinstance(event, ModelFailed | TurnResumed)] == [
            ModelFailed
        ]
    assert b.requests == []


async def test_two_models_that_look_alike_are_told_apart_while_the_process_lives() -> None:
    first, second = ScriptedModel(wrong.RateLimited("busy"), "first"), ScriptedModel("second")
    agent = Agent([first, second])
    async with Session(agent, "s", journal=MemoryJournal()) as one:
        assert (await one.run("go")).output == "second"
        assert (await one.run("on")).output == "first"


# --- what an agent of several models needs ---------------------------------------------------------------------------


def test_no_model_and_an_unknown_one_are_refused_when_the_agent_is_made() -> None:
    with pytest.raises(ConfigurationError, match="at least one model"):
        Agent([])
    with pytest.raises(ConfigurationError, match="unknown model 'no-such'"):
        Agent([ScriptedModel(), "no-such"])


class Priced(Named):
    def prices(self) -> Prices:
        return Prices(Decimal(1), Decimal(1), "test")


async def test_a_limit_on_cost_needs_a_price_of_each() -> None:
    limits = Limits(cost=Decimal(1))
    async with session([Priced("a"), Named("b"), Named("c")], MemoryJournal(), limits=limits) as one:
        with pytest.raises(ConfigurationError, match="no price is known for 'b', 'c'"):
            await one.run("go")
    async with session([Priced("a"), Priced("b")], MemoryJournal(), limits=limits) as one:
        assert (await one.run("go")).status == "completed"


async def test_a_missing_key_of_the_next_one_is_told_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    a = Named("a", wrong.Overloaded("a is down"))
    async with session([a, "deepseek-flash"], MemoryJournal()) as one:
        with pytest.raises(ConfigurationError, match=r"DEEPSEEK_API_KEY.*Tried before it in this turn: a at"):
            await one.run("go")


# --- crashes ---------------------------------------------------------------------------------------------------------


def truth(till: Till, unknown: UnknownOutcome) -> Outcome[str]:
    return Outcome.happened("paid 7") if till.paid[unknown.idempotency_key] else Outcome.not_happened()


def crashing(till: Till) -> tuple[list[Named], Any]:
    """Return models of which the first is down behind its first answer, as a new process would make them."""
    pay = asks(("refund", {"order": "7"}))
    models = [Named("a", LOOK, wrong.Overloaded("a is down")), Named("b", "", pay, "all done")]
    return models, lambda journal: session(models, journal, till)


async def appends(path: Path) -> int:
    journal = FaultyJournal(file(path))
    _, make = crashing(Till())
    async with make(journal) as one:
        assert (await one.run("go", id="m")).output == "all done"
    return journal.appends


async def die(journal: Journal, till: Till, at: int, fault: Any) -> None:
    dying = FaultyJournal(journal, at=at, fault=fault)
    _, make = crashing(till)
    async with journal:
        with pytest.raises((Died, BaseExceptionGroup)):
            async with make(dying) as one:
                await one.run("go", id="m")
        await dying.bury()


@pytest.mark.parametrize("fault", ["die before", "die after"])
async def test_a_crash_at_each_append_and_a_new_process_that_goes_on(fault: Any, tmp_path: Path) -> None:
    count = await appends(tmp_path)
    assert count >= 8
    for at in range(1, count + 1):
        folder = tmp_path / f"{fault}{at}"
        folder.mkdir()
        till = Till()
        await die(file(folder), till, at, fault)
        (a, b), make = crashing(till)
        async with make(file(folder)) as one:
            before = [bound.model for bound in await facts_of(one, AgentBound)]
            result = await one.run("go", id="m")
            for unknown in result.unknowns:
                await one.resolve(unknown, truth(till, unknown), by="ann")
                result = await one.resume()
            events = await facts(one)
            assert (result.output, result.model) == ("all done", "b")
        if before[-1:] == ["b"]:  # it was the second's turn, so it still is
            assert a.requests == []
        assert list(till.paid.values()) == [1]
        assert kinds(events).count("ModelFailed") == kinds(events).count("TurnResumed") == 1
        assert b.requests or at == count
        for length in range(1, len(events) + 1):
            fold(events[:length])


@pytest.mark.parametrize("fault", ["full", "uncertain before", "uncertain after"])
async def test_a_journal_in_trouble_at_each_append_and_the_same_program_again(fault: Any) -> None:
    for at in range(1, 12):
        till, journal = Till(), FaultyJournal(MemoryJournal(), at=at, fault=fault)
        _, make = crashing(till)
        async with make(journal) as one:
            for _ in range(4):
                with suppress(JournalError, ModelError):
                    for unknown in (await one.run("go", id="m")).unknowns:
                        await one.resolve(unknown, truth(till, unknown), by="ann")
            result = await one.run("go", id="m")
            assert (result.output, result.model) == ("all done", "b")
            events = await facts(one)
        assert list(till.paid.values()) == [1]
        assert fold(events) == one._recorder.state  # noqa: SLF001 - the state in memory is what this is about


# --- over the wire ---------------------------------------------------------------------------------------------------


def down(fault: Fault | None) -> Any:
    """A script: thinks and looks, and is down from then on."""
    first = Reply("I look.", "A thinks.", (Call("look", {"order": "7"}),))
    return {"*": [first, fault or Reply("never asked")]}


def back(request: dict[str, Any]) -> Reply:
    return Reply(f"Done after {len(request['messages'])} messages.", "B thinks.")


@pytest.mark.parametrize("row", ["deepseek-v3.2", "generic"])
@pytest.mark.parametrize("status", [503, 429, 401, 402])
async def test_the_second_service_gets_the_firsts_reasoning_as_its_own_row_says(status: int, row: str) -> None:
    journal = MemoryJournal()
    script = down(Fault(status, headers=BUSY))
    async with Emulator(script, contract="deepseek-v4") as one, Emulator(back, contract=row) as two:
        a = Model("deepseek-flash", base_url=one.base_url, contract="deepseek-v4")
        b = Model("other", base_url=two.base_url, contract=row)
        async with session([a, b], journal) as desk:
            result = await desk.run("Where is it?")
            assert (result.output, result.model) == ("Done after 3 messages.", "other")
            failed = (await facts_of(desk, ModelFailed))[0]
            assert failed.status == status
        asked = 4 if status in {503, 429} else 1
        assert len(one.requests) == 1 + asked
        assert len(two.requests) == 1
        body = two.requests[0].body
        assert body is not None
        answer = body["messages"][1]
        kept = b.resolve().on_model_switch == "keep_text"
        assert answer.get("reasoning_content") == ("A thinks." if kept else None)
        assert "A thinks." not in str({**answer, "reasoning_content": ""})
    assert (await replay(journal, "s", Agent([a, b], tools=[look, refund()], deps_type=Till))).same


async def test_a_400_of_the_first_is_nobody_elses_turn() -> None:
    async with Emulator(down(Fault(400, "Invalid request.")), contract="generic") as one, Emulator(back) as two:
        a = Model("a", base_url=one.base_url, contract="generic")
        async with session([a, Model("b", base_url=two.base_url, contract="generic")], MemoryJournal()) as desk:
            with pytest.raises(wrong.BadRequest, match="Invalid request"):
                await desk.run("Where is it?")
        assert two.requests == []


async def test_the_second_service_answers_where_the_first_cannot_be_reached() -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - not Django's
    async with Emulator(back, contract="generic") as two:
        a = Model("a", base_url=f"http://127.0.0.1:{port}/v1")
        async with session([a, Model("b", base_url=two.base_url, contract="generic")], MemoryJournal()) as desk:
            assert (await desk.run("Where is it?")).model == "b"
            assert [failed.kind for failed in await facts_of(desk, ModelFailed)] == ["unreachable"]
