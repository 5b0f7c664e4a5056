"""A session as JSON lines, out of one journal and into another: a header, its contents, its events, a seal.

The seal holds the number of lines and their digest, so that half a file, or a changed one, is refused as a whole.
Questions do not travel, and approvals do not count elsewhere: the session gets a new uid (`journal.base.Imported`).
Format 2 is for people, not for journals: it tells the inbox and open questions too, which an import leaves out.
"""

from base64 import b64decode, b64encode
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING, Any

from agentkit.core.binding import Blob, hashed
from agentkit.core.cutting import cut_again
from agentkit.core.events import AgentBound, AnyEvent, CallResolved, SessionStarted, ToolFinished
from agentkit.core.messages import Part, Stored
from agentkit.core.record import Record
from agentkit.errors import ForeignJournal, JournalError, NoSuchSession
from agentkit.journal.base import Imported, Journal
from agentkit.journal.calls import KEY, calls
from agentkit.journal.codec import codec
from agentkit.journal.jsonbytes import decode_json, encode_json

if TYPE_CHECKING:
    from agentkit.redaction import Redaction

FORMAT, WHOLE = 1, 2
_TOO_LARGE = 2**63  # for a column of a database


async def export(journal: Journal, session_id: str, *, whole: bool = False) -> AsyncIterator[bytes]:
    """Yield a session's lines, each with its line feed, as it is now: events appended meanwhile are left out.

    With `whole` that is all there is about a person in it: its inbox and what waits for people, too.

    Raises:
        NoSuchSession: there is none.
        JournalError: contents that an event names are missing.
    """
    head = await journal.head(session_id)
    if head is None:
        raise NoSuchSession(f"the journal holds no session {session_id!r}")
    seal = _Seal()
    about = {"session": session_id, "uid": head.uid, "agent": head.agent, "status": head.status}
    yield seal.line({"agentkit": WHOLE if whole else FORMAT, **about})
    written: set[str] = set()
    async for record in journal.read(session_id):
        if record.seq > head.last_seq:
            break
        for name, shared in _named(record.event):
            if name not in written:
                written.add(name)
                data = b64encode(await journal.blob(session_id, name)).decode()
                yield seal.line({"blob": name, "shared": shared, "data": data})
        yield seal.line(_packed(record))
    if whole:
        async for told in _beside(journal, session_id):
            yield seal.line(told)
    yield seal.last()


async def export_all(journal: Journal, *session_ids: str, whole: bool = False) -> AsyncIterator[bytes]:
    """Yield the lines of sessions, one after the other, and those of their sub-agents' sessions behind them.

    Raises: as `export`.
    """
    for session_id in (*session_ids, *await calls(journal, *session_ids)):
        async for line in export(journal, session_id, whole=whole):
            yield line


async def _beside(journal: Journal, session_id: str) -> AsyncIterator[dict[str, Any]]:
    for row in await journal.inbox(session_id, taken=True):
        mail = {"kind": row.kind, "dedup": row.dedup, "by": row.by, "at": row.at.isoformat(), "taken": row.taken_seq}
        yield {"inbox": mail, "body": decode_json(row.body)}
    async for _, asked in journal.asked(session_id):
        at = None if asked.asked_at is None else asked.asked_at.isoformat()
        yield {
            "question": {"id": asked.id, "kind": asked.kind, "call": asked.call, "at": at},
            "body": decode_json(asked.body),
        }


async def import_all(
    journal: Journal, lines: Iterable[bytes], *, uid: Callable[[], str], session_id: str | None = None
) -> list[str]:
    """Make sessions of the exported lines of one or more, under the ids they had; return these.

    Args:
        journal: where to.
        lines: what `export_all` yielded.
        uid: makes a uid for each.
        session_id: a new id for the first. The others are then taken as the sessions of its sub-agents, which keep
            their ids: those that are here already, it shares with the session that it is a copy of.

    Raises:
        ForeignJournal, JournalError: as `import_`, of any of them. Nothing was written, or, where an id is taken, those
            before it: the text says which.
    """
    readings = [_Reading()]
    for line in lines:
        if readings[-1].sealed:
            readings.append(_Reading(readings[-1].before + readings[-1].seal.lines))
        readings[-1].take(line)
    sessions = [reading.result(uid(), None) for reading in readings]
    if session_id is not None:
        sessions = [each async for each in _renamed(journal, sessions, session_id)]
    names: list[str] = []
    for session in sessions:
        try:
            await journal.adopt(_redacted(journal, session))
        except JournalError as error:
            here = f". From this file are here already: {', '.join(map(repr, names))}" if names else ""
            raise type(error)(f"{error}{here}") from error
        names.append(session.session_id)
    return names


