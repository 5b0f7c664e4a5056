"""The driver's tray: in order, waiting only where it has to, and nothing lost."""

import asyncio

import anyio
import pytest

from agentkit.tray import Tray

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


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


async def test_several_that_come_before_who_waits_has_woken_are_all_there() -> None:
    tray, taken = Tray[int](), list[int]()

    async def take() -> None:
        taken.extend([await tray.take() for _ in range(3)])

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take)
            await anyio.wait_all_tasks_blocked()
            for number in range(3):
                tray.put(number)
    assert taken == [0, 1, 2]


async def test_who_is_called_off_just_when_something_came_has_not_taken_it() -> None:
    tray, taken = Tray[int](), list[int]()

    async def take() -> None:
        taken.append(await tray.take())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        await anyio.wait_all_tasks_blocked()
        tray.put(1)
        tasks.cancel_scope.cancel()
    assert taken + [await tray.take() for _ in range(len(tray))] == [1]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_so_it_is_with_a_cancel_of_asyncios_own() -> None:
    tray = Tray[int]()
    waits = asyncio.ensure_future(tray.take())
    await anyio.wait_all_tasks_blocked()
    tray.put(1)
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    assert await tray.take() == 1


async def test_a_wait_that_is_cut_off_loses_nothing() -> None:
    tray = Tray[int]()
    with anyio.move_on_after(0) as scope:
        await tray.take()
    assert scope.cancelled_caught
    tray.put(1)
    assert await tray.take() == 1
