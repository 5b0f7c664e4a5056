"""Sessions on a server: driven through restarts, watched from elsewhere, dispatched in the same transaction."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from anyio import to_thread

from agentkit.core.events import ModelResponded, ToolFinished, ToolStarted, TurnEnded, UserSaid
from agentkit.core.messages import Text
from agentkit.errors import JournalError, SessionBusy
from agentkit.journal import PostgresJournal
from agentkit.journal.base import MAIL_ONLY, Batch, Placed
from agentkit.journal.postgres import read
from agentkit.journal.postgres.link import Attempt
from agentkit.journal.postgres.watch import LOOK_SECONDS, Listener
from tests.forked import Forked
from tests.postgres import execute, server
from tests.session.desk import Played, Till, asks, facts_of, look, refund, session_of, until

pytestmark = pytest.mark.anyio

WORKER = Path(__file__).parent / "journal_worker.py"
STEPS = 12


@pytest.fixture
def url() -> str:
    return server().fresh()


def turns() -> list[Any]:
    """Return a model's turns: look, refund, look, refund …"""
    names = ("look", "refund")
    return [asks((names[n % 2], {"order": str(n)})) for n in range(STEPS)] + ["done"]


async def restart_now_and_then(times: int) -> None:
    for _ in range(times):
        await anyio.sleep(0.15)
        await to_thread.run_sync(server().restart)


async def test_a_session_is_driven_through_restarts_of_the_server(url: str) -> None:
    model, till = Played(*turns()), Till()
    async with PostgresJournal(url) as journal:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(restart_now_and_then, 4)
            async with session_of(model, journal, till, look, refund()) as session:
                result = await session.run("go", id="m-1")
        assert result.output == "done"
        async with session_of(model, journal, till, look, refund()) as session:
            assert (await session.run("go", id="m-1")).output == "done"
            started, finished = await facts_of(session, ToolStarted), await facts_of(session, ToolFinished)
            assert len(await facts_of(session, ModelResponded)) == STEPS + 1
            assert len(await facts_of(session, TurnEnded)) == 1
    assert [each.call for each in started] == [each.call for each in finished]
    assert set(till.paid.values()) == {1}
    assert len(till.paid) == STEPS // 2
    assert sum(model.asked.values()) == STEPS + 1, "no model call was paid twice"


async def test_a_session_whose_server_stayed_away_goes_on_where_it_was(url: str) -> None:
    model, till = Played(*turns()), Till()
    downs = iter([True])

    async def down(_: Till, what: str) -> None:
        if what == "5" and next(downs, False):
            await to_thread.run_sync(server().stop)

    till.trouble = down  # the effect has happened; nothing can be recorded of it
    try:
        async with PostgresJournal(url, ttl=0.4) as journal:
            with pytest.raises(JournalError):
                async with session_of(model, journal, till, look, refund(reconciles=True)) as session:
                    await session.run("go", id="m-1")
    finally:
        await to_thread.run_sync(server().start)
    again = PostgresJournal(url, ttl=0.4)
    async with again, session_of(model, again, till, look, refund(reconciles=True)) as session:
        assert (await session.run("go", id="m-1")).output == "done"
        assert len(await facts_of(session, UserSaid)) == 1
    assert set(till.paid.values()) == {1}
    assert len(till.paid) == STEPS // 2


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    workers: list[subprocess.Popen[str]] = []
    yield workers
    for worker in workers:
        worker.kill()
        worker.communicate()


async def test_processes_write_on_through_restarts(url: str, started: list[subprocess.Popen[str]]) -> None:
    async with PostgresJournal(url) as journal:
        for _ in range(3):
            command = [sys.executable, "-W", "ignore", str(WORKER), url, "15", "write"]
            started.append(Forked(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        for count in (30, 80):

            async def reached(count: int = count) -> bool:
                return len(await journal.inbox("all")) >= count

            await until(reached, 60)
            await to_thread.run_sync(server().restart)
        for worker in started:
            said, _ = await to_thread.run_sync(worker.communicate)
            assert said.strip() == "wrote"
            found = [record.seq async for record in journal.read(f"s{worker.pid}")]
            assert found == list(range(1, 51))
        assert len(await journal.inbox("all")) == 150


def said(text: str) -> Batch:
    return Batch([Placed(UserSaid((Text(text),)), 1, 1)])


@pytest.mark.parametrize("kind", ["event", "message"])
async def test_news_of_another_process_comes_by_a_hint_before_the_next_look(url: str, kind: str) -> None:
    """Two addresses of one database are two databases to a process: nothing but the server joins them."""
    async with PostgresJournal(url) as writer, PostgresJournal(url + "?application_name=reader") as reader:
        lease = await writer.claim("s", uid="u", agent="a", owner="test")
        waited: list[float] = []

        async def wait(seen: int) -> None:
            await reader.changed(*(("s", seen) if kind == "event" else (f"s{seen}", MAIL_ONLY)), 30)
            waited.append(anyio.current_time())

        for n in range(6):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait, n)
                await anyio.sleep(0.3)  # less than a look
                before = anyio.current_time()
                if kind == "event":
                    await writer.append(lease, n, said(str(n)))
                else:
                    await writer.put(f"s{n}", "message", "m", b"{}", None)
            waited[-1] -= before
    assert sorted(waited)[2] < 0.3, waited


async def test_news_comes_by_looking_where_no_hint_can(url: str) -> None:
    async with PostgresJournal(url) as reader:
        await reader.put("s", "message", "m", b"{}", None)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader.changed, "t", 0, 30)
            await anyio.sleep(0.2)
            started = time.monotonic()
            execute(
                url,
                "with s as (insert into agentkit.session (id, created_at, last_seq) values ('t', now(), 1) returning n)"
                " select n from s",
            )
        assert time.monotonic() - started < 5


