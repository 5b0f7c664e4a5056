import json
from typing import Any

import pytest

from agentkit.core.contract import CallIds, Contract
from agentkit.core.messages import AssistantMessage, Producer, ToolCall
from agentkit.models.base import Answered, Reply
from agentkit.models.reading import Reading

ROW = Contract(id="row")
MADE = Producer("m", "row", "h")


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def fragment(arguments: str | None = None, name: str | None = None, **rest: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **rest}


def streamed(*values: Any) -> Reply:
    reading = Reading(ROW, MADE, "text/event-stream")
    for value in values:
        reading.feed(b"data: " + json.dumps(value).encode() + b"\n\n")
    return reading.end()


def whole(value: Any, row: Contract) -> Reply:
    reading = Reading(row, MADE, "application/json")
    reading.feed(json.dumps(value).encode())
    return reading.end()


def message(reply: Reply) -> AssistantMessage:
    assert isinstance(reply, Answered), reply
    return reply.message


def calls(*fragments: Any) -> tuple[ToolCall, ...]:
    return message(streamed(*(chunk(tool_calls=[item]) for item in fragments), chunk("tool_calls"))).calls


def test_id_and_name_come_first_and_later_empty_ones_change_nothing() -> None:
    assert calls(
        fragment(None, "find", index=0, id="c1"),
        fragment('{"a"', "", index=0, id=""),
        fragment(":1}", None, index=0, id=None),
        {"index": 0, "function": None},
    ) == (ToolCall("c1", "find", '{"a":1}'),)


def test_two_calls_under_one_index_are_two() -> None:
    assert calls(fragment("{}", "f", index=0, id="a"), fragment("{}", "f", index=0, id="b")) == (
        ToolCall("a", "f", "{}"),
        ToolCall("b", "f", "{}"),
    )


def test_calls_without_index_are_told_apart_by_id_and_name() -> None:
    assert calls(
        fragment('{"a":', "f", id="a"),
        fragment("1}", id="a"),
        fragment("{", "g", id="b"),
        fragment("}"),
    ) == (ToolCall("a", "f", '{"a":1}'), ToolCall("b", "g", "{}"))


def test_calls_without_index_and_id_begin_with_their_name() -> None:
    assert calls(fragment("{}", "f"), fragment('{"a":', "f"), fragment("1}")) == (
        ToolCall("call_0", "f", "{}", given_id=""),
        ToolCall("call_1", "f", '{"a":1}', given_id=""),
    )


def test_a_name_begins_a_call_also_behind_one_without_arguments() -> None:
    assert calls(fragment("", "f"), fragment("{}", "g")) == (
        ToolCall("call_0", "f", "", given_id=""),
        ToolCall("call_1", "g", "{}", given_id=""),
    )


def test_interleaved_calls_find_their_own_fragments() -> None:
    assert calls(
        fragment("{", "f", index=0, id="a"),
        fragment("{", "g", index=1, id="b"),
        fragment('"x":1}', index=0),
        fragment("}", index=1),
    ) == (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "{}"))


def test_a_name_repeated_with_every_fragment_is_one_call() -> None:
    assert calls(fragment('{"a":', "f", index=0, id="a"), fragment("1}", "f", index=0, id="a")) == (
        ToolCall("a", "f", '{"a":1}'),
    )
    assert calls(fragment("", "f", index=0), fragment('{"a":1}', "f", index=0)) == (
        ToolCall("call_0", "f", '{"a":1}', given_id=""),
    )
    assert calls(fragment('{"a":', "f", index=0, id="a"), fragment("1}", index=0, id="other each time")) == (
        ToolCall("a", "f", '{"a":1}'),
    )


def test_calls_under_one_index_without_ids_end_where_their_arguments_do() -> None:
    assert calls(fragment('{"a":1}', "f", index=0), fragment('{"a":2}', "f", index=0)) == (
        ToolCall("call_0", "f", '{"a":1}', given_id=""),
        ToolCall("call_1", "f", '{"a":2}', given_id=""),
    )


def test_arguments_sent_twice_are_taken_once() -> None:
    reply = streamed(
        chunk(tool_calls=[fragment('{"a":', "f", index=0, id="a")]),
        chunk(tool_calls=[fragment("1}", index=0)]),
        chunk(tool_calls=[fragment('{"a":1}', "f", index=0, id="a")]),
        chunk("tool_calls"),
    )
    assert message(reply).calls == (ToolCall("a", "f", '{"a":1}'),)
    assert isinstance(reply, Answered)
    assert reply.notes == ("arguments of 'f' were sent twice",)


def test_broken_arguments_are_kept_raw() -> None:
    for raw in ("", "{", '{"a":1}}', '{"a":1}{"a":1}', "nonsense", "{nope}"):
        assert calls(fragment(raw, "f", index=0, id="a")) == (ToolCall("a", "f", raw),)
    assert calls(fragment("{x}", "f", index=0, id="a"), fragment("{x}", index=0)) == (ToolCall("a", "f", "{x}{x}"),)


def test_arguments_given_as_an_object_are_written_and_noted() -> None:
    reply = streamed(chunk(tool_calls=[{"id": "a", "function": {"name": "f", "arguments": {"a": "é"}}}]), chunk("stop"))
    assert message(reply).calls[0].arguments == '{"a":"é"}'
    assert isinstance(reply, Answered)
    assert reply.notes == ("arguments came as JSON, not as text",)


def test_private_fields_of_calls_are_kept_and_hollow_ones_left() -> None:
    extra = {"google": {"thought_signature": "s"}}
    assert calls(
        fragment("{}", "f", index=0, id="a", type="function", extra_content=extra, custom={"name": "", "input": ""})
    ) == (ToolCall("a", "f", "{}", extras={"extra_content": extra}),)


@pytest.mark.parametrize(
    ("pattern", "given_ids", "ids"),
    [
        (r"[\s\S]{1,512}", ["a", "b"], ["a", "b"]),
        (r"[\s\S]{1,512}", ["a", "a", ""], ["a", "call_1", "call_2"]),
        (r"[\s\S]{1,512}", ["call_1", ""], ["call_1", "call00001"]),
        ("[A-Za-z0-9]{9}", ["abcdefghi", "call_1", ""], ["abcdefghi", "call00001", "call00002"]),
        ("never", ["a"], ["call_0"]),
    ],
)
def test_call_ids_are_kept_or_replaced_and_the_given_one_is_recorded(
    pattern: str, given_ids: list[str], ids: list[str]
) -> None:
    row = ROW.model_copy(update={"call_ids": CallIds(pattern=pattern)})
    said = [{"id": call_id, "function": {"name": "f", "arguments": "{}"}} for call_id in given_ids]
    reply = whole({"choices": [{"message": {"tool_calls": said}, "finish_reason": "tool_calls"}]}, row)
    assert [call.id for call in message(reply).calls] == ids
    changed = [(new, old) for new, old in zip(ids, given_ids, strict=True) if new != old]
    assert [(call.id, call.given_id) for call in message(reply).calls if call.given_id is not None] == changed
    assert isinstance(reply, Answered)
    assert len(reply.notes) == len(changed)
