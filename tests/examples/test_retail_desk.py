"""114 real customers through real HTTP, the stream and the loop: the shop is right, and the thinking is exact."""

import json
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from agentkit import Agent, Model, Result, Session, SQLiteJournal, replay
from agentkit.emulator import Emulator, Reply, Seen
from agentkit.events import AnyEvent, CallRefused, ToolFinished
from examples.retail.desk import desk
from examples.retail.load import load
from examples.retail.records import Books
from examples.retail.shop import Shop
from tests.examples.retail_tasks import REAL, TASKS, broken_off, expected, left_behind, needs_real, turns

pytestmark = [needs_real, pytest.mark.anyio]


@dataclass(frozen=True)
class Way:
    """How a task is played."""

    streamed: bool
    per_step: int

    def __str__(self) -> str:
        return f"{'streamed' if self.streamed else 'whole'}, {self.per_step} a step"


WAYS = [Way(streamed, per_step) for streamed in (True, False) for per_step in (1, 4)]


def opening(task: dict[str, Any], way: Way) -> str:
    """The first message: it names the conversation in the emulator's script."""
    return f"{task['customer']['reason_for_call']} (task {task['id']}, {way})"


def scripted(task: dict[str, Any], way: Way) -> Sequence[Reply | tuple[Reply, Reply]]:
    luck = Random(opening(task, way))  # noqa: S311 - chosen, not secret
    replies = turns(task, way.per_step, luck)
    if not way.streamed and luck.random() < 0.9:
        return replies  # a body cut off is asked for again after a wait, so that is done for some only
    broken = luck.randrange(len(replies))
    return [
        broken_off(luck, reply, streamed=way.streamed) if at == broken else reply for at, reply in enumerate(replies)
    ]


@dataclass(frozen=True)
class Place:
    """Where customers come: one service and one journal for all, the shop's books as they are in the morning."""

    service: Emulator
    journal: Path
    books: Books
    file: Path
    agent: Agent[Shop]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def place(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    here = tmp_path_factory.mktemp("desk")
    books: Books = json.loads((REAL / "db.json").read_text())
    script = {opening(task, way): scripted(task, way) for task in TASKS for way in WAYS}
    async with Emulator(script) as service:
        model = Model("deepseek-flash", base_url=service.base_url, contract="deepseek-v4")
        file = load(here / "shop.db", books).path
        yield Place(service, here / "journal.db", books, file, desk(model, approval=False))


@pytest.fixture(scope="module")
def today() -> Agent[Shop]:
    """The agent a replay gets: it has neither key nor address, so nothing can be asked of a model."""
    return desk("deepseek-flash", approval=False)


@pytest.fixture
def shop(place: Place, tmp_path: Path) -> Iterator[Shop]:
    mine = Shop(Path(shutil.copy(place.file, tmp_path)))
    yield mine
    mine.path.unlink()  # a megabyte each


async def said(session: Session[Shop, str], message: str, *, id: str, streamed: bool) -> Result[str]:
    if not streamed:
        return await session.run(message, id=id)
    async with session.stream(message, id=id) as stream:
        return await stream.result()


def assert_exact(seen: Sequence[Seen]) -> None:
    """All that was sent came back in every request, byte for byte."""
    assert {request.status for request in seen} == {200}
    for request in seen:
        for back in request.returned:
            assert not back.missing, (request.number, back)
            assert back.reasoning in {"exact", "empty"}, (request.number, back)
            assert (back.lost, back.content, back.arguments, back.ids) == (False, "exact", "exact", "exact")


def refused(events: Sequence[AnyEvent]) -> list[str]:
    """The calls that did not do their work, in the order in which the model asked."""
    keys = [e.call for e in events if isinstance(e, CallRefused) or (isinstance(e, ToolFinished) and e.failed)]
    return sorted(keys, key=lambda key: [int(number) for number in key.split(".")])


def results(request: Seen) -> list[str]:
    """What the model was told of its calls."""
    assert request.body is not None
    return [message["content"] for message in request.body["messages"] if message["role"] == "tool"]


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task["id"])
async def test_a_real_customer(task: dict[str, Any], way: Way, place: Place, shop: Shop, today: Agent[Shop]) -> None:
    before = len(place.service.requests)
    message = opening(task, way)
    async with Session(place.agent, message, journal=SQLiteJournal(place.journal), deps=shop) as session:
        first = await said(session, message, id="1", streamed=way.streamed)
        second = await said(session, "And is that all?", id="2", streamed=way.streamed)
        events = [record.event async for record in session.events()]

    assert (first.status, second.status) == ("completed", "completed")
    assert first.output.startswith("Done.")
    assert left_behind(shop, place.books) == expected(task)

    seen = place.service.requests[before:]
    assert_exact(seen)
    told = results(seen[-1])
    assert len(told) == len(task["calls"])
    keys = [f"1.{at // way.per_step + 1}.{at % way.per_step}" for at in range(len(told))]
    assert refused(events) == [key for key, asked in zip(keys, task["calls"], strict=True) if asked["error"]]

    again = await replay(SQLiteJournal(place.journal), message, today)
    assert again.same, again.difference
    assert len({request.raw for request in seen}) == len(scripted(task, way)) - 1  # an attempt sends what the last sent
