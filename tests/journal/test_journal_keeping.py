"""Keeping and erasing, as every journal promises it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import anyio
import pytest

from agentkit.core.binding import Blob, hashed
from agentkit.core.events import AnyEvent, Forked, ModelResponded, Sent, SessionStarted, ToolFinished, UserSaid
from agentkit.core.messages import AssistantMessage, Stored, Text
from agentkit.core.record import Record
from agentkit.core.spec import Usage
from agentkit.errors import Fenced, JournalError, NoSuchSession, SessionBusy, SessionErased, SessionHasForks
from agentkit.journal import Journal
from agentkit.journal.base import Asked, Batch, Branch, Imported, Lease, Placed
from agentkit.journal.keeping import Kin, Old, ready_to_go, tombstone

pytestmark = pytest.mark.anyio

USAGE = Usage(10, 4, 5, 1, Decimal("0.25"))
LETTER = Blob(hashed(b"a long letter"), b"a long letter")
SCHEMAS = Blob(hashed(b"[]"), b"[]", shared=True)


async def talk(journal: Journal, session_id: str = "mary", *, status: str = "completed", release: bool = True) -> Lease:
    """Write a small conversation: a message, an answer, a result, a question, mail."""
    lease = await journal.claim(session_id, uid=f"uid of {session_id}", agent="desk", owner="test")
    events: list[AnyEvent] = [
        SessionStarted(f"uid of {session_id}", "desk"),
        UserSaid((Text("my name is Mary"),), "m1", "mary"),
        ModelResponded(AssistantMessage("hello Mary"), Sent(0, ("h",)), USAGE),
        ToolFinished("1.1.0", (Stored(LETTER.hash, len(LETTER.data)),)),
    ]
    asked = Asked("1.1.0-3-x", 3, "approval", "1.1.0", b'{"tool":"pay","arguments":{"to":"Mary"}}')
    batch = Batch([Placed(event, 1, 1) for event in events], (LETTER, SCHEMAS), opened=(asked,), status=status)
    await journal.append(lease, 0, batch)
    if release:
        await journal.release(lease)
    return lease


async def branch(journal: Journal, parent: str, name: str) -> None:
    events = [Placed(Forked("u", 2, f"uid of {name}", "1.1"), 1, 1)]
    await journal.fork(Branch(name, f"uid of {name}", "desk", parent, 2, events))


async def read(journal: Journal, session_id: str) -> list[Record]:
    return [record async for record in journal.read(session_id)]


async def names(journal: Journal) -> set[str]:
    return {name async for name in journal.sessions()}


async def test_an_erased_session_is_gone_and_says_when(journal: Journal) -> None:
    await talk(journal)
    await talk(journal, "other")
    await journal.put("mary", "message", "m2", b'{"parts":["and I live in Rome"]}', "mary")
    erased = await journal.erase("mary")
    assert tuple(erased.session_ids) == ("mary",)
    head = await journal.head("mary")
    assert head is not None
    assert (head.erased, head.status, head.trouble) == (True, "erased", None)
    assert head.erased_at is not None
    assert abs(datetime.now(UTC) - head.erased_at) < timedelta(minutes=1)
    said = "session 'mary' was erased at .* UTC"
    for work in (
        lambda: read(journal, "mary"),
        lambda: read(journal, tombstone("mary")),
        lambda: journal.blob("mary", LETTER.hash),
        lambda: journal.claim("mary", uid="u", agent="a", owner="o"),
        lambda: journal.claim(tombstone("mary"), uid="u", agent="a", owner="o"),
        lambda: journal.put("mary", "message", "m3", b"{}", None),
        lambda: journal.put("mary", "cancel", "1", b"{}", "mary"),
        lambda: journal.adopt(Imported("mary", "u", "a", "completed", [], [])),
        lambda: branch(journal, "mary", "new"),
        lambda: branch(journal, "other", "mary"),
    ):
        with pytest.raises(SessionErased, match=said.replace("'mary'", "'.*'")) as told:
            await work()
        assert told.value.at == head.erased_at
    assert list(await journal.inbox("mary", taken=True)) == []
    assert [of async for of, _ in journal.asked()] == ["other"]
    assert await names(journal) == {"other", tombstone("mary")}
    assert len(await read(journal, "other")) == 4
    assert await journal.blob("other", LETTER.hash) == LETTER.data
    assert list(await journal.ready()) == []


async def test_types_turns_times_and_usage_outlive_what_was_said(journal: Journal) -> None:
    await talk(journal)
    before = [trace async for trace in journal.traces("mary")]
    await journal.erase("mary")
    after = [trace async for trace in journal.traces("mary")]
    assert after == before == [trace async for trace in journal.traces(tombstone("mary"))]
    assert [trace.type for trace in after] == ["SessionStarted", "UserSaid", "ModelResponded", "ToolFinished"]
    assert [trace.usage for trace in after] == [None, None, USAGE, None]
    assert [(trace.seq, trace.turn, trace.step, trace.epoch) for trace in after] == [(n, 1, 1, 1) for n in range(1, 5)]


async def test_without_structure_nothing_stays_and_the_id_is_free(journal: Journal) -> None:
    await talk(journal)
    await journal.erase("mary", structure=False)
    assert await journal.head("mary") is None
    assert await names(journal) == set()
    assert [trace async for trace in journal.traces("mary")] == []
    await talk(journal)
    assert len(await read(journal, "mary")) == 4


async def test_forks_go_with_their_parent_or_it_stays(journal: Journal) -> None:
    await talk(journal)
    await branch(journal, "mary", "second")
    await branch(journal, "second", "third")
    with pytest.raises(SessionHasForks, match="forks 'second', 'third'") as refused:
        await journal.erase("mary")
    assert refused.value.forks == ("second", "third")
    with pytest.raises(SessionHasForks):
        await journal.erase("mary", "third")
    assert await names(journal) == {"mary", "second", "third"}
    assert len(await read(journal, "third")) == 3
    assert set((await journal.erase("third")).session_ids) == {"third"}
    assert set((await journal.erase("mary", forks=True)).session_ids) == {"mary", "second"}
    for name in ("mary", "second", "third"):
        with pytest.raises(SessionErased):
            await read(journal, name)


async def test_forks_that_are_named_need_no_flag(journal: Journal) -> None:
    await talk(journal)
    await branch(journal, "mary", "second")
    assert set((await journal.erase("second", "mary")).session_ids) == {"mary", "second"}


async def test_a_driven_session_is_not_erased_nor_any_other_with_it(journal: Journal) -> None:
    await talk(journal)
    lease = await talk(journal, "driven", release=False)
    with pytest.raises(SessionBusy, match="driven"):
        await journal.erase("mary", "driven")
    assert len(await read(journal, "mary")) == 4
    await journal.append(lease, 4, Batch([Placed(UserSaid((Text("still here"),)), 1, 1)]))


async def test_who_held_a_lease_that_ran_out_is_fenced(journal: Journal) -> None:
    lease = await talk(journal)
    await journal.erase("mary")
    with pytest.raises(Fenced):
        await journal.append(lease, 4, Batch([Placed(UserSaid((Text("too late"),)), 1, 1)]))
    await journal.release(lease, trouble="Mary shouted")
    head = await journal.head("mary")
    assert head is not None
    assert head.trouble is None


async def test_who_held_an_erased_session_does_not_write_into_a_new_one_of_its_name(journal: Journal) -> None:
    lease = await talk(journal)
    await journal.erase("mary", structure=False)
    anew = await journal.claim("mary", uid="another", agent="a", owner="test")
    first = Batch([Placed(UserSaid((Text("hello again"),)), 1, 1)] * 4)
    assert ((await journal.append(anew, 0, first)).last_seq, anew.epoch) == (4, lease.epoch)
    with pytest.raises(Fenced):
        await journal.append(lease, 4, Batch([Placed(UserSaid((Text("of the old one"),)), 1, 1)]))
    await journal.release(lease, trouble="of the old one")
    head = await journal.head("mary")
    assert head is not None
    assert (head.uid, head.trouble, head.owner is None) == ("another", None, False)
    assert (await journal.append(anew, 4, first)).last_seq == 8


async def test_what_is_not_there_cannot_be_erased_and_what_is_erased_can_be_again(journal: Journal) -> None:
    await talk(journal)
    with pytest.raises(NoSuchSession, match="nobody"):
        await journal.erase("mary", "nobody")
    assert len(await read(journal, "mary")) == 4
    await journal.erase("mary")
    assert tuple((await journal.erase("mary")).session_ids) == ()


async def test_ages_are_those_of_the_last_event(journal: Journal) -> None:
    await talk(journal, "first", status="waiting")
    await anyio.sleep(0.3)
    await talk(journal, "second")
    await journal.put("second", "message", "m2", b'{"parts":["x"]}', None)
    old = await journal.older(0.0)
    assert [(each.session_id, each.status, each.held) for each in old] == [
        ("first", "waiting", False),
        ("second", "completed", True),
    ]
    assert [each.session_id for each in await journal.older(0.25)] == ["first"]
    assert list(await journal.older(3600)) == []
    await journal.erase("first")
    assert [each.erased for each in await journal.older(0.0) if each.session_id == tombstone("first")] == [True]


async def test_a_driven_session_counts_as_held(journal: Journal) -> None:
    await talk(journal, release=False)
    assert [each.held for each in await journal.older(0.0)] == [True]


async def test_sizes_add_up_and_begin_with_the_largest(journal: Journal) -> None:
    await talk(journal, "small")
    lease = await talk(journal, "large", release=False)
    await journal.append(lease, 4, Batch([Placed(UserSaid((Text("x" * 5000),)), 1, 1)]))
    sizes = await journal.sizes()
    assert [size.session_id for size in sizes.sessions] == ["large", "small"]
    large, small = sizes.sessions
    assert (large.events, small.events) == (5, 4)
    assert 5000 < large.spoken_bytes < large.event_bytes < large.bytes < 6500
    assert small.blob_bytes >= len(LETTER.data)
    assert small.question_bytes > 0
    assert small.inbox_bytes == 0
    assert small.ratio is not None
    assert small.ratio > 1
    assert sizes.shared == 2


async def test_an_empty_journal_has_sizes_too(journal: Journal) -> None:
    sizes = await journal.sizes()
    assert (list(sizes.sessions), sizes.shared) == ([], 0)
    await journal.vacuum()


def old(name: str, status: str = "completed", *, held: bool = False, erased: bool = False) -> Old:
    return Old(name, status, datetime(2026, 1, 1, tzinfo=UTC), held, erased)


def test_retention_takes_what_rests_and_leaves_the_others_with_a_reason() -> None:
    sessions = [old("done"), old("asked", "waiting"), old("driven", held=True), old("gone", erased=True)]
    going, left = ready_to_go(sessions, Kin({}, {}), ("completed",))
    assert [each.session_id for each in going] == ["done"]
    assert [(each.session_id, why) for each, why in left] == [
        ("asked", "its status is waiting"),
        ("driven", "it is driven, or has mail"),
    ]


def test_retention_leaves_a_parent_whose_fork_stays() -> None:
    children = {"a": ["b"], "b": ["c"], "x": ["y"]}
    going, left = ready_to_go([old("a"), old("b"), old("x"), old("y")], Kin(children, {}), ("completed",))
    assert [each.session_id for each in going] == ["x", "y"]
    assert [why for _, why in left] == ["a fork of it stays (b)", "a fork of it stays (c)"]


async def test_half_an_erasure_is_none(journal: Journal) -> None:
    await talk(journal)
    with pytest.raises(NoSuchSession):
        await journal.erase("mary", "nobody", structure=False)
    assert len(await read(journal, "mary")) == 4
    assert await journal.blob("mary", SCHEMAS.hash) == SCHEMAS.data


async def test_retention_takes_no_session_that_somebody_has_turned_to_meanwhile(journal: Journal) -> None:
    await talk(journal, "old")
    await talk(journal, "fresh")
    assert {each.session_id for each in await journal.older(0) if not each.held} == {"old", "fresh"}
    await journal.put("fresh", "message", "now", b"{}", None)
    with pytest.raises(JournalError, match=r"news of session 'fresh'.*nothing was erased. Do the same again"):
        await journal.erase("old", "fresh", older=0)
    with pytest.raises(JournalError, match=r"news of session 'old'"):
        await journal.erase("old", older=3600)
    assert [row.dedup for row in await journal.inbox("fresh")] == ["now"]
    assert (await journal.erase("old", older=0)).session_ids == ("old",)
