"""A session as JSON lines: out, in, and what is refused."""

import json
from collections.abc import Iterable
from decimal import Decimal

import pytest

from agentkit.core.binding import Blob, bind, hashed
from agentkit.core.contract import Contract
from agentkit.core.events import ModelStarted, SessionStarted, ToolFinished, UserSaid
from agentkit.core.messages import Stored, Text
from agentkit.core.spec import Binding, BoundTool, Limits, Settings, ToolSpec
from agentkit.errors import JournalError, NoSuchSession
from agentkit.journal import Journal, MemoryJournal
from agentkit.journal.base import Asked, Batch, Lease, Placed
from agentkit.journal.export import export, import_

pytestmark = pytest.mark.anyio

LARGE = Blob(hashed(b"large"), b"large")
TOOL = ToolSpec(BoundTool("look", "d", "read", exclusive=False), "Look.", {"type": "object"})
SETTINGS = Settings(temperature=0.5, extra={"seed": 7})
BINDING = Binding("desk", "m-1", "Be kind.\ud83d", (TOOL,), SETTINGS, Contract(id="generic"), Limits(), "0.1")
NASTY = UserSaid((Text(' a\u2028\0\ud83d"\\n '), Stored(LARGE.hash, 5)), id="m1")


@pytest.fixture
async def told(journal: Journal) -> Journal:
    """Give a journal with a session `old` that waits for a person."""
    bound, blobs = bind(BINDING, "models.example", None, static=True)
    lease = await journal.claim("old", uid="uid-1", agent="desk", owner="test")
    first = [Placed(SessionStarted("uid-1", "desk"), 0, None), Placed(bound, 0, None), Placed(NASTY, 1, None)]
    asked = Asked("q1", 3, "question", "1.1.0", b'{"text":"?"}')
    await journal.append(lease, 0, Batch(first, blobs=[*blobs, LARGE], opened=[asked], status="waiting"))
    second = [Placed(ModelStarted(1, 9, Decimal("0.1")), 1, 1), Placed(ToolFinished("1.1.0", (Text("ok"),)), 1, 1)]
    await journal.append(lease, 3, Batch(second, status="waiting"))
    return journal


async def exported(journal: Journal, session_id: str = "old") -> list[bytes]:
    return [line async for line in export(journal, session_id)]


async def test_a_session_travels_whole_under_a_new_uid(told: Journal) -> None:
    lines = await exported(told)
    assert all(line.endswith(b"\n") and json.loads(line) for line in lines)
    for there in (told, MemoryJournal()):
        name = await import_(there, lines, uid="uid-2", session_id="new")
        assert name == "new"
        assert [r async for r in there.read("new")] == [r async for r in told.read("old")]
        head = await there.head("new")
        assert head is not None
        assert (head.uid, head.agent, head.status, head.last_seq, head.owner) == ("uid-2", "desk", "waiting", 5, None)
        assert await there.blob("new", LARGE.hash) == b"large"
        assert [asked async for asked in there.asked("new")] == []
        again = await exported(there, "new")
        assert again[1:-1] == lines[1:-1]


async def test_it_keeps_its_id_unless_that_is_taken(told: Journal) -> None:
    lines = await exported(told)
    there = MemoryJournal()
    assert await import_(there, lines, uid="u") == "old"
    with pytest.raises(JournalError, match="already"):
        await import_(there, lines, uid="u")


async def test_lines_may_come_from_a_stream(told: Journal) -> None:
    there = MemoryJournal()
    assert await import_(there, export(told, "old"), uid="u") == "old"


async def test_what_is_not_there_cannot_be_exported(journal: Journal) -> None:
    with pytest.raises(NoSuchSession, match="nobody"):
        await exported(journal, "nobody")
    lease = await journal.claim("s", uid="u", agent="a", owner="test")
    await journal.append(lease, 0, Batch([Placed(UserSaid((Stored("gone", 1),)), 1, None)]))
    with pytest.raises(JournalError, match="gone"):
        await exported(journal, "s")


async def test_events_appended_meanwhile_are_left_out(told: Journal) -> None:
    lines: list[bytes] = []
    lease = None
    async for line in export(told, "old"):
        if lease is None:
            await told.release(await still_held(told))
            lease = await told.claim("old", uid="u", agent="a", owner="test")
            await told.append(lease, 5, Batch([Placed(UserSaid((Text("late"),)), 1, None)]))
        lines.append(line)
    there = MemoryJournal()
    await import_(there, lines, uid="u")
    assert [r.seq async for r in there.read("old")] == [1, 2, 3, 4, 5]


