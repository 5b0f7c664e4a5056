"""The budget, on a server: a journal is at most half as large again as the conversation in it."""

import json
import random

import pytest

from agentkit.core.events import AnyEvent, ModelResponded, ModelStarted, Sent, ToolFinished, ToolStarted
from agentkit.core.messages import AssistantMessage, Text, ToolCall
from agentkit.core.spec import Usage
from agentkit.journal import PostgresJournal
from agentkit.journal.base import Batch, Placed
from tests.postgres import execute, server

pytestmark = pytest.mark.anyio

_LETTERS = "abcdefghijklmnopqrstuvwxyz      "


def prose(size: int, seed: int) -> str:
    """Return text that no compression makes small."""
    return "".join(random.Random(seed).choices(_LETTERS, k=size))  # noqa: S311 - a seeded text, no secret


async def test_the_tables_are_at_most_half_as_large_again_as_the_conversation() -> None:
    """1,000 steps of one call with 1 kB of thought and a result of 1 kB, with the hashes that a real run records."""
    url, spoken = server().fresh(), 0
    async with PostgresJournal(url) as journal:
        empty = size(url)
        lease = await journal.claim("0123456789abcdef0123456789abcdef", uid="u", agent="a", owner="test")
        for step in range(1000):
            thought, found = prose(1000, step), prose(1000, -step)
            call = ToolCall(f"call_{step:024}", "get_order_details", f'{{"order":"#W{step:07}"}}')
            message = AssistantMessage(reasoning=thought, calls=(call,), carrier="reasoning_content")
            sent = Sent(2 * step, ("0123456789abcdef01234567",) * 2)
            answered: list[AnyEvent] = [
                ModelResponded(message, sent, Usage(1000 * step, 900 * step, 300, 200), "tool_calls"),
                ToolStarted(f"1.{step}.0", "read", *("0123456789abcdef012345",) * 2),
            ]
            done: list[AnyEvent] = [ToolFinished(f"1.{step}.0", (Text(found),)), ModelStarted(1, 5000)]
            for after, events in ((4 * step, answered), (4 * step + 2, done)):
                await journal.append(lease, after, Batch([Placed(event, 1, step) for event in events]))
            spoken += len(on_the_wire(message)) + len(on_the_wire(call, found))
    taken = size(url) - empty
    assert 2_200_000 < spoken < 2_400_000
    assert taken <= 1.5 * spoken, f"{taken / spoken:.2f}"


def size(url: str) -> int:
    ((total,),) = execute(
        url,
        "select sum(pg_total_relation_size(c.oid))::bigint"
        " from pg_class c join pg_namespace s on s.oid = c.relnamespace"
        " where s.nspname = 'agentkit' and c.relkind = 'r'",
    )
    return int(total)


def on_the_wire(said_or_asked: AssistantMessage | ToolCall, result: str = "") -> str:
    if isinstance(said_or_asked, ToolCall):
        return json.dumps({"role": "tool", "tool_call_id": said_or_asked.id, "content": result}, separators=(",", ":"))
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in said_or_asked.calls
    ]
    message = {"role": "assistant", "content": "", "reasoning_content": said_or_asked.reasoning, "tool_calls": calls}
    return json.dumps(message, separators=(",", ":"))
