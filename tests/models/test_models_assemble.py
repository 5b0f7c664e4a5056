import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.core.contract import CallIds, Contract
from agentkit.core.messages import AssistantMessage, Producer, ToolCall
from agentkit.core.spec import Usage
from agentkit.models.assemble import Assembly, judge, usage_of
from agentkit.models.base import Answered, Broken, Piece, Reply, Unusable
from agentkit.models.reading import Reading

ROW = Contract(id="row")
MADE = Producer("m", "row", "h")
SSE = "text/event-stream; charset=utf-8"


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def fragment(arguments: str | None = None, name: str | None = None, **rest: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **rest}


def streamed(*values: Any, row: Contract = ROW, done: bool = True) -> Reply:
    reading = Reading(row, MADE, SSE)
    for value in values:
        reading.feed(b"data: " + json.dumps(value).encode() + b"\n\n")
    if done:
        reading.feed(b"data: [DONE]\n\n")
    return reading.end()


def whole(value: Any, row: Contract = ROW) -> Reply:
    reading = Reading(row, MADE, "application/json")
    reading.feed(b"\n\n \n")
    reading.feed(value if isinstance(value, bytes) else json.dumps(value).encode())
    return reading.end()


def message(reply: Reply) -> AssistantMessage:
    assert isinstance(reply, Answered), reply
    return reply.message


def calls(*fragments: Any) -> tuple[ToolCall, ...]:
    return message(streamed(*(chunk(tool_calls=[item]) for item in fragments), chunk("tool_calls"))).calls


def test_streamed_and_whole_give_the_same_message() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"q": 1}'}}
    one = whole(
        {
            "choices": [
                {
                    "message": {"content": "Hi", "reasoning_content": "hm", "tool_calls": [call]},
                    "finish_reason": "tool_calls",
                }
            ],
            "usage": {"prompt_tokens": 5, "completion_tokens": 2},
        }
    )
    many = streamed(
        chunk(role="assistant", reasoning_content=""),
        chunk(reasoning_content="h", content=None, tool_calls=[]),
        chunk(reasoning_content="m"),
        chunk(content="H"),
        chunk(content="i"),
        chunk(tool_calls=[fragment("", "find", index=0, id="c1")]),
        chunk(tool_calls=[fragment('{"q"', None, index=0, id="")]),
        chunk(tool_calls=[fragment(": 1}", "", index=0)]),
        chunk("tool_calls"),
        {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}},
    )
    assert one == many
    assert message(one) == AssistantMessage(
        "Hi", "hm", (ToolCall("c1", "find", '{"q": 1}'),), "reasoning_content", {}, MADE
    )


@pytest.mark.parametrize(
    ("deltas", "reasoning", "carrier"),
    [
        ([{"content": "x"}], None, None),
        ([{"reasoning_content": None, "content": "x"}], None, None),
        ([{"reasoning_content": ""}, {"content": "x"}], "", "reasoning_content"),
        ([{"reasoning": " a"}, {"reasoning": "b "}, {"content": "x"}], " ab ", "reasoning"),
        ([{"reasoning_content": ""}, {"reasoning": "a"}, {"content": "x"}], "a", "reasoning"),
        ([{"reasoning_content": "a", "reasoning": "a"}, {"content": "x"}], "a", "reasoning_content"),
        ([{"reasoning_content": "", "reasoning": "a"}, {"content": "x"}], "a", "reasoning"),
        ([{"content": "x"}, {"reasoning_content": "late"}], "late", "reasoning_content"),
    ],
)
def test_reasoning_is_absent_empty_or_text_and_its_field_is_kept(
    deltas: Any, reasoning: str | None, carrier: str | None
) -> None:
    said = message(streamed(*(chunk(**delta) for delta in deltas), chunk("stop")))
    assert (said.reasoning, said.carrier, said.text) == (reasoning, carrier, "x")


def test_reasoning_of_fields_the_row_does_not_read_is_not_taken() -> None:
    row = ROW.model_copy(update={"carrier": ROW.carrier.model_copy(update={"read": ("reasoning",)})})
    assert message(streamed(chunk(reasoning_content="a", content="x"), chunk("stop"), row=row)).reasoning is None


def test_halves_of_a_pair_split_over_deltas_are_joined_and_a_lone_one_is_kept() -> None:
    said = message(streamed(chunk(content="a\ud83d"), chunk(content="\ude00b\ud83d"), chunk("stop")))
    assert said.text == "a😀b\ud83d"
    reading = Assembly(ROW, MADE)
    assert reading.add(chunk(content="a\ud83d")) == [Piece("text", "a")]
    assert reading.add(chunk(content="\ude00b")) == [Piece("text", "😀b")]
    assert reading.add(chunk(content="\ude00")) == [Piece("text", "\ude00")]


