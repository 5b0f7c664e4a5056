"""The ledger of many sessions: what it reads, and what it tells of those that are erased."""

import csv
import io
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from agentkit import Record, Session, SQLiteJournal
from agentkit.errors import SessionErased
from agentkit.journal.base import Imported, InboxRow
from agentkit.ledger import erased_of, ledger_of
from tests.ledger.test_ledger import DONE, NOON, agent_of, told, typed
from tests.session.desk import Till, asks, file

pytestmark = pytest.mark.anyio


class Counted(SQLiteJournal):
    """Counts what is read of each session."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.looked: list[str] = []

    def read(self, session_id: str, *, after: int = 0) -> AsyncIterator[Record]:
        self.looked.append(session_id)
        return super().read(session_id, after=after)

    async def inbox(self, session_id: str, *, taken: bool = False) -> Sequence[InboxRow]:
        self.looked.append(session_id)
        return await super().inbox(session_id, taken=taken)


async def test_each_session_is_read_once_and_those_that_ended_before_the_period_not_at_all(tmp_path: Path) -> None:
    journal, names = Counted(tmp_path / "j.db"), [f"s{number}" for number in range(120)]
    async with journal:
        for day, name in enumerate(names):
            records = told("started", DONE, at=NOON - timedelta(days=len(names) - day))
            await journal.adopt(Imported(name, name, "a", "completed", records, ()))
        everything = [entry.session_id async for entry in ledger_of(journal)]
        assert sorted(everything) == sorted(names)
        assert Counter(journal.looked) == dict.fromkeys(names, 2), "its events, and its inbox"
        journal.looked.clear()
        found = [entry.session_id async for entry in ledger_of(journal, since=NOON - timedelta(days=3, hours=1))]
        assert found == names[:-4:-1]
        assert set(journal.looked) == set(names[-4:]), "one day more: the clocks of two machines may differ"
        journal.looked.clear()
        assert [entry.session_id async for entry in ledger_of(journal, session_id="s7")] == ["s7"]
        assert journal.looked == ["s7", "s7"]


async def test_an_erased_session_is_told_of_and_hides_no_other(tmp_path: Path) -> None:
    async with file(tmp_path) as journal:
        for name in ("a", "b"):
            async with Session(
                agent_of(asks(("refund", {"order": "1"})), "done"), name, journal=journal, deps=Till()
            ) as s:
                await s.run("go", id="m1")
        await journal.erase("a")
        assert [entry.session_id async for entry in ledger_of(journal)] == ["b"]
        ((gone, starts),) = [each async for each in erased_of(journal)]
        assert (gone.startswith("erased-"), starts) == (True, 1)
        assert [each async for each in erased_of(journal, until=NOON)] == []
        with pytest.raises(SessionErased):
            _ = [entry async for entry in ledger_of(journal, session_id="a")]
    people = typed(tmp_path, "ledger")
    assert people.returncode == 0
    assert "1 call more began in sessions that are erased: of which tools, and with which outcome, " in people.stdout
    assert json.loads(typed(tmp_path, "ledger", "--json").stdout.splitlines()[-1])["erased"] == [
        {"session": gone, "starts": 1}
    ]
    rows = list(csv.DictReader(io.StringIO(typed(tmp_path, "ledger", "--csv").stdout)))
    assert [(row["session"], row["verdict"], row["starts"]) for row in rows] == [
        ("b", "once", "1"),
        (gone, "erased", "1"),
    ]
    assert "erased" not in typed(tmp_path, "ledger", "--until", "2026-01-01").stdout
