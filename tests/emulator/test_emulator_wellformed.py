"""Malformed requests are refused, each with a text that says what is wrong; well-formed ones never are."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.emulator import CONTRACTS, Fault
from agentkit.emulator.asked import Asked
from agentkit.emulator.wellformed import ORPHAN, read

USER = {"role": "user", "content": "hi"}
CALL = {"id": "a", "type": "function", "function": {"name": "find", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "x"}
TOOL = {"type": "function", "function": {"name": "find"}}


def request(*messages: Any, **body: Any) -> dict[str, Any]:
    return {"model": "m", "messages": messages or [USER], **body}


def without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != name}


def calling(*calls: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": "", "tool_calls": list(calls), **more}


def function(**changes: Any) -> dict[str, Any]:
    return {**CALL, "function": {**CALL["function"], **changes}}  # type: ignore[dict-item]


MALFORMED: list[tuple[Any, str]] = [
    ([], "expected an object"),
    (without(request(), "model"), "missing field `model`"),
    (request(model=3), "model: invalid type"),
    (without(request(), "messages"), "missing field `messages`"),
    ({"model": "m", "messages": []}, "Empty input messages"),
    (request("hi"), "messages[0]: invalid type"),
    (request({"content": "hi"}), "messages[0]: missing field `role`"),
    (request({"role": "User", "content": "hi"}), "unknown variant `User`"),
    (request({"role": "user"}), "missing field `content`"),
    (request({"role": "user", "content": 3}), "messages[0].content: invalid type"),
    (request({"role": "user", "content": ["x"]}), "missing field `type`"),
    (request({"role": "user", "content": [{"type": "text"}]}), "missing field `text`"),
    (request(USER, {"role": "assistant"}), "content or tool_calls must be set"),
    (request(USER, calling("x"), RESULT), "messages[1]: invalid type"),
    (request(USER, {"role": "assistant", "content": None, "tool_calls": {}}), "empty array"),
    (request(USER, calling(without(CALL, "id")), RESULT), "messages[1]: missing field `id`"),
    (request(USER, calling({**CALL, "id": ""}), {**RESULT, "tool_call_id": ""}), "empty id"),
    (request(USER, calling(without(CALL, "type")), RESULT), "missing field `type`"),
    (request(USER, calling({**CALL, "type": "tool"}), RESULT), "unknown variant `tool`"),
    (request(USER, calling(without(CALL, "function")), RESULT), "missing field `function`"),
    (request(USER, calling(function(name="a b")), RESULT), "does not match"),
    (request(USER, calling(function(arguments={})), RESULT), "arguments: invalid type"),
    (request(USER, calling(function(arguments=None)), RESULT), "missing field `arguments`"),
    (request(USER, calling(CALL, CALL), RESULT), "Duplicate tool call id"),
    (request(USER, calling(CALL), without(RESULT, "tool_call_id")), "missing field `tool_call_id`"),
    (request(USER, RESULT), ORPHAN),
    (request(USER, calling(CALL), RESULT, RESULT), ORPHAN),
    (request(USER, calling(CALL), USER, RESULT), "insufficient tool messages"),
    (request(USER, calling(CALL)), "insufficient tool messages"),
    (request(tools={}), "Invalid 'tools'"),
    (request(tools=[{"type": "function", "function": {"name": f"f{n}"}} for n in range(129)]), "at most 128"),
    (request(tools=["x"]), "tools[0]: expected an object"),
    (request(tools=[{"type": "function"}]), "tools[0]: missing field `function`"),
    (request(tools=[{"type": "function", "function": {"name": "a" * 65}}]), "does not match"),
    (request(tools=[TOOL, TOOL]), "unique"),
    (request(tools=[{"type": "function", "function": {"name": "f", "parameters": 3}}]), '3 is not of type "object"'),
    (
        request(tools=[{"type": "function", "function": {"name": "f", "parameters": {"required": None}}}]),
        "Invalid schema for function 'f': null is not of type \"array\"",
    ),
    (request(max_tokens=0), "Invalid max_tokens"),
    (request(max_tokens=True), "Invalid max_tokens"),
    (request(max_completion_tokens="9"), "Invalid max_completion_tokens"),
]


UNKNOWN: list[tuple[Any, str]] = [
    (request(tools=[]), "Invalid 'tools'"),
    (request(tools=[TOOL], tool_choice="any"), "tool_choice: unknown variant"),
    (request(tools=[TOOL], tool_choice={"type": "function"}), "missing field `function`"),
    (request(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "g"}}), "not in tools"),
    (request(thinking=True), "thinking: expected"),
    (request(thinking={"type": "on"}), "thinking: expected"),
    (request(reasoning_effort="hard"), "reasoning_effort: unknown variant"),
    (request(USER, {**calling(), "content": "x"}), "empty array"),
    (request(tools=[without(TOOL, "type")]), "tools[0]: expected an object"),
]
"""What the documents of DeepSeek do not allow and other services take."""


@pytest.mark.parametrize(("body", "text"), UNKNOWN)
def test_unknown_values_are_refused_where_the_values_are_known(body: Any, text: str) -> None:
    outcome = read(json.dumps(body).encode(), CONTRACTS["deepseek-v4"])
    assert isinstance(outcome, Fault)
    assert text in outcome.body["error"]["message"]
    assert isinstance(read(json.dumps(body).encode(), CONTRACTS["generic"]), Asked)


PICTURE = {**RESULT, "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "x"}}]}


def referring(key: str) -> dict[str, Any]:
    return request(tools=[{"type": "function", "function": {"name": "f", "parameters": {"anyOf": [{key: "x"}]}}}])


@pytest.mark.parametrize(
    ("body", "text", "contracts"),
    [
        (
            request(USER, calling(CALL), PICTURE),
            "'image_url' is not supported in a tool message",
            ["openai", "qwen", "vllm"],
        ),
        (referring("$ref"), 'Unknown name "$ref" in the parameters of', ["gemini-openai"]),
        (referring("$defs"), 'Unknown name "$defs" in the parameters of', ["gemini-openai"]),
    ],
)
def test_what_only_some_services_take(body: Any, text: str, contracts: list[str]) -> None:
    for contract in contracts:
        outcome = read(json.dumps(body).encode(), CONTRACTS[contract])
        assert isinstance(outcome, Fault)
        assert text in outcome.body["error"]["message"]
    assert isinstance(read(json.dumps(body).encode(), CONTRACTS["sglang"]), Asked)


CHAT = sorted(name for name, row in CONTRACTS.items() if row.wire == "chat")


@pytest.mark.parametrize(("body", "text"), MALFORMED)
def test_malformed_is_refused_by_every_contract(body: Any, text: str) -> None:
    for contract in CHAT:
        outcome = read(json.dumps(body).encode(), CONTRACTS[contract])
        assert isinstance(outcome, Fault), contract
        assert outcome.status == 400, contract
        assert text in outcome.body["error"]["message"], contract


@pytest.mark.parametrize("contract", [name for name in CHAT if CONTRACTS[name].form in {"field", "details"}])
def test_reasoning_that_is_no_reasoning_is_refused(contract: str) -> None:
    carrier = CONTRACTS[contract].carrier
    body = request(USER, {"role": "assistant", "content": "x", carrier: 3})
    outcome = read(json.dumps(body).encode(), CONTRACTS[contract])
    assert isinstance(outcome, Fault)
    assert f"messages[1].{carrier}: invalid type" in outcome.body["error"]["message"]


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b'{"model": NaN}', b'"\xff"', b"\xef\xbb\xbf{}", b'"\xed\xa0\xbd"', b"[" * 100_000],
)
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    outcome = read(raw, CONTRACTS["generic"])
    assert isinstance(outcome, Fault)
    assert "Failed to parse the request body as JSON" in outcome.body["error"]["message"]


def test_the_place_of_an_unknown_role_is_named() -> None:
    raw = b'{"model": "m",\n "messages": [\n  {"role": "developer", "content": ""}]}'
    outcome = read(raw, CONTRACTS["deepseek-v4"])
    assert isinstance(outcome, Fault)
    assert outcome.body["error"]["message"].endswith("at line 3 column 22")


RECORDINGS = Path(__file__).parents[3] / "shared" / "fixtures"


@pytest.mark.parametrize(("folder", "contract", "least"), [("*", "generic", 150), ("deepseek", "deepseek-v4", 5)])
def test_requests_that_real_services_took_are_taken(folder: str, contract: str, least: int) -> None:
    if not RECORDINGS.is_dir():
        pytest.skip("../shared/fixtures, the recordings of real services, is not there")
    taken = 0
    for file in sorted(RECORDINGS.glob(f"{folder}/*.json")):
        for exchange in json.loads(file.read_text("utf-8"))["exchanges"]:
            if exchange["status"] == 200 and "messages" in (exchange["request"] or ()):
                outcome = read(json.dumps(exchange["request"]).encode(), CONTRACTS[contract])
                assert isinstance(outcome, Asked), (file.name, outcome)
                taken += 1
    assert taken >= least


content = st.text(max_size=5) | st.lists(st.builds(lambda text: {"type": "text", "text": text}, st.text(max_size=3)))


@st.composite
def turn(draw: st.DrawFn) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"role": "user", "content": draw(content)}]
    for _ in range(draw(st.integers(0, 2))):
        ids = draw(st.lists(st.text(min_size=1, max_size=4), unique=True, max_size=3))
        message: dict[str, Any] = {"role": "assistant", "content": draw(st.none() | content if ids else content)}
        if ids:
            message["tool_calls"] = [{**function(arguments=draw(st.text(max_size=5))), "id": name} for name in ids]
        if draw(st.booleans()):
            message["reasoning_content"] = draw(st.none() | st.text(max_size=5))
        found.append(message)
        found.extend({"role": "tool", "tool_call_id": name, "content": ""} for name in draw(st.permutations(ids)))
    return found


@given(st.lists(turn(), min_size=1, max_size=3), st.sampled_from(CHAT))
def test_well_formed_conversations_are_read(turns: list[list[dict[str, Any]]], contract: str) -> None:
    messages = [message for found in turns for message in found]
    outcome = read(json.dumps(request(*messages, tools=[TOOL])).encode(), CONTRACTS[contract])
    assert isinstance(outcome, Asked)
    assert outcome.position == sum(message["role"] == "assistant" for message in messages)


@given(st.lists(turn(), min_size=1, max_size=3), st.data())
def test_a_result_taken_away_is_noticed(turns: list[list[dict[str, Any]]], data: st.DataObject) -> None:
    messages = [message for found in turns for message in found]
    results = [at for at, message in enumerate(messages) if message["role"] == "tool"]
    if results:
        del messages[data.draw(st.sampled_from(results))]
        assert isinstance(read(json.dumps(request(*messages)).encode(), CONTRACTS["generic"]), Fault)