@given(st.text(st.characters(codec=None, categories=None), max_size=30), st.sets(st.integers(0, 30)))
def test_any_split_of_deltas_gives_the_same_message(text: str, cuts: set[int]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    parts = [text[a:b] for a, b in pairwise(places)]
    named = chunk(tool_calls=[fragment("", "f", index=0, id="c")])
    split = streamed(
        named,
        *(chunk(reasoning=part, content=part, tool_calls=[fragment(part, index=0)]) for part in parts),
        chunk("stop"),
    )
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    said = message(split)
    assert (said.text or "", said.reasoning or "", said.calls[0].arguments) == (joined, joined, joined)


STREAM = "".join(
    f"data: {json.dumps(value, ensure_ascii=False)}{end}{end}"
    for end in ("\n", "\r\n")
    for value in (
        chunk(role="assistant", reasoning_content=""),
        chunk(reasoning_content=" \u2028é"),
        chunk(content="😀\r\n"),
        chunk(tool_calls=[fragment('{"a":', "f", index=0, id="c")]),
        chunk(tool_calls=[fragment(" 1}", index=0)]),
        chunk("tool_calls"),
    )
).encode()


@given(st.lists(st.integers(1, len(STREAM))))
def test_any_chunking_of_a_stream_gives_the_same_message(cuts: list[int]) -> None:
    places = sorted({0, *cuts, len(STREAM)})
    one, many = Reading(ROW, MADE, SSE), Reading(ROW, MADE, SSE)
    shown = one.feed(STREAM)
    pieces = [piece for a, b in pairwise(places) for piece in many.feed(STREAM[a:b])]
    assert pieces == shown
    assert many.end() == one.end()


def test_pieces_are_what_is_new_and_empty_ones_are_not_shown() -> None:
    answer = Assembly(ROW, MADE)
    assert answer.add(chunk(role="assistant", content="", reasoning_content="")) == []
    assert answer.add(chunk(reasoning_content="r", content="t", tool_calls=[fragment("{", "f", index=0)])) == [
        Piece("reasoning", "r"),
        Piece("text", "t"),
        Piece("arguments", "{"),
    ]


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


def test_private_fields_of_the_message_are_merged_by_index() -> None:
    reply = streamed(
        chunk(reasoning_details=[{"type": "reasoning.text", "index": 0, "text": "a", "format": "f"}]),
        chunk(reasoning_details=[{"type": "reasoning.text", "index": 0, "text": "b"}]),
        chunk(reasoning_details=[{"type": "reasoning.text", "index": 0, "signature": "s", "text": None}]),
        chunk(reasoning_details=[{"type": "reasoning.encrypted", "index": 0, "id": "x", "data": "1"}]),
        chunk(reasoning_details=[{"type": "reasoning.encrypted", "index": 0, "id": "y", "data": "2"}]),
        chunk(reasoning_details=[{"type": "reasoning.text", "text": "no index"}, "odd"]),
        chunk(extra_content={"a": 1}, content="t"),
        chunk("stop", extra_content={"b": 2}, annotations=[1]),
    )
    assert message(reply).extras == {
        "reasoning_details": [
            {"type": "reasoning.text", "index": 0, "text": "ab", "format": "f", "signature": "s"},
            {"type": "reasoning.encrypted", "index": 0, "id": "x", "data": "1"},
            {"type": "reasoning.encrypted", "index": 0, "id": "y", "data": "2"},
            {"type": "reasoning.text", "text": "no index"},
            "odd",
        ],
        "extra_content": {"a": 1, "b": 2},
    }


def test_content_may_be_a_list_of_text_and_thinking() -> None:
    said = message(
        streamed(
            chunk(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]),
            chunk(content=[{"type": "thinking", "thinking": "m"}]),
            chunk(content=[{"type": "text", "text": "H"}, {"type": "reference"}, "odd"]),
            chunk("stop", content="i"),
        )
    )
    assert (said.text, said.reasoning, said.carrier) == ("Hi", "hm", "content-parts:thinking")


def test_a_refusal_is_what_the_model_said() -> None:
    assert message(streamed(chunk(refusal="No"), chunk(refusal="."), chunk("stop"))).text == "No."


