"""The state of a session: everything that follows from its events, and nothing else."""

from dataclasses import field
from decimal import Decimal
from enum import Enum
from typing import Literal, TypeAlias

from agentkit.core.cutting import Cut
from agentkit.core.events import AgentBound, LimitKind, ModelFailed, UserSaid
from agentkit.core.events_people import PersonAnswered
from agentkit.core.log import Log, Names
from agentkit.core.messages import Message, Part, Text
from agentkit.core.replacing import replace
from agentkit.core.spec import ANSWER, FOR_EVER, BoundTool, Child, Effect, Patience, Usage
from agentkit.core.values import dataclass


class Phase(Enum):
    """Where the open turn stands. `State.ending` is a flag beside it, not a phase."""

    IDLE = "idle"
    THINKING = "thinking"
    ACTING = "acting"
    FAULTED = "faulted"
    ENDING = "ending"

    __hash__ = object.__hash__  # there is one of each: Enum's own is Python, and is asked twenty times in a step


CallStatus: TypeAlias = Literal[
    "requested",
    "held",
    "approved",
    "started",
    "suspended",
    "unknown",
    "refused",
    "denied",
    "closed",
    "finished",
    "deferred",
]
Origin: TypeAlias = Literal["", "known", "outside"]  # whose words: anybody's, a person's or a trusted tool's, data's
SETTLED: frozenset[CallStatus] = frozenset({"refused", "denied", "closed", "finished", "deferred"})
PARKED: frozenset[CallStatus] = frozenset({"held", "suspended", "unknown"})


@dataclass(frozen=True)  # without slots: `replace` is fast then
class Call:
    """One call of the open step, or one that was deferred in an earlier one."""

    key: str  # turn.step.index
    tool: str
    call_id: str
    raw: str  # the arguments as the model wrote them
    status: CallStatus = "requested"
    kind: Literal["", "approval", "twin", "question", "child"] = ""  # why it was last held or suspended
    question: int = 0  # number of the open question: seq of the event that opened it
    patience: Patience = FOR_EVER  # with the open question, as declared when it was asked
    escalated_to: str = ""  # who was told of the open question, because nobody decided
    why: str = ""  # it is held, suspended or unknown
    found: str = ""  # what reconcile said since, where that was no answer
    digest: str = ""  # of the tool as last held or started
    arguments: str = ""  # hash of the effective arguments, as last held or started
    edited: str | None = None
    mended: str | None = None  # the arguments as its tool's policies made them usable, since the last edit
    how: str = ""  # what was done to them
    effect: Effect = "once"
    uid: str = ""  # of the session when it started: the key handed out must not change by a fork
    started: int = 0  # seq of the last ToolStarted
    lost: int = 0  # starts lost to crashes
    reconciled: bool = False  # asked in this run, without an answer
    cleared: bool = False  # proof that it did not happen and no longer can
    parts: tuple[Part, ...] = ()  # the result, once settled
    hint: str = ""  # what the model is told behind it
    refusal: str = ""  # why it was refused: the kind
    woken: bool = False  # there is news in its child session
    ended: bool = False  # its child session was told to end, and waits for people all the same
    deferred: bool = False  # it has left its step: no turn's end closes it
    untrusted: bool = False  # its tool was, when it started
    origin: Origin = ""  # of the result

    @property
    def effective(self) -> str:
        """The arguments the tool gets: a person's edit, else the model's, made usable where that was needed."""
        if self.mended is not None:
            return self.mended
        return self.raw if self.edited is None else self.edited

    @property
    def because(self) -> str:
        """Why it waits, and what reconcile said."""
        return f"{self.why}; {self.found}" if self.found else self.why

    @property
    def told(self) -> tuple[Part, ...]:
        """What the model gets: the result, and the hint behind it."""
        return (*self.parts, Text(self.hint)) if self.hint else self.parts

    @property
    def settled(self) -> bool:
        """Whether it has a result."""
        return self.status in SETTLED


@dataclass(frozen=True, slots=True)
class Progress:
    """How the open turn gets on (progress.py): of a fixed size, whatever its length.

    Attributes:
        refused: steps in a row in which a tool's arguments could not be used, by tool.
        stale: steps in a row that brought nothing new, the one they repeat among them: 1 where the last one was new.
        recent: the calls of the last two steps, with their results; none, where all were refused.
    """

    refused: tuple[tuple[str, int], ...] = ()
    stale: int = 0
    recent: tuple[tuple[Call, ...], ...] = ()

    def count(self, tool: str) -> int:
        """Return how many steps in a row this tool's arguments could not be used."""
        return dict(self.refused).get(tool, 0)


@dataclass(frozen=True, slots=True)
class Ending:
    """Why the open turn is to end."""

    status: Literal["cancelled", "limit"]
    reason: str
    limit: LimitKind | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A message of the transcript, and the step it belongs to."""

    message: Message
    turn: int
    step: int
    origin: Origin = ""  # what may rely on it (trust.py)


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of a turn that is over."""

    number: int
    messages: tuple[UserSaid, ...]
    status: Literal["completed", "cancelled", "limit", "failed"]
    reason: str
    text: str
    steps: int
    usage: Usage
    fault: ModelFailed | None
    model: str = ""  # who answered last in it


