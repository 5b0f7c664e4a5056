"""What every journal promises. Another kind of journal joins by one line in conftest.py."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import anyio
import pytest

from agentkit.core.binding import Blob, hashed
from agentkit.core.events import AnyEvent, ModelStarted, SessionStarted, ToolFinished, TurnEnded, UserSaid
from agentkit.core.messages import Text
from agentkit.core.waiting import Approval, Question, UnknownOutcome
from agentkit.errors import Fenced, JournalError, NoSuchSession, SessionBusy
from agentkit.journal import Journal
from agentkit.journal.base import Asked, Batch, Imported, InboxKind, InboxRow, Lease, Placed

pytestmark = pytest.mark.anyio

BEGAN = SessionStarted("uid-1", "desk")


def said(text: str) -> UserSaid:
    return UserSaid((Text(text),))


def batch(*events: AnyEvent, turn: int = 1) -> Batch:
    return Batch([Placed(event, turn, 1) for event in events])


async def claimed(journal: Journal, session_id: str = "s") -> Lease:
    return await journal.claim(session_id, uid="uid-1", agent="desk", owner="test")


async def texts(journal: Journal, session_id: str = "s", after: int = 0) -> list[str]:
    return [
        record.event.parts[0].text
        async for record in journal.read(session_id, after=after)
        if isinstance(record.event, UserSaid) and isinstance(record.event.parts[0], Text)
    ]


async def test_a_claim_makes_the_session_and_every_claim_begins_an_epoch(journal: Journal) -> None:
    assert await journal.head("s") is None
    first = await claimed(journal)
    assert first == Lease("s", epoch=1, last_seq=0, created=True)
    await journal.append(first, 0, batch(BEGAN))
    await journal.release(first)
    assert await claimed(journal) == Lease("s", epoch=2, last_seq=1, created=False)
    head = await journal.head("s")
    assert head is not None
    assert (head.uid, head.agent, head.epoch, head.last_seq, head.status) == ("uid-1", "desk", 2, 1, "open")
    assert head.owner is not None
    assert "test" in head.owner
    assert abs(datetime.now(UTC) - head.created_at) < timedelta(minutes=1)


async def test_a_lease_says_when_it_was_taken_by_the_journals_clock(journal: Journal) -> None:
    lease = await claimed(journal)
    appended = await journal.append(lease, 0, batch(BEGAN))
    assert lease.at is not None
    assert timedelta() <= appended.at - lease.at < timedelta(seconds=5)


async def test_uid_and_agent_are_the_last_claimants_until_an_event_is_there(journal: Journal) -> None:
    lease = await journal.claim("s", uid="first", agent="a", owner="test")
    await journal.release(lease)
    lease = await journal.claim("s", uid="second", agent="b", owner="test")
    assert lease.created
    await journal.append(lease, 0, batch(BEGAN))
    await journal.release(lease)
    assert not (await journal.claim("s", uid="third", agent="c", owner="test")).created
    head = await journal.head("s")
    assert head is not None
    assert (head.uid, head.agent) == ("second", "b")


async def test_a_second_claim_in_this_process_is_refused_by_name(journal: Journal) -> None:
    await claimed(journal)
    with pytest.raises(SessionBusy, match="this process") as busy:
        await claimed(journal)
    assert busy.value.owner.startswith("this process")


async def test_of_two_claimers_at_once_one_gets_it(journal: Journal) -> None:
    won: list[Lease] = []
    lost: list[SessionBusy] = []

    async def claim() -> None:
        try:
            won.append(await claimed(journal))
        except SessionBusy as busy:
            lost.append(busy)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(claim)
    assert (len(won), len(lost)) == (1, 4)


async def test_events_come_back_in_order_with_their_place_and_time(journal: Journal) -> None:
    lease = await claimed(journal)
    appended = await journal.append(
        lease, 0, Batch([Placed(BEGAN, 0, None), Placed(said("a"), 1, None), Placed(ModelStarted(1, 5), 1, 3)])
    )
    assert appended.last_seq == 3
    records = [record async for record in journal.read("s")]
    assert [record.seq for record in records] == [1, 2, 3]
    assert [record.event for record in records] == [BEGAN, said("a"), ModelStarted(1, 5)]
    assert [(record.turn, record.step, record.epoch) for record in records] == [(0, None, 1), (1, None, 1), (1, 3, 1)]
    assert {record.at for record in records} == {appended.at}
    assert abs(datetime.now(UTC) - appended.at) < timedelta(minutes=1)


async def test_reading_goes_on_behind_any_event_and_over_pages(journal: Journal) -> None:
    lease = await claimed(journal)
    for first in range(0, 250, 50):
        await journal.append(lease, first, batch(*(said(str(n)) for n in range(first + 1, first + 51))))
    assert await texts(journal) == [str(n) for n in range(1, 251)]
    assert await texts(journal, after=149) == [str(n) for n in range(150, 251)]
    assert await texts(journal, after=250) == []
    assert await texts(journal, "nobody") == []


async def test_an_append_behind_the_wrong_event_is_fenced(journal: Journal) -> None:
    lease = await claimed(journal)
    await journal.append(lease, 0, batch(said("a")))
    for after in (0, 2):
        with pytest.raises(Fenced):
            await journal.append(lease, after, batch(said("lost")))
    assert await texts(journal) == ["a"]


async def test_an_append_after_a_takeover_is_fenced(journal: Journal) -> None:
    old = await claimed(journal)
    await journal.append(old, 0, batch(said("a")))
    await journal.release(old)
    new = await claimed(journal)
    with pytest.raises(Fenced):
        await journal.append(old, 1, batch(said("lost")))
    await journal.append(new, 1, batch(said("b")))
    assert await texts(journal) == ["a", "b"]


async def test_an_append_after_the_release_is_fenced(journal: Journal) -> None:
    lease = await claimed(journal)
    await journal.release(lease)
    with pytest.raises(Fenced):
        await journal.append(lease, 0, batch(said("lost")))


async def test_a_lease_of_an_older_epoch_releases_nothing(journal: Journal) -> None:
    old = await claimed(journal)
    await journal.release(old)
    await claimed(journal)
    await journal.release(old)
    with pytest.raises(SessionBusy):
        await claimed(journal)


async def test_an_append_to_no_session_is_fenced(journal: Journal) -> None:
    with pytest.raises(Fenced):
        await journal.append(Lease("nobody", 1, 0, created=True), 0, batch(said("lost")))


QUESTION = Asked("q1", 2, "question", "1.1.0", b'{"text":"Which one?"}')
DATA = b"a long result"
BLOB = Blob(hashed(DATA), DATA)


async def contents(journal: Journal, blob: Blob) -> bytes | None:
    try:
        return await journal.blob("s", blob.hash)
    except JournalError:
        return None


Everything = tuple[int, str, list[str], list[InboxRow], list[tuple[str, Asked]], bytes | None]


async def everything(journal: Journal) -> Everything:
    head = await journal.head("s")
    assert head is not None
    rows = list(await journal.inbox("s"))
    questions = [asked async for asked in journal.asked()]
    return head.last_seq, head.status, await texts(journal), rows, questions, await contents(journal, BLOB)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(
            {"events": [Placed(said("b"), 1, 1), Placed(ModelStarted(1, 1, Decimal("NaN")), 1, 1)]}, id="event"
        ),
        pytest.param({"taken": [(4711, 0)]}, id="inbox"),
    ],
)
async def test_a_batch_is_written_whole_or_not_at_all(journal: Journal, broken: dict[str, list[Placed]]) -> None:
    lease = await claimed(journal)
    await journal.append(lease, 0, batch(said("a")))
    row = await journal.put("s", "message", "m1", b'"hi"', None)
    before = await everything(journal)
    whole: dict[str, object] = {
        "events": [Placed(said("b"), 1, 1)],
        "blobs": [BLOB],
        "taken": [(row.n, 0)],
        "opened": [QUESTION],
        "status": "waiting",
    }
    with pytest.raises(JournalError, match="nothing was written"):
        await journal.append(lease, 1, Batch(**(whole | broken)))  # type: ignore[arg-type] # the fields are as above
    assert await everything(journal) == before
    await journal.append(lease, 1, Batch(**whole))  # type: ignore[arg-type]
    last_seq, status, said_now, rows, questions, data = await everything(journal)
    assert (last_seq, status, said_now, rows, data) == (2, "waiting", ["a", "b"], [], DATA)
    assert [(of, asked.id) for of, asked in questions] == [("s", "q1")]


async def test_a_message_may_come_before_the_session(journal: Journal) -> None:
    row = await journal.put("s", "message", "m1", b'"hi"', "ann")
    assert (row.kind, row.dedup, row.body, row.by, row.taken_seq) == ("message", "m1", b'"hi"', "ann", None)
    head = await journal.head("s")
    assert head is not None
    assert (head.epoch, head.last_seq, head.uid, head.status, head.owner) == (0, 0, "", "idle", None)
    assert (await claimed(journal)).created
    assert list(await journal.inbox("s")) == [row]


@pytest.mark.parametrize("kind", ["approval", "denial", "answer", "resolution", "cancel", "child", "resume"])
async def test_any_other_fact_needs_the_session(journal: Journal, kind: InboxKind) -> None:
    with pytest.raises(NoSuchSession, match="nobody"):
        await journal.put("nobody", kind, "d", b"{}", None)
    assert await journal.head("nobody") is None


async def test_the_same_fact_twice_is_one_row_and_its_body_can_be_compared(journal: Journal) -> None:
    first = await journal.put("s", "message", "m1", b'"hi"', "ann")
    assert await journal.put("s", "message", "m1", b'"other"', "bob") == first
    other = await journal.put("s", "cancel", "m1", b"{}", None)
    elsewhere = await journal.put("t", "message", "m1", b'"hi"', None)
    assert len({first.n, other.n, elsewhere.n}) == 3
    assert list(await journal.inbox("s")) == [first, other]


async def test_a_row_is_taken_once_by_the_event_it_became(journal: Journal) -> None:
    rows = [await journal.put("s", "message", str(n), b"{}", None) for n in range(3)]
    lease = await claimed(journal)
    taking = Batch([Placed(said("a"), 1, None), Placed(said("b"), 1, None)], taken=[(rows[0].n, 0), (rows[1].n, 1)])
    await journal.append(lease, 0, taking)
    assert list(await journal.inbox("s")) == [rows[2]]
    assert [row.taken_seq for row in await journal.inbox("s", taken=True)] == [1, 2, None]
    assert (await journal.put("s", "message", "0", b"{}", None)).taken_seq == 1
    with pytest.raises(JournalError, match="nothing was written"):
        await journal.append(lease, 2, Batch([Placed(said("c"), 1, None)], taken=[(rows[0].n, 0)]))
    assert await texts(journal) == ["a", "b"]


async def test_a_row_of_another_session_cannot_be_taken(journal: Journal) -> None:
    row = await journal.put("other", "message", "m", b"{}", None)
    lease = await claimed(journal)
    with pytest.raises(JournalError):
        await journal.append(lease, 0, Batch([Placed(said("a"), 1, None)], taken=[(row.n, 0)]))
    assert list(await journal.inbox("other")) == [row]


async def test_contents_belong_to_their_session_unless_shared(journal: Journal) -> None:
    shared = Blob(hashed(b"schemas"), b"schemas", shared=True)
    mine, theirs = await claimed(journal, "s"), await claimed(journal, "t")
    for _ in range(2):  # the same contents again change nothing
        head = await journal.head("s")
        assert head is not None
        await journal.append(mine, head.last_seq, Batch([Placed(said("a"), 1, 1)], blobs=[shared, BLOB]))
    assert await journal.blob("s", BLOB.hash) == DATA
    assert await journal.blob("t", shared.hash) == b"schemas"
    with pytest.raises(JournalError, match=BLOB.hash):
        await journal.blob("t", BLOB.hash)
    await journal.append(theirs, 0, Batch([Placed(said("b"), 1, 1)], blobs=[BLOB]))
    assert await journal.blob("t", BLOB.hash) == DATA
    with pytest.raises(JournalError):
        await journal.blob("nobody", BLOB.hash)


async def test_questions_wait_until_they_are_closed(journal: Journal) -> None:
    until = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    started = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    approval = b'{"tool":"refund","arguments":{"order":7},"why":"over 100"}'
    unknown = (
        b'{"tool":"refund","arguments":{},"idempotency_key":"k","started_at":"2026-01-02T03:04:05+00:00","why":"?"}'
    )
    mine, theirs = await claimed(journal, "s"), await claimed(journal, "t")
    opened = (
        Asked("a1", 1, "approval", "1.1.0", approval, expires_at=until),
        Asked("a2", 1, "twin", "1.1.1", approval),
        QUESTION,
    )
    at = (await journal.append(mine, 0, Batch([Placed(said("a"), 1, 1)], opened=opened))).at
    asked_again = Asked("a1", 2, "unknown", "1.1.0", unknown)  # an id is one question of one session
    later = (await journal.append(theirs, 0, Batch([Placed(said("b"), 1, 1)], opened=[asked_again]))).at
    assert [waiting async for waiting in journal.pending()] == [
        Approval("a1", "s", "refund", {"order": 7}, at, until, "over 100"),
        Approval("a2", "s", "refund", {"order": 7}, at, None, "over 100"),
        Question("q1", "s", "Which one?", at),
        UnknownOutcome("a1", "t", "refund", {}, "k", started, "?"),
    ]
    assert [(of, asked.id, asked.asked_at) async for of, asked in journal.asked("t")] == [("t", "a1", later)]
    await journal.append(mine, 1, Batch([Placed(said("c"), 1, 1)], closed=["a1", "q1", "never asked"]))
    assert [(of, asked.id) async for of, asked in journal.asked()] == [("s", "a2"), ("t", "a1")]


async def test_a_question_that_cannot_be_read_is_named(journal: Journal) -> None:
    lease = await claimed(journal)
    for body in (b'{"tool":"refund"}', b'{"text":"a","more":1}', b"{"):
        broken = Asked("q9", 1, "question", "1.1.0", body)
        head = await journal.head("s")
        assert head is not None
        await journal.append(lease, head.last_seq, Batch([Placed(said("a"), 1, 1)], opened=[broken]))
        with pytest.raises(JournalError):
            assert [waiting async for waiting in journal.pending()]


async def test_many_questions_come_oldest_first(journal: Journal) -> None:
    lease = await claimed(journal)
    asked = [Asked(f"q{n}", 1, "question", "1.1.0", b'{"text":"?"}') for n in range(230)]
    await journal.append(lease, 0, Batch([Placed(said("a"), 1, 1)], opened=asked))
    assert [waiting.id async for waiting in journal.pending()] == [f"q{n}" for n in range(230)]


async def test_sessions_come_newest_first_and_by_status(journal: Journal) -> None:
    ended = {"completed": "s3", "waiting": "s7", "cancelled": "s1"}
    for n in range(230):
        await journal.put(f"s{n}", "message", "m", b"{}", None)
    for status, name in ended.items():
        lease = await claimed(journal, name)
        await journal.append(lease, 0, Batch([Placed(TurnEnded("completed"), 1, None)], status=status))
    assert [name async for name in journal.sessions()] == [f"s{n}" for n in reversed(range(230))]
    assert [name async for name in journal.sessions(status="waiting")] == ["s7"]
    assert [name async for name in journal.sessions(status="limit")] == []


async def test_a_session_may_be_filed_anew_without_an_event(journal: Journal) -> None:
    lease = await claimed(journal)
    assert (await journal.append(lease, 0, Batch([], status="completed"))).last_seq == 0
    assert [name async for name in journal.sessions(status="completed")] == ["s"]


async def test_a_session_from_elsewhere_is_taken_whole_or_not_at_all(journal: Journal) -> None:
    lease = await claimed(journal, "old")
    finished = ToolFinished("1.1.0", (Text("ok"),))
    await journal.append(lease, 0, Batch([Placed(BEGAN, 0, None), Placed(finished, 1, 1)], blobs=[BLOB]))
    records = [record async for record in journal.read("old")]
    await journal.adopt(Imported("s", "uid-2", "desk", "waiting", records, [BLOB]))
    assert [record async for record in journal.read("s")] == records
    assert await journal.blob("s", BLOB.hash) == DATA
    head = await journal.head("s")
    assert head is not None
    assert (head.uid, head.agent, head.status, head.last_seq, head.epoch) == ("uid-2", "desk", "waiting", 2, 0)
    with pytest.raises(JournalError, match="already"):
        await journal.adopt(Imported("s", "uid-3", "desk", "waiting", (), ()))
    lease = await journal.claim("s", uid="uid-4", agent="other", owner="test")
    assert (lease.last_seq, lease.created) == (2, False)
    await journal.append(lease, 2, batch(said("go on")))
    assert await texts(journal) == ["go on"]


async def test_every_method_of_the_inbox_is_empty_for_nobody(journal: Journal) -> None:
    assert list(await journal.inbox("nobody")) == []
    assert [asked async for asked in journal.asked("nobody")] == []
