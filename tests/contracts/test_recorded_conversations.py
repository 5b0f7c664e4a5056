"""Conversations recorded from real services, played again through the loop: what they thought goes back to them.

The services' answers come from a server on loopback, byte for byte; tools return what was recorded. What each answer
held is read here by plain means, independent of what is tested.
"""

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

from agentkit import Agent, MemoryJournal, Model, Session, Tool, tool
from agentkit.core.contract import Contract
from agentkit.errors import ModelError
from agentkit.models import contracts
from tests.contracts.rows import TODAY

pytestmark = pytest.mark.anyio

RECORDED = Path(__file__).parents[2].parent / "shared" / "fixtures"
TEXTS = ("reasoning_content", "reasoning")
ENDED = {"status": 400, "content_type": "text/plain", "body": "no more was recorded"}

if not RECORDED.is_dir():
    pytest.skip("../shared/fixtures, the recorded answers of services, is not there", allow_module_level=True)


def conversations() -> Iterator[Any]:
    """Find the recordings in which a later request holds an earlier answer."""
    for path in sorted(RECORDED.rglob("*.json")):
        exchanges = json.loads(path.read_text("utf-8"))["exchanges"]
        bodies = [exchange["request"] for exchange in exchanges]
        if None in bodies or any("messages" not in body for body in bodies):
            continue
        if any(message["role"] == "assistant" for message in bodies[-1]["messages"]):
            yield pytest.param(exchanges, id=f"{path.parent.name}/{path.stem}")


class Desk:
    """What the server saw, and what it still has to say."""

    def __init__(self, exchanges: list[Any]) -> None:
        self.left = list(exchanges)
        self.bodies: list[Any] = []


@contextmanager
def playing(desk: Desk) -> Iterator[str]:
    class Played(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            desk.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            exchange = (desk.left or [ENDED]).pop(0)
            data = exchange["body"].encode()
            self.send_response(exchange["status"])
            self.send_header("content-type", exchange["content_type"])
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Played)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def row_of(exchange: Any) -> Contract:
    host = urlsplit(exchange["url"]).netloc or "localhost"
    return contracts.ruling(host, exchange["request"]["model"], TODAY)


def tools_of(exchanges: list[Any]) -> list[Tool[Any, Any, Any]]:
    """Make the recorded tools: any parameters, and the recorded results in the order they were given."""
    results: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for message in exchanges[-1]["request"]["messages"]:
        for call in message.get("tool_calls") or ():
            names[call["id"]] = call["function"]["name"]
        if message["role"] == "tool":
            results.setdefault(names.get(message["tool_call_id"], ""), []).append(text_of(message["content"]))
    told = {each["function"]["name"]: each["function"] for each in exchanges[0]["request"].get("tools") or ()}
    return [made(name, told[name].get("parameters") or {}, results.get(name, [])) for name in told]


def made(name: str, schema: Any, results: list[str]) -> Tool[Any, Any, Any]:
    given = iter(results)

    async def function(**_: Any) -> str:
        return next(given, "ok")

    kinds = inspect.Parameter
    parameters = [kinds(key, kinds.KEYWORD_ONLY, default=None, annotation=Any) for key in schema.get("properties", {})]
    function.__name__, function.__doc__ = name, "As recorded."
    function.__signature__ = inspect.Signature(parameters, return_annotation=str)  # type: ignore[attr-defined]
    function.__annotations__ = {**{parameter.name: Any for parameter in parameters}, "return": str}
    return tool(effect="read")(function)


