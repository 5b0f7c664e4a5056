"""Which sessions somebody should drive: what lies in an inbox, what is owed, what has come due; and when to give up."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from agentkit.core.events import ModelStarted, SessionStarted, UserSaid
from agentkit.core.messages import Text
from agentkit.errors import SessionBusy
from agentkit.journal import Journal, PostgresJournal, SQLiteJournal
from agentkit.journal.base import MAX_TRIES, Asked, Batch, Branch, Imported, Lease, Placed
from tests.postgres import server
from tests.session.desk import until

pytestmark = pytest.mark.anyio

BEGAN = SessionStarted("uid-1", "desk")


async def claimed(journal: Journal, session_id: str = "s") -> Lease:
    return await journal.claim(session_id, uid="uid-1", agent="desk", owner="test")


def batch(*, status: str = "open", news: bool = True, opened: Sequence[Asked] = ()) -> Batch:
    return Batch([Placed(UserSaid((Text("hello"),)), 1, 1)], status=status, news=news, opened=opened)


async def driven(
    journal: Journal, session_id: str = "s", *, status: str = "open", opened: Sequence[Asked] = ()
) -> None:
    lease = await claimed(journal, session_id)
    await journal.append(lease, lease.last_seq, batch(status=status, opened=opened))
    await journal.release(lease)


async def ids(journal: Journal, *agents: str) -> list[str]:
    return [ready.session_id for ready in await journal.ready(agents=agents)]


async def test_a_session_at_rest_is_not_ready(journal: Journal) -> None:
    for status in ("idle", "waiting", "faulted", "completed", "cancelled", "limit"):
        await driven(journal, status, status=status)
    assert await ids(journal) == []


async def test_what_is_owed_or_lies_in_an_inbox_is_ready_and_a_new_wake_tells_new_work(journal: Journal) -> None:
    await driven(journal, "owes")
    await driven(journal, "rests", status="completed")
    await journal.put("rests", "message", "m1", b"{}", None)
    await journal.put("new", "message", "m1", b"{}", None, agent="billing")
    ready = await journal.ready()
    assert {each.session_id: each.agent for each in ready} == {"owes": "desk", "rests": "desk", "new": "billing"}
    again = await journal.ready()
    assert {each.wake for each in again} == {each.wake for each in ready}
    await journal.put("rests", "message", "m2", b"{}", None)
    await driven(journal, "owes")
    changed = {each.session_id: each.wake for each in await journal.ready()}
    assert [each.session_id for each in ready if changed[each.session_id] == each.wake] == ["new"]
    assert len(await journal.ready(limit=1)) == 1


async def test_what_was_begun_goes_before_what_is_new(journal: Journal) -> None:
    await journal.put("new", "message", "m", b"{}", None)
    await driven(journal, "begun")
    assert await ids(journal) == ["begun", "new"]


async def test_a_queue_gets_its_agents_sessions_and_those_that_name_none(journal: Journal) -> None:
    await journal.put("a", "message", "m", b"{}", None, agent="billing")
    await journal.put("b", "message", "m", b"{}", None, agent="support")
    await journal.put("c", "message", "m", b"{}", None)
    assert await ids(journal, "billing") == ["a", "c"]
    assert await ids(journal, "support", "billing") == ["a", "b", "c"]


async def test_a_session_that_a_live_process_drives_is_not_ready(journal: Journal) -> None:
    await driven(journal)
    lease = await claimed(journal)
    assert await ids(journal) == []
    await journal.release(lease)
    assert await ids(journal) == ["s"]


async def test_forks_and_imports_wait_for_a_person_to_begin(journal: Journal) -> None:
    await driven(journal)
    await journal.fork(Branch("fork", "uid-2", "desk", "s", 1, [Placed(BEGAN, 1, 1)]))
    await journal.adopt(Imported("import", "uid-3", "desk", "open", [], []))
    assert await ids(journal) == ["s"]
    assert await journal.forks("s") == ["fork"]
    assert await journal.forks("fork") == await journal.forks("nobody") == []
    await driven(journal, "fork")
    assert "fork" in await ids(journal)


async def test_a_question_is_ready_when_its_time_has_come(journal: Journal) -> None:
    for name, asked in {
        "expired": Asked("q", 1, "approval", "1.1.0", b"{}", expires_in=0.0),
        "escalated": Asked("q", 1, "approval", "1.1.0", b"{}", expires_in=60.0, escalates_in=0.0),
        "later": Asked("q", 1, "approval", "1.1.0", b"{}", expires_in=60.0, escalates_in=30.0),
        "never": Asked("q", 1, "approval", "1.1.0", b"{}"),
    }.items():
        await driven(journal, name, status="waiting", opened=[asked])
    await anyio.sleep(0.01)
    assert await ids(journal) == ["expired", "escalated"]
    (asked,) = [asked async for _, asked in journal.asked("later")]
    assert asked.asked_at is not None
    assert asked.expires_at is not None
    assert asked.escalates_at is not None
    assert (asked.expires_at - asked.asked_at).total_seconds() == 60
    assert (asked.escalates_at - asked.asked_at).total_seconds() == 30


async def test_claims_without_news_are_counted_and_end_in_a_dead_letter(journal: Journal) -> None:
    await driven(journal)
    for number in range(1, MAX_TRIES + 1):
        lease = await claimed(journal)
        assert lease.tries == number
        beginning = Batch([Placed(ModelStarted(1), 1, 1)], news=False)
        await journal.append(lease, lease.last_seq, beginning)
        await journal.release(lease, trouble=f"trouble {number}")
    assert await ids(journal) == []
    await journal.put("s", "message", "m", b"{}", None)
    assert await ids(journal) == [], "a message does not bring it back"
    head = await journal.head("s")
    assert head is not None
    assert (head.tries, head.trouble) == (MAX_TRIES, f"trouble {MAX_TRIES}")
    await journal.release(await claimed(journal))
    assert await ids(journal) == ["s"]
    head = await journal.head("s")
    assert head is not None
    assert (head.tries, head.trouble) == (0, None)


async def test_a_claim_that_came_to_nothing_is_followed_by_a_pause_for_all_workers(tmp_path: Path) -> None:
    places: list[Journal] = [SQLiteJournal(tmp_path / "j.db", ttl=1.5), PostgresJournal(server().fresh(), ttl=1.5)]
    for place in places:
        async with place as journal:
            await driven(journal)
            for number in (1, 2):
                lease = await claimed(journal)
                await journal.release(lease, trouble="the library is missing on every machine")
                begun = anyio.current_time()
                assert await ids(journal) == [], "no worker takes it up at once"
                await until(lambda: ids(journal))
                assert anyio.current_time() - begun > 0.4 * number, "a third of the lease's time per try"
            await journal.release(await claimed(journal), trouble="the last one")
            await journal.release(await claimed(journal))
            assert await ids(journal) == ["s"], "revived"


async def test_a_pause_keeps_no_person_away(journal: Journal) -> None:
    await driven(journal)
    await journal.release(await claimed(journal), trouble="a trouble")
    assert await ids(journal) == []
    lease = await claimed(journal)
    assert lease.tries == 2
    await journal.release(lease)
    assert await ids(journal) == ["s"]


async def test_news_let_the_tries_count_from_zero(journal: Journal) -> None:
    await driven(journal)
    for _ in range(2 * MAX_TRIES):
        lease = await claimed(journal)
        await journal.append(lease, lease.last_seq, batch())
        await journal.release(lease, trouble="the disk was full afterwards")
    assert await ids(journal) == ["s"]


async def test_a_lease_from_before_the_clock_was_set_back_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    async with SQLiteJournal(path, ttl=10) as journal:
        await driven(journal)
        stranger = '{"name":"gone","host":"elsewhere","pid":1,"boot":"another","namespace":null,"started":null}'
        for ahead, waits in ((9_000, True), (19_000, True), (3_600_000, False)):
            with sqlite3.connect(path) as db:
                until = "cast((julianday('now') - 2440587.5) * 86400000 as integer) + ?"
                db.execute(f"update session set owner = ?, lease_ms = 10000, lease_until = {until}", (stranger, ahead))  # noqa: S608
            db.close()
            assert await ids(journal) == ([] if waits else ["s"]), ahead
            if waits:
                with pytest.raises(SessionBusy, match="gone"):
                    await claimed(journal)
            else:
                await claimed(journal)


async def test_trouble_may_quote_anything(journal: Journal) -> None:
    lease = await journal.claim("s", uid="u", agent="a", owner="test")
    await journal.release(lease, trouble="half \ud800 and \0")
    head = await journal.head("s")
    assert head is not None
    assert head.owner is None
    assert head.trouble is not None
    assert head.trouble.startswith("half ")
