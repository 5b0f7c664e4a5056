"""Reasoning goes back exactly, in its three states, in a later turn and in another process."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentkit import Delta, MemoryJournal, ScriptedModel
from agentkit.events import ModelResponded
from agentkit.messages import AssistantMessage, ToolCall
from agentkit.models.base import Broken, Piece
from tests.session.desk import Played, Till, facts_of, file, look, session_of

pytestmark = pytest.mark.anyio

NASTY = ' \n "quoted" \\n \u2028 \u2029 é 😀 \ud83d \x00 \t '
STATES = {"absent": None, "empty": "", "text": "I think", "nasty": NASTY}
CALL = ToolCall("c1", "look", '{"order": "7"}')


def thoughts(request: dict[str, Any]) -> list[Any]:
    """Return what each answer of a request carries as reasoning; `missing` where the field is not there."""
    answers = [message for message in request["messages"] if message["role"] == "assistant"]
    return [answer.get("reasoning_content", "missing") for answer in answers]


def wire(reasoning: str | None) -> str:
    return "missing" if reasoning is None else reasoning


@pytest.mark.parametrize("state", STATES)
async def test_it_goes_back_in_the_next_step_and_in_a_second_turn(state: str) -> None:
    reasoning = STATES[state]
    first, second = AssistantMessage(None, reasoning, (CALL,)), AssistantMessage("done", reasoning)
    with ScriptedModel(first, second, "again") as model:
        async with session_of(model, MemoryJournal(), Till(), look) as session:
            await session.run("go")
            await session.run("again?")
    assert thoughts(model.requests[1]) == [wire(reasoning)]
    assert thoughts(model.requests[2]) == [wire(reasoning)] * 2


@pytest.mark.parametrize("state", STATES)
async def test_it_goes_back_byte_for_byte_from_a_new_process(state: str, tmp_path: Path) -> None:
    reasoning = STATES[state]
    first, second = AssistantMessage(None, reasoning, (CALL,)), AssistantMessage("done", reasoning)
    one = ScriptedModel(first, second, "three")
    async with session_of(one, file(tmp_path), Till(), look) as session:
        await session.run("go")
        recorded = [event.message.reasoning for event in await facts_of(session, ModelResponded)]
    assert recorded == [reasoning, reasoning]
    two = ScriptedModel("again")
    async with session_of(two, file(tmp_path), Till(), look) as session:
        await session.run("again?")
        said = [message for message in await session.messages() if isinstance(message, AssistantMessage)]
        assert [message.reasoning for message in said] == [reasoning, reasoning, None]
    assert thoughts(two.requests[0]) == [wire(reasoning)] * 2
    assert json.dumps(two.requests[0]["messages"][:3]) == json.dumps(one.requests[1]["messages"])


async def test_it_goes_back_in_the_field_it_came_in() -> None:
    said = AssistantMessage(None, "hm", (CALL,), carrier="reasoning")
    with ScriptedModel(said, "done") as model:
        async with session_of(model, MemoryJournal(), Till(), look) as session:
            await session.run("go")
    answer = model.requests[1]["messages"][1]
    assert answer["reasoning"] == "hm"
    assert "reasoning_content" not in answer


async def test_of_an_interrupted_answer_nothing_enters_the_transcript() -> None:
    model = Played([Broken("the line broke", "half", "I was thinking"), AssistantMessage("done", "whole")], "again")
    async with session_of(model, MemoryJournal()) as session:
        await session.run("go")
        await session.run("again?")
    assert "I was thinking" not in json.dumps(model.requests)
    assert [message.get("reasoning_content") for message in model.requests[-1]["messages"]] == [None, "whole", None]


async def test_provider_private_fields_go_back_as_they_came() -> None:
    private: dict[str, Any] = {"signature": "abc=", "nested": {"a": [1, 2.5, None, "ü"]}}
    call = ToolCall("c1", "look", '{"order": "7"}', extras={"extra_content": {"google": {"thought_signature": "x"}}})
    model = Played(AssistantMessage(None, "hm", (call,), extras={"reasoning_details": [private]}), "done")
    async with session_of(model, MemoryJournal(), Till(), look) as session:
        await session.run("go")
    answer = model.requests[1]["messages"][1]
    assert answer["reasoning_details"] == [private]
    assert answer["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "x"}}


async def test_a_stream_shows_it_and_the_transcript_keeps_the_whole(tmp_path: Path) -> None:
    async def thinks(show: Any) -> AssistantMessage:
        show([Piece("reasoning", "let "), Piece("reasoning", "me")])
        return AssistantMessage("done", "let me")

    async with session_of(Played(thinks), file(tmp_path)) as session:
        async with session.stream("go") as stream:
            shown = [item async for item in stream if isinstance(item, Delta)]
        assert "".join(delta.text for delta in shown if delta.kind == "reasoning") == "let me"
        assert [getattr(message, "reasoning", None) for message in await session.messages()] == [None, "let me"]
