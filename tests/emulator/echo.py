"""A small client that loses nothing: it assembles whatever comes, and sends it back as each form of carriage wants."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from agentkit.emulator import CONTRACTS, Contract, Emulator
from tests.emulator.plain import plain

CHAT = sorted(name for name, row in CONTRACTS.items() if row.wire == "chat")
TOOLS = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}]

ASKS: Mapping[str, Mapping[str, Any]] = {
    "kimi-k2.6-keep": {"thinking": {"type": "enabled", "keep": "all"}},
    "minimax-m2-split": {"reasoning_split": True},
    "minimax-m3-split": {"reasoning_split": True},
    "glm-keep": {"thinking": {"type": "enabled", "clear_thinking": False}},
    "qwen-keep": {"preserve_thinking": True},
}
"""What the client of a row is expected to ask for."""

_PROSE = ("content", "reasoning", "reasoning_content")


class Assembly:
    """A message from its deltas."""

    def __init__(self) -> None:
        self.text: dict[str, str] = {}
        self.parts: list[dict[str, Any]] = []
        self.details: dict[int, dict[str, Any]] = {}
        self.calls: list[dict[str, Any]] = []

    def take(self, delta: Mapping[str, Any]) -> None:
        for name in _PROSE:
            if isinstance(delta.get(name), str):
                self.text[name] = self.text.get(name, "") + delta[name]
        if isinstance(delta.get("content"), list):
            self._parts(delta["content"])
        for entry in delta.get("reasoning_details") or ():
            held = self.details.setdefault(entry["index"], {})
            text = held.get("text", "") + entry.get("text", "")
            held |= {**entry, **({"text": text} if "text" in held or "text" in entry else {})}
        for call in delta.get("tool_calls") or ():
            self._call(call)

    def _parts(self, parts: list[dict[str, Any]]) -> None:
        for part in parts:
            if part["type"] == "text":
                self.text["content"] = self.text.get("content", "") + part["text"]
            elif self.parts:
                self.parts[0]["thinking"][0]["text"] += part["thinking"][0]["text"]
            else:
                self.parts.append(part)

    def _call(self, delta: Mapping[str, Any]) -> None:
        function = delta["function"]
        arguments = function["arguments"] or ""
        if self.calls and arguments and arguments == self.calls[-1]["function"]["arguments"] and _again(delta, self):
            return
        if function.get("name"):
            beside = {name: value for name, value in delta.items() if name not in ("index", "function")}
            self.calls.append({**beside, "function": {"name": function["name"], "arguments": ""}})
        self.calls[-1]["function"]["arguments"] += arguments

    def message(self) -> dict[str, Any]:
        found: dict[str, Any] = {"role": "assistant", **self.text}
        if self.parts:
            words = [{"type": "text", "text": found["content"]}] if found.get("content") else []
            found["content"] = [*self.parts, *words]
        if self.details:
            found["reasoning_details"] = [entry for _, entry in sorted(self.details.items())]
        if self.calls:
            found["tool_calls"] = self.calls
        return found


def _again(delta: Mapping[str, Any], so_far: Assembly) -> bool:
    return bool(delta["function"].get("name") == so_far.calls[-1]["function"]["name"])


def assembled(raw: bytes) -> dict[str, Any]:
    """Return the message that the whole events of a stream make."""
    assembly = Assembly()
    for line in raw.decode().replace("\r\n", "\n").split("\n"):
        if line.startswith("data: {"):
            for choice in json.loads(line.removeprefix("data: ")).get("choices", ()):
                assembly.take(choice["delta"])
    return assembly.message()


class Echo:
    """A client of one service."""

    def __init__(self, emulator: Emulator, http: httpx2.AsyncClient, row: Contract, **asks: Any) -> None:
        self.emulator = emulator
        self.http = http
        self.row = row.asked_by(asks)
        self.asks = asks

    async def post(self, *messages: Any, **body: Any) -> httpx2.Response:
        asked = {"model": self.row.model, "messages": messages, **self.asks, **body}
        if self.row.tools:
            asked.setdefault("tools", TOOLS)
        asked = {name: value for name, value in asked.items() if value is not None}
        # Escaped, because halves of a surrogate pair may have come in two deltas: decoding joins them.
        raw = json.dumps(asked).encode()
        return await self.http.post(f"{self.emulator.base_url}/chat/completions", content=raw)

    async def ask(self, *messages: Any, **body: Any) -> dict[str, Any]:
        response = await self.post(*messages, **body)
        assert response.status_code == 200, response.text
        if not body.get("stream"):
            found: dict[str, Any] = response.json()["choices"][0]["message"]
            return found
        return assembled(response.content)

    def back(self, message: Mapping[str, Any], at: int = 0) -> dict[str, Any]:
        """Return a message as it goes back: what cannot be sent is mended, what the service wants is added."""
        calls = [
            {**call, "type": "function", "id": call.get("id") or f"c{at:04d}{index:04d}"}
            for index, call in enumerate(message.get("tool_calls") or ())
        ]
        found = {**message, "content": message.get("content") or "", "tool_calls": calls}
        if not calls:
            del found["tool_calls"]
        if self.row.forbids:
            found.pop(self.row.carrier, None)
        elif self.row.demands != "nothing" and self.row.form in ("field", "details"):
            spoken = message.get(self.row.carrier, message.get("reasoning"))
            found[self.row.carrier] = spoken or ("" if self.row.empty else " ")
        return found


def results(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": "found"} for call in message.get("tool_calls") or ()
    ]


@asynccontextmanager
async def echo(script: Any, contract: str, **asks: Any) -> AsyncIterator[Echo]:
    row = CONTRACTS[contract]
    async with Emulator(script, contract=contract) as emulator, plain() as http:
        yield Echo(emulator, http, row, **{**ASKS.get(contract, {}), **asks})