async def test_of_all_who_wait_for_mail_alone_one_look_is_made(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    def has_news(attempt: Attempt, session_id: str, seen: int) -> bool:
        asked.append(session_id)
        return bool(read_news(attempt, session_id, seen))

    read_news = read.has_news
    monkeypatch.setattr(read, "has_news", has_news)
    async with PostgresJournal(url) as reader:
        for name in ("s", "t"):
            await reader.append(await reader.claim(name, uid=name, agent="a", owner="test"), 0, said("go on"))
        async with anyio.create_task_group() as tasks:
            for name in ("s", "t"):
                tasks.start_soon(reader.changed, name, MAIL_ONLY, 30)
            await anyio.sleep(2.5 * LOOK_SECONDS)
            assert sorted(asked) == ["s", "t"]
            execute(
                url,
                "with mail as (insert into agentkit.inbox (session, kind, dedup, body, at)"
                " select n, 'message', 'm', '{}', now() from agentkit.session returning n) select n from mail",
            )
            await until(lambda: len(asked) == 4)


async def test_mail_is_looked_for_where_nobody_may_listen(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Listener, __: Attempt) -> None:
        raise psycopg.errors.FeatureNotSupported("a pooler in between takes no LISTEN")

    monkeypatch.setattr(Listener, "_listen", refused)
    async with PostgresJournal(url) as writer, PostgresJournal(url + "?application_name=reader") as reader:
        await writer.put("s", "message", "m", b"{}", None)
        (row,) = await writer.inbox("s")
        lease = await writer.claim("s", uid="u", agent="a", owner="test")
        await writer.append(lease, 0, replace(said("hello"), taken=[(row.n, 0)]))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader.changed, "s", MAIL_ONLY, 30)
            await anyio.sleep(0.5)
            await writer.put("s", "message", "n", b"{}", None)
            started = time.monotonic()
        assert time.monotonic() - started < 10


class Queue:
    """A dispatcher's queue: a table of its own in the same database."""

    def __init__(self, fails: bool = False) -> None:  # noqa: FBT001, FBT002 - a test's own
        self.fails = fails

    def wake(self, connection: Any, session_id: str, wake: str) -> None:
        connection.execute("insert into queue values (%s) on conflict do nothing", (f"{session_id}:{wake}",))
        if self.fails:
            raise RuntimeError("the dispatcher says no")


async def test_a_row_and_its_wake_are_one_transaction(url: str) -> None:
    execute(url, "create table queue (id text primary key)")
    async with PostgresJournal(url, wakes=Queue()) as journal:
        await journal.put("s", "message", "m1", b"{}", None)
        await journal.put("s", "message", "m1", b"{}", None)
        (ready,) = await journal.ready()
        assert execute(url, "select id from queue") == [(f"s:{ready.wake}",)]
        lease = await journal.claim("s", uid="u", agent="a", owner="test")
        (row,) = await journal.inbox("s")
        await journal.append(lease, 0, Batch(said("a").events, taken=[(row.n, 0)]))
        await journal.put("s", "message", "m1", b"{}", None)
        assert len(execute(url, "select id from queue")) == 1, "a row that was taken wakes nobody"
        await journal.put("s", "message", "m2", b"{}", None)
        assert len(execute(url, "select id from queue")) == 2
    async with PostgresJournal(url, wakes=Queue(fails=True)) as journal:
        with pytest.raises(RuntimeError, match="says no"):
            await journal.put("new", "message", "m", b"{}", None)
        assert await journal.head("new") is None
        assert len(execute(url, "select id from queue")) == 2


async def test_whoever_comes_second_in_making_a_session_takes_the_one_there_is(url: str) -> None:
    async with PostgresJournal(url) as journal:
        with psycopg.connect(url) as other:
            other.execute("insert into agentkit.session (id, created_at) values ('s', agentkit.now())")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(journal.claim, "s", uid="u", agent="a", owner="test"))
                waits = "select 1 from pg_stat_activity where wait_event_type = 'Lock'"
                with anyio.fail_after(10):
                    while not await to_thread.run_sync(execute, url, waits):  # noqa: ASYNC110 - another's database
                        await anyio.sleep(0.01)
                other.commit()
        head = await journal.head("s")
    assert head is not None
    assert head.epoch == 1


async def test_a_lease_from_before_the_clock_was_set_back_is_not_waited_for(url: str) -> None:
    stranger = {"name": "gone", "host": "elsewhere", "pid": 1, "boot": "another", "namespace": None, "started": None}
    async with PostgresJournal(url) as journal:
        lease = await journal.claim("s", uid="u", agent="a", owner="test")
        await journal.append(lease, 0, said("a"))
        for ahead, waits in ((9_000, True), (19_000, True), (3_600_000, False)):
            execute(
                url,
                "update agentkit.session set owner = %s, lease_ms = 10000,"
                " lease_until = clock_timestamp() + %s * interval '1 millisecond'",
                *(json.dumps(stranger), ahead),
            )
            assert [each.session_id for each in await journal.ready()] == ([] if waits else ["s"]), ahead
            if waits:
                with pytest.raises(SessionBusy, match="gone"):
                    await journal.claim("s", uid="u", agent="a", owner="test")
            else:
                await journal.claim("s", uid="u", agent="a", owner="test")
