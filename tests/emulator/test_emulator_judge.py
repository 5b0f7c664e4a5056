"""What comes back beside what was sent: verdicts, sums, and memory over restarts."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.emulator import CONTRACTS, Call, Emulator, Fault, Reply, Returned, Script
from agentkit.emulator.returned import Came, Emitted, EmittedCall, compare
from tests.emulator.plain import plain

USER = {"role": "user", "content": "hi"}
TOOLS = [{"type": "function", "function": {"name": "find"}}]
TURNS = [Reply("text", reasoning="think 😀", calls=[Call("find", '{"a": 1}')]), Reply("done", reasoning="")]

texts = st.text(max_size=5)
calls = st.lists(st.builds(EmittedCall, st.sampled_from(["a", "b", ""]), texts, texts), max_size=2).map(tuple)
emissions = st.builds(Emitted, st.none() | texts, texts, calls, whole=st.booleans())


def judged(back: Came, *candidates: Emitted) -> Returned:
    return compare(back, candidates, at=1, position=0, demanded=True)


@given(emissions, st.lists(emissions, max_size=2))
def test_what_comes_back_as_sent_is_never_faulted(sent: Emitted, others: list[Emitted]) -> None:
    seen = judged(Came(sent.reasoning, sent.content, sent.calls), *others, sent)
    assert (seen.content, seen.arguments, seen.ids, seen.lost) == ("exact", "exact", "exact", False)
    assert seen.reasoning == ("absent" if sent.reasoning is None else "exact" if sent.reasoning else "empty")
    assert not seen.reasoning_altered


@given(emissions, texts)
def test_any_other_reasoning_is_reported(sent: Emitted, text: str) -> None:
    seen = judged(Came(text, sent.content, sent.calls), sent)
    same = text == (sent.reasoning or "")
    beginning = not sent.whole and (sent.reasoning or "").startswith(text)
    assert seen.reasoning_altered is not (same or beginning)


@given(emissions, texts)
def test_any_other_content_is_reported(sent: Emitted, text: str) -> None:
    seen = judged(Came(sent.reasoning, text, sent.calls), sent)
    if text == sent.content:
        assert seen.content == "exact"
    else:
        partial = not sent.whole and sent.content.startswith(text)
        assert seen.content == ("partial" if partial else "altered")


@pytest.mark.parametrize(
    ("given_ids", "back_ids", "verdict"),
    [
        (["a", "b"], ["a", "b"], "exact"),
        (["a", "b"], ["b", "a"], "altered"),
        (["a", "b"], ["a", "x"], "altered"),
        (["a", "a"], ["a", "x"], "replaced"),
        (["", None], ["x", "y"], "replaced"),
        (["a", ""], ["z", "y"], "altered"),
        (["a"], ["a", "b"], "altered"),
        (["a"], [], "exact"),
    ],
)
def test_ids(given_ids: Sequence[str | None], back_ids: Sequence[str], verdict: str) -> None:
    sent = Emitted("r", "", tuple(EmittedCall(name, "f", "{}") for name in given_ids))
    back = Came("r", "", tuple(EmittedCall(name, "f", "{}") for name in back_ids))
    seen = judged(back, sent)
    assert seen.ids == verdict
    assert (seen.arguments == "exact") is (len(given_ids) == len(back_ids))


@pytest.mark.parametrize(
    ("sent", "whole", "back", "state", "flags"),
    [
        ("abc", True, None, "absent", {"missing", "lost"}),
        ("abc", True, "", "empty", {"reasoning_altered", "lost"}),
        ("abc", True, "abd", "altered", {"reasoning_altered"}),
        ("abc", True, "ab", "altered", {"reasoning_altered"}),
        ("abc", False, "ab", "partial", set()),
        ("abc", False, None, "absent", {"missing"}),
        ("abc\U0001f600", False, "abc\ud83d", "partial", set()),
        (None, True, "x", "invented", {"reasoning_altered"}),
        ("", True, "x", "invented", {"reasoning_altered"}),
        (None, True, "", "empty", set()),
        ("", True, None, "absent", {"missing"}),
    ],
)
def test_states_of_reasoning(*, sent: str | None, whole: bool, back: str | None, state: str, flags: set[str]) -> None:
    seen = judged(Came(back, "c", ()), Emitted(sent, "c", (), whole=whole))
    assert seen.reasoning == state
    assert {name for name in ("reasoning_altered", "missing", "lost") if getattr(seen, name)} == flags


def test_what_was_never_sent_is_invented() -> None:
    seen = judged(Came("r", "c", ()))
    assert (seen.reasoning, seen.content, seen.ids) == ("invented", "altered", "exact")


def test_the_best_of_several_attempts_is_compared() -> None:
    first, second = Emitted("one", "x", (), whole=False), Emitted("two", "y", ())
    assert judged(Came("two", "y", ()), first, second).reasoning == "exact"
    assert judged(Came("o", "x", ()), first, second).reasoning == "partial"
    assert judged(Came("one", "y", ()), first, second).faults == 1
    same = Emitted("one", "x", ())
    assert judged(Came("", "x", ()), first, same).reasoning_altered, "the whole answer had arrived"


class Desk:
    def __init__(self, emulator: Emulator, http: httpx2.AsyncClient) -> None:
        self.emulator = emulator
        self.http = http

    async def ask(self, *messages: Any, **body: Any) -> dict[str, Any]:
        asked = {"model": "deepseek-flash", "messages": messages, "tools": TOOLS, **body}
        response = await self.http.post(f"{self.emulator.base_url}/chat/completions", json=asked)
        found: dict[str, Any] = response.json()["choices"][0]["message"]
        return found

    @property
    def last(self) -> tuple[str, ...]:
        return tuple(self.emulator.requests[-1].returned[0][3:7])


def result(message: dict[str, Any]) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "found"}


def changed(message: dict[str, Any], **function: str) -> dict[str, Any]:
    call = message["tool_calls"][0]
    return {**message, "tool_calls": [{**call, "function": {**call["function"], **function}}]}


@pytest.mark.anyio
async def test_over_http_each_change_is_seen_and_counted() -> None:
    async with Emulator({"hi": TURNS}) as emulator, plain() as http:
        desk = Desk(emulator, http)
        message = await desk.ask(USER)
        owed = result(message)
        assert (await desk.ask(USER, message, owed))["content"] == "done"
        assert desk.last == ("exact", "exact", "exact", "exact")
        await desk.ask(USER, {**message, "content": [{"type": "text", "text": "text"}]}, owed)
        assert desk.last == ("exact", "exact", "exact", "exact")
        await desk.ask(USER, {**message, "reasoning_content": "think"}, owed)
        assert desk.last == ("altered", "exact", "exact", "exact")
        await desk.ask(USER, {**message, "reasoning_content": ""}, owed)
        assert desk.last == ("empty", "exact", "exact", "exact")
        await desk.ask(USER, {**message, "content": "text "}, owed)
        assert desk.last == ("exact", "altered", "exact", "exact")
        await desk.ask(USER, changed(message, arguments='{"a":1}'), owed)
        assert desk.last == ("exact", "exact", "altered", "exact")
        await desk.ask(USER, changed(message, name="found"), owed)
        assert desk.last == ("exact", "exact", "altered", "exact")
        other = {**message, "tool_calls": [{**message["tool_calls"][0], "id": "x"}]}
        await desk.ask(USER, other, {**owed, "tool_call_id": "x"})
        assert desk.last == ("exact", "exact", "exact", "altered")
        counts = emulator.counts
        assert (counts.requests, counts.by_status) == (9, {200: 9})
        assert (counts.reasoning_missing, counts.reasoning_altered) == (0, 2)
        assert (counts.content_altered, counts.arguments_altered, counts.ids_altered) == (1, 2, 1)


@pytest.mark.anyio
async def test_a_new_emulator_knows_from_the_script_what_was_sent() -> None:
    async with Emulator({"hi": TURNS}) as emulator, plain() as http:
        message = await Desk(emulator, http).ask(USER)
    async with Emulator({"hi": TURNS}) as emulator, plain() as http:
        desk = Desk(emulator, http)
        assert (await desk.ask(USER, message, result(message)))["content"] == "done"
        assert desk.last == ("exact", "exact", "exact", "exact")
        await desk.ask(USER, {**message, "reasoning_content": "think"}, result(message))
        assert desk.last == ("altered", "exact", "exact", "exact")
        off = {"thinking": {"type": "disabled"}}
        bare = {name: value for name, value in message.items() if name != "reasoning_content"}
        await desk.ask(USER, bare, result(message), **off)
        assert desk.last == ("absent", "exact", "exact", "exact")
        assert emulator.counts.reasoning_missing == 0


@pytest.mark.anyio
async def test_a_turn_without_thinking_is_remembered_as_such() -> None:
    async with Emulator({"hi": TURNS}) as emulator, plain() as http:
        desk = Desk(emulator, http)
        message = await desk.ask(USER, thinking={"type": "disabled"})
        assert "reasoning_content" not in message
        await desk.ask(USER, {**message, "reasoning_content": ""}, result(message))
        assert desk.last == ("empty", "exact", "exact", "exact")
        await desk.ask(USER, {**message, "reasoning_content": "x"}, result(message))
        assert desk.last == ("invented", "exact", "exact", "exact")
        assert emulator.counts.reasoning_altered == 1


@pytest.mark.anyio
async def test_the_beginning_of_a_cut_answer_may_come_back() -> None:
    script = {"hi": [Reply("some text", reasoning=None, cut_after=3, chunk=2), Reply("next")]}
    for _restart in range(2):
        async with Emulator(script, contract="generic") as emulator, plain() as http:
            desk = Desk(emulator, http)
            with pytest.raises(httpx2.RemoteProtocolError):
                await desk.ask(USER, stream=True)
            await desk.ask(USER, {"role": "assistant", "content": "some"}, {"role": "user", "content": "go on"})
            assert desk.last == ("absent", "partial", "exact", "exact")
            await desk.ask(USER, {"role": "assistant", "content": "same"}, {"role": "user", "content": "go on"})
            assert desk.last == ("absent", "altered", "exact", "exact")


@pytest.mark.anyio
async def test_what_a_compaction_kept_is_known_again() -> None:
    async with Emulator({"hi": TURNS, "*": [Reply("compacted")] * 3}) as emulator, plain() as http:
        desk = Desk(emulator, http)
        message = await desk.ask(USER)
        summary = {"role": "user", "content": "So far: hi"}
        await desk.ask(summary, message, result(message))
        assert desk.last == ("exact", "exact", "exact", "exact")
        await desk.ask(summary, {**message, "reasoning_content": "think"}, result(message))
        assert desk.last[0] != "exact"


@pytest.mark.anyio
async def test_a_script_may_be_a_function_of_the_request() -> None:
    def play(request: dict[str, Any]) -> Reply:
        return Reply(f"{len(request['messages'])}", reasoning="r")

    async with Emulator(play) as emulator, plain() as http:
        desk = Desk(emulator, http)
        message = await desk.ask(USER)
        assert message["content"] == "1"
        assert (await desk.ask(USER, message, USER))["content"] == "3"
        assert desk.last == ("exact", "exact", "exact", "exact")


@pytest.mark.anyio
async def test_a_function_is_not_asked_what_it_said_in_another_process() -> None:
    async with Emulator(lambda _request: TURNS[0]) as emulator, plain() as http:
        desk = Desk(emulator, http)
        message = await desk.ask({"role": "user", "content": "earlier"})
        await desk.ask(USER, message, result(message))
        assert desk.last == ("exact", "exact", "exact", "exact"), "minted here, in another conversation"
        await desk.ask(USER, {**message, "content": "?"}, result(message))
        assert desk.last[:2] == ("invented", "altered"), "this was said nowhere"


@pytest.mark.anyio
async def test_after_a_restart_any_attempt_may_have_been_the_one() -> None:
    script: Script = {"hi": [[Fault(503), Reply("one", reasoning="1"), Reply("two", reasoning="2")], Reply("done")]}
    for said, thought in (("one", "1"), ("two", "2")):
        async with Emulator(script) as emulator, plain() as http:
            desk = Desk(emulator, http)
            await desk.ask(USER, {"role": "assistant", "content": said, "reasoning_content": thought}, USER)
            assert desk.last == ("exact", "exact", "exact", "exact")


@pytest.mark.anyio
async def test_a_row_of_your_own_with_another_carrier() -> None:
    row = replace(CONTRACTS["generic"], name="mine", carrier="reasoning")
    async with Emulator({"hi": TURNS}, contract=row) as emulator, plain() as http:
        desk = Desk(emulator, http)
        message = await desk.ask(USER)
        assert message["reasoning"] == "think 😀"
        assert "reasoning_content" not in message
        await desk.ask(USER, message, result(message))
        assert desk.last[0] == "exact"
        await desk.ask(USER, {**message, "reasoning": None, "reasoning_content": "think 😀"}, result(message))
        assert desk.last[0] == "absent"
        assert emulator.counts.reasoning_missing == 1


@pytest.mark.anyio
async def test_a_log_that_keeps_little_keeps_the_sums() -> None:
    async with Emulator({"*": [Reply("x")] * 5}, keep=2) as emulator, plain() as http:
        desk = Desk(emulator, http)
        for _ in range(4):
            await desk.ask(USER, {"role": "assistant", "content": "?", "reasoning_content": "?"}, USER)
        assert [bool(seen.raw) for seen in emulator.requests] == [False, False, True, True]
        assert [seen.body is None for seen in emulator.requests] == [True, True, False, False]
        assert emulator.counts.reasoning_altered == 4
