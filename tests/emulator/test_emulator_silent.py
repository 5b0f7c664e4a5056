"""Conformance case 25 of the contracts paper: services that refuse nothing, and lose reasoning without a word."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import httpx2
import pytest

from agentkit.emulator import CONTRACTS, Call, Reply
from tests.emulator.echo import ASKS, Echo, assembled, echo, results

pytestmark = pytest.mark.anyio

USER = {"role": "user", "content": "hi"}
SCRIPT = {"*": [Reply("x", "some thought", [Call("find", {"a": 1})]), Reply("y", "another"), Reply("z", "third")] * 9}


def moved(message: Mapping[str, Any], field: str, to: str) -> dict[str, Any]:
    found = dict(message)
    found[to] = found.pop(field)
    return found


@pytest.mark.parametrize("contract", ["vllm", "ollama"])
async def test_case_25_the_wrong_field_is_dropped_without_a_word(contract: str) -> None:
    async with echo(SCRIPT, contract) as client:
        message = await client.ask(USER)
        assert message["reasoning"] == "some thought"
        wrong = moved(message, "reasoning", "reasoning_content")
        assert (await client.post(USER, wrong, *results(message))).status_code == 200
        assert client.emulator.requests[-1].returned[0].reasoning == "absent"
        assert client.emulator.counts.reasoning_missing == client.emulator.counts.losses == 1
        both = {**message, "reasoning_content": "some thought"}
        assert (await client.post(USER, both, *results(message))).status_code == 200
        assert client.emulator.counts.losses == 1


@pytest.mark.parametrize("contract", ["sglang", "llama-cpp", "lm-studio", "generic", "qwen", "glm"])
async def test_case_25_the_other_wrong_field(contract: str) -> None:
    async with echo(SCRIPT, contract) as client:
        message = await client.ask(USER)
        wrong = moved(message, "reasoning_content", "reasoning")
        assert (await client.post(USER, wrong, *results(message))).status_code == 200
        assert client.emulator.counts.reasoning_missing == 1


@pytest.mark.parametrize("contract", ["minimax-m2", "minimax-m3"])
async def test_case_25_tags_that_are_stripped_or_touched(contract: str) -> None:
    async with echo(SCRIPT, contract) as client:
        message = await client.ask(USER)
        assert message["content"] == "<think>\nsome thought\n</think>\n\nx"
        assert (await client.post(USER, message, *results(message))).status_code == 200
        assert client.emulator.counts.losses == 0
        for at, content in enumerate(("x", "", "<think>some thought</think>x", "<think>\nsome\n</think>\n\nx"), 1):
            spoiled = {**message, "content": content}
            assert (await client.post(USER, spoiled, *results(message))).status_code == 200
            counts = client.emulator.counts
            assert counts.reasoning_missing + counts.reasoning_altered == at, content


@pytest.mark.parametrize("contract", ["minimax-m2-split", "minimax-m3-split"])
async def test_case_25_split_reasoning_goes_back_in_its_list(contract: str) -> None:
    async with echo(SCRIPT, contract) as client:
        message = await client.ask(USER)
        assert (message["content"], message["reasoning_content"]) == ("x", "some thought")
        assert [entry["text"] for entry in message["reasoning_details"]] == ["some thought"]
        assert (await client.ask(USER, stream=True))["reasoning_details"] == message["reasoning_details"]
        await client.post(USER, message, *results(message))
        assert client.emulator.counts.losses == 0
        less = {name: value for name, value in message.items() if name != "reasoning_details"}
        assert (await client.post(USER, less, *results(message))).status_code == 200
        assert client.emulator.counts.reasoning_missing == 1
        assert "<think>" in (await client.ask(USER, reasoning_split=None))["content"], "not asked to split"


async def play(contract: str, spoil: Any, **asks: Any) -> Any:
    """Play one turn with a call, then return its messages, changed, with another question; return the counts."""
    async with echo(SCRIPT, contract, **asks) as client:
        first = await client.ask(USER)
        second = await client.ask(USER, first, *results(first))
        history = [USER, spoil(first), *results(first), spoil(second), USER]
        assert (await client.post(*history)).status_code == 200
        return client.emulator.counts


def kept(message: Mapping[str, Any]) -> dict[str, Any]:
    return dict(message)


def cut(message: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "reasoning_content"}


def edited(message: Mapping[str, Any]) -> dict[str, Any]:
    return {**message, "reasoning_content": message["reasoning_content"].upper()}


@pytest.mark.parametrize("contract", ["glm-keep", "qwen-keep", "kimi-k2.6-keep"])
async def test_case_25_reasoning_that_is_to_be_preserved(contract: str) -> None:
    assert (await play(contract, kept)).losses == 0
    assert (await play(contract, cut)).reasoning_missing == 2
    assert (await play(contract, edited)).reasoning_altered == 2


@pytest.mark.parametrize("contract", ["glm-keep", "qwen-keep", "kimi-k2.6-keep"])
async def test_case_25_who_does_not_ask_for_preservation_is_not_read(contract: str) -> None:
    nothing = dict.fromkeys(ASKS[contract])
    counts = await play(contract, kept, **nothing)
    assert (counts.reasoning_unread, counts.losses) == (2, 2)
    assert (await play(contract, cut, **nothing)).reasoning_missing == 2


@pytest.mark.parametrize("contract", ["glm", "glm-5.3", "qwen", "kimi-k2.6", "vllm", "deepseek-v3.2"])
async def test_what_a_service_does_not_read_is_no_loss(contract: str) -> None:
    def drop(message: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in message.items() if name != CONTRACTS[contract].carrier}

    assert (await play(contract, kept)).losses == 0
    assert (await play(contract, drop)).losses == 0, "an old turn"


async def test_mistral_reads_only_its_parts() -> None:
    async with echo(SCRIPT, "mistral") as client:
        message = await client.ask(USER)
        flat = {**message, "content": "x", "reasoning_content": "some thought"}
        assert (await client.post(USER, flat, *results(message))).status_code == 200
        assert client.emulator.counts.reasoning_missing == 1


async def broken_off(client: Echo) -> dict[str, Any]:
    """Return what had come of an answer when its connection was dropped."""
    body = {"model": "m", "messages": [USER], "stream": True, **client.asks}
    read = b""
    async with client.http.stream("POST", f"{client.emulator.base_url}/chat/completions", json=body) as response:
        with suppress(httpx2.RemoteProtocolError):
            async for data in response.aiter_raw():
                read += data
    assert b"[DONE]" not in read
    return {"role": "assistant", "content": "", **assembled(read)}


@pytest.mark.parametrize(
    ("contract", "deltas"), [("minimax-m2", 18), ("minimax-m2-split", 9), ("mistral", 9), ("vllm", 9), ("glm", 9)]
)
async def test_an_answer_that_broke_off_may_come_back_as_far_as_it_came(contract: str, deltas: int) -> None:
    script = {f"{at}": [Reply("text", "some thought", cut_after=at, chunk=2), Reply("next")] for at in range(deltas)}
    for _restart in range(2):
        async with echo(script, contract) as client:
            for opening in script:
                user = {"role": "user", "content": opening}
                client.asks["messages"] = [user]
                message = await broken_off(client)
                del client.asks["messages"]
                await client.ask(user, message, USER)
                assert client.emulator.counts.losses == 0, (opening, message)


@pytest.mark.parametrize("contract", ["minimax-m2", "deepseek-v4"])
async def test_a_leak_is_known_after_a_restart(contract: str) -> None:
    reply = Reply("x", "hm", [Call("find", {"a": "b"})], quirks=["dsml_leak", "think_leak"])
    async with echo({"*": [reply, Reply("done")]}, contract) as client:
        message = await client.ask(USER)
        assert "DSML" in message["content"]
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"a": "b"}'}}
    for again in (message, {"role": "assistant", "content": "x", "tool_calls": [call]}):
        async with echo({"*": [reply, Reply("done")]}, contract) as client:
            tagged = contract == "minimax-m2" and again is not message
            back = {**again, "content": "<think>\nhm\n</think>\n\nx"} if tagged else again
            reasoning = "" if again is message else "hm"
            await client.ask(USER, {**back, "reasoning_content": reasoning}, *results(again))
            assert client.emulator.counts.losses == 0
