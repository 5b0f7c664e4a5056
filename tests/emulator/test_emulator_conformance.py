"""The conformance cases 1 to 18 of the contracts paper, over real HTTP. Texts are the providers' own."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from agentkit.emulator import Call, Emulator, Fault, Reply
from tests.emulator.plain import plain

pytestmark = pytest.mark.anyio

V4 = "The `reasoning_content` in the thinking mode must be passed back to the API."
V32 = (
    "Missing `reasoning_content` field in the assistant message at message index {}. For more information, please "
    "refer to https://api-docs.deepseek.com/guides/thinking_mode#tool-calls"
)
UNANSWERED = (
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
    "(insufficient tool messages following tool_calls message)"
)
TOOLS = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}]
USER = {"role": "user", "content": "hi"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "found"}


def script(*turns: Any) -> dict[str, Any]:
    return {"*": turns or [Reply("x", reasoning="r", calls=[Call("find", {}, "call_1")])] * 9}


def answer(*, calls: bool = True, content: str | None = "x", **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **({"tool_calls": [CALL]} if calls else {}), **more}


class Client:
    def __init__(self, emulator: Emulator, http: httpx2.AsyncClient) -> None:
        self.emulator = emulator
        self.http = http

    async def post(self, *messages: Mapping[str, Any], path: str = "/v1", **body: Any) -> httpx2.Response:
        asked = {"model": "deepseek-flash", "messages": messages, "tools": TOOLS, **body}
        asked = {name: value for name, value in asked.items() if value is not None}
        return await self.http.post(f"{path}/chat/completions", json=asked)


@asynccontextmanager
async def client(*turns: Any, **options: Any) -> AsyncIterator[Client]:
    async with Emulator(script(*turns), **options) as emulator:
        address = emulator.base_url.removesuffix("/v1")
        async with plain(base_url=address) as http:
            yield Client(emulator, http)


def refused(response: httpx2.Response, message: str) -> bool:
    error = response.json()["error"]
    wanted = {"message": message, "type": "invalid_request_error", "param": None, "code": "invalid_request_error"}
    return response.status_code == 400 and error == wanted


async def test_case_1_and_2_absent_is_refused_and_empty_is_present() -> None:
    async with client() as c:
        for content in ("", None, "text"):
            assert refused(await c.post(USER, answer(content=content), RESULT), V4)
            assert refused(await c.post(USER, answer(content=content, reasoning_content=None), RESULT), V4)
        assert (await c.post(USER, answer(reasoning_content=""), RESULT)).status_code == 200
        assert (await c.post(USER, answer(reasoning_content="anything"), RESULT)).status_code == 200
        assert c.emulator.counts.reasoning_missing == 6


async def test_case_3_a_text_message_before_the_call_needs_it_too() -> None:
    async with client() as c:
        text, call = answer(calls=False), answer(reasoning_content="r")
        assert refused(await c.post(USER, text, call, RESULT), V4)
        present = answer(calls=False, reasoning_content="")
        assert (await c.post(USER, present, call, RESULT)).status_code == 200


@pytest.mark.parametrize(("contract", "status"), [("deepseek-v4", 400), ("deepseek-v4-measured", 200)])
async def test_case_4_earlier_turns_documented_and_measured(contract: str, status: int) -> None:
    async with client(contract=contract) as c:
        earlier = [USER, answer(), RESULT, answer(calls=False)]
        response = await c.post(*earlier, USER, answer(reasoning_content="r"), RESULT)
        assert response.status_code == status
        assert refused(await c.post(*earlier, USER, answer(), RESULT), V4)


async def test_case_4_an_answer_before_any_question_counts_too() -> None:
    async with client() as c:
        assert refused(await c.post(answer(calls=False), USER), V4)
        assert (await c.post(answer(calls=False, reasoning_content=""), USER)).status_code == 200


async def test_case_5_without_tools_reasoning_is_ignored_and_costs_nothing() -> None:
    async with client() as c:
        history = [USER, answer(), RESULT]
        without = await c.post(*history, tools=None)
        with_it = await c.post(USER, answer(reasoning_content="r" * 400), RESULT, tools=None)
        assert without.status_code == with_it.status_code == 200
        assert without.json()["usage"]["prompt_tokens"] == with_it.json()["usage"]["prompt_tokens"]
        offered = await c.post(USER, answer(reasoning_content="r" * 400), RESULT)
        few = await c.post(USER, answer(reasoning_content="r"), RESULT)
        assert offered.json()["usage"]["prompt_tokens"] - few.json()["usage"]["prompt_tokens"] in (99, 100)


@pytest.mark.parametrize("off", [{"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}])
async def test_case_6_thinking_off_takes_any_history_and_thinks_nothing(off: dict[str, Any]) -> None:
    async with client() as c:
        for message in (answer(), answer(reasoning_content=""), answer(reasoning_content="r")):
            response = await c.post(USER, message, RESULT, **off)
            assert response.status_code == 200
            assert "reasoning_content" not in response.json()["choices"][0]["message"]
        stream = await c.post(USER, answer(), RESULT, stream=True, **off)
        assert stream.status_code == 200
        assert "reasoning_content" not in stream.text


async def test_case_7_a_forced_call_is_refused_while_thinking() -> None:
    named: Any = {"type": "function", "function": {"name": "find"}}
    async with client() as c:
        for choice in ("required", named):
            assert refused(await c.post(USER, tool_choice=choice), "Thinking mode does not support this tool_choice")
            response = await c.post(USER, tool_choice=choice, thinking={"type": "disabled"})
            assert response.status_code == 200
        for fine in ("auto", "none", None):
            assert (await c.post(USER, tool_choice=fine)).status_code == 200


async def test_case_8_a_warm_service_forgives_and_a_cold_one_does_not() -> None:
    first = Reply(reasoning="r", calls=[Call("find", {}, "call_1")])
    async with client(first, Reply("done"), contract="deepseek-v4-measured", warm=True) as c:
        history = [USER, answer(), RESULT]
        assert refused(await c.post(*history), V4), "another process minted that call"
        assert (await c.post(USER)).status_code == 200
        assert (await c.post(*history)).status_code == 200
        c.http.headers["x-emulator-cold"] = "1"
        assert refused(await c.post(*history), V4)
        del c.http.headers["x-emulator-cold"]
        assert (await c.post(*history)).status_code == 200
        assert refused(await c.post(USER, answer(calls=False)), V4), "only calls are minted"
        c.emulator.go_cold()
        assert refused(await c.post(*history), V4)


async def test_case_9_sampling_is_ignored_while_thinking() -> None:
    async with client() as c:
        response = await c.post(
            USER, temperature=0.2, presence_penalty=1, frequency_penalty=1, top_p=0.1, logprobs=True
        )
        assert response.status_code == 200


async def test_case_9_logprobs_were_an_error_on_v32() -> None:
    async with client(contract="deepseek-v3.2") as c:
        assert (await c.post(USER, logprobs=True)).status_code == 400
        assert (await c.post(USER, top_logprobs=3)).status_code == 400
        assert (await c.post(USER, logprobs=True, model="deepseek-chat")).status_code == 200
        assert (await c.post(USER, temperature=1)).status_code == 200


async def test_case_10_the_developer_role_is_unknown() -> None:
    async with client() as c:
        response = await c.post(USER, {"role": "developer", "content": "be kind"})
        wanted = (
            "Failed to deserialize the JSON body into the target type: messages[1].role: unknown variant `developer`, "
            "expected one of `system`, `user`, `assistant`, `tool`, `latest_reminder` at line 1 column "
        )
        message = response.json()["error"]["message"]
        assert response.status_code == 400
        assert message.startswith(wanted)
        column = int(message.removeprefix(wanted))
        assert c.emulator.requests[-1].raw[:column].endswith(b'"developer"')
    async with client(contract="generic") as c:
        assert (await c.post(USER, {"role": "developer", "content": "be kind"})).status_code == 200


async def test_case_11_results_follow_their_calls() -> None:
    two = answer(reasoning_content="r", tool_calls=[CALL, {**CALL, "id": "call_2"}])
    second = {**RESULT, "tool_call_id": "call_2"}
    async with client() as c:
        assert refused(await c.post(USER, two, RESULT), UNANSWERED)
        assert refused(await c.post(USER, two, RESULT, USER, second), UNANSWERED)
        assert refused(await c.post(USER, two), UNANSWERED)
        assert (await c.post(USER, two, RESULT, second)).status_code == 200
        assert (await c.post(USER, two, second, RESULT)).status_code == 200
        assert (await c.post(USER, RESULT)).status_code == 400
        assert (await c.post(USER, two, RESULT, second, second)).status_code == 400


async def test_case_12_a_call_without_an_id() -> None:
    async with client() as c:
        without = {name: value for name, value in CALL.items() if name != "id"}
        response = await c.post(USER, answer(tool_calls=[without]), RESULT)
        wanted = "Failed to deserialize the JSON body into the target type: messages[1]: missing field `id`"
        assert refused(response, wanted)


async def test_case_13_too_long() -> None:
    async with client(context=100) as c:
        response = await c.post({"role": "user", "content": "x" * 400}, max_tokens=50, tools=None)
        wanted = (
            "This model's maximum context length is 100 tokens. However, you requested 152 tokens "
            "(102 in the messages, 50 in the completion)."
        )
        assert refused(response, wanted)
        assert (await c.post(USER, max_tokens=50)).status_code == 200
    async with client() as c:
        assert (await c.post({"role": "user", "content": "x" * 400}, max_tokens=1_048_476)).status_code == 400
        assert (await c.post({"role": "user", "content": "x" * 400}, max_tokens=384_000)).status_code == 200


async def test_case_15_a_generation_cut_off_by_the_service() -> None:
    cut = Reply(calls=[Call("find", '{"order')], finish_reason="insufficient_system_resource")
    async with client([cut, Reply("done")]) as c:
        stream = await c.post(USER, stream=True)
        assert stream.status_code == 200
        assert '"finish_reason":"insufficient_system_resource"' in stream.text
        again = await c.post(USER)
        assert again.json()["choices"][0]["message"]["content"] == "done"


async def test_case_16_strict_functions() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    strict = {"type": "function", "function": {"name": "s", "strict": True, "parameters": schema}}
    loose = {**schema, "required": []}
    nested = {**schema, "properties": {"a": {"type": "array", "items": {**schema, "additionalProperties": True}}}}
    async with client() as c:
        assert (await c.post(USER, tools=[strict], path="/beta")).status_code == 200
        assert (await c.post(USER, tools=[strict], path="/v1")).status_code == 400
        assert (await c.post(USER, tools=[strict, *TOOLS], path="/beta")).status_code == 400
        assert (await c.post(USER, tools=TOOLS, path="/beta")).status_code == 200
        for wrong in (loose, nested):
            tool = {"type": "function", "function": {"name": "s", "strict": True, "parameters": wrong}}
            assert (await c.post(USER, tools=[tool], path="/beta")).status_code == 400
    async with client(contract="generic") as c:
        assert (await c.post(USER, tools=[strict, *TOOLS])).status_code == 200


async def test_case_17_faults_have_the_documented_bodies() -> None:
    faults = [Fault(402), Fault(429, headers={"Retry-After": "2"}), Fault(503), Fault(418, "no", type="t", code="c")]
    async with client([*faults, Reply("ok")]) as c:
        balance = await c.post(USER)
        assert balance.status_code == 402
        assert balance.json()["error"] == {
            "message": "Insufficient Balance",
            "type": "unknown_error",
            "param": None,
            "code": "invalid_request_error",
        }
        busy = await c.post(USER)
        assert (busy.status_code, busy.headers["retry-after"]) == (429, "2")
        assert (await c.post(USER)).status_code == 503
        odd = await c.post(USER)
        assert odd.json()["error"] == {"message": "no", "type": "t", "param": None, "code": "c"}
        assert (await c.post(USER)).json()["choices"][0]["message"]["content"] == "ok"
        assert c.emulator.counts.by_status == {402: 1, 429: 1, 503: 1, 418: 1, 200: 1}
        assert [seen.attempt for seen in c.emulator.requests] == [0, 1, 2, 3, 4]


async def test_case_17_a_wrong_key() -> None:
    async with client(api_key="sk-secret-right") as c:
        c.http.headers["authorization"] = "Bearer sk-wrong-9876"
        response = await c.post(USER)
        assert response.status_code == 401
        assert response.json()["error"] == {
            "message": "Authentication Fails, Your api key: ****9876 is invalid",
            "type": "authentication_error",
            "param": None,
            "code": "invalid_request_error",
        }
        c.http.headers["authorization"] = "Bearer sk-secret-right"
        assert (await c.post(USER)).status_code == 200


async def test_case_18_v32_names_the_message_and_forgets_old_turns() -> None:
    async with client(contract="deepseek-v3.2") as c:
        system = {"role": "system", "content": "s"}
        turn = [USER, answer(reasoning_content="r"), RESULT, answer(), RESULT]
        assert refused(await c.post(system, *turn, model="deepseek-reasoner"), V32.format(4))
        assert (await c.post(system, *turn, USER, model="deepseek-reasoner")).status_code == 200
        assert (await c.post(system, *turn, model="deepseek-chat")).status_code == 200
        enabled = await c.post(system, *turn, model="deepseek-chat", thinking={"type": "enabled"})
        assert refused(enabled, V32.format(4))
        assert refused(await c.post(*turn, model="deepseek-reasoner", tools=None), V32.format(3))


async def test_generic_refuses_nothing_and_counts_what_was_lost() -> None:
    async with client(contract="generic") as c:
        first = (await c.post(USER)).json()["choices"][0]["message"]
        bare = {name: value for name, value in first.items() if name != "reasoning_content"}
        assert (await c.post(USER, bare, RESULT)).status_code == 200
        assert c.emulator.counts.reasoning_missing == 1
        assert c.emulator.requests[-1].returned[0].reasoning == "absent"
        assert (await c.post(USER, first, RESULT)).status_code == 200
        assert c.emulator.counts.reasoning_missing == 1


async def test_json_mode() -> None:
    async with client() as c:
        wanted: Any = {"response_format": {"type": "json_object"}}
        assert refused(
            await c.post(USER, **wanted),
            "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'.",
        )
        assert (await c.post({"role": "user", "content": "as JSON"}, **wanted)).status_code == 200
        assert (await c.post(USER, response_format={"type": "text"})).status_code == 200
        assert (await c.post(USER, response_format={"type": "json_schema"})).status_code == 400


async def test_models() -> None:
    async with client(models=["deepseek-flash"]) as c:
        assert refused(await c.post(USER, model="gpt"), "Model Not Exist")
        assert (await c.post(USER)).status_code == 200
        listed = (await c.http.get("/v1/models")).json()
        assert [model["id"] for model in listed["data"]] == ["deepseek-flash"]


async def test_a_refused_request_uses_up_no_attempt() -> None:
    async with client([Reply("one"), Reply("two")]) as c:
        assert (await c.post(USER, tool_choice="required")).status_code == 400
        first = (await c.post(USER)).json()["choices"][0]["message"]
        assert first["content"] == "one"
        assert json.loads(c.emulator.requests[0].raw)["tool_choice"] == "required"