async def _renamed(journal: Journal, sessions: Sequence[Imported], name: str) -> AsyncIterator[Imported]:
    first, *below = sessions
    if strange := next((each.session_id for each in below if KEY.fullmatch(each.session_id) is None), None):
        raise JournalError(f"sessions {first.session_id!r} and {strange!r}: a new id is for one; nothing was written")
    yield replace(first, session_id=name)
    for each in below:
        if await journal.head(each.session_id) is not None:
            continue
        started, *more = each.records
        if isinstance(started.event, SessionStarted) and started.event.parent == first.session_id:
            started = replace(started, event=replace(started.event, parent=name))
        yield replace(each, records=(started, *more))


def _redacted(journal: Journal, session: Imported) -> Imported:
    """Return a session as the rules leave it, with the texts that lie outside its events."""
    if (rules := journal.redaction) is None:
        return session
    contents = {blob.hash: blob for blob in session.blobs}

    def fact(event: AnyEvent) -> AnyEvent:
        event = rules.fact(event)
        if not isinstance(event, ToolFinished | CallResolved) or not rules.applies("results"):
            return event
        event = replace(event, parts=tuple(_stored(part, rules, contents) for part in event.parts))
        return _recut(event, rules, contents)

    records = [replace(each, event=fact(each.event)) for each in session.records]
    named = {name for record in records for name, _ in _named(record.event)}
    return replace(session, records=records, blobs=[blob for name, blob in contents.items() if name in named])


def _stored(part: Part, rules: "Redaction", contents: dict[str, Blob]) -> Part:
    """Return a part of a result; where it names a text in which a rule finds something, the changed one is added."""
    if not isinstance(part, Stored) or part.kind != "text":  # pictures and files are always exact
        return part
    text = contents[part.hash].data.decode("utf-8", "surrogatepass")
    return part if (clean := rules(text)) == text else _added(clean, contents)


def _recut(
    event: ToolFinished | CallResolved, rules: "Redaction", contents: dict[str, Blob]
) -> ToolFinished | CallResolved:
    """Return a result that was cut, cut anew where a rule finds something in its whole text."""
    if event.cut is None or not isinstance(event.cut.whole, Stored):
        return event
    text = contents[event.cut.whole.hash].data.decode("utf-8", "surrogatepass")
    if (clean := rules(text)) == text:
        return event
    parts, cut = cut_again(event.call, event.parts, event.cut, clean)
    return replace(event, parts=parts, cut=None if cut is None else replace(cut, whole=_added(clean, contents)))


def _added(text: str, contents: dict[str, Blob]) -> Stored:
    data = text.encode("utf-8", "surrogatepass")
    blob = Blob(hashed(data), data)
    contents[blob.hash] = blob
    return Stored(blob.hash, len(data))


async def import_(
    journal: Journal, lines: Iterable[bytes] | AsyncIterable[bytes], *, uid: str, session_id: str | None = None
) -> str:
    """Make a session of exported lines, under `session_id` or the id it had; return its id.

    Args:
        journal: where to.
        lines: what `export` yielded.
        uid: the session's new uid: its idempotency keys are not those of the journal it comes from.
        session_id: a new id, where the old one is taken.

    Raises:
        ForeignJournal: not an export, or one of a later format.
        JournalError: a line is damaged or missing (which, and why, is said), or there is a session of this id. Nothing
            was written.
    """
    reading = _Reading()
    if isinstance(lines, AsyncIterable):
        async for line in lines:
            reading.take(line)
    else:
        for line in lines:
            reading.take(line)
    imported = _redacted(journal, reading.result(uid, session_id))
    await journal.adopt(imported)
    return imported.session_id


@dataclass(slots=True)
class _Seal:
    """The digest over the lines so far."""

    lines: int = 0
    digest: Any = field(default_factory=lambda: blake2b(digest_size=16))

    def line(self, value: dict[str, Any]) -> bytes:
        line = encode_json(value) + b"\n"
        self.add(line)
        return line

    def add(self, line: bytes) -> None:
        self.lines += 1
        self.digest.update(line)

    def last(self) -> bytes:
        return encode_json(self.value()) + b"\n"

    def value(self) -> dict[str, Any]:
        return {"lines": self.lines, "digest": self.digest.hexdigest()}


