"""Where an agent of several models meets more than one model's fault: nobody is stuck, and the text says why."""

from typing import Any

import anyio
import pytest

from agentkit import Agent, MemoryJournal, Model, ScriptedModel, Session, replay, tool
from agentkit import errors as wrong
from agentkit.core.loop import fold
from agentkit.errors import ConfigurationError, JournalError
from agentkit.events import AgentBound, ModelFailed, ModelInterrupted, ModelStarted, TurnResumed
from agentkit.messages import AssistantMessage
from agentkit.models.base import Broken, Unusable
from agentkit.testing import Died, FaultyJournal
from tests.session.desk import asks, facts, facts_of
from tests.session.faults import FaultyAt
from tests.session.test_session_fallback import Named, kinds, session

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("fault", ["full", "uncertain before"])
async def test_a_fault_that_could_not_be_written_is_the_next_models_turn_when_it_can(fault: Any) -> None:
    a, b, c = Named("a", wrong.Overloaded("a is down")), Named("b", wrong.Overloaded("b is down")), Named("c")
    journal = FaultyAt(MemoryJournal(), ModelFailed, fault)
    async with session([a, b, c], journal) as one:
        with pytest.raises(JournalError):
            await one.run("go", id="m")
        assert (await one.run("go", id="m")).model == "c"
        events = await facts(one)
        assert [event.text for event in events if isinstance(event, ModelFailed)] == [
            "a is down",
            "b is down. Tried before it in this turn: a at 127.0.0.1.",
        ]
        for length in range(1, len(events) + 1):
            fold(events[:length])
    assert [len(model.requests) for model in (a, b, c)] == [1, 1, 1]


async def test_a_fault_on_disk_is_no_news_to_the_next_run() -> None:
    a, b = Named("a", wrong.BadRequest("mend this")), Named("b")
    async with session([a, b], MemoryJournal()) as one:
        with pytest.raises(wrong.BadRequest):
            await one.run("go", id="m")
    assert b.requests == []


async def test_a_next_model_that_cannot_be_asked_so_does_not_hold_the_turn_for_ever() -> None:
    a = Named("a", [wrong.Overloaded("a is down"), "a is back"])
    b = Model("b", base_url="http://127.0.0.1:9/v1", contract="deepseek-v3.2-speciale")  # it takes no tools
    async with session([a, b], MemoryJournal()) as one:
        with pytest.raises(ConfigurationError, match=r"'b' takes no tools.*Tried before it in this turn: a at"):
            await one.run("go")
        assert (await one.resume()).output == "a is back"
        told = [event for event in await facts(one) if isinstance(event, ModelFailed | AgentBound | TurnResumed)]
        assert kinds(told[1:4]) == ["ModelFailed", "AgentBound", "TurnResumed"]
        assert [event.kind for event in told if isinstance(event, ModelFailed)] == ["overloaded", "configuration"]
        assert len(await facts_of(one, ModelStarted)) == 3


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (
            Unusable("filtered", "the service held the answer back.", AssistantMessage("x"), "stop", None),
            "3 answers in a row could not be used; the last time: the service held the answer back",
        ),
        (
            Broken("the service reported an error: out of memory", "x", ""),
            "the answer broke off 3 times in a row; the last time: the service reported an error: out of memory",
        ),
    ],
)
async def test_answers_of_no_use_say_whose_they_were_and_what_was_wrong(bad: Any, text: str) -> None:
    async with session([Named("a", bad)], MemoryJournal()) as one:
        with pytest.raises(wrong.ModelError) as caught:
            await one.run("go")
    assert str(caught.value) == f"a at 127.0.0.1: {text}"


@pytest.mark.parametrize("model", [5, None, object(), [ScriptedModel(), 5], {"a": "b"}])
def test_what_is_no_model_is_told_when_the_agent_is_made(model: Any) -> None:
    with pytest.raises(ConfigurationError, match="is neither a Model nor a name from the contract table"):
        Agent(model)


@tool(effect="read")
async def tell() -> str:
    """Tell a long story."""
    return "x" * 100_000


class CancelledAtBlobs(FaultyJournal):
    """A slow journal: while long contents are on their way, somebody cancels the turn."""

    session: Session[None, str] | None = None

    async def blob(self, session_id: str, name: str) -> bytes:
        data = await super().blob(session_id, name)
        if self.session is not None and len(data) == 100_000:
            await self.session.cancel(by="ann")
            await anyio.sleep(30)
        return data


async def test_only_those_are_said_to_have_been_tried_that_were() -> None:
    down = wrong.Overloaded("b is down")
    a = Named("a", "never asked", wrong.Overloaded("a is down"))
    inner = MemoryJournal()
    journal = FaultyJournal(inner, at=4, fault="die after")  # behind the result of the call
    with pytest.raises((Died, BaseExceptionGroup)):
        async with session([Named("b", asks(("look", {"order": "7"})))], journal) as one:
            await one.run("go", id="m")
    await journal.bury()
    async with session([a, Named("b", "", [down, down])], inner) as one:  # today there is one before it
        with pytest.raises(wrong.Overloaded, match=r"^b is down$"):
            await one.run("go", id="m")
        with pytest.raises(wrong.Overloaded, match=r"^b is down\. Tried before it in this turn: a at 127\.0\.0\.1\.$"):
            await one.resume()
    assert len(a.requests) == 1


async def test_who_failed_in_an_earlier_turn_is_not_said_to_have_been_tried_in_this_one() -> None:
    a, b = Named("a", wrong.Overloaded("a is down")), Named("b", wrong.Overloaded("b is down"))
    async with session([a, b], MemoryJournal()) as one:
        for _ in range(2):
            with pytest.raises(wrong.Overloaded):
                await one.run("go")
        texts = [failed.text for failed in await facts_of(one, ModelFailed)]
    assert texts == ["a is down", "b is down. Tried before it in this turn: a at 127.0.0.1."] * 2


@pytest.mark.parametrize("count", [1, 2])
async def test_a_request_that_was_cut_off_before_it_was_made_is_not_recorded_as_sent(count: int) -> None:
    journal = CancelledAtBlobs(MemoryJournal())
    agent = Agent([Named("a", asks(("tell", {}))), Named("b")][:count], tools=[tell])
    async with Session(agent, "s", journal=journal) as one:
        journal.session = one
        assert (await one.run("go")).status == "cancelled"
        assert [cut.sent for cut in await facts_of(one, ModelInterrupted)] == [None]
        journal.session = None
        assert (await one.run("on")).output == "answer 1"
    found = await replay(journal, "s", agent)
    assert (found.same, found.difference, found.requests) == (True, None, 2)
