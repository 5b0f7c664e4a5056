import json
from typing import Any

import pytest

from agentkit.core.contract import CallIds, Carrier, Contract
from agentkit.core.messages import AssistantMessage, Producer, ToolCall
from agentkit.models.base import Answered, Reply
from agentkit.models.reading import Reading

ROW = Contract(id="row")
MADE = Producer("m", "row", "h")


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def fragment(arguments: str | None = None, name: str | None = None, **rest: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **rest}


def streamed(*values: Any, row: Contract = ROW) -> Reply:
    reading = Reading(row, MADE, "text/event-stream")
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


def test_private_fields_beside_a_call_are_kept_where_the_row_names_them() -> None:
    row = ROW.model_copy(update={"carrier": Carrier(beside_calls=("extra_content", "custom"))})
    first = fragment("{", "f", index=0, id="a", extra_content={"g": {"s": "1"}}, custom={"name": "", "input": ""}, x=1)
    late = fragment("}", index=0, extra_content={"g": {"t": "2"}})
    reply = streamed(chunk(tool_calls=[first]), chunk(tool_calls=[late]), chunk("tool_calls"), row=row)
    assert message(reply).calls == (ToolCall("a", "f", "{}", extras={"extra_content": {"g": {"s": "1", "t": "2"}}}),)


def test_a_signature_per_parallel_call_without_index_stays_with_its_own() -> None:
    row = ROW.model_copy(update={"carrier": Carrier(beside_calls=("extra_content",))})
    values = [
        chunk(tool_calls=[fragment("{}", "f", id="", extra_content={"s": 1})]),
        chunk(tool_calls=[fragment("{}", "f", id="")]),
        chunk("tool_calls", tool_calls=[fragment('{"a":1}', "f", id="", extra_content={"s": 2})]),
    ]
    said = message(streamed(*values, row=row))
    assert [call.extras for call in said.calls] == [{"extra_content": {"s": 1}}, {}, {"extra_content": {"s": 2}}]


def test_ids_and_indices_may_be_numbers_or_text() -> None:
    assert calls(fragment("{", "f", index="0", id=0), fragment("}", index=0), fragment("{}", "g", index="1", id=7)) == (
        ToolCall("0", "f", "{}"),
        ToolCall("7", "g", "{}"),
    )


def test_an_id_that_comes_behind_its_name_belongs_to_that_call() -> None:
    assert calls(fragment(None, "f"), fragment("{", id="late"), fragment("}", id="late")) == (
        ToolCall("late", "f", "{}"),
    )
    assert calls(fragment("{", "f", index=0), fragment("}", index=0, id="late")) == (ToolCall("late", "f", "{}"),)


def test_a_call_without_its_wrapping_is_read() -> None:
    assert calls({"id": "a", "name": "f", "arguments": "{}"}) == (ToolCall("a", "f", "{}"),)


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
