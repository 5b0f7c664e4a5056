"""A long history is folded page by page: pages hold what `read` tells, as the bare fields of records."""

import pytest

from agentkit.core.events import SessionStarted, UserSaid
from agentkit.core.messages import Text
from agentkit.core.record import Record
from agentkit.journal import Journal
from agentkit.journal.base import Batch, Placed
from agentkit.journal.sqlite_read import PAGE

pytestmark = pytest.mark.anyio


async def test_pages_hold_what_is_read(journal: Journal) -> None:
    lease = await journal.claim("s", uid="uid-1", agent="desk", owner="test")
    said = [Placed(UserSaid((Text(str(number)),)), 1, 1) for number in range(2 * PAGE)]
    await journal.append(lease, 0, Batch([Placed(SessionStarted("uid-1", "desk"), 0, None), *said]))
    records = [record async for record in journal.read("s")]
    assert len(records) == 2 * PAGE + 1
    for after in (0, 1, PAGE, 2 * PAGE, 2 * PAGE + 1):
        told = [Record(*row) async for page in journal.pages("s", after=after) for row in page]
        assert told == records[after:]
    assert [page async for page in journal.pages("nobody")] == []
