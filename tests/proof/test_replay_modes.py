"""A replay with live reads, or with a live model: what is asked again, what is not, and what is told."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Record, Session, SQLiteJournal, ToolContext, replay, tool
from agentkit.core.contract import Contract
from agentkit.errors import ConfigurationError, NoSuchSession, Overloaded
from agentkit.messages import AssistantMessage
from agentkit.models.base import Broken
from agentkit.proof import Compared
from tests.session.desk import Played, Till, asks, file, look, refund

pytestmark = pytest.mark.anyio

REFUND = refund()
LOOKS = asks(("look", {"order": "1"}), ("refund", {"order": "1"}), ("look", {"order": "2"}), text="I look")
TURNS = (LOOKS, asks(("look", {"order": "3"})), "all done")


@tool(effect="read", name="look")
async def look_red(ctx: ToolContext[Till], order: str) -> str:
    """Look at an order."""
    ctx.deps.done.append(f"look {order}")
    return f"order {order} is {'red' if order == '2' else 'blue'}"


@tool(effect="once", name="look")
async def look_once(ctx: ToolContext[Till], order: str) -> str:
    """Look at an order."""
    ctx.deps.done.append(f"look {order}")
    return "never"


@tool(effect="read", name="look", needs_approval=True)
async def look_approved(ctx: ToolContext[Till], order: str) -> str:
    """Look at an order."""
    ctx.deps.done.append(f"look {order}")
    return "never"


@tool(effect="read", name="look")
async def look_numbered(ctx: ToolContext[Till], order: int) -> str:
    """Look at an order."""
    ctx.deps.done.append(f"look {order}")
    return "never"


class Edited(Played):
    """A model whose contract row was edited since."""

    def resolve(self) -> Contract:
        return Contract.model_validate({**super().resolve().model_dump(), "system_role": "developer"})


def agent_of(model: Played, *tools: Any, **told: Any) -> Agent[Till, str]:
    return Agent(model, tools=tools or (look, REFUND), deps_type=Till, **told)


@pytest.fixture
async def journal(tmp_path: Path) -> SQLiteJournal:
    made = file(tmp_path)
    async with Session(agent_of(Played(*TURNS)), "s", journal=made, deps=Till()) as session:
        assert (await session.run("go", id="m1")).text == "all done"
    return made


async def records(journal: SQLiteJournal, name: str = "s") -> list[Record]:
    async with journal:
        return [record async for record in journal.read(name)]


def said(compared: Sequence[Compared]) -> list[tuple[str, str | None, bool]]:
    return [(each.where, each.today, each.same) for each in compared]


async def test_live_reads_run_again_and_nothing_else_does(journal: SQLiteJournal) -> None:
    before, till, model = await records(journal), Till(), Played()
    found = await replay(journal, "s", agent_of(model), live="read", deps=till)
    assert (found.same, found.difference, found.requests) == (True, None, 3)
    assert said(found.compared) == [
        ("1.1.0", "order 1 is blue", True),
        ("1.1.2", "order 2 is blue", True),
        ("1.2.0", "order 3 is blue", True),
    ]
    assert (till.done, dict(till.paid), model.requests) == (["look 1", "look 2", "look 3"], {}, [])
    assert await records(journal) == before


async def test_another_result_is_shown_call_by_call(journal: SQLiteJournal) -> None:
    found = await replay(journal, "s", agent_of(Played(), look_red, REFUND), live="read", deps=Till())
    assert [(each.where, each.same) for each in found.compared] == [("1.1.0", True), ("1.1.2", False), ("1.2.0", True)]
    assert not found.same
    assert found.difference == (
        "1.1.2, look {\"order\": \"2\"}: 'order 2 is blue' was recorded, today it is 'order 2 is red'"
    )
    assert found.why == ()


@pytest.mark.parametrize(
    ("today", "why", "same"),
    [
        ((look_once, REFUND), "not run: today it is once", True),
        ((look_approved, REFUND), "not run: today it needs approval", True),
        ((REFUND,), "the agent has no such tool today", False),
    ],
)
async def test_what_is_no_read_today_does_not_run(
    journal: SQLiteJournal,
    today: Any,
    why: str,
    same: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    till = Till()
    found = await replay(journal, "s", agent_of(Played(), *today), live="read", deps=till)
    assert {(each.today, each.why, each.same) for each in found.compared} == {(None, why, same)}
    assert len(found.compared) == 3
    assert till.done == []


async def test_arguments_that_fit_no_more_are_told(journal: SQLiteJournal) -> None:
    till = Till()
    found = await replay(journal, "s", agent_of(Played(), look_numbered, REFUND), live="read", deps=till)
    assert not any(each.same for each in found.compared)
    assert "order" in str(found.compared[0].today)
    assert till.done == []
    assert str(found.difference).startswith("request 1.1, the settings and tools: byte ")
    assert found.why == ('tools look.parameters.properties.order.type was "string", is "integer" now',)


async def test_a_live_model_is_asked_at_every_step_and_no_tool_runs(journal: SQLiteJournal) -> None:
    before, till, model = await records(journal), Till(), Played(*TURNS)
    found = await replay(journal, "s", agent_of(model), live="model", deps=till)
    assert (found.same, found.difference, found.requests) == (True, None, 3)
    assert [each.where for each in found.compared] == ["1.1", "1.2", "1.3"]
    assert found.compared[0].recorded == 'I look\nlook {"order": "1"}\nrefund {"order": "1"}\nlook {"order": "2"}'
    assert [sum(m["role"] == "assistant" for m in request["messages"]) for request in model.requests] == [0, 1, 2]
    assert (found.usage.input_tokens, found.usage.output_tokens) == (30, 15)
    assert (till.done, dict(till.paid)) == ([], {})
    assert await records(journal) == before


async def test_the_transcript_goes_on_as_recorded_whatever_the_live_model_says(journal: SQLiteJournal) -> None:
    spaced = AssistantMessage(calls=asks(("look", '{"order" :"3"}')).calls)
    model = Played("nothing to look at", spaced, Broken("the line broke", "all", ""))
    found = await replay(journal, "s", agent_of(model), live="model")
    assert [each.same for each in found.compared] == [False, True, False]
    assert found.compared[0].today == "nothing to look at"
    assert found.compared[2].today == "the answer broke off: the line broke"
    assert str(found.difference).startswith("1.1, played at 127.0.0.1: ")
    recorded = Played(*TURNS)
    assert (await replay(journal, "s", agent_of(recorded), live="model")).same
    assert model.requests == recorded.requests
    assert found.usage.cost is None, "what the broken answer cost is not known"


async def test_after_a_fault_the_model_is_asked_no_more(journal: SQLiteJournal) -> None:
    model = Played(LOOKS, Overloaded("the service is overloaded"))
    found = await replay(journal, "s", agent_of(model), live="model")
    assert [(each.today is None, each.same) for each in found.compared] == [(False, True), (True, False), (True, False)]
    assert len(model.requests) == 2
    assert found.difference == "1.2, played at 127.0.0.1: not answered: the service is overloaded"


async def test_of_a_fork_only_its_own_is_asked_again(journal: SQLiteJournal) -> None:
    agent = agent_of(Played(*TURNS))
    async with Session(agent, "s", journal=journal, deps=Till()) as session:
        fork = await session.fork("t", before="1.2", asks=False)
        async with fork:
            await fork.resume()
    model, till = Played(*TURNS), Till()
    found = await replay(journal, "t", agent_of(model), live="model")
    assert [each.where for each in found.compared] == ["1.2", "1.3"]
    assert len(model.requests) == 2
    found = await replay(journal, "t", agent_of(model), live="read", deps=till)
    assert (found.same, till.done) == (True, ["look 3"])


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"instructions": "Help.\nBe rude."}, 'instructions line 1 was "", is "Help." now'),
        ({"settings": {"temperature": 0.5}}, "settings temperature was null, is 0.5 now"),
    ],
)
async def test_why_names_what_has_changed(journal: SQLiteJournal, told: Any, why: str) -> None:
    found = await replay(journal, "s", agent_of(Played(), **told))
    assert found.difference is not None
    assert why in found.why


async def test_why_names_the_contract_row_and_its_field(journal: SQLiteJournal) -> None:
    model = Edited()
    found = await replay(journal, "s", agent_of(model, instructions="Help."))
    assert str(found.difference).startswith("request 1.1, message 0: byte ")
    assert 'model contract.system_role was "system", is "developer" now' in found.why


async def test_an_unknown_mode_and_an_unknown_session_are_told(journal: SQLiteJournal) -> None:
    with pytest.raises(ConfigurationError, match="none, read, model"):
        await replay(journal, "s", agent_of(Played()), live="all")  # type: ignore[arg-type]  # that is the test
    with pytest.raises(NoSuchSession):
        await replay(journal, "nobody", agent_of(Played()), live="model")
