"""10,000 sessions in one file: nothing that is asked of it walks through a table, or gets slower with the others.

There is no clock here: SQLite says how it finds the rows, and counts the steps it takes (1 step: one instruction of its
virtual machine).
"""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

import anyio
import pytest

from agentkit import Agent, ScriptedModel, Session, SQLiteJournal
from agentkit.core.events import UserSaid
from agentkit.core.messages import Text
from agentkit.ids import uuid7
from agentkit.journal import sqlite_read, sqlite_write
from agentkit.journal.base import Asked, Batch, Journal, Placed
from agentkit.journal.owner import Owner
from agentkit.journal.seal import Seal
from agentkit.journal.sqlite_open import open_writer
from benchmarks.crowd import gather
from benchmarks.work import look_up

FEW, MANY = 1_000, 10_000
Use: TypeAlias = Callable[[sqlite3.Connection, str], object]

OPEN = Seal()  # no keys: nothing is sealed
READS: dict[str, Use] = {
    "head": lambda db, name: sqlite_read.head(db, name, OPEN),
    "events": lambda db, name: sqlite_read.events(db, name, 0, OPEN),
    "blob": lambda db, name: sqlite_read.blob(db, name, "none", OPEN),
    "inbox": lambda db, name: sqlite_read.inbox(db, name, OPEN, taken=False),
    "all of the inbox": lambda db, name: sqlite_read.inbox(db, name, OPEN, taken=True),
    "its questions": lambda db, name: sqlite_read.asked(db, name, 0, OPEN),
    "news": lambda db, name: sqlite_read.has_news(db, name, 0),
    "mail since": lambda db, _: sqlite_read.mail(db, last_mail(db)),
    "forks": sqlite_read.forks,
    "a page of sessions": lambda db, _: sqlite_read.sessions(db, None, sys.maxsize),
    "a page of all questions": lambda db, _: sqlite_read.asked(db, None, 0, OPEN),
}
NO_PLAN = ("begin", "commit", "pragma")
WALKED = (  # what SQLite may walk through: lists that hold only what is due, and what is no table
    "CONSTANT ROW",
    "clock",
    "due",
    "json_each",
    "inbox USING INDEX inbox_untaken",
    "session USING INDEX session_open",
)


@pytest.fixture(scope="module")
def crowds(tmp_path_factory: pytest.TempPathFactory) -> "Crowds":
    home = tmp_path_factory.mktemp("crowds")
    make = partial(gather, size=50, turns=1)
    return {n: (home / f"{n}.db", anyio.run(make, home / f"{n}.db", n)) for n in (FEW, MANY)}


Crowds: TypeAlias = dict[int, tuple[Path, list[str]]]


@pytest.mark.anyio
async def test_the_crowd_is_what_it_is_said_to_be(crowds: Crowds) -> None:
    path, names = crowds[MANY]
    async with SQLiteJournal(path) as journal:
        assert {name async for name in journal.sessions()} == set(names)
        assert len(names) == MANY
        assert len([1 async for _ in journal.pending()]) == sum(name.startswith("w") for name in names) > MANY / 10
        ready = [each.session_id for each in await journal.ready(limit=MANY)]
        assert set(ready) == {name for name in names if name.startswith("m")}
        for kind, status in (("r", "completed"), ("w", "waiting"), ("m", "completed")):
            name = next(name for name in reversed(names) if name.startswith(kind))
            assert await opened(journal, name) == status


async def opened(journal: Journal, name: str) -> str | None:
    agent: Agent[None] = Agent(ScriptedModel(), tools=[look_up])
    async with Session(agent, name, journal=journal) as session:
        found = await session.status()
    return None if found is None else found.status


