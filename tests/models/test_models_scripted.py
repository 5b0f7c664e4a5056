from decimal import Decimal
from typing import Any

import pytest

from agentkit.core.messages import AssistantMessage, Producer, Text, ToolCall, UserMessage
from agentkit.core.request import Sending
from agentkit.errors import AgentkitError, Overloaded
from agentkit.models import Model, ScriptedModel
from agentkit.models.base import Answered, Body, Broken, Piece, Reply, Unusable

pytestmark = pytest.mark.anyio


async def ask(model: ScriptedModel, text: str, shown: list[Any] | None = None) -> Reply:
    row = model.resolve()
    body = Body(b'{"model":"scripted"}', [model.encode(Sending(UserMessage((Text(text),))), row)])
    return await model.call(body, row, None if shown is None else shown.append)


async def test_replies_are_played_in_order_and_requests_kept() -> None:
    call = ToolCall("c1", "find", '{"q":1}', extras={"extra_content": 1})
    said = AssistantMessage("Let me see.", "hm\ud83d", (call,), extras={"private": 1})
    with ScriptedModel(said, "Done.") as model:
        assert isinstance(model, Model)
        shown: list[Any] = []
        first, second = await ask(model, "one", shown), await ask(model, "two")
    assert isinstance(first, Answered)
    assert (first.message.text, first.message.reasoning) == (said.text, said.reasoning)
    assert first.message.producer == Producer("scripted", "generic", model.host)
    assert (first.message.calls, first.message.extras, first.finish) == (said.calls, said.extras, "tool_calls")
    assert isinstance(second, Answered)
    assert (second.message.text, second.finish) == ("Done.", "stop")
    assert [request["messages"][0]["content"] for request in model.requests] == ["one", "two"]
    assert (model.requests[0]["stream"], "stream" in model.requests[1]) == (True, False)
    assert shown == [[Piece("reasoning", "hm"), Piece("text", "Let me see."), Piece("arguments", '{"q":1}')]]


async def test_usage_is_counted_from_bytes_and_costs_nothing() -> None:
    model = ScriptedModel("x" * 400)
    reply = await ask(model, "y" * 4000)
    assert isinstance(reply, Answered)
    assert reply.usage is not None
    assert 1000 <= reply.usage.input_tokens <= 1030
    assert 100 <= reply.usage.output_tokens <= 120
    assert reply.usage.cost == Decimal(0)
    today = model.prices()
    assert today is not None
    assert (today.input, today.output) == (Decimal(0), Decimal(0))


async def test_bad_answers_and_faults_can_be_played() -> None:
    unusable = Unusable("cut_off", "why", AssistantMessage(), "length", None)
    broken = Broken("why", "", "")
    model = ScriptedModel(Overloaded("busy"), unusable, broken, "", AssistantMessage(calls=(ToolCall("", "f", "{}"),)))
    with pytest.raises(Overloaded, match="busy"):
        await ask(model, "x")
    assert [await ask(model, "x"), await ask(model, "x")] == [unusable, broken]
    empty = await ask(model, "x")
    assert isinstance(empty, Unusable)
    assert empty.kind == "empty"
    named = await ask(model, "x")
    assert isinstance(named, Answered)
    assert named.message.calls == (ToolCall("call_0", "f", "{}", given_id=""),)
    model.assert_consumed()


async def test_more_calls_than_replies_are_complained_about_with_what_was_asked() -> None:
    model = ScriptedModel("one")
    await ask(model, "first")
    with pytest.raises(AgentkitError, match=r"the script has 1 replies, and this is call 2; it was asked: .*second"):
        await ask(model, "second")
    model.assert_consumed()


async def test_replies_left_over_are_complained_about() -> None:
    says = "2 of 2 scripted replies were never asked for; the next is 'one'"
    with pytest.raises(AgentkitError, match=says), ScriptedModel("one", "two"):
        pass
    with pytest.raises(KeyError), ScriptedModel("one"):
        raise KeyError("the test's own failure is the one to see")


def test_only_what_a_model_can_say_is_taken() -> None:
    with pytest.raises(TypeError, match="says str or AssistantMessage, not UserMessage"):
        ScriptedModel(UserMessage((Text("x"),)))