@dataclass(frozen=True, slots=True)
class Flight:
    """A model call that has started in this run and has no outcome: what was set aside for it."""

    tokens: int
    cost: Decimal | None
    purpose: Literal["answer", "compaction"] = "answer"


@dataclass(frozen=True)  # without slots: `replace` is fast then
class State:
    """A session, folded. `follows` and `commands` (loop.py) read it; only `apply` makes a new one."""

    seq: int = 0
    uid: str = ""
    agent: str = ""
    parent: str = ""  # the session whose call this one is
    forked: bool = False  # every `once` tool asks
    rebind: bool = False  # a fork that nobody has driven yet: it is bound to today's agent, instructions included
    bound: AgentBound | None = None
    tools: dict[str, BoundTool] = field(default_factory=dict)
    phase: Phase = Phase.IDLE
    ending: Ending | None = None
    turn: int = 0
    step: int = 0
    attempt: int = 0
    flight: Flight | None = None
    rejected: int = 0  # answers of this step that could not be used
    rejected_as: str = ""  # how the last of them could not: the kind
    interrupted: int = 0  # attempts of this step that broke off
    refused: int = 0  # answers of this turn that were not of the type asked for
    trouble: str = ""  # what befell the last of these, in words
    fault: ModelFailed | None = None
    failed: tuple[str, ...] = ()  # which models have failed in the open turn
    calls: tuple[Call, ...] = ()
    deferred: tuple[Call, ...] = ()  # calls that outlive their step, until a notice has told their outcome
    muted: str = ""  # the person who answers in the agent's place
    spoken: tuple[PersonAnswered, ...] = ()  # what that person said while the agent was still at work
    transcript: Log[Entry] = field(default_factory=Log)
    turn_at: int = 0  # where in the transcript the open turn begins
    said: tuple[UserSaid, ...] = ()  # the messages of the open turn
    text: str = ""  # the last text of the open turn
    answered: bool = False  # the model has answered in the open turn
    model: str = ""  # which one did so last
    waiting: tuple[UserSaid, ...] = ()
    heft: int = 0  # bytes of the transcript, roughly: what a reservation is computed from
    turn_heft: int = 0
    tool_calls: int = 0  # started in the open turn, sub-agents' included
    steps_below: int = 0  # of sub-agents in the open turn
    below: tuple[tuple[str, Child], ...] = ()  # what deferred sub-agents used that no turn was told of yet
    progress: Progress = field(default_factory=Progress)
    usage: Usage = field(default_factory=Usage)  # of the open turn, lost reservations included
    total: Usage = field(default_factory=Usage)  # of the session
    turns: Log[Turn] = field(default_factory=Log)
    ids: Names[str] = field(default_factory=Names)
    given_up: frozenset[tuple[str, str]] = frozenset()  # (tool, arguments) of calls nobody knows the outcome of
    sent: Log[str] = field(default_factory=Log)  # hashes of the last request's fragments
    outside: tuple[str, ...] = ()  # the tools whose data from outside the model has seen (trust.py)
    outside_at: int = 0  # where in the transcript the first of it is
    carried: tuple[tuple[str, str], ...] = ()  # deferred calls, with their tools, whose notices bring such data
    cuts: Log[tuple[str, Cut]] = field(default_factory=Log)  # by call: what the model was not shown at once

    @property
    def asked(self) -> str:
        """Which model is asked, and where."""
        return f"{self.bound.model} at {self.bound.host}" if self.bound else ""

    @property
    def every_call(self) -> tuple[Call, ...]:
        """The deferred calls, then those of the open step."""
        return self.deferred + self.calls if self.deferred else self.calls

    def call(self, key: str) -> Call | None:
        """Return the call at position `key`: as deferred, where it was, else of the open step."""
        for call in self.deferred + self.calls if self.deferred else self.calls:
            if call.key == key:
                return call
        return None

    def cut(self, key: str) -> Cut | None:
        """Return what was cut from the result of the call at position `key`, of any turn."""
        return next((cut for call, cut in self.cuts if call == key), None)

    def tool(self, name: str) -> BoundTool | None:
        """Return the tool as bound today."""
        return self.tools.get(name)

    def answers_by(self, tool: str) -> bool:
        """Tell whether a call of this tool gives the answer."""
        return self.bound is not None and self.bound.output == "tool" and tool == ANSWER

    def asking(self, call: Call) -> Call:
        """Return a call whose question is opened by the event being folded: its clock is today's, and starts now."""
        tool = self.tools.get(call.tool)
        patience = tool.patience if tool else FOR_EVER
        return replace(call, question=self.seq, patience=patience, escalated_to="")
