"""Events, format 1: recorded facts, past tense. They are never changed after recording, and unknown ones are refused.

A call is named by its position, `turn.step.index` ("2.1.0"). Everything the model gets to see is in an event word for
word (`parts`, `text`), so that a later version's wording can never change an old conversation.
Fields left at their default are not stored (journal/codec).
"""

from decimal import Decimal
from typing import Literal, TypeAlias

from agentkit.core.contract import Bridges
from agentkit.core.cutting import Cut
from agentkit.core.events_people import CallDeferred, CallWoken, HandedBack, PersonAnswered
from agentkit.core.messages import AssistantMessage, Part
from agentkit.core.spec import BoundTool, Child, Effect, Inherited, Limits, Usage
from agentkit.core.values import dataclass

FORMAT = 1

LimitKind: TypeAlias = Literal["steps", "tool_calls", "tokens", "seconds", "cost", "repairs", "repeats"]


@dataclass(frozen=True, slots=True)
class Prices:
    """USD per million tokens on the day of binding: what reservations are computed with."""

    input: Decimal
    output: Decimal
    table: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What one request was made of (law 2): the first `kept` fragments of the request before it, then these.

    The hashes are chained (each covers all fragments up to its own), so the last one is the digest of the request.
    `decisions` tells where reasoning was not sent as it came, and why.
    """

    kept: int
    hashes: tuple[str, ...]
    decisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """A session began. `uid` is new at each creation and fork; only it leaves the process."""

    uid: str
    agent: str
    format: int = FORMAT
    parent: str = ""  # the session whose call it is, where it is a sub-agent's


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A process began to drive while something was open: started calls are now unknown, a model call in flight void."""

    process: str


@dataclass(frozen=True, slots=True)
class AgentBound:
    """What the model is told and how, by hash (the contents are blobs); inline, what the core needs to be safe."""

    agent: str
    model: str
    host: str
    contract_id: str
    version: str
    instructions: str
    schemas: str
    settings: str
    contract: str
    tools: tuple[BoundTool, ...] = ()
    limits: Limits = Limits()
    bridges: Bridges = Bridges()
    carrier: str | None = None  # the field reasoning usually comes in
    heft: int = 0  # bytes of instructions and schemas, which every request carries
    max_tokens: int | None = None
    prices: Prices | None = None
    output: str = ""  # how the answer is to be given, where it has to be of a type; empty: as text
    declared: str | None = None  # the agent's own instructions (hash), where the session keeps others it recorded


@dataclass(frozen=True, slots=True)
class UserSaid:
    """A message came in. With `now` it enters an open turn after the open step; else it waits for the turn's end."""

    parts: tuple[Part, ...]
    id: str | None = None
    by: str | None = None
    now: bool = False
    about: str = ""  # the deferred call whose outcome it tells: a notice of agentkit's, not a person's message
    inherited: Inherited | None = None  # of a sub-agent's task


@dataclass(frozen=True, slots=True)
class ModelStarted:
    """A model call is owed, and what it may cost is set aside: tokens, and USD where a price is known."""

    attempt: int
    tokens: int = 0
    cost: Decimal | None = Decimal(0)
    purpose: Literal["answer", "compaction"] = "answer"


@dataclass(frozen=True, slots=True)
class ModelResponded:
    """The model answered. `usage` is None where the provider reported none; the reservation then stays spent.

    The message's producer and carrier, and the price table's version, are stored only where they are not the
    binding's; `finish` only where it is neither "stop" nor, with calls, "tool_calls".
    """

    message: AssistantMessage
    sent: Sent
    usage: Usage | None = None
    finish: str = ""
    prices: str | None = None  # version of the price table the cost was computed with
    notes: tuple[str, ...] = ()  # what the assembly had to decide: ids replaced, fields repeated


@dataclass(frozen=True, slots=True)
class ModelRejected:
    """An answer that was paid but cannot be used; never shown to the model as its own."""

    kind: Literal["empty", "cut_off", "filtered", "malformed"]
    why: str
    message: AssistantMessage
    sent: Sent
    usage: Usage | None = None
    finish: str = ""
    prices: str | None = None


@dataclass(frozen=True, slots=True)
class ModelInterrupted:
    """The answer broke off (connection, cancel). What had come is kept for people, and never shown to the model."""

    why: str
    text: str = ""
    reasoning: str = ""
    sent: Sent | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class ModelFailed:
    """The service failed and repeating is no use now: the turn is faulted. `kind` names the class in `errors`."""

    kind: str
    text: str
    status: int | None = None
    provider_text: str = ""
    message_index: int | None = None
    sent: Sent | None = None


@dataclass(frozen=True, slots=True)
class TurnResumed:
    """A faulted turn goes on."""

    by: str | None = None


