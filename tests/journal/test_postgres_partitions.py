"""The event table in partitions, made by the very statements that docs/postgres.md tells."""

import re
from pathlib import Path

import pytest

from agentkit.core.binding import Blob, hashed
from agentkit.core.events import Forked, UserSaid
from agentkit.core.messages import Text
from agentkit.errors import Fenced
from agentkit.journal import Journal, PostgresJournal
from agentkit.journal.base import Batch, Branch, Placed
from tests.postgres import execute, server

pytestmark = pytest.mark.anyio

DOCUMENT = Path(__file__).parents[2] / "docs" / "postgres.md"


def statements(number: int) -> str:
    """Return a block of SQL of the document, for few sessions."""
    blocks: list[str] = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    return blocks[number].replace("200000", "5").replace("100000", "3").replace("99999", "2")


def run(url: str, script: str) -> None:
    for statement in script.split(";"):
        if statement.strip() and statement.strip() not in {"begin", "commit"}:
            execute(url, statement)


def partitions(url: str) -> dict[str, int]:
    rows = execute(url, "select tableoid::regclass::text, count(*) from agentkit.event group by 1")
    return {str(name).removeprefix("agentkit."): count for name, count in rows}


async def write(journal: Journal, name: str, text: str = "a") -> None:
    lease = await journal.claim(name, uid=f"uid-{name}", agent="a", owner="test")
    blob = Blob(hashed(name.encode()), name.encode())
    await journal.append(lease, lease.last_seq, Batch([Placed(UserSaid((Text(text),)), 1, 1)], blobs=[blob]))
    with pytest.raises(Fenced):
        await journal.append(lease, lease.last_seq, Batch([Placed(UserSaid((Text("lost"),)), 1, 1)]))
    await journal.release(lease)


async def test_a_journal_works_in_partitions_and_old_ones_can_be_parted_with() -> None:
    url = server().fresh()
    async with PostgresJournal(url) as journal:
        for name in ("old-1", "old-2"):
            await write(journal, name)
    run(url, statements(0))
    async with PostgresJournal(url, create=False) as journal:
        for name in ("old-2", "mid-3", "mid-4", "new-5", "new-6"):
            await write(journal, name, "b")
        await journal.fork(Branch("fork-7", "uid", "a", "mid-3", 1, [Placed(Forked("uid-mid-3", 1, "uid", "1"), 1, 1)]))
        assert partitions(url) == {"event_0": 3, "event_1": 2, "event_rest": 3}
        assert [record.seq async for record in journal.read("old-2")] == [1, 2]
        assert [record.seq async for record in journal.read("fork-7")] == [1, 2]
        assert await journal.blob("fork-7", hashed(b"mid-3")) == b"mid-3"
        with pytest.raises(Exception, match="duplicate key"):
            execute(url, "insert into agentkit.event select * from agentkit.event where session = 3")
        plan = execute(url, "explain select * from agentkit.event where session = 3 and seq > 0")
        assert "event_1" in str(plan)
        assert "event_0" not in str(plan), "a reader looks into one partition"
    run(url, statements(1))
    async with PostgresJournal(url, create=False) as journal:
        assert [name async for name in journal.sessions()] == ["fork-7", "new-6", "new-5", "mid-4", "mid-3"]
        assert partitions(url) == {"event_1": 2, "event_rest": 3}
        assert execute(url, "select count(*) from agentkit.event_0") == [(3,)]
        assert await journal.head("old-1") is None
        await write(journal, "mid-3", "c")
