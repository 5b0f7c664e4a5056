"""What comes back beside what was sent: verdicts, sums, and memory over restarts."""

from collections.abc import Sequence
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.emulator import Call, Emulator, Reply, Returned
from agentkit.emulator.returned import Came, Emitted, EmittedCall, compare

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
    ("sent", "whole", "back", "state", "altered", "missing", "lost"),
    [
        ("abc", True, None, "absent", False, True, True),
        ("abc", True, "", "empty", True, False, True),
        ("abc", True, "abd", "altered", True, False, False),
        ("abc", True, "ab", "altered", True, False, False),
        ("abc", False, "ab", "partial", False, False, False),
        ("abc", False, None, "absent", False, True, False),
        ("abc\U0001f600", False, "abc\ud83d", "partial", False, False, False),
        (None, True, "x", "invented", True, False, False),
        ("", True, "x", "invented", True, False, False),
        (None, True, "", "empty", False, False, False),
        ("", True, None, "absent", False, True, False),
    ],
)
def test_states_of_reasoning(
    sent: str | None, whole: bool, back: str | None, state: str, altered: bool, missing: bool, lost: bool
) -> None:
    seen = judged(Came(back, "c", ()), Emitted(sent, "c", (), whole=whole))
    assert (seen.reasoning, seen.reasoning_altered, seen.missing, seen.lost) == (state, altered, missing, lost)


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
    async with Emulator({"hi": TURNS}) as emulator, httpx2.AsyncClient() as http:
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
    async with Emulator({"hi": TURNS}) as emulator, httpx2.AsyncClient() as http:
        message = await Desk(emulator, http).ask(USER)
    async with Emulator({"hi": TURNS}) as emulator, httpx2.AsyncClient() as http:
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
    async with Emulator({"hi": TURNS}) as emulator, httpx2.AsyncClient() as http:
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
        async with Emulator(script, contract="generic") as emulator, httpx2.AsyncClient() as http:
            desk = Desk(emulator, http)
            with pytest.raises(httpx2.RemoteProtocolError):
                await desk.ask(USER, stream=True)
            await desk.ask(USER, {"role": "assistant", "content": "some"}, {"role": "user", "content": "go on"})
            assert desk.last == ("absent", "partial", "exact", "exact")
            await desk.ask(USER, {"role": "assistant", "content": "same"}, {"role": "user", "content": "go on"})
            assert desk.last == ("absent", "altered", "exact", "exact")


@pytest.mark.anyio
async def test_what_a_compaction_kept_is_known_again() -> None:
    async with Emulator({"hi": TURNS, "*": [Reply("compacted")] * 3}) as emulator, httpx2.AsyncClient() as http:
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

    async with Emulator(play) as emulator, httpx2.AsyncClient() as http:
        desk = Desk(emulator, http)
        message = await desk.ask(USER)
        assert message["content"] == "1"
        assert (await desk.ask(USER, message, USER))["content"] == "3"
        assert desk.last == ("exact", "exact", "exact", "exact")


@pytest.mark.anyio
async def test_a_log_that_keeps_little_keeps_the_sums() -> None:
    async with Emulator({"*": [Reply("x")] * 5}, keep=2) as emulator, httpx2.AsyncClient() as http:
        desk = Desk(emulator, http)
        for _ in range(4):
            await desk.ask(USER, {"role": "assistant", "content": "?", "reasoning_content": "?"}, USER)
        assert [bool(seen.raw) for seen in emulator.requests] == [False, False, True, True]
        assert [seen.body is None for seen in emulator.requests] == [True, True, False, False]
        assert emulator.counts.reasoning_altered == 4
