"""The driver's tray: in order, waiting only where it has to, and nothing lost."""

import anyio
import pytest

from agentkit.tray import Tray

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])]


async def test_what_is_put_down_is_taken_up_in_order() -> None:
    tray = Tray[int]()
    for number in range(3):
        tray.put(number)
    assert len(tray) == 3
    assert [await tray.take() for _ in range(3)] == [0, 1, 2]


async def test_who_comes_first_waits() -> None:
    tray, taken = Tray[int](), list[int]()

    async def take() -> None:
        taken.extend([await tray.take(), await tray.take()])

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take)
            for number in range(2):
                await anyio.wait_all_tasks_blocked()
                assert len(taken) == 0
                tray.put(number)
    assert taken == [0, 1]


async def test_a_wait_that_is_cut_off_loses_nothing() -> None:
    tray = Tray[int]()
    with anyio.move_on_after(0) as scope:
        await tray.take()
    assert scope.cancelled_caught
    tray.put(1)
    assert await tray.take() == 1
