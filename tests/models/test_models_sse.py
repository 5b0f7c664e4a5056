import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.models.sse import Events, Mark, decode

NASTY = " \u2028\x85\x0b😀\\n"


def read(*chunks: bytes) -> tuple[list[Any], Events]:
    events = Events()
    values = [value for chunk in chunks for value in events.feed(chunk)]
    return values + events.end(), events


def test_lines_end_at_cr_lf_and_crlf_and_nowhere_else() -> None:
    text = json.dumps({"t": NASTY}, ensure_ascii=False).encode()
    for end in (b"\n", b"\r\n", b"\r"):
        values, events = read(b"data: " + text + end + end + b"data:" + text + end + b": comment" + end)
        assert values == [{"t": NASTY}, {"t": NASTY}]
        assert not events.bad
        assert not events.stray


def test_comments_other_fields_and_blank_lines_say_nothing() -> None:
    values, events = read(
        b"\xef\xbb\xbf: keep-alive\n\n\n\nevent: x\nid: 1\nretry: 5\ndata:\n\ndata: 1\n\ndata: [DONE]\n\n"
    )
    assert values == [1, Mark.DONE]
    assert not events.bad
    assert not events.stray


def test_a_value_comes_with_its_line_and_may_fill_several() -> None:
    events = Events()
    assert events.feed(b'data: {"a":1}\n') == [{"a": 1}]
    assert events.feed(b'data: {\ndata: "a": 2}\ndata: 3\n') == [{"a": 2}, 3]
    assert events.feed(b"data: {\r") == []
    assert events.feed(b'\ndata: "a": 4}\r\n') == [{"a": 4}]  # a CRLF in two reads is one line end
    assert not events.bad


def test_a_last_line_without_end_counts_if_it_is_whole() -> None:
    assert read(b"data: [DONE]")[0] == [Mark.DONE]
    assert read(b'data: {"a"')[0] == []
    assert read(b'data: {"a":1}\r')[0] == [{"a": 1}]


def test_what_is_not_json_is_kept_apart() -> None:
    assert read(b"data: oops\n\ndata: 1\n\n")[1].bad == [b"oops"]
    assert read(b'{"error":\n"x"}\n')[1].stray == [b'{"error":', b'"x"}']


@given(
    st.lists(st.text(st.characters(codec="utf-8")), max_size=5),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.lists(st.integers(0, 400)),
)
def test_any_chunking_gives_the_same_values(texts: list[str], end: str, cuts: list[int]) -> None:
    stream = "".join(f"data: {json.dumps(text, ensure_ascii=False)}{end}{end}" for text in texts).encode()
    places = sorted({0, *(cut for cut in cuts if cut < len(stream)), len(stream)})
    chunks = [stream[a:b] for a, b in pairwise(places)]
    assert read(*chunks)[0] == read(stream)[0] == texts


def test_decode_reads_lone_surrogates_and_refuses_the_bottomless() -> None:
    assert decode(b'"\\ud83d"') == "\ud83d"
    with pytest.raises(ValueError, match="deeply"):
        decode(b"[" * 100_000)
    with pytest.raises(ValueError, match="utf-8"):
        decode(b'"\xff"')
