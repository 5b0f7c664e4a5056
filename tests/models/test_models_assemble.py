import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.core.contract import Carrier, Contract
from agentkit.core.messages import AssistantMessage, Producer, ToolCall
from agentkit.core.request import project
from agentkit.models import chat
from agentkit.models.assemble import Assembly
from agentkit.models.base import Answered, Piece, Reply
from agentkit.models.private import merged
from agentkit.models.reading import Reading

ROW = Contract(id="row")
MADE = Producer("m", "row", "h")
SSE = "text/event-stream; charset=utf-8"


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def fragment(arguments: str | None = None, name: str | None = None, **rest: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **rest}


def streamed(*values: Any, row: Contract = ROW) -> Reply:
    reading = Reading(row, MADE, SSE)
    for value in values:
        reading.feed(b"data: " + json.dumps(value).encode() + b"\n\n")
    reading.feed(b"data: [DONE]\n\n")
    return reading.end()


def whole(value: Any, row: Contract = ROW) -> Reply:
    reading = Reading(row, MADE, "application/json")
    reading.feed(b"\n\n \n" + json.dumps(value).encode())
    return reading.end()


def message(reply: Reply) -> AssistantMessage:
    assert isinstance(reply, Answered), reply
    return reply.message


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


def keeping(*opaque: str, beside: tuple[str, ...] = (), **more: Any) -> Contract:
    return Contract(id="row", carrier=Carrier(opaque=opaque, beside_calls=beside, **more))


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
        row=keeping("reasoning_details", "extra_content"),
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


def details(*deltas: list[Any]) -> Any:
    values = [chunk(reasoning_details=entries) for entries in deltas]
    return message(streamed(*values, chunk("stop", content="t"), row=keeping("reasoning_details"))).extras


def test_entries_interleave_and_keep_the_order_in_which_they_began() -> None:
    assert details(
        [{"index": 1, "type": "s", "summary": "b"}, {"index": 0, "type": "s", "summary": "a"}],
        [{"index": 0, "type": "s", "summary": "A"}, {"index": 1, "type": "s", "summary": "B", "id": "late"}],
        [{"index": "1", "type": "s", "summary": "!", "id": None}, {"index": 1, "type": "s", "id": "new", "x": None}],
        [{"index": 1, "type": "s", "summary": "?", "id": "late"}],
    ) == {
        "reasoning_details": [
            {"index": 1, "type": "s", "summary": "bB!?", "id": "late"},
            {"index": 0, "type": "s", "summary": "aA"},
            {"index": 1, "type": "s", "id": "new", "x": None},
        ]
    }


def test_entries_all_under_one_index_stay_apart_and_whole() -> None:
    text, seal = {"index": 0, "type": "t"}, {"index": 0, "type": "e"}
    assert details(
        [{**text, "text": "a", "id": None}],
        [{**text, "text": "", "signature": "s1"}],
        [{**text, "text": "b"}],
        [{**text, "signature": "s2"}],
        [{**seal, "data": "1"}],
        [{**text, "text": "c"}],
        [{**seal, "data": "2"}],
        [{**seal, "data": "3"}, {**seal, "data": "4", "id": "call"}],
    ) == {
        "reasoning_details": [
            {**text, "text": "a", "id": None, "signature": "s1"},
            {**text, "text": "b", "signature": "s2"},
            {**seal, "data": "1"},
            {**text, "text": "c"},
            {**seal, "data": "2"},
            {**seal, "data": "3"},
            {**seal, "data": "4", "id": "call"},
        ]
    }


def test_entries_without_index_and_id_go_on_while_nothing_comes_between() -> None:
    assert details(
        [{"type": "t", "text": "a"}],
        [{"type": "t", "text": "b"}],
        [{"type": "e", "data": "1"}],
        [{"type": "e", "data": "2"}],
        [{"type": "t", "text": "c"}],
    ) == {
        "reasoning_details": [
            {"type": "t", "text": "ab"},
            {"type": "e", "data": "1"},
            {"type": "e", "data": "2"},
            {"type": "t", "text": "c"},
        ]
    }


def test_private_fields_of_a_whole_answer_are_kept_to_the_letter() -> None:
    entries = [{"index": 0, "type": "t", "text": "a"}, {"index": 0, "type": "t", "text": "b", "signature": None}]
    body = {"choices": [{"message": {"content": "t", "reasoning_details": entries}, "finish_reason": "stop"}]}
    assert message(whole(body, keeping("reasoning_details"))).extras == {"reasoning_details": entries}


def test_a_private_list_and_its_next_fragment_are_one_list() -> None:
    first, second = {"index": 0, "type": "t", "text": "a"}, {"index": 0, "type": "t", "text": "b"}
    assert merged([first], [second]) == [{"index": 0, "type": "t", "text": "ab"}]
    assert merged(None, [first, second]) == [first, second]


def test_private_texts_go_end_to_end_and_objects_member_by_member() -> None:
    said = message(
        streamed(
            chunk(sealed="a", box={"in": {"x": "1"}}),
            chunk(sealed="b", box={"in": {"y": "2"}, "n": None}),
            chunk("stop", sealed="", box=None, content="t"),
            row=keeping("sealed", "box"),
        )
    )
    assert said.extras == {"sealed": "ab", "box": {"in": {"x": "1", "y": "2"}, "n": None}}