@dataclass(slots=True)
class _Reading:
    """What has been understood of the lines so far. `before`: lines of other sessions in the same file."""

    before: int = 0
    seal: _Seal = field(default_factory=_Seal)
    header: dict[str, Any] | None = None
    sealed: bool = False
    records: list[Record] = field(default_factory=list)
    blobs: dict[str, Blob] = field(default_factory=dict)

    def take(self, line: bytes) -> None:
        number = self.before + self.seal.lines + 1
        if self.sealed:
            raise JournalError(f"line {number}: there is more behind the last line; nothing was written")
        try:
            self._understand(decode_json(line))
        except (JournalError, KeyError, TypeError, ValueError) as error:
            kind = ForeignJournal if isinstance(error, ForeignJournal) else JournalError
            why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise kind(f"line {number}: {why}; nothing was written") from error
        self.seal.add(line)

    def result(self, uid: str, session_id: str | None) -> Imported:
        if self.header is None or not self.sealed:
            raise JournalError(
                f"line {self.before + self.seal.lines + 1}: the last line is missing; nothing was written"
            )
        about, blobs = self.header, tuple(self.blobs.values())
        name = about["session"] if session_id is None else session_id
        return Imported(name, uid, about["agent"], about["status"], self.records, blobs)

    def _understand(self, value: Any) -> None:
        if self.header is None:
            self._open(value)
        elif "lines" in value:
            if value != self.seal.value():
                raise JournalError("a line before this one was changed, lost or added")
            self.sealed = True
        elif "blob" in value:
            self._contents(value)
        elif not ("inbox" in value or "question" in value) or self.header["agentkit"] != WHOLE:
            self._event(value)

    def _open(self, value: Any) -> None:
        if not isinstance(value, dict) or "agentkit" not in value:
            raise ForeignJournal("this is not an export of agentkit")
        if value["agentkit"] not in {FORMAT, WHOLE}:
            raise ForeignJournal(f"an export of format {value['agentkit']!r:.20}; this version reads up to {WHOLE}")
        if not all(isinstance(value[key], str) for key in ("session", "uid", "agent", "status")):
            raise JournalError("the header's session, uid, agent and status are text")
        self.header = value

    def _contents(self, value: dict[str, Any]) -> None:
        blob = Blob(value["blob"], b64decode(value["data"], validate=True), shared=value["shared"] is True)
        if hashed(blob.data) != blob.hash:
            raise JournalError(f"the contents are not those named {blob.hash}")
        self.blobs[blob.hash] = blob

    def _event(self, value: dict[str, Any]) -> None:
        seq, turn, epoch, step = value["seq"], value["turn"], value["epoch"], value.get("step")
        if not all(_is_place(n) for n in (seq, turn, epoch, step or 0)):
            raise JournalError("seq, turn, step and epoch are whole numbers")
        if self.records and seq <= self.records[-1].seq:
            raise JournalError(f"event {seq} comes behind event {self.records[-1].seq}")
        event = codec().unpack(value["type"], value["body"])
        if event is None:
            return
        if missing := [name for name, _ in _named(event) if name not in self.blobs]:
            raise JournalError(f"the contents {missing[0]} are not in the export")
        at = datetime.fromisoformat(value["at"])
        if at.tzinfo is None:
            raise JournalError("the time has no zone")
        self.records.append(Record(seq, at, turn, step, event, epoch))


def _is_place(number: Any) -> bool:
    return type(number) is int and 0 <= number < _TOO_LARGE


def _packed(record: Record) -> dict[str, Any]:
    name, body = codec().pack(record.event)
    place = {"seq": record.seq, "turn": record.turn, "epoch": record.epoch, "at": record.at.isoformat()}
    step = {} if record.step is None else {"step": record.step}
    return {**place, **step, "type": name, "body": body}


def _named(event: AnyEvent) -> Iterator[tuple[str, bool]]:
    """Yield (name, shared) of the contents an event names."""
    if isinstance(event, AgentBound):
        yield from ((name, True) for name in (event.schemas, event.settings, event.contract))
        yield event.instructions, False
        if event.declared is not None:
            yield event.declared, False
    said = getattr(event, "message", None)
    parts = chain(getattr(event, "parts", ()), getattr(said, "parts", ()))
    yield from ((part.hash, False) for part in parts if isinstance(part, Stored))
    cut = getattr(event, "cut", None)
    if cut is not None and isinstance(cut.whole, Stored):
        yield cut.whole.hash, False
