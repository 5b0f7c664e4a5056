"""A connection that is lost, a server that restarts, a disk that is full: nothing lost, nothing twice, clear words."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import anyio
import psycopg
import pytest
from anyio import to_thread

from agentkit.core.events import ModelStarted, ToolFinished, ToolStarted, TurnEnded, UserSaid
from agentkit.core.messages import Text
from agentkit.errors import AppendUncertain, Fenced, JournalError, SessionBusy
from agentkit.journal import Journal, PostgresJournal
from agentkit.journal.base import Asked, Batch, Branch, Imported, Lease, Placed
from tests.postgres import execute, server
from tests.proxy import Loss, Proxy

pytestmark = pytest.mark.anyio


@pytest.fixture
def url() -> str:
    return server().fresh()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy(server().port) as between:
        yield between


@pytest.fixture
async def journal(url: str, proxy: Proxy) -> AsyncIterator[PostgresJournal]:
    """A journal that is reached through the proxy."""
    async with PostgresJournal(proxy.address(url)) as opened:
        yield opened


def said(text: str) -> Batch:
    return Batch([Placed(UserSaid((Text(text),)), 1, 1)])


async def claim(journal: Journal, session_id: str = "s") -> Lease:
    return await journal.claim(session_id, uid="u", agent="a", owner="test")


async def texts(journal: Journal, session_id: str = "s") -> list[str]:
    found = [record.event async for record in journal.read(session_id)]
    return [event.parts[0].text for event in found if isinstance(event, UserSaid) and isinstance(event.parts[0], Text)]


@pytest.mark.parametrize("lost", ["request", "answer"])
async def test_an_append_whose_connection_is_lost_is_written_once(
    journal: PostgresJournal, proxy: Proxy, lost: Loss
) -> None:
    lease = await claim(journal)
    row = await journal.put("s", "message", "m1", b"{}", None)
    for n in range(7):  # from the sixth on the statement is a prepared one
        await journal.append(lease, n, said(str(n)))
    proxy.lose(lost, b"unlucky")
    opened = [Asked("q", 8, "question", "1.1.0", b'{"text":"?"}')]
    batch = Batch(said("unlucky").events, taken=[(row.n, 0)], opened=opened, status="waiting")
    appended = await journal.append(lease, 7, batch)
    assert proxy.cuts == 1
    assert appended.last_seq == 8
    records = [record async for record in journal.read("s")]
    assert (records[-1].seq, records[-1].at) == (8, appended.at)
    assert await texts(journal) == [*map(str, range(7)), "unlucky"]
    assert [each.taken_seq for each in await journal.inbox("s", taken=True)] == [8]
    await journal.append(lease, 8, said("next"))


@pytest.mark.parametrize("lost", ["request", "answer"])
async def test_what_else_is_written_is_written_once(journal: PostgresJournal, proxy: Proxy, lost: Loss) -> None:
    lease = await claim(journal)
    await journal.append(lease, 0, said("a"))
    proxy.lose(lost, b"unlucky row")
    row = await journal.put("s", "message", "m1", b"unlucky row", None)
    assert await journal.inbox("s") == [row]
    assert (await journal.put("s", "message", "m1", b"unlucky row", None)).n == row.n
    proxy.lose(lost, b"commit\0")
    assert (await claim(journal, "t")).epoch == 1
    with pytest.raises(SessionBusy):
        await claim(journal, "t")
    proxy.lose(lost, b"commit\0")
    await journal.fork(Branch("fork", "uid-2", "a", "s", 1, said("b").events))
    assert await texts(journal, "fork") == ["a", "b"]
    proxy.lose(lost, b"commit\0")
    await journal.adopt(Imported("import", "uid-3", "a", "open", [record async for record in journal.read("s")], ()))
    assert await texts(journal, "import") == ["a"]
    with pytest.raises(JournalError, match="already"):
        await journal.fork(Branch("fork", "uid-9", "a", "s", 1, said("b").events))
    proxy.lose(lost, b"owner = null")
    await journal.release(lease)
    assert (await claim(journal)).epoch == 2
    assert proxy.cuts == 5


@pytest.mark.parametrize("lost", ["request", "answer"])
@pytest.mark.parametrize("structure", [True, False])
async def test_what_is_erased_is_told_once(
    journal: PostgresJournal, proxy: Proxy, lost: Loss, *, structure: bool
) -> None:
    await journal.put("s", "message", "m1", b"{}", None)
    await anyio.sleep(0.2)
    proxy.lose(lost, b"commit\0")
    assert (await journal.erase("s", structure=structure)).session_ids == ("s",)
    assert proxy.cuts == 1


async def test_who_comes_while_all_of_a_session_is_erased_begins_a_new_one(url: str) -> None:
    async with PostgresJournal(url) as journal:
        for comes in (claim, lambda journal: journal.put("s", "message", "m2", b"{}", None)):
            await journal.put("s", "message", "m1", b"{}", None)
            with psycopg.connect(url) as erasing:
                erasing.execute("select 1 from agentkit.session where id = 's' for update")
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(comes, journal)
                    await anyio.sleep(0.3)
                    erasing.execute("delete from agentkit.inbox")
                    erasing.execute("delete from agentkit.session where id = 's'")
                    erasing.commit()
            head = await journal.head("s")
            assert head is not None
            assert "m1" not in [row.dedup for row in await journal.inbox("s")]
            execute(url, "delete from agentkit.session")


async def test_what_an_idle_journal_does_next_works_after_all_its_connections_were_cut(
    journal: PostgresJournal, proxy: Proxy
) -> None:
    lease = await claim(journal)
    await journal.append(lease, 0, said("a"))
    await anyio.sleep(0.1)
    proxy.cut()
    assert proxy.cuts >= 2
    assert await texts(journal) == ["a"]
    await journal.append(lease, 1, said("b"))
    assert await texts(journal) == ["a", "b"]


async def test_a_row_that_somebody_holds_costs_no_other_session_its_lease(url: str) -> None:
    """A claimer that is frozen between its look and its word holds the row until the server ends its connection."""
    async with PostgresJournal(url, ttl=1.2) as journal, PostgresJournal(url, ttl=1.2) as other:
        await claim(journal, "free")
        await claim(journal, "held")
        with psycopg.connect(url) as frozen:
            frozen.execute("select 1 from agentkit.session where id = 'held' for update")
            await anyio.sleep(2.5)
            lasts = execute(url, "select agentkit.lasts(lease_until, lease_ms) from agentkit.session where id = 'free'")
        assert lasts == [(True,)]
        with pytest.raises(SessionBusy):
            await claim(other, "free")


async def test_the_lease_is_renewed_again_after_the_connection_was_cut(url: str, proxy: Proxy) -> None:
    async with PostgresJournal(proxy.address(url), ttl=1.5) as journal, PostgresJournal(url) as other:
        await claim(journal)
        until = anyio.current_time() + 5
        while anyio.current_time() < until:
            with pytest.raises(SessionBusy):
                await claim(other)
            proxy.cut()
            await anyio.sleep(0.5)


async def test_a_takeover_while_the_connection_is_lost_is_told_as_one(
    journal: PostgresJournal, url: str, proxy: Proxy
) -> None:
    lease = await claim(journal)
    await journal.append(lease, 0, said("a"))
    fenced: list[Fenced] = []

    async def append() -> None:
        with pytest.raises(Fenced) as raised:
            await journal.append(lease, 1, said("unlucky"))
        fenced.append(raised.value)

    async with anyio.create_task_group() as tasks:
        proxy.lose("request", b"unlucky")
        proxy.close()
        tasks.start_soon(append)
        await anyio.sleep(0.2)
        execute(url, "update agentkit.session set epoch = epoch + 1, last_seq = last_seq")
        proxy.open()
    assert "nothing was written" in str(fenced[0])


async def test_a_server_that_restarts_in_the_middle_of_appends_loses_none_and_repeats_none(url: str) -> None:
    done, reached = 0, {share: anyio.Event() for share in (60, 150, 250)}

    async def write(journal: Journal, name: str) -> None:
        nonlocal done
        lease = await claim(journal, name)
        for n in range(60):
            quick = Batch([Placed(ModelStarted(1), 1, 1)])
            await journal.append(lease, 2 * n, quick)
            await journal.append(lease, 2 * n + 1, said(str(n)))
            done += 1
            if done in reached:
                reached[done].set()
        await journal.release(lease)

    async with PostgresJournal(url) as journal:
        async with anyio.create_task_group() as tasks:
            for name in "abcdef":
                tasks.start_soon(write, journal, name)
            for event in reached.values():
                await event.wait()
                await to_thread.run_sync(server().restart)
        for name in "abcdef":
            assert await texts(journal, name) == [str(n) for n in range(60)]
            assert [record.seq async for record in journal.read(name)] == list(range(1, 121))


async def test_a_server_that_stays_away_is_told_in_time_and_without_the_password(url: str, proxy: Proxy) -> None:
    secret = proxy.address(url).replace("postgres@", "postgres:hunter2@")
    async with PostgresJournal(secret, ttl=0.5) as journal:
        lease = await claim(journal)
        await journal.append(lease, 0, said("a"))
        proxy.close()
        attempts: list[Callable[[], Awaitable[object]]] = [
            lambda: journal.put("s", "message", "m", b"{}", None),
            lambda: claim(journal, "t"),
            lambda: journal.head("s"),
        ]
        for attempt in attempts:
            with anyio.fail_after(10), pytest.raises(JournalError) as raised:
                await attempt()
            assert type(raised.value) is JournalError
            assert raised.value.passing
            assert "hunter2" not in str(raised.value)
            assert "postgres:***@127.0.0.1" in str(raised.value)
        with pytest.raises(JournalError, match="nothing was written"):
            await journal.put("s", "message", "m", b"{}", None)
        proxy.open()
        assert await texts(journal) == ["a"]
        assert await journal.inbox("s") == []


@pytest.mark.parametrize("lost", ["request", "answer"])
async def test_what_nobody_knows_is_uncertain_and_known_when_it_is_read_again(
    url: str, proxy: Proxy, lost: Loss
) -> None:
    async with PostgresJournal(proxy.address(url), ttl=0.5) as journal:
        lease = await claim(journal)
        proxy.lose(lost, b"unlucky", then_close=True)
        with pytest.raises(AppendUncertain, match="lost at commit") as raised:
            await journal.append(lease, 0, said("unlucky"))
        assert raised.value.passing
        proxy.open()
        assert await texts(journal) == (["unlucky"] if lost == "answer" else [])


async def test_a_disk_that_is_full_at_commit_writes_nothing_and_room_is_all_it_needs(url: str) -> None:
    """The server's own error, raised where it would raise it: a deferred trigger runs at commit."""
    async with PostgresJournal(url) as journal:
        lease = await claim(journal)
        await journal.append(lease, 0, said("a"))
        execute(
            url,
            "create function full_disk() returns trigger language plpgsql as $$ begin"
            " raise exception using errcode = '53100', message = 'could not extend file: No space left on device';"
            " end $$",
        )
        for table in ("event", "inbox"):
            execute(
                url,
                f"create constraint trigger full_disk after insert on agentkit.{table} initially deferred"
                " for each row execute function full_disk()",
            )
        with pytest.raises(JournalError, match=r"nothing was written.*disk is full: make room") as raised:
            await journal.append(lease, 1, said("b"))
        assert type(raised.value) is JournalError
        assert raised.value.passing
        with pytest.raises(JournalError, match="nothing was written"):
            await journal.put("new", "message", "m", b"{}", None)
        assert await journal.head("new") is None
        for table in ("event", "inbox"):
            execute(url, f"drop trigger full_disk on agentkit.{table}")
        await journal.append(lease, 1, said("b"))
        assert await texts(journal) == ["a", "b"]


