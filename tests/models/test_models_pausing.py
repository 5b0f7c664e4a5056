"""A coroutine is told of before each of its waits, and of nothing else."""

from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from agentkit.models.pausing import pausing

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_before_each_wait_and_never_between() -> None:
    done: list[str] = []
    seen: list[list[str]] = []

    async def ready(name: str) -> None:
        done.append(name)

    async def work() -> int:
        await ready("a")
        await ready("b")
        await anyio.sleep(0.01)
        await ready("c")
        return 7

    assert await pausing(work(), lambda: seen.append(done.copy())) == 7
    assert seen
    assert all(each == ["a", "b"] for each in seen)


async def test_what_never_waits_tells_nothing() -> None:
    async def work() -> int:
        return 7

    told: list[None] = []
    assert await pausing(work(), lambda: told.append(None)) == 7
    assert told == []


async def test_what_is_raised_before_a_wait_is_raised_there_and_is_cleaned_up_behind() -> None:
    left: list[str] = []

    async def work() -> None:
        try:
            await anyio.sleep(60)
        finally:
            left.append("cleaning")
            with anyio.CancelScope(shield=True):
                await checkpoint()
            left.append("clean")

    calls: list[int] = []

    def before() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise KeyError("screen")

    with pytest.raises(KeyError, match="screen"):
        await pausing(work(), before)
    assert left == ["cleaning", "clean"]


async def test_a_cancellation_reaches_the_coroutine() -> None:
    left: list[str] = []

    async def work() -> None:
        try:
            await anyio.sleep(60)
        finally:
            left.append("left")

    with anyio.move_on_after(0.02) as scope:
        await pausing(work(), lambda: None)
    assert scope.cancelled_caught
    assert left == ["left"]


async def test_errors_and_results_of_what_is_awaited_come_back() -> None:
    send, receive = anyio.create_memory_object_stream[Any](1)

    async def work() -> str:
        with receive:
            first = await receive.receive()
            with pytest.raises(anyio.EndOfStream):
                await receive.receive()
        return str(first)

    async with anyio.create_task_group() as tasks:

        async def talk() -> None:
            async with send:
                await anyio.sleep(0.01)
                await send.send("hey")

        tasks.start_soon(talk)
        assert await pausing(work(), lambda: None) == "hey"
