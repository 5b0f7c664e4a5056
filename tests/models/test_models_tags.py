"""Reasoning between tags: split out for display, whatever the cuts; the content goes back byte for byte."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentkit.core.contract import INLINE_TAGS, Carrier, Contract
from agentkit.core.messages import AssistantMessage, Producer, ToolCall
from agentkit.core.request import project
from agentkit.models import chat
from agentkit.models.assemble import Assembly, judge
from agentkit.models.base import Answered, Piece, Unusable
from agentkit.models.text import joined

TAGS = (("<think>\n", "\n</think>\n\n"), ("◁think▷", "◁/think▷"))
ROW = Contract(id="row", carrier=Carrier(read=(), write="inline-tags", tags=TAGS))
SAME = Contract(id="row", carrier=Carrier(tags=TAGS))
MADE = Producer("m", "row", "h")
WORDS = ("<think>", "</think>", "◁think▷", "◁/think▷", "\n", " ", "a", "`", "```\n", "<", "think>", "é\ud83d\ude00")
HALVES = {"", *map(chr, range(0xD800, 0xDC00))}  # the first half of a pair is not shown alone
CONTENT = st.lists(st.sampled_from(WORDS), max_size=12).map("".join) | st.text(
    st.characters(codec=None, categories=None), max_size=30
)


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def streamed(*parts: str, row: Contract = ROW) -> tuple[AssistantMessage, list[Piece]]:
    answer = Assembly(row, MADE)
    pieces = [piece for part in parts for piece in answer.add(chunk(content=part))]
    pieces += answer.add(chunk("stop", tool_calls=[{"id": "c", "function": {"name": "f", "arguments": "{}"}}]))
    reply = judge(answer)
    assert isinstance(reply, Answered)
    return reply.message, pieces


def back(message: AssistantMessage, row: Contract = ROW) -> Any:
    [sent] = chat.messages(project(message, row, "m", retained=True), row)
    return sent


def shown(pieces: list[Piece], kind: str) -> str:
    return "".join(piece.text for piece in pieces if piece.kind == kind)


@pytest.mark.parametrize(
    ("content", "reasoning", "text", "kept"),
    [
        ("<think>hm</think>Hi", "hm", "Hi", ["<think>", "</think>"]),
        ("<think>\nhm\n</think>\n\nHi\n", "hm", "Hi\n", ["<think>\n", "\n</think>\n\n"]),
        (" \n<think> h m\n\n </think> Hi", "h m", "Hi", [" \n<think> ", "\n\n </think> "]),
        ("<think>\n\n</think>\n\nHi", "", "Hi", ["<think>", "\n\n</think>\n\n"]),
        ("<think></think>", "", None, ["<think>", "</think>"]),
        ("<think>never ends \n", "never ends", None, ["<think>", " \n"]),
        ("<think>a < b </thin", "a < b </thin", None, ["<think>", ""]),
        ("◁think▷hm◁/think▷Hi", "hm", "Hi", ["◁think▷", "◁/think▷"]),
        ("<think>a</think>\n<think>b</think>\nHi", "a\nb", "Hi", ["<think>a</think>\n<think>b</think>\n"]),
        ("<think>a ◁/think▷ b</think>Hi", "a ◁/think▷ b", "Hi", ["<think>", "</think>"]),
        ("<think>a</think>Hi <think>b</think>", "a", "Hi <think>b</think>", ["<think>", "</think>"]),
        ("hm\n</think>\n\nHi", "hm", "Hi", ["", "\n</think>\n\n"]),
        ("\n hm.</think>\n\nHi", "hm.", "Hi", ["\n ", "</think>\n\n"]),
        ("</think>\nHi", "", "Hi", ["", "</think>\n"]),
        ("Hi", None, "Hi", None),
        (" \n Hi ", None, " \n Hi ", None),
        (" <thin", None, " <thin", None),
        ("<thinking>Hi", None, "<thinking>Hi", None),
        ("The tag `<think>` opens.", None, "The tag `<think>` opens.", None),
        ("It ends with `</think>`\n", None, "It ends with `</think>`\n", None),
        ("```\n</think>\n```", None, "```\n</think>\n```", None),
        ("Use <think>\nand\n</think>\n.", None, "Use <think>\nand\n</think>\n.", None),
        ("It ends with </think> here.", None, "It ends with </think> here.", None),
        ("", None, None, None),
    ],
)
def test_thinking_is_split_from_the_text(content: str, reasoning: str | None, text: str | None, kept: Any) -> None:
    for parts in ([content], list(content), [content[:3], content[3:]]):
        for row in (ROW, SAME):
            message, pieces = streamed(*parts, row=row)
            assert (message.reasoning, message.text) == (reasoning, text)
            assert message.extras.get(INLINE_TAGS) == kept
            assert message.carrier == (None if kept is None else INLINE_TAGS)
            assert back(message, row)["content"] == content
            if kept is None or "think" in kept[0]:  # without a begin tag it was shown as text
                assert (shown(pieces, "reasoning"), shown(pieces, "text")) == (reasoning or "", text or "")


@pytest.mark.parametrize("thought", ["hm", "something else"])
def test_tags_beside_a_field_are_sent_once_and_lost_never(thought: str) -> None:
    content = "<think>hm</think>Hi"
    answer = Assembly(SAME, MADE)
    answer.add(chunk(reasoning_content=thought))
    answer.add(chunk("stop", content=content))
    reply = judge(answer)
    assert isinstance(reply, Answered)
    assert (reply.message.reasoning, reply.message.text) == (thought, "Hi")
    kept = "Hi" if thought == "hm" else content
    assert back(reply.message, SAME) == {"role": "assistant", "content": kept, "reasoning_content": thought}


@given(CONTENT, st.sets(st.integers(0, 60)))
@example("<think>a\ud83d</think>\ude00", {8, 9, 17, 18})
def test_any_content_cut_anywhere_goes_back_byte_for_byte(content: str, cuts: set[int]) -> None:
    places = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    message, pieces = streamed(*(content[a:b] for a, b in pairwise(places)))
    whole, _ = streamed(content)
    assert message == whole
    assert back(message)["content"] == joined(content)
    said, thought = shown(pieces, "text"), shown(pieces, "reasoning")
    if message.carrier and "<think>" not in content and "◁think▷" not in content:
        return  # a begin tag that stayed in the prompt: shown as text until the end
    for seen, final in ((said, message.text or ""), (thought, message.reasoning or "")):
        assert final.removeprefix(seen) in HALVES


@given(CONTENT)
def test_a_stored_message_rebuilds_the_same_bytes(content: str) -> None:
    message, _ = streamed(content)
    stored = json.loads(json.dumps(dict(message.extras)))
    frozen = {name: tuple(value) for name, value in stored.items()}
    for extras in (stored, frozen):
        again = AssistantMessage(message.text, message.reasoning, message.calls, message.carrier, extras, MADE)
        assert back(again) == back(message)


def test_the_text_is_not_stored_twice() -> None:
    message, _ = streamed("<think>" + "long " * 99 + "</think>" + "text " * 99)
    assert len(json.dumps(dict(message.extras))) < 60


def test_pieces_are_shown_as_soon_as_no_tag_can_come_of_them() -> None:
    answer = Assembly(ROW, MADE)
    told = [
        answer.add(chunk(content=part)) for part in ("\n<th", "ink>", " h", "m ", "x<", "/think", ">", "\n", "Hi", "<")
    ]
    assert told == [
        [],
        [],
        [Piece("reasoning", "h")],
        [Piece("reasoning", "m")],
        [Piece("reasoning", " x")],
        [],
        [],
        [],
        [Piece("text", "Hi")],
        [Piece("text", "<")],
    ]
    assert answer.begun


def test_a_thought_without_an_answer_is_empty_and_named() -> None:
    answer = Assembly(ROW, MADE)
    answer.add(chunk("stop", content="<think>only"))
    reply = judge(answer)
    assert isinstance(reply, Unusable)
    assert (reply.kind, reply.why) == ("empty", "neither text nor a tool call, only reasoning")


def test_another_models_reasoning_is_written_in_the_first_pair_of_tags() -> None:
    foreign = AssistantMessage("Hi", "hm", (), "reasoning_content", {}, Producer("other", "elsewhere"))
    assert back(foreign)["content"] == "<think>\nhm\n</think>\n\nHi"
    called = AssistantMessage(None, "hm", (ToolCall("c", "f", "{}"),), None, {}, Producer("other", "elsewhere"))
    assert back(called)["content"] == "<think>\nhm\n</think>\n\n"


def test_tagged_reasoning_goes_to_another_service_as_its_own_field() -> None:
    message, _ = streamed("<think>\nhm\n</think>\n\nHi")
    elsewhere = Contract(id="elsewhere", carrier=Carrier(write="reasoning_content"))
    sent = back(message, elsewhere)
    assert (sent["content"], sent["reasoning_content"]) == ("Hi", "hm")
    assert INLINE_TAGS not in sent


def test_a_service_that_gives_both_a_field_and_tags_is_read_once() -> None:
    for row, content in (
        (SAME, "Hi"),
        (ROW.model_copy(update={"carrier": Carrier(write=INLINE_TAGS, tags=TAGS)}), None),
    ):
        answer = Assembly(row, MADE)
        whole = "<think>\nhm</think>Hi"
        pieces = [
            piece
            for name, part in (("reasoning_content", "hm"), ("content", whole[:9]), ("content", whole[9:]))
            for piece in answer.add(chunk(**{name: part}))
        ]
        answer.add(chunk("stop"))
        message = answer.message()
        assert (message.reasoning, message.text) == ("hm", "Hi")
        assert (shown(pieces, "reasoning"), shown(pieces, "text")) == ("hm", "Hi")
        assert back(message, row)["content"] == (content or whole)


def test_reasoning_dropped_by_the_row_leaves_only_the_text() -> None:
    message, _ = streamed("<think>hm</think>Hi")
    [sent] = chat.messages(project(message, ROW, "m", retained=False), ROW)
    assert sent["content"] == "Hi"
