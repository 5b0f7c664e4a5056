"""How each service speaks: its stream's shape, its usage, its errors; and lapses that a client must recognise."""

import json
from typing import Any

import pytest

from agentkit.emulator import CONTRACTS, Call, Fault, Reply, read_script
from tests.emulator.echo import CHAT, Echo, echo, results

pytestmark = pytest.mark.anyio

USER = {"role": "user", "content": "hi"}
CALLS = [Call("find", {"q": "a b", "n": [1, None]}), Call("note", "{}")]
DSML = (
    "<\uff5cDSML\uff5c{0}>\n"
    '<\uff5cDSML\uff5cinvoke name="find">\n'
    '<\uff5cDSML\uff5cparameter name="q" string="true">a b</\uff5cDSML\uff5cparameter>\n'
    '<\uff5cDSML\uff5cparameter name="n" string="false">[1, null]</\uff5cDSML\uff5cparameter>\n'
    "</\uff5cDSML\uff5cinvoke>\n"
    '<\uff5cDSML\uff5cinvoke name="note">\n'
    "</\uff5cDSML\uff5cinvoke>\n"
    "</\uff5cDSML\uff5c{0}>"
)


async def chunks(client: Echo, **body: Any) -> list[Any]:
    text = (await client.post(USER, stream=True, **body)).text
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ") and "[DONE]" not in line]


async def calls(client: Echo, **body: Any) -> list[dict[str, Any]]:
    found = [choice for chunk in await chunks(client, **body) for choice in chunk["choices"]]
    return [call for choice in found for call in choice["delta"].get("tool_calls") or ()]


@pytest.mark.parametrize(
    ("contract", "asks", "whole", "indices"),
    [
        ("ollama", {}, True, {0}),
        ("gemini-openai", {}, True, {None}),
        ("glm", {}, True, {0, 1}),
        ("glm-keep", {"tool_stream": True}, False, {0, 1}),
        ("deepseek-v4", {}, False, {0, 1}),
    ],
)
async def test_how_calls_are_streamed(contract: str, asks: Any, *, whole: bool, indices: set[int | None]) -> None:
    async with echo({"*": [Reply(None, "r", CALLS)]}, contract) as client:
        found = await calls(client, **asks)
    assert (len(found) == 2) is whole
    assert {call.get("index") for call in found} == indices


