import json
from typing import Any

import pytest

from agentkit.core.contract import Contract
from agentkit.core.messages import AssistantMessage, Producer
from agentkit.core.spec import Usage
from agentkit.models.assemble import Assembly, judge
from agentkit.models.base import Answered, Broken, Reply, Unusable
from agentkit.models.reading import Reading
from agentkit.models.usage import usage_of

ROW = Contract(id="row")
MADE = Producer("m", "row", "h")
SSE = "text/event-stream; charset=utf-8"


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def fragment(arguments: str | None = None, name: str | None = None, **rest: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **rest}


def streamed(*values: Any, done: bool = True) -> Reply:
    reading = Reading(ROW, MADE, SSE)
    for value in values:
        reading.feed(b"data: " + json.dumps(value).encode() + b"\n\n")
    if done:
        reading.feed(b"data: [DONE]\n\n")
    return reading.end()


def whole(value: bytes) -> Reply:
    reading = Reading(ROW, MADE, "application/json")
    reading.feed(value)
    return reading.end()


def message(reply: Reply) -> AssistantMessage:
    assert isinstance(reply, Answered), reply
    return reply.message


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
        ([chunk(content="half"), chunk("content_filter: RECITATION")], "filtered", "content_filter: RECITATION"),
        ([chunk(content="half"), chunk("SAFETY")], "filtered", "SAFETY"),
        ([chunk(content="half"), chunk("model_length")], "cut_off", "model_length"),
        ([chunk(content="half"), chunk("aborted")], "cut_off", "aborted"),
        ([chunk(content="half"), chunk("error")], "cut_off", "error"),
        ([chunk(content="half"), chunk("MALFORMED_FUNCTION_CALL")], "malformed", "MALFORMED_FUNCTION_CALL"),
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


def test_unknown_finish_reasons_are_kept_and_do_no_harm() -> None:
    for finish in ("eos", "end_turn", "COMPLETE", "function_call"):
        reply = streamed(chunk(finish, content="Hi"))
        assert isinstance(reply, Answered)
        assert reply.finish == finish


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
    bare = {"object": "error", "message": "over", "code": 400}
    loose = {"detail": "over"}
    for body in ({"error": {"message": "over"}}, [{"error": {"message": "over"}}], {"error": "over"}, bare, loose):
        reading = Reading(ROW, MADE, "application/json")
        reading.feed(json.dumps(body).encode())
        reply = reading.end()
        assert reading.error
        assert isinstance(reply, Broken)
        assert reply.why.endswith(": over")
    late = Reading(ROW, MADE, SSE)
    late.feed(b"data: " + json.dumps(chunk(content="a")).encode() + b'\n\ndata: {"error":"x"}\n\n')
    assert late.error is None


def test_an_empty_first_delta_says_nothing_before_an_error() -> None:
    error = {"error": {"message": "over", "code": 429}}
    for said, expected in (({"role": "assistant", "content": ""}, error["error"]), ({"reasoning": "hm"}, None)):
        reading = Reading(ROW, MADE, SSE)
        for value in (chunk(**said), error):
            reading.feed(b"data: " + json.dumps(value).encode() + b"\n\n")
        assert reading.error == expected
        assert isinstance(reading.end(), Broken)


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
        ({"prompt_tokens": 5.0, "completion_tokens": 2.0}, (5, 0, 2, 0)),
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
        (
            {
                "input_tokens": 9,
                "output_tokens": 7,
                "input_tokens_details": {"cached_tokens": 3},
                "output_tokens_details": {"reasoning_tokens": 5},
            },
            (9, 3, 7, 5),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 7, "num_cached_tokens": 3, "reasoning_tokens": 5},
            (9, 3, 7, 5),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 7,
                "total_tokens": None,
                "prompt_tokens_details": None,
                "completion_tokens_details": None,
            },
            (9, 0, 7, 0),
        ),
        ({"prompt_tokens": "9", "completion_tokens": 2, "total_tokens": -1, "prompt_tokens_details": 5}, (0, 0, 2, 0)),
    ],
)
def test_usage_is_read_as_reported(given_usage: Any, usage: tuple[int, int, int, int] | None) -> None:
    assert usage_of(given_usage) == (None if usage is None else Usage(*usage, cost=None))


@pytest.mark.parametrize("place", ["first chunk", "finish chunk", "choice", "private", "trailing", "absent"])
def test_usage_may_come_anywhere(place: str) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    last, values = {**chunk("stop"), "usage": None}, [chunk(content="Hi")]
    if place == "first chunk":
        values[0]["usage"] = usage
    if place == "finish chunk":
        last["usage"] = usage
    if place == "choice":
        last["choices"][0]["usage"] = usage
    if place == "private":
        last["x_service"] = {"id": "r", "usage": usage}
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


def test_an_answer_that_breaks_off_inside_markup_gives_no_half_call() -> None:
    reading = Reading(Contract(id="row", repairs=("dsml",)), MADE, SSE)
    value = chunk(content='Hi <|DSML|tool_calls><|DSML|invoke name="f">')
    reading.feed(b"data: " + json.dumps(value).encode() + b"\n\n")
    assert reading.end() == Broken("the stream ended before the answer did", "Hi ", "")


def test_notes_are_told_once() -> None:
    answer = Assembly(ROW, MADE)
    answer.add(chunk("stop", tool_calls=[fragment("{}", "f", index=0)]))
    first = judge(answer)
    assert isinstance(first, Answered)
    assert first.notes == ("call 0: id '' cannot be used, another takes its place",)
    assert judge(answer) == first
