"""A person answers in the agent's place, in whatever the agent is at; and the agent answers again when told so."""

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from agentkit import Agent, MemoryJournal, Outcome
from agentkit.errors import ConfigurationError, MessageIdReused, ModelError
from agentkit.events import HandedBack, InboxRefused, ModelInterrupted, ModelStarted, PersonAnswered, TurnEnded
from agentkit.messages import AssistantMessage, Message
from agentkit.models.base import Show
from agentkit.proof import replay
from tests.session.desk import Played, Till, asks, facts_of, file, refund, session_of, told, until

pytestmark = pytest.mark.anyio


async def test_a_person_answers_and_the_agent_is_silent_until_it_is_handed_back() -> None:
    model = Played("I cannot help with that.", "Glad to hear it.", "Bye.")
    async with session_of(model, MemoryJournal(), Till()) as session:
        await session.run("my parcel is lost")
        await session.say_as("I looked into it: it comes tomorrow.", by="ann")
        result = await session.run("thank you", id="m2")
        with pytest.raises(MessageIdReused):
            await session.say_as("Under a customer's id.", by="ann", id="m2")
        assert (result.status, result.text) == ("waiting", "")
        assert "ann answers in the agent's place" in result.reason
        assert len(await facts_of(session, ModelStarted)) == 1
        await session.say_as("You are welcome.", by="ann", id="a2")
        assert (await session.run("thank you", id="m2")).output == "You are welcome."
        await session.hand_back(by="ann")
        assert (await session.run("bye")).output == "answer 3"
        said = [told(model.requests[-1], role) for role in ("assistant", "user")]
    assert said[0] == ["I cannot help with that.", "I looked into it: it comes tomorrow.", "You are welcome."]
    assert said[1][1] == "[Notice, not from the user] ann, a person, answers here in your place."
    assert said[1][2:] == ["thank you", "bye"]


async def test_one_id_is_a_message_or_an_answer_and_neither_is_dropped_in_silence() -> None:
    """Left before anybody drives, both are in the inbox under that id; the first one is taken."""
    async with session_of(Played("hello"), MemoryJournal(), Till()) as session:
        await session.say("hi", id="m1")
        with pytest.raises(MessageIdReused):
            await session.say_as("I am Ann.", by="ann", id="m1")
        assert (await session.run("hi", id="m1")).output == "hello"
    async with session_of(Played(), MemoryJournal(), Till()) as session:
        await session._desk.answer_as("I am Ann.", "ann", "m1")  # noqa: SLF001 - as from another process, cut off there
        with pytest.raises(MessageIdReused, match="for a person's answer"):
            await session.run("hi", id="m1")
        await session.say_as("I am Ann.", by="ann", id="m1")
        assert told_in(await session.messages()) == ["I am Ann."]


def told_in(messages: Sequence[Message]) -> list[str | None]:
    return [each.text for each in messages if isinstance(each, AssistantMessage)]


async def test_messages_that_come_in_meanwhile_are_answered_together() -> None:
    async with session_of(Played(), MemoryJournal(), Till()) as session:
        await session.say_as("Hello, ann here.", by="ann")
        await session.run("one", id="1")
        await session.run("two", id="2")
        await session.say_as("both answered", by="ann")
        assert [(await session.run(text, id=name)).output for text, name in (("one", "1"), ("two", "2"))] == [
            "both answered",
            "both answered",
        ]
        assert len(await facts_of(session, TurnEnded)) == 2


async def test_handed_back_with_an_open_message_the_agent_answers_it() -> None:
    async with session_of(Played("first"), MemoryJournal(), Till()) as session:
        await session.run("hello")
        await session.say_as("I take over.", by="ann")
        assert (await session.run("and now?", id="m")).status == "waiting"
        await session.hand_back(by="ann")
        assert (await session.resume()).output == "answer 2"


