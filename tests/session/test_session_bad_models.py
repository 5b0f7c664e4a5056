"""Bad model output: each ends typed and recorded, the model is told what to mend, and no session is bricked."""

from typing import Any

import pytest

from agentkit import MemoryJournal, Usage
from agentkit.errors import AnswerCutOff, AnswerInterrupted, AnswerMalformed, AnswerRejected
from agentkit.events import (
    CallRefused,
    ModelFailed,
    ModelInterrupted,
    ModelRejected,
    ModelResponded,
    ToolFinished,
    ToolStarted,
)
from agentkit.messages import AssistantMessage, ToolCall
from agentkit.models import ScriptedModel
from agentkit.models.base import Broken, Piece, Show, Unusable
from tests.session.desk import Played, Till, asks, collected, facts_of, look, refund, session_of, told

pytestmark = pytest.mark.anyio

WRONG = {
    "malformed": ("look", '{"order": "7"', "malformed", ("not usable JSON", "exactly one JSON object")),
    "not an object": ("look", '["7"]', "malformed", ("an object is needed",)),
    "duplicate keys": ("look", '{"order": "7", "order": "8"}', "malformed", ("order", "there twice")),
    "NaN": ("look", '{"order": NaN}', "malformed", ("NaN is not a JSON number",)),
    "Infinity": ("look", '{"order": -Infinity}', "malformed", ("Infinity",)),
    "two objects": ("look", '{"order": "7"}{"order": "8"}', "malformed", ("Extra data",)),
    "missing": ("look", "{}", "schema", ("order",)),
    "nothing": ("look", "", "schema", ("order",)),
    "wrong type": ("look", '{"order": 7}', "schema", ("order", "7")),
    "unknown key": ("look", '{"order": "7", "colour": "red"}', "schema", ("colour",)),
    "unknown tool": ("loook", '{"order": "7"}', "unknown_tool", ("loook", "look", "refund")),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_call_becomes_a_result_that_says_what_to_mend(case: str) -> None:
    name, raw, kind, parts = WRONG[case]
    till, model = Till(), Played(asks((name, raw), ("look", {"order": "9"})), "done")
    async with session_of(model, MemoryJournal(), till, look, refund()) as session:
        assert (await session.run("go")).output == "done"
        assert [event.kind for event in await facts_of(session, CallRefused)] == [kind]
    first, second = told(model.requests[-1])
    assert all(part in first for part in parts), first
    assert second == "order 9 is blue"
    assert till.done == ["look 9"]
    (asked,) = [message for message in model.requests[-1]["messages"] if message["role"] == "assistant"]
    assert asked["tool_calls"][0]["function"] == {"name": name, "arguments": raw}


async def test_a_malformed_once_call_starts_nothing_and_the_next_try_works() -> None:
    till = Till()
    model = Played(asks(("refund", "{'order': '7'}")), asks(("refund", {"order": "7"})), "done")
    async with session_of(model, MemoryJournal(), till, refund()) as session:
        assert (await session.run("go")).output == "done"
        assert len(await facts_of(session, ToolStarted)) == 1
    assert till.done == ["7"]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("empty", AnswerRejected),
        ("cut_off", AnswerCutOff),
        ("filtered", AnswerRejected),
        ("malformed", AnswerMalformed),
    ],
)
async def test_an_unusable_answer_three_times_is_a_typed_fault_and_the_session_goes_on(
    kind: Any, error: type[AnswerRejected]
) -> None:
    bad = Unusable(kind, f"it was {kind}", AssistantMessage("half"), "stop", Usage(10, 0, 5, 0))
    model = Played([bad, bad, bad, "done"])
    async with session_of(model, MemoryJournal()) as session:
        with pytest.raises(AnswerRejected, match="3 answers in a row") as caught:
            await session.run("go", id="m1")
        assert type(caught.value) is error
        assert [event.kind for event in await facts_of(session, ModelRejected)] == [kind] * 3
        assert (await facts_of(session, ModelFailed))[0].kind == error.kind
        assert len(model.requests) == 3
        with pytest.raises(AnswerRejected):
            await session.status()
        assert (await session.run("so?", id="m2")).output == "done"
        with pytest.raises(AnswerRejected):
            await session.run("go", id="m1")
    assert told(model.requests[-1], "user") == ["so?"]
    assert told(model.requests[-1], "assistant") == []


async def test_an_unusable_answer_is_paid_counted_and_never_shown_to_the_model_as_its_own() -> None:
    bad = Unusable("cut_off", "too long", AssistantMessage("half"), "length", Usage(10, 0, 5, 0))
    model = Played([bad, "whole"])
    async with session_of(model, MemoryJournal()) as session:
        result = await session.run("go")
        assert (result.output, result.usage.tokens) == ("whole", 30)
    assert model.requests[0] == model.requests[1]


