"""When leases are renewed: three times within their TTL, and not before."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from agentkit.journal import PostgresJournal, SQLiteJournal
from agentkit.journal.base import Journal, Lease
from agentkit.journal.renewal import Held, Renewal
from tests.postgres import execute, server

LEASE = Lease("s", 1, 0, created=True)
OTHER = Lease("other", 1, 0, created=True)


@dataclass
class Renewed:
    """What was renewed: the sessions, the time, for how long others are waited for. The time is the test's."""

    now: float = 1000.0
    takes: float = 0.0  # seconds, each time
    times: list[tuple[list[str], float, float]] = field(default_factory=list)

    def chore(self) -> Renewal["Renewed"]:
        return Renewal(Renewed.renew, lambda: self.now)

    def renew(self, held: Collection[Held], patience: float) -> None:
        self.times.append(([lease.session_id for lease, _ in held], self.now, patience))
        self.now += self.takes


def test_when_no_lease_is_held_any_more_the_thread_sleeps() -> None:
    chore = (renewed := Renewed()).chore()
    assert chore.hold(LEASE, 300)  # the thread sleeps until it is told
    assert not chore.drop(replace(LEASE, uid="of an erased session of this id"))
    assert chore.drop(LEASE)
    assert chore.pause() == pytest.approx(0.1)
    assert not chore.hold(LEASE, 300)  # a session behind this one need not wake it
    assert chore.drop_all() == [LEASE]
    chore(renewed)
    assert not renewed.times
    assert chore.pause() is None
    assert chore.hold(LEASE, 300)
    assert not chore.hold(OTHER, 400)


def test_a_lease_that_was_given_just_now_is_not_renewed() -> None:
    chore = (renewed := Renewed()).chore()
    chore.hold(LEASE, 600)
    renewed.now += 0.125
    chore(renewed)
    assert not renewed.times
    assert chore.pause() == pytest.approx(0.075), "it is due when a third is over, however often that is looked at"
    renewed.now += 0.075
    chore(renewed)
    assert renewed.times == [(["s"], 1000.2, 0.1)]
    assert chore.pause() == pytest.approx(0.2)


def test_the_shortest_of_those_that_are_held_says_when_the_next_time_is() -> None:
    chore = (renewed := Renewed()).chore()
    chore.hold(LEASE, 6000)
    chore.hold(OTHER, 60_000)
    renewed.now += 2
    chore(renewed)
    assert chore.pause() == pytest.approx(2)
    chore.drop(LEASE)
    renewed.now += 2
    chore(renewed)
    assert renewed.times == [(["s", "other"], 1002, 1), (["other"], 1004, 10)]
    assert chore.pause() == pytest.approx(20)


def test_a_shorter_lease_does_not_wait_for_what_a_renewal_took_before_it() -> None:
    chore = (renewed := Renewed(takes=4)).chore()
    chore.hold(LEASE, 60_000)
    renewed.now += 20
    chore(renewed)
    ended = renewed.now
    renewed.now += 1
    claimed = renewed.now
    assert chore.hold(OTHER, 3000)
    pause = chore.pause()
    assert pause is not None
    assert ended + pause <= claimed + 1, "the thread counts it from the end of its last chore"
    chore(renewed)
    assert len(renewed.times) == 1
    pause = chore.pause()
    assert pause is not None
    assert claimed + pause <= claimed + 1


# --- the journals' own threads: a first look, on a connection that is to be made, takes them 50 ms -----------------


async def claim_and_wait(journal: Journal) -> Lease:
    lease = await journal.claim("s", uid="u", agent="a", owner="test")
    await anyio.sleep(0.5)
    return lease


@pytest.mark.anyio
async def test_sqlite_renews_no_lease_before_it_is_time(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db", ttl=60) as journal:
        lease = await claim_and_wait(journal)
        head = await journal.head("s")
    assert head is not None
    assert lease.at is not None
    assert head.lease_until == lease.at + timedelta(seconds=60)


@pytest.mark.anyio
async def test_postgres_renews_no_lease_before_it_is_time() -> None:
    url = server().fresh()
    async with PostgresJournal(url, ttl=60) as journal:
        await claim_and_wait(journal)
        placed = execute(url, "select ctid::text from agentkit.session")
    assert placed == [("(0,2)",)], "each update puts the row into the page's next place: made, then claimed, no more"
