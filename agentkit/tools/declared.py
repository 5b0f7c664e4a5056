"""`Declared`: everything a tool says of itself."""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from agentkit.core.messages import Json
from agentkit.core.spec import Effect
from agentkit.core.values import dataclass
from agentkit.tools.secrets import Secret

NeedsApproval: TypeAlias = bool | Literal["defer"] | Callable[..., bool | str]


@dataclass(frozen=True, slots=True)
class Declared:
    """What a tool says of itself: everything of `@tool(...)`, with the defaults filled in.

    Attributes:
        name: what the model calls it. effect: what it does to the world.
        needs_approval: whether a person has to agree first; a function is asked with the parameters it names, and may
            return the reason as a text (rules.py has ready-made ones). "defer": the talk goes on, and the outcome
            follows.
        exclusive: it runs alone, in the order asked.
        no_effect: exceptions by which a `once` tool proves that nothing happened.
        timeout: seconds its body may take.
        untrusted: its results come from outside and are data, never instructions: the model gets them framed so, and
            `once` tools ask a person from then on (core/trust.py).
        secrets: handles whose values are replaced by their names in whatever leaves a tool of the agent.
        retries: how often a failed body is tried again; only `read` and `idempotent`.
        concurrency: how many calls of it may run at once in this process. rate: how many may start in a second.
        result_limit: characters of a result that the model is shown; the rest is kept, and `read_more` reads it.
        process: the body runs in a process of its own, because it keeps a CPU busy.
        returns: JSON Schema of what it returns, checked before the model sees it.
        nulls: `null` for an optional parameter: as if it were absent, or refused.
        extras: a property that is no parameter: refused, or dropped.
        repair: whether broken JSON is repaired; what was done is recorded.
    """

    name: str
    effect: Effect
    needs_approval: NeedsApproval = False
    exclusive: bool = False
    no_effect: tuple[type[Exception], ...] = ()
    timeout: float | None = None
    untrusted: bool = False
    secrets: tuple[Secret, ...] = ()
    retries: int = 0
    concurrency: int | None = None
    rate: float | None = None
    result_limit: int | None = None
    process: bool = False
    returns: Mapping[str, Json] | None = None
    nulls: Literal["absent", "reject"] = "reject"
    extras: Literal["reject", "drop"] = "reject"
    repair: bool = False
