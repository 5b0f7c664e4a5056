"""A fork in the journal: the past is shared along the chain of parents, in every kind of journal alike."""

import pytest

from agentkit.core.binding import Blob, hashed
from agentkit.core.events import AnyEvent, Forked, SessionStarted, UserSaid
from agentkit.core.messages import Text
from agentkit.errors import JournalError, NoSuchSession
from agentkit.journal import Journal
from agentkit.journal.base import Batch, Branch, Placed
from agentkit.journal.codec import codec
from agentkit.journal.sqlite_read import PAGE
from agentkit.testing import Died, Fault, FaultyJournal

pytestmark = pytest.mark.anyio

SECRET = Blob(hashed(b"secret"), b"secret")
SHARED = Blob(hashed(b"shared"), b"shared", shared=True)


def said(text: str) -> UserSaid:
    return UserSaid((Text(text),))


async def write(journal: Journal, session_id: str, *events: AnyEvent, blobs: tuple[Blob, ...] = ()) -> None:
    lease = await journal.claim(session_id, uid="uid-1", agent="desk", owner="test")
    await journal.append(lease, lease.last_seq, Batch([Placed(event, 1, 1) for event in events], blobs))
    await journal.release(lease)


async def fork(journal: Journal, parent: str, session_id: str, seq: int) -> None:
    mark = Placed(Forked("uid-1", seq, f"uid-{session_id}", "1.1"), 1, 1)
    await journal.fork(Branch(session_id, f"uid-{session_id}", "other", parent, seq, [mark]))


async def told(journal: Journal, session_id: str, after: int = 0) -> dict[int, str]:
    return {
        record.seq: record.event.parts[0].text
        async for record in journal.read(session_id, after=after)
        if isinstance(record.event, UserSaid) and isinstance(record.event.parts[0], Text)
    }


async def test_a_fork_shares_the_past_and_goes_its_own_way(journal: Journal) -> None:
    await write(journal, "s", SessionStarted("uid-1", "desk"), said("a"), said("b"), blobs=(SECRET, SHARED))
    before = [record async for record in journal.read("s")]
    await fork(journal, "s", "t", 2)
    await write(journal, "s", said("c"))
    await write(journal, "t", said("x"))
    assert await told(journal, "s") == {2: "a", 3: "b", 4: "c"}
    assert [record async for record in journal.read("s")][:3] == before
    assert await told(journal, "t") == {2: "a", 4: "x"}
    assert [record async for record in journal.read("t")][:2] == before[:2]
    assert await told(journal, "t", after=2) == {4: "x"}
    assert await told(journal, "t", after=4) == {}
    assert [await journal.blob("t", blob.hash) for blob in (SECRET, SHARED)] == [b"secret", b"shared"]
    with pytest.raises(JournalError, match="damaged"):
        await journal.blob("t", "nothing")
    head = await journal.head("t")
    assert head is not None
    assert (head.uid, head.agent, head.last_seq, head.status, head.epoch) == ("uid-t", "other", 4, "open", 1)


async def test_a_fork_s_contents_are_its_own(journal: Journal) -> None:
    await write(journal, "s", SessionStarted("uid-1", "desk"), said("a"))
    await fork(journal, "s", "t", 1)
    await write(journal, "t", said("x"), blobs=(SECRET,))
    assert await journal.blob("t", SECRET.hash) == b"secret"
    with pytest.raises(JournalError, match="damaged"):
        await journal.blob("s", SECRET.hash)


async def test_a_fork_of_a_fork_holds_only_what_both_hold(journal: Journal) -> None:
    await write(journal, "s", SessionStarted("uid-1", "desk"), said("a"), said("b"), said("c"), blobs=(SECRET,))
    await fork(journal, "s", "t", 3)
    await write(journal, "t", said("x"), said("y"))
    await fork(journal, "t", "late", 5)
    await fork(journal, "t", "early", 2)
    await write(journal, "late", said("z"))
    await write(journal, "early", said("w"))
    assert await told(journal, "late") == {2: "a", 3: "b", 5: "x", 7: "z"}
    assert await told(journal, "early") == {2: "a", 4: "w"}
    assert await journal.blob("late", SECRET.hash) == b"secret"


async def test_a_long_past_is_read_whole_and_from_any_number_on(journal: Journal) -> None:
    texts = [str(number) for number in range(2, 3 * PAGE + 2)]
    await write(journal, "s", SessionStarted("uid-1", "desk"), *map(said, texts))
    await fork(journal, "s", "t", 2 * PAGE)
    await write(journal, "t", *map(said, texts))
    whole = [record.seq async for record in journal.read("t")]
    assert whole == list(range(1, 5 * PAGE + 2))
    for after in (1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE - 1, 2 * PAGE, 2 * PAGE + 1, 3 * PAGE):
        assert [record.seq async for record in journal.read("t", after=after)] == whole[after:]
    assert next(iter((await told(journal, "t", after=2 * PAGE + 1)).items())) == (2 * PAGE + 2, "2")


async def test_what_cannot_be_forked_leaves_nothing(journal: Journal) -> None:
    await write(journal, "s", SessionStarted("uid-1", "desk"), said("a"))
    await write(journal, "taken", SessionStarted("uid-1", "desk"))
    with pytest.raises(NoSuchSession, match="'nobody'"):
        await fork(journal, "nobody", "t", 1)
    for seq in (0, 3):
        with pytest.raises(JournalError, match=f"no event {seq}"):
            await fork(journal, "s", "t", seq)
    for name in ("taken", "s"):
        with pytest.raises(JournalError, match="already"):
            await fork(journal, "s", name, 1)
    assert await journal.head("t") is None
    assert await told(journal, "s") == {2: "a"}


@pytest.mark.parametrize("fault", ["die before", "die after", "full", "uncertain before", "uncertain after"])
async def test_a_fork_that_fails_is_whole_or_not_there(journal: Journal, fault: Fault) -> None:
    await write(journal, "s", SessionStarted("uid-1", "desk"), said("a"))
    faulty = FaultyJournal(journal, at=1, fault=fault)
    with pytest.raises((Died, JournalError)):
        await fork(faulty, "s", "t", 2)
    made = fault in {"die after", "uncertain after"}
    assert (await journal.head("t") is not None) == made
    assert len([record async for record in journal.read("t")]) == (3 if made else 0)
    if not made:
        await fork(journal, "s", "t", 2)
        assert await told(journal, "t") == {2: "a"}


def test_the_mark_of_an_import_of_the_first_version_reads_as_it_did() -> None:
    body = {"parent": "u", "seq": 7, "uid": "v"}
    assert codec().unpack("Forked", body) == Forked("u", 7, "v")
    name, packed = codec().pack(Forked("u", 7, "v", "2.3", asks=False))
    assert (name, packed) == ("Forked", {**body, "before": "2.3", "asks": False, "v": 2})
