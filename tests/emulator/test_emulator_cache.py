"""Tokens, the prefix cache and the cost."""

from decimal import Decimal
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.emulator import Call, Emulator, Reply
from agentkit.emulator.cache import PrefixCache
from agentkit.emulator.prompt import tokens
from tests.emulator.plain import plain

TOOLS = [{"type": "function", "function": {"name": "find"}}]


def common(one: bytes, other: bytes) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (left, right) in pairs if left != right), min(len(one), len(other)))


@given(st.lists(st.binary(max_size=40).map(lambda tail: b"common prefix" + tail), max_size=6), st.integers(1, 4))
def test_a_hit_is_the_longest_prefix_seen_in_full_units(prompts: list[bytes], unit: int) -> None:
    cache = PrefixCache(unit)
    for at, prompt in enumerate(prompts):
        longest = max((common(prompt, earlier) for earlier in prompts[:at]), default=0)
        assert cache.store("me", prompt).hit == longest // (unit * 4) * unit


@given(st.binary(max_size=60), st.binary(max_size=60), st.integers(1, 3))
def test_an_extended_prompt_is_as_if_stored_whole(prompt: bytes, more: bytes, unit: int) -> None:
    cache = PrefixCache(unit)
    cache.extend(cache.store("me", prompt), more)
    assert cache.store("me", prompt + more).hit == len(prompt + more) // (unit * 4) * unit


def test_owners_share_nothing() -> None:
    cache = PrefixCache(1)
    cache.store("me", b"x" * 40)
    assert cache.store("you", b"x" * 40).hit == 0
    assert cache.store("me", b"x" * 40).hit == 10


@given(st.integers(0, 10_000))
def test_tokens_are_rounded_up(size: int) -> None:
    assert tokens(size) * 4 - 4 < size <= tokens(size) * 4


class Client:
    def __init__(self, emulator: Emulator, http: httpx2.AsyncClient) -> None:
        self.emulator = emulator
        self.http = http

    async def usage(self, *messages: Any, key: str = "k", **body: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        asked = {"model": "deepseek-flash", "messages": messages, "tools": TOOLS, **body}
        response = await self.http.post(
            f"{self.emulator.base_url}/chat/completions", json=asked, headers={"authorization": f"Bearer {key}"}
        )
        decoded = response.json()
        return decoded["usage"], decoded["choices"][0]["message"]


USER = {"role": "user", "content": "x" * 4000}


@pytest.mark.anyio
@pytest.mark.parametrize("unit", [64, 128])
async def test_a_growing_conversation_hits_all_but_its_tail(unit: int) -> None:
    long = Reply("y" * 2000, reasoning="r" * 2000, calls=[Call("find", {"a": "z" * 2000})])
    async with Emulator({"*": [long, Reply("done")]}, cache_unit=unit) as emulator, plain() as http:
        client = Client(emulator, http)
        first, message = await client.usage(USER)
        assert first["prompt_cache_hit_tokens"] == 0
        assert (first["completion_tokens_details"]["reasoning_tokens"], first["completion_tokens"]) == (500, 1503)
        result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "found"}
        second, _ = await client.usage(USER, message, result)
        hit, miss = second["prompt_cache_hit_tokens"], second["prompt_cache_miss_tokens"]
        assert hit + miss == second["prompt_tokens"] > first["prompt_tokens"] + 1500
        assert hit % unit == 0
        assert miss < unit + 10, "the answer itself is stored too"
        assert second["prompt_tokens_details"]["cached_tokens"] == hit


@pytest.mark.anyio
async def test_a_changed_beginning_misses_everything() -> None:
    async with Emulator() as emulator, plain() as http:
        client = Client(emulator, http)
        await client.usage({"role": "system", "content": "now: 1"}, USER)
        same, _ = await client.usage({"role": "system", "content": "now: 1"}, USER)
        other, _ = await client.usage({"role": "system", "content": "now: 2"}, USER)
        assert same["prompt_cache_hit_tokens"] >= 960
        assert other["prompt_cache_hit_tokens"] == 0


@pytest.mark.anyio
async def test_the_cache_is_apart_for_key_user_model_and_tools() -> None:
    async with Emulator() as emulator, plain() as http:
        client = Client(emulator, http)
        await client.usage(USER)
        assert (await client.usage(USER))[0]["prompt_cache_hit_tokens"] > 0
        another = [{"type": "function", "function": {"name": "another"}}]
        others: list[dict[str, Any]] = [
            {"key": "k2"},
            {"user_id": "7"},
            {"model": "deepseek-v4-pro"},
            {"tools": another},
        ]
        for other in others:
            assert (await client.usage(USER, **other))[0]["prompt_cache_hit_tokens"] == 0


@pytest.mark.anyio
async def test_cost_is_counted_at_flash_prices() -> None:
    async with Emulator({"*": [Reply("y" * 400, reasoning=None)]}) as emulator, plain() as http:
        client = Client(emulator, http)
        await client.usage(USER)
        await client.usage(USER)
        counts = emulator.counts
        assert counts.output_tokens == 200
        million = Decimal(1_000_000)
        wanted = (
            Decimal("0.003") * counts.cache_hit_tokens
            + Decimal("0.15") * counts.cache_miss_tokens
            + Decimal("0.60") * counts.output_tokens
        ) / million
        assert counts.cost == wanted > Decimal("0.0001")


@pytest.mark.anyio
async def test_v32_forgets_the_reasoning_of_old_turns() -> None:
    async with Emulator({"*": [Reply("x")] * 4}, contract="deepseek-v3.2") as emulator, plain() as http:
        client = Client(emulator, http)
        old = {"role": "assistant", "content": "a", "reasoning_content": "r" * 400}
        again = {"role": "user", "content": "b"}
        with_it, _ = await client.usage(USER, old, again, model="deepseek-reasoner")
        without, _ = await client.usage(USER, {**old, "reasoning_content": ""}, again, model="deepseek-reasoner")
        assert with_it["prompt_tokens"] == without["prompt_tokens"]