@dataclass(frozen=True, slots=True)
class OutputRefused:
    """The final answer was not of the type the caller asked for; `text` tells the model what to mend."""

    text: str


@dataclass(frozen=True, slots=True)
class CallRefused:
    """A call that will not run: unknown tool, bad arguments, or policy."""

    call: str
    kind: Literal["unknown_tool", "malformed", "schema", "policy", "gone"]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class CallHeld:
    """A call waits for a person's yes to `digest` and `arguments` (a hash). `mended`, `how`: as in `ToolStarted`."""

    call: str
    kind: Literal["approval", "twin"]
    digest: str
    arguments: str
    why: str = ""
    mended: str | None = None
    how: str = ""


@dataclass(frozen=True, slots=True)
class CallApproved:
    """A person said yes to question number `question`, perhaps with other arguments (JSON text)."""

    call: str
    question: int
    by: str
    edited: str | None = None


@dataclass(frozen=True, slots=True)
class CallDenied:
    """A person said no."""

    call: str
    question: int
    by: str
    reason: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class CallClosed:
    """A call that did not run and never will: the turn was cancelled or met a limit."""

    call: str
    why: Literal["cancelled", "limit", "gone"]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """On disk before the tool runs. `arguments`: the hash of the effective ones; `mended`: as policies left them."""

    call: str
    effect: Effect
    digest: str
    arguments: str
    edited: str | None = None
    process: str = ""  # who starts it: of a run's first call that changes the world, where no `RunStarted` says so
    mended: str | None = None
    how: str = ""


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """The outcome of a call. `detail`: exceptions, for people; `cut`: `parts` are not all; `hint` comes behind."""

    call: str
    parts: tuple[Part, ...]
    failed: bool = False
    detail: str | None = None
    cut: Cut | None = None
    hint: str = ""
    child: Child | None = None  # of a sub-agent


@dataclass(frozen=True, slots=True)
class ToolUnknown:
    """A started call was cut off: nobody knows what it did."""

    call: str
    why: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class CallSuspended:
    """A started call waits: for a person's answer, or for a child session."""

    call: str
    kind: Literal["question", "child"]
    text: str


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """A person answered a suspended call's question; the answer is its result."""

    call: str
    question: int
    by: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class CallResolved:
    """What an unknown call did, as its `reconcile` found or a person decided.

    `happened` settles it with `parts`; `not_happened` is proof, so it may start again; `unknown` from `reconcile`
    leaves it waiting for a person, from a person it gives the call up with `parts` as its result.
    """

    call: str
    question: int
    kind: Literal["happened", "not_happened", "unknown"]
    source: Literal["reconcile", "person", "tool"]
    by: str
    parts: tuple[Part, ...] = ()
    why: str = ""
    failed: bool = False  # of what happened: the tool itself said that it did not work
    cut: Cut | None = None  # as of `ToolFinished`


@dataclass(frozen=True, slots=True)
class CallEscalated:
    """Nobody decided question number `question` in the time that was set, so somebody else is to know of it."""

    call: str
    question: int
    to: str


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody wants the turn to end."""

    turn: int
    by: str


@dataclass(frozen=True, slots=True)
class LimitReached:
    """The turn met a limit and will end."""

    kind: LimitKind
    why: str


@dataclass(frozen=True, slots=True)
class InboxRefused:
    """A row of the inbox that could not become a fact; its sender can read why."""

    kind: str
    dedup: str
    why: str


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn is over."""

    status: Literal["completed", "cancelled", "limit", "failed"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Compacted:
    """The first `upto` entries of the transcript are replaced, for the model, by a summary."""

    upto: int
    summary: str
    sent: Sent | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Forked:
    """From here on this is a session of its own (a fork, or an import): new `uid`, and every approval is void.

    A fork says `before` which step (`turn.step`) it begins: what waited then is dropped, and the agent is bound anew.
    """

    parent: str  # uid of the session it comes from
    seq: int
    uid: str
    before: str = ""  # of a fork; an import goes on where the session was
    asks: bool = True  # every `once` tool asks a person from here on


AnyEvent: TypeAlias = (
    SessionStarted
    | RunStarted
    | AgentBound
    | UserSaid
    | ModelStarted
    | ModelResponded
    | ModelRejected
    | ModelInterrupted
    | ModelFailed
    | TurnResumed
    | OutputRefused
    | CallRefused
    | CallHeld
    | CallDeferred
    | CallApproved
    | CallDenied
    | CallClosed
    | ToolStarted
    | ToolFinished
    | ToolUnknown
    | CallSuspended
    | CallWoken
    | CallAnswered
    | CallResolved
    | CallEscalated
    | CancelRequested
    | LimitReached
    | InboxRefused
    | TurnEnded
    | PersonAnswered
    | HandedBack
    | Compacted
    | Forked
)
