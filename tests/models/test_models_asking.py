"""How each shipped row asks: thinking on, off and scaled, and what the service would refuse said beforehand."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from agentkit import Agent, Model
from agentkit.core.contract import Contract, Thinking
from agentkit.core.spec import Binding, BoundTool, Limits, Settings, ToolSpec
from agentkit.errors import ConfigurationError
from agentkit.models import asking, contracts, wire

TODAY = date(2026, 11, 21)
LOOK = ToolSpec(BoundTool("look", "d", "read", exclusive=False), "Look.", {"type": "object"})
NAMED = {"type": "function", "function": {"name": "look"}}
ENCRYPTED = {"store": False, "include": ["reasoning.encrypted_content"]}


def fields(row: str | Contract, **settings: Any) -> Any:
    """Return the body's fields, checked first, as the wire does it."""
    contract = contracts.named(row, TODAY) if isinstance(row, str) else row
    binding = Binding("a", "m", "", (LOOK,), Settings(**settings), contract, Limits(), "0")
    if contract.tools == "refused":
        binding = Binding("a", "m", "", (), Settings(**settings), contract, Limits(), "0")
    asking.check(binding)
    return json.loads(json.dumps(asking.fields(binding.settings, contract)))


def refusal(row: str | Contract, **settings: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        fields(row, **settings)
    return str(caught.value)


ON_OFF = {  # what goes along unasked, and with effort="none"
    "deepseek-v4": ({}, {"thinking": {"type": "disabled"}}),
    "deepseek-responses": ({}, {"reasoning": {"effort": "none"}}),
    "kimi-k2.6": ({}, {"thinking": {"type": "disabled"}}),
    "kimi-k2.6-keep": ({"thinking": {"type": "enabled", "keep": "all"}}, {"thinking": {"type": "disabled"}}),
    "minimax-m3": ({"thinking": {"type": "adaptive"}}, {"thinking": {"type": "disabled"}}),
    "minimax-m3-split": (
        {"reasoning_split": True, "thinking": {"type": "adaptive"}},
        {"reasoning_split": True, "thinking": {"type": "disabled"}},
    ),
    "glm": ({"thinking": {"type": "enabled", "clear_thinking": True}}, {"thinking": {"type": "disabled"}}),
    "glm-keep": ({"thinking": {"type": "enabled", "clear_thinking": False}}, {"thinking": {"type": "disabled"}}),
    "qwen": ({"enable_thinking": True}, {"enable_thinking": False}),
    "qwen-keep": (
        {"preserve_thinking": True, "enable_thinking": True},
        {"preserve_thinking": True, "enable_thinking": False},
    ),
    "mistral": ({}, {"reasoning_effort": "none"}),
    "openai-responses": (ENCRYPTED, {**ENCRYPTED, "reasoning": {"effort": "none"}}),
    "openrouter": ({}, {"reasoning": {"effort": "none"}}),
    "vllm": ({}, {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}),
    "ollama": ({}, {"reasoning_effort": "none"}),
    "generic": ({}, {"reasoning_effort": "none"}),
}


@pytest.mark.parametrize("row", ON_OFF)
def test_thinking_on_and_off(row: str) -> None:
    assert (fields(row), fields(row, effort="none")) == ON_OFF[row]


@pytest.mark.parametrize(
    ("row", "effort", "sent"),
    [
        ("deepseek-v4", "medium", {"reasoning_effort": "high"}),
        ("deepseek-v4", "max", {"reasoning_effort": "max"}),
        ("deepseek-v4-launch", "low", {"reasoning_effort": "high"}),
        ("deepseek-responses", "low", {"reasoning": {"effort": "low"}}),
        ("kimi-k3", "medium", {"reasoning_effort": "high"}),
        ("glm-5.3", "low", {"thinking": {"type": "enabled", "clear_thinking": True}, "reasoning_effort": "low"}),
        ("qwen", "max", {"enable_thinking": True, "reasoning_effort": "xhigh"}),
        ("mistral", "max", {"reasoning_effort": "high"}),
        ("gemini-openai", "max", {"reasoning_effort": "high"}),
        ("xai-responses", "medium", {**ENCRYPTED, "reasoning": {"effort": "medium"}}),
        ("openai-responses", "max", {**ENCRYPTED, "reasoning": {"effort": "xhigh"}}),
        ("openrouter-deepseek", "low", {"reasoning": {"effort": "low"}}),
        ("llama-cpp", "high", {"chat_template_kwargs": {"reasoning_effort": "high"}}),
        ("ollama", "max", {"reasoning_effort": "high"}),
        ("lm-studio", "low", {"reasoning_effort": "low"}),
    ],
)
def test_effort_in_the_rows_words_and_place(row: str, effort: str, sent: object) -> None:
    assert fields(row, effort=effort) == sent


@pytest.mark.parametrize(
    "row", ["kimi-k2.7", "kimi-k3", "minimax-m2", "glm-5.3", "gemini-openai", "deepseek-v3.2-speciale"]
)
def test_what_cannot_be_switched_off_says_so(row: str) -> None:
    assert refusal(row, effort="none") == f'contract {row!r}: thinking cannot be switched off (effort="none")'


def test_an_effort_that_nobody_knows_is_refused() -> None:
    assert refusal("kimi-k2.6", effort="high") == "contract 'kimi-k2.6' knows no effort; leave the setting out"
    strict = Contract(id="x", thinking=Thinking(effort_key="e", effort={"low": "l", "high": "h"}, effort_only=True))
    assert refusal(strict, effort="max") == "contract 'x' knows the efforts low, high, not 'max'"
    assert fields(strict, effort="high") == {"e": "h"}


@pytest.mark.parametrize(
    ("row", "settings", "names"),
    [
        ("kimi-k2.6", {"extra": {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}}, "thinking"),
        ("kimi-k2.6-keep", {"extra": {"reasoning_effort": "low"}}, "thinking"),
        ("kimi-k3", {"effort": "low", "extra": {"thinking": {"type": "enabled"}}}, "thinking"),
        ("openrouter", {"effort": "low", "extra": {"reasoning_effort": "low"}}, "reasoning"),
    ],
)
def test_fields_that_are_refused_side_by_side(row: str, settings: Any, names: str) -> None:
    assert refusal(row, **settings) == (
        f"contract {row!r}: {names} and reasoning_effort are refused side by side; leave one of them out "
        "(effort= and the row set fields too, beside those of ModelSettings.extra)"
    )


def test_an_effort_and_a_budget_are_refused_side_by_side() -> None:
    budget = {"thinking_budget": 1000}
    says = "contract 'qwen': reasoning_effort and thinking_budget are refused side by side"
    assert refusal("qwen", effort="low", extra=budget).startswith(says)
    assert fields("qwen", extra=budget) == {"enable_thinking": True, "thinking_budget": 1000}


def test_an_effort_and_a_native_thinking_config_are_refused_side_by_side() -> None:
    native = {"extra_body": {"google": {"thinking_config": {"thinking_level": "low"}}}}
    says = "contract 'gemini-openai': reasoning_effort and extra_body.google.thinking_config are refused side by side"
    assert refusal("gemini-openai", effort="low", extra=native).startswith(says)
    assert fields("gemini-openai", extra=native) == native
    other: Any = {"extra_body": {"google": {"safety_settings": []}}}
    assert fields("gemini-openai", effort="low", extra=other) == {**other, "reasoning_effort": "low"}


@pytest.mark.parametrize(
    ("row", "choice", "effort", "says"),
    [
        (
            "deepseek-v4",
            "required",
            None,
            'while the model thinks; leave it out, or switch thinking off (effort="none")',
        ),
        ("deepseek-v4", NAMED, "high", 'while the model thinks; leave it out, or switch thinking off (effort="none")'),
        ("kimi-k2.7", NAMED, None, "while the model thinks; leave it out"),
        ("kimi-k3", NAMED, None, "while the model thinks; leave it out"),
        ("glm", "required", "none", "leave it out"),
        ("minimax-m2", NAMED, None, "leave it out"),
        ("qwen", "required", "none", "leave it out, or name a tool"),
    ],
)
def test_a_forced_tool_is_refused_beforehand(row: str, choice: Any, effort: Any, says: str) -> None:
    said = refusal(row, effort=effort, extra={"tool_choice": choice})
    assert said.startswith(f"contract {row!r}: tool_choice={choice!r} is refused")
    assert said.endswith(f"refused {says}" if says.startswith("while") else f"refused; {says}")


@pytest.mark.parametrize(
    ("row", "choice", "effort"),
    [
        ("deepseek-v4", "auto", None),
        ("deepseek-v4", "none", None),
        ("deepseek-v4", "required", "none"),
        ("kimi-k3", "required", None),
        ("qwen", NAMED, None),
        ("glm", "auto", None),
        ("openai-responses", NAMED, "high"),
        ("mistral", NAMED, "high"),
    ],
)
def test_a_tool_choice_that_is_taken_goes_along(row: str, choice: Any, effort: Any) -> None:
    assert fields(row, effort=effort, extra={"tool_choice": choice})["tool_choice"] == choice


def test_thinking_switched_off_in_extra_counts_too() -> None:
    off = {"thinking": {"type": "disabled", "more": 1}, "tool_choice": "required"}
    assert fields("deepseek-v4", extra=off) == off
    on = {"thinking": {"type": "enabled"}, "tool_choice": "required"}
    assert "while the model thinks" in refusal("deepseek-v4", extra=on)


def test_a_model_that_thinks_only_when_asked_takes_a_forced_tool_until_then() -> None:
    idle = Contract(id="x", forced_tool_choice="reject", thinking=Thinking(default=False, effort_key="e"))
    assert fields(idle, extra={"tool_choice": "required"}) == {"tool_choice": "required"}
    assert refusal(idle, effort="low", extra={"tool_choice": "required"}).endswith(
        "while the model thinks; leave it out"
    )


@pytest.mark.parametrize("row", ["deepseek-r1", "deepseek-v3.2-speciale"])
def test_a_model_without_tools_says_so(row: str) -> None:
    contract = contracts.named(row, TODAY)
    with pytest.raises(ConfigurationError) as caught:
        asking.check(Binding("a", "m", "", (LOOK,), Settings(), contract, Limits(), "0"))
    assert str(caught.value) == (
        f"model 'm' takes no tools (contract {row!r}): leave tools= out, or choose another model"
    )
    assert fields(row) == {}


def test_tools_beside_an_effort_are_refused_where_the_row_says() -> None:
    assert refusal("openai", effort="high") == (
        "contract 'openai': tools are refused beside effort='high'; leave one of them out, "
        "or choose a contract row of another wire"
    )
    assert (fields("openai"), fields("openai", effort="none")) == ({}, {"reasoning_effort": "none"})
    assert "beside effort='low'" in refusal("openai", extra={"reasoning_effort": "low"})
    assert fields("openai", extra={"reasoning_effort": "none"}) == {"reasoning_effort": "none"}
    alone = Binding("a", "m", "", (), Settings(effort="high"), contracts.named("openai", TODAY), Limits(), "0")
    asking.check(alone)
    assert asking.fields(alone.settings, alone.contract) == {"reasoning_effort": "high"}


@pytest.mark.parametrize(
    ("row", "mode", "known"),
    [
        ("deepseek-v4", "json_schema", "json_object"),
        ("minimax-m2", "json_object", "none"),
        ("deepseek-r1", "json_object", "none"),
    ],
)
def test_a_response_format_that_is_not_served(row: str, mode: str, known: str) -> None:
    said = refusal(row, extra={"response_format": {"type": mode}})
    assert said == f"contract {row!r}: response_format {mode!r} is not served (it knows: {known})"
    assert refusal(row, extra={"text": {"format": {"type": mode}}}) == said
    assert fields(row, extra={"text": "odd"}) == {**fields(row), "text": "odd"}
    assert fields(row, extra={"response_format": {"type": "text"}})["response_format"] == {"type": "text"}


def test_limits_and_parallel_calls_in_the_rows_own_names() -> None:
    asked: Any = {"max_tokens": 9, "parallel_calls": 1}
    assert fields("openai", **asked) == {"max_completion_tokens": 9, "parallel_tool_calls": False}
    assert fields("openai-responses", **asked) == {**ENCRYPTED, "max_output_tokens": 9, "parallel_tool_calls": False}
    assert fields("deepseek-v4", **asked) == {"max_tokens": 9}
    assert fields("mistral", max_tokens=9, parallel_calls=4) == {"max_tokens": 9, "parallel_tool_calls": True}


def test_without_tools_nothing_is_said_of_parallel_calls() -> None:
    """Refused: "'parallel_tool_calls' is only allowed when 'tools' are specified"."""
    for name in ("openai", "openai-responses", "mistral"):
        bare = Binding("a", "m", "", (), Settings(parallel_calls=1), contracts.named(name, TODAY), Limits(), "0")
        assert "parallel_tool_calls" not in json.loads(wire.head(bare))
        assert json.loads(wire.head(replace(bare, tools=(LOOK,))))["parallel_tool_calls"] is False


def test_sampling_goes_along_where_it_is_not_an_error() -> None:
    assert fields("deepseek-v4", temperature=0.2) == {"temperature": 0.2}
    assert fields("kimi-k2.6", temperature=0.2) == {}


@pytest.mark.parametrize("name", ["messages", "input", "model", "tools", "stream", "stream_options"])
def test_extra_may_not_hold_what_agentkit_sets(name: str) -> None:
    assert refusal("generic", extra={name: 1}) == f"ModelSettings.extra may not hold {name}: agentkit sets them"


def test_a_setting_that_is_left_out_is_told(caplog: pytest.LogCaptureFixture) -> None:
    settings: Any = {"temperature": 0.2, "parallel_calls": 1}
    Agent(Model("kimi-k2.6"), settings=settings, name="a")
    (said,) = caplog.messages
    assert said == (
        "agent 'a': not sent to 'kimi-k2.6' (contract 'kimi-k2.6'): temperature (the service fixes it, and refuses "
        "another); parallel_calls (the service has no field for it)"
    )
    caplog.clear()
    Agent(Model("qwen3-max", base_url="https://example.com/v1", contract="qwen"), settings=settings)
    Agent(Model("kimi-k2.6"))
    assert caplog.messages == []
