"""Whole conversations against the judge: what came back is what was sent, however it travelled."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any, get_args

import pytest

from agentkit.core.messages import AssistantMessage, Text, ToolMessage, UserMessage
from agentkit.core.request import Sending, project
from agentkit.emulator import Call, Emulator, Fault, Reply
from agentkit.emulator.script import Quirk
from agentkit.errors import ContractViolation
from agentkit.models import Model
from agentkit.models.base import Answered, Body, Broken, Unusable

pytestmark = pytest.mark.anyio

NASTY = ' \u2028\n“quoted” \\n \\" 😀 \ud83d \x85\t '
TOOL = b'{"type":"function","function":{"name":"find","parameters":{"type":"object"}}}'
HEAD = b'{"model":"m","tools":[' + TOOL + b"]}"
CALLS = (Call("find", '{"q" : "é\u2028\\n"}'), Call("note", {"text": NASTY}))


def script(**how: Any) -> dict[str, Sequence[Reply]]:
    return {
        "*": [
            Reply("I look.", NASTY, CALLS, **how),
            Reply(None, "", CALLS[:1], **how),
            Reply(NASTY, None, **how),
            Reply("Done.", NASTY, **how),
        ]
    }


async def converse(model: Model, *, stream: bool, drop: int | None = None) -> list[AssistantMessage]:
    """Play two turns; the answer number `drop` goes back without its reasoning."""
    row = model.resolve()
    sent: list[bytes] = []
    answers: list[AssistantMessage] = []

    def say(message: UserMessage | ToolMessage) -> None:
        sent.append(model.encode(Sending(message), row))

    say(UserMessage((Text("Hello"),)))
    for _ in range(4):
        reply = await model.call(Body(HEAD, sent), row, list[Any]().append if stream else None)
        assert isinstance(reply, Answered), reply
        answers.append(reply.message)
        lost = Sending(reply.message)
        kept = project(reply.message, row, model.name, retained=True)
        sent.append(model.encode(lost if drop == len(answers) else kept, row))
        for call in reply.message.calls:
            say(ToolMessage(call.id, call.name, (Text("ok"),)))
        if not reply.message.calls:
            say(UserMessage((Text("More"),)))
    return answers


@pytest.mark.parametrize(
    ("quirk", "usage_at"),
    list(
        zip(
            ["none", "whole", *sorted({*get_args(Quirk)} - {"error_event"})],
            cycle(["finish", "trailing", "absent"]),
            strict=False,
        )
    ),
)
async def test_every_way_to_travel_gives_the_same_messages(quirk: str, usage_at: str) -> None:
    quirks = [quirk] if quirk in get_args(Quirk) else []
    how = {"usage_at": usage_at, "keep_alives": 2, "quirks": quirks}
    async with Emulator(script(**how)) as server:
        model = Model("m", base_url=server.base_url, contract="deepseek-v4")
        answers = await converse(model, stream=quirk != "whole")
        assert (server.counts.reasoning_missing, server.counts.reasoning_altered) == (0, 0)
        assert (server.counts.arguments_altered, server.counts.content_altered) == (0, 0)
    assert [(answer.text, answer.reasoning) for answer in answers] == [
        ("I look.", NASTY),
        (None, ""),
        (NASTY, None),
        ("Done.", NASTY),
    ]
    assert [(call.name, call.arguments) for call in answers[0].calls] == [(call.name, call.raw) for call in CALLS]


async def test_usage_is_the_emulators_own() -> None:
    async with Emulator(script()) as server:
        model = Model("deepseek-flash", base_url=server.base_url, contract="deepseek-v4")
        reply = await model.call(Body(b'{"model":"m"}', [b'{"role":"user","content":"Hello"}']), model.resolve(), None)
        tokens = server.requests[0].tokens
    assert tokens is not None
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.cached_tokens) == (tokens.hit + tokens.miss, tokens.hit)
    assert (reply.usage.output_tokens, reply.usage.reasoning_tokens) == (tokens.output, tokens.reasoning)
    assert reply.usage.cost is not None


@pytest.mark.parametrize(
    ("row", "drop", "index"), [("deepseek-v4", 1, 1), ("deepseek-v4", 3, 6), ("deepseek-v3.2", 2, 4)]
)
async def test_lost_reasoning_is_a_400_that_names_the_message(row: str, drop: int, index: int) -> None:
    async with Emulator(script(), contract=row) as server:
        model = Model("m", base_url=server.base_url, contract=row)
        with pytest.raises(ContractViolation, match=f"message {index} lacks `reasoning_content`") as caught:
            await converse(model, stream=True, drop=drop)
        assert server.counts.by_status[400] == 1
    assert (caught.value.message_index, caught.value.status) == (index, 400)


@pytest.mark.parametrize("stream", [True, False])
async def test_answers_that_break_off(stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    plays = {
        "cut": Reply("x" * 60, "hm", cut_after=9),
        "out": Reply(None, "hm", CALLS, finish_reason="insufficient_system_resource"),
        "long": Reply("half", "hm", finish_reason="length"),
        "error": Reply("x" * 60, "hm", quirks=["error_event"]),
        "empty": Reply(None, "only thought"),
    }
    async with Emulator({name: [reply] for name, reply in plays.items()}) as server:
        model = Model("m", base_url=server.base_url, contract="deepseek-v4")
        ends = {}
        for name in plays:
            message = model.encode(Sending(UserMessage((Text(name),))), model.resolve())
            show = list[Any]().append if stream else None
            ends[name] = await model.call(Body(b'{"model":"m"}', [message]), model.resolve(), show)
    assert isinstance(ends["cut"], Broken)
    assert isinstance(ends["error"], Broken) == stream  # a quirk of streams
    for name, kind in {"out": "cut_off", "long": "cut_off", "empty": "empty"}.items():
        unusable = ends[name]
        assert isinstance(unusable, Unusable)
        assert unusable.kind == kind


async def test_a_service_under_load_is_waited_for() -> None:
    busy = Fault(429, headers={"Retry-After": "0"})
    async with Emulator({"*": [[busy, Fault(503, headers={"Retry-After": "0"}), Reply("Here.")]]}) as server:
        model = Model("m", base_url=server.base_url)
        reply = await model.call(Body(b'{"model":"m"}', [b'{"role":"user","content":"Hello"}']), model.resolve(), None)
        assert isinstance(reply, Answered)
        assert server.counts.by_status == {429: 1, 503: 1, 200: 1}


async def test_arguments_that_are_no_json_do_not_spoil_the_session() -> None:
    broken = Reply("", "r", (Call("find", '{"q": "x'), Call("find", "")))
    async with Emulator(contract="mimo", script={"*": [broken, Reply("Done.", "r")]}) as server:
        model = Model("m", base_url=server.base_url, contract="mimo")
        row = model.resolve()
        sent = [model.encode(Sending(UserMessage((Text("Hello"),))), row)]
        reply = await model.call(Body(HEAD, sent), row, None)
        assert isinstance(reply, Answered)
        assert [call.arguments for call in reply.message.calls] == ['{"q": "x', ""]
        sent.append(model.encode(project(reply.message, row, "m", retained=True), row))
        results = [ToolMessage(call.id, call.name, (Text("not JSON"),)) for call in reply.message.calls]
        sent += [model.encode(Sending(result), row) for result in results]
        assert isinstance(await model.call(Body(HEAD, sent), row, None), Answered)
