"""Tasks that work for the driver: beside each other, one piece after another, and not beyond their group."""

import gc
import weakref
from collections.abc import Callable, Generator
from contextvars import ContextVar, copy_context

import anyio
import pytest
from anyio.lowlevel import checkpoint

from agentkit.hands import Apart, Hands, Work

pytestmark = pytest.mark.anyio


def _noting(done: list[int]) -> Callable[[], Work]:
    async def work() -> None:
        done.append(anyio.get_current_task().id)

    return lambda: work


async def test_a_task_that_has_nothing_to_do_works_again() -> None:
    done: list[int] = []
    work = _noting(done)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            hands = Hands(tasks)
            for _ in range(3):
                hands.start(work())
                await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert len(done) == 3
    assert len(set(done)) == 1


async def test_those_that_have_nothing_to_do_are_let_go_and_the_others_work_on() -> None:
    done: list[int] = []
    work, go_on = _noting(done), anyio.Event()

    async def last() -> None:
        await go_on.wait()
        done.append(0)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            hands = Hands(tasks)
            hands.start(last)
            hands.start(work())
            await anyio.wait_all_tasks_blocked()
            hands.end()
            await anyio.wait_all_tasks_blocked()
            go_on.set()
            await anyio.wait_all_tasks_blocked()
            hands.end()
        assert not tasks.cancel_scope.cancel_called
    assert done[1:] == [0]


async def test_work_waits_for_no_other_work() -> None:
    first, second = anyio.Event(), anyio.Event()

    async def ask() -> None:
        first.set()
        await second.wait()

    async def answer() -> None:
        await first.wait()
        second.set()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            hands = Hands(tasks)
            hands.start(ask)
            await anyio.wait_all_tasks_blocked()
            hands.start(answer)
            await second.wait()
            tasks.cancel_scope.cancel()
    assert second.is_set()


async def test_what_work_raises_ends_the_group() -> None:
    async def fail() -> None:
        raise ValueError("broken")

    async def group() -> None:
        async with anyio.create_task_group() as tasks:
            Hands(tasks).start(fail)
            await anyio.sleep_forever()

    with anyio.fail_after(10), pytest.raises(ExceptionGroup) as caught:
        await group()
    assert [str(each) for each in caught.value.exceptions] == ["broken"]


async def test_work_that_is_started_while_the_group_is_cancelled_is_begun_all_the_same() -> None:
    done: list[int] = []
    work = _noting(done)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            hands = Hands(tasks)
            hands.start(work())
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
            for _ in range(2):  # the task that waits is about to end; then it has
                hands.start(work())
                with anyio.CancelScope(shield=True):
                    await anyio.wait_all_tasks_blocked()
    assert len(done) == 3


SAID = ContextVar("SAID", default="nothing")


async def test_work_has_its_context_variables_for_itself() -> None:
    heard: list[str] = []

    async def work() -> None:
        heard.append(SAID.get())
        SAID.set("by other work")
        await checkpoint()
        heard.append(SAID.get())

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            hands = Hands(tasks)
            for said in ("at first", "later"):
                SAID.set(said)
                hands.start(work)
                await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert heard == ["at first", "by other work", "later", "by other work"]
    assert SAID.get() == "later"


async def test_work_is_told_of_a_cancel_and_may_do_something_about_it() -> None:
    told: list[str] = []

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await checkpoint()
            told.append(SAID.get())
            raise

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            SAID.set("cancelled")
            Hands(tasks).start(work)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert told == ["cancelled"]


async def test_work_whose_own_scope_is_cancelled_ends_and_its_task_goes_on() -> None:
    done: list[int] = []
    note, scope = _noting(done), anyio.CancelScope(shield=True)

    async def work() -> None:
        with scope:
            await note()()
            await anyio.sleep_forever()
        await note()()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            hands = Hands(tasks)
            hands.start(work)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
            await anyio.wait_all_tasks_blocked()
            hands.start(note())
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert len(done) == 3
    assert len(set(done)) == 1


def test_an_error_that_went_through_work_is_not_kept() -> None:
    class Stopped(Exception):  # noqa: N818 - as a cancel
        """Thrown in from outside."""

    class Wanted:
        """What an event loop is asked for."""

        def __await__(self) -> Generator[None, None, None]:
            yield

    async def work() -> None:
        await Wanted()

    def ends() -> "weakref.ref[Stopped]":
        steps = Apart(work, copy_context()).__await__()
        next(steps)
        try:
            steps.throw(Stopped())
        except Stopped as error:
            return weakref.ref(error)
        raise AssertionError

    gc.disable()
    try:
        assert ends()() is None
    finally:
        gc.enable()