async def test_what_the_model_is_writing_is_cut_off() -> None:
    begun = anyio.Event()

    async def slow(_: Show | None) -> AssistantMessage:
        begun.set()
        await anyio.sleep(60)
        raise AssertionError

    async with session_of(Played(slow), MemoryJournal(), Till()) as session, anyio.create_task_group() as tasks:
        statuses: list[str] = []

        async def run() -> None:
            statuses.append((await session.run("help", id="m")).status)

        tasks.start_soon(run)
        await begun.wait()
        await session.say_as("ann here", by="ann")
        await until(lambda: statuses)
        assert statuses == ["cancelled"]
        assert (await session.resume()).output == "ann here"
        assert len(await facts_of(session, ModelInterrupted)) == 1
        assert [ended.status for ended in await facts_of(session, TurnEnded)] == ["cancelled", "completed"]


async def test_a_call_that_waits_for_a_yes_is_closed() -> None:
    till = Till()
    model = Played(asks(("refund", {"order": "7"})))
    async with session_of(model, MemoryJournal(), till, refund(needs_approval=True)) as session:
        assert (await session.run("refund 7")).approvals
        await session.say_as("I do it by hand.", by="ann")
        result = await session.resume()
        assert (result.output, result.approvals) == ("I do it by hand.", ())
    assert till.done == []


async def test_an_unknown_outcome_is_decided_first() -> None:
    async def lost(_: Till, __: str) -> None:
        raise ConnectionError("gone")

    model = Played(asks(("refund", {"order": "7"})))
    async with session_of(model, MemoryJournal(), Till(trouble=lost), refund()) as session:
        (unknown,) = (await session.run("refund 7")).unknowns
        await session.say_as("I look into it.", by="ann")
        waiting = await session.resume()
        assert waiting.unknowns == (unknown,)
        assert waiting.reason.endswith(
            f"; waiting for a person: it is not known whether refund took effect ({unknown.why})"
        )
        await session.resolve(unknown, Outcome.happened("paid"), by="ann")
        assert (await session.resume()).output == "I look into it."


async def test_a_person_answers_for_a_model_that_failed() -> None:
    failed = ModelError("no balance", status=402)
    async with session_of(Played(failed, failed), MemoryJournal(), Till()) as session:
        with pytest.raises(ModelError):
            await session.run("hello", id="m")
        await session.say_as("We are having trouble; ann here.", by="ann")
        assert (await session.run("hello", id="m")).output == "We are having trouble; ann here."
        assert [type(message).__name__ for message in await session.messages()] == ["UserMessage", "AssistantMessage"]


async def test_it_begins_a_session_and_survives_the_process(tmp_path: Path) -> None:
    async with session_of(Played(), file(tmp_path), Till()) as session:
        await session.say_as("Hello, how can I help?", by="ann", id="a")
        await session.say_as("Hello, how can I help?", by="ann", id="a")
        assert len(await facts_of(session, PersonAnswered)) == 1
        with pytest.raises(MessageIdReused):
            await session.run("else", id="a")
        with pytest.raises(MessageIdReused):
            await session.say_as("Other words.", by="ann", id="a")
    async with session_of(Played(), file(tmp_path), Till()) as session:
        assert (await session.run("lost parcel")).status == "waiting"
        status = await session.status()
        assert status is not None
        assert status.status == "waiting"
        async with file(tmp_path) as journal:
            head = await journal.head("s")
            assert head is not None
            assert head.status == "waiting"
        await session.hand_back(by="bob")
        await session.resume()
    async with file(tmp_path) as journal:
        proof = await replay(journal, "s", Agent(Played(), deps_type=Till))
        assert proof.same, proof.difference


async def test_what_makes_no_sense_is_refused() -> None:
    async with session_of(Played(), MemoryJournal(), Till()) as session:
        with pytest.raises(ConfigurationError, match="say_as"):
            await session.say_as("", by="ann")
        with pytest.raises(ConfigurationError, match="by="):
            await session.say_as("hello", by="")
        await session.run("hello")
        await session.hand_back(by="ann")
        await session.resume()
        assert [refused.why for refused in await facts_of(session, InboxRefused)] == ["nobody has taken over"]
        assert await facts_of(session, HandedBack) == []
