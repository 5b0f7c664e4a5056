"""What an agent is, as far as a session has to know: recorded by `AgentBound`, so that later code can be compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeAlias

from agentkit.core.contract import Contract
from agentkit.core.messages import Json

VERSION = "0.1.0"  # of agentkit; recorded with every binding

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
        unknown = self.cost is None or other.cost is None
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cached_tokens + other.cached_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            None if unknown else (self.cost or Decimal(0)) + (other.cost or Decimal(0)),
        )

    @property
    def tokens(self) -> int:
        """Input and output together; what `Limits.tokens` counts."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one turn may use. None: no limit. `seconds` is wall time without waiting for people; `cost` is in USD."""

    steps: int | None = 50
    tool_calls: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    cost: Decimal | None = None


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
    patience: Patience = FOR_EVER


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model is told of it. `parameters` is a JSON Schema."""

    bound: BoundTool
    description: str
    parameters: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the model is asked. `extra` is merged into the request's body as it is."""

    temperature: float | None = None
    max_tokens: int | None = None
    effort: Literal["none", "low", "medium", "high", "max"] | None = None
    parallel_calls: int | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)


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
