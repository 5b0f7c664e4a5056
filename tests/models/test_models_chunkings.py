"""Any split of any stream assembles to the same message, and what was shown adds up to it."""

import json
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agentkit.core.contract import Carrier, Contract
from agentkit.core.messages import Producer
from agentkit.core.request import project
from agentkit.models import chat, contracts
from agentkit.models.base import Answered, Broken, Piece, Reply, Unusable
from agentkit.models.reading import Reading

RECORDED = Path(__file__).parents[2].parent / "shared" / "fixtures"
MADE = Producer("m", "row")
PRIVATE = ("reasoning_details",)
ROWS = (
    Contract(id="plain"),
    Contract(id="tags", carrier=Carrier(tags=(("<think>", "</think>"),), opaque=PRIVATE)),
    Contract(id="mending", repairs=("think", "dsml"), carrier=Carrier(opaque=PRIVATE, beside_calls=("extra_content",))),
)
WORDS = st.sampled_from(
    [
        "<think>",
        "</think>",
        "<|DSML|invoke",
        "<",
        "\n",
        " ",
        "\u2028",
        "\x85",
        "é",
        "😀",
        "\ud83d",
        "\ude00",
        "a",
        "\r\n",
    ]
)
TEXT = st.lists(WORDS, max_size=6).map("".join)


def read(row: Contract, stream: bytes, cuts: list[int]) -> tuple[Reply, list[Piece]]:
    reading = Reading(row, MADE, "text/event-stream")
    places = sorted({0, *(cut % (len(stream) + 1) for cut in cuts), len(stream)})
    pieces = [piece for start, end in pairwise(places) for piece in reading.feed(stream[start:end])]
    return reading.end(), pieces


def shown(pieces: list[Piece], kind: str) -> str:
    return "".join(piece.text for piece in pieces if piece.kind == kind)


