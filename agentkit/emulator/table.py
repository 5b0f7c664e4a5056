"""What each provider checks, as data: one row per contract, written from the providers' documents and published probes.

A rule has changed within one vendor from "reject" over "ignore" to "require", so rules are rows and never branches on
a model's name. `demands` says whose absence is refused, `keeps` whose text is part of the prompt (and of its cost).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Demand = Literal["nothing", "every message", "since the last user"]
"""Which assistant messages must carry reasoning, as far as the row's other conditions hold."""

ROLES = ("system", "user", "assistant", "tool", "latest_reminder")


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens."""

    hit: Decimal
    miss: Decimal
    output: Decimal

    def cost(self, hit: int, miss: int, output: int) -> Decimal:
        """Return the cost in USD of so many cached, uncached and generated tokens."""
        return (self.hit * hit + self.miss * miss + self.output * output) / 1_000_000


FLASH = Price(Decimal("0.003"), Decimal("0.15"), Decimal("0.60"))
"""`deepseek-flash`, off-peak, since 2026-08-16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What one provider demands of a client.

    Attributes:
        name: what `Emulator(contract=…)` calls it.
        demands: the assistant messages that must carry reasoning; `""` counts as carried, null as absent.
        only_with_tools: reasoning is demanded and read only where the request carries `tools`.
        keeps: the assistant messages whose reasoning is part of the prompt.
        missing: the error text of a lapse; `{index}` is the message's index.
        carrier: the field reasoning travels in.
        roles: the roles a message may have.
        lenient: empty lists, and values of `tool_choice`, `thinking` and effort that it does not know, are taken.
        quiet_models: models that think only where the request asks for it.
        effort_none: `reasoning_effort: "none"` switches thinking off.
        forced_call: a tool may be forced while thinking.
        logprobs: `logprobs` is allowed while thinking.
        strict_on_beta: strict functions are served on `/beta` only, and only if every function is strict.
        json_mode: the `response_format` rules of JSON mode hold.
        context: tokens of prompt and completion together.
        price: what tokens cost.
    """

    name: str
    demands: Demand
    only_with_tools: bool = False
    keeps: Demand
    missing: str = ""
    carrier: str = "reasoning_content"
    roles: tuple[str, ...] = ROLES
    lenient: bool = False
    quiet_models: tuple[str, ...] = ()
    effort_none: bool = True
    forced_call: bool = True
    logprobs: bool = True
    strict_on_beta: bool = True
    json_mode: bool = True
    context: int = 1_048_576
    price: Price = FLASH


_V4_MISSING = "The `reasoning_content` in the thinking mode must be passed back to the API."
_V32_MISSING = (
    "Missing `reasoning_content` field in the assistant message at message index {index}. For more information, "
    "please refer to https://api-docs.deepseek.com/guides/thinking_mode#tool-calls"
)

_ROWS = (
    # api-docs.deepseek.com/guides/thinking_mode since August 2026.
    Contract(
        name="deepseek-v4",
        demands="every message",
        only_with_tools=True,
        keeps="every message",
        missing=_V4_MISSING,
        forced_call=False,
    ),
    # Live probes of 2026-09: only what follows the last user message is checked.
    Contract(
        name="deepseek-v4-measured",
        demands="since the last user",
        only_with_tools=True,
        keeps="every message",
        missing=_V4_MISSING,
        forced_call=False,
    ),
    # The guide as it stood from 2025-12 to 2026-04; forced calls are not named there.
    Contract(
        name="deepseek-v3.2",
        demands="since the last user",
        keeps="since the last user",
        missing=_V32_MISSING,
        quiet_models=("deepseek-chat",),
        effort_none=False,
        logprobs=False,
        context=131_072,
        price=Price(Decimal("0.028"), Decimal("0.28"), Decimal("0.42")),
    ),
    # Any other server: refuses nothing but malformed requests, and still reports what it saw.
    Contract(
        name="generic",
        demands="nothing",
        keeps="every message",
        roles=(*ROLES, "developer"),
        lenient=True,
        strict_on_beta=False,
        json_mode=False,
    ),
)

CONTRACTS: Mapping[str, Contract] = {row.name: row for row in _ROWS}


@dataclass(frozen=True, slots=True)
class FaultText:
    """The body a provider sends with a status."""

    message: str
    type: str
    code: str | None = "invalid_request_error"


FAULT_TEXTS: Mapping[int, FaultText] = {
    400: FaultText("Invalid request.", "invalid_request_error"),
    401: FaultText("Authentication Fails, Your api key: ****abcd is invalid", "authentication_error"),
    402: FaultText("Insufficient Balance", "unknown_error"),
    422: FaultText("Invalid parameters.", "invalid_request_error"),
    429: FaultText("Too many concurrent requests.", "rate_limit_error", "rate_limit_error"),
    500: FaultText("Internal server error.", "internal_error", "internal_error"),
    503: FaultText("The server is overloaded.", "service_unavailable_error", "service_unavailable_error"),
}
"""The bodies of documented faults. Texts of 400, 422, 429, 500 and 503 are not pinned by any source."""
