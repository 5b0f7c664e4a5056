"""Watching live: every record once and in order, whoever drives, whoever dies, whenever the reader was away."""

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit import Journal, MemoryJournal, Record, Session
from agentkit.emulator import Emulator
from agentkit.emulator.script import Call, Reply
from agentkit.errors import JournalError, NoSuchSession
from agentkit.events import TurnEnded, UserSaid
from agentkit.journal.base import Batch, Head, Placed
from agentkit.journal.watch import watched
from agentkit.messages import Text
from tests.forked import Forked
from tests.session.desk import Played, file, session_of, until

pytestmark = pytest.mark.anyio

Worker = subprocess.Popen[bytes]
Start = Callable[..., Worker]
STEPS = 40
ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start another process on the journal of `file(tmp_path)`."""
    started: list[Worker] = []

    def begin(*words: str) -> Worker:
        command = [sys.executable, "-W", "ignore", "-m", "tests.session.watch_worker", str(tmp_path), *words]
        started.append(Forked(command, cwd=ROOT))
        return started[-1]

    yield begin
    for worker in started:
        worker.kill()
        worker.wait()


@pytest.fixture(params=["memory", "file"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    async with MemoryJournal() if request.param == "memory" else file(tmp_path) as opened:
        yield opened


async def write(journal: Journal, count: int) -> None:
    """Append so many events, one at a time."""
    lease = await journal.claim("s", uid="u", agent="a", owner="test")
    for last in range(lease.last_seq, lease.last_seq + count):
        await journal.append(lease, last, said())
    await journal.release(lease)


def said() -> Batch:
    return Batch([Placed(UserSaid((Text("x"),)), 1, 1)], status="waiting")


class Reader:
    """Watches session "s" until it has seen enough, or is called away; it comes back with the last number."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.seen: list[Record] = []

    @property
    def last(self) -> int:
        return self.seen[-1].seq if self.seen else 0

    async def watch(self, enough: Callable[[Record], bool], pieces: int | None = None) -> None:
        """Read on; with `pieces`, at most so many records."""
        begun = len(self.seen)
        async for record in watched(self.journal, "s", after=self.last):
            self.seen.append(record)
            if enough(record) or len(self.seen) - begun == pieces:
                return

    def numbers(self) -> list[int]:
        return [record.seq for record in self.seen]


def never(_: Record) -> bool:
    return False


def ended(record: Record) -> bool:
    return isinstance(record.event, TurnEnded)


async def whole(journal: Journal) -> list[Record]:
    return [record async for record in journal.read("s")]


async def test_what_is_there_comes_first_then_what_comes(journal: Journal) -> None:
    await write(journal, 250)
    reader = Reader(journal)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader.watch, lambda record: record.seq == 500)
            await until(lambda: reader.last == 250)
            await write(journal, 250)
    assert reader.seen == await whole(journal)


async def test_what_is_written_while_it_reads_comes_once(journal: Journal) -> None:
    await write(journal, 250)
    seen: list[int] = []
    async for record in watched(journal, "s", until=lambda head: head.last_seq == 260):
        seen.append(record.seq)
        if record.seq == 50:
            await write(journal, 10)
    assert seen == list(range(1, 261))


async def test_an_event_that_may_be_read_past_is_passed_and_does_not_keep_it_busy(tmp_path: Path) -> None:
    async with file(tmp_path) as journal:
        await write(journal, 4)
        with closing(sqlite3.connect(tmp_path / "desk.db")) as db, db:
            db.execute("update event set type = 'Dreamed', body = ? where seq in (2, 4)", (b'{"ignorable":true}',))
        seen: list[int] = []
        heads: list[int] = []

        def until_six(head: Head) -> bool:
            heads.append(head.last_seq)
            return head.last_seq == 6

        async def watch() -> None:
            seen.extend([record.seq async for record in watched(journal, "s", until=until_six)])

        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watch)
                await anyio.sleep(0.7)
                assert heads == [4]
                await write(journal, 2)
        assert seen == [1, 3, 5, 6]


async def test_it_writes_nothing_claims_nothing_and_a_driver_is_not_in_its_way(journal: Journal) -> None:
    lease = await journal.claim("s", uid="u", agent="a", owner="test")
    await journal.append(lease, 0, said())
    before = await journal.head("s")
    reader = Reader(journal)
    await reader.watch(never, 1)
    after = await journal.head("s")
    assert before is not None
    assert after is not None
    assert after == replace(before, lease_until=after.lease_until)  # the driver's own journal renews that
    await journal.append(lease, 1, said())
    assert reader.numbers() == [1]


async def test_a_session_that_is_not_there_is_told(journal: Journal) -> None:
    async with session_of(Played(), journal) as session:
        with pytest.raises(NoSuchSession, match="no session 's'"):
            await anext(session.events(follow=True))
        assert [record async for record in session.events()] == []


async def test_a_number_that_the_session_has_not_reached_is_told(journal: Journal) -> None:
    await write(journal, 3)
    async with session_of(Played(), journal) as session:
        with anyio.fail_after(5), pytest.raises(JournalError, match="ends at event 3: there is nothing behind 4"):
            await anext(session.events(after=4, follow=True))


