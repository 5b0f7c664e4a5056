"""What one provider demands of a client: the type of a row. The rows themselves are in `table` and `responses.rows`.

A row is data: every fact a rule, a stream or the side log acts on is a field here, and none acts on a row's name.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal, Self

Demand = Literal[
    "nothing", "every message", "since the last user", "tool turns", "tool calls", "tool calls since the last user"
]
"""Which assistant messages: all, those of the open turn, those of turns that called a tool, or those that call one."""

Form = Literal["field", "details", "parts", "tags", "signature", "hidden"]
"""How reasoning travels: `carriers` has the functions of each.

* `field`: text in a field of the message.
* `details`: signed entries in `reasoning_details`, streamed as fragments by index, and the plain text beside them.
* `parts`: `thinking` parts in a content list.
* `tags`: between tags at the beginning of the content.
* `signature`: not at all, but the first call of an answer bears a signature.
* `hidden`: not at all.
"""

ErrorForm = Literal["object", "list", "flat", "wrapped"]
"""The body of an error: `{"error": {…}}`; that in a list; `{"code", "error"}`; a gateway's, the upstream's inside."""

UsageForm = Literal["hit and miss", "cached", "details", "cost", "bare"]
"""Where `usage` tells cached tokens: prompt_cache_hit_tokens, cached_tokens, prompt_tokens_details (with the cost in
USD, or without), nowhere.
"""

ROLES = ("system", "user", "assistant", "tool", "latest_reminder")
KNOWN_ROLES = ("system", "developer", "user", "assistant", "tool")
CHOICES = ("auto", "none", "required", "specified")
"""The kinds of `tool_choice`; `specified` names a function. Absent is always taken."""


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


@dataclass(frozen=True, slots=True)
class Switch:
    """A setting of a request: where it stands, dots between the keys, and the value that is meant."""

    path: str
    value: Any

    def found(self, body: Any) -> Any:
        """Return what stands there in a request, None where nothing does."""
        for key in self.path.split("."):
            body = body.get(key) if isinstance(body, dict) else None
        return body

    def on(self, body: Any) -> bool:
        """Whether exactly the value that is meant stands there."""
        found = self.found(body)
        return type(found) is type(self.value) and bool(found == self.value)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two settings that exclude each other, by their paths, and the text of the refusal."""

    one: str
    other: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What one provider demands of a client, and how it answers.

    Attributes:
        name: what `Emulator(contract=…)` calls it.
        wire: the API it is spoken on: Chat Completions or Responses.

        demands: the assistant messages that must carry reasoning; `""` counts as carried, null as absent.
        only_with_tools: reasoning is demanded, wanted and read only where the request carries `tools`.
        keeps: the assistant messages whose reasoning is part of the prompt.
        wants: those whose reasoning the documents want back: where it was sent and does not come back so, is not read
            or comes in the wrong place, the side log has a loss. None means those demanded, or, where none are, kept.
        keep_switch: what makes the service keep the reasoning of every message.
        missing: the error text of a lapse; `{index}` is the message's index, `{tool}` the tool its first call names.
        empty: `""` counts as carried.
        placeholders: text in the place of reasoning that was empty or absent is no invention: the service, or a relay
            before it, may want some.
        forbids: reasoning in the input is an error.

        form: how reasoning travels.
        carrier: the field it is read from, and, where `emits` is empty, sent in.
        emits: the fields it is sent in, where they are others.
        split_switch: what makes a service that sends tags send `details` and the carrier instead.
        validates: the assistant messages whose signatures are checked; entries of `reasoning_details` bear some then.
        forged: the error text where one does not fit; `{index}` is the message's index.
        upstream: the provider's name in a gateway's wrapped errors.

        switches: what turns thinking off; the first that stands in the request decides.
        quiet_models: models that think only where the request asks for it.
        always_thinks: switching thinking off is an error.
        thinking_types: the values of `thinking.type`; none: not checked.
        efforts: the values of `reasoning_effort`; none: not checked.
        bad_efforts: values of `reasoning_effort` that are refused.
        refused_fields: fields of the request that are an error.
        refused_for: fields of the request that are an error for models of these patterns, and the refusal's text.
        conflicts: settings that exclude each other.
        sampling: fixed sampling parameters: another value is an error.
        tool_effort: tools may come with an effort other than `none`.

        tools: tools are served.
        choices: the kinds of `tool_choice` taken while thinking.
        quiet_choices: those taken otherwise.
        choice_refused: the error text; `{kind}` is the kind.
        strict_on_beta: strict functions are served on `/beta` only, and only if every function is strict.
        json_output: `response_format` may ask for JSON at all.
        json_schema: it may be of the type `json_schema`.
        json_word: the word "json" must stand in the prompt.
        logprobs: `logprobs` is allowed while thinking.

        roles: the roles a message may have.
        unsupported: fields of an assistant message that are an error.
        user_after_tool: a user message may follow a tool message.
        call_ids: a pattern that call ids match.
        valid_arguments: the arguments of calls in the history are valid JSON.
        tool_texts: the content of a tool message is text and nothing else.
        refs: the schema of a tool may have references.
        lenient: empty lists, and values of `tool_choice`, `thinking` and effort that it does not know, are taken.

        manner: quirks in which this service always streams.
        manner_switch: what makes it stream without them.
        comment: the text of the comments in its streams.
        comments_first: how many of them precede the data although the script asks for none.
        errors: the body of its errors.
        usage: the form of its `usage`.
        usage_always: a trailing chunk with the usage comes unasked.
        dsml_wrapper: the name of the outer tag where calls leak into content as DSML.
        model: what `/models` lists where the emulator is given none.
        context: tokens of prompt and completion together.
        price: what tokens cost.
    """

    name: str
    wire: Literal["chat", "responses"] = "chat"

    demands: Demand = "nothing"
    only_with_tools: bool = False
    keeps: Demand
    wants: Demand | None = None
    keep_switch: Switch | None = None
    missing: str = ""
    empty: bool = True
    placeholders: bool = False
    forbids: bool = False

    form: Form = "field"
    carrier: str = "reasoning_content"
    emits: tuple[str, ...] = ()
    split_switch: Switch | None = None
    validates: Demand = "nothing"
    forged: str = ""
    upstream: str = ""

    switches: tuple[Switch, ...] = ()
    quiet_models: tuple[str, ...] = ()
    always_thinks: bool = False
    thinking_types: tuple[str, ...] = ()
    efforts: tuple[str, ...] = ()
    bad_efforts: tuple[str, ...] = ()
    refused_fields: tuple[str, ...] = ()
    refused_for: tuple[tuple[str, tuple[str, ...], str], ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    sampling: tuple[tuple[str, float], ...] = ()
    tool_effort: bool = True

    tools: bool = True
    choices: tuple[str, ...] = CHOICES
    quiet_choices: tuple[str, ...] = CHOICES
    choice_refused: str = "tool_choice {kind} is not supported"
    strict_on_beta: bool = False
    json_output: bool = True
    json_schema: bool = True
    json_word: bool = False
    logprobs: bool = True

    roles: tuple[str, ...] = KNOWN_ROLES
    unsupported: tuple[str, ...] = ()
    user_after_tool: bool = True
    call_ids: str = ""
    valid_arguments: bool = False
    lenient: bool = True
    tool_texts: bool = False
    refs: bool = True

    manner: tuple[str, ...] = ()
    manner_switch: Switch | None = None
    comment: str = "keep-alive"
    comments_first: int = 0
    errors: ErrorForm = "object"
    usage: UsageForm = "details"
    usage_always: bool = False
    dsml_wrapper: str = "tool_calls"
    model: str = "deepseek-flash"
    context: int = 1_048_576
    price: Price = FLASH

    @property
    def wanted(self) -> Demand:
        """The assistant messages whose reasoning the documents want back."""
        return self.wants or (self.keeps if self.demands == "nothing" else self.demands)

    def asked_by(self, body: dict[str, Any]) -> Self:
        """Return the row with the switches that a request has set."""
        row = self
        if row.keep_switch and row.keep_switch.on(body):
            row = replace(row, keeps="every message")
        if row.split_switch and row.split_switch.on(body):
            row = replace(row, form="details", carrier="reasoning_details", emits=(row.carrier,))
        if row.manner_switch and row.manner_switch.on(body):
            row = replace(row, manner=())
        return row
