"""The prefix cache of every row that wants reasoning for ever: a session that only grows misses only what is new."""

from typing import Any

import pytest

from agentkit.emulator import CONTRACTS, Call, Reply
from tests.emulator.echo import CHAT, Echo, echo, results

pytestmark = pytest.mark.anyio

STEPS = 50
UNIT = 64
STICKY = [
    name
    for name in CHAT
    if CONTRACTS[name].wanted in ("every message", "tool turns", "tool calls") and CONTRACTS[name].tools
]
SCRIPT = {
    "*": [Reply(f"step {at}", "thought " * 20, [Call("find", {"at": at, "why": "y" * 40})]) for at in range(STEPS)]
}


async def session(client: Echo, spoil: Any = None) -> list[int]:
    """Play a session of tool steps; return how many tokens of what existed before each request was not hit."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "go " * 100}]
    lacking: list[int] = []
    for at in range(STEPS):
        message = client.back(await client.ask(*messages, stream=bool(at % 2)), at)
        spent = client.emulator.requests[-1].tokens
        assert spent is not None
        # All but the last result existed: the prompt before, and the answer that the model wrote to it.
        existed = 4 * (spent.hit + spent.miss) - 3 - len("<|tool|>found")
        lacking.append(existed // (4 * UNIT) * UNIT - spent.hit)
        messages += [message, *results(message)]
        if spoil:
            spoil(messages)
    return lacking[1:]


@pytest.mark.parametrize("contract", STICKY)
async def test_every_full_unit_that_existed_is_hit(contract: str) -> None:
    async with echo(SCRIPT, contract) as client:
        assert max(await session(client)) <= 0
        assert client.emulator.counts.losses == 0
        assert client.emulator.counts.by_status == {200: STEPS}
        assert client.emulator.counts.cache_hit_tokens > client.emulator.counts.cache_miss_tokens * 10


async def test_a_changed_beginning_is_seen_by_the_same_measure() -> None:
    def restart(messages: list[dict[str, Any]]) -> None:
        messages[0] = {"role": "user", "content": f"{len(messages)} go"}

    async with echo(SCRIPT, "minimax-m2") as client:
        assert max(await session(client, restart)) > 1000
