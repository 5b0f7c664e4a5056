"""The type of one contract row: what a provider demands of a client, as data (CONTRACTS.md, section 8).

Rows live in `models/contracts.toml` and in files of the user's own; they are resolved by the model before a session is
bound, and the resolved row is recorded, so that replay and resume use the row of that day and never today's table.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

Wire = Literal["chat", "responses"]
Retention = Literal["forbid", "hidden", "turn", "sticky-tools", "sticky-if-tools", "all"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra"]

# Carriers that are no field of the message: where `Carrier.write` names one, or an answer came in one.
THINKING_PARTS: Final = "content-parts:thinking"  # `content` is a list that holds the thinking too
INLINE_TAGS: Final = "inline-tags"  # `content` holds the thinking between tags
ITEMS: Final = "items:reasoning"  # Responses: items of their own, in `AssistantMessage.extras[ITEMS]` as they came


class Row(BaseModel):
    """Base of every table of the row: frozen, and unknown keys are an error, so that a typing slip is seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Match(Row):
    """Which (host, model) the row speaks for; shell patterns, `*` matches anything.

    A host pattern with a port (`*:11434`) is compared with host and port. `model = []`: only by the row's id.
    """

    host: tuple[str, ...] = ("*",)
    model: tuple[str, ...] = ("*",)


class Carrier(Row):
    """Where reasoning travels.

    Attributes:
        read: text fields of an answer, in order of preference. (Thinking parts of a content list are read anywhere.)
        write: where text goes back: a field's name, one of the three carriers above, or "same": in the field it came
            in, never in two (CONTRACTS.md, first rule).
        tags: pairs of tags inside `content` that hold reasoning: split out for display, sent back as they came. The
            first pair is what another model's reasoning is written in.
        opaque: private fields of an answer that are kept and sent back unmodified, like "reasoning_details".
        with_opaque: whether the text field goes along where such a private field came.
        beside_calls: private fields of a tool call that are kept and sent back, like "extra_content".
        sentinel: fields put beside the first call of an answer that has none of `beside_calls` of this service.
    """

    read: tuple[str, ...] = ("reasoning_content", "reasoning")
    write: str = "same"
    tags: tuple[tuple[str, str], ...] = ()
    opaque: tuple[str, ...] = ()
    with_opaque: Literal["alone", "both"] = "alone"
    beside_calls: tuple[str, ...] = ()
    sentinel: dict[str, JsonValue] | None = None


class Thinking(Row):
    """How thinking is switched and scaled: body fields to merge for on and off, and the effort's field and words.

    `effort_key` may be a path: "reasoning.effort" is `{"reasoning": {"effort": …}}`. With `effort_only`, an effort that
    is not a key of `effort` is refused instead of passed on.
    """

    default: bool = True
    on: dict[str, JsonValue] = Field(default_factory=dict)
    off: dict[str, JsonValue] | None = None  # None: cannot be switched off
    effort_key: str | None = None
    effort: dict[Effort, str] = Field(default_factory=dict)
    effort_only: bool = False


class Bridges(Row):
    """Assistant text to put between two roles that the provider refuses side by side; None: the pair is accepted."""

    user_after_tool: str | None = None
    user_after_user: str | None = None


class CallIds(Row):
    """Which call ids are legal on the wire."""

    pattern: str = r"[\s\S]{1,512}"


class StrictTools(Row):
    """How functions with `strict: true` are served.

    Attributes:
        path: put between the address and the usual path, like "/beta".
        all_or_none: all functions of a request are strict, or none is.
        subset: whose subset of JSON Schema their parameters have to be in (tools/strict.py).
    """

    path: str | None = None
    all_or_none: bool = False
    subset: Literal["openai", "deepseek"] = "openai"


class ErrorMatch(Row):
    """Texts by which a service's refusal is told from others of the same status; matched anywhere in its body."""

    reasoning: tuple[str, ...] = ()  # reasoning was lost or changed, or a message is out of place
    malformed: tuple[str, ...] = ()  # the model's own answer could not be read by the service: asking again may help
    context: tuple[str, ...] = ()
    filtered: tuple[str, ...] = ()
    balance: tuple[str, ...] = ()
    authentication: tuple[str, ...] = ()
    overloaded: tuple[str, ...] = ()


class Contract(Row):
    """One row: what a provider demands of a client.

    In code its tables may be mappings: `Contract.model_validate({"id": "mine", "carrier": {"write": "none"}})`.
    """

    id: str
    effective_from: str = "1970-01-01"  # ISO date: of two rows that match, the younger not in the future rules
    match: Match = Match()
    wire: Wire = "chat"  # Chat Completions, or Responses
    base_url: str | None = None
    api_key_env: str | None = None  # the one environment variable that may be read
    gateway: bool = False  # serves models of others: its address never follows from a model's name
    body: dict[str, JsonValue] = Field(default_factory=dict)  # fields of every request
    system_role: Literal["system", "developer"] = "system"
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
    tools: Literal["ok", "refused", "without_effort"] = "ok"
    # reject, required_only: while it thinks; named_only, never: always
    forced_tool_choice: Literal["ok", "reject", "required_only", "named_only", "never"] = "ok"
    apart: tuple[tuple[str, ...], ...] = ()  # body fields (or paths) of which only one may be sent
    strict_tools: StrictTools | None = None  # None: not known to be served
    json_mode: tuple[Literal["json_object", "json_schema"], ...] = ("json_object", "json_schema")
    # How an answer of a type is asked for. auto: beside tools by a tool, without them by the best of `json_mode`.
    typed_output: Literal["auto", "tool", "text"] = "auto"
    empty_content: Literal["empty", "null", "omit"] = "empty"  # content of a text-less assistant message
    token_limit_key: str = "max_tokens"  # noqa: S105 - the name of a body field
    parallel_calls_key: str | None = None
    # Schemas of tools: references as they are, or what they name put in their place (a recursion is cut, and says so).
    schema_refs: Literal["keep", "inline"] = "keep"
    tool_parts: tuple[Literal["image", "file"], ...] = ()  # what a tool's result may hold; a text stands in for others
    usage_in_stream: bool = True  # ask for it by stream_options.include_usage
    always_stream: bool = False  # the service answers only in streams
    repairs: tuple[Literal["think", "dsml"], ...] = ()  # markup leaking into content that is put where it belongs
    bridges: Bridges = Bridges()
    call_ids: CallIds = CallIds()
    # Arguments of calls in the history: what the service can read. "{}" stands in for others.
    arguments: Literal["any", "json", "json_or_empty"] = "any"
    retried_finishes: tuple[str, ...] = ("insufficient_system_resource",)
    error_match: ErrorMatch = ErrorMatch()
    context: Annotated[int, Field(gt=0)] | None = None  # tokens
    max_output: Annotated[int, Field(gt=0)] | None = None  # tokens
    price_model: str | None = None  # the model's name in the price table, where it differs
    price_provider: str | None = None


def typed(table: Mapping[str, Any]) -> tuple[Contract | None, list[Mapping[str, Any]]]:
    """Read a row from a table: the row, or what the type finds wrong with it, as pydantic's error details."""
    try:
        return Contract.model_validate(table), []
    except ValidationError as error:
        return None, [dict(each) for each in error.errors()]
