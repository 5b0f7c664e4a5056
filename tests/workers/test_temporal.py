"""What is Temporal's own: wakes while a session is driven, histories that later versions replay, ids only."""

import json
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer

from agentkit.journal import MemoryJournal
from agentkit.workers import Pace, Rest, TemporalEngine
from agentkit.workers.temporal_flow import DriveSession
from tests import temporal_server
from tests.workers.dispatched import Dispatched, OnTemporal, shop_on
from tests.workers.staff import until

pytestmark = [pytest.mark.anyio, pytest.mark.crash]

STORED = {path.stem: path.read_text() for path in (Path(__file__).parent / "temporal_histories").glob("*.json")}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Dispatched]:
    yield from shop_on("temporal", tmp_path)


async def history(shop: OnTemporal, name: str) -> str:
    client = await Client.connect(shop.server.address, namespace=shop.namespace)
    return (await client.get_workflow_handle(name).fetch_history()).to_json()


async def test_wakes_that_come_while_it_is_driven_make_one_more_drive() -> None:
    server, gate, driven = temporal_server.server(), anyio.Event(), list[str]()

    async def drive(session_id: str) -> Rest:
        driven.append(session_id)
        await gate.wait()
        return "done"

    async with MemoryJournal() as journal, anyio.create_task_group() as tasks:
        engine = TemporalEngine(journal, server.address, namespace=server.fresh())
        tasks.start_soon(engine.serve, drive, 4)
        await engine.enqueue("a", "w1")
        await until(lambda: driven == ["a"])
        for wake in ("w2", "w3", "w4"):
            await engine.enqueue("a", wake)
        await anyio.sleep(0.5)
        assert driven == ["a"]
        gate.set()
        await until(lambda: driven == ["a", "a"])
        await anyio.sleep(0.5)
        engine.stop()
    assert driven == ["a", "a"]


async def test_what_another_process_drives_is_asked_again_until_it_rests() -> None:
    server, left = temporal_server.server(), list[Rest](["busy", "busy", "done"])

    async def drive(session_id: str) -> Rest:
        assert session_id == "a"
        return left.pop(0)

    async with MemoryJournal() as journal, anyio.create_task_group() as tasks:
        engine = TemporalEngine(journal, server.address, namespace=server.fresh(), pace=Pace(ttl=0.6))
        tasks.start_soon(engine.serve, drive, 4)
        await engine.enqueue("a", "w1")
        await until(lambda: not left)
        await anyio.sleep(0.5)
        engine.stop()


async def test_cancelled_it_hands_back_what_it_drives() -> None:
    server, driven, back = temporal_server.server(), anyio.Event(), list[str]()

    async def drive(session_id: str) -> Rest:
        driven.set()
        try:
            await anyio.sleep_forever()
        finally:
            back.append(session_id)
        raise AssertionError

    async with MemoryJournal() as journal:
        engine = TemporalEngine(journal, server.address, namespace=server.fresh())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.serve, drive, 4)
            await engine.enqueue("a", "w1")
            await driven.wait()
            tasks.cancel_scope.cancel()
    assert back == ["a"]


async def test_a_server_that_comes_late_is_waited_for() -> None:
    server, driven = temporal_server.Server(), anyio.Event()
    server.end()

    async def drive(session_id: str) -> Rest:
        assert session_id == "a"
        driven.set()
        return "done"

    try:
        async with MemoryJournal() as journal, anyio.create_task_group() as tasks:
            engine = TemporalEngine(journal, server.address)
            tasks.start_soon(engine.serve, drive, 1)
            await anyio.sleep(0.5)
            await anyio.to_thread.run_sync(server.start)
            await engine.enqueue("a", "w1")
            await driven.wait()
            engine.stop()
    finally:
        server.end()


async def test_a_namespace_that_is_not_there_is_said_at_once(shop: OnTemporal) -> None:
    await shop.say("a", "look:1 a")
    words = ("--engine", "temporal", "--temporal", shop.server.address, "--namespace", "nope")
    with shop.worker(*words) as worker:
        assert worker.ended() == 2
        assert "has no namespace 'nope': name another one" in worker.told()
        assert "Traceback" not in worker.told()


async def test_only_ids_go_through_it(shop: OnTemporal) -> None:
    await shop.say("a", "look:7 pay:8 sesame")
    with shop.staffed():
        await shop.wake("a")
        await until(lambda: shop.completed("a"))
        await until(lambda: shop.counts(waiting=0, ended=1))
    told = await history(shop, "agentkit:a")
    assert "sesame" not in told
    started = json.loads(told)["events"][0]["workflowExecutionStartedEventAttributes"]
    assert len(started["input"]["payloads"]) == 2  # the session's id, and how long a worker may be silent


@pytest.mark.parametrize("name", sorted(STORED))
async def test_a_history_of_an_older_version_is_understood(name: str) -> None:
    stored = WorkflowHistory.from_json("agentkit:a", STORED[name])
    await Replayer(workflows=[DriveSession]).replay_workflow(stored)


def test_there_are_histories_to_understand() -> None:
    assert STORED.keys() >= {"driven-1", "woken-1", "worker-died-1"}
