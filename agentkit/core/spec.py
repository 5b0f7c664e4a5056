"""What an agent is, as far as a session has to know: recorded by `AgentBound`, so that later code can be compared."""

from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from agentkit.core.contract import Contract
from agentkit.core.messages import Json
from agentkit.core.values import dataclass

VERSION = "0.1.0"  # of agentkit; recorded with every binding

ANSWER: Final = "final_answer"  # the tool that an answer of a type is given by

Effect: TypeAlias = Literal["read", "idempotent", "once"]
Status: TypeAlias = Literal["completed", "waiting", "limit", "cancelled"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What model calls consumed. Tokens as the provider reported them; `cost` in USD, None where no price is known."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost: Decimal | None = Decimal(0)

    def __add__(self, other: "Usage") -> "Usage":
        """Add up; an unknown cost makes the sum unknown, never zero."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cached_tokens + other.cached_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            None if self.cost is None or other.cost is None else self.cost + other.cost,
        )

    @property
    def tokens(self) -> int:
        """Input and output together; what `Limits.tokens` counts."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one turn may use. None: no limit. `seconds` is wall time without waiting for people; `cost` is in USD.

    Attributes:
        repairs: in how many steps in a row a tool may be called with arguments that cannot be used. Then the model is
            told to do without it; one more, and the turn ends.
        repeats: how many steps in a row may bring nothing new (the same call with the same result, two by turns, or
            only calls that were refused). Then the model is told so; at twice as many the turn ends.
    """

    steps: int | None = 50
    tool_calls: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    cost: Decimal | None = None
    repairs: int | None = 3
    repeats: int | None = 3


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A `once` call nobody knows the outcome of: its tool, and the hash of its arguments."""

    tool: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Child:
    """What a sub-agent used for one call: in its own session, and in those below it."""

    session_id: str
    usage: Usage
    steps: int = 0
    tool_calls: int = 0
    given_up: tuple[GivenUp, ...] = ()


@dataclass(frozen=True, slots=True)
class Inherited:
    """What the session of a sub-agent has to know of the one that calls it.

    Attributes:
        outside: the tools whose data from outside the writer of its task had seen (trust.py).
        given_up: an equal call is held.
    """

    outside: tuple[str, ...] = ()
    given_up: tuple[GivenUp, ...] = ()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long people are waited for, in seconds from the moment they were asked. None: for ever, and nobody else."""

    expire_after: float | None = None
    escalate_after: float | None = None
    escalate_to: str = ""


FOR_EVER = Patience()


@dataclass(frozen=True, slots=True)
class BoundTool:
    """What the core has to know of a tool to be safe without it."""

    name: str
    digest: str
    effect: Effect
    exclusive: bool
    has_reconcile: bool = False
    child: bool = False  # a sub-agent: its call is a session of its own
    patience: Patience = FOR_EVER
    untrusted: bool = False  # its results are data from outside (trust.py)
    after_untrusted: bool = False  # it may act by itself behind such data
    fields: tuple[str, ...] = ()  # where it may: the names its schema gives to values
    forbidden: bool = False  # this agent may not use it


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model is told of it. `parameters` is a JSON Schema."""

    bound: BoundTool
    description: str
    parameters: Mapping[str, Json]
    strict: bool = False  # the service is asked to keep to `parameters`


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """The type of the answer as the model is told of it.

    Attributes:
        form: how the answer is given: by the service's own means ("json_schema", or "json_object", which knows no
            schema), as the arguments of a tool, or as text that nobody but the instructions asks for.
        schema: JSON Schema of an object, as it is sent.
        told: what the instructions end with.
        strict: the service was asked to keep to the schema; it is in the subset that it can keep to.
    """

    form: Literal["json_schema", "json_object", "tool", "text"]
    schema: Mapping[str, Json]
    told: str = ""
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """How the model is asked. `extra` is merged into the request's body as it is.

    `strict_tools` asks the service to keep to the schemas of tools, `output` says of which type the answer is to be.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    effort: Literal["none", "low", "medium", "high", "max"] | None = None
    parallel_calls: int | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)
    strict_tools: bool = False
    output: OutputSpec | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """Everything the model is told and how: what `AgentBound` names by hash."""

    agent: str
    model: str
    instructions: str
    tools: tuple[ToolSpec, ...]
    settings: Settings
    contract: Contract
    limits: Limits
    version: str  # agentkit's

    @property
    def system(self) -> str:
        """What the system message says: the instructions, and how the answer is to be given."""
        output = self.settings.output
        return "\n\n".join(filter(None, (self.instructions, output.told if output else "")))
