"""Every contract the emulator enforces, probed: what is found is exactly what agentkit's own row of that id says.

The two tables share no code. Where they differ on purpose, or a fact cannot be seen from outside, it stands here with
the reason; anything else is an error in a row, in the emulator or in the probe.
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from agentkit.emulator import CONTRACTS, Emulator
from agentkit.models import contracts
from agentkit.probe import Findings, Target, plan, probe, row_of, toml_of
from agentkit.probe.agreement import differing
from tests.probe.probed_model import play

pytestmark = pytest.mark.anyio
TODAY = date(2026, 11, 22)

# How the service is asked, where that decides what it does: what `--set` is for.
ASKED: Mapping[str, Mapping[str, Any]] = {
    "kimi-k2.6-keep": {"thinking": {"keep": "all"}},
    "glm-keep": {"thinking": {"clear_thinking": False}},
    "qwen-keep": {"preserve_thinking": True},
    "minimax-m2-split": {"reasoning_split": True},
    "minimax-m3-split": {"reasoning_split": True},
}
SAME_AS = {"deepseek-v4-measured": "deepseek-v4"}  # what was measured of the service that the row describes

STRICTER = "the row asks for what the documents ask for, the service was seen to ask for less"
TEMPLATE = "the model's template decides, so the row sends all of it; the emulated one reads the open turn"
DIFFERS: Mapping[str, Mapping[str, str]] = {
    "deepseek-v3.2": {"forced_tool_choice": STRICTER},
    "mimo": {"forced_tool_choice": STRICTER},
    "kimi-k2.7": {"missing": STRICTER},
    "kimi-k3": {"missing": STRICTER},
    "qwen": {"always_stream": "older models answer only in streams, the emulated one does not insist"},
    "qwen-keep": {"always_stream": "older models answer only in streams, the emulated one does not insist"},
    "mistral": {"thinks": "the emulated model thinks unless told not to"},
    "xai": {
        "off": "which models take an effort is not for the row to say",
        "efforts": "which models take an effort is not for the row to say",
    },
    "xai-responses": {"missing": "an item without its reasoning is refused, and nothing can take its place"},
    "groq": {"retention": TEMPLATE},
    "vllm": {"retention": TEMPLATE},
    "sglang": {"retention": TEMPLATE},
    "llama-cpp": {
        "retention": TEMPLATE,
        "forced_tool_choice": "a named one becomes auto in silence, and a model may call all the same",
    },
    "ollama": {"retention": TEMPLATE},
    "lm-studio": {"retention": TEMPLATE},
}

BACK = {
    "missing",
    "applies_to",
    "empty",
    "validated",
    "write",
    "other_field",
    "refusal",
}  # what happens to old reasoning
TOOLS = {"forced_tool_choice", "parallel", "user_after_tool", "call_ids"}
SILENT = {"applies_to", "refusal"}  # who refuses nothing has no text of refusal
UNSEEN: Mapping[str, set[str]] = {
    "deepseek-r1": {*BACK, *TOOLS},  # reasoning may not go back, and there are no tools
    "deepseek-v3.2-speciale": {*BACK, *TOOLS, "retention"},  # without tools no turn has several answers
    "xai": BACK,  # nothing is shown, so nothing goes back
    "openai": BACK,
    "gemini-openai": {"retention", "empty"},  # a signature is never empty, and an answer without calls has none
    "openai-responses": {"empty", "json_mode"},
    "xai-responses": {"empty", "json_mode"},
    "deepseek-responses": {"json_mode"},
}


async def found(name: str) -> tuple[Findings, str]:
    """Probe an emulated service."""
    async with Emulator(play, contract=name) as server:
        target = Target(CONTRACTS[name].model, server.base_url, body=ASKED.get(name, {}))
        return await probe(target, plan(contracts.rows())), server.base_url


@pytest.mark.parametrize("name", list(CONTRACTS))
async def test_what_is_found_is_what_the_row_says(name: str, tmp_path: Path) -> None:
    findings, url = await found(name)
    row = contracts.named(SAME_AS.get(name, name), TODAY)
    assert set(differing(findings, row)) == set(DIFFERS.get(name, {}))

    unknown = {fact.name for fact in findings.facts if not fact.found}
    silent = SILENT if findings.fact("missing").value == "accepted" else set()
    assert unknown == UNSEEN.get(name, set()) | silent

    bound = plan(contracts.rows())
    assert findings.requests <= bound.requests
    assert 0 < findings.tokens <= bound.sent + bound.answered

    written = row_of(findings, contract_id="mine", base_url=url, api_key_env=None, today=TODAY)
    assert differing(findings, written) == []
    file = tmp_path / "mine.toml"
    file.write_text(toml_of(written, findings), "utf-8")
    assert contracts.of_file(file) == (written,)


def test_every_reason_is_about_a_contract_there_is() -> None:
    assert {*DIFFERS, *UNSEEN, *ASKED, *SAME_AS} <= set(CONTRACTS)
