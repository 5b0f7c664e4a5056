"""A paid model service in a process of its own: `python -m tests.durable.service WORLD THINKS`. It prints its port.

Said "s7: 20 steps", it asks for `book` twenty times, one call a step, and then says that all is done; said "s7: 20
payments", for `pay`. What it has been paid for is in WORLD/paid, a line for each request: session, position, pid of who
asked, "asked" or "answered". A request that does not hold the results of all steps before it is refused.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from tests.durable.world import World, done


class Asked(NamedTuple):
    """What one request asks for."""

    name: str
    steps: int
    tool: str
    position: int


class Service(ThreadingHTTPServer):
    """Answers by position."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, world: World, thinks: float) -> None:
        super().__init__(("127.0.0.1", 0), Desk)
        self.world, self.thinks = world, thinks

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that was killed while it waited."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Desk(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Service

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        asked, wrong = read(request["messages"])
        if wrong:
            self.answer(400, {"error": {"message": wrong, "type": "invalid_request_error"}})
            return
        noted = (asked.name, str(asked.position), self.headers["x-worker"])
        self.server.world.note("paid", *noted, "asked")
        time.sleep(self.server.thinks)
        message = reply(asked)
        finish = "tool_calls" if "tool_calls" in message else "stop"
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        self.answer(
            200,
            {
                "id": "x",
                "object": "chat.completion",
                "created": 0,
                "model": "clerk",
                "usage": usage,
                "choices": [choice],
            },
        )
        self.server.world.note("paid", *noted, "answered")

    def answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing of each request."""


def read(messages: list[dict[str, Any]]) -> tuple[Asked, str | None]:
    """Return what is asked for, and what is wrong with the request."""
    last = max(index for index, message in enumerate(messages) if message["role"] == "user")
    name, _, rest = str(messages[last]["content"]).partition(": ")
    steps, what = rest.split()
    position = sum(message["role"] == "assistant" for message in messages[last:])
    told = [str(message["content"]) for message in messages[last:] if message["role"] == "tool"]
    denied = what == "payments" and any(result.startswith("Not run") for result in told)
    wanted = [done(name, step) for step in range(position)]
    wrong = None if denied or told == wanted else f"{name}: the results are {told[-3:]}, not {wanted[-3:]}"
    return Asked(name, int(steps), "pay" if what == "payments" else "book", position), wrong


def reply(asked: Asked) -> dict[str, Any]:
    """Return what the model says at a position."""
    if asked.position == asked.steps:
        return {"role": "assistant", "content": f"{asked.name}: all {asked.steps} steps are done"}
    arguments = json.dumps({"session": asked.name, "step": asked.position})
    function = {"name": asked.tool, "arguments": arguments}
    call = {"id": f"call{asked.position}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


if __name__ == "__main__":
    service = Service(World(Path(sys.argv[1])), float(sys.argv[2]))
    print(service.server_port, flush=True)  # noqa: T201 - whoever starts it reads it
    service.serve_forever()
