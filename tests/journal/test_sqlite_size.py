"""The budget: a journal is at most half as large again as the conversation in it."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agentkit.core.events import AnyEvent, ModelResponded, ModelStarted, Sent, ToolFinished, ToolStarted
from agentkit.core.messages import AssistantMessage, Text, ToolCall
from agentkit.core.spec import Usage
from agentkit.journal import SQLiteJournal
from agentkit.journal.base import Batch, Placed
from benchmarks import growth


@pytest.mark.anyio
async def test_the_file_is_at_most_half_as_large_again_as_the_conversation(tmp_path: Path) -> None:
    """200 steps of two calls and 4 kB each, as in DURABLE.md, with the hashes that a real run records."""
    spoken = 0
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        lease = await journal.claim("0123456789abcdef0123456789abcdef", uid="u", agent="a", owner="test")
        for step in range(200):
            thought, asked, found = f"{step} why " * 150, f'{{"order":"#W{step:07}"}}', f"{step} fact " * 150
            calls = tuple(ToolCall(f"call_{step:024}_{n}", "get_order_details", asked) for n in range(2))
            message = AssistantMessage(reasoning=thought, calls=calls, carrier="reasoning_content")
            sent = Sent(3 * step, ("0123456789abcdef01234567",) * 3)
            events: list[AnyEvent] = [
                ModelResponded(message, sent, Usage(1000 * step, 900 * step, 300, 200), "tool_calls"),
                *(ToolStarted(f"1.{step}.{n}", "read", *("0123456789abcdef012345",) * 2) for n in range(2)),
                *(ToolFinished(f"1.{step}.{n}", (Text(found),)) for n in range(2)),
                ModelStarted(1, 5000),
            ]
            await journal.append(lease, 6 * step, Batch([Placed(event, 1, step) for event in events]))
            spoken += len(on_the_wire(message)) + sum(len(on_the_wire(call, found)) for call in calls)
    size = (tmp_path / "j.db").stat().st_size
    assert 700_000 < spoken < 900_000
    assert size <= 1.5 * spoken, f"{size / spoken:.2f}"


def test_a_thousand_steps_with_results_of_one_kilobyte_keep_the_budget(tmp_path: Path) -> None:
    """A real session with its reasoning, against the bytes of its last request's messages."""
    path = tmp_path / "j.db"
    spoken = growth.run(1_000, 1_000, SQLiteJournal(path))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("pragma wal_checkpoint(truncate)").fetchone() == (0, 0, 0)
        (answers,) = db.execute("select count(*) from event where type = 'ModelResponded'").fetchone()
    size = path.stat().st_size
    assert answers == 1_000
    assert spoken > 1_400_000
    assert size <= 1.5 * spoken, f"{size / spoken:.2f}"


def on_the_wire(said_or_asked: AssistantMessage | ToolCall, result: str = "") -> str:
    if isinstance(said_or_asked, ToolCall):
        return json.dumps({"role": "tool", "tool_call_id": said_or_asked.id, "content": result}, separators=(",", ":"))
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in said_or_asked.calls
    ]
    message = {"role": "assistant", "content": "", "reasoning_content": said_or_asked.reasoning, "tool_calls": calls}
    return json.dumps(message, separators=(",", ":"))
