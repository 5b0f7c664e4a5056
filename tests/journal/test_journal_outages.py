"""A database that is away for a while: what the journal's own threads say of it."""

import anyio
import pytest

from agentkit.errors import JournalError
from agentkit.journal import PostgresJournal
from agentkit.journal.thread import JournalThread
from tests.postgres import Server
from tests.session.desk import until

pytestmark = pytest.mark.anyio


class Nothing:
    """What a thread may hold."""

    def close(self) -> None:
        """Nothing to end."""


class Flaky:
    """A chore that fails while somebody says so, very often."""

    def __init__(self) -> None:
        self.fails, self.done = True, 0

    def pause(self) -> float | None:
        """Return a short time."""
        return 0.001

    def __call__(self, _: object) -> None:
        """Fail, or not."""
        self.done += 1
        if self.fails:
            raise JournalError("it is away")


async def test_a_chore_that_fails_is_told_when_it_begins_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    chore = Flaky()
    thread = JournalThread[Nothing](Nothing, chore, name="chore of a test")
    await thread.run(lambda _: None)
    await until(lambda: chore.done > 20)
    assert caplog.messages == ["chore of a test, trying again: it is away"]
    chore.fails = False
    await until(lambda: len(caplog.messages) > 1)
    assert caplog.messages[1:] == ["chore of a test: it works again, after 0 s"]
    chore.fails, before = True, chore.done
    await until(lambda: chore.done > before + 20)
    await thread.close(lambda _: None)
    assert caplog.messages[2:] == ["chore of a test, trying again: it is away"]


async def test_an_outage_of_the_server_is_no_flood(caplog: pytest.LogCaptureFixture) -> None:
    own = Server()
    try:
        async with PostgresJournal(own.fresh(), ttl=3) as journal:
            lease = await journal.claim("s", uid="u", agent="a", owner="test")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(journal.changed, "s", 99, 30.0)
                await anyio.sleep(0.5)
                await anyio.to_thread.run_sync(own.stop)
                await anyio.sleep(4)
                begun = list(caplog.messages)
                await anyio.to_thread.run_sync(own.start)
                await until(lambda: len(caplog.messages) >= 2 * len(begun))
                tasks.cancel_scope.cancel()
            await journal.release(lease)
    finally:
        own.end()
    assert sorted(each.partition(",")[0] for each in begun) == ["journal leases", "journal news in"], begun
    over = caplog.messages[len(begun) :]
    assert sorted(each.partition(":")[0] for each in over) == ["journal leases", "journal news in"], over
