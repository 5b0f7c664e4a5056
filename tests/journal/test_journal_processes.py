"""Several processes, one journal, a file or on a server: who may write, and what becomes of the dead and the frozen."""

import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import anyio
import pytest

from agentkit.core.events import UserSaid
from agentkit.core.messages import Text
from agentkit.errors import SessionBusy
from agentkit.journal import Journal, open_journal
from agentkit.journal.base import Batch, Lease, Placed
from tests.forked import Forked
from tests.postgres import server

pytestmark = pytest.mark.anyio

WORKER = Path(__file__).parent / "journal_worker.py"
Worker = subprocess.Popen[str]
Start = Callable[..., Worker]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "j.db") if request.param == "sqlite" else server().fresh()


@pytest.fixture
def start(place: str) -> Iterator[Start]:
    """Start another process on the journal."""
    started: list[Worker] = []

    def begin(action: str, ttl: float = 15.0) -> Worker:
        command = [sys.executable, "-W", "ignore", str(WORKER), place, str(ttl), action]
        worker = Forked(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(worker)
        return worker

    yield begin
    for worker in started:
        worker.kill()
        worker.communicate()


def line(worker: Worker) -> str:
    assert worker.stdout is not None
    return worker.stdout.readline().strip()


def go_on(worker: Worker) -> str:
    return worker.communicate("\n", timeout=60)[0].strip()


async def claim(journal: Journal) -> Lease:
    return await journal.claim("s", uid="u", agent="a", owner="test")


def said(text: str) -> Batch:
    return Batch([Placed(UserSaid((Text(text),)), 1, 1)])


async def texts(journal: Journal) -> list[str]:
    found = [record.event async for record in journal.read("s")]
    return [event.parts[0].text for event in found if isinstance(event, UserSaid) and isinstance(event.parts[0], Text)]


@pytest.fixture
async def journal(place: str) -> AsyncIterator[Journal]:
    async with open_journal(place) as opened:
        yield opened


async def test_a_live_owner_is_named_and_not_replaced(journal: Journal, start: Start) -> None:
    worker = start("hold")
    assert line(worker) == "holding"
    with pytest.raises(SessionBusy, match=f"worker .process {worker.pid} on ") as busy:
        await claim(journal)
    assert busy.value.until is not None
    assert go_on(worker) == "appended"
    await claim(journal)
    assert await texts(journal) == ["before", "after"]


@pytest.mark.parametrize("reaped", [True, False])
async def test_a_killed_owner_is_replaced_at_once(journal: Journal, start: Start, *, reaped: bool) -> None:
    worker = start("hold", ttl=3600)
    assert line(worker) == "holding"
    held = await journal.head("s")
    assert held
    assert held.owner
    worker.send_signal(signal.SIGKILL)
    if reaped:
        worker.wait()
    else:
        dead_but_not_buried(worker.pid)
    freed = await journal.head("s")
    assert freed
    assert (freed.owner, freed.lease_until) == (None, None)
    lease = await claim(journal)
    assert (lease.epoch, lease.last_seq) == (2, 1)
    await journal.append(lease, 1, said("mine"))
    assert await texts(journal) == ["before", "mine"]


def dead_but_not_buried(pid: int) -> None:
    process = Path(f"/proc/{pid}")
    while ") Z" not in (process / "stat").read_text() or len(list((process / "task").iterdir())) > 1:
        time.sleep(0.01)


async def test_a_frozen_owner_is_replaced_when_its_lease_ends_and_fenced_when_it_thaws(
    journal: Journal, start: Start
) -> None:
    worker = start("hold", ttl=0.5)
    assert line(worker) == "holding"
    worker.send_signal(signal.SIGSTOP)
    lease = await claim_when_free(journal)
    assert lease.epoch == 2
    await journal.append(lease, 1, said("mine"))
    worker.send_signal(signal.SIGCONT)
    assert go_on(worker).startswith("Fenced")
    assert await texts(journal) == ["before", "mine"]
    await journal.append(lease, 2, said("more"))


async def claim_when_free(journal: Journal) -> Lease:
    with anyio.fail_after(30):
        while True:
            try:
                return await claim(journal)
            except SessionBusy:
                await anyio.sleep(0.1)


async def test_a_blocked_event_loop_keeps_its_lease(journal: Journal, start: Start) -> None:
    worker = start("block", ttl=0.6)
    assert line(worker) == "blocking"
    until = time.monotonic() + 1.8  # three times the TTL
    while time.monotonic() < until:
        with pytest.raises(SessionBusy):
            await claim(journal)
        await anyio.sleep(0.05)
    assert worker.communicate(timeout=60)[0].strip() == "appended"
    assert await texts(journal) == ["after"]


async def test_news_of_other_processes_is_noticed(journal: Journal, start: Start) -> None:
    worker = start("hold")
    with anyio.fail_after(30):
        await journal.changed("s", 0, 30)
        assert line(worker) == "holding"
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
        await journal.changed("s", 1, 30)
    assert await texts(journal) == ["before", "after"]


async def test_many_may_open_a_new_journal_and_write_at_once(place: str, start: Start) -> None:
    workers = [start("write") for _ in range(3)]
    for worker in workers:
        assert worker.communicate(timeout=100)[0].strip() == "wrote"
    async with open_journal(place, create=False) as journal:
        assert len(await journal.inbox("all")) == 150
        for worker in workers:
            found = [record.seq async for record in journal.read(f"s{worker.pid}")]
            assert found == list(range(1, 51))


async def test_a_journal_does_not_survive_a_fork(start: Start) -> None:
    assert "forked: open it here again" in go_on(start("fork"))
