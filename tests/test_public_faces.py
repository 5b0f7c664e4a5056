"""The public names, `agentkit.events` and `agentkit.messages`: all is there, and nothing is loaded early."""

import dataclasses
import subprocess
import sys
from types import ModuleType

import pytest

import agentkit
from agentkit import events, messages
from agentkit.core import events as core_events
from agentkit.core import events_people
from agentkit.core import messages as core_messages


def frozen_values(module: ModuleType) -> set[str]:
    own = {name: each for name, each in vars(module).items() if getattr(each, "__module__", "") == module.__name__}
    return {name for name, each in own.items() if dataclasses.is_dataclass(each)}


def test_every_event_is_public() -> None:
    assert frozen_values(core_events) | frozen_values(events_people) | {"AnyEvent", "Cut", "LimitKind"} == set(
        events.__all__
    )
    assert all(getattr(events, name) is getattr(core_events, name) for name in events.__all__)


def test_every_message_is_public() -> None:
    assert frozen_values(core_messages) | {"Content", "Json", "Message", "Part"} <= set(messages.__all__)


def test_modules_of_single_errors_and_events_are_found() -> None:
    program = "import agentkit; agentkit.errors.RateLimited, agentkit.events.ToolStarted, agentkit.messages.Text"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_is_not_there_is_said_to_be_so() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'tols'"):
        agentkit.tols  # type: ignore[attr-defined]  # noqa: B018
    assert set(agentkit.__all__) <= set(dir(agentkit))


def test_import_loads_no_service() -> None:
    program = "import sys, agentkit; print([m for m in ('openai', 'jsonschema', 'structlog') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
