"""114 real customers through real HTTP, the stream and the loop: the shop is right, and the thinking is exact."""

import json
import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

from agentkit import Agent, Model, Result, Session, SQLiteJournal, replay
from agentkit.core.messages import text_of
from agentkit.emulator import Emulator, Reply, Seen
from agentkit.errors import ContractViolation
from agentkit.events import AnyEvent, CallRefused, ToolFinished
from examples.retail.desk import desk
from examples.retail.load import load
from examples.retail.shop import Shop
from tests.examples.retail_tasks import TASKS, broken_off, expected, left_behind, morning, needs_real, turns

pytestmark = [needs_real, pytest.mark.anyio]

ROOT = Path(__file__).parents[2]
MONEY = {each.name for each in desk("deepseek-flash").tools if each.declared.needs_approval}


@dataclass(frozen=True)
class Way:
    """How a task is played."""

    streamed: bool
    per_step: int
    place: str = "here"

    def __str__(self) -> str:
        return f"{'streamed' if self.streamed else 'whole'}, {self.per_step} a step, {self.place}"


WAYS = [Way(streamed, per_step) for streamed in (True, False) for per_step in (1, 4)]
TWO_PROCESSES = Way(streamed=True, per_step=4, place="in two processes")
CHANGED_DESK = Way(streamed=False, per_step=4, place="then the desk was changed")
APPROVED = [task for task in TASKS if any(asked["tool"] in MONEY for asked in task["calls"])][::9]


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
    """Where customers come: one service and one journal for all, and the shop as it is in the morning."""

    service: Emulator
    journal: Path
    file: Path
    model: Model
    agent: Agent[Shop]

    def shop(self, path: Path) -> Shop:
        return Shop(Path(shutil.copy(self.file, path)))


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def place(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:  # noqa: ARG001 - one loop for the module
    here = tmp_path_factory.mktemp("desk")
    script = {opening(task, way): scripted(task, way) for task in TASKS for way in (*WAYS, TWO_PROCESSES, CHANGED_DESK)}
    async with Emulator(script) as service:
        model = Model("deepseek-flash", base_url=service.base_url, contract="deepseek-v4")
        file = load(here / "shop.db", morning()[0]).path
        yield Place(service, here / "journal.db", file, model, desk(model, approval=False))


@pytest.fixture(scope="module")
def today() -> Agent[Shop]:
    """The agent a replay gets: it has neither key nor address, so nothing can be asked of a model."""
    return desk("deepseek-flash", approval=False)


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


def assert_right(task: dict[str, Any], seen: Sequence[Seen], events: Sequence[AnyEvent], per_step: int) -> None:
    """Every call has its result, in the order asked, and just the refused ones an error."""
    assert seen[-1].body is not None
    told = [message["content"] for message in seen[-1].body["messages"] if message["role"] == "tool"]
    assert len(told) == len(task["calls"])
    failed = {each.call: text_of(each.parts) for each in events if isinstance(each, ToolFinished) and each.failed}
    failed |= {each.call: text_of(each.parts) for each in events if isinstance(each, CallRefused)}
    keys = [f"1.{at // per_step + 1}.{at % per_step}" for at in range(len(told))]
    assert failed.keys() == {key for key, asked in zip(keys, task["calls"], strict=True) if asked["error"]}
    assert all(failed[key] == text for key, text in zip(keys, told, strict=True) if key in failed)


def every_fifth(way: Way) -> list[Any]:
    """All tasks in the way that has everything; of the others a fifth each, and the rest in the full suite."""
    whole, turn = way == Way(streamed=True, per_step=4), WAYS.index(way)
    marks = [() if whole or at % 5 == turn else pytest.mark.full for at in range(len(TASKS))]
    return [
        pytest.param(task, way, marks=mark, id=f"{task['id']}, {way}") for task, mark in zip(TASKS, marks, strict=True)
    ]


@pytest.mark.parametrize(("task", "way"), [each for way in WAYS for each in every_fifth(way)])
async def test_a_real_customer(
    task: dict[str, Any], way: Way, place: Place, today: Agent[Shop], tmp_path: Path
) -> None:
    before, message = len(place.service.requests), opening(task, way)
    shop = place.shop(tmp_path / "shop.db")
    async with Session(place.agent, message, journal=SQLiteJournal(place.journal), deps=shop) as session:
        first = await said(session, message, id="1", streamed=way.streamed)
        second = await said(session, "And is that all?", id="2", streamed=way.streamed)
        third = await said(session, "Goodbye.", id="3", streamed=way.streamed)
        events = [record.event async for record in session.events()]

    assert [each.status for each in (first, second, third)] == ["completed"] * 3
    assert first.output.startswith("Done.")
    assert left_behind(shop) == expected(task)
    shop.path.unlink()  # a megabyte each

    seen = place.service.requests[before:]
    assert_exact(seen)
    assert_right(task, seen, events, way.per_step)
    replies = scripted(task, way)
    assert len({request.raw for request in seen}) == len(replies)  # an attempt sends what the one before it sent
    assert len(seen) == len(replies) + sum(isinstance(reply, tuple) for reply in replies)
    again = await replay(SQLiteJournal(place.journal), message, today)
    assert again.same, again.difference


async def test_a_new_process_approves_and_goes_on(place: Place, today: Agent[Shop], tmp_path: Path) -> None:
    before = len(place.service.requests)
    agent = desk(place.model, approval=True)
    customers = []
    for task in APPROVED:
        message = opening(task, TWO_PROCESSES)
        shop = place.shop(tmp_path / f"{task['id']}.db")
        async with Session(agent, message, journal=SQLiteJournal(place.journal), deps=shop) as session:
            waiting = await said(session, message, id="1", streamed=True)
        assert {approval.tool for approval in waiting.approvals} <= MONEY
        assert waiting.status == "waiting"
        customers.append({"id": message, "shop": str(shop.path), "messages": [message, "Yes?", "Goodbye."]})

    work = {"journal": str(place.journal), "base_url": place.service.base_url, "customers": customers}
    program = [sys.executable, "-m", "tests.examples.retail_process", json.dumps(work)]
    ended = await anyio.run_process(program, cwd=ROOT, stderr=None)
    assert ended.stdout.decode().split() == ["ready", *["completed"] * len(APPROVED)]

    assert_exact(place.service.requests[before:])
    for task, customer in zip(APPROVED, customers, strict=True):
        seen = [each for each in place.service.requests[before:] if each.conversation == customer["id"]]
        session = Session(today, str(customer["id"]), journal=SQLiteJournal(place.journal), deps=place.shop(tmp_path))
        async with session:
            assert_right(task, seen, [record.event async for record in session.events()], TWO_PROCESSES.per_step)
        assert left_behind(Shop(Path(str(customer["shop"])))) == expected(task)
        again = await replay(SQLiteJournal(place.journal), session.id, today)
        assert again.same, again.difference


def other_words(agent: Agent[Shop]) -> Agent[Shop]:
    assert isinstance(agent.instructions, str)
    return replace(agent, instructions=agent.instructions.replace("# The rules", "# The Rules"))


def other_tools(agent: Agent[Shop]) -> Agent[Shop]:
    return replace(agent, tools=[*agent.tools[:3], *agent.tools[4:]])


def other_row(agent: Agent[Shop]) -> Agent[Shop]:
    assert isinstance(agent.model, Model)
    row = agent.model.resolve()
    changed = row.model_copy(update={"carrier": row.carrier.model_copy(update={"write": "reasoning"})})
    return replace(agent, model=Model(agent.model.name, base_url=agent.model.base_url, contract=changed))


def first_difference(sent: Sequence[bytes], now: Sequence[bytes]) -> str:
    """Where two conversations part, found in the bodies themselves."""
    step, was, new = next((step, a, b) for step, (a, b) in enumerate(zip(sent, now, strict=False), 1) if a != b)
    at = next(at for at, (a, b) in enumerate(zip(was, new, strict=False)) if a != b)
    head = was.index(b'],"model":') + 1
    if at > head:
        return f"request 1.{step}, the settings and tools: byte {at - head} differs"
    begins = was.rindex(b'{"role":', 0, at)
    number = was.count(b'{"role":', 0, begins)
    return f"request 1.{step}, message {number}: byte {at - begins} differs"


@pytest.mark.parametrize("change", [other_words, other_tools, other_row])
async def test_a_replay_with_a_changed_desk_names_the_first_byte_it_would_send_otherwise(
    change: Callable[[Agent[Shop]], Agent[Shop]], place: Place, tmp_path: Path
) -> None:
    message, shop = opening(TASKS[0], CHANGED_DESK), place.shop(tmp_path / "shop.db")
    changed = change(place.agent)
    sent: list[list[bytes]] = []
    for agent in (place.agent, changed):
        before = len(place.service.requests)
        journal = SQLiteJournal(tmp_path / f"{len(sent)}.db")
        async with Session(agent, "customer", journal=journal, deps=shop) as session:
            with suppress(ContractViolation):  # the service refuses what the other row sends
                await session.run(message, id="1")
        sent.append([request.raw for request in place.service.requests[before:]])

    again = await replay(SQLiteJournal(tmp_path / "0.db"), "customer", changed)
    assert not again.same
    assert again.difference is not None
    where, _, byte = first_difference(*sent).partition(": ")
    assert re.match(rf"{re.escape(where)}: {byte.removesuffix(' differs')}( \(\w+\))? differs", again.difference)