@st.composite
def fragments(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a fragment of a call, with the quirks services have."""
    name = draw(st.sampled_from([None, "", "f"]))
    function = {"name": name, "arguments": draw(st.sampled_from([None, "", "{}", '{"a":', '"😀"}', {"a": 1}]))}
    index: dict[str, Any] = draw(st.sampled_from([{}, {"index": None}, {"index": 0}, {"index": 1}, {"index": "1"}]))
    call_id: dict[str, Any] = draw(st.sampled_from([{}, {"id": None}, {"id": ""}, {"id": "a"}, {"id": 7}]))
    return {"function": draw(st.sampled_from([function, function, None])), **index, **call_id}


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a fragment of a private list."""
    entry: dict[str, Any] = {"type": draw(st.sampled_from(["reasoning.text", "reasoning.encrypted"]))}
    entry |= draw(st.sampled_from([{}, {"index": 0}, {"index": 1}]))
    return entry | draw(st.sampled_from([{"text": "h"}, {"text": None, "signature": "s"}, {"data": "x"}, {"id": "i"}]))


CHUNKS = st.sampled_from([{"type": "reference"}, "odd", {"type": "thinking", "thinking": "h"}]) | TEXT.flatmap(
    lambda text: st.sampled_from(
        [{"type": "text", "text": text}, {"type": "thinking", "thinking": [{"type": "text", "text": text}]}]
    )
)
DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "content": TEXT | st.none() | st.lists(CHUNKS, max_size=2),
        "reasoning_content": TEXT | st.none(),
        "tool_calls": st.lists(fragments(), max_size=2),
        "reasoning_details": st.lists(entries(), max_size=2),
    },
)
NOISE = st.sampled_from([b"", b": keep-alive\n\n", b"\r\n", b"event: chunk\n", b'data: {"choices":[]}\n\n'])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Draw a whole stream: deltas, noise, line ends, escaped or not, with or without its end mark."""
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    body = b""
    for delta in [*draw(st.lists(DELTAS, max_size=8)), None]:
        choice = {"index": 0, "delta": delta or {}, "finish_reason": None if delta is not None else "stop"}
        text = json.dumps({"choices": [choice]}, ensure_ascii=draw(st.booleans()))
        body += draw(NOISE) + f"data: {text}{end}{end}".encode("utf-8", "backslashreplace")
    return body + draw(st.sampled_from([b"", b"data: [DONE]\n\n"]))


@settings(deadline=None)
@given(st.sampled_from(ROWS), streams(), st.lists(st.integers(0, 10_000), max_size=20))
def test_any_cut_of_any_stream_gives_the_same_answer(row: Contract, stream: bytes, cuts: list[int]) -> None:
    whole, at_once = read(row, stream, [])
    reply, pieces = read(row, stream, cuts)
    assert reply == whole
    assert pieces == at_once
    assert read(row, stream, list(range(len(stream)))) == (whole, at_once)
    if isinstance(reply, Answered):
        said, thought = shown(pieces, "text"), shown(pieces, "reasoning")
        late = reply.message.reasoning is not None and "</think>" in said  # its begin tag stayed in the prompt
        for seen, final in ((said, reply.message.text or ""), (thought, reply.message.reasoning or "")):
            assert late or final.removeprefix(seen) in {"", "\ud83d"}  # the first half of a pair is not shown alone


KEYS = (
    "choices", "delta", "message", "content", "text", "type", "thinking", "reasoning", "reasoning_content",
    "reasoning_details", "summary", "index", "id", "tool_calls", "function", "name", "arguments", "function_call",
    "extra_content", "usage", "prompt_tokens", "total_tokens", "error", "code", "finish_reason", "refusal", "detail",
    "signature", "prompt_tokens_details",
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers(-1, 2) | st.just(0.5) | st.sampled_from(["", "text", "thinking", "a"])
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=30,
)
SHAPES = st.fixed_dictionaries(
    {
        "choices": st.lists(
            st.fixed_dictionaries({}, optional=dict.fromkeys(("delta", "message", "index"), JSON)), max_size=2
        )
    },
    optional={"usage": JSON, "error": JSON},
)
SAID = st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS[3:21], JSON))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    row=st.sampled_from(ROWS),
    values=st.lists(JSON | SHAPES | SAID.map(lambda said: {"choices": [{"delta": said}]}), max_size=4),
    stream=st.booleans(),
)
def test_no_shape_makes_the_reader_fall(row: Contract, values: list[Any], *, stream: bool) -> None:
    reading = Reading(row, MADE, "text/event-stream" if stream else "application/json")
    for value in values:
        reading.feed(b"data: " + json.dumps(value).encode() + b"\n\n" if stream else json.dumps(value).encode())
    reading.feed(b"data: [DONE]\n\n" if stream else b"")
    reply = reading.end("cut")
    assert isinstance(reply, Answered | Unusable | Broken)
    if not isinstance(reply, Broken):
        [sent] = chat.messages(project(reply.message, row, "m", retained=True), row)
        assert json.loads(json.dumps(sent))["role"] == "assistant"


@cache
def recorded() -> list[tuple[str, bytes]]:
    found = []
    for path in sorted(RECORDED.rglob("*.json")):
        for number, exchange in enumerate(json.loads(path.read_text("utf-8"))["exchanges"]):
            if "event-stream" in exchange["content_type"]:
                found.append((f"{path.stem}/{number}", exchange["body"].encode()))
    return found


@pytest.mark.skipif(not RECORDED.is_dir(), reason="../shared/fixtures, the recorded answers, is not there")
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_any_cut_of_a_recorded_stream_gives_the_same_answer(data: st.DataObject) -> None:
    name, stream = data.draw(st.sampled_from(recorded()))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=40))
    for row in (*ROWS, contracts.named("generic", date(2026, 11, 21))):
        whole, at_once = read(row, stream, [])
        reply, pieces = read(row, stream, cuts)
        assert (reply, pieces) == (whole, at_once), name
        if isinstance(reply, Answered):
            assert shown(pieces, "text") == (reply.message.text or "")
            assert shown(pieces, "reasoning") == (reply.message.reasoning or "")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
@given(TEXT, TEXT, st.lists(st.integers(0, 30)), st.lists(st.integers(0, 30)))
@example("</think><|DSML|invokea", "", [], [21])  # cut where only the next letter tells that it is no markup
def test_any_cut_of_the_texts_into_deltas_gives_the_same_message(
    row: Contract, text: str, thought: str, first: list[int], second: list[int]
) -> None:
    def stream(pieces: list[tuple[str, str]]) -> Reply:
        call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}
        reading = Reading(row, MADE, "text/event-stream")
        for name, piece in [("reasoning_content", ""), *pieces]:
            value = {"choices": [{"delta": {name: piece}}]}
            reading.feed(b"data: " + json.dumps(value).encode() + b"\n")
        reading.feed(b'data: {"choices":[{"delta":{"tool_calls":[' + json.dumps(call).encode() + b"]}}]}\n")
        reading.feed(b'data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}\n')
        return reading.end()

    def cut(name: str, whole: str, places: list[int]) -> list[tuple[str, str]]:
        at = sorted({0, len(whole), *(place for place in places if place < len(whole))})
        return [(name, whole[start:end]) for start, end in pairwise(at)]

    one = stream([("reasoning_content", thought), ("content", text)])
    assert stream([*cut("reasoning_content", thought, first), *cut("content", text, second)]) == one
