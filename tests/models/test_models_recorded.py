"""Real answers of real services: each is read to a typed end, and nothing that was whole comes out broken."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from agentkit.core.messages import Producer
from agentkit.errors import ModelError
from agentkit.models import contracts, faults
from agentkit.models.base import Answered, Broken, Reply, Unusable
from agentkit.models.reading import Reading

RECORDED = Path(__file__).parents[2].parent / "shared" / "fixtures"
ROW = contracts.named("generic", date(2026, 11, 21))

if not RECORDED.is_dir():
    pytest.skip("../shared/fixtures, the recorded answers of services, is not there", allow_module_level=True)


def exchanges() -> Iterator[Any]:
    for path in sorted(RECORDED.rglob("*.json")):
        for number, exchange in enumerate(json.loads(path.read_text("utf-8"))["exchanges"]):
            yield pytest.param(exchange, id=f"{path.parent.name}/{path.stem}/{number}")


def read(exchange: Any, size: int) -> Reply:
    reading = Reading(ROW, Producer("m", "generic"), exchange["content_type"])
    body = exchange["body"].encode()
    for start in range(0, len(body), size):
        reading.feed(body[start : start + size])
    return reading.end()


def said(exchange: Any) -> list[Any]:
    """Decode the body by the plainest means, independent of what is tested."""
    body = exchange["body"]
    if "event-stream" not in exchange["content_type"]:
        return [json.loads(body)]
    lines = [line.strip() for line in body.split("\n")]
    return [json.loads(line[5:]) for line in lines if line.startswith("data:") and "[DONE]" not in line]


@pytest.mark.parametrize("exchange", list(exchanges()))
def test_recorded_answer(exchange: Any) -> None:
    if exchange["status"] != 200:
        asked = faults.Asked("m", "https://api.example.com/v1", ROW)
        error = faults.refused(asked, exchange["status"], exchange["body"].encode())
        assert isinstance(error, ModelError)
        assert error.provider_text
        return
    reply = read(exchange, 1 << 20)
    assert read(exchange, 7) == reply
    assert isinstance(reply, Answered | Unusable | Broken)
    values = said(exchange)
    if any("error" in value for value in values):
        assert isinstance(reply, Broken)
        return
    assert isinstance(reply, Answered)
    choices = [choice for value in values for choice in value.get("choices") or []]
    parts = [choice.get("delta") or choice.get("message") or {} for choice in choices]
    thought = [part[name] for part in parts for name in ROW.carrier.read if isinstance(part.get(name), str)]
    spoken = [part["content"] for part in parts if isinstance(part.get("content"), str)]
    if not any(isinstance(part.get("content"), list) for part in parts):
        assert reply.message.reasoning == ("".join(thought) if thought else None)
        assert (reply.message.text or "") == "".join(spoken)
    asked_for = [call for part in parts for call in part.get("tool_calls") or []]
    names = [call["function"]["name"] for call in asked_for if (call.get("function") or {}).get("name")]
    assert [call.name for call in reply.message.calls] == names
    given = "".join((call.get("function") or {}).get("arguments") or "" for call in asked_for)
    assert sorted("".join(call.arguments for call in reply.message.calls)) == sorted(given)
    for call in reply.message.calls:
        if call.arguments:  # one service leaves them empty where there are none; that is kept, too
            json.loads(call.arguments)
