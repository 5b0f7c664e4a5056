"""Scripts: by conversation and position, attempts, files, and what cannot be played."""

import json
import re
from typing import Any

import httpx2
import pytest

from agentkit.emulator import Call, Emulator, Fault, Reply, ScriptError, read_script
from agentkit.emulator.script import attempts
from tests.emulator.plain import plain


async def say(emulator: Emulator, *texts: str, **body: Any) -> httpx2.Response:
    """Ask with a conversation of alternating user and assistant messages."""
    roles = ("user", "assistant")
    messages = [
        {"role": roles[at % 2], "content": text, **({"reasoning_content": ""} if at % 2 else {})}
        for at, text in enumerate(texts)
    ]
    async with plain() as http:
        return await http.post(
            f"{emulator.base_url}/chat/completions", json={"model": "m", "messages": messages, **body}
        )


async def text(emulator: Emulator, *texts: str) -> str:
    found: str = (await say(emulator, *texts)).json()["choices"][0]["message"]["content"]
    return found


@pytest.mark.anyio
async def test_conversation_and_position_choose_the_turn() -> None:
    script = {"a": [Reply("a0"), Reply("a1")], "*": [Reply("any")]}
    async with Emulator(script) as emulator:
        assert await text(emulator, "a", "a0", "more") == "a1"
        assert await text(emulator, "a") == "a0"
        assert await text(emulator, "b") == "any"
        assert await text(emulator, "a") == "a0"


@pytest.mark.anyio
async def test_attempts_follow_each_other_and_the_last_repeats() -> None:
    async with Emulator({"*": [[Fault(503), Reply("one"), Reply("two")]]}) as emulator:
        assert (await say(emulator, "a")).status_code == 503
        assert [await text(emulator, "a") for _ in range(3)] == ["one", "two", "two"]
        assert (await say(emulator, "b")).status_code == 503, "each conversation has its own attempts"


@pytest.mark.anyio
async def test_a_script_that_ends_says_so() -> None:
    async with Emulator({"a": [Reply("a0")]}) as emulator:
        for texts in (("a", "a0", "more"), ("b",)):
            error = (await say(emulator, *texts)).json()["error"]
            assert (error["type"], error["code"]) == ("emulator_error", "script_ended")
            assert f"no turn {len(texts) // 2} for {texts[0]!r}" in error["message"]


@pytest.mark.anyio
async def test_a_function_that_raises_is_told_to_the_client() -> None:
    def play(_request: dict[str, Any]) -> Reply:
        raise LookupError("no such order")

    async with Emulator(play) as emulator:
        response = await say(emulator, "a")
        assert response.status_code == 500
        assert "LookupError('no such order')" in response.json()["error"]["message"]
        assert emulator.counts.by_status == {500: 1}
        assert emulator.requests[0].error == "LookupError('no such order')"


@pytest.mark.anyio
async def test_without_a_script_it_says_who_it_is() -> None:
    async with Emulator() as emulator:
        assert "emulator, not a model" in await text(emulator, "hello")
        assert "emulator, not a model" in await text(emulator, "hello", "x", "again")


@pytest.mark.anyio
async def test_ids_follow_from_the_place() -> None:
    script = {"*": [Reply(calls=[Call("f"), Call("g"), Call("h", id="own")])]}

    async def ids(text: str) -> list[str]:
        async with Emulator(script) as emulator:
            message = (await say(emulator, text)).json()["choices"][0]["message"]
            return [call["id"] for call in message["tool_calls"]]

    first = await ids("a")
    assert first == await ids("a")
    assert first[0].startswith("call_00_")
    assert first[2] == "own"
    assert len({*first, *await ids("b")}) == 5


@pytest.mark.anyio
async def test_the_first_user_message_may_have_parts() -> None:
    async with Emulator({"ab": [Reply("parts")]}) as emulator, plain() as http:
        parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "b"}]
        body = {"model": "m", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": parts}]}
        response = await http.post(f"{emulator.base_url}/chat/completions", json=body)
        assert response.json()["choices"][0]["message"]["content"] == "parts"


def test_arguments_are_raw_text_or_compact_json() -> None:
    assert Call("f", '{"a" :1').raw == '{"a" :1'
    assert Call("f", {"a": [1, "é"]}).raw == '{"a":[1,"é"]}'


def test_a_script_file_holds_the_same() -> None:
    file = {
        "hi": [
            {"reasoning": "r", "calls": [{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": "{"}]},
            [{"status": 429, "headers": {"Retry-After": "1"}}, {"content": "x", "quirks": ["crlf"], "delay": 1}],
        ],
        "*": [],
    }
    script = read_script(json.dumps(file))
    assert script == {
        "hi": (
            Reply(reasoning="r", calls=[Call("f", {"a": 1}), Call("g", "{")]),
            (Fault(429, headers={"Retry-After": "1"}), Reply("x", quirks=["crlf"], delay=1)),
        ),
        "*": (),
    }
    assert attempts(script, "hi", 1)[0] == Fault(429, headers={"Retry-After": "1"})
    assert attempts(script, "other", 0) == ()


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("{", "not JSON"),
        ("[]", "a script is an object"),
        ('{"a": {}}', "a script is an object"),
        ('{"a": [[]]}', "'a', turn 0: a list of attempts is not empty"),
        ('{"a": ["x"]}', "'a', turn 0: a reply is an object"),
        ('{"a": [{"text": "x"}]}', "a reply has no text; its fields are content, reasoning, calls, finish_reason,"),
        ('{"a": [{"calls": [{"name": "f", "args": {}}]}]}', "a call has no args; its fields are name, arguments, id"),
        ('{"a": [{}, [{}, {"chunk": "3"}]]}', "'a', turn 1, attempt 1: chunk cannot be '3'"),
        ('{"a": [{"calls": [{"arguments": {}}]}]}', "'a', turn 0, call 0: "),
        ('{"a": [{"calls": ["f"]}]}', "'a', turn 0, call 0: a call is an object"),
        ('{"a": [{"status": "429"}]}', "status cannot be '429'"),
        ('{"a": [{"quirks": ["loud"]}]}', "unknown quirks ['loud']"),
        ('{"a": [{"usage_at": "end"}]}', "usage_at"),
        ('{"a": [{"chunk": -1}]}', "not negative"),
    ],
)
def test_what_cannot_be_played_is_named(file: str, why: str) -> None:
    with pytest.raises(ScriptError, match=re.escape(why)):
        read_script(file)


def test_an_unknown_contract_names_the_known() -> None:
    with pytest.raises(ValueError, match="deepseek-v4-measured"):
        Emulator(contract="deepseek-v5")