def test_reasoning_that_is_no_text_is_reported() -> None:
    odd = [chunk(reasoning={"content": "hm"}), chunk(reasoning={"content": "hm"}), chunk(reasoning={"content": ""})]
    reply = streamed(*odd, chunk("stop", content="t"))
    assert isinstance(reply, Answered)
    assert (reply.message.reasoning, reply.notes) == (None, ("`reasoning` came as dict, not as text: it was not read",))


def test_a_private_field_that_says_nothing_is_none() -> None:
    hollow = {"google": {"thought_signature": ""}}
    said = message(streamed(chunk("stop", extra_content=hollow, content="t"), row=keeping("extra_content")))
    assert said.extras == {}


def test_private_fields_the_row_does_not_name_are_not_kept() -> None:
    call = {**fragment("{}", "f", index=0, id="a"), "extra_content": {"s": 1}}
    said = message(streamed(chunk(reasoning_details=[{"text": "a"}], content="t", tool_calls=[call]), chunk("stop")))
    assert (said.extras, said.calls[0].extras, said.reasoning) == ({}, {}, None)


def test_thinking_that_came_in_a_private_list_alone_is_shown_and_goes_back_there_alone() -> None:
    row = keeping("reasoning_details")
    entries = [{"index": 0, "type": "t", "text": "hm"}, {"index": 1, "type": "e", "data": "x"}]
    reply = streamed(
        chunk(reasoning_details=entries[:1]), chunk("stop", reasoning_details=entries[1:], content="t"), row=row
    )
    said = message(reply)
    assert (said.reasoning, said.carrier) == ("hm", "reasoning_details")
    [sent] = chat.messages(project(said, row, "m", retained=True), row)
    assert sent == {"role": "assistant", "content": "t", "reasoning_details": entries}
    both = row.model_copy(update={"carrier": row.carrier.model_copy(update={"with_opaque": "both"})})
    [sent] = chat.messages(project(said, both, "m", retained=True), both)
    assert sent["reasoning_details"] == entries


def test_a_text_field_counts_before_the_private_list_that_repeats_it() -> None:
    value = chunk("stop", reasoning="hm", reasoning_details=[{"type": "t", "text": "hm"}], content="t")
    said = message(streamed(value, row=keeping("reasoning_details")))
    assert (said.reasoning, said.carrier) == ("hm", "reasoning")


def test_a_refusal_is_what_the_model_said() -> None:
    assert message(streamed(chunk(refusal="No"), chunk(refusal="."), chunk("stop"))).text == "No."


def test_a_stream_that_ends_with_the_whole_message_says_it_once() -> None:
    again = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
    assert message(streamed(chunk(content="Hi"), again)).text == "Hi"
    both = {"choices": [{"delta": {"content": "Hi"}, "message": {"content": "Hi"}, "finish_reason": "stop"}]}
    assert message(streamed(both)).text == "Hi"


def test_a_whole_message_at_the_end_adds_what_was_not_said() -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
    entries = [{"type": "e", "data": "1"}, {"type": "t", "text": "hm"}]
    last: Any = {"content": "Hi", "reasoning": "hm", "tool_calls": [call], "reasoning_details": entries}
    end = {"choices": [{"message": last, "finish_reason": "tool_calls"}]}
    for begin in ({"content": "Hi"}, {"reasoning": "hm"}, {"tool_calls": [call]}, {"reasoning_details": entries[1:]}):
        said = message(streamed(chunk(**begin), end, row=keeping("reasoning_details")))
        assert (said.text, said.reasoning, [call.name for call in said.calls]) == ("Hi", "hm", ["f"])
        assert said.extras["reasoning_details"] == (entries[1:] if "reasoning_details" in begin else entries)


def test_chunks_without_choices_say_nothing() -> None:
    odd: tuple[Any, ...] = ({"choices": None}, {"choices": []}, {"object": "heartbeat"}, 5, None)
    assert message(streamed(*odd, chunk(content="Hi"), *odd, chunk("stop"))).text == "Hi"


def test_other_choices_are_not_read() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "length"}]}
    assert message(streamed(chunk(content="Hi"), other, chunk("stop"))).text == "Hi"


def test_the_first_choice_may_be_numbered_in_text_or_not_at_all() -> None:
    for index in ({}, {"index": None}, {"index": "0"}):
        value = {"choices": [{**index, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}
        assert message(streamed(value)).text == "Hi"


@pytest.mark.parametrize(
    "choice",
    [
        {"delta": None, "message": {"content": "Hi"}},
        {"text": "Hi"},
        {"message": {"content": "Hi", "role": "assistant", "function_call": {"name": "", "arguments": ""}}},
    ],
)
def test_older_and_looser_shapes_of_a_choice_are_read(choice: Any) -> None:
    assert message(whole({"choices": [{**choice, "finish_reason": "eos"}]})).text == "Hi"


def test_a_call_in_the_form_before_tool_calls_is_a_call() -> None:
    values = (chunk(function_call={"name": "f", "arguments": ""}), chunk(function_call={"arguments": '{"a":1}'}))
    assert message(streamed(*values, chunk("function_call"))).calls == (
        ToolCall("call_0", "f", '{"a":1}', given_id=""),
    )


def test_a_list_around_an_answer_is_opened() -> None:
    assert message(whole([{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}])).text == "Hi"
