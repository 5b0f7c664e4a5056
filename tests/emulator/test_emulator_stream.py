"""How answers travel: every variant, over real HTTP, assembles to the same message; accidents are accidents."""

import json
import time
from collections.abc import Mapping
from typing import Any, get_args

import anyio
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import APIStatusError, AsyncOpenAI

from agentkit.emulator import Call, Emulator, Fault, Reply
from agentkit.emulator.play import Player
from agentkit.emulator.returned import joined
from agentkit.emulator.script import Quirk
from agentkit.emulator.stream import Hang, Send, Step, Wait, pieces
from tests.emulator.plain import plain

pytestmark = pytest.mark.anyio

NASTY = ' a\u2028b😀"\\n\\ud83d\ud83d é\n '
TURN: dict[str, Any] = {
    "content": NASTY + "c",
    "reasoning": NASTY + "r",
    "calls": [Call("find", {"name": "😀", "n": 1}, "call_a"), Call("find", '{"broken', "call_b")],
}
USER = {"role": "user", "content": "hi"}


class Assembled:
    """A small tolerant client: the judge of the emulator's streams."""

    def __init__(self, text: str, end: str = "\n") -> None:
        self.text: dict[str, str | None] = {"content": "", "reasoning_content": None}
        self.calls: list[list[str]] = []
        self.usage: Any = None
        self.finish: str | None = None
        self.chunks: list[dict[str, Any]] = []
        self.comments = 0
        self.done = False
        for event in text.split(end * 2)[:-1]:
            if event.startswith(":"):
                self.comments += 1
            elif event == "data: [DONE]":
                self.done = True
            else:
                self.take(json.loads(event.removeprefix("data: ")))

    def take(self, chunk: dict[str, Any]) -> None:
        self.chunks.append(chunk)
        self.usage = chunk.get("usage") or self.usage
        for choice in chunk.get("choices", ()):
            self.finish = choice["finish_reason"] or self.finish
            for field in self.text:
                if choice["delta"].get(field) is not None:
                    self.text[field] = (self.text[field] or "") + choice["delta"][field]
            for call in choice["delta"].get("tool_calls") or ():
                self.call(call)

    def call(self, delta: Mapping[str, Any]) -> None:
        if self.calls and delta["function"]["arguments"] == self.calls[-1][2] != "":
            return  # sent twice
        if delta["function"].get("name"):
            self.calls.append([delta.get("id", "none"), delta["function"]["name"], ""])
        self.calls[-1][2] += delta["function"]["arguments"] or ""


async def post(emulator: Emulator, **body: Any) -> httpx2.Response:
    asked = {"model": "deepseek-flash", "messages": [USER], **body}
    async with plain() as http:
        return await http.post(f"{emulator.base_url}/chat/completions", json=asked)