async def still_held(journal: Journal) -> Lease:
    head = await journal.head("old")
    assert head is not None
    return Lease("old", head.epoch, head.last_seq, created=False, uid=head.uid)


def changed(lines: list[bytes], number: int, **fields: object) -> list[bytes]:
    """Change fields of one line, and seal it anew as a forger would."""
    value = json.loads(lines[number - 1]) | fields
    return sealed([*lines[: number - 1], json.dumps(value).encode() + b"\n", *lines[number:-1]])


def sealed(lines: list[bytes]) -> list[bytes]:
    last = {"lines": len(lines), "digest": hashed(b"".join(lines))}
    return [*lines, json.dumps(last).encode() + b"\n"]


def number_of(lines: Iterable[bytes], key: str) -> int:
    return next(n for n, line in enumerate(lines, 1) if key in json.loads(line))


async def test_half_a_file_is_refused(told: Journal) -> None:
    lines = await exported(told)
    there = MemoryJournal()
    for length in range(len(lines)):
        with pytest.raises(JournalError, match=f"^line {length + 1}: the last line is missing; nothing was written"):
            await import_(there, lines[:length], uid="u")
    cut = [*lines[:4], lines[4][:-9]]
    with pytest.raises(JournalError, match=r"^line 5: .*nothing was written"):
        await import_(there, cut, uid="u")
    assert [name async for name in there.sessions()] == []


async def test_a_line_lost_added_or_changed_is_refused(told: Journal) -> None:
    lines = await exported(told)
    there = MemoryJournal()
    for damaged in (
        lines[:3] + lines[4:],
        [*lines[:-1], lines[-2], lines[-1]],
        [line.replace(b"ok", b"no") for line in lines],
        [*lines, lines[-1]],
        [*lines, lines[number_of(lines, "blob") - 1]],
        [*lines[:-1], lines[-1].replace(b'"lines":', b'"lines":1')],
    ):
        with pytest.raises(JournalError, match=r"^line \d+: .*nothing was written"):
            await import_(there, damaged, uid="u")
    assert [name async for name in there.sessions()] == []


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([b"Dear Ann\n"], "line 1"),
        ([b'{"a":1}\n'], "not an export of agentkit"),
        ([b"[]\n"], "not an export of agentkit"),
        ([b'{"agentkit":3}\n'], "format 3"),
        ([b'{"agentkit":1,"session":"s"}\n'], "line 1: 'uid' is missing"),
        ([b'{"agentkit":1,"session":5,"uid":"u","agent":"a","status":"idle"}\n'], "line 1: the header's"),
    ],
)
async def test_another_file_is_refused(lines: list[bytes], words: str) -> None:
    there = MemoryJournal()
    with pytest.raises(JournalError, match=words):
        await import_(there, lines, uid="u")
    assert [name async for name in there.sessions()] == []


async def test_a_forged_line_is_refused_by_its_number_and_reason(told: Journal) -> None:
    lines = await exported(told)
    assert await import_(MemoryJournal(), sealed(lines[:-1]), uid="u") == "old"
    blob, event = number_of(lines, "blob"), number_of(lines, "seq")
    there = MemoryJournal()
    for number, fields, words in (
        (blob, {"data": "bGllcw=="}, "are not those named"),
        (blob, {"data": "?"}, "base64|padding|Non-"),
        (event, {"seq": "1"}, "whole numbers"),
        (event, {"step": True}, "whole numbers"),
        (event, {"turn": -1}, "whole numbers"),
        (event, {"seq": 2**63}, "whole numbers"),
        (event, {"at": "yesterday"}, "yesterday"),
        (event, {"type": "Dreamed"}, "Dreamed"),
        (event, {"body": {}}, "lacks"),
        (len(lines) - 2, {"seq": 3}, "event 3 comes behind event 3"),
        (len(lines) - 1, {"body": {"call": "1", "parts": [{"is": "stored", "hash": "gone", "size": 1}]}}, "gone"),
    ):
        with pytest.raises(JournalError, match=rf"^line {number}: .*({words}).*nothing was written"):
            await import_(there, changed(lines, number, **fields), uid="u")
    ignorable = changed(lines, len(lines) - 1, type="Dreamed", body={"ignorable": True})
    await import_(there, ignorable, uid="u")
    assert [r.seq async for r in there.read("old")] == [1, 2, 3, 4]


async def test_times_without_a_zone_are_refused(told: Journal) -> None:
    lines = await exported(told)
    event = number_of(lines, "seq")
    with pytest.raises(JournalError, match=f"^line {event}: .*zone"):
        await import_(MemoryJournal(), changed(lines, event, at="2026-01-02T03:04:05"), uid="u")
