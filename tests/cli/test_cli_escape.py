"""Nothing that others wrote steers the terminal."""

import unicodedata
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agentkit.cli.escape import safe, safe_line
from agentkit.emulator import Call, Reply

Type = Callable[..., Any]
NASTY = "a\x1b]0;owned\x07b\x9b2Jc\u202edcba\u2066e\u200ff\u2028g\rh\ud800i\U000e0041j\x08k\ufeff"


def test_what_steers_or_hides_is_written_out() -> None:
    shown = safe(NASTY)
    assert shown.startswith("a\\x1b]0;owned\\x07b\\x9b2Jc\\u202edcba\\u2066e\\u200ff\\u2028g\\rh")
    assert shown.endswith("\\ud800i\\U000e0041j\\x08k\\ufeff")
    assert safe("line\r\nline\tend 👩‍🚀 é") == "line\nline\tend 👩‍🚀 é"
    assert safe_line("one\ntwo\tthree") == "one\\ntwo\\tthree"


@given(st.text(alphabet=st.characters()))
def test_no_control_character_ever_gets_through(text: str) -> None:
    left = [character for character in safe(text) if character not in "\n\t"]
    assert not [each for each in left if unicodedata.category(each) in {"Cc", "Cs", "Zl", "Zp"}]
    assert not [each for each in left if unicodedata.bidirectional(each) in {"LRE", "RLE", "LRO", "RLO", "PDF"}]
    assert not [each for each in left if unicodedata.bidirectional(each) in {"LRI", "RLI", "FSI", "PDI"}]
    assert safe_line(text).count("\n") == 0


def test_it_holds_for_every_command(agentkit: Type, serve: Type) -> None:
    nasty = NASTY.replace("\ud800", "")
    serve(
        Reply(reasoning=nasty, content=nasty, calls=[Call("find_order", {"order_id": nasty}), Call(nasty, nasty)]),
        Reply(calls=[Call("refund", {"order_id": nasty, "amount": 1})]),
    )
    name = "c\x1b[31m\u202e"
    talk = ("chat", "--agent", "desk:agent", "--session", name)
    wrote = [agentkit(*talk, stdin=nasty.replace("\r", "") + "\n")]
    wrote += [agentkit(*words) for words in (*_looks(name), ("resume", name, "--agent", "desk:agent"))]
    for done in wrote:
        steering = [each for each in done.out + done.err if each in NASTY and not each.isalnum() and each not in "];"]
        assert steering == []


def _looks(name: str) -> tuple[tuple[str, ...], ...]:
    return (
        ("show", name, "--full"),
        ("show", name, "--json"),
        ("show", name, "--raw"),
        ("events", name, "--json"),
        ("tail", name, "--once", "--full"),
        ("tail", name, "--once", "--json"),
        ("sessions",),
        ("sessions", "--json"),
        ("pending",),
        ("pending", "--json"),
        ("show", "\x1b[31m"),
    )
