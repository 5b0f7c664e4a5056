"""The type of one contract row: what a provider demands of a client, as data (CONTRACTS.md, section 8).

Rows live in `models/contracts.toml`; they are resolved by the model before a session is bound, and the resolved row
is recorded, so that replay and resume use the row of that day and never today's table.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Retention = Literal["forbid", "hidden", "turn", "sticky-tools", "sticky-if-tools", "all"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra"]


class Row(BaseModel):
    """Base of every table of the row: frozen, and unknown keys are an error, so that a typing slip is seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Match(Row):
    """Which (host, model) the row speaks for; shell patterns, `*` matches anything."""

    host: tuple[str, ...] = ("*",)
    model: tuple[str, ...] = ("*",)


class Carrier(Row):
    """Where reasoning travels: fields read from an answer, in order, and where it is written when sent back.

    `write="same"` means: in the field it came in, never in two (CONTRACTS.md, first rule).
    """

    read: tuple[str, ...] = ("reasoning_content", "reasoning")
    write: str = "same"


class Thinking(Row):
    """How thinking is switched and scaled: body fields to merge for on and off, and the effort's field and words."""

    default: bool = True
    on: dict[str, JsonValue] = Field(default_factory=dict)
    off: dict[str, JsonValue] | None = None  # None: cannot be switched off
    effort_key: str | None = None
    effort: dict[Effort, str] = Field(default_factory=dict)


class Bridges(Row):
    """Assistant text to put between two roles that the provider refuses side by side; None: the pair is accepted."""

    user_after_tool: str | None = None
    user_after_user: str | None = None


class CallIds(Row):
    """Which call ids are legal on the wire."""

    pattern: str = r"[\s\S]{1,512}"


class Contract(Row):
    """One row: what a provider demands of a client."""

    id: str
    effective_from: str = "1970-01-01"  # ISO date: of two rows that match, the younger not in the future rules
    match: Match = Match()
    base_url: str | None = None
    api_key_env: str | None = None  # the one environment variable that may be read
    carrier: Carrier = Carrier()
    retention: Retention = "all"
    missing: Literal["error", "degrade", "ignore"] = "ignore"
    applies_to: Literal["tool_call_messages", "all_assistant"] = "all_assistant"
    empty: Literal["send", "placeholder", "omit"] = "send"
    placeholder: str | None = None  # sent where reasoning is required and absent; never stored as the model's
    on_model_switch: Literal["keep_text", "placeholder", "drop"] = "keep_text"
    switch_boundary: Literal["none", "contract", "model"] = "contract"
    thinking: Thinking = Thinking()
    sampling: Literal["ok", "ignored", "fixed_error"] = "ok"
    forced_tool_choice: Literal["ok", "reject", "required_only"] = "ok"
    empty_content: Literal["empty", "null", "omit"] = "empty"  # content of a text-less assistant message
    token_limit_key: str = "max_tokens"  # noqa: S105 - the name of a body field
    parallel_calls_key: str | None = None
    usage_in_stream: bool = True  # ask for it by stream_options.include_usage
    bridges: Bridges = Bridges()
    call_ids: CallIds = CallIds()
    retried_finishes: tuple[str, ...] = ("insufficient_system_resource",)
    missing_match: tuple[str, ...] = ()  # texts by which the provider names lost reasoning
    context: Annotated[int, Field(gt=0)] | None = None  # tokens
    max_output: Annotated[int, Field(gt=0)] | None = None  # tokens
    price_model: str | None = None  # the model's name in the price table, where it differs
    price_provider: str | None = None
