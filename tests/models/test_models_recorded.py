"""Real answers of real services: each is read without loss under its own row and under the generic one.

What is expected is read from the body by the plainest means (`Plain`), independent of what is tested.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from agentkit.core.contract import INLINE_TAGS, THINKING_PARTS, Contract
from agentkit.core.messages import Producer
from agentkit.core.request import project
from agentkit.core.spec import Usage
from agentkit.errors import ModelError
from agentkit.models import chat, contracts, faults
from agentkit.models.base import Answered, Broken, Piece, Reply
from agentkit.models.calls import legal
from agentkit.models.reading import Reading

RECORDED = Path(__file__).parents[2].parent / "shared" / "fixtures"
TODAY = date(2026, 11, 21)
GENERIC = contracts.named("generic", TODAY)

if not RECORDED.is_dir():
    pytest.skip("../shared/fixtures, the recorded answers of services, is not there", allow_module_level=True)


def exchanges() -> Iterator[Any]:
    for path in sorted(RECORDED.rglob("*.json")):
        for number, exchange in enumerate(json.loads(path.read_text("utf-8"))["exchanges"]):
            for row in {row.id: row for row in (ruling(exchange), GENERIC)}.values():
                yield pytest.param(exchange, row, id=f"{path.parent.name}/{path.stem}/{number}/{row.id}")


def ruling(exchange: Any) -> Contract:
    """Return the row of the service that was asked; these are all Chat Completions."""
    model = (exchange["request"] or {}).get("model") or said(exchange)[0].get("model") or ""
    row = contracts.ruling(urlsplit(exchange["url"]).netloc, model, TODAY)
    return row if row.wire == "chat" else GENERIC


def said(exchange: Any) -> list[Any]:
    body = exchange["body"]
    if "event-stream" not in exchange["content_type"]:
        return [json.loads(body)]
    lines = [line.strip() for line in body.split("\n")]
    return [json.loads(line[5:]) for line in lines if line.startswith("data:") and "[DONE]" not in line]


def reading(exchange: Any, row: Contract, size: int = 1 << 20) -> tuple[Reading, list[Piece]]:
    read = Reading(row, Producer("m", row.id), exchange["content_type"])
    body = exchange["body"].encode()
    return read, [piece for start in range(0, len(body), size) for piece in read.feed(body[start : start + size])]


@dataclass
class Plain:
    """An answer as a person would read it off the page."""

    row: Contract
    content: str | list[Any] = ""
    fields: dict[str, str] = field(default_factory=dict)
    private: dict[str, Any] = field(default_factory=dict)
    calls: list[dict[str, Any]] = field(default_factory=list)
    finish: str = ""
    usage: dict[str, Any] = field(default_factory=dict)

    def take(self, value: Any) -> None:
        self.usage = value.get("usage") or (value.get("x_groq") or {}).get("usage") or self.usage
        for choice in value.get("choices") or []:
            self.finish = choice.get("finish_reason") or self.finish
            part = choice.get("delta") or choice.get("message") or {}
            self._content(part.get("content"))
            for name in self.row.carrier.read:
                if isinstance(part.get(name), str):
                    self.fields[name] = self.fields.get(name, "") + part[name]
            for name in self.row.carrier.opaque:
                if part.get(name):
                    self._private(name, part[name])
            for call in part.get("tool_calls") or []:
                self._call(call)

    def _content(self, content: Any) -> None:
        for chunk in content if isinstance(content, list) else [content]:
            if isinstance(self.content, str) and isinstance(chunk, str):
                self.content += chunk
                continue
            if chunk is None:
                continue
            if isinstance(self.content, str):
                self.content = [{"type": "text", "text": self.content}] if self.content else []
            new: Any = {"type": "text", "text": chunk} if isinstance(chunk, str) else json.loads(json.dumps(chunk))
            last: Any = self.content[-1] if self.content else {}
            if last.get("type") != new["type"]:
                self.content.append(new)
            elif new["type"] == "text":
                last["text"] += new["text"]
            else:
                last["thinking"][0]["text"] += new["thinking"][0]["text"]
                last |= {name: value for name, value in new.items() if name != "thinking"}

    def _private(self, name: str, value: Any) -> None:
        if not isinstance(value, list):
            self.private[name] = value
            return
        entries = self.private.setdefault(name, [])
        for entry in value:
            key = (entry.get("index"), entry["type"])
            known = next((old for old in entries if (old.get("index"), old["type"]) == key), None)
            if known is None:
                entries.append(dict(entry))
                continue
            for text, more in entry.items():
                known[text] = known[text] + more if text in {"text", "summary", "data"} else more

    def _call(self, call: Mapping[str, Any]) -> None:
        function = call.get("function") or {}
        arguments = function.get("arguments") or ""
        if function.get("name") and call.get("id") not in [known["id"] for known in self.calls]:
            beside = {name: call[name] for name in self.row.carrier.beside_calls if call.get(name)}
            self.calls.append({"id": call["id"], "name": function["name"], "arguments": arguments, **beside})
            return
        known = self.calls[-1] if call.get("index") is None else self.calls[min(call["index"], len(self.calls) - 1)]
        if not (function.get("name") and known["arguments"] == arguments):  # else sent twice
            known["arguments"] += arguments

    def tagged(self) -> re.Match[str] | None:
        if not isinstance(self.content, str) or not self.row.carrier.tags:
            return None
        return re.fullmatch(r"\s*<think>\s*(.*?)\s*</think>\s*(.*)", self.content, re.DOTALL)

    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(chunk.get("text", "") for chunk in self.content)
        match = self.tagged()
        return match[2] if match else self.content

    def reasoning(self) -> str | None:
        if isinstance(self.content, list):
            return "".join(part["text"] for chunk in self.content for part in chunk.get("thinking", []))
        match = self.tagged()
        entries = [entry for value in self.private.values() if isinstance(value, list) for entry in value]
        listed = "".join(entry.get("text", entry.get("summary", "")) for entry in entries)
        filled = next((text for text in self.fields.values() if text), None)
        return filled or (match[1] if match else None) or listed or (None if not self.fields else "")

    def counted(self) -> Usage | None:
        if not self.usage:
            return None
        asked, told = self.usage["prompt_tokens"], self.usage["completion_tokens"]
        details = [self.usage.get(f"{side}_tokens_details") or {} for side in ("prompt", "completion")]
        cached = [self.usage.get(name) for name in ("prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens")]
        return Usage(
            asked,
            next(filter(None, (cached[0], details[0].get("cached_tokens"), *cached[1:])), 0),
            max(told, self.usage.get("total_tokens", 0) - asked),
            details[1].get("reasoning_tokens", 0),
            None,
        )


def plain(exchange: Any, row: Contract) -> Plain:
    answer = Plain(row)
    for value in said(exchange):
        answer.take(value)
    return answer


def refusals(exchange: Any) -> list[str]:
    """Return the words of the errors in an answer."""
    found = [value.get("error") or value for value in said(exchange) if "choices" not in value]
    return [error.get("message") or error["detail"] for error in found]


ALL = pytest.mark.parametrize(("exchange", "row"), list(exchanges()))
ANSWERS = pytest.mark.parametrize(
    ("exchange", "row"), [one for one in exchanges() if one.values[0]["status"] == 200 and not refusals(one.values[0])]
)


def answered(exchange: Any, row: Contract) -> Answered:
    reply = reading(exchange, row)[0].end()
    assert isinstance(reply, Answered), reply
    return reply


@ALL
def test_a_refusal_keeps_the_services_words(exchange: Any, row: Contract) -> None:
    words = refusals(exchange)
    assert bool(words) or exchange["status"] == 200
    for word in words:
        if exchange["status"] == 200:
            read, _ = reading(exchange, row)
            reply = read.end()
            assert isinstance(reply, Broken)
            assert word in reply.why
            assert reply.text or reply.reasoning or word in faults.words(read.error)
        else:
            asked = faults.Asked("m", "https://api.example.com/v1", row)
            error = faults.refused(asked, exchange["status"], exchange["body"].encode())
            assert isinstance(error, ModelError)
            assert word in (error.provider_text or "")


@ANSWERS
def test_an_answer_is_read_without_loss(exchange: Any, row: Contract) -> None:
    reply, expected = answered(exchange, row), plain(exchange, row)
    message = reply.message
    assert message.text == (expected.text() or None)
    assert message.reasoning == expected.reasoning()
    assert [(call.name, call.arguments) for call in message.calls] == [
        (call["name"], call["arguments"]) for call in expected.calls
    ]
    assert [call.id if call.given_id is None else call.given_id for call in message.calls] == [
        call["id"] for call in expected.calls
    ]
    assert reply.finish == (expected.finish or "stop")
    assert reply.usage == expected.counted()
    for call in message.calls:
        if call.arguments:  # one service leaves them empty where there are none; that is kept, too
            json.loads(call.arguments)


def runs(pieces: list[Piece]) -> list[tuple[str, str]]:
    """Return what was shown, however it was cut."""
    return [(kind, "".join(piece.text for piece in run)) for kind, run in groupby(pieces, key=lambda piece: piece.kind)]


@ALL
def test_the_size_of_the_reads_makes_no_difference(exchange: Any, row: Contract) -> None:
    if exchange["status"] != 200:
        return
    one, shown = reading(exchange, row)
    many, pieces = reading(exchange, row, 7)
    reply: Reply = one.end()
    assert many.end() == reply
    assert runs(pieces) == runs(shown)
    if isinstance(reply, Answered) and "event-stream" in exchange["content_type"]:
        for kind, text in (("text", reply.message.text), ("reasoning", reply.message.reasoning)):
            assert "".join(piece.text for piece in shown if piece.kind == kind) == (text or "")
        arguments = "".join(piece.text for piece in shown if piece.kind == "arguments")
        assert sorted(arguments) == sorted("".join(call.arguments for call in reply.message.calls))


@ANSWERS
def test_an_answer_goes_back_as_it_came(exchange: Any, row: Contract) -> None:
    """Compared: content, the reasoning field, the row's private fields, and of each call id, name, arguments, beside.

    Not compared, because not echoed: every other field, and ids the row does not allow (they are replaced). Where a
    row has a sentinel, it stands beside the first call of an answer without a signature.
    """
    message, expected = answered(exchange, row).message, plain(exchange, row)
    [sent] = chat.messages(project(message, row, "m", retained=True), row)
    written = row.carrier.write if row.carrier.write != "same" else message.carrier
    whole = written in {INLINE_TAGS, THINKING_PARTS}
    assert (sent.get("content") or "") == (expected.content if whole else expected.text())
    private = {name: value for name, value in expected.private.items() if value}
    assert {name: sent[name] for name in row.carrier.opaque if name in sent} == private
    alone = row.carrier.with_opaque == "alone" and private
    if message.reasoning is not None and not whole and not alone and written is not None:
        assert sent[written] == message.reasoning
    assert set(sent) <= {"role", "content", "tool_calls", *row.carrier.opaque, *([written] if written else [])}
    if (
        expected.calls
        and row.carrier.sentinel
        and not any(expected.calls[0].get(name) for name in row.carrier.beside_calls)
    ):
        expected.calls[0] |= row.carrier.sentinel
    for call, own in zip(sent.get("tool_calls", []), expected.calls, strict=True):
        assert call.pop("type") == "function"
        if legal(row, own["id"]):
            assert call["id"] == own["id"]
        beside = {name: value for name, value in own.items() if name not in {"id", "name", "arguments"}}
        assert call == {"id": call["id"], "function": {"name": own["name"], "arguments": own["arguments"]}} | beside
