"""`show` tells, request by request, what became of old reasoning: as it came, a placeholder, or left out, and why."""

from collections.abc import Callable, Sequence
from typing import Any

import anyio

from agentkit import Agent, Model, Session, SQLiteJournal, tool
from agentkit.cli.sentback import SentBack
from agentkit.emulator import Call, Emulator, Reply

Type = Callable[..., Any]
LOOK = Call("look", {"at": "it"})


@tool(effect="read")
def look(at: str) -> str:
    """Look at something."""
    return f"{at} is red"


def agent(url: str, contract: str) -> Agent[object]:
    return Agent(Model("m", base_url=url, contract=contract), tools=[look], instructions="Be brief.")


def playing(replies: Sequence[Reply]) -> Callable[[dict[str, Any]], Reply]:
    """Play replies one after the other, whatever is asked."""
    left = iter(replies)
    return lambda _: next(left)


async def held(*talks: tuple[str, Sequence[Reply], Sequence[str]]) -> None:
    """Hold one session, with one emulated service after the other."""
    for contract, replies, texts in talks:
        async with (
            Emulator(playing(replies), contract=contract) as server,
            Session(agent(server.base_url, contract), "s", journal=SQLiteJournal("agentkit.db")) as session,
        ):
            for text in texts:
                assert (await session.run(text)).status == "completed"


def told(agentkit: Type) -> list[str]:
    page = agentkit("show", "s").out
    return [line.strip() for line in page.splitlines() if "reasoning sent back" in line]


def test_all_of_it_as_it_came(agentkit: Type) -> None:
    replies = [Reply(reasoning="A.", calls=[LOOK]), Reply("red", reasoning="B."), Reply("yes", reasoning="C.")]
    anyio.run(held, ("deepseek-v4", replies, ["look", "sure?"]))
    assert told(agentkit) == [
        "· reasoning sent back: 1 as it came",
        "· reasoning sent back: 2 as they came",
    ]


def test_what_a_new_question_leaves_out(agentkit: Type) -> None:
    replies = [
        Reply(reasoning="A.", calls=[LOOK]),
        Reply("red", reasoning="B."),
        Reply(reasoning="C.", calls=[LOOK]),
        Reply("still red", reasoning="D."),
    ]
    anyio.run(held, ("deepseek-v3.2", replies, ["look", "look again"]))
    assert told(agentkit) == [
        "· reasoning sent back: 1 as it came",
        "· reasoning sent back: 2 dropped (messages 2, 4: this service wants it for one turn only)",
        "· reasoning sent back: 1 as it came, 2 dropped (messages 2, 4: this service wants it for one turn only)",
    ]


def test_a_placeholder_says_why(agentkit: Type) -> None:
    replies = [Reply(reasoning=None, calls=[LOOK]), Reply("red", reasoning="B."), Reply("yes", reasoning="C.")]
    anyio.run(held, ("deepseek-v4", replies, ["look", "sure?"]))
    why = "1 placeholder (message 2: there was none, and the contract asks for it)"
    assert told(agentkit) == [
        f"· reasoning sent back: {why}",
        f"· reasoning sent back: 1 as it came, {why}",
    ]


def test_what_was_decided_once_holds_until_the_message_is_sent_anew(agentkit: Type) -> None:
    replies = [Reply(reasoning=None, calls=[LOOK]), Reply("red", reasoning="B."), Reply("yes", reasoning="C.")]
    anyio.run(held, ("deepseek-v3.2", replies, ["look", "sure?"]))
    assert told(agentkit) == [
        "· reasoning sent back: 1 placeholder (message 2: there was none, and the contract asks for it)",
        "· reasoning sent back: 1 dropped (message 4: this service wants it for one turn only)",
    ]


def test_another_model_is_told_and_what_it_gets(agentkit: Type) -> None:
    first = ("deepseek-v4", [Reply("red", reasoning="A.")], ["look"])
    second = ("generic", [Reply("blue", reasoning="B."), Reply("yes", reasoning="C.")], ["look", "sure?"])
    anyio.run(held, first, second)
    lines = told(agentkit)
    assert lines[0].startswith("· reasoning sent back: 1 dropped (message 2: another model")
    assert lines[1].startswith("· reasoning sent back: 1 as it came, 1 dropped (message 2: another model")
    assert '! the agent changed: model contract.id was "deepseek-v4", is "generic" now' in agentkit("show", "s").out


def test_a_session_that_cannot_be_folded_is_followed_all_the_same() -> None:
    anyio.run(held, ("deepseek-v4", [Reply("red", reasoning="A."), Reply("yes", reasoning="B.")], ["look", "sure?"]))

    async def without_its_first_event() -> list[str]:
        back = SentBack()
        async with SQLiteJournal("agentkit.db") as journal:
            told = [back.take(record) async for record in journal.read("s") if record.seq > 1]
        return [each.words for each in told if each is not None]

    assert anyio.run(without_its_first_event) == []