async def test_a_scripted_empty_answer_goes_the_same_way() -> None:
    with ScriptedModel("", "  \n", AssistantMessage(None, reasoning="hm"), "done") as model:
        async with session_of(model, MemoryJournal()) as session:
            with pytest.raises(AnswerRejected):
                await session.run("go")
            assert (await session.resume()).output == "done"


async def test_text_beside_tool_calls_is_never_the_final_answer() -> None:
    till, model = Till(), Played(asks(("look", {"order": "7"}), text="Let me look."), "It is blue.")
    async with session_of(model, MemoryJournal(), till, look) as session:
        result = await session.run("go")
        assert (result.output, result.steps) == ("It is blue.", 2)
    assert told(model.requests[-1], "assistant") == ["Let me look."]


async def test_text_beside_a_call_that_waits_is_no_output() -> None:
    model = Played(asks(("refund", {"order": "7"}), text="I refund it."))
    async with session_of(model, MemoryJournal(), Till(), refund(needs_approval=True)) as session:
        result = await session.run("go")
        assert (result.status, result.text) == ("waiting", "I refund it.")


@pytest.mark.parametrize("ids", [("same", "same"), ("", ""), ("", "x"), ("x" * 600, "y")])
async def test_duplicate_missing_and_illegal_call_ids_are_replaced(ids: tuple[str, str]) -> None:
    calls = tuple(ToolCall(name, "look", f'{{"order": "{n}"}}') for n, name in enumerate(ids))
    till = Till()
    with ScriptedModel(AssistantMessage(None, calls=calls), "done") as model:
        async with session_of(model, MemoryJournal(), till, look) as session:
            assert (await session.run("go")).output == "done"
    request = model.requests[-1]
    sent = [call["id"] for call in request["messages"][1]["tool_calls"]]
    assert len(set(sent)) == 2
    assert all(0 < len(name) <= 512 for name in sent)
    assert [message["tool_call_id"] for message in request["messages"][2:]] == sent
    assert told(request) == ["order 0 is blue", "order 1 is blue"]


async def test_a_stream_cut_in_the_middle_voids_what_it_showed_and_is_asked_again() -> None:
    async def cut(show: Show | None) -> Broken:
        assert show
        show([Piece("text", "I will ref")])
        return Broken("the line broke", "I will ref", "hm", Usage(10, 0, 2, 0))

    model = Played([cut, "done"])
    async with session_of(model, MemoryJournal()) as session:
        async with session.stream("go") as stream:
            attempts = [getattr(item, "attempt", None) for item in await collected(aiter(stream))]
            assert 1 in attempts
            result = await stream.result()
        assert result.output == "done"
        (broken,) = await facts_of(session, ModelInterrupted)
        assert (broken.text, broken.reasoning) == ("I will ref", "hm")
        assert len(await facts_of(session, ModelResponded)) == 1
    assert model.requests[0] == model.requests[1]


async def test_a_stream_that_is_cut_three_times_is_a_typed_fault_and_the_session_goes_on() -> None:
    cut = Broken("the line broke", "", "")
    model = Played([cut, cut, cut, "done"])
    async with session_of(model, MemoryJournal()) as session:
        with pytest.raises(AnswerInterrupted, match="3 times in a row"):
            await session.run("go", id="m1")
        assert (await session.run("go", id="m1")).output == "done"


async def test_rejected_and_broken_answers_count_against_the_tokens_of_the_turn() -> None:
    model = Played([Broken("the line broke", "", ""), "done"])
    async with session_of(model, MemoryJournal()) as session:
        result = await session.run("x" * 4000)
        assert result.usage.tokens >= 1000 + 15, "what broke off may have cost as much as was set aside"


async def test_a_defect_in_a_model_of_the_users_is_raised_and_the_session_goes_on() -> None:
    model = Played([ZeroDivisionError("a bug"), "done"])
    async with session_of(model, MemoryJournal()) as session:
        with pytest.raises(ZeroDivisionError, match="a bug"):
            await session.run("go", id="m1")
        assert (await session.run("go", id="m1")).output == "done"


async def test_a_tool_that_raises_tells_the_model_briefly_and_people_in_full() -> None:
    async def broken(_: Till, __: str) -> None:
        raise RuntimeError("secret path /etc/x")

    till, model = Till(before=broken), Played(asks(("refund", {"order": "7"})), "done")
    async with session_of(model, MemoryJournal(), till, refund(effect="idempotent")) as session:
        assert (await session.run("go")).output == "done"
        (finished,) = await facts_of(session, ToolFinished)
        assert finished.failed
        assert "secret path /etc/x" in (finished.detail or "")
    assert told(model.requests[-1]) == ["Error: refund failed (RuntimeError)."]