@pytest.fixture
def slow_log() -> Iterator[None]:
    """A server that writes what nobody waits for to disk after ten seconds only."""
    execute(server().url, "alter system set wal_writer_delay = '10s'")
    execute(server().url, "select pg_reload_conf()")
    yield
    execute(server().url, "alter system reset wal_writer_delay")
    execute(server().url, "select pg_reload_conf()")


@pytest.mark.usefixtures("slow_log")
async def test_a_model_s_answer_does_not_wait_for_the_disk_and_is_written_again_after_a_crash(url: str) -> None:
    answer = Batch([Placed(ModelStarted(1), 1, 1), Placed(ToolStarted("1.1.0", "read", "d", "h"), 1, 1)])
    async with PostgresJournal(url) as journal:
        lease = await claim(journal)
        await journal.append(lease, 0, said("a"))
        await journal.append(lease, 1, answer)
        at = (await journal.append(lease, 3, answer)).at
        await to_thread.run_sync(server().restart)
        ((kept,),) = execute(url, "select last_seq from agentkit.session")
        assert kept < 5, "it did not wait for the disk"  # what the server does by itself may have taken the first along
        await journal.append(lease, 5, said("b"))
        records = [record async for record in journal.read("s")]
        assert [type(record.event) for record in records[1:5]] == [ModelStarted, ToolStarted] * 2
        assert {record.at for record in records[3:5]} == {at}
        assert await texts(journal) == ["a", "b"]
        await journal.append(lease, 6, answer)
        await to_thread.run_sync(server().restart)
        await journal.release(lease)
        assert execute(url, "select last_seq, owner from agentkit.session") == [(8, None)]


