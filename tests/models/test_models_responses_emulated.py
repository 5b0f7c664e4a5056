"""Whole sessions on the Responses wire against the judge: nothing is lost, streamed or not, now or in a new process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, MemoryJournal, Model, Session, SQLiteJournal, tool
from agentkit.core.contract import Contract
from agentkit.core.messages import AssistantMessage, Message, Text, UserMessage
from agentkit.core.request import Sending
from agentkit.emulator import Call, Emulator, Reply
from agentkit.errors import ContractViolation
from agentkit.models.base import Answered, Body, Broken, Unusable
from tests.models.responses_rows import READABLE, SEALED

pytestmark = pytest.mark.anyio

NASTY = ' \u2028\n“quoted” \\n \\" 😀 \ud83d \x85\t '
ROWS: dict[str, Contract] = {"openai-responses": SEALED, "xai-responses": SEALED, "deepseek-responses": READABLE}
QUIRKS = ["none", "arguments_null", "whole_arguments", "calls_interleaved", "split_surrogates", "crlf"]


@tool(effect="read")
async def find(q: str) -> str:
    """Look something up."""
    return f"found {q}"


@tool(effect="read")
async def note(text: str) -> str:
    """Take a note."""
    return f"noted {len(text)}"


def script(**how: Any) -> dict[str, Sequence[Reply]]:
    two = (Call("find", '{"q" : "é\u2028\\n"}'), Call("note", {"text": NASTY}))
    one = (Call("find", {"q": "again"}),)
    return {
        "*": [
            Reply("I look.", NASTY, two, **how),
            Reply(None, "why", one, **how),
            Reply(None, "so", two, **how),
            Reply(NASTY, "hm", one, **how),
            Reply(f"Here: {NASTY}", "done thinking", **how),
            Reply(None, "more", one, **how),
            Reply("Done.", NASTY, **how),
        ]
    }


def agent(row: str, server: Emulator) -> Agent[None, str]:
    model = Model("m", base_url=server.base_url, contract=ROWS[row])
    return Agent(model, instructions="Help.", tools=(find, note))


def losses(server: Emulator) -> list[int]:
    counts = server.counts
    return [counts.reasoning_missing, counts.reasoning_altered, counts.arguments_altered, counts.content_altered]


async def run(session: Session[None, str], said: str, *, stream: bool) -> str:
    if not stream:
        return (await session.run(said)).output
    shown = ""
    async with session.stream(said) as events:
        async for event in events:
            shown += getattr(event, "text", "") if getattr(event, "kind", "") == "text" else ""
        result = await events.result()
    assert result.output in shown
    return result.output


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("quirk", QUIRKS)
@pytest.mark.parametrize("row", ROWS)
async def test_a_session_loses_nothing(row: str, quirk: str, stream: bool) -> None:  # noqa: FBT001
    how = {"quirks": [] if quirk == "none" else [quirk], "keep_alives": 2}
    async with (
        Emulator(script(**how), contract=row) as server,
        Session(agent(row, server), "s", journal=MemoryJournal()) as session,
    ):
        assert await run(session, "Hello", stream=stream) == f"Here: {NASTY}"
        assert await run(session, "More", stream=stream) == "Done."
        assert (server.counts.by_status, losses(server)) == ({200: 7}, [0, 0, 0, 0])
        assert len(server.requests[-1].returned) == 6


@pytest.mark.parametrize("row", ROWS)
async def test_a_new_process_sends_the_same_bytes(row: str, tmp_path: Path) -> None:
    async with Emulator(script(), contract=row) as server:
        async with Session(agent(row, server), "s", journal=MemoryJournal()) as session:
            await session.run("Hello")
            await session.run("More")
        for said in ("Hello", "More"):
            async with Session(agent(row, server), "s", journal=SQLiteJournal(tmp_path / "s.db")) as session:
                await session.run(said)
        assert losses(server) == [0, 0, 0, 0]
        raws = [seen.raw for seen in server.requests]
    assert raws[:7] == raws[7:]
    assert [raw.startswith(raws[at][: raws[at].index(b'],"model"')]) for at, raw in enumerate(raws[1:7])] == [True] * 6


@pytest.mark.parametrize("row", ["openai-responses", "deepseek-responses"])
async def test_a_session_that_began_elsewhere_goes_on_here(row: str, tmp_path: Path) -> None:
    turn = [Reply("I look.", NASTY, [Call("find", {"q": "x"})]), Reply("Here.", "so"), Reply("Done.", "hm")]
    for first, second in ((None, row), (row, None)):
        path = tmp_path / f"{first}.db"
        for at, name in enumerate((first, second)):
            async with Emulator({"*": turn}, contract=name or "deepseek-v4") as server:
                kept = (
                    agent(name, server)
                    if name
                    else Agent(
                        Model("m", base_url=server.base_url, contract="deepseek-v4"),
                        instructions="Help.",
                        tools=(find, note),
                    )
                )
                async with Session(kept, "s", journal=SQLiteJournal(path)) as session:
                    assert (await session.run(f"turn {at}")).output == ("Here." if at == 0 else "Done.")
                assert set(server.counts.by_status) == {200}


async def test_lost_reasoning_is_a_refusal_that_says_so() -> None:
    row = READABLE.model_copy(
        update={"error_match": READABLE.error_match.model_copy(update={"reasoning": ("must be passed back",)})}
    )
    async with Emulator({"*": [Reply("Done.", "hm")]}, contract="deepseek-responses") as server:
        model = Model("m", base_url=server.base_url, contract=row)
        lost = AssistantMessage("I look.")
        tools = b'{"model":"m","tools":[{"type":"function","name":"find","parameters":{"type":"object"}}]}'
        messages: list[Message] = [UserMessage((Text("a"),)), lost, UserMessage((Text("b"),))]
        body = Body(tools, [model.encode(Sending(message), row) for message in messages])
        with pytest.raises(ContractViolation, match="`reasoning`"):
            await model.call(body, row, None)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("row", ROWS)
async def test_answers_that_break_off(row: str, stream: bool) -> None:  # noqa: FBT001
    plays = {
        "cut": Reply("x" * 60, "hm", cut_after=9),
        "failed": Reply("half", "hm", finish_reason="insufficient_system_resource"),
        "long": Reply("half", "hm", finish_reason="length"),
        "filtered": Reply("half", "hm", finish_reason="content_filter"),
        "fine": Reply("whole", "hm"),
    }
    async with Emulator({name: [reply] for name, reply in plays.items()}, contract=row) as server:
        model = Model("m", base_url=server.base_url, contract=ROWS[row])
        ends = {}
        for name in plays:
            body = Body(b'{"model":"m"}', [model.encode(Sending(UserMessage((Text(name),))), ROWS[row])])
            ends[name] = await model.call(body, ROWS[row], list[Any]().append if stream else None)
    assert isinstance(ends["cut"], Broken)
    assert isinstance(ends["failed"], Broken)
    assert "ran out of resources" in ends["failed"].why
    assert ends["failed"].text == "half"
    fine, *unusable = ends["fine"], ends["long"], ends["filtered"]
    assert [end.kind for end in unusable if isinstance(end, Unusable)] == ["cut_off", "filtered"]
    assert isinstance(fine, Answered)
    assert fine.usage is not None
    assert fine.usage.input_tokens > 0
    assert fine.usage.output_tokens > 0