async def test_cancelling_is_clean_at_any_moment(journal: Journal) -> None:
    await write(journal, 20)
    chance = random.Random(4)  # noqa: S311 - moments, not secrets
    for _ in range(30):
        reader = Reader(journal)
        with anyio.move_on_after(chance.uniform(0, 0.06)):
            await reader.watch(never)
        assert reader.numbers() == list(range(1, reader.last + 1))
    await write(journal, 1)
    assert [record.seq async for record in watched(journal, "s", after=20, until=lambda _: True)] == [21]


async def test_it_ends_where_the_head_says_so_and_only_with_all_that_the_head_counts(journal: Journal) -> None:
    await write(journal, 7)
    heads: list[int] = []

    def enough(head: Head) -> bool:
        heads.append(head.last_seq)
        return head.last_seq >= 9

    seen: list[int] = []
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                seen.extend([record.seq async for record in watched(journal, "s", after=2, until=enough)])

            tasks.start_soon(watch)
            await until(lambda: heads == [7])
            await write(journal, 2)
    assert seen == list(range(3, heads[-1] + 1))


class Counted(MemoryJournal):
    """Counts how often it is looked at."""

    looks = 0

    async def head(self, session_id: str) -> Head | None:
        self.looks += 1
        return await super().head(session_id)


async def test_a_row_that_nobody_takes_up_does_not_keep_it_busy() -> None:
    journal = Counted()
    await write(journal, 1)
    await journal.put("s", "message", "m", b"{}", None)  # news for a driver at each look, and none here
    with anyio.move_on_after(1.5):
        await Reader(journal).watch(never)
    assert 3 <= journal.looks <= 8  # looks at 0, .05, .15, .35, .75, 1.55 seconds


@settings(max_examples=15, deadline=None)
@given(pieces=st.lists(st.integers(1, 9), max_size=12), written=st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_a_reader_that_comes_and_goes_sees_each_record_once(pieces: list[int], written: list[int]) -> None:
    async def world() -> None:
        journal = MemoryJournal()
        await write(journal, 1)
        reader = Reader(journal)
        total = 1 + sum(written)

        async def read() -> None:
            for piece in pieces:
                if reader.last < total:
                    await reader.watch(lambda record: record.seq == total, piece)
            if reader.last < total:
                await reader.watch(lambda record: record.seq == total)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            for count in written:
                await write(journal, count)
                await anyio.lowlevel.checkpoint()
        assert reader.seen == await whole(journal)

    anyio.run(world)


def script() -> dict[str, list[Reply]]:
    calls = [Reply(calls=[Call("look", {"order": str(n)})]) for n in range(STEPS - 1)]
    return {"*": [*calls, Reply(content="done")]}


async def test_another_process_drives_is_killed_and_a_third_goes_on(tmp_path: Path, start: Start) -> None:
    chance = random.Random()  # noqa: S311 - moments, not secrets
    async with Emulator(script()) as emulator, file(tmp_path) as journal:
        first = start("drive", emulator.base_url)
        await until(lambda: there(journal), 60)
        steady, restless = Reader(journal), Reader(journal)

        async def come_and_go() -> None:
            while not (restless.seen and ended(restless.seen[-1])):
                with anyio.move_on_after(chance.uniform(0.01, 0.4)):
                    await restless.watch(ended, chance.randint(1, 40))

        with anyio.fail_after(100):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(steady.watch, ended)
                tasks.start_soon(come_and_go)
                await until(lambda: steady.last > 40, 60)
                first.kill()
                assert await anyio.to_thread.run_sync(first.wait) < 0
                assert not any(ended(record) for record in steady.seen)
                start("drive", emulator.base_url)
        records = await whole(journal)
    assert steady.seen == records
    assert restless.seen == records
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    assert {record.epoch for record in records} == {1, 2}


async def there(journal: Journal) -> bool:
    return await journal.head("s") is not None


async def test_a_fast_writer_is_kept_up_with(tmp_path: Path, start: Start) -> None:
    async with file(tmp_path) as journal:
        await write(journal, 1)
        reader, began, worked = Reader(journal), time.monotonic(), time.process_time()
        start("append", "2000")
        with anyio.fail_after(100):
            await reader.watch(lambda record: record.seq == 2001)
        took, worked = time.monotonic() - began, time.process_time() - worked
        assert reader.seen == await whole(journal)
    assert worked < max(0.5 * took, 1)  # it does not spin


async def test_every_reader_gets_all_of_it(tmp_path: Path, start: Start) -> None:
    async with file(tmp_path) as journal, session_of(Played(), file(tmp_path)) as other:
        await write(journal, 1)
        seen: list[list[int]] = [[], [], []]

        async def watch(session: Session[Any, Any], mine: list[int]) -> None:
            async for record in session.events(after=1, follow=True):
                mine.append(record.seq)
                if record.seq == 301:
                    return

        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                for mine in seen:
                    tasks.start_soon(watch, other, mine)
                start("append", "300")
        assert seen == [list(range(2, 302))] * 3