@pytest.mark.usefixtures("slow_log")
@pytest.mark.parametrize(
    "batch",
    [
        pytest.param(said("a"), id="message"),
        pytest.param(Batch([Placed(ToolStarted("1.1.0", "once", "d", "h"), 1, 1)]), id="once"),
        pytest.param(Batch([Placed(ToolStarted("1.1.0", "idempotent", "d", "h"), 1, 1)]), id="idempotent"),
        pytest.param(Batch([Placed(ToolFinished("1.1.0", (Text("ok"),)), 1, 1)]), id="outcome"),
        pytest.param(Batch([Placed(ModelStarted(1), 1, 1), Placed(TurnEnded("completed"), 1, None)]), id="end"),
        pytest.param(Batch([Placed(ModelStarted(1), 1, 1)], closed=["q"]), id="decided"),
        pytest.param(Batch([Placed(ModelStarted(1), 1, 1)], durable=True), id="durable"),
        pytest.param(Batch([], status="completed"), id="filed"),
    ],
)
async def test_all_else_waits_for_the_disk(url: str, batch: Batch) -> None:
    async with PostgresJournal(url) as journal:
        lease = await claim(journal)
        await journal.append(lease, 0, batch)
        await to_thread.run_sync(server().restart)
        assert execute(url, "select last_seq, status from agentkit.session") == [(len(batch.events), batch.status)]


async def test_a_database_that_is_set_to_lose_commits_does_not_lose_ours(url: str) -> None:
    execute(url, f'alter database "{url.rpartition("/")[2]}" set synchronous_commit = off')
    async with PostgresJournal(url) as journal:
        lease = await claim(journal)
        for n in range(20):
            await journal.append(lease, n, said(str(n)))
        await to_thread.run_sync(server().restart)
        assert execute(url, "select last_seq from agentkit.session") == [(20,)]
