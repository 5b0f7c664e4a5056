"""The places of one process, and what an engine lost: on the event loop alone."""

import anyio
import pytest

from agentkit import Agent, Model, Session
from agentkit.journal import MemoryJournal
from agentkit.workers import Rest
from agentkit.workers.places import Left, Lost, Places, queue_of
from tests.session.desk import until

pytestmark = pytest.mark.anyio


class Drives:
    """Drives that last until they are let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.back: list[str] = []
        self.gate = anyio.Event()

    async def __call__(self, session_id: str) -> Rest:
        self.begun.append(session_id)
        try:
            await self.gate.wait()
        except anyio.get_cancelled_exc_class():
            self.back.append(session_id)
            raise
        return "done"


async def test_no_session_is_driven_twice_and_no_more_than_so_many_at_once() -> None:
    drives, left = Drives(), dict[str, Left]()
    places = Places(drives, 2)

    async def one(session_id: str) -> None:
        left[session_id] = await places.drive(session_id)

    async with anyio.create_task_group() as tasks:
        for name in "abc":
            tasks.start_soon(one, name)
        await anyio.wait_all_tasks_blocked()
        assert drives.begun == ["a", "b"]
        assert await places.drive("a") == "busy"
        assert await places.drive("c") == "busy"  # it has no place yet, and is not taken twice all the same
        places.hand_back("b")
        await anyio.wait_all_tasks_blocked()
        assert (drives.back, drives.begun, left) == (["b"], ["a", "b", "c"], {"b": "handed back"})
        drives.gate.set()
    assert left == {"a": "done", "b": "handed back", "c": "done"}
    assert "a" not in places
    with pytest.raises(ValueError, match="not 0"):
        Places(drives, 0)


async def test_what_stays_ready_is_enqueued_later_each_time_and_what_is_new_at_once() -> None:
    nobody = Agent(Model("nobody", base_url="http://127.0.0.1", contract="generic"), name="support")
    async with MemoryJournal() as journal:
        lost = Lost(journal, ["support"], 0.05)
        await Session(nobody, "a", journal=journal).say("one", id="m1")
        waits = []
        for _ in range(4):
            begun = anyio.current_time()
            await until(lost.found, 5)
            waits.append(anyio.current_time() - begun)
            lost.enqueued(*await lost.found())
        assert waits[0] < 0.05 <= waits[1]
        assert waits[2] > 0.09
        assert waits[3] > 0.19
        await Session(nobody, "b", journal=journal).say("two", id="m1")
        assert [each.session_id for each in await lost.found()] == ["b"]
        await Session(nobody, "a", journal=journal).say("three", id="m2")
        assert [each.session_id for each in await lost.found()] == ["a", "b"]


def test_each_agent_has_a_queue() -> None:
    assert (queue_of("support"), queue_of("")) == ("agentkit.support", "agentkit")
