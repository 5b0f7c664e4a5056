"""Who runs the session: two loops that do nothing else, and agentkit with and without a file."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
from openai import AsyncOpenAI

from agentkit import Agent, Journal, Limits, MemoryJournal, Model, Session, SQLiteJournal
from benchmarks.work import QUESTION, SCHEMA, look_up, page_text

MODEL = "deepseek-v4-flash"
KEY = "unused"

Contender = Callable[[str], Awaitable[int]]
"""Gets the service's base URL and returns how many steps it took."""


async def bare_loop(base_url: str) -> int:
    """Least that can be done: each message is encoded once, the body is joined, the answer parsed."""
    messages = [_encoded({"role": "user", "content": QUESTION})]
    tail = b"]," + _encoded({"model": MODEL, "tools": [SCHEMA]})[1:]
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    async with httpx2.AsyncClient(trust_env=False, headers=headers, timeout=600) as client:
        for step in range(1, 1_000_000):
            body = b'{"messages":[' + b",".join(messages) + tail
            response = await client.post(f"{base_url}/chat/completions", content=body)
            message = response.raise_for_status().json()["choices"][0]["message"]
            if not message.get("tool_calls"):
                return step
            messages.append(_encoded(message))
            messages += [_encoded(_result(call["id"], call["function"]["arguments"])) for call in message["tool_calls"]]
    raise AssertionError


async def sdk_loop(base_url: str) -> int:
    """The loop everybody writes first, on the SDK's own `create`."""
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    async with AsyncOpenAI(base_url=base_url, api_key=KEY, max_retries=0) as client:
        for step in range(1, 1_000_000):
            create: Any = client.chat.completions.create  # its overloads know nothing of reasoning
            completion = await create(model=MODEL, messages=messages, tools=[SCHEMA])
            message = completion.choices[0].message
            if not message.tool_calls:
                return step
            messages.append(message.model_dump(exclude_none=True))
            messages += [_result(call.id, call.function.arguments) for call in message.tool_calls]
    raise AssertionError


async def with_memory(base_url: str) -> int:
    """Agentkit, recording nothing that lasts."""
    return await _agentkit(base_url, MemoryJournal())


async def with_file(base_url: str) -> int:
    """Agentkit, recording every step in a file."""
    with TemporaryDirectory() as folder:
        return await _agentkit(base_url, SQLiteJournal(Path(folder, "bench.db")))


async def _agentkit(base_url: str, journal: Journal) -> int:
    model = Model(MODEL, base_url=base_url, api_key=KEY, contract="deepseek-v4")
    agent: Agent[None] = Agent(model, tools=[look_up], limits=Limits(steps=None, repeats=None))
    async with Session(agent, "bench", journal=journal) as session:
        result = await session.run(QUESTION)
    if result.status != "completed":
        raise RuntimeError(result.reason)
    return result.steps


def _encoded(message: Any) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def _result(call_id: str, arguments: str) -> dict[str, str]:
    return {"role": "tool", "tool_call_id": call_id, "content": page_text(**json.loads(arguments))}


CONTENDERS: dict[str, Contender] = {
    "bare HTTP loop, messages encoded once": bare_loop,
    "plain loop on AsyncOpenAI.create": sdk_loop,
    "agentkit, MemoryJournal": with_memory,
    "agentkit, SQLiteJournal": with_file,
}
