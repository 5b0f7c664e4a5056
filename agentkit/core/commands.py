"""Commands: what the world owes a session now; and verdicts: what a check says of a call before it starts.

Commands are derived from the state and never stored: a crash loses work in flight and nothing else.
"""

from dataclasses import dataclass
from typing import TypeAlias

from agentkit.core.events import CallRefused


@dataclass(frozen=True, slots=True)
class CallModel:
    """Ask the model for step `step` ("2.3"), for the `attempt`-th time."""

    step: str
    attempt: int


@dataclass(frozen=True, slots=True)
class CheckCall:
    """Look whether a call may start: parse, schema, policy. `arguments` are the effective ones."""

    call: str
    tool: str
    arguments: str


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run a call whose `ToolStarted` is on disk; `started` is the seq of that event."""

    call: str
    tool: str
    arguments: str
    started: int
    edited: bool = False


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Ask the tool what became of an unknown call; `question` is the number of the open question."""

    call: str
    tool: str
    arguments: str
    question: int
    edited: bool = False


Command: TypeAlias = CallModel | CheckCall | RunTool | Reconcile


@dataclass(frozen=True, slots=True)
class Go:
    """The call may start; `arguments` is the hash of its parsed arguments, equal for equal arguments."""

    arguments: str


@dataclass(frozen=True, slots=True)
class Hold:
    """The call needs a person's yes first."""

    arguments: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The call will not run; `event` says why, in words for the model."""

    event: CallRefused


Verdict: TypeAlias = Go | Hold | Refuse
