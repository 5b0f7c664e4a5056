"""The conformance cases 22 and 23 of the contracts paper and the other rules of items, over real HTTP."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from agentkit.emulator import Call, Emulator, Fault, Reply
from tests.emulator.plain import plain

pytestmark = pytest.mark.anyio

TEXT = "The `reasoning_text` in the thinking mode must be passed back to the API."
NOT_STORED = (
    "Item with id '{}' not found. Items are not persisted when `store` is set to false. Try again with `store` set to "
    "true, or remove this item from your input."
)
TOOLS = [{"type": "function", "name": "find", "parameters": {"type": "object", "properties": {}}}]
USER = {"type": "message", "role": "user", "content": "hi"}
CALL = {"type": "function_call", "call_id": "call_1", "name": "find", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "found"}
CALLS = Reply("", reasoning="why", calls=[Call("find", {}, "call_1")])
SEALED = ["openai-responses", "xai-responses"]


def message(text: str, role: str = "assistant") -> dict[str, Any]:
    part = {"type": "output_text" if role == "assistant" else "input_text", "text": text}
    return {"type": "message", "role": role, "content": [part]}


def thought(*texts: str) -> dict[str, Any]:
    parts = [{"type": "reasoning_text", "text": text} for text in texts]
    return {"type": "reasoning", "summary": [], "content": parts}


class Client:
    def __init__(self, emulator: Emulator, http: httpx2.AsyncClient) -> None:
        self.emulator = emulator
        self.http = http

    async def post(self, *items: Mapping[str, Any], path: str = "/v1", **body: Any) -> httpx2.Response:
        asked = {"model": "m", "input": items, "tools": TOOLS, "store": False, **body}
        asked = {name: value for name, value in asked.items() if value is not None}
        return await self.http.post(f"{path}/responses", json=asked)

    async def output(self, *items: Mapping[str, Any], **body: Any) -> list[dict[str, Any]]:
        response = await self.post(*items, **body)
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()["output"]
        return found


@asynccontextmanager
async def client(contract: str, *turns: Any, **options: Any) -> AsyncIterator[Client]:
    async with Emulator({"*": turns or [CALLS] * 9}, contract=contract, **options) as emulator:
        address = emulator.base_url.removesuffix("/v1")
        async with plain(base_url=address) as http:
            yield Client(emulator, http)


def error(response: httpx2.Response, status: int = 400) -> str:
    assert response.status_code == status, response.text
    told = response.json()["error"]
    text: str = told if isinstance(told, str) else told["message"]
    return text


async def test_case_22_a_call_needs_the_reasoning_it_came_with() -> None:
    async with client("openai-responses") as c:
        reasoning, call = await c.output(USER)
        assert (reasoning["type"], call["type"]) == ("reasoning", "function_call")
        assert reasoning["id"].startswith("rs_")
        assert call["id"].startswith("fc_")
        response = await c.post(USER, call, OUTPUT)
        assert error(response) == (
            f"Item '{call['id']}' of type 'function_call' was provided without its required 'reasoning' item: "
            f"'{reasoning['id']}'."
        )
        assert response.json()["error"]["type"] == "invalid_request_error"
        assert response.json()["error"]["param"] == "input"
        assert response.json()["error"]["code"] is None
        assert (await c.post(USER, reasoning, call, OUTPUT)).status_code == 200
        # Another answer's reasoning is not the one.
        other, *_ = await c.output(USER, reasoning, call, OUTPUT)
        assert "without its required 'reasoning' item" in error(await c.post(USER, other, call, OUTPUT))


async def test_case_22_the_reasoning_of_parallel_calls_stands_before_the_first() -> None:
    two = replace(CALLS, calls=[Call("find", {}, f"call_{n}") for n in (1, 2)])
    async with client("openai-responses", two, Reply("done"), Reply("done")) as c:
        reasoning, *calls = await c.output(USER)
        outputs = [{**OUTPUT, "call_id": call["call_id"]} for call in calls]
        alternating = [item for pair in zip(calls, outputs, strict=True) for item in pair]
        for history in ([*calls, *outputs], alternating):
            assert (await c.post(USER, reasoning, *history)).status_code == 200
            assert "without its required 'reasoning' item" in error(await c.post(USER, *history))


async def test_case_22_a_call_from_elsewhere_is_taken() -> None:
    async with client("openai-responses") as c:
        _, call = await c.output(USER)
        for foreign in (CALL, {**CALL, "id": "fc_abc"}, {**CALL, "id": f"{call['id'][:-1]}x"}):
            assert (await c.post(USER, foreign, OUTPUT)).status_code == 200


async def test_case_22_a_call_made_without_reasoning_needs_none() -> None:
    async with client("openai-responses", Reply(reasoning=None, calls=[Call("find", {}, "call_1")]), Reply("x")) as c:
        [call] = await c.output(USER)
        assert (await c.post(USER, call, OUTPUT)).status_code == 200


async def test_case_22_a_text_needs_its_reasoning_too() -> None:
    async with client("openai-responses", *[Reply("a", reasoning="why")] * 2, Reply("b")) as c:
        reasoning, text = await c.output(USER)
        wanted = f"Item '{text['id']}' of type 'message' was provided without its required 'reasoning' item: "
        assert error(await c.post(USER, text, USER)) == f"{wanted}'{reasoning['id']}'."
        assert (await c.post(USER, reasoning, text, USER)).status_code == 200
        bare = {name: value for name, value in reasoning.items() if name != "id"}
        assert (await c.post(USER, bare, text, USER)).status_code == 200
        _, other = await c.output(USER, reasoning, text, USER)
        assert "without its required 'reasoning' item" in error(await c.post(USER, bare, text, USER, other, USER))


@pytest.mark.parametrize("contract", SEALED)
async def test_case_22_reasoning_needs_what_follows_it(contract: str) -> None:
    async with client(contract) as c:
        reasoning, call = await c.output(USER)
        wanted = f"Item '{reasoning['id']}' of type 'reasoning' was provided without its required following item."
        assert error(await c.post(USER, reasoning)) == wanted
        assert error(await c.post(USER, reasoning, USER)) == wanted
        assert (await c.post(USER, reasoning, call, OUTPUT)).status_code == 200


@pytest.mark.parametrize("contract", SEALED)
async def test_case_22_what_is_not_stored_cannot_be_named(contract: str) -> None:
    async with client(contract) as c:
        reasoning, call = await c.output(USER)
        bare = {"type": "reasoning", "id": reasoning["id"], "summary": []}
        for named in (bare, {**bare, "encrypted_content": None}):
            assert error(await c.post(USER, named, call, OUTPUT), 404) == NOT_STORED.format(reasoning["id"])
        stored = await c.post(USER, bare, call, OUTPUT, store=True)
        assert error(stored, 404) == f"Item with id '{reasoning['id']}' not found."


@pytest.mark.parametrize("contract", SEALED)
async def test_case_22_a_blob_that_was_touched(contract: str) -> None:
    async with client(contract) as c:
        reasoning, call = await c.output(USER)
        blob = reasoning["encrypted_content"]
        assert "why" not in blob
        for wrong in (f"{blob[:9]}{'A' if blob[9] != 'A' else 'B'}{blob[10:]}", blob[:-1], f"{blob}A", "nonsense", "é"):
            response = await c.post(USER, {**reasoning, "encrypted_content": wrong}, call, OUTPUT)
            assert error(response) == (
                f"The encrypted content {wrong[:4]}...{wrong[-4:]} could not be verified. "
                "Reason: Encrypted content could not be decrypted or parsed."
            )
            assert "invalid" in str(response.json().get("code") or response.json()["error"]["code"])


async def test_one_service_cannot_read_the_reasoning_of_another() -> None:
    async with client("xai-responses") as one, client("openai-responses") as other:
        reasoning, call = await one.output(USER)
        response = await other.post(USER, reasoning, call, OUTPUT)
        assert response.json()["error"]["code"] == "invalid_encrypted_content"
        # Its ids say nothing here: without its reasoning the call is a foreign one.
        assert (await other.post(USER, call, OUTPUT)).status_code == 200


@pytest.mark.parametrize("contract", SEALED)
async def test_calls_and_outputs_belong_together(contract: str) -> None:
    async with client(contract) as c:
        assert error(await c.post(USER, CALL)) == "No tool output found for function call call_1."
        orphan = "No tool call found for function call output with call_id call_1."
        assert error(await c.post(USER, OUTPUT)) == orphan
        assert error(await c.post(USER, OUTPUT, CALL)) == orphan
        assert (await c.post(USER, CALL, USER, OUTPUT)).status_code == 200


async def test_what_was_stored_can_be_named() -> None:
    async with client("openai-responses", Reply("a", reasoning="why"), Reply("b"), Reply("c")) as c:
        first = (await c.post(USER, store=True)).json()
        reasoning, text = first["output"]
        assert "encrypted_content" not in reasoning
        assert (await c.post(USER, reasoning, text, USER)).status_code == 200
        assert c.emulator.requests[-1].returned[0].reasoning == "exact"
        second = (await c.post(USER, previous_response_id=first["id"])).json()
        assert second["output"][-1]["content"][0]["text"] == "b"
        assert second["previous_response_id"] == first["id"]
        assert c.emulator.requests[-1].returned[0].reasoning == "exact"
        included = await c.output(USER, store=True, include=["reasoning.encrypted_content"])
        assert included[0]["encrypted_content"]
        for unknown in ("resp_unknown", second["id"]):
            response = await c.post(USER, previous_response_id=unknown)
            assert error(response) == f"Previous response with id '{unknown}' not found."
            assert response.json()["error"]["code"] == "previous_response_not_found"
            assert response.json()["error"]["param"] == "previous_response_id"


async def test_xai_errors_are_flat_and_effort_is_refused_where_a_model_has_none() -> None:
    async with client("xai-responses") as c:
        for model in ("grok-4", "grok-code-fast-1", "grok-4-fast-non-reasoning"):
            response = await c.post(USER, model=model, reasoning={"effort": "high"})
            assert response.status_code == 400
            text = "Argument not supported on this model: reasoning_effort"
            assert response.json() == {"code": "invalid-argument", "error": text}
            assert (await c.post(USER, model=model)).status_code == 200
        assert (await c.post(USER, model="grok-4.7", reasoning={"effort": "high"})).status_code == 200
        stored = await c.output(USER, store=True)
        assert stored[0]["encrypted_content"], "always sent"


@pytest.mark.parametrize(
    ("history", "text"),
    [
        ([CALL, OUTPUT], TEXT),
        ([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}]}, CALL, OUTPUT], TEXT),
        ([thought(), CALL, OUTPUT], TEXT),
        ([thought(""), CALL, OUTPUT], TEXT),
        ([message("a"), thought("why"), USER], TEXT),
        ([CALL, thought("why"), OUTPUT], "No tool output found for tool call call_1."),
        ([thought("why"), message("a"), USER, message("b"), USER], TEXT),
        ([thought("why"), message("a"), message("b"), USER], TEXT),
        ([thought("why"), CALL, OUTPUT, {**CALL, "call_id": "c2"}, {**OUTPUT, "call_id": "c2"}], TEXT),
        ([thought("why"), CALL, USER, OUTPUT], "No tool output found for tool call call_1."),
        ([thought("why"), CALL, message("a"), OUTPUT], "No tool output found for tool call call_1."),
        ([thought("why"), CALL], "No tool output found for tool call call_1."),
        ([thought("why"), CALL, OUTPUT], None),
        ([thought(" "), CALL, OUTPUT], None),
        ([thought("w", "hy"), message("a"), CALL, OUTPUT], None),
        ([thought("why"), message("a"), USER, thought("why"), message("b"), USER], None),
    ],
)
async def test_case_23_every_answer_begins_with_its_reasoning(history: list[dict[str, Any]], text: str | None) -> None:
    async with client("deepseek-responses") as c:
        response = await c.post(USER, *history)
        assert (None if response.status_code == 200 else error(response)) == text
        off = await c.post(USER, *history, reasoning={"effort": "none"})
        without = await c.post(USER, *history, tools=None)
        pairing = text is not None and text != TEXT
        assert [answer.status_code for answer in (off, without)] == [400 if pairing else 200] * 2


async def test_case_23_the_refusal_is_written_as_the_service_writes_it() -> None:
    async with client("deepseek-responses") as c:
        told = (await c.post(USER, CALL, OUTPUT)).json()["error"]
        kind = "invalid_request_error"
        assert told == {"message": TEXT, "type": kind, "param": None, "code": kind}
        assert c.emulator.requests[-1].error == TEXT
        assert c.emulator.counts.reasoning_missing == 1


@pytest.mark.parametrize("nothing", ["", None])
async def test_case_23_a_placeholder_where_nothing_was_thought_is_no_loss(nothing: str | None) -> None:
    async with client("deepseek-responses", replace(CALLS, reasoning=nothing), Reply("done")) as c:
        output = await c.output(USER)
        assert [item["type"] for item in output] == [*["reasoning"] * (nothing is not None), "function_call"]
        assert error(await c.post(USER, *output, OUTPUT)) == TEXT
        assert (await c.post(USER, thought(" "), output[-1], OUTPUT)).status_code == 200
        [seen] = c.emulator.requests[-1].returned
        assert seen.reasoning == "filled"
        assert c.emulator.counts.reasoning_altered == 0


async def test_deepseek_ignores_what_it_does_not_know_and_stores_nothing() -> None:
    async with client("deepseek-responses") as c:
        first = (await c.post(USER, store=True, include=["reasoning.encrypted_content"], max_tool_calls=3)).json()
        reasoning, _ = first["output"]
        assert reasoning["content"] == [{"type": "reasoning_text", "text": "why"}]
        assert "encrypted_content" not in reasoning
        assert first["store"] is False
        assert (await c.post(USER, previous_response_id="resp_unknown", nonsense=1)).status_code == 200
        assert c.emulator.requests[-1].position == 0


@pytest.mark.parametrize("contract", ["openai-responses", "xai-responses", "deepseek-responses"])
async def test_effort_none_switches_thinking_off(contract: str) -> None:
    async with client(contract) as c:
        output = await c.output(USER, reasoning={"effort": "none"})
        assert [item["type"] for item in output] == ["function_call"]


async def test_a_forced_call_is_refused_by_deepseek_while_thinking() -> None:
    async with client("deepseek-responses") as c:
        for choice in ("required", {"type": "function", "name": "find"}):
            assert error(await c.post(USER, tool_choice=choice)) == "Thinking mode does not support this tool_choice"
            assert (await c.post(USER, tool_choice=choice, reasoning={"effort": "none"})).status_code == 200
        assert (await c.post(USER, tool_choice="auto")).status_code == 200
    async with client("openai-responses") as c:
        assert (await c.post(USER, tool_choice="required")).status_code == 200


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"model": None}, "Missing required parameter: 'model'."),
        ({"messages": []}, "Unknown parameter: 'messages'."),
        ({"max_tokens": 5}, "Unknown parameter: 'max_tokens'."),
        ({"reasoning_effort": "high"}, "Unknown parameter: 'reasoning_effort'."),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "Missing required parameter: 'tools[0].name'."),
        ({"tools": TOOLS * 2}, "Tool names must be unique: 'find' is offered twice."),
        ({"tool_choice": {"type": "function", "name": "g"}}, "Tool choice 'g' not found in 'tools' parameter."),
        ({"input": [{**CALL, "arguments": {}}]}, "Invalid type for 'input[0].arguments'."),
        ({"input": [{**CALL, "call_id": None}]}, "Missing required parameter: 'input[0].call_id'."),
        ({"input": [{"type": "reasoning", "content": []}]}, "Missing required parameter: 'input[0].summary'."),
        ({"input": [{**thought(), "status": "completed"}]}, "Unknown parameter: 'input[0].status'."),
        (
            {"input": [{**CALL, "id": "call_1"}]},
            "Invalid 'input[0].id': 'call_1'. Expected an ID that begins with 'fc'.",
        ),
        (
            {"input": [{**CALL, "call_id": "x" * 65}]},
            (
                "Invalid 'input[0].call_id': string too long. Expected a string with maximum length 64, but got a "
                "string with length 65 instead."
            ),
        ),
        (
            {"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "a"}]}]},
            "Invalid value: 'input_text'. Supported values are: 'output_text', 'refusal'.",
        ),
    ],
)
async def test_malformed_requests(body: dict[str, Any], text: str) -> None:
    async with client("openai-responses") as c:
        response = await c.post(USER, **body)
        assert error(response) == text


async def test_a_string_is_one_message_of_the_user() -> None:
    async with client("openai-responses") as c:
        assert (await c.post(input="hello", instructions="be kind")).status_code == 200
        assert c.emulator.requests[-1].conversation == "hello"
        assert c.emulator.requests[-1].position == 0


async def test_each_wire_has_its_path() -> None:
    async with client("openai-responses") as c:
        for path in ("/v1", "/beta", "/beta/v1", ""):
            assert (await c.post(USER, path=path)).status_code == 200
        chat = await c.http.post("/v1/chat/completions", json={"model": "m", "messages": [USER]})
        assert error(chat, 404) == "Invalid URL (POST /v1/chat/completions)"
    async with client("deepseek-v4") as c:
        assert error(await c.post(USER), 404) == "Invalid URL (POST /v1/responses)"


async def test_too_long() -> None:
    long = message("x" * 400, "user")
    async with client("openai-responses", context=100) as c:
        response = await c.post(long)
        assert response.json()["error"]["code"] == "context_length_exceeded"
    async with client("deepseek-responses", context=100) as c:
        response = await c.post(long, max_output_tokens=5, tools=None)
        assert error(response).startswith("This model's maximum context length is 100 tokens.")


async def test_scripted_faults_and_attempts() -> None:
    async with client("openai-responses", [Fault(429, headers={"Retry-After": "2"}), Reply("ok")]) as c:
        busy = await c.post(USER)
        assert (busy.status_code, busy.headers["retry-after"]) == (429, "2")
        assert (await c.output(USER))[-1]["content"][0]["text"] == "ok"
        assert [seen.attempt for seen in c.emulator.requests] == [0, 1]


async def test_a_warm_service_forgives_for_calls_it_has_minted() -> None:
    async with client("deepseek-responses", CALLS, Reply("done"), warm=True) as c:
        assert error(await c.post(USER, CALL, OUTPUT)) == TEXT
        assert (await c.post(USER)).status_code == 200
        assert (await c.post(USER, CALL, OUTPUT)).status_code == 200
        assert error(await c.post(USER, message("a"), USER)) == TEXT
        c.emulator.go_cold()
        assert error(await c.post(USER, CALL, OUTPUT)) == TEXT


async def test_the_log_names_the_item_an_answer_begins_with() -> None:
    async with client("openai-responses", CALLS, CALLS, CALLS) as c:
        first = await c.output(USER, instructions="be kind")
        second = await c.output(USER, *first, OUTPUT, instructions="be kind")
        await c.post(USER, *first, OUTPUT, *second, OUTPUT, instructions="be kind")
        assert [seen.at for seen in c.emulator.requests[-1].returned] == [1, 4]


async def test_texts_say_which_phase_they_are_of() -> None:
    async with client("openai-responses", replace(CALLS, content="first"), Reply("last")) as c:
        first = await c.output(USER)
        [*_, last] = await c.output(USER, *first, OUTPUT)
        assert [first[1]["phase"], last["phase"]] == ["commentary", "final_answer"]
        assert (await c.post(USER, *first, OUTPUT, last, USER)).status_code == 400, "its reasoning is missing"
    async with client("xai-responses", Reply("last")) as c:
        assert "phase" not in (await c.output(USER))[-1]
