"""The same for every journal: who waits for news of a session hears of it at once."""

import anyio
import pytest

from agentkit.journal import Journal
from agentkit.journal.base import MAIL_ONLY
from tests.journal.test_journal_contract import batch, claimed, said

pytestmark = pytest.mark.anyio


async def test_news_of_this_process_comes_at_once(journal: Journal) -> None:
    lease = await claimed(journal)
    await journal.append(lease, 0, batch(said("a")))
    await journal.changed("s", 0, 30)  # there is some already
    woken: list[str] = []

    async def wait(session_id: str, seen: int) -> None:
        await journal.changed(session_id, seen, 30)
        woken.append(session_id)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, "s", 1)
            tasks.start_soon(wait, "new", 0)
            await anyio.sleep(0.2)
            assert woken == []
            await journal.append(lease, 1, batch(said("b")))
            await anyio.sleep(0.2)
            assert woken == ["s"]
            await journal.put("new", "message", "m", b"{}", None)
    assert woken == ["s", "new"]
    await journal.changed("new", 0, 30)  # an untaken row stays news


async def test_who_waits_for_mail_alone_is_not_woken_by_events(journal: Journal) -> None:
    lease = await claimed(journal)
    woken = anyio.Event()

    async def wait() -> None:
        await journal.changed("s", MAIL_ONLY, 30)
        woken.set()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.sleep(0.2)
            await journal.append(lease, 0, batch(said("a")))
            await anyio.sleep(0.3)
            assert not woken.is_set()
            await journal.put("s", "message", "m", b"{}", None)


async def test_news_comes_from_a_thread_with_an_event_loop_of_its_own(journal: Journal) -> None:
    lease = await claimed(journal)
    await journal.append(lease, 0, batch(said("a")))

    async def put() -> None:
        await journal.put("s", "message", "m", b"{}", None)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(journal.changed, "s", MAIL_ONLY, 30)
            await anyio.sleep(0.2)
            await anyio.to_thread.run_sync(lambda: anyio.run(put), abandon_on_cancel=True)


async def test_waiting_for_news_ends_in_time_and_makes_no_session(journal: Journal) -> None:
    started = anyio.current_time()
    await journal.changed("nobody", 0, 0.15)
    assert 0.1 < anyio.current_time() - started < 5
    assert await journal.head("nobody") is None
