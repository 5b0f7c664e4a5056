"""agentkit: an agent framework for models that think while they use tools.

Reasoning, tool calls and what they did to the world are state that is not lost: not between steps, not between turns,
not when the process dies. These are all the public names; single errors, events and messages are in `agentkit.errors`,
`agentkit.events` and `agentkit.messages`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentkit import errors as errors
    from agentkit import events as events
    from agentkit import messages as messages
    from agentkit.agent import Agent
    from agentkit.core.contract import Contract
    from agentkit.core.deltas import Delta
    from agentkit.core.policy import Approvals, Upgrades
    from agentkit.core.record import Record
    from agentkit.core.settings import ModelSettings
    from agentkit.core.spec import Limits, Usage
    from agentkit.core.waiting import Approval, Question, UnknownOutcome
    from agentkit.errors import AgentkitError, ToolError
    from agentkit.journal import Journal, MemoryJournal, SQLiteJournal
    from agentkit.models import Model, ScriptedModel
    from agentkit.proof import replay
    from agentkit.result import Result
    from agentkit.session import Session
    from agentkit.stream import Stream
    from agentkit.tools import Outcome, Tool, ToolContext, tool

__all__ = [
    "Agent",
    "AgentkitError",
    "Approval",
    "Approvals",
    "Contract",
    "Delta",
    "Journal",
    "Limits",
    "MemoryJournal",
    "Model",
    "ModelSettings",
    "Outcome",
    "Question",
    "Record",
    "Result",
    "SQLiteJournal",
    "ScriptedModel",
    "Session",
    "Stream",
    "Tool",
    "ToolContext",
    "ToolError",
    "UnknownOutcome",
    "Upgrades",
    "Usage",
    "replay",
    "tool",
]

# Each name is looked up when it is first used, so that `import agentkit` is cheap and loads no service's client.
_HOMES = {
    "Agent": "agent",
    "AgentkitError": "errors",
    "Approval": "core.waiting",
    "Approvals": "core.policy",
    "Contract": "core.contract",
    "Delta": "core.deltas",
    "Journal": "journal",
    "Limits": "core.spec",
    "MemoryJournal": "journal",
    "Model": "models",
    "ModelSettings": "core.settings",
    "Outcome": "tools",
    "Question": "core.waiting",
    "Record": "core.record",
    "Result": "result",
    "SQLiteJournal": "journal",
    "ScriptedModel": "models",
    "Session": "session",
    "Stream": "stream",
    "Tool": "tools",
    "ToolContext": "tools",
    "ToolError": "errors",
    "UnknownOutcome": "core.waiting",
    "Upgrades": "core.policy",
    "Usage": "core.spec",
    "replay": "proof",
    "tool": "tools",
}
_MODULES = frozenset({"errors", "events", "messages"})


if not TYPE_CHECKING:  # a type checker would take any misspelt name for granted

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