def test_a_stream_that_ends_with_the_whole_message_says_it_once() -> None:
    again = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
    assert message(streamed(chunk(content="Hi"), again)).text == "Hi"
    both = {"choices": [{"delta": {"content": "Hi"}, "message": {"content": "Hi"}, "finish_reason": "stop"}]}
    assert message(streamed(both)).text == "Hi"


def test_other_choices_are_not_read() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "length"}]}
    assert message(streamed(chunk(content="Hi"), other, chunk("stop"))).text == "Hi"


@pytest.mark.parametrize(
    ("values", "kind", "finish"),
    [
        ([chunk("stop")], "empty", "stop"),
        ([chunk(reasoning_content="only"), chunk("stop", content=" \n")], "empty", "stop"),
        ([chunk(content="half"), chunk("length")], "cut_off", "length"),
        (
            [
                chunk(tool_calls=[fragment('{"a', "f", index=0, id="a")]),
                chunk("insufficient_system_resource"),
            ],
            "cut_off",
            "insufficient_system_resource",
        ),
        ([chunk(content="half"), chunk("content_filter")], "filtered", "content_filter"),
        ([chunk(tool_calls=[fragment("{}", "", index=0, id="a")]), chunk("tool_calls")], "malformed", "tool_calls"),
        ([chunk(content="a"), {"choices": 5}, chunk("stop")], "malformed", "stop"),
        ([chunk(content="a"), {"choices": [5]}, chunk("stop")], "malformed", "stop"),
        ([chunk(content="a"), {"choices": [{"delta": "x"}]}, chunk("stop")], "malformed", "stop"),
        ([chunk(content="a"), chunk(content=5), chunk("stop")], "malformed", "stop"),
        ([chunk(content="a"), chunk(tool_calls={"a": 1}), chunk("stop")], "malformed", "stop"),
        ([chunk(content="a"), chunk(tool_calls=[5]), chunk("stop")], "malformed", "stop"),
        ([chunk(content="a"), chunk(tool_calls=[{"function": 5}]), chunk("stop")], "malformed", "stop"),
    ],
)
def test_answers_of_no_use_are_named(values: Any, kind: str, finish: str) -> None:
    reply = streamed(*values)
    assert isinstance(reply, Unusable), reply
    assert (reply.kind, reply.finish) == (kind, finish)
    assert reply.why


def test_what_was_only_thought_is_said_in_the_reason() -> None:
    reply = streamed(chunk(reasoning_content="only"), chunk("stop"))
    assert isinstance(reply, Unusable)
    assert (reply.why, reply.message.reasoning) == ("neither text nor a tool call, only reasoning", "only")


def test_a_stream_that_ends_too_early_is_broken_and_what_came_is_kept() -> None:
    values = (chunk(reasoning_content="hm"), chunk(content="Hal"))
    assert streamed(*values, done=False) == Broken("the stream ended before the answer did", "Hal", "hm")
    reading = Reading(ROW, MADE, SSE)
    reading.feed(b"".join(b"data: %b\n\n" % json.dumps(value).encode() for value in values) + b'data: {"cho')
    assert reading.begun
    assert reading.end("ReadError: gone") == Broken("ReadError: gone", "Hal", "hm")


def test_an_answer_that_is_whole_counts_also_if_the_connection_breaks_behind_it() -> None:
    reading = Reading(ROW, MADE, SSE)
    reading.feed(b"data: " + json.dumps(chunk("stop", content="Hi")).encode() + b"\n\n")
    assert reading.finished
    reply = reading.end("ReadError: gone")
    assert message(reply).text == "Hi"
    assert isinstance(reply, Answered)
    assert reply.notes == ("behind the answer: ReadError: gone",)


def test_the_end_mark_without_a_finish_reason_is_an_end_and_noted() -> None:
    reply = streamed(chunk(content="Hi"))
    assert message(reply).text == "Hi"
    assert isinstance(reply, Answered)
    assert (reply.finish, reply.notes) == ("stop", ("no finish reason was given",))


def test_an_error_in_mid_answer_breaks_it_off_in_the_services_words() -> None:
    error = {"error": {"message": "over", "code": 502}}
    assert streamed(chunk(content="Hal"), error) == Broken(
        "the service reported an error in place of the answer's rest: over", "Hal", ""
    )
    inside = {"choices": [{"delta": {}, "finish_reason": "error", "error": {"message": "over"}}]}
    assert isinstance(streamed(chunk(content="Hal"), inside), Broken)


