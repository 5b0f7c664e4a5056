"""What the services that speak the Responses wire check, as data. Their rules are about items, not about messages."""

from dataclasses import dataclass

from agentkit.emulator.row import Contract, Switch


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemContract(Contract):
    """What one provider demands of a client on the Responses wire.

    Attributes:
        sealed: reasoning travels as `encrypted_content` that only the service can read; else as `reasoning_text`.
        always_sealed: the blob is sent although the items are stored and nobody asked for it by `include`.
        stateless: nothing is stored, and what speaks of stored things is ignored.
        bound: an item that came with a reasoning item must come back with it, and reasoning with what followed it.
        adjacent: outputs follow their calls at once; else they come anywhere after them.
        phases: messages say whether they are a `commentary` before calls or the `final_answer`.
        writes: usage tells the tokens that were written to the cache, at a price of their own; here none is.
        unanswered: the error text for a call without output; `{id}` is its `call_id`.
        parameters: the parameters it knows; empty means that unknown ones are ignored.
        too_long: the error text of a prompt beyond the context window; figures as `{limit}`, `{wanted}`, `{tokens}`
            and `{output}`.
        too_long_code: the code of that error.
    """

    sealed: bool = True
    always_sealed: bool = False
    stateless: bool = False
    bound: bool = True
    adjacent: bool = False
    phases: bool = False
    writes: bool = False
    unanswered: str = "No tool output found for function call {id}."
    parameters: frozenset[str] = frozenset()
    too_long: str = "Your input exceeds the context window of this model. Please adjust your input and try again."
    too_long_code: str = "context_length_exceeded"


# developers.openai.com/api/reference: the parameters of "create a response".
_OPENAI_PARAMETERS = frozenset(
    {
        "background",
        "context_management",
        "conversation",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "model",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
    }
)
_OFF = (Switch("reasoning.effort", "none"),)
_ROLES = ("system", "user", "assistant", "developer")

RESPONSES_ROWS: tuple[ItemContract, ...] = (
    # Errors as users report them of api.openai.com; the 5.6 family keeps the reasoning of all turns.
    ItemContract(
        name="openai-responses",
        wire="responses",
        switches=_OFF,
        keeps="every message",
        wants="every message",
        roles=_ROLES,
        model="gpt-5.6",
        phases=True,
        writes=True,
        parameters=_OPENAI_PARAMETERS,
    ),
    # docs.x.ai/guides/reasoning. The text of the refusal is pinned; that these models take no effort is not.
    ItemContract(
        name="xai-responses",
        wire="responses",
        switches=_OFF,
        keeps="every message",
        wants="every message",
        roles=_ROLES,
        always_sealed=True,
        refused_for=(
            (
                "reasoning.effort",
                ("grok-4", "grok-4-0709", "grok-code-*", "*-non-reasoning"),
                "Argument not supported on this model: reasoning_effort",
            ),
            ("presence_penalty", ("*",), "Argument not supported on this model: presencePenalty"),
            ("frequency_penalty", ("*",), "Argument not supported on this model: frequencyPenalty"),
        ),
        errors="flat",
        model="grok-4.7",
    ),
    # api-docs.deepseek.com/guides/responses_api, with the pitfalls that published probes measured.
    ItemContract(
        name="deepseek-responses",
        wire="responses",
        switches=_OFF,
        demands="every message",
        only_with_tools=True,
        keeps="every message",
        missing="The `reasoning_text` in the thinking mode must be passed back to the API.",
        roles=_ROLES,
        empty=False,
        placeholders=True,
        choices=("auto", "none"),
        choice_refused="Thinking mode does not support this tool_choice",
        sealed=False,
        stateless=True,
        bound=False,
        adjacent=True,
        unanswered="No tool output found for tool call {id}.",
        too_long=(
            "This model's maximum context length is {limit} tokens. However, you requested {wanted} tokens "
            "({tokens} in the messages, {output} in the completion)."
        ),
        too_long_code="invalid_request_error",
    ),
)