@pytest.mark.parametrize(
    ("contract", "fields"),
    [
        ("deepseek-v4", {"prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "prompt_tokens_details"}),
        ("kimi-k2.6", {"cached_tokens"}),
        ("glm", {"prompt_tokens_details"}),
        ("openrouter", {"prompt_tokens_details", "cost"}),
        ("ollama", set()),
    ],
)
async def test_where_usage_tells_cached_tokens(contract: str, fields: set[str]) -> None:
    async with echo({"*": [Reply("x", "r")]}, contract) as client:
        usage = (await client.post(USER)).json()["usage"]
    always = {"prompt_tokens", "completion_tokens", "total_tokens"}
    assert usage.keys() - always - {"completion_tokens_details"} == fields


async def test_usage_comes_unasked_where_the_service_does_so() -> None:
    for contract, comes in (("openrouter", True), ("vllm", False)):
        async with echo({"*": [Reply("x", "r")]}, contract) as client:
            assert ("usage" in (await chunks(client))[-1]) is comes


@pytest.mark.parametrize("contract", ["xai", "openai", "gemini-openai"])
async def test_hidden_thinking_is_paid_for(contract: str) -> None:
    async with echo({"*": [Reply("x", "r" * 400)]}, contract) as client:
        usage = (await client.post(USER)).json()["usage"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 100 < usage["completion_tokens"]


async def test_delta_content_is_a_list_or_a_text() -> None:
    async with echo({"*": [Reply("two words", "thought")]}, "mistral") as client:
        found = [c["choices"][0]["delta"]["content"] for c in await chunks(client) if c["choices"]]
    assert {type(content) for content in found} == {str, list}


@pytest.mark.parametrize(("contract", "wrapper"), [("deepseek-v4", "tool_calls"), ("deepseek-v3.2", "function_calls")])
@pytest.mark.parametrize("streamed", [True, False])
async def test_calls_leak_into_the_text(contract: str, wrapper: str, *, streamed: bool) -> None:
    reply = Reply("So: ", "r", CALLS, quirks=["dsml_leak"])
    async with echo({"*": [reply, Reply("done")]}, contract) as client:
        message = await client.ask(USER, stream=streamed)
        assert message["content"] == "So: " + DSML.format(wrapper)
        assert "tool_calls" not in message
        text = (await client.post(USER, stream=streamed)).text
        assert '"finish_reason":"stop"' in text
        await client.ask(USER, message, USER)
        mended = [
            {
                "id": f"c{at}",
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for at, call in enumerate(CALLS)
        ]
        mended[1]["function"] = {"name": "note", "arguments": "{}"}
        repaired = {**message, "content": "So: ", "tool_calls": mended}
        await client.ask(USER, repaired, *results(repaired))
        assert client.emulator.counts.losses == 0, "as it came, or repaired: both are no loss"
        await client.ask(USER, {**message, "content": "So: "}, USER)
        assert client.emulator.counts.content_altered + client.emulator.counts.arguments_altered == 1


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("contract", ["deepseek-v4", "qwen-keep", "generic"])
async def test_reasoning_leaks_into_the_text(contract: str, *, streamed: bool) -> None:
    async with echo({"*": [Reply("x", "hm", quirks=["think_leak"]), Reply("done")]}, contract) as client:
        message = await client.ask(USER, stream=streamed)
        assert message["content"] == "<think>\nhm\n</think>\n\nx"
        carrier = client.row.carrier
        assert carrier not in message
        await client.ask(USER, {**message, carrier: ""}, USER)
        await client.ask(USER, {"role": "assistant", "content": "x", carrier: "hm"}, USER)
        assert client.emulator.counts.losses == 0
        await client.ask(USER, {"role": "assistant", "content": "x", carrier: ""}, USER)
        assert client.emulator.counts.losses == 1


async def test_arguments_are_sent_twice_where_they_are_whole() -> None:
    reply = Reply(None, "r", [Call("find", '{"a": 1}', "c1"), Call("note", '{"brok', "c2")], quirks=["arguments_twice"])
    async with echo({"*": [reply]}, "generic") as client:
        found = await calls(client)
    assert [call["function"]["arguments"] for call in found if call.get("id") == "c1"] == ["", '{"a": 1}']
    assert "".join(call["function"]["arguments"] for call in found if call["index"] == 1) == '{"brok'


@pytest.mark.parametrize("contract", CHAT)
async def test_errors_have_the_shape_of_the_service(contract: str) -> None:
    listed = Reply("text " * 5, "r", quirks=["error_list"])
    event = Reply("text " * 5, "r", quirks=["error_event"])
    form = CONTRACTS[contract].errors
    async with echo({"*": [[Fault(429), event, listed, listed]]}, contract) as client:
        response = await client.post(USER)
        assert response.status_code == 429
        assert shape(response.json()) == form
        ending = (await chunks(client))[-1]
        assert shape(ending) == form
        assert shape((await chunks(client))[-1]) == "list"
        whole = await client.post(USER)
        assert (whole.status_code, shape(whole.json())) == (200, "list")
        assert client.emulator.requests[0].error == "Too many concurrent requests."


def shape(body: Any) -> str:
    if isinstance(body, list):
        return "list" if body[0]["error"]["status"] else "?"
    if isinstance(body["error"], str):
        return "flat" if body["code"] else "?"
    return "wrapped" if "metadata" in body["error"] else "object"


async def test_a_fault_may_have_any_shape() -> None:
    file = {"*": [[{"status": 400, "message": "no", "form": "list"}, {"status": 400, "message": "no"}]]}
    async with echo(read_script(json.dumps(file)), "deepseek-v4") as client:
        listed = (await client.post(USER)).json()
        assert listed == [{"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}]
        assert (await client.post(USER)).json()["error"]["message"] == "no"


async def test_a_gateway_may_speak_for_itself() -> None:
    script = {"*": [[Fault(402, gateway=True), Fault(402), Fault(402, upstream="Somebody")]]}
    async with echo(script, "openrouter") as client:
        assert (await client.post(USER)).json() == {"error": {"message": "Insufficient Balance", "code": 402}}
        for name in ("Anthropic", "Somebody"):
            metadata = (await client.post(USER)).json()["error"]["metadata"]
            assert metadata["provider_name"] == name
            assert json.loads(metadata["raw"])["error"]["message"] == "Insufficient Balance"


def test_every_price_and_window_is_a_number_above_nothing() -> None:
    for row in CONTRACTS.values():
        assert row.context >= 100_000
        assert 0 < row.price.hit <= row.price.miss < row.price.output
