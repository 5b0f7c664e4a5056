"""Texts that are no JSON, or JSON at its edges, as arguments: nothing crashes, and nothing runs that is not valid.

The texts are our own; their kinds are those of RFC 8259's grammar, rule by rule.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit import tool
from agentkit.core.commands import Go, Refuse
from agentkit.core.events import ToolFinished
from agentkit.core.messages import text_of
from agentkit.tools.dispatch import Dispatch
from tests.tools.conftest import MakeJob

NUMBERS = [  # no JSON numbers
    "+1", "01", "-01", "1.", ".5", "-.5", "1e", "1e+", "1E-", "1.e1", "--1", "+-1", "1-", "- 1", "-", "0x1F", "0b1",
    "0o7", "1_000", "1,000", "1'000", "1 000", "1f", "1L", "1n", "½", "१", "\uff11", "∞", "NaN", "-NaN", "nan",
    "Infinity", "-Infinity", "+Infinity", "inf", "-inf", "Inf", "1e999", "-1e999", "1e99999999999", "1.5e400",
    "1#INF", "1/2", "1..2", "1.2.3", "1e1.5", "1e1e1", "$1", "1%", "0e", "00", "-00", "0.", "9" * 5000,
    "-" + "9" * 5000,
]  # fmt: skip
STRINGS = [  # no JSON strings
    "'a'", "`a`", "“a”", "«a»", '"a', 'a"', '"a\nb"', '"a\tb"', '"\x00"', '"\x1f"', '"\\x41"', '"\\a"', '"\\v"',
    '"\\0"', "\"\\'\"", '"\\u12"', '"\\u12G4"', '"\\u"', '"\\U00000041"', '"\\"', '"\\', '""a"', '"a""b"', '"a" "b"',
    '"a"+"b"', "a", 'u"a"', 'b"a"', 'r"a"', '"""a"""', '@"a"', "'", '"', "''", '"\\u{41}"', '"\\\n"', '"\r"', '"\\ "',
]  # fmt: skip
WORDS = [  # no JSON words
    "True", "False", "None", "TRUE", "Null", "nul", "nulll", "truefalse", "undefined", "nil", "void 0", "yes", "on",
    "tru", "NULL", "new Date()", "() => 1", "__import__('os')", "eval(1)", "{{x}}", "${x}", "<a/>", "a: 1", "---",
    "!!python/none",
]  # fmt: skip
CONTAINERS = [  # no JSON values
    "[1,]", "[,1]", "[1 2]", "[1,,2]", "[", "]", "[1", "1]", "[1}", "{1]", "(1,)", "(1)", "{1}", "{1, 2}", '{"a"}',
    '{"a" 1}', '{"a":}', "{:1}", '{"a":1,}', '{,"a":1}', '{"a":1 "b":2}', "{a:1}", "{'a':1}", "{1:1}", "{null:1}",
    '{"a"=1}', '{"a"=>1}', '{"a":1;"b":2}', '{"a":1', '{"a":1}}', '{"a":1]', '{"a"::1}', "[:]", "[1:2]", "{...x}",
    "[...x]", "/* */ 1", "1 /* */", "1 // x", "1 # x", "<!-- -->1", "[1]//", '{"a":1,"a":1}', '{"a":{"b":1,"b":2}}',
    '[{"a":1,"\\u0061":2}]', "[" * 100_000, '{"a":' * 100_000, '[{"":' * 60_000, "[" * 2000 + "]" * 2001,
]  # fmt: skip
WHOLE = [  # no JSON objects
    "null", "true", "1", '"a"', "[]", "[{}]", '"{}"', "{}{}", "{} {}", "{},{}", "{};", "{}.", "{}x", "x{}", "{}\x00",
    "\x00{}", "\ufeff{}", "\ufffe{}", "{}\ufeff", "\u00a0{}", "\u2028{}", "\u3000{}", "\x0b{}", "\x0c{}", "\x0b",
    "\u00a0", "\u3000", "\ufeff", "\x00", "\x1a", "{", "}", "{{}}", "{}}", "```json\n{}\n```", "```{}```", "json {}",
    "<tool_call>{}</tool_call>", "arguments={}", "take({})", "{}//", "{}/* */", "{}#", "//{}", ")]}'{}", "for(;;);{}",
    "\ud800", "\udfff{}", "{}\ud83d", "%7B%7D", "&#123;&#125;", "\\u007b\\u007d", "0{}", "-{}", "+{}", "!{}", "*",
    "\\", "/", ",", ":", ";", "()", "[}", "{]",
]  # fmt: skip
BAD = [f'{{"value": {each}}}' for each in (*NUMBERS, *STRINGS, *WORDS, *CONTAINERS)] + WHOLE
GOOD = [  # at the edges of the grammar, and valid
    "", " ", "\t\r\n", "{}", " {} ", "\n{\n}\n", '{"value":null}', '{"value":-0}', '{"value":-0.0}', '{"value":1E+2}',
    '{"value":0e1}', '{"value":1e-999}', '{"value":5e-324}', '{"value":1.7976931348623157e308}', '{"":1}',
    '{"value":"\\u0000"}', '{"value":"\\ud800"}', '{"value":"\\udc00\\ud800"}', '{"\\ud800":1}',
    '{"value":"\\ud83d\\ude00"}', '{"value":"\x7f"}', '{"value":"\u2028"}', '{"value":"\ufeff"}',
    '{"value":"\uffff"}', '{"value":"\\/"}', '{"value":"\\"\\\\\\b\\f\\n\\r\\t"}', '{"value":[[[[[[[[]]]]]]]]}',
    '{"value":{"value":{"value":{}}}}', '{"value":"😀"}', '{"__proto__":1}', '{"__class__":1}',
    '{"value":' + "9" * 4000 + "}", '{"value":0.' + "1" * 5000 + "}", '{"value":"' + "x" * 200_000 + '"}',
    '{"value":' + "[" * 100 + "]" * 100 + "}", '{"value":"<script>"}', '{"a":1,"A":2}', '{"a":1,"a ":2}',
    '{"value":"\ud800"}',
]  # fmt: skip

runs: list[dict[str, Any]] = []


@tool(effect="once", name="take", parameters={"type": "object"})
async def take(arguments: dict[str, Any]) -> str:
    """Take it."""
    runs.append(arguments)
    return "taken"


DISPATCH = Dispatch([take])


def test_there_are_enough_of_them() -> None:
    assert len(BAD) == len(set(BAD))
    assert len(BAD) > 200


@pytest.mark.anyio
async def test_nothing_runs_that_is_not_valid(make_job: MakeJob) -> None:
    runs.clear()
    for raw in BAD:
        verdict = DISPATCH.check("1.1.0", "take", raw, None)
        assert isinstance(verdict, Refuse), raw[:80]
        assert verdict.event.kind == "malformed", raw[:80]
        assert len(text_of(verdict.event.parts)) < 400, raw[:80]
        text_of(verdict.event.parts).encode("utf-8")
        end = await DISPATCH.run(make_job("take", raw))  # whoever comes to run it all the same
        assert isinstance(end, ToolFinished)
        assert end.failed
    assert runs == []


@pytest.mark.anyio
async def test_what_is_valid_runs_with_its_very_value(make_job: MakeJob) -> None:
    runs.clear()
    for raw in GOOD:
        assert isinstance(DISPATCH.check("1.1.0", "take", raw, None), Go), raw[:80]
        end = await DISPATCH.run(make_job("take", raw))
        assert isinstance(end, ToolFinished)
        assert not end.failed
    assert runs == [json.loads(raw.strip() or "{}") for raw in GOOD]


def strictly_read(raw: str) -> Any:
    """Read JSON by the grammar, with nothing Python adds."""

    def refused(word: str) -> Any:
        raise ValueError(word)

    def finite(digits: str) -> float:
        return float(digits) if abs(float(digits)) != float("inf") else refused(digits)

    return json.loads(raw, parse_constant=refused, parse_float=finite)


PIECES = st.sampled_from(
    [
        *'{}[]:,"\\ \n',
        '"a"',
        "1",
        "-",
        "e9",
        ".",
        "null",
        "true",
        "NaN",
        "\\u0041",
        "\ud800",
        "\ufeff",
        "'",
        "//",
        "\x00",
    ]
)


@given(
    st.text()
    | st.lists(PIECES, max_size=14).map("".join)
    | st.lists(PIECES, max_size=10).map(lambda p: f'{{"a":{"".join(p)}}}')
)
def test_any_text_at_all(raw: str) -> None:
    if isinstance(DISPATCH.check("1.1.0", "take", raw, None), Go) and raw.strip(" \t\r\n"):
        assert isinstance(strictly_read(raw), dict)
