"""Answers of the Responses wire: streamed or whole, complete or not, they read as the same message."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit.core.contract import ITEMS
from agentkit.core.messages import ToolCall
from agentkit.models.base import Answered, Broken, Piece, Unusable
from agentkit.models.outputs import Outputs
from agentkit.models.reading import Reading
from tests.models.responses_events import (
    CALL,
    MADE,
    MESSAGE,
    OUTPUT,
    ROW,
    SAID,
    THOUGHT,
    USAGE,
    WORDS,
    events,
    items,
    message,
    response,
    sse,
    streamed,
    whole,
)


def test_streamed_and_whole_give_the_same_message() -> None:
    one, many = whole(response(OUTPUT, usage=USAGE)), streamed(*events(OUTPUT))
    assert one == many
    said = message(one)
    assert (said.text, said.reasoning, said.calls, said.carrier) == (SAID.text, SAID.reasoning, SAID.calls, ITEMS)
    assert items(one) == OUTPUT
    assert isinstance(one, Answered)
    assert one.finish == "tool_calls"
    assert one.usage is not None
    assert (one.usage.input_tokens, one.usage.cached_tokens) == (9, 4)
    assert (one.usage.output_tokens, one.usage.reasoning_tokens) == (5, 2)


def test_arguments_that_are_no_text() -> None:
    told = {"type": "response.completed", "response": response([{**CALL, "arguments": {"q": 1}}])}
    reply = streamed(told)
    assert message(reply).calls == (ToolCall("c1", "find", '{"q":1}'),)
    assert items(reply) == [{**CALL, "arguments": {"q": 1}}]


@pytest.mark.parametrize(
    ("details", "finish", "kind"),
    [
        ({"reason": "max_output_tokens"}, "length", "cut_off"),
        ({"reason": "content_filter"}, "content_filter", "filtered"),
        ({"reason": "tired"}, "incomplete", "malformed"),
        (None, "incomplete", "malformed"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_an_incomplete_answer_is_of_no_use(details: Any, finish: str, kind: str, stream: bool) -> None:  # noqa: FBT001
    end = response([WORDS, {**CALL, "status": "incomplete"}], "incomplete", incomplete_details=details, usage=USAGE)
    reply = streamed({"type": "response.incomplete", "response": end}) if stream else whole(end)
    assert isinstance(reply, Unusable)
    assert (reply.finish, reply.kind, reply.message.reasoning) == (finish, kind, "hm hm")
    assert reply.usage is not None


def test_finish_is_stop_without_calls_and_nothing_is_empty() -> None:
    reply = whole(response([MESSAGE]))
    assert isinstance(reply, Answered)
    assert reply.finish == "stop"
    assert message(reply).reasoning is None
    for output in ([], [THOUGHT]):
        empty = whole(response(output))
        assert isinstance(empty, Unusable)
        assert empty.kind == "empty"


def test_an_answer_cut_off_by_the_line_keeps_what_came() -> None:
    told = events(OUTPUT)
    broken = streamed(*told[: next(at for at, e in enumerate(told) if e.get("delta") == "Hi") + 1])
    assert broken == Broken("the stream ended before the answer did", "Hi", "Sumhm hm")
    assert isinstance(streamed(*told[:-1]), Broken)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"type": "error", "code": "server_error", "message": "Oops"}, "server_error"),
        ({"type": "error", "error": {"code": "rate_limit_exceeded", "message": "Oops"}}, "rate_limit_exceeded"),
        ({"type": "response.failed", "response": response([], "failed", error={"code": 503, "message": "Oops"})}, 503),
        ({"type": "response.cancelled", "response": response([], "cancelled")}, None),
        ({"error": {"code": "odd", "message": "Oops"}}, "odd"),
        ({"code": "invalid_prompt", "error": "Oops"}, "invalid_prompt"),
        ({"message": "Oops"}, None),
    ],
)
def test_an_error_in_place_of_an_answer(error: dict[str, Any], code: object) -> None:
    for kind, data in (("text/event-stream", sse([events([])[0], error])), ("application/json", sse([error])[6:])):
        reading = Reading(ROW, MADE, kind)
        reading.feed(data if kind != "application/json" else json.dumps(error.get("response", error)).encode())
        reply = reading.end()
        assert isinstance(reply, Broken)
        assert reading.error.get("code") == code
    begun = Reading(ROW, MADE, "text/event-stream")
    begun.feed(sse([*events([WORDS])[:-1], error]))
    reply = begun.end()
    assert begun.error is None
    assert isinstance(reply, Broken)
    assert reply.reasoning == "hm hm"


@pytest.mark.parametrize(
    "value",
    [
        {"object": "response", "output": {}},
        {"object": "response", "output": ["x"]},
        response([MESSAGE], "queued"),
        {"x": 1},
        5,
        "x",
        "{",
    ],
)
def test_what_is_no_answer_is_malformed(value: Any) -> None:
    reply = whole(value)
    assert isinstance(reply, Unusable | Broken), reply
    assert not isinstance(reply, Unusable) or (reply.kind == "malformed" and "choices" not in reply.why)


def test_halves_of_a_pair_are_shown_together() -> None:
    answer = Outputs(ROW, MADE)
    told = [answer.add({"type": "response.output_text.delta", "delta": delta}) for delta in ("a\ud83d", "\ude00b")]
    assert told == [[Piece("text", "a")], [Piece("text", "😀b")]]
    assert answer.message().text == "a😀b"


@given(st.data())
@settings(deadline=None)
def test_any_split_of_the_bytes_gives_the_same_pieces_and_message(data: st.DataObject) -> None:
    raw = sse(events(OUTPUT))
    cuts = data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=12))
    reading = Reading(ROW, MADE, "text/event-stream")
    shown = [piece for a, b in pairwise([0, *sorted(cuts), len(raw)]) for piece in reading.feed(raw[a:b])]
    assert reading.finished
    assert reading.end() == whole(response(OUTPUT, usage=USAGE))
    assert "".join(piece.text for piece in shown if piece.kind == "text") == SAID.text


ODD: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.sampled_from(["", "rs_1", "completed", "message", "function_call", "reasoning"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "id", "item_id", "content", "text", "arguments", "status", "output", "error"]),
            inner,
        )
    ),
    max_leaves=8,
)
EVENT = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from([*{event["type"] for event in events(OUTPUT)}, "error", "response.failed"]) | ODD,
        **dict.fromkeys(
            ["item", "response", "delta", "output_index", "item_id", "text", "arguments", "content_index", "part"], ODD
        ),
    },
)


@given(st.lists(EVENT | ODD, max_size=6))
@settings(deadline=None)
def test_nothing_a_server_sends_is_a_crash(values: list[Any]) -> None:
    reading = Reading(ROW, MADE, "text/event-stream")
    for value in values:
        reading.feed(b"data: " + json.dumps(value).encode() + b"\n\n")
    assert isinstance(reading.end(), Answered | Unusable | Broken)
