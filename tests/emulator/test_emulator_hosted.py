"""Conformance cases 18 to 21 and 24 of the contracts paper, and what else hosted services refuse. Raw requests."""

import json
from typing import Any

import pytest

from agentkit.emulator import Call, Fault, Reply
from tests.emulator.echo import TOOLS, echo, results

pytestmark = pytest.mark.anyio

USER = {"role": "user", "content": "hi"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "found"}
NAMED = {"type": "function", "function": {"name": "find"}}
V4 = "The `reasoning_content` in the thinking mode must be passed back to the API."
SCRIPT = {"*": [Reply("x", "r", [Call("find", {}, "call_1")])] * 9}
PLAIN = {"*": [Reply("x", "r")] * 9}


def calling(**more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": "", "tool_calls": [CALL], **more}


def saying(**more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": "x", **more}


def message_of(response: Any) -> str:
    assert response.status_code == 400, response.text
    found: str = response.json()["error"]["message"]
    return found


@pytest.mark.parametrize("reasoning", ["r", "", None])
async def test_case_19_r1_refuses_reasoning_in_the_input(reasoning: str | None) -> None:
    async with echo(PLAIN, "deepseek-r1") as client:
        assert (await client.ask(USER))["reasoning_content"] == "r"
        response = await client.post(USER, saying(reasoning_content=reasoning), USER)
        assert "reasoning_content" in message_of(response)
        assert (await client.post(USER, saying(), USER)).status_code == 200
        assert client.emulator.counts.losses == 0


@pytest.mark.parametrize("contract", ["deepseek-r1", "deepseek-v3.2-speciale"])
async def test_models_without_tools_and_json(contract: str) -> None:
    async with echo(PLAIN, contract) as client:
        assert "Function Calling" in message_of(await client.post(USER, tools=TOOLS))
        wanted = {"type": "json_object"}
        assert "response_format" in message_of(
            await client.post({"role": "user", "content": "json"}, response_format=wanted)
        )
        assert (await client.post(USER)).status_code == 200


async def test_the_launch_rule_of_v4_is_about_turns_that_called_a_tool() -> None:
    async with echo(SCRIPT, "deepseek-v4-launch") as client:
        assert (await client.post(USER, saying(), USER)).status_code == 200, "a turn without a call needs nothing"
        said = [USER, calling(reasoning_content="r"), RESULT]
        assert message_of(await client.post(*said, saying(), USER)) == V4
        assert (await client.post(*said, saying(reasoning_content=""), USER, saying(), USER)).status_code == 200
        assert message_of(await client.post(USER, calling(), RESULT, tools=None)) == V4


async def test_case_20_kimi_names_the_message() -> None:
    text = "thinking is enabled but reasoning_content is missing in assistant tool call message at index {}"
    async with echo(SCRIPT, "kimi-k2.6") as client:
        system = {"role": "system", "content": "s"}
        assert message_of(await client.post(system, USER, calling(), RESULT)) == text.format(2)
        for present in ("", "r"):
            assert (await client.post(USER, calling(reasoning_content=present), RESULT)).status_code == 200
        assert (await client.post(USER, saying(), calling(reasoning_content="r"), RESULT)).status_code == 200
        assert (await client.post(USER, calling(), RESULT, saying(), USER)).status_code == 200, "an old turn"
        off = {"thinking": {"type": "disabled"}}
        assert (await client.post(USER, calling(), RESULT, **off)).status_code == 200


async def test_case_20_kimi_refuses_settings() -> None:
    async with echo(SCRIPT, "kimi-k2.6") as client:
        both = await client.post(USER, thinking={"type": "enabled"}, reasoning_effort="high")
        assert message_of(both) == "cannot specify both 'thinking' and 'reasoning_effort'"
        for choice, kind in ((NAMED, "specified"), ("required", "required")):
            wanted = f"tool_choice '{kind}' is incompatible with thinking enabled"
            assert message_of(await client.post(USER, tool_choice=choice)) == wanted
            off = await client.post(USER, tool_choice=choice, thinking={"type": "disabled"})
            assert off.status_code == 200
        assert "temperature" in message_of(await client.post(USER, temperature=0.2))
        assert (await client.post(USER, temperature=1, top_p=0.95)).status_code == 200
        assert "thinking" in message_of(await client.post(USER, thinking=True))


async def test_what_k3_and_k27_refuse() -> None:
    async with echo(SCRIPT, "kimi-k3") as client:
        assert "thinking" in message_of(await client.post(USER, thinking={"type": "enabled"}))
        assert (await client.post(USER, tool_choice="required")).status_code == 200
        assert "'specified'" in message_of(await client.post(USER, tool_choice=NAMED))
        assert (await client.post(USER, reasoning_effort="low")).status_code == 200
        assert "reasoning_effort" in message_of(await client.post(USER, reasoning_effort="medium"))
        assert "temperature" in message_of(await client.post(USER, temperature=0))
    async with echo(SCRIPT, "kimi-k2.7") as client:
        assert "'required'" in message_of(await client.post(USER, tool_choice="required"))
        assert (await client.post(USER, calling(), RESULT)).status_code == 200, "not settled: not refused"


@pytest.mark.parametrize("contract", ["kimi-k2.7", "minimax-m2", "minimax-m2-split", "glm-5.3"])
async def test_thinking_that_cannot_be_switched_off(contract: str) -> None:
    async with echo(SCRIPT, contract) as client:
        assert "disabled" in message_of(await client.post(USER, thinking={"type": "disabled"}))


@pytest.mark.parametrize(
    ("contract", "off"),
    [
        ("deepseek-v4", {"thinking": {"type": "disabled"}}),
        ("deepseek-v4", {"reasoning_effort": "none"}),
        ("mimo", {"thinking": {"type": "disabled"}}),
        ("kimi-k2.6", {"thinking": {"type": "disabled"}}),
        ("minimax-m3", {"thinking": {"type": "disabled"}}),
        ("minimax-m3-split", {"thinking": {"type": "disabled"}}),
        ("glm", {"thinking": {"type": "disabled"}}),
        ("qwen", {"enable_thinking": False}),
        ("mistral", {"reasoning_effort": "none"}),
        ("openrouter", {"reasoning": {"enabled": False}}),
        ("openrouter", {"reasoning": {"effort": "none"}}),
        ("vllm", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("sglang", {"chat_template_kwargs": {"thinking": False}}),
        ("llama-cpp", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("ollama", {"reasoning": {"effort": "none"}}),
        ("ollama", {"reasoning_effort": "none"}),
    ],
)
async def test_what_switches_thinking_off(contract: str, off: dict[str, Any]) -> None:
    async with echo({"*": [Reply("x", "DEEP")]}, contract) as client:
        assert "DEEP" in json.dumps(await client.ask(USER))
        assert "DEEP" not in json.dumps(await client.ask(USER, **off))
        assert "DEEP" not in json.dumps(await client.ask(USER, stream=True, **off))


@pytest.mark.parametrize(
    ("contract", "choice", "status"),
    [
        *((name, choice, 400) for name in ("glm", "glm-5.3", "minimax-m2") for choice in ("required", NAMED)),
        ("glm", "auto", 200),
        ("qwen", "required", 400),
        ("qwen", NAMED, 200),
        ("openai", "required", 200),
        ("llama-cpp", NAMED, 200),
    ],
)
async def test_forced_calls(contract: str, choice: Any, status: int) -> None:
    async with echo(SCRIPT, contract) as client:
        assert (await client.post(USER, tool_choice=choice)).status_code == status


async def test_mimo_wants_valid_arguments_and_the_reasoning_of_calls() -> None:
    async with echo(SCRIPT, "mimo") as client:
        assert message_of(await client.post(USER, calling(), RESULT, saying(), USER)) == V4
        broken = {**CALL, "function": {"name": "find", "arguments": "{"}}
        response = await client.post(USER, calling(tool_calls=[broken], reasoning_content="r"), RESULT)
        assert "not valid JSON" in message_of(response)


async def test_groq_reads_one_field_and_refuses_the_other() -> None:
    async with echo(SCRIPT, "groq") as client:
        assert (await client.ask(USER))["reasoning"] == "r"
        response = await client.post(USER, calling(reasoning_content="r"), RESULT)
        assert "property 'reasoning_content' is unsupported" in message_of(response)
        assert (await client.post(USER, calling(reasoning="r"), RESULT)).status_code == 200


async def test_mistral_has_ids_of_its_own_and_no_user_after_a_tool() -> None:
    async with echo({"*": [Reply("x", "r", [Call("find")])] * 3}, "mistral") as client:
        message = await client.ask(USER)
        assert message["content"] == [
            {"type": "thinking", "thinking": [{"type": "text", "text": "r"}]},
            {"type": "text", "text": "x"},
        ]
        assert len(message["tool_calls"][0]["id"]) == 9
        assert (await client.post(USER, message, *results(message))).status_code == 200
        response = await client.post(USER, message, *results(message), USER)
        assert message_of(response) == "Unexpected role 'user' after role 'tool'"
        assert "call_1" in message_of(await client.post(USER, calling(), RESULT))


async def test_the_developer_role() -> None:
    developer = {"role": "developer", "content": "be kind"}
    for contract, status in (("deepseek-v3.2", 400), ("openai", 200)):
        async with echo(SCRIPT, contract) as client:
            assert (await client.post(developer, USER)).status_code == status


async def test_openai_chat_gives_no_reasoning_and_takes_no_effort_with_tools() -> None:
    async with echo(SCRIPT, "openai") as client:
        for stream in (True, False):
            assert not [name for name in await client.ask(USER, stream=stream) if name.startswith("reasoning")]
        response = await client.post(USER, reasoning_effort="high")
        wanted = "Function tools with reasoning_effort are not supported for gpt-5.6 in /v1/chat/completions"
        assert message_of(response) == wanted
        assert (await client.post(USER, reasoning_effort="none")).status_code == 200
        assert (await client.post(USER, reasoning_effort="high", tools=None)).status_code == 200


async def test_xai_has_a_body_of_its_own() -> None:
    async with echo({"*": [[Fault(429), Reply("x", "r")]]}, "xai") as client:
        response = await client.post(USER, reasoning_effort="low")
        assert response.status_code == 400
        wanted = "Argument not supported on this model: reasoning_effort"
        assert response.json() == {"code": "invalid-argument", "error": wanted}
        assert (await client.post(USER)).json()["code"] == "resource-exhausted"
        assert (await client.post(USER, model="grok-4.7", reasoning_effort="low")).status_code == 200


def signature(message: Any) -> Any:
    return message["tool_calls"][0]["extra_content"]["google"]["thought_signature"]


def with_signature(message: Any, value: str) -> dict[str, Any]:
    first, *others = message["tool_calls"]
    extra = {"google": {"thought_signature": value}}
    return {**message, "tool_calls": [{**first, "extra_content": extra}, *others]}


def without(message: Any) -> dict[str, Any]:
    calls = [{name: value for name, value in call.items() if name != "extra_content"} for call in message["tool_calls"]]
    return {**message, "tool_calls": calls}


async def test_case_21_gemini_checks_signatures() -> None:
    async with echo({"*": [Reply(None, "r", [Call("find"), Call("find")])] * 5}, "gemini-openai") as client:
        message = await client.ask(USER)
        assert not [name for name in message if name.startswith("reasoning")]
        assert "extra_content" not in message["tool_calls"][1]
        step = await client.ask(USER, message, *results(message))
        assert signature(step) != signature(message), "each step has its own"
        whole = [USER, message, *results(message), step, *results(step)]
        assert (await client.post(*whole)).status_code == 200
        lost = await client.post(USER, without(message), *results(message), step, *results(step))
        assert lost.status_code == 400
        error = lost.json()[0]["error"]
        assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
        assert error["message"].startswith("Function call is missing a thought_signature in functionCall parts.")
        assert "function call `default_api:find`, position 1." in error["message"]
        sentinel = with_signature(message, "skip_thought_signature_validator")
        assert (await client.post(USER, sentinel, *results(message))).status_code == 200
        altered = with_signature(message, signature(message)[:-1] + "!")
        assert (await client.post(USER, altered, *results(message))).status_code == 400
        old = await client.post(USER, without(message), *results(message), saying(), USER)
        assert old.status_code == 200, "old turns are not validated"
        assert client.emulator.requests[-1].returned[0].missing, "but the loss is told"


async def test_case_21_parallel_calls_come_in_chunks_without_index() -> None:
    calls = [Call("find", {"a": 1}), Call("note", {"b": 2})]
    async with echo({"*": [Reply(None, "r", calls)]}, "gemini-openai") as client:
        text = (await client.post(USER, stream=True)).text
        assert '"index":1' not in text
        chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
        deltas = [d for c in chunks for choice in c["choices"] for d in choice["delta"].get("tool_calls", ())]
        assert [(d["function"]["name"], d["function"]["arguments"]) for d in deltas] == [
            ("find", '{"a":1}'),
            ("note", '{"b":2}'),
        ]
        assert not any("index" in delta for delta in deltas)
        assert (await client.ask(USER, stream=True))["tool_calls"] == (await client.ask(USER))["tool_calls"]


def wrapped(response: Any, provider: str) -> str:
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert (error["message"], error["code"]) == ("Provider returned error", 400)
    assert error["metadata"]["provider_name"] == provider
    found: str = json.loads(error["metadata"]["raw"])["error"]["message"]
    return found


async def test_case_24_openrouter_details() -> None:
    async with echo({"*": [Reply("x", "some reasoning", [Call("find")])] * 3}, "openrouter") as client:
        raw = await client.post(USER, stream=True)
        assert raw.text.startswith(": OPENROUTER PROCESSING\n\ndata: ")
        fragments = [line for line in raw.text.splitlines() if "reasoning_details" in line]
        assert len(fragments) > 5
        assert "signature" not in fragments[0]
        assert '"cost":' in raw.text
        message = await client.ask(USER, stream=True)
        whole = await client.ask(USER)
        for name in ("content", "reasoning", "reasoning_details"):
            assert message[name] == whole[name]
        assert [entry["type"] for entry in message["reasoning_details"]] == ["reasoning.text", "reasoning.encrypted"]
        assert (await client.post(USER, message, *results(message))).status_code == 200
        first, second = message["reasoning_details"]
        for details in (
            [{**first, "signature": first["signature"][:-1] + "!"}, second],
            [{**first, "text": "Some reasoning"}, second],
            [first, {**second, "data": "AAAA"}],
            [{name: value for name, value in first.items() if name != "signature"}, second],
        ):
            changed = {**message, "reasoning_details": details}
            assert "signature" in wrapped(await client.post(USER, changed, *results(message)), "Anthropic")
        for details in ([second, first], [first]):
            before = client.emulator.counts.reasoning_altered
            changed = {**message, "reasoning_details": details}
            assert (await client.post(USER, changed, *results(message))).status_code == 200
            assert client.emulator.counts.reasoning_altered == before + 1


async def test_case_24_openrouter_has_refusals_of_its_own() -> None:
    async with echo({"*": [[Fault(503), Reply("x", "r")]]}, "openrouter") as client:
        both = await client.post(USER, reasoning={"effort": "high"}, reasoning_effort="high")
        assert message_of(both) == 'Only one of "reasoning" and "reasoning_effort" may be provided'
        assert "metadata" not in both.json()["error"]
        busy = (await client.post(USER)).json()["error"]
        assert (busy["message"], busy["metadata"]["provider_name"]) == ("Provider returned error", "Anthropic")


async def test_case_24_a_strict_relay_in_front_of_deepseek() -> None:
    async with echo({"*": [Reply("x", "r", [Call("find")]), Reply("done")]}, "openrouter-deepseek") as client:
        message = await client.ask(USER)
        assert (message["reasoning"], len(message["reasoning_details"])) == ("r", 1)
        assert wrapped(await client.post(USER, message, *results(message)), "DeepSeek") == V4
        empty = {**message, "reasoning_content": ""}
        assert wrapped(await client.post(USER, empty, *results(message)), "DeepSeek") == V4
        assert (await client.post(USER, {**message, "reasoning_content": "r"}, *results(message))).status_code == 200
        assert client.emulator.counts.losses == 2, "the two that were refused"


@pytest.mark.parametrize(("contract", "altered"), [("deepseek-v4", 1), ("cometapi", 0), ("openrouter-deepseek", 0)])
async def test_a_placeholder_is_no_invention_where_a_relay_may_want_one(contract: str, altered: int) -> None:
    async with echo({"*": [Reply("x", None), Reply("y")]}, contract) as client:
        message = await client.ask(USER)
        await client.ask(USER, {**message, "reasoning_content": " "}, USER)
        assert client.emulator.counts.reasoning_altered == client.emulator.counts.losses == altered
