"""Pictures and files that tools return, from the tool to the wire: as they are, or a text in their place."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import BaseModel

from agentkit import Agent, MemoryJournal, Model, Session, replay, tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.events import ModelResponded, ToolFinished
from agentkit.journal.export import export, import_
from agentkit.messages import File, Image, Stored, Text
from agentkit.redaction import Redaction

pytestmark = pytest.mark.anyio

SMALL = "data:image/png;base64,iVBORw0KGgo="
LARGE = "data:image/png;base64," + "A" * 100_000
PDF = "data:application/pdf;base64," + "B" * 100_000


@tool(effect="read")
async def look(what: str) -> Sequence[object]:
    """Look at something."""
    return [f"{what}: ", Image(LARGE if what == "large" else SMALL), File("a.pdf", PDF), Text(" that is all")]


def asks(what: str) -> list[Reply]:
    return [Reply(None, "I look.", (Call("look", {"what": what}),)), Reply("Seen.", "so"), Reply("Still.", "so")]


def agent(row: str, server: Emulator) -> Agent[object, str]:
    return Agent(Model("m", base_url=server.base_url, contract=row, api_key="k"), tools=[look])


def result_in(body: Any) -> Any:
    """Return the content of the one result of a tool in a request."""
    if "input" in body:
        return next(item["output"] for item in body["input"] if item.get("type") == "function_call_output")
    return next(message["content"] for message in body["messages"] if message["role"] == "tool")


@pytest.mark.parametrize("what", ["small", "large"])
async def test_where_the_row_takes_them_they_are_sent_and_large_ones_are_kept_apart(what: str) -> None:
    journal = MemoryJournal()
    async with Emulator({"*": asks(what)}, contract="openai-responses") as server:
        asked = agent("openai-responses", server)
        async with Session(asked, "s", journal=journal) as session:
            assert (await session.run("look")).output == "Seen."
            assert (await session.run("and now?")).output == "Still."
            records = [record async for record in session.events()]
        told = [result_in(seen.body) for seen in server.requests[1:]]
        assert (await replay(journal, "s", asked, live="read")).same  # the same bytes, and the tool returns the same
    url = LARGE if what == "large" else SMALL
    assert told == [
        [
            {"type": "input_text", "text": f"{what}: "},
            {"type": "input_image", "image_url": url, "detail": "auto"},
            {"type": "input_file", "filename": "a.pdf", "file_data": PDF},
            {"type": "input_text", "text": " that is all"},
        ]
    ] * len(told)
    assert len(told) == 2
    parts = next(record.event.parts for record in records if isinstance(record.event, ToolFinished))
    assert [part.kind for part in parts if isinstance(part, Stored)] == (
        ["image", "file"] if what == "large" else ["file"]
    )
    assert not [each for record in records for each in decided(record.event)]


@pytest.mark.parametrize("row", ["openai", "vllm", "deepseek-v4", "mistral"])
async def test_elsewhere_a_text_stands_in_their_place_and_it_is_recorded(row: str) -> None:
    async with Emulator({"*": asks("large")}, contract=row) as server:
        async with Session(agent(row, server), "s", journal=MemoryJournal()) as session:
            assert (await session.run("look")).output == "Seen."
            records = [record async for record in session.events()]
        [told] = [result_in(seen.body) for seen in server.requests[1:]]
    assert told == (
        "large: [a picture: left out, because this model's service takes none in the result of a tool]"
        "[the file a.pdf: left out, because this model's service takes none in the result of a tool] that is all"
    )
    [why] = [each for record in records for each in decided(record.event)]
    assert why.endswith(
        "placeholder, this service does not take all that the tool returned: a text tells what was left out"
    )


async def test_an_imported_picture_is_exact_whatever_the_rules_find_in_it() -> None:
    journal = MemoryJournal()
    async with Emulator({"*": asks("large")}, contract="openai-responses") as server:
        async with Session(agent("openai-responses", server), "s", journal=journal) as session:
            await session.run("look")
        there = MemoryJournal(redaction=Redaction([(re.compile("A{9}|large"), "[…]")]))
        await import_(there, export(journal, "s"), uid="u")
        async with Session(agent("openai-responses", server), "s", journal=there) as session:
            await session.run("and now?")
        told = result_in(server.requests[-1].body)
    assert (told[0]["text"], told[1]["image_url"]) == ("[…]: ", LARGE)


def decided(event: object) -> tuple[str, ...]:
    return event.sent.decisions if isinstance(event, ModelResponded) else ()


class Node(BaseModel):
    """A place in a tree."""

    name: str
    children: list["Node"] = []


@tool(effect="read")
async def count(tree: Node) -> int:
    """Count the places of a tree."""
    return 1 + sum([await count(each) for each in tree.children])


TREE = {"tree": {"name": "a", "children": [{"name": "b", "children": [{"name": "c"}]}]}}


@pytest.mark.parametrize("row", ["gemini-openai", "openai"])
async def test_a_recursive_schema_is_sent_as_the_row_wants_it_and_checked_whole(row: str) -> None:
    script = [Reply(None, "I count.", (Call("count", TREE),)), Reply("Three.", "so")]
    async with Emulator({"*": script}, contract=row) as server:
        asked: Agent[object, str] = Agent(
            Model("m", base_url=server.base_url, contract=row, api_key="k"), tools=[count]
        )
        async with Session(asked, "s", journal=MemoryJournal()) as session:
            assert (await session.run("count")).output == "Three."
        bodies: list[Any] = [seen.body for seen in server.requests]
    schemas = [body["tools"][0]["function"]["parameters"] for body in bodies]
    assert ("$defs" in schemas[0]) == (row == "openai")
    assert schemas[0] == schemas[1]
    assert result_in(bodies[1]) == "3"
