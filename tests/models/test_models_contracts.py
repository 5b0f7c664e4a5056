"""The shipped table: every row is reached, dates choose, and the rows say what CONTRACTS.md says."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from agentkit.core.contract import INLINE_TAGS, ITEMS, THINKING_PARTS, Contract, Match
from agentkit.errors import ConfigurationError
from agentkit.models import Model, contracts
from agentkit.models.rows import checked

TODAY = date(2026, 11, 21)

AUTO = {  # a host and a model for every row that is found by them today
    "deepseek-v4": ("api.deepseek.com", "deepseek-flash"),
    "deepseek-v4-launch": ("api.deepseek.com", "deepseek-reasoner"),
    "deepseek-v3.2": ("api.deepseek.com", "deepseek-v3.2"),
    "deepseek-v3.2-speciale": ("api.deepseek.com", "deepseek-v3.2-speciale"),
    "deepseek-r1": ("api.deepseek.com", "deepseek-r1-0528"),
    "mimo": ("api.xiaomimimo.com", "mimo-v2.5-pro"),
    "kimi-k2.6": ("api.moonshot.cn", "kimi-k2.6"),
    "kimi-k2.7": ("api.moonshot.ai", "kimi-k2.7-code"),
    "kimi-k3": ("api.moonshot.ai", "kimi-k3"),
    "minimax-m2": ("api.minimax.io", "MiniMax-M2.7"),
    "minimax-m3": ("api.minimaxi.com", "MiniMax-M3"),
    "glm": ("open.bigmodel.cn", "glm-4.7"),
    "glm-5.3": ("api.z.ai", "glm-5.3-flash"),
    "qwen": ("dashscope-intl.aliyuncs.com", "qwen3.8-max"),
    "mistral": ("api.mistral.ai", "mistral-medium-3-5"),
    "gemini-openai": ("generativelanguage.googleapis.com", "gemini-3.5-flash"),
    "xai-responses": ("api.x.ai", "grok-4.7"),
    "xai": ("api.x.ai", "grok-code-fast-1"),
    "openai-responses": ("api.openai.com", "gpt-5.6"),
    "groq": ("api.groq.com", "openai/gpt-oss-120b"),
    "openrouter": ("openrouter.ai", "anthropic/claude-sonnet-5"),
    "openrouter-deepseek": ("openrouter.ai", "deepseek/deepseek-v4-pro"),
    "cometapi": ("api.cometapi.com", "deepseek-v4-pro"),
    "ollama": ("127.0.0.1:11434", "qwen3:8b"),
    "lm-studio": ("localhost:1234", "qwen3-8b"),
    "generic": ("api.example.com", "anything"),
}
BY_ID = {
    *("deepseek-responses", "kimi-k2.6-keep", "minimax-m2-split", "minimax-m3-split", "glm-keep", "qwen-keep"),
    *("xai", "openai", "vllm", "sglang", "llama-cpp"),
}


def row(name: str) -> Contract:
    return contracts.named(name, TODAY)


def fact(name: str, path: str) -> Any:
    value: Any = row(name)
    for part in path.split("."):
        value = value[part] if isinstance(value, dict) else getattr(value, part)
    return value


@pytest.mark.parametrize("name", AUTO)
def test_a_row_is_found_by_host_and_model(name: str) -> None:
    place, model = AUTO[name]
    host, _, port = place.partition(":")
    found = contracts.ruling(host.upper(), model.upper(), TODAY, port=int(port) if port else 443)
    assert found.id == name
    assert Model(model, base_url=f"https://{place}/v1").resolve() == found


def test_every_other_row_is_found_by_its_id_only() -> None:
    assert {each.id for each in contracts.rows()} == AUTO.keys() | BY_ID
    assert {each.id for each in contracts.rows() if each.match.model == ()} == BY_ID
    for name in BY_ID:
        assert Model("m", base_url="http://127.0.0.1:9/v1", contract=name).resolve().id == name


@pytest.mark.parametrize(
    ("host", "model", "name"),
    [
        ("127.0.0.1", "deepseek-flash", "generic"),
        ("api.deepseek.com", "something-new", "generic"),
        ("api.cometapi.com", "gpt-5.6", "generic"),
        ("api.mistral.ai", "labs-new", "mistral"),
        ("api.openai.com", "ft:gpt-4.1:acme", "openai-responses"),
        ("dashscope-us.aliyuncs.com", "qwen-plus-latest", "qwen"),
        ("dashscope.aliyuncs.com", "qwen3-coder-plus", "generic"),
        ("openrouter.ai", "~deepseek/deepseek-latest", "openrouter-deepseek"),
    ],
)
def test_hosts_and_models_at_the_edge(host: str, model: str, name: str) -> None:
    assert contracts.ruling(host, model, TODAY).id == name


@pytest.mark.parametrize(
    ("day", "model", "name"),
    [
        ("2025-11-30", "deepseek-reasoner", "deepseek-r1"),
        ("2025-12-01", "deepseek-reasoner", "deepseek-v3.2"),
        ("2026-04-24", "deepseek-reasoner", "deepseek-v4-launch"),
        ("2026-04-23", "deepseek-v4-pro", "generic"),
        ("2026-04-24", "deepseek-v4-pro", "deepseek-v4-launch"),
        ("2026-07-31", "deepseek-v4-pro", "deepseek-v4-launch"),
        ("2026-08-01", "deepseek-v4-pro", "deepseek-v4"),
        ("2030-01-01", "deepseek-v4-pro", "deepseek-v4"),
    ],
)
def test_the_row_in_force_on_the_day_rules(day: str, model: str, name: str) -> None:
    assert contracts.ruling("api.deepseek.com", model, date.fromisoformat(day)).id == name


def test_an_old_row_is_named_on_a_later_day_and_a_new_one_not_before_its_date() -> None:
    assert contracts.named("deepseek-r1", date(2030, 1, 1)).retention == "forbid"
    with pytest.raises(
        ConfigurationError, match=r"no contract row 'deepseek-v4' is in force\. There are: deepseek-v4, "
    ):
        contracts.named("deepseek-v4", date(2026, 7, 31))


def samples() -> Iterator[tuple[str, str]]:
    """Yield a host and a model for each pair of patterns in the table."""
    for each in contracts.rows():
        for host in each.match.host:
            yield from ((host.replace("*", "x"), re.sub(r"\[.*?\]|[*?]", "3", model)) for model in each.match.model)


def test_no_two_shipped_rows_rule_with_equal_right() -> None:
    for place, model in samples():
        host, _, port = place.partition(":")
        forth, back = (
            contracts.ruling(host, model, TODAY, table, port=int(port or 443)).id
            for table in (contracts.rows(), contracts.rows()[::-1])
        )
        assert forth == back, (place, model)


def test_older_models_keep_an_older_row_of_the_same_id() -> None:
    old = contracts.ruling("api.x.ai", "grok-3-mini", TODAY)
    assert (old.retention, old.carrier.write, old.wire) == ("all", "reasoning_content", "chat")
    assert row("xai").retention == "hidden"


def test_of_equal_rows_the_youngest_in_force_rules() -> None:
    table = [
        Contract(id="a", effective_from="2026-01-01", match=Match(host=("h",)), retention="turn"),
        Contract(id="a", effective_from="2026-06-01", match=Match(host=("h",)), retention="all"),
        Contract(id="a", effective_from="2027-01-01", match=Match(host=("h",)), retention="forbid"),
    ]
    assert contracts.ruling("h", "m", TODAY, table).retention == "all"
    assert contracts.ruling("h", "m", date(2026, 2, 1), table).retention == "turn"
    assert contracts.named("a", TODAY, table).retention == "all"


def test_the_row_that_names_more_beats_a_younger_one() -> None:
    table = [
        Contract(id="any", effective_from="2026-10-01"),
        Contract(id="model", match=Match(model=("m*",))),
        Contract(id="host", match=Match(host=("h",))),
    ]
    assert contracts.ruling("h", "m", TODAY, table).id == "host"
    assert contracts.ruling("x", "m", TODAY, table).id == "model"
    assert contracts.ruling("x", "y", TODAY, table).id == "any"


def test_a_pattern_with_a_port_is_compared_with_host_and_port() -> None:
    table = [Contract(id="port", match=Match(host=("*:81", "::1"))), Contract(id="any")]
    assert contracts.ruling("h", "m", TODAY, table, port=81).id == "port"
    assert contracts.ruling("::1", "m", TODAY, table, port=82).id == "port"
    for port in (80, 811, None):
        assert contracts.ruling("h", "m", TODAY, table, port=port).id == "any"
    assert Model("m", base_url="http://h/v1", contract="auto").resolve().id == "generic"


def test_no_row_at_all_is_said() -> None:
    with pytest.raises(ConfigurationError, match="no contract row matches model 'm' at 'x'; name one: host"):
        contracts.ruling("x", "m", TODAY, [Contract(id="host", match=Match(host=("h",)))])


@pytest.mark.parametrize(
    ("model", "base_url"),
    [
        ("deepseek-flash", "https://api.deepseek.com"),
        ("kimi-k3", "https://api.moonshot.ai/v1"),
        ("MiniMax-M3", "https://api.minimax.io/v1"),
        ("glm-5.3", "https://api.z.ai/api/paas/v4"),
        ("gpt-5.6", "https://api.openai.com/v1"),
        ("o4-mini", "https://api.openai.com/v1"),
        ("grok-4.7", "https://api.x.ai/v1"),
        ("gemini-3.5-flash", "https://generativelanguage.googleapis.com/v1beta/openai"),
    ],
)
def test_a_name_leads_to_the_vendors_address(model: str, base_url: str) -> None:
    assert contracts.at_home(model, TODAY).base_url == base_url


@pytest.mark.parametrize(
    "model", ["gpt", "gpt-oss:20b", "qwen3:8b", "qwen3-coder:30b", "mistral:7b", "deepseek-reasoner"]
)
def test_names_without_an_address_are_refused_and_the_known_ones_listed(model: str) -> None:
    with pytest.raises(ConfigurationError, match=r"knows deepseek-flash, deepseek-v4-\*.*Model\(\".+\", base_url="):
        contracts.at_home(model, TODAY)


def test_gateways_are_nobodys_home() -> None:
    gateways = {each.id for each in contracts.rows() if each.gateway}
    assert gateways == {"groq", "openrouter", "openrouter-deepseek", "cometapi"}
    with pytest.raises(ConfigurationError, match="unknown model"):
        contracts.at_home("deepseek/deepseek-v4-pro", TODAY)
    assert contracts.at_home("deepseek-v4-pro", TODAY).id == "deepseek-v4"
    assert Model("deepseek/deepseek-v4-pro", contract="openrouter-deepseek").base_url == "https://openrouter.ai/api/v1"


@pytest.mark.parametrize("each", contracts.rows(), ids=lambda each: each.id)
def test_a_shipped_row_is_sound(each: Contract) -> None:
    assert checked(each) == each
    assert each.repairs == ()
    assert each.api_key_env is None or each.match.host != ("*",)
    assert (each.base_url or "https:").startswith(("https:", "http://127.0.0.1:"))


FACTS: dict[str, dict[Any, str]] = {
    "carrier.write": {
        "reasoning_content": "deepseek-v4 deepseek-v3.2 mimo kimi-k2.6-keep kimi-k3 glm-keep qwen openrouter-deepseek "
        "minimax-m2-split minimax-m3-split cometapi",
        "reasoning": "openrouter",
        INLINE_TAGS: "minimax-m2 minimax-m3",
        THINKING_PARTS: "mistral",
        ITEMS: "deepseek-responses xai-responses openai-responses",
        "none": "deepseek-r1 gemini-openai xai openai",
        "same": "groq vllm sglang llama-cpp ollama lm-studio generic",
    },
    "retention": {
        "forbid": "deepseek-r1",
        "hidden": "openai xai",
        "turn": "deepseek-v3.2 deepseek-v3.2-speciale kimi-k2.6 glm glm-5.3 qwen",
        "sticky-tools": "deepseek-v4-launch mimo",
        "sticky-if-tools": "deepseek-v4 deepseek-responses openrouter-deepseek cometapi",
        "all": "kimi-k2.6-keep kimi-k2.7 kimi-k3 minimax-m2 minimax-m3 minimax-m3-split glm-keep qwen-keep mistral "
        "gemini-openai xai-responses openai-responses openrouter groq vllm sglang llama-cpp ollama lm-studio generic",
    },
    "missing": {
        "error": "deepseek-v4 deepseek-v4-launch deepseek-v3.2 deepseek-responses mimo kimi-k2.6 gemini-openai "
        "openai-responses openrouter-deepseek cometapi",
        "degrade": "minimax-m2 glm glm-keep qwen mistral vllm ollama",
        "ignore": "deepseek-r1 openai xai openrouter generic",
    },
    "placeholder": {
        "": "deepseek-v4 deepseek-v4-launch deepseek-v3.2",
        " ": "openrouter-deepseek cometapi mimo kimi-k2.6",
        "(no reasoning)": "deepseek-responses",
        None: "openai-responses gemini-openai generic",
    },
    "applies_to": {
        "tool_call_messages": "mimo kimi-k2.6 kimi-k2.6-keep kimi-k2.7 kimi-k3",
        "all_assistant": "deepseek-v4 deepseek-v3.2 cometapi",
    },
    "empty": {"placeholder": "openrouter-deepseek deepseek-responses", "send": "deepseek-v4 cometapi kimi-k2.6 vllm"},
    "wire": {"responses": "deepseek-responses xai-responses openai-responses", "chat": "xai openai deepseek-v4"},
    "forced_tool_choice": {
        "reject": "deepseek-v4 kimi-k2.6 kimi-k2.7 openrouter-deepseek",
        "required_only": "kimi-k3 llama-cpp",
        "named_only": "qwen qwen-keep",
        "never": "glm glm-5.3 minimax-m2 minimax-m3-split",
        "ok": "openai-responses mistral generic",
    },
    "tools": {"refused": "deepseek-r1 deepseek-v3.2-speciale", "without_effort": "openai", "ok": "openai-responses"},
    "sampling": {
        "ignored": "deepseek-v4 deepseek-r1",
        "fixed_error": "kimi-k2.6 kimi-k2.6-keep kimi-k2.7 kimi-k3",
        "ok": "glm qwen mistral",
    },
    "thinking.off": {
        None: "kimi-k2.7 kimi-k3 minimax-m2 minimax-m2-split glm-5.3 gemini-openai deepseek-r1 deepseek-v3.2-speciale",
    },
    "on_model_switch": {
        "keep_text": "deepseek-v4 kimi-k2.6 mimo openrouter-deepseek minimax-m2 mistral vllm",
        "drop": "gemini-openai openai-responses xai-responses openrouter groq generic",
    },
    "switch_boundary": {
        "model": "gemini-openai openai-responses xai-responses openrouter openrouter-deepseek groq generic",
        "contract": "deepseek-v4 minimax-m2",
    },
    "token_limit_key": {
        "max_completion_tokens": "openai groq xai",
        "max_output_tokens": "openai-responses xai-responses deepseek-responses",
        "max_tokens": "deepseek-v4 mistral generic",
    },
    "always_stream": {True: "qwen qwen-keep", False: "deepseek-v4 vllm"},
    "usage_in_stream": {False: "mistral", True: "deepseek-v4 qwen"},
    "json_mode": {("json_object",): "deepseek-v4 glm kimi-k2.6", (): "minimax-m2 minimax-m3 deepseek-r1"},
    "system_role": {"developer": "openai openai-responses", "system": "deepseek-v4 xai-responses"},
    "carrier.with_opaque": {
        "both": "openrouter-deepseek minimax-m2-split minimax-m3-split gemini-openai",
        "alone": "openrouter",
    },
    "carrier.opaque": {
        ("reasoning_details",): "openrouter openrouter-deepseek minimax-m2-split generic",
        ("extra_content",): "gemini-openai",
    },
    "arguments": {
        "any": "deepseek-v4 openai mistral",
        "json": "mimo llama-cpp ollama lm-studio",
        "json_or_empty": "vllm sglang openrouter openrouter-deepseek gemini-openai",
    },
    "api_key_env": {
        "DEEPSEEK_API_KEY": "deepseek-v4 deepseek-responses",
        "MOONSHOT_API_KEY": "kimi-k2.6-keep kimi-k3",
        "OPENAI_API_KEY": "openai openai-responses",
        None: "vllm ollama generic",
    },
    "context": {1048576: "deepseek-v4 kimi-k3", 262144: "kimi-k2.6 kimi-k2.6-keep", 131072: "deepseek-v3.2"},
}


@pytest.mark.parametrize(("path", "values"), FACTS.items())
def test_shipped_rows_say_what_the_documents_say(path: str, values: dict[Any, str]) -> None:
    wanted = {name: value for value, names in values.items() for name in names.split()}
    assert {name: fact(name, path) for name in wanted} == wanted


def test_facts_of_single_rows() -> None:
    v4 = row("deepseek-v4")
    assert v4.thinking.off == {"thinking": {"type": "disabled"}}
    assert [v4.thinking.effort[each] for each in ("medium", "xhigh", "max")] == ["high", "high", "max"]
    assert row("deepseek-v4-launch").thinking.effort["xhigh"] == "max"
    assert v4.strict_tools is not None
    assert (v4.strict_tools.path, v4.strict_tools.all_or_none) == ("/beta", True)
    assert row("kimi-k2.6").apart == (("thinking", "reasoning_effort"),)
    assert row("kimi-k2.6-keep").thinking.on == {"thinking": {"type": "enabled", "keep": "all"}}
    assert fact("glm", "thinking.on.thinking.clear_thinking") is True
    assert fact("glm-keep", "thinking.on.thinking.clear_thinking") is False
    assert row("qwen-keep").body == {"preserve_thinking": True}
    assert row("minimax-m3-split").body == {"reasoning_split": True}
    assert row("minimax-m3-split").thinking.on == {"thinking": {"type": "adaptive"}}
    assert row("mistral").call_ids.pattern == "[A-Za-z0-9]{9}"
    assert row("mistral").bridges.user_after_tool
    assert row("mistral").thinking.default is False
    google = {"google": {"thought_signature": "skip_thought_signature_validator"}}
    assert row("gemini-openai").carrier.sentinel == {"extra_content": google}
    assert row("openai-responses").body == {"store": False, "include": ["reasoning.encrypted_content"]}
    assert set(row("groq").error_match.malformed) == {"tool_use_failed", "failed_generation"}
    assert row("vllm").carrier.read[0] == row("ollama").carrier.read[0] == "reasoning"
    assert row("sglang").carrier.read[0] == "reasoning_content"


TEXTS = {  # what services say, and the row that knows it for lost or misplaced reasoning
    "The `reasoning_content` in the thinking mode must be passed back to the API.": "deepseek-v4 openrouter-deepseek",
    "The `reasoning_text` in the thinking mode must be passed back to the API.": "deepseek-responses",
    "Missing `reasoning_content` field in the assistant message at message index 3.": "deepseek-v3.2 openrouter",
    "thinking is enabled but reasoning_content is missing in assistant tool call message at index 4": "kimi-k2.6",
    "Function call is missing a thought_signature in functionCall parts.": "gemini-openai openrouter",
    "Unexpected role 'user' after role 'tool'": "mistral",
    "Item 'fc_1' of type 'function_call' was provided without its required 'reasoning' item.": "openai-responses",
    "Item 'rs_1' of type 'reasoning' was provided without its required following item.": "openai-responses",
    "Items are not persisted when `store` is set to false. Try again": "openai-responses",
    "The encrypted content gAAA could not be verified. Reason: x": "openai-responses xai-responses",
    "property 'reasoning_content' is unsupported": "groq",
}


@pytest.mark.parametrize(("said", "names"), TEXTS.items())
def test_the_texts_of_lost_reasoning_are_known(said: str, names: str) -> None:
    for name in names.split():
        assert any(text in said for text in row(name).error_match.reasoning), name


@pytest.mark.parametrize(
    ("model", "contract"),
    [
        ("deepseek-v4-pro", "auto"),
        ("kimi-k3", "auto"),
        ("MiniMax-M2.7", "auto"),
        ("glm-5.3", "auto"),
        ("mistral-medium-3-5", "auto"),
        ("gemini-3.5-flash", "auto"),
        ("grok-4.7", "auto"),
        ("gpt-5", "auto"),
        ("openai/gpt-oss-120b", "groq"),
    ],
)
def test_prices_are_known_by_the_names_of_the_rows(model: str, contract: str) -> None:
    assert Model(model, contract=contract).prices() is not None


def test_the_table_is_where_the_package_is() -> None:
    assert Path(contracts.__file__).with_name("contracts.toml").is_file()