async def stream(reply: Reply, contract: str = "deepseek-v4") -> Assembled:
    async with Emulator({"*": [reply]}, contract=contract) as emulator:
        response = await post(emulator, stream=True, stream_options={"include_usage": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["transfer-encoding"] == "chunked"
    return Assembled(response.content.decode(), "\r\n" if "crlf" in reply.quirks else "\n")


def as_sent(got: Assembled, ids: tuple[str, str] = ("call_a", "call_b")) -> bool:
    calls = [[ids[0], "find", '{"name":"😀","n":1}'], [ids[1], "find", '{"broken']]
    text = {"content": NASTY + "c", "reasoning_content": NASTY + "r"}
    joined_calls = [[joined(part) for part in call] for call in got.calls]
    return {name: joined(value or "") for name, value in got.text.items()} == text and joined_calls == calls


async def test_case_14_the_plain_stream() -> None:
    got = await stream(Reply(**TURN))
    assert as_sent(got)
    assert (got.finish, got.done, got.comments) == ("tool_calls", True, 0)
    first = got.chunks[0]["choices"][0]["delta"]
    assert first == {"role": "assistant", "content": None, "reasoning_content": ""}
    heads = [c for c in got.chunks if c["choices"] and "tool_calls" in c["choices"][0]["delta"]]
    head = heads[0]["choices"][0]["delta"]["tool_calls"][0]
    assert head == {"index": 0, "id": "call_a", "type": "function", "function": {"name": "find", "arguments": ""}}
    assert "id" not in heads[1]["choices"][0]["delta"]["tool_calls"][0]
    assert got.chunks[-1]["choices"] == []
    assert got.usage["completion_tokens"] > got.usage["completion_tokens_details"]["reasoning_tokens"] > 0


@pytest.mark.parametrize("quirk", sorted({*get_args(Quirk)} - {"error_event"}))
@pytest.mark.parametrize("chunk", [0, 1, 3])
async def test_case_14_every_quirk_assembles_to_the_same(quirk: str, chunk: int) -> None:
    got = await stream(Reply(**TURN, quirks=[quirk], chunk=chunk))
    ids = ("none", "none") if quirk == "id_missing" else ("call_a", "call_b")
    assert as_sent(got, ids)
    assert got.done is (quirk != "no_done")


async def test_quirks_are_what_they_say() -> None:
    async def deltas(quirk: str) -> list[dict[str, Any]]:
        got = await stream(Reply(**TURN, quirks=[quirk]))
        return [chunk["choices"][0]["delta"] if chunk["choices"] else {"choices": []} for chunk in got.chunks]

    def calls(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [delta["tool_calls"][0] for delta in found if delta.get("tool_calls")]

    assert not any("index" in call for call in calls(await deltas("index_missing")))
    assert {call["index"] for call in calls(await deltas("index_repeated"))} == {0}
    assert not any("id" in call for call in calls(await deltas("id_missing")))
    later = calls(await deltas("id_empty_later"))[1]
    assert (later["id"], later["function"]["name"]) == ("", "")
    later = calls(await deltas("id_null_later"))[1]
    assert (later["id"], later["function"]["name"]) == (None, None)
    assert calls(await deltas("arguments_null"))[0]["function"]["arguments"] is None
    assert len(calls(await deltas("whole_arguments"))) == 2
    assert sum(delta.get("tool_calls") == [] for delta in await deltas("empty_tool_calls")) > 5
    assert all("content" in delta for delta in await deltas("content_null") if "tool_calls" in delta)
    assert (await deltas("choices_empty"))[1] == {"choices": []}
    after = [next(iter(delta)) for delta in await deltas("reasoning_after_content")]
    assert after.index("reasoning_content") > after.index("content")


async def test_split_surrogates_arrive_as_two_lone_escapes() -> None:
    async with Emulator({"*": [Reply("😀", reasoning=None, quirks=["split_surrogates"])]}) as emulator:
        body = (await post(emulator, stream=True)).content
    assert b'{"content":"\\ud83d"}' in body
    assert b'{"content":"\\ude00"}' in body


async def test_text_is_raw_but_for_lone_surrogates() -> None:
    async with Emulator({"*": [Reply(**TURN)]}) as emulator:
        response = await post(emulator)
    assert "\u2028b😀".encode() in response.content
    assert b"\\ud83d \xc3\xa9" in response.content
    message = response.json()["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == (NASTY + "c", NASTY + "r")
    assert message["tool_calls"][1]["function"]["arguments"] == '{"broken'


async def test_comments_and_blank_lines_keep_a_connection_alive() -> None:
    got = await stream(Reply(**TURN, keep_alives=3))
    assert got.comments == 6
    assert as_sent(got)
    async with Emulator({"*": [Reply("x", keep_alives=3)]}) as emulator:
        response = await post(emulator)
    assert response.content.startswith(b"\n\n\n{")
    assert response.json()["choices"][0]["message"]["content"] == "x"


@pytest.mark.parametrize(("at", "on_finish", "on_trailing"), [("finish", 1, 0), ("trailing", 0, 1), ("absent", 0, 0)])
async def test_usage_has_three_places(at: Any, on_finish: int, on_trailing: int) -> None:
    got = await stream(Reply("x", usage_at=at))
    finish = [chunk for chunk in got.chunks if chunk["choices"] and chunk["choices"][0]["finish_reason"]]
    assert sum("usage" in chunk for chunk in finish) == on_finish
    assert sum("usage" in chunk for chunk in got.chunks if not chunk["choices"]) == on_trailing
    async with Emulator({"*": [Reply("x", usage_at=at)]}) as emulator:
        assert ("usage" in (await post(emulator)).json()) is (at != "absent")
        assert ("usage" in (await post(emulator, stream=True)).text) is (at == "finish")


async def test_reasoning_has_three_states() -> None:
    for reasoning, seen in ((None, None), ("", ""), ("r", "r")):
        got = await stream(Reply("x", reasoning=reasoning))
        assert got.text["reasoning_content"] == seen
        async with Emulator({"*": [Reply("x", reasoning=reasoning)]}) as emulator:
            message = (await post(emulator)).json()["choices"][0]["message"]
        assert message.get("reasoning_content") == seen


async def test_non_streaming_quirks() -> None:
    reply = Reply(quirks=["content_null", "empty_tool_calls", "id_missing"], reasoning=None)
    async with Emulator({"*": [reply, Reply(calls=[Call("f")], quirks=["id_missing"])]}) as emulator:
        message = (await post(emulator)).json()["choices"][0]["message"]
        assert message == {"role": "assistant", "content": None, "tool_calls": []}


async def test_a_cut_stream_ends_without_an_end() -> None:
    read = b""

    async def read_all(response: httpx2.Response) -> None:
        nonlocal read
        async for data in response.aiter_raw():
            read += data

    async with Emulator({"*": [Reply(**TURN, cut_after=4)]}) as emulator, plain() as http:
        body = {"model": "m", "messages": [USER], "stream": True}
        async with http.stream("POST", f"{emulator.base_url}/chat/completions", json=body) as response:
            with pytest.raises(httpx2.RemoteProtocolError):
                await read_all(response)
    assert len(Assembled(read.decode()).chunks) == 4


@pytest.mark.parametrize(("streamed", "cut"), [(True, 0), (True, 3), (False, 0), (False, 10)])
async def test_a_cut_answer_is_an_error_of_the_transport(*, streamed: bool, cut: int) -> None:
    async with Emulator({"*": [[Reply("x", cut_after=cut), Reply("whole")]]}) as emulator:
        with pytest.raises(httpx2.RemoteProtocolError):
            await post(emulator, stream=streamed)
        assert "whole" in (await post(emulator)).text


async def test_an_answer_cut_after_its_end_is_whole() -> None:
    async with Emulator({"*": [Reply("x", cut_after=10_000)]}) as emulator:
        assert (await post(emulator)).json()["choices"][0]["message"]["content"] == "x"
        assert Assembled((await post(emulator, stream=True)).text).done


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("after", [0, 2, 3])
async def test_silence_lasts_until_the_client_goes(*, streamed: bool, after: int) -> None:
    async with Emulator({"*": [[Reply("x", chunk=0, reasoning=None, hang_after=after), Reply("whole")]]}) as emulator:
        waiting = anyio.CancelScope()

        async def silent() -> None:
            with waiting:
                await post(emulator, stream=streamed)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(silent)
            while not emulator.requests:  # noqa: ASYNC110 - it tells nobody when it is asked
                await anyio.sleep(0.01)
            await anyio.sleep(0.2)
            waiting.cancel()
        assert waiting.cancelled_caught
        assert "whole" in (await post(emulator)).text


@pytest.mark.parametrize("reply", [Reply("x", hang_after=1), Reply("x", delay=60, keep_alives=1)])
async def test_the_server_closes_although_an_answer_is_silent(reply: Reply) -> None:
    async with plain() as http:
        with anyio.fail_after(10):
            async with Emulator({"*": [reply]}) as emulator:
                body = {"model": "m", "messages": [USER], "stream": True}
                request = http.build_request("POST", f"{emulator.base_url}/chat/completions", json=body)
                response = await http.send(request, stream=True)
        with pytest.raises(httpx2.RemoteProtocolError):
            await response.aread()


@pytest.mark.parametrize("silence", [Hang(), Wait(60)])
async def test_an_answer_ends_when_its_client_is_gone(silence: Step) -> None:
    sent: list[Any] = []
    received = iter([{"type": "http.request"}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(received)

    async def send(message: Any) -> None:
        sent.append(message)

    player = Player([Send(b"x"), silence, Send(b"y")], {}, anyio.Event(), lambda: sent.append("finished"))
    with anyio.fail_after(10):
        await player({"type": "http"}, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert (sent[1]["body"], sent[1]["more_body"]) == (b"x", True)


async def test_delay_and_pace_take_time() -> None:
    async def seconds(reply: Reply, *, streamed: bool) -> float:
        async with Emulator({"*": [reply]}) as emulator:
            began = time.perf_counter()
            await post(emulator, stream=streamed)
            return time.perf_counter() - began

    assert await seconds(Reply("x", delay=0.3), streamed=False) >= 0.3
    assert await seconds(Reply("x", delay=0.3, keep_alives=3), streamed=True) >= 0.3
    assert await seconds(Reply("xxxxxx", chunk=1, pace=0.05), streamed=True) >= 0.3


async def test_deltas_arrive_while_the_answer_is_made() -> None:
    async with Emulator({"*": [Reply("abc", chunk=1, pace=0.1)]}) as emulator, plain() as http:
        body = {"model": "m", "messages": [USER], "stream": True}
        async with http.stream("POST", f"{emulator.base_url}/chat/completions", json=body) as response:
            times = [time.perf_counter() async for _ in response.aiter_raw()]
        assert times[-1] - times[0] > 0.2


async def test_small_answers_come_at_once() -> None:
    async with Emulator() as emulator, plain() as http:
        began = time.perf_counter()
        for _ in range(20):
            await http.post(f"{emulator.base_url}/chat/completions", json={"model": "m", "messages": [USER]})
        assert time.perf_counter() - began < 0.7, "Nagle's delay of 40 ms per request"


async def test_an_error_event_ends_a_200_stream() -> None:
    async with Emulator({"*": [Reply(**TURN, quirks=["error_event"])]}) as emulator:
        response = await post(emulator, stream=True)
    got = Assembled(response.text)
    assert response.status_code == 200
    assert got.chunks[-1]["error"]["message"]
    assert (got.done, got.finish) == (False, None)
    assert len(got.chunks) > 4


async def test_the_openai_sdk_reads_it() -> None:
    reply = Reply(reasoning="think", calls=[Call("find", {"a": 1})])
    async with (
        Emulator({"hi": [[reply, reply, Fault(402)]]}) as emulator,
        AsyncOpenAI(api_key="k", base_url=emulator.base_url, max_retries=0) as sdk,
    ):
        first = await sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        thought = ""
        async for chunk in await sdk.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=True
        ):
            thought += getattr(chunk.choices[0].delta, "reasoning_content", "") or ""
        with pytest.raises(APIStatusError, match="Insufficient Balance"):
            await sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert thought == "think"
    message: Any = first.choices[0].message
    assert message.reasoning_content == "think"
    assert message.tool_calls[0].function.arguments == '{"a":1}'
    assert first.choices[0].finish_reason == "tool_calls"


@given(text=st.text(st.characters(exclude_categories=())), chunk=st.integers(0, 4), split=st.booleans())
def test_pieces_join_to_the_text(*, text: str, chunk: int, split: bool) -> None:
    got = pieces(joined(text), Reply(chunk=chunk, quirks=["split_surrogates"] if split else []))
    assert joined("".join(got)) == joined(text)
    assert all(0 < len(piece) <= (chunk or len(text)) for piece in got)
