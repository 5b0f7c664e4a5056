"""What each provider checks, as data: one row per contract, written from the providers' documents and published probes.

A rule has changed within one vendor from "reject" over "ignore" to "require", so rules are rows and never branches on
a model's name. `demands` says whose absence is refused, `keeps` whose text is part of the prompt (and of its cost),
`wants` whose loss is told in the side log. What no source settles is the laxer reading, and its row says so.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from agentkit.emulator.bodies import FAULT_TEXTS, FaultText
from agentkit.emulator.responses.rows import RESPONSES_ROWS
from agentkit.emulator.row import FLASH, ROLES, Conflict, Contract, Demand, Price, Switch

__all__ = ["CONTRACTS", "FAULT_TEXTS", "FLASH", "ROLES", "Contract", "Demand", "FaultText", "Price"]


def _price(hit: str, miss: str, output: str) -> Price:
    return Price(Decimal(hit), Decimal(miss), Decimal(output))


_TYPE = Switch("thinking.type", "disabled")
_EFFORT = Switch("reasoning_effort", "none")
_UNFORCED = ("auto", "none")

_V4_MISSING = "The `reasoning_content` in the thinking mode must be passed back to the API."
_V32_MISSING = (
    "Missing `reasoning_content` field in the assistant message at message index {index}. For more information, "
    "please refer to https://api-docs.deepseek.com/guides/thinking_mode#tool-calls"
)

# api-docs.deepseek.com/guides/thinking_mode since August 2026.
_V4 = Contract(
    name="deepseek-v4",
    demands="every message",
    only_with_tools=True,
    keeps="every message",
    missing=_V4_MISSING,
    switches=(_TYPE, _EFFORT),
    choices=_UNFORCED,
    choice_refused="Thinking mode does not support this tool_choice",
    strict_on_beta=True,
    json_schema=False,
    json_word=True,
    roles=ROLES,
    lenient=False,
    usage="hit and miss",
)
# The guide as it stood from 2025-12 to 2026-04; forced calls are not named there.
_V32 = replace(
    _V4,
    name="deepseek-v3.2",
    demands="since the last user",
    only_with_tools=False,
    keeps="since the last user",
    missing=_V32_MISSING,
    switches=(_TYPE,),
    quiet_models=("deepseek-chat",),
    choices=("auto", "none", "required", "specified"),
    logprobs=False,
    dsml_wrapper="function_calls",
    model="deepseek-reasoner",
    context=131_072,
    price=_price("0.028", "0.28", "0.42"),
)
_DEEPSEEK = (
    # Reasoning in the input was an error; no tools, no JSON. Tokens and prices of then are not pinned.
    replace(
        _V32,
        name="deepseek-r1",
        demands="nothing",
        keeps="nothing",
        missing="",
        forbids=True,
        switches=(),
        quiet_models=(),
        tools=False,
        json_output=False,
        logprobs=True,
        price=FLASH,
    ),
    _V32,
    # Its own address, thinking only; without tools a turn has one answer, so nothing can be owed.
    replace(
        _V32,
        name="deepseek-v3.2-speciale",
        demands="nothing",
        missing="",
        switches=(),
        quiet_models=(),
        tools=False,
        json_output=False,
    ),
    # The guide of 2026-04: the turns that called a tool, for ever.
    replace(
        _V4,
        name="deepseek-v4-launch",
        demands="tool turns",
        only_with_tools=False,
        keeps="tool turns",
        price=_price("0.0028", "0.14", "0.28"),
    ),
    _V4,
    # Live probes of 2026-09: only what follows the last user message is checked.
    replace(_V4, name="deepseek-v4-measured", demands="since the last user", wants="every message"),
    # A reseller whose page names no rule: the upstream's. Whether its relay takes `""` is not known.
    replace(_V4, name="cometapi", placeholders=True),
)

_KIMI = Contract(
    name="kimi-k2.6",
    demands="tool calls since the last user",
    keeps="since the last user",
    wants="since the last user",
    keep_switch=Switch("thinking.keep", "all"),
    missing="thinking is enabled but reasoning_content is missing in assistant tool call message at index {index}",
    switches=(_TYPE,),
    thinking_types=("enabled", "disabled"),
    conflicts=(Conflict("thinking", "reasoning_effort", "cannot specify both 'thinking' and 'reasoning_effort'"),),
    # That these are fixed is documented; the numbers are those its pages name for thinking.
    sampling=(("temperature", 1), ("top_p", 0.95), ("n", 1), ("presence_penalty", 0), ("frequency_penalty", 0)),
    choices=_UNFORCED,
    choice_refused="tool_choice '{kind}' is incompatible with thinking enabled",
    usage="cached",
    model="kimi-k2.6",
    context=262_144,
)
_ALWAYS_KIMI = replace(_KIMI, name="kimi-k2.7", demands="nothing", missing="", keeps="every message", wants=None)
_MINIMAX = Contract(
    name="minimax-m2",
    keeps="every message",
    form="tags",
    split_switch=Switch("reasoning_split", True),  # noqa: FBT003 - the value that is meant
    switches=(_TYPE,),
    always_thinks=True,
    sampling=(("n", 1),),
    choices=("auto",),
    quiet_choices=("auto",),
    model="MiniMax-M2.7",
    context=204_800,
    price=_price("0.06", "0.30", "1.20"),
)
_MINIMAX_3 = replace(
    _MINIMAX,
    name="minimax-m3",
    always_thinks=False,
    thinking_types=("adaptive", "disabled"),
    model="MiniMax-M3",
    context=1_000_000,
    price=_price("0.12", "0.60", "2.40"),
)
_GLM = Contract(
    name="glm",
    keeps="since the last user",
    keep_switch=Switch("thinking.clear_thinking", False),  # noqa: FBT003 - the value that is meant
    switches=(_TYPE,),
    thinking_types=("enabled", "disabled"),
    efforts=("low", "high", "max"),
    choices=("auto",),
    quiet_choices=("auto",),
    json_schema=False,
    manner=("whole_arguments",),
    manner_switch=Switch("tool_stream", True),  # noqa: FBT003 - the value that is meant
    model="glm-4.7",
    context=200_000,
    price=_price("0.11", "0.60", "2.20"),
)
_QWEN = Contract(
    name="qwen",
    keeps="since the last user",
    keep_switch=Switch("preserve_thinking", True),  # noqa: FBT003 - the value that is meant
    switches=(Switch("enable_thinking", False),),  # noqa: FBT003 - the value that is meant
    conflicts=(
        Conflict("reasoning_effort", "thinking_budget", "reasoning_effort and thinking_budget exclude each other"),
    ),
    choices=("auto", "none", "specified"),
    quiet_choices=("auto", "none", "specified"),
    tool_texts=True,
    model="qwen3.8-max",
    context=1_000_000,
    price=_price("2.00", "2.00", "6.00"),
)
_HOSTED = (
    # Tool-call messages are checked, the rest of their turn is wanted; the text of its refusal is not pinned.
    Contract(
        name="mimo",
        demands="tool calls",
        keeps="tool turns",
        wants="tool turns",
        missing=_V4_MISSING,
        switches=(_TYPE,),
        valid_arguments=True,
        model="mimo-v2",
    ),
    _KIMI,
    replace(_KIMI, name="kimi-k2.6-keep", wants="every message"),
    # Whether these two refuse an omission is not settled.
    replace(_ALWAYS_KIMI, always_thinks=True, model="kimi-k2.7-code"),
    replace(
        _ALWAYS_KIMI,
        name="kimi-k3",
        switches=(),
        thinking_types=(),
        refused_fields=("thinking",),
        efforts=("low", "high", "max"),
        choices=("auto", "none", "required"),
        quiet_choices=("auto", "none", "required"),
        model="kimi-k3",
        context=1_048_576,
        price=_price("0.30", "3.00", "15.00"),
    ),
    _MINIMAX,
    replace(_MINIMAX, name="minimax-m2-split"),
    _MINIMAX_3,
    replace(_MINIMAX_3, name="minimax-m3-split"),
    _GLM,
    replace(_GLM, name="glm-keep", wants="every message"),
    replace(
        _GLM,
        name="glm-5.3",
        always_thinks=True,
        model="glm-5.3",
        context=1_000_000,
        price=_price("0.26", "1.40", "4.40"),
    ),
    _QWEN,
    replace(_QWEN, name="qwen-keep", wants="every message"),
    Contract(
        name="mistral",
        keeps="every message",
        form="parts",
        switches=(_EFFORT,),
        user_after_tool=False,
        call_ids="[a-zA-Z0-9]{9}",
        model="mistral-medium-3-5",
        context=262_144,
        price=_price("1.50", "1.50", "7.50"),
    ),
    Contract(
        name="gemini-openai",
        demands="tool calls since the last user",
        keeps="every message",
        wants="tool calls",
        missing="Function call is missing a thought_signature in functionCall parts. This is required for tools to "
        "work correctly. Additional data, function call `default_api:{tool}`, position {index}.",
        form="signature",
        validates="since the last user",
        forged="Thought signature is not valid.",
        conflicts=(
            Conflict(
                "reasoning_effort",
                "extra_body.google.thinking_config",
                "reasoning_effort and thinking_config exclude each other",
            ),
        ),
        manner=("whole_arguments", "index_missing"),
        errors="list",
        refs=False,
        model="gemini-3-pro",
    ),
    Contract(
        name="xai",
        keeps="nothing",
        form="hidden",
        refused_for=(
            (
                "reasoning_effort",
                ("grok-4", "grok-4-0709", "grok-code-*", "*-non-reasoning"),
                "Argument not supported on this model: reasoning_effort",
            ),
            ("presence_penalty", ("*",), "Argument not supported on this model: presencePenalty"),
            ("frequency_penalty", ("*",), "Argument not supported on this model: frequencyPenalty"),
        ),
        errors="flat",
        model="grok-4",
    ),
    Contract(
        name="openai",
        keeps="nothing",
        form="hidden",
        switches=(_EFFORT,),
        tool_effort=False,
        tool_texts=True,
        model="gpt-5.6",
    ),
)

_ROUTER = Contract(
    name="openrouter",
    keeps="every message",
    form="details",
    carrier="reasoning_details",
    emits=("reasoning",),
    validates="every message",
    forged="messages.{index}.content.0: Invalid `signature` in `thinking` block",
    upstream="Anthropic",
    switches=(Switch("reasoning.enabled", False), Switch("reasoning.effort", "none"), _EFFORT),  # noqa: FBT003 - as above
    conflicts=(
        Conflict("reasoning", "reasoning_effort", 'Only one of "reasoning" and "reasoning_effort" may be provided'),
    ),
    comment="OPENROUTER PROCESSING",
    comments_first=1,
    errors="wrapped",
    usage="cost",
    usage_always=True,
    model="anthropic/claude-sonnet-4.5",
)
_GATEWAYS = (
    _ROUTER,
    # The strict relay: only text passes, in the upstream's own field.
    replace(
        _ROUTER,
        name="openrouter-deepseek",
        demands="every message",
        only_with_tools=True,
        missing=_V4_MISSING,
        empty=False,
        placeholders=True,
        carrier="reasoning_content",
        validates="nothing",
        upstream="DeepSeek",
        choices=_UNFORCED,
        choice_refused="Thinking mode does not support this tool_choice",
        model="deepseek/deepseek-v4-flash",
    ),
    Contract(
        name="groq",
        keeps="since the last user",
        carrier="reasoning",
        unsupported=("reasoning_content",),
        switches=(_EFFORT,),
        model="openai/gpt-oss-120b",
    ),
)

_VLLM = Contract(
    name="vllm",
    tool_texts=True,
    keeps="since the last user",
    carrier="reasoning",
    switches=(
        Switch("chat_template_kwargs.enable_thinking", False),  # noqa: FBT003 - the value that is meant
        Switch("chat_template_kwargs.thinking", False),  # noqa: FBT003 - the value that is meant
    ),
    model="served",
)
_OWN = (
    # Retention is the template's; most drop what is older than the last user message.
    _VLLM,
    replace(_VLLM, name="sglang", carrier="reasoning_content", switches=_VLLM.switches[1:], tool_texts=False),
    replace(_VLLM, name="llama-cpp", carrier="reasoning_content", switches=_VLLM.switches[:1], tool_texts=False),
    replace(
        _VLLM,
        name="ollama",
        tool_texts=False,
        switches=(_EFFORT, Switch("reasoning.effort", "none")),
        manner=("whole_arguments", "index_repeated"),
        usage="bare",
    ),
    replace(_VLLM, name="lm-studio", carrier="reasoning_content", switches=(_EFFORT,), bad_efforts=("on", "off")),
    # Any other server: refuses nothing but malformed requests, and still reports what it saw.
    Contract(
        name="generic",
        keeps="every message",
        roles=(*ROLES, "developer"),
        switches=(_TYPE, _EFFORT),
    ),
)

CONTRACTS: Mapping[str, Contract] = {
    row.name: row for row in (*_DEEPSEEK, *_HOSTED, *_GATEWAYS, *_OWN, *RESPONSES_ROWS)
}
