"""A question to a person, asked in a session and answered there; and what is no question."""

from pathlib import Path

import anyio
import pytest

from agentkit import Agent, ScriptedModel, Session, SQLiteJournal, ToolError
from agentkit.errors import NeedsAnswer
from agentkit.messages import AssistantMessage, ToolCall
from agentkit_tools import ask_person

(ASK,) = ask_person.tools()


async def _asked_and_answered(path: Path) -> None:
    call = ToolCall("c1", "ask_person", '{"question": "Which size?", "choices": ["small", "large"]}')
    model = ScriptedModel(AssistantMessage(calls=(call,)), "Large it is.")
    agent = Agent(model, tools=[*ask_person.tools()])
    async with Session(agent, "s", journal=SQLiteJournal(path)) as session:
        result = await session.run("Order a shirt.")
        (question,) = result.questions
        assert (result.status, question.text) == ("waiting", "Which size?\n1. small\n2. large")
    async with Session(agent, "s", journal=SQLiteJournal(path)) as session:
        await session.answer(question, "large", by="ann")
        result = await session.resume()
        assert (result.status, result.output) == ("completed", "Large it is.")


def test_the_session_waits_and_another_one_goes_on(tmp_path: Path) -> None:
    anyio.run(_asked_and_answered, tmp_path / "s.db")


def test_a_question_without_choices_is_just_that() -> None:
    with pytest.raises(NeedsAnswer, match=r"^Why\?$"):
        ASK(" Why? ")
    assert (ASK.name, ASK.effect, ASK.declared.needs_approval) == ("ask_person", "read", False)


@pytest.mark.parametrize(
    ("question", "choices", "told"),
    [
        ("", None, "a question of 1 to 2000"),
        (" \n", None, "a question of 1 to 2000"),
        ("x" * 2001, None, "a question of 1 to 2000"),
        ("q", ["a"] * 11, "11 choices are too many"),
        ("q", ["a", ""], "one line"),
        ("q", ["a", "b\n3. c"], "one line"),
        ("q", ["a", "b\u2028c"], "one line"),
        ("q", ["a", "x" * 201], "one line"),
        ("q", ["a", " a"], "differ"),
        ("q", ["a"], "two or more"),
    ],
)
def test_what_is_no_question_is_refused(question: str, choices: list[str] | None, told: str) -> None:
    with pytest.raises(ToolError, match=told):
        ASK(question, choices)


def test_limits_are_yours() -> None:
    (short,) = ask_person.tools(limits=ask_person.Limits(characters=3))
    with pytest.raises(ToolError, match="1 to 3"):
        short("long")
