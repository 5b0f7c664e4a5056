"""How responses travel: events, endings and quirks; what the side log saw; the cache over a long session."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from agentkit.emulator import Call, Emulator, Reply
from agentkit.emulator.responses.seal import Kind, item_id, reasoning_of, seal, unseal
from tests.emulator.plain import plain

TOOLS = [{"type": "function", "name": "find"}]
USER = {"role": "user", "content": "hi"}
ROWS = ["openai-responses", "xai-responses", "deepseek-responses"]
FULL = Reply(
    "text 𝄞 text",
    reasoning="thinking 𝄞 hard",
    calls=[Call("find", {"a": "𝄞" * 4}, "call_1"), Call("find", '{"broken', "call_2")],
)

Event = dict[str, Any]
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


class Client:
    def __init__(self, emulator: Emulator, http: httpx2.AsyncClient) -> None:
        self.emulator = emulator
        self.http = http

    async def post(self, *items: Any, **body: Any) -> httpx2.Response:
        asked = {"model": "m", "input": items, "tools": TOOLS, "store": False, **body}
        return await self.http.post(f"{self.emulator.base_url}/responses", json=asked)

    async def whole(self, *items: Any, **body: Any) -> dict[str, Any]:
        response = await self.post(*items, **body)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def events(self, *items: Any, **body: Any) -> list[Event]:
        return parsed((await self.post(*items, stream=True, **body)).text)


@asynccontextmanager
async def client(contract: str, *turns: Any, **options: Any) -> AsyncIterator[Client]:
    async with Emulator({"*": turns}, contract=contract, **options) as emulator, plain() as http:
        yield Client(emulator, http)


def parsed(text: str) -> list[Event]:
    """Read a stream of named events; the name and the type are one."""
    found = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            name, data = lines
            event = json.loads(data.removeprefix("data: "))
            assert name == f"event: {event['type']}"
            found.append(event)
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    return found


def joined(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def assembled(events: list[Event]) -> list[dict[str, Any]]:
    """Put the items together from nothing but deltas and final blobs."""
    items: dict[int, dict[str, Any]] = {}
    for event in events:
        kind, at = event["type"], event.get("output_index", -1)
        if kind == "response.output_item.added":
            items[at] = {**event["item"], "told": ""}
        elif kind.endswith(("reasoning_text.delta", "output_text.delta", "arguments.delta")):
            assert event["item_id"] == items[at]["id"]
            items[at]["told"] += event["delta"]
        elif kind == "response.output_item.done":
            told = joined(items[at]["told"])
            items[at] = event["item"]
            said = event["item"].get("content") or [{"text": event["item"].get("arguments", "")}]
            assert told == said[0]["text"]
    return [items[at] for at in sorted(items)]


@pytest.mark.anyio
@pytest.mark.parametrize("contract", ROWS)
async def test_a_stream_tells_what_the_whole_answer_tells(contract: str) -> None:
    variants = [
        FULL,
        replace(FULL, chunk=1, quirks=["split_surrogates"]),
        replace(FULL, chunk=0, quirks=["crlf"]),
        replace(FULL, keep_alives=3),
        replace(FULL, quirks=["arguments_null"]),
        replace(FULL, quirks=["calls_interleaved"], chunk=2),
    ]
    async with client(contract, [*(variant for variant in variants for _ in range(2))]) as c:
        body: dict[str, Any] = {}
        for _ in variants:
            body = await c.whole(USER)
            events = await c.events(USER)
            assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
            assert [event["response"]["output"] for event in events[:2]] == [[], []]
            last = events[-1]
            assert last["type"] == "response.completed"
            assert assembled(events) == last["response"]["output"] == body["output"]
            assert body["status"] == last["response"]["status"] == "completed"
        kinds = [item["type"] for item in body["output"]]
        assert kinds == ["reasoning", "message", "function_call", "function_call"]
        assert [item["arguments"] for item in body["output"][2:]] == ['{"a":"𝄞𝄞𝄞𝄞"}', '{"broken']
        assert c.emulator.counts.by_status == {200: 12}


@pytest.mark.anyio
@pytest.mark.parametrize("contract", ROWS)
@pytest.mark.parametrize("finish", [None, "length", "insufficient_system_resource"])
async def test_the_types_of_the_official_client_take_every_event(contract: str, finish: str | None) -> None:
    reply = replace(FULL, finish_reason=finish)
    async with client(contract, [reply, reply, replace(reply, quirks=["error_event"])]) as c:
        wanted = {"reasoning": {"effort": "high", "summary": "auto"}}
        body = await c.whole(USER, **wanted)
        events = [*await c.events(USER, **wanted), *await c.events(USER)]
        for response in (body, *(event["response"] for event in events if "response" in event)):
            # Only the service whose types these are tells what it wrote to its cache.
            if response["usage"] and contract != "openai-responses":
                response["usage"]["input_tokens_details"]["cache_write_tokens"] = 0
        Response.model_validate(body)
        for event in events:
            EVENT.validate_python(event)
        assert len({event["type"] for event in events}) > 12


@pytest.mark.anyio
async def test_no_done_and_comments() -> None:
    async with client("deepseek-responses", replace(FULL, keep_alives=2)) as c:
        text = (await c.post(USER, stream=True)).text
        assert text.startswith(": keep-alive\n\n: keep-alive\n\nevent: response.created\n")
        assert "[DONE]" not in text
        assert (await c.post(USER)).content.startswith(b"\n\n{")


@pytest.mark.anyio
async def test_reasoning_text_streams_in_the_open_form_only() -> None:
    wanted = {"reasoning": {"effort": "high", "summary": "auto"}}
    async with client("deepseek-responses", FULL) as c:
        kinds = {event["type"] for event in await c.events(USER, **wanted)}
        assert {"response.reasoning_text.delta", "response.reasoning_text.done"} <= kinds
        assert not any("summary" in kind for kind in kinds)
    async with client("openai-responses", FULL) as c:
        events = await c.events(USER, **wanted)
        summary = "".join(e["delta"] for e in events if e["type"] == "response.reasoning_summary_text.delta")
        reasoning = events[-1]["response"]["output"][0]
        assert reasoning["summary"] == [{"type": "summary_text", "text": summary}]
        assert "thinking" not in json.dumps(events)
        assert not any(event["type"].startswith("response.reasoning_text") for event in events)
        opened = next(event["item"] for event in events if event["type"] == "response.output_item.added")
        assert opened["encrypted_content"] != reasoning["encrypted_content"], "final only when the item is done"
        plain = await c.events(USER)
        assert plain[-1]["response"]["output"][0]["summary"] == []


@pytest.mark.anyio
async def test_parallel_calls_may_alternate_and_arguments_may_come_whole() -> None:
    split = replace(FULL, quirks=["calls_interleaved"], chunk=2)
    null = replace(FULL, quirks=["arguments_null"])
    async with client("openai-responses", [split, replace(FULL, quirks=["whole_arguments"]), null]) as c:
        calls = [e for e in await c.events(USER) if e.get("output_index", 0) >= 2]
        assert [event["output_index"] for event in calls[:6]] == [2, 3, 2, 3, 2, 3]
        lump = [event for event in await c.events(USER) if "arguments" in event["type"]]
        kind = "response.function_call_arguments.done"
        assert [(event["type"], event["arguments"]) for event in lump] == [
            (kind, '{"a":"𝄞𝄞𝄞𝄞"}'),
            (kind, '{"broken'),
        ]
        begun = [event["item"] for event in await c.events(USER) if event["type"] == "response.output_item.added"]
        assert [item["arguments"] for item in begun if item["type"] == "function_call"] == [None, None]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("finish", "status", "why"),
    [
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
        ("insufficient_system_resource", "failed", None),
    ],
)
async def test_endings(finish: str, status: str, why: str | None) -> None:
    async with client("deepseek-responses", replace(FULL, finish_reason=finish)) as c:
        body = await c.whole(USER)
        last = (await c.events(USER))[-1]
        assert last["type"] == f"response.{status}"
        for response in (body, last["response"]):
            assert response["status"] == status
            assert response["incomplete_details"] == ({"reason": why} if why else None)
            assert (response["error"] is None) == (status != "failed")
            assert [item["status"] for item in response["output"]] == [*["completed"] * 3, "incomplete"]


@pytest.mark.anyio
async def test_usage() -> None:
    async with client("openai-responses", [FULL, FULL, replace(FULL, usage_at="absent")]) as c:
        for usage in ((await c.whole(USER))["usage"], (await c.events(USER))[-1]["response"]["usage"]):
            assert usage["input_tokens"] + usage["output_tokens"] == usage["total_tokens"]
            assert 0 < usage["output_tokens_details"]["reasoning_tokens"] < usage["output_tokens"]
            assert usage["input_tokens_details"] == {"cached_tokens": 0, "cache_write_tokens": 0}
        assert (await c.whole(USER))["usage"] is None
        assert (await c.events(USER))[-1]["response"]["usage"] is None
        assert (await c.events(USER))[0]["response"]["usage"] is None


@pytest.mark.anyio
async def test_accidents() -> None:
    turns = [replace(FULL, cut_after=4), replace(FULL, cut_after=30), replace(FULL, quirks=["error_event"])]
    async with client("openai-responses", [*turns, replace(FULL, hang_after=3), FULL]) as c:
        with pytest.raises(httpx2.RemoteProtocolError):
            await c.events(USER)
        with pytest.raises(httpx2.RemoteProtocolError):
            await c.whole(USER)
        failed = (await c.events(USER))[-1]
        assert (failed["type"], failed["code"]) == ("error", "server_error")
        with anyio.move_on_after(0.3) as waiting:
            await c.events(USER)
        assert waiting.cancelled_caught
        assert (await c.events(USER))[-1]["type"] == "response.completed"


@pytest.mark.anyio
async def test_an_error_in_the_place_of_an_answer() -> None:
    async with client("openai-responses", replace(FULL, quirks=["error_list"])) as c:
        assert isinstance((await c.post(USER)).json(), list)
        assert (await c.events(USER))[-1]["type"] == "error"


@pytest.mark.anyio
@pytest.mark.parametrize("contract", ROWS)
async def test_the_log_sees_what_was_lost(contract: str) -> None:
    async with client(contract, FULL, Reply("done")) as c:
        reasoning, text, *calls = (await c.whole(USER))["output"]
        outputs = [{"type": "function_call_output", "call_id": f"call_{n}", "output": "x"} for n in (1, 2)]
        reasoning = {name: value for name, value in reasoning.items() if name != "status"}
        await c.post(USER, reasoning, text, *calls, *outputs)
        [seen] = c.emulator.requests[-1].returned
        assert (seen.reasoning, seen.content, seen.arguments, seen.ids) == ("exact",) * 4
        counts = c.emulator.counts
        assert counts.reasoning_missing + counts.reasoning_altered + counts.content_altered == 0
        text["content"][0]["text"] += "!"
        calls[0]["arguments"] = "{}"
        bare = [{name: value for name, value in item.items() if name != "id"} for item in (text, *calls)]
        await c.post(USER, *bare, *outputs)
        [seen] = c.emulator.requests[-1].returned
        assert (seen.reasoning, seen.content, seen.arguments, seen.ids) == ("absent", "altered", "altered", "exact")
        assert seen.lost
        counts = c.emulator.counts
        assert (counts.reasoning_missing, counts.content_altered, counts.arguments_altered) == (1, 1, 1)


@pytest.mark.anyio
async def test_other_reasoning_that_the_service_made_is_altered_all_the_same() -> None:
    async with client("openai-responses", FULL, Reply("done")) as c:
        reasoning, *rest = (await c.whole(USER))["output"]
        outputs = [{"type": "function_call_output", "call_id": f"call_{n}", "output": "x"} for n in (1, 2)]
        swapped = {**reasoning, "encrypted_content": seal("another thought", "openai-responses")}
        assert (await c.post(USER, swapped, *rest, *outputs)).status_code == 200
        assert c.emulator.counts.reasoning_altered == 1


@pytest.mark.anyio
@pytest.mark.parametrize("contract", ROWS)
async def test_a_session_that_is_replayed_as_it_came_hits_all_but_its_tail(contract: str) -> None:
    turns = [
        Reply(
            "so " * 20,
            reasoning=f"thought {at} " * 50,
            calls=[Call("find", {"at": at, "call": n, "pad": "y" * 90}) for n in range(1 + at % 3)],
        )
        for at in range(20)
    ]
    async with client(contract, *turns, Reply("done", reasoning="all found"), cache_unit=64) as c:
        history: list[Any] = [{"role": "user", "content": "x" * 900}]
        stored = 0
        for at in range(21):
            response = (await c.events(*history, instructions="find it all"))[-1]["response"]
            usage = response["usage"]
            hit = usage["input_tokens_details"]["cached_tokens"]
            assert stored // 64 * 64 <= hit < usage["input_tokens"], at
            # Prompt and answer are rounded up apart.
            stored = usage["input_tokens"] + usage["output_tokens"] - 2
            history += [{k: v for k, v in item.items() if k != "status"} for item in response["output"]]
            calls = [item for item in response["output"] if item["type"] == "function_call"]
            history += [{"type": "function_call_output", "call_id": i["call_id"], "output": "r" * 40} for i in calls]
        counts = c.emulator.counts
        assert counts.by_status == {200: 21}
        assert counts.reasoning_missing + counts.reasoning_altered + counts.arguments_altered == 0
        assert len(c.emulator.requests[-1].returned) == 20
        assert all(seen.reasoning == "exact" for seen in c.emulator.requests[-1].returned)


@pytest.mark.anyio
async def test_another_process_reads_the_blobs_and_knows_the_ids() -> None:
    async with client("openai-responses", FULL, Reply("done")) as c:
        output = (await c.whole(USER))["output"]
    async with client("openai-responses", FULL, Reply("done")) as c:
        outputs = [{"type": "function_call_output", "call_id": f"call_{n}", "output": "x"} for n in (1, 2)]
        assert (await c.post(USER, *output[1:], *outputs)).status_code == 400
        assert (await c.post(USER, *output, *outputs)).status_code == 200
        [seen] = c.emulator.requests[-1].returned
        assert seen.reasoning == "exact"


@given(st.text(), st.integers(0, 200), st.characters())
def test_a_blob_stands_for_its_text_and_for_nothing_else(text: str, at: int, other: str) -> None:
    blob = seal(text, "one")
    assert unseal(blob, "one") == text
    assert unseal(blob, "two") is None
    touched = blob[: at % len(blob)] + other + blob[at % len(blob) + 1 :]
    assert touched == blob or unseal(touched, "one") is None


@given(st.text(), st.integers(0, 300), st.booleans())
def test_an_id_says_which_reasoning_it_came_with(answer: str, at: int, thought: bool) -> None:  # noqa: FBT001 # drawn
    reasoning = item_id("rs", "one", answer)
    kinds: tuple[Kind, ...] = ("fc", "msg")
    for kind in kinds:
        made = item_id(kind, "one", answer, at, thought=thought)
        assert len(made) <= 64
        assert reasoning_of(made, "one") == (reasoning if thought else None)
        assert reasoning_of(made, "two") is None
    assert reasoning_of(reasoning, "one") is None