def text_of(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content or ""


def answer(exchange: Any) -> dict[str, Any]:
    """Return the message of an answer; one that was streamed by joining its deltas, field by field."""
    if "event-stream" not in exchange["content_type"]:
        message: dict[str, Any] = json.loads(exchange["body"])["choices"][0]["message"]
        return message
    joined: dict[str, Any] = {}
    for line in exchange["body"].split("\n"):
        if line.startswith("data:") and "[DONE]" not in line:
            for choice in json.loads(line[5:]).get("choices") or ():
                for name, value in choice["delta"].items():
                    if isinstance(value, str | list):
                        joined[name] = joined[name] + value if name in joined else value
    return joined


def thought(message: dict[str, Any]) -> str | None:
    """Return the text a message carries as reasoning, wherever it is; None where there is none, nor an empty one."""
    for name in TEXTS:
        if isinstance(message.get(name), str) and message[name]:
            return str(message[name])
    details = [item.get("text") or item.get("summary") or "" for item in message.get("reasoning_details") or ()]
    content = message.get("content")
    parts = (
        [part["thinking"] for part in content if part.get("type") == "thinking"] if isinstance(content, list) else []
    )
    return "".join([*details, *map(text_of, parts)]) or None


def kept(row: Contract, messages: list[Any], index: int) -> bool:
    """Tell whether the row wants the reasoning of the answer at `index` back in this request."""
    last_user = max(at for at, message in enumerate(messages) if message["role"] == "user")
    return row.retention not in {"hidden", "forbid"} and (row.retention != "turn" or index > last_user)


async def replay(exchanges: list[Any], desk: Desk, base_url: str) -> None:
    first = exchanges[0]["request"]
    model = Model(first["model"], base_url=base_url, contract=row_of(exchanges[0]), api_key="k")
    users = [
        text_of(message["content"]) for message in exchanges[-1]["request"]["messages"] if message["role"] == "user"
    ]
    async with Session(Agent(model, tools=tools_of(exchanges)), "s", journal=MemoryJournal()) as session:
        for said in users:
            if not desk.left:
                return
            if first.get("stream"):
                async with session.stream(said) as events:
                    assert (await events.result()).status == "completed"
            else:
                assert (await session.run(said)).status == "completed"


def refused(exchange: Any) -> bool:
    """Tell whether the service gave an error in place of an answer, or inside of one."""
    return exchange["status"] != 200 or any(line[:15] == 'data: {"error":' for line in exchange["body"].split("\n"))


WHOLE = [each for each in conversations() if not any(map(refused, each.values[0]))]
REFUSED = [each for each in conversations() if any(map(refused, each.values[0]))]


@pytest.mark.parametrize("exchanges", WHOLE)
async def test_what_was_thought_goes_back(exchanges: list[Any]) -> None:
    desk = Desk(exchanges)
    with playing(desk) as base_url:
        await replay(exchanges, desk, base_url)
    assert desk.left == [], "the loop asked for all that was recorded"
    row, answers = row_of(exchanges[0]), [answer(exchange) for exchange in exchanges]
    for body in desk.bodies[1:]:
        messages = body["messages"]
        sent = [(at, message) for at, message in enumerate(messages) if message["role"] == "assistant"]
        for (at, message), came in zip(sent, answers, strict=False):
            expected = thought(came) if kept(row, messages, at) else None
            assert thought(message) == expected, f"message {at}"
            assert sum(bool(message.get(name)) for name in TEXTS) <= 1, "never in two fields"
            assert arguments(message) == arguments(came)


def arguments(message: dict[str, Any]) -> str:
    """Return all argument strings of a message behind each other, so that it does not matter how they were streamed."""
    return "".join(call["function"].get("arguments") or "" for call in message.get("tool_calls") or ())


@pytest.mark.parametrize("exchanges", REFUSED)
async def test_a_refusal_in_between_is_asked_again_or_told(exchanges: list[Any]) -> None:
    """A service may refuse its own model's malformed calls: the request is not at fault, so it is made again."""
    desk = Desk(exchanges)
    with playing(desk) as base_url, suppress(ModelError):
        await replay(exchanges, desk, base_url)
    assert len(desk.bodies) > 1
    assert thought(answer(exchanges[0])) if exchanges[0]["status"] == 200 else True
    first = [message for message in desk.bodies[1]["messages"] if message["role"] == "assistant"]
    assert first == [], "a broken answer does not enter the transcript"
