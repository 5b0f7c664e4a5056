"""What the tests of the tools share: jobs as the driver makes them."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agentkit.tools.dispatch import Job

MakeJob = Callable[..., Job]


@pytest.fixture
def make_job(request: pytest.FixtureRequest) -> MakeJob:
    def make(tool: str, given: dict[str, Any] | str | None = None, **other: Any) -> Job:
        arguments = given if isinstance(given, str) else json.dumps(given or {})
        fields: dict[str, Any] = {
            "call": "2.1.0",
            "tool": tool,
            "arguments": arguments,
            "edited": False,
            "idempotency_key": f"{request.node.nodeid}/2.1.0",
            "session_id": "desk",
            "deps": None,
            "progress": lambda _: None,
            "late": lambda _: None,
        }
        return Job(**(fields | other))

    return make


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """A door threads wait behind; opened at the end, so that none outlives its test."""
    event = threading.Event()
    yield event
    event.set()