def test_an_error_in_place_of_an_answer_can_be_asked_for() -> None:
    for body in ({"error": {"message": "over"}}, [{"error": {"message": "over"}}]):
        reading = Reading(ROW, MADE, "application/json")
        reading.feed(json.dumps(body).encode())
        reply = reading.end()
        assert reading.error
        assert isinstance(reply, Broken)
        assert reply.why.endswith(": over")
    late = Reading(ROW, MADE, SSE)
    late.feed(b"data: " + json.dumps(chunk(content="a")).encode() + b'\n\ndata: {"error":"x"}\n\n')
    assert late.error is None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>busy</html>", "it is not JSON"),
        (b"caf\xff", "it is not JSON"),
        (b'{"ok":true}', "no `choices` in it"),
        (b'"text"', "no `choices` in it"),
        (b"[" * 100_000, "it is not JSON"),
    ],
)
def test_what_is_no_answer_is_malformed_and_its_text_is_kept(body: bytes, why: str) -> None:
    reply = whole(body)
    assert isinstance(reply, Unusable)
    assert (reply.kind, reply.why) == ("malformed", f"not an answer as documented: {why}")
    assert reply.message.text == body.decode("utf-8", "replace")
    named_a_stream = Reading(ROW, MADE, SSE)
    named_a_stream.feed(body)
    assert named_a_stream.end() == reply
    assert named_a_stream.begun


def test_a_line_of_a_stream_that_is_no_json_makes_the_answer_malformed() -> None:
    reading = Reading(ROW, MADE, SSE)
    reading.feed(b"data: oops\n\ndata: " + json.dumps(chunk("stop", content="Hi")).encode() + b"\n\n")
    reply = reading.end()
    assert isinstance(reply, Unusable)
    assert (reply.kind, reply.message.text) == ("malformed", "Hi")
    assert "b'oops'" in reply.why


def test_the_media_type_may_be_wrong_either_way() -> None:
    body = json.dumps(chunk("stop", content="Hi")).encode()
    assert message(whole(b"data: " + body + b"\n\ndata: [DONE]\n\n")).text == "Hi"
    reading = Reading(ROW, MADE, SSE)
    reading.feed(json.dumps({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}, indent=1).encode())
    assert message(reading.end()).text == "Hi"


def test_a_whole_answer_cut_in_the_middle_is_broken() -> None:
    reading = Reading(ROW, MADE, "application/json")
    reading.feed(b'{"choices": [{"mess')
    assert reading.begun
    assert reading.end("ReadError: gone") == Broken("ReadError: gone", "", "")


@pytest.mark.parametrize(
    ("given_usage", "usage"),
    [
        (None, None),
        ({}, None),
        ({"prompt_tokens": None}, None),
        ({"prompt_tokens": 5, "completion_tokens": 2}, (5, 0, 2, 0)),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 8, "completion_tokens": 2}, (9, 8, 2, 0)),
        ({"prompt_tokens": 9, "cached_tokens": 4, "completion_tokens": 2}, (9, 4, 2, 0)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 7,
                "prompt_tokens_details": {"cached_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            (9, 3, 7, 5),
        ),
        (  # a service that counts reasoning apart from the completion
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "total_tokens": 16,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            (9, 0, 7, 5),
        ),
        ({"prompt_tokens": "9", "completion_tokens": 2, "total_tokens": -1, "prompt_tokens_details": 5}, (0, 0, 2, 0)),
    ],
)
def test_usage_is_read_as_reported(given_usage: Any, usage: tuple[int, int, int, int] | None) -> None:
    assert usage_of(given_usage) == (None if usage is None else Usage(*usage, cost=None))


@pytest.mark.parametrize("place", ["first chunk", "finish chunk", "choice", "trailing", "absent"])
def test_usage_may_come_anywhere(place: str) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    last, values = {**chunk("stop"), "usage": None}, [chunk(content="Hi")]
    if place == "first chunk":
        values[0]["usage"] = usage
    if place == "finish chunk":
        last["usage"] = usage
    if place == "choice":
        last["choices"][0]["usage"] = usage
    values.append(last)
    if place == "trailing":
        values.append({"choices": [], "usage": usage})
    reply = streamed(*values)
    assert isinstance(reply, Answered)
    assert reply.usage == (None if place == "absent" else Usage(5, 0, 2, 0, None))


def test_judging_twice_says_the_same() -> None:
    answer = Assembly(ROW, MADE)
    answer.add(chunk("stop", content="Hi"))
    assert judge(answer) == judge(answer)
