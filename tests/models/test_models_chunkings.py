"""Any split of any stream assembles to the same message, and what was shown adds up to it."""

import json
from datetime import date
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agentkit.core.contract import Carrier, Contract
from agentkit.core.messages import Producer
from agentkit.core.request import project
from agentkit.models import chat, contracts
from agentkit.models.assemble import Assembly, judge
from agentkit.models.base import Answered, Broken, Piece, Reply, Unusable
from agentkit.models.reading import Reading
from agentkit.models.sse import Events, Mark
from agentkit.models.text import Track

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


def runs(pieces: list[Piece]) -> list[tuple[str, str]]:
    """Return what was shown, however it was cut."""
    return [(kind, "".join(piece.text for piece in run)) for kind, run in groupby(pieces, key=lambda piece: piece.kind)]


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
EMPTY = st.sampled_from([None, ""])
CONTENT: Any = st.fixed_dictionaries({"content": TEXT}, optional={"reasoning_content": EMPTY, "role": st.just("user")})
THOUGHT: Any = st.fixed_dictionaries(
    {"reasoning_content": TEXT}, optional={"content": EMPTY, "tool_calls": st.just([])}
)
INDICES: Any = st.sampled_from([0, 0, 0, 1, None, "0"])
MORE: Any = st.tuples(INDICES, st.sampled_from(["", '"a":1', '{"a":', "}", "\ud83d", "\ude00", "{}"])).map(
    lambda drawn: {"tool_calls": [{"index": drawn[0], "function": {"arguments": drawn[1]}}]}
)
NOISE = st.sampled_from([b"", b": keep-alive\n\n", b"\r\n", b"event: chunk\n", b'data: {"choices":[]}\n\n'])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Draw a whole stream: deltas, noise, line ends, escaped or not, with or without its end mark."""
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    body = b""
    for delta in [*draw(st.lists(DELTAS | CONTENT | THOUGHT | MORE, max_size=8)), None]:
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
    assert runs(pieces) == runs(at_once)
    reply, pieces = read(row, stream, list(range(len(stream))))
    assert (reply, runs(pieces)) == (whole, runs(at_once))
    if isinstance(reply, Answered):
        said, thought = shown(pieces, "text"), shown(pieces, "reasoning")
        late = reply.message.reasoning is not None and "</think>" in said  # its begin tag stayed in the prompt
        for seen, final in ((said, reply.message.text or ""), (thought, reply.message.reasoning or "")):
            assert late or final.removeprefix(seen) in {"", "\ud83d"}  # the first half of a pair is not shown alone


@settings(deadline=None)
@given(st.sampled_from(ROWS), streams())
def test_plain_chunks_taken_together_come_to_what_the_rules_make_of_each(row: Contract, stream: bytes) -> None:
    taken_together(row, [value for value in Events().feed(stream + b"\n") if value is not Mark.DONE])


def taken_together(row: Contract, values: list[Any]) -> None:
    together, each = Assembly(row, MADE), Assembly(row, MADE)
    pieces = together.take(values)
    assert runs(pieces) == runs([piece for value in values for piece in each.add(value)])
    assert together.message() == each.message()
    assert judge(together) == judge(each)
    assert together.begun == each.begun


def chunk(delta: Any, **more: Any) -> Any:
    return {"choices": [{"index": 0, "delta": delta, **more}]}


def call(arguments: str, **more: Any) -> Any:
    return chunk({"tool_calls": [{"index": 0, "function": {"arguments": arguments, **more}}]})


@pytest.mark.parametrize(
    "values",
    [
        [{**chunk({"content": "a"}), "usage": {"prompt_tokens": 7, "completion_tokens": 1}}],
        [chunk({"content": "a"}, usage={"prompt_tokens": 7, "completion_tokens": 1})],
        [{**chunk({"content": "a"}), "error": {"message": "no"}}],
        [chunk({"content": "a"}, error={"message": "no"})],
        [chunk({"content": "a"}, finish_reason="stop")],
        [
            chunk({"content": "a"}, finish_reason="stop"),
            {**chunk({"content": "b"}), "x_groq": {"usage": {"prompt_tokens": 7}}},
        ],
        [chunk({"content": "a"}, index=1)],
        [{"choices": [*chunk({"content": "a"})["choices"], *chunk({"content": "b"})["choices"]]}],
        [chunk({"content": "a", "reasoning_content": "b"}), chunk({"reasoning_content": "c", "content": "d"})],
        [chunk({"content": "a", "refusal": "b"}), chunk({"refusal": ""})],
        [chunk({"content": [{"type": "thinking", "thinking": "h"}]}), chunk({"content": "a"})],
        [chunk({"content": "a"}), chunk({"content": [{"type": "thinking", "thinking": "h"}]}), chunk({"content": "b"})],
        [chunk({"reasoning_content": ""}), chunk({"reasoning_content": "a"}), chunk({"content": ""})],
        [call("", name="f"), call('{"a":1}'), call('{"a":1}')],
        [call("", name="f"), call('{"a":1}', name="f"), call('{"b":1}', name="g"), call(" ")],
        [
            call("", name="f"),
            call('{"a":'),
            call("1}"),
            chunk({"tool_calls": [{"index": 1, "function": {"name": "g"}}]}),
        ],
        [call("{", name="f"), chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"arguments": "}"}}]})],
        [
            call(" ", name="f"),
            chunk({"tool_calls": [{"index": 0, "extra_content": 1, "function": {"arguments": "}"}}]}),
        ],
        [call("{", name="f"), chunk({"content": "a", "tool_calls": call("}")["choices"][0]["delta"]["tool_calls"]})],
        [call("{", name="f"), chunk({"tool_calls": [], "content": None, "function_call": {}, "role": "assistant"})],
        [chunk({"function_call": {"name": "f", "arguments": "{"}}), chunk({"function_call": {"arguments": "}"}})],
        [chunk({"reasoning_details": [{"type": "reasoning.text", "text": "h"}], "content": ""})],
        [
            chunk({"content": 7}),
            chunk({"content": "a"}),
            chunk({"reasoning_content": ["h"]}),
            chunk("odd"),
            chunk(None),
        ],
    ],
    ids=lambda values: json.dumps(values)[:60],
)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_what_says_more_than_a_plain_chunk_is_heard(row: Contract, values: list[Any]) -> None:
    taken_together(row, [*values, chunk({}, finish_reason="stop")])


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
        assert (reply, runs(pieces)) == (whole, runs(at_once)), name
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


@pytest.mark.parametrize(("second", "shown"), [("x", "\ud83dx"), ("\ude00", "\N{GRINNING FACE}"), ("", "")])
def test_half_a_pair_waits_for_what_comes_next_and_is_shown_with_it(second: str, shown: str) -> None:
    track = Track()
    assert (track.add("a"), track.add("\ud83d"), track.add(second)) == ("a", "", shown)
    assert track.text() == ("a\ud83d" if not second else "a" + shown)
