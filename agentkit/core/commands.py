"""Commands: what the world owes a session now; and verdicts: what a check says of a call before it starts.

Commands are derived from the state and never stored: a crash loses work in flight and nothing else.
"""

from typing import TypeAlias

from agentkit.core.events import CallRefused, OutputRefused
from agentkit.core.values import dataclass


@dataclass(frozen=True, slots=True)
class CallModel:
    """Ask the model for step `step` ("2.3"), for the `attempt`-th time."""

    step: str
    attempt: int


@dataclass(frozen=True, slots=True)
class CheckCall:
    """Look whether a call may start: parse, schema, policy. `arguments` are the effective ones.

    Where `call` is core/output's OUTPUT, look whether the answer, `arguments`, is of the type asked for; `tool` then
    says how it was to be given.
    """

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
    how: str = ""  # the arguments were made usable


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Ask the tool what became of an unknown call; `question` is the number of the open question."""

    call: str
    tool: str
    arguments: str
    question: int
    edited: bool = False
    how: str = ""


Command: TypeAlias = CallModel | CheckCall | RunTool | Reconcile


@dataclass(frozen=True, slots=True)
class Go:
    """The call may start; `arguments` is the hash of its parsed arguments, equal for equal arguments.

    `mended`: the arguments it starts with, where its tool's policies changed them; `how`: what was done. So in `Hold`.
    """

    arguments: str
    mended: str | None = None
    how: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """The call needs a person's yes first; `defer`: the talk goes on meanwhile."""

    arguments: str
    why: str = ""
    mended: str | None = None
    how: str = ""
    defer: bool = False


@dataclass(frozen=True, slots=True)
class Refuse:
    """The call will not run; `event` says why, in words for the model."""

    event: CallRefused


@dataclass(frozen=True, slots=True)
class Mend:
    """The answer is not of the type asked for; `event` tells the model what to mend."""

    event: OutputRefused


Verdict: TypeAlias = Go | Hold | Refuse | Mend