@pytest.mark.parametrize("use", [*READS, "driving", "ready", "mail"])
def test_no_query_walks_through_a_table(crowds: Crowds, use: str) -> None:
    path, names = crowds[MANY]
    uses: dict[str, Use] = {**READS, "driving": driven, "ready": lambda db, _: sqlite_read.ready(db, (), 100)}
    uses["mail"] = lambda db, _: sqlite_read.mail(db, None)
    with closing(open_writer(path, create=False)) as db:
        said: list[str] = []
        db.set_trace_callback(said.append)
        uses[use](db, names[-7])
        db.set_trace_callback(None)
        plans = [(asked, list(plan(db, asked))) for asked in said if not asked.lower().startswith(NO_PLAN)]
    walks = [line for _, lines in plans for line in lines if line.startswith("SCAN")]
    assert plans
    assert [line for line in walks if not line.removeprefix("SCAN ").startswith(WALKED)] == []


def plan(db: sqlite3.Connection, statement: str) -> Iterator[str]:
    yield from (row[3] for row in db.execute(f"explain query plan {statement}"))


@pytest.mark.parametrize("use", READS)
def test_a_look_takes_as_many_steps_among_many_as_among_few(crowds: Crowds, use: str) -> None:
    few, many = (steps(crowds[n], READS[use]) for n in (FEW, MANY))
    assert 0 < many <= 1.1 * few + 10, (few, many)


def test_driving_takes_as_many_steps_among_many_as_among_few(crowds: Crowds) -> None:
    few, many = (steps(crowds[n], driven, of=-9) for n in (FEW, MANY))
    assert 0 < many <= 1.1 * few + 10, (few, many)


def test_what_is_ready_costs_by_what_is_ready_not_by_who_rests(crowds: Crowds) -> None:
    cost = {n: steps(crowds[n], lambda db, _: sqlite_read.ready(db, (), 100)) for n in (FEW, MANY)}
    mail = {n: sum(name.startswith("m") for name in crowds[n][1]) for n in (FEW, MANY)}
    assert cost[MANY] - cost[FEW] < 100 * (mail[MANY] - mail[FEW]), (cost, mail)


def steps(crowd: tuple[Path, list[str]], use: Use, *, of: int = -1) -> int:
    """Return how many instructions SQLite runs for a use of the newest session, or of another."""
    path, names = crowd
    with closing(open_writer(path, create=False)) as db:
        use(db, names[of - 1])  # the statements are compiled
        with counting(db) as count:
            use(db, names[of])
    return count[0]


@contextmanager
def counting(db: sqlite3.Connection) -> Iterator[list[int]]:
    count = [0]

    def one() -> int:
        count[0] += 1
        return 0

    db.set_progress_handler(one, 1)
    yield count
    db.set_progress_handler(None, 1)


def last_mail(db: sqlite3.Connection) -> sqlite_read.LastMail:
    of = "select n, session, dedup, at from inbox where n = (select max(n) from inbox)"
    found: sqlite_read.LastMail = db.execute(of).fetchone()
    return found


def driven(db: sqlite3.Connection, name: str) -> None:
    """Do to a session what a run does: a message, a claim, an append that takes it and asks, one that ends that."""
    row = sqlite_write.put(db, sqlite_write.Fact(name, "message", uuid7(), b"{}", None), seal=OPEN)
    lease = sqlite_write.claim(db, name, ("u", "a"), Owner.this_process("test"), 15_000, seal=OPEN)
    question = Asked("q", lease.last_seq + 1, "question", "1.1.1", b"{}", expires_in=60)
    placed = Placed(UserSaid((Text("x"),)), 9, 1)
    asking = Batch([placed], taken=[(row.n, 0)], opened=[question], status="waiting")
    answered = Batch([placed], closed=["q"], status="completed")
    for seq, batch in enumerate((asking, answered), lease.last_seq):
        sqlite_write.append(db, lease, seq, sqlite_write.encoded(batch), 15_000, seal=OPEN)
    sqlite_write.renew(db, [(lease, 15_000)])
    sqlite_write.release(db, [lease])
