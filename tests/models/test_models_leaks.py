"""Markup that leaks into `content`: recognised and reported, repaired only where the row says so."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.core.contract import Carrier, Contract
from agentkit.core.messages import Producer, ToolCall
from agentkit.core.request import project
from agentkit.models import chat, dsml
from agentkit.models.assemble import Assembly, judge
from agentkit.models.base import Answered, Piece, Reply, Unusable

PLAIN = Contract(id="plain")
DSML = Contract(id="mending", repairs=("dsml",))
THINK = Contract(id="mending", repairs=("think",))
MADE = Producer("m", "row", "h")
BAR = "\uff5c"
CALLS = (
    '<|DSML|tool_calls>\n<|DSML|invoke name="find">\n'
    '<|DSML|parameter name="q" string="true">a "b" é</|DSML|parameter>\n'
    '<|DSML|parameter name="n" string="false">[1, 2.50]</|DSML|parameter>\n</|DSML|invoke>\n'
    '<|DSML|invoke name="go">\n</|DSML|invoke>\n</|DSML|tool_calls>'
)
READ = [("find", '{"q": "a \\"b\\" é", "n": [1, 2.50]}'), ("go", "{}")]


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def told(row: Contract, *parts: str, **last: Any) -> tuple[Reply, str]:
    answer = Assembly(row, MADE)
    pieces: list[Piece] = [piece for part in parts for piece in answer.add(chunk(content=part))]
    pieces += answer.add(chunk("stop", **last))
    return judge(answer), "".join(piece.text for piece in pieces if piece.kind == "text")


def answered(row: Contract, *parts: str, **last: Any) -> Answered:
    reply, _ = told(row, *parts, **last)
    assert isinstance(reply, Answered), reply
    return reply


FORMS = {
    "v4": CALLS,
    "full-width": CALLS.replace("|", BAR),
    "v3.2": CALLS.replace("tool_calls", "function_calls"),
    "spaced": CALLS.replace("|DSML|", f" {BAR} DSML {BAR} "),
    "spaced words": CALLS.replace("tool_calls", "tool calls"),
    "no wrapper": CALLS.removeprefix("<|DSML|tool_calls>\n").removesuffix("\n</|DSML|tool_calls>"),
}


@pytest.mark.parametrize("form", FORMS)
def test_calls_written_as_text_are_read_where_the_row_repairs_them(form: str) -> None:
    content = "I look.\n\n" + FORMS[form]
    for parts in ([content], list(content), [content[:15], content[15:]]):
        reply, shown = told(DSML, *parts)
        assert isinstance(reply, Answered)
        assert [(call.name, call.arguments) for call in reply.message.calls] == READ
        assert (reply.message.text, shown) == ("I look.\n\n", "I look.\n\n")
        assert "repaired: 2 calls came as DSML markup in the text" in reply.notes
    whole = answered(DSML, content)
    [sent] = chat.messages(project(whole.message, DSML, "m", retained=True), DSML)
    assert sent["content"] == "I look.\n\n"
    assert [call["function"]["name"] for call in sent["tool_calls"]] == ["find", "go"]
    assert len({call["id"] for call in sent["tool_calls"]}) == 2
    assert all(json.loads(call["function"]["arguments"]) is not None for call in sent["tool_calls"])


@pytest.mark.parametrize("form", FORMS)
def test_elsewhere_they_make_the_answer_malformed(form: str) -> None:
    reply, _ = told(PLAIN, "I look.\n\n", FORMS[form])
    assert isinstance(reply, Unusable)
    assert (reply.kind, reply.why) == ("malformed", "calls came as text in DSML markup instead of `tool_calls`")
    assert reply.message.text == "I look.\n\n" + FORMS[form]


def test_arguments_may_be_one_json_object() -> None:
    markup = '<|DSML|function_calls><|DSML|invoke name="f"> {"a": {"b": 1}} </|DSML|invoke></|DSML|function_calls>'
    assert dsml.parse(markup) == ([("f", '{"a": {"b": 1}}')], "")


def test_a_value_may_hold_markup() -> None:
    value = '<|DSML|invoke name="x"> </b> <'
    markup = f'<|DSML|invoke name="f"><|DSML|parameter name="a">{value}</|DSML|parameter></|DSML|invoke> bye'
    assert dsml.parse(markup) == ([("f", json.dumps({"a": value}))], " bye")


@pytest.mark.parametrize(
    "markup",
    [
        "<|DSML|tool_calls></|DSML|tool_calls>",
        '<|DSML|tool_calls><|DSML|invoke name="f">',
        '<|DSML|tool_calls><|DSML|invoke name="f"></|DSML|invoke><|DSML|invoke name="g">',
        '<|DSML|invoke name="f"><|DSML|parameter name="a" string="true">cut',
        '<|DSML|invoke name=""></|DSML|invoke>',
        '<|DSML|invoke name="f"><|DSML|invoke name="g"></|DSML|invoke>',
        '<|DSML|invoke name="f"><|DSML|parameter string="true">a</|DSML|parameter></|DSML|invoke>',
        '<|DSML|invoke name="f"><|DSML|parameter name="a" string="false">{oops</|DSML|parameter></|DSML|invoke>',
        '<|DSML|tool_calls><|DSML|parameter name="a">a</|DSML|parameter></|DSML|tool_calls>',
        '<|DSML|invoke name="f">words</|DSML|invoke>',
        '<|DSML|invoke name="f">[1]</|DSML|invoke>',
        '<|DSML|tool_calls>words<|DSML|invoke name="f"></|DSML|invoke>',
        "<|DSML|tool_calls></|DSML|invoke>",
    ],
)
def test_markup_that_is_not_whole_is_not_mended(markup: str) -> None:
    with pytest.raises(dsml.MarkupError):
        dsml.parse(markup)
    reply, shown = told(DSML, "Look: ", *markup)
    assert isinstance(reply, Unusable)
    assert reply.kind == "malformed"
    assert "could not be read" in reply.why
    assert reply.message.text == shown == "Look: " + markup


@pytest.mark.parametrize(
    "text",
    [
        "`<|DSML|tool_calls>` opens them.",
        "```\n<|DSML|tool_calls>\n```",
        "<|DSML|other>",
        "<|DSML| and more",
        "a < b, <b>, <|, <|DS",
        "<" + " " * 99 + "|DSML|",
    ],
)
def test_text_that_only_looks_like_it_is_text(text: str) -> None:
    for row in (PLAIN, DSML):
        for parts in ([text], list(text)):
            reply, shown = told(row, *parts)
            assert isinstance(reply, Answered)
            assert (reply.message.text, shown, reply.notes) == (text, text, ())


def test_markup_beside_proper_calls_is_reported_and_stays_text() -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
    for row in (PLAIN, DSML):
        reply = answered(row, CALLS, tool_calls=[call])
        assert reply.message.calls == (ToolCall("c", "f", "{}"),)
        assert reply.message.text == CALLS
        assert reply.notes == ("the text holds DSML markup besides the calls",)


def test_text_behind_the_markup_is_kept() -> None:
    reply, shown = told(DSML, "a", CALLS, " b")
    assert isinstance(reply, Answered)
    assert (reply.message.text, shown) == ("a b", "a b")


@given(st.text(st.sampled_from("<|DSML tool_cas>\n`" + BAR), max_size=40))
def test_what_is_held_back_is_never_lost(text: str) -> None:
    reply, shown = told(DSML, *text, tool_calls=[{"id": "c", "function": {"name": "f", "arguments": "{}"}}])
    assert isinstance(reply, Answered)
    assert (reply.message.text or "") == shown == text


@pytest.mark.parametrize(
    ("content", "tag"),
    [
        ("<think>hm</think>Hi", "<think>"),
        ("\n<mm:think>hm", "<mm:think>"),
        ("hm\n</think>\nHi", "</think>"),
        ("◁think▷hm◁/think▷Hi", "◁think▷"),
    ],
)
def test_thinking_in_the_text_is_reported(content: str, tag: str) -> None:
    reply = answered(PLAIN, content)
    assert (reply.message.text, reply.message.reasoning) == (content, None)
    assert reply.notes == (
        f"reasoning may have leaked into the text: it holds {tag!r}, which contract row 'plain' does not read",
    )


def test_a_tag_beside_the_rows_own_is_reported_too() -> None:
    row = Contract(id="tags", carrier=Carrier(tags=(("<think>", "</think>"),)))
    reply = answered(row, "<think>a</think><thinking>b</thinking>")
    assert (reply.message.reasoning, reply.message.text) == ("a", "<thinking>b</thinking>")
    assert len(reply.notes) == 1
    assert "'<thinking>'" in reply.notes[0]


def test_text_that_quotes_a_tag_is_not_reported() -> None:
    for text in ("Write <think> first.", "`</think>`\n", "<b>Hi</b>"):
        assert answered(PLAIN, text).notes == ()


@pytest.mark.parametrize("content", ["<think>\nhm\n</think>\n\nHi", "hm\n</think>\n\nHi"])
def test_thinking_is_put_where_it_belongs_where_the_row_repairs_it(content: str) -> None:
    for parts in ([content], list(content)):
        reply = answered(THINK, *parts)
        assert (reply.message.text, reply.message.reasoning, reply.message.carrier) == ("Hi", "hm", "reasoning_content")
        assert reply.notes == ("repaired: reasoning came between tags in the text",)
        [sent] = chat.messages(project(reply.message, THINK, "m", retained=True), THINK)
        assert sent == {"role": "assistant", "content": "Hi", "reasoning_content": "hm"}


def test_both_repairs_work_together() -> None:
    row = Contract(id="mending", repairs=("think", "dsml"))
    for parts in (["<think>hm</think>", CALLS], list("<think>hm</think>" + CALLS)):
        reply, shown = told(row, *parts)
        assert isinstance(reply, Answered)
        assert (reply.message.reasoning, len(reply.message.calls), reply.message.text, shown) == ("hm", 2, None, "")
