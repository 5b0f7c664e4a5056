"""Between codec and storage, for every database alike: what is written of a session is sealed with its data key.

Sealed are bodies of events, of the inbox and of questions, and the session's own contents, each bound to its place, so
that no row can stand in for another. In the clear stay what a database works with: session ids, agents' names, types,
turns, usage, times. Names that may hold a person's words (message ids, hashes of contents, who left something) are
sealed too; a keyed hash stands in the column.
"""

from typing import NamedTuple, Protocol

from agentkit.errors import ErasureUnfinished, JournalError, KeyMissing
from agentkit.journal.codec import Stored
from agentkit.journal.jsonbytes import decode_json, encode_json


class Box(Protocol):
    """Seals and opens with one key (journal/keys.py)."""

    def seal(self, data: bytes, about: bytes) -> bytes: ...  # noqa: D102 - said there
    def open(self, sealed: bytes, about: bytes) -> bytes | None: ...  # noqa: D102
    def label(self, name: str) -> str: ...  # noqa: D102


class Ring(Protocol):
    """Where data keys are kept (journal/keys.py)."""

    def make(self) -> str: ...  # noqa: D102 - said there
    def box(self, name: str) -> Box: ...  # noqa: D102
    def forget(self, name: str) -> None: ...  # noqa: D102


class Mail(NamedTuple):
    """What a row of the inbox holds besides its kind."""

    dedup: str
    by: str | None
    body: bytes


class Sealer:
    """Seals and opens what belongs to one session; without a box everything stays as it is."""

    def __init__(self, box: Box | None = None, session_id: str = "") -> None:
        self._box, self._session_id = box, session_id

    def event(self, seq: int, stored: Stored) -> Stored:
        """Return an event as its row holds it."""
        if self._box is None:
            return stored
        return stored._replace(body=self._box.seal(stored.body, _event(seq, stored.type)))

    def event_of(self, seq: int, stored: Stored) -> Stored:
        """Return the event of a row. Raises: JournalError: it was sealed with another key, or as another row."""
        if self._box is None:
            return stored
        return stored._replace(body=self._opened(stored.body, _event(seq, stored.type)))

    def name(self, name: str) -> str:
        """Return what stands in a column for the name of contents, or for an inbox row's dedup."""
        return name if self._box is None else self._box.label(name)

    def data(self, name: str, data: bytes) -> bytes:
        """Return contents as their row holds them."""
        return data if self._box is None else self._box.seal(data, _place("blob", name))

    def data_of(self, name: str, sealed: bytes) -> bytes:
        """Return the contents of a row. Raises: as `event_of`."""
        return sealed if self._box is None else self._opened(sealed, _place("blob", name))

    def question(self, question_id: str, body: bytes) -> bytes:
        """Return a question's body as its row holds it."""
        return body if self._box is None else self._box.seal(body, _place("question", question_id))

    def question_of(self, question_id: str, sealed: bytes) -> bytes:
        """Return the body of a question's row. Raises: as `event_of`."""
        return sealed if self._box is None else self._opened(sealed, _place("question", question_id))

    def mail(self, kind: str, mail: Mail) -> Mail:
        """Return what lies in the inbox as its row holds it: the dedup as a keyed hash, the rest in the body."""
        if self._box is None:
            return mail
        label = self._box.label(mail.dedup)
        said = encode_json([mail.dedup, mail.by]) + b"\n" + mail.body
        return Mail(label, None, self._box.seal(said, _place("inbox", f"{kind} {label}")))

    def mail_of(self, kind: str, row: Mail) -> Mail:
        """Return what lies in an inbox row. Raises: as `event_of`."""
        if self._box is None:
            return row
        names, _, body = self._opened(row.body, _place("inbox", f"{kind} {row.dedup}")).partition(b"\n")
        dedup, by = decode_json(names)
        return Mail(dedup, by, body)

    def trouble(self, text: str) -> str:
        """Return the words of an error as the session's row holds them."""
        if self._box is None:  # anything may be quoted in it, also what no database takes as text
            return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")
        return _SEALED + self._box.seal(text.encode("utf-8", "surrogatepass"), _TROUBLE).hex()

    def trouble_of(self, text: str) -> str:
        """Return the words of an error from a session's row. Raises: as `event_of`."""
        sealed = bytes.fromhex(text.removeprefix(_SEALED))
        return self._opened(sealed, _TROUBLE).decode("utf-8", "surrogatepass")

    def _opened(self, sealed: bytes, about: bytes) -> bytes:
        opened = None if self._box is None else self._box.open(sealed, about)
        if opened is None:
            raise JournalError(
                f"session {self._session_id!r}: what is stored as {about.decode()!r} was not sealed as that with this "
                "session's data key: the row is damaged, or was put there from elsewhere"
            )
        return opened


_TROUBLE, _SEALED = b"agentkit 1 trouble", "sealed:"
_UNSAID = "it cannot be told: the session's data key is missing"

PLAIN = Sealer()


class Seal:
    """How one journal seals: with the keys of a ring, or, without one, not at all."""

    def __init__(self, ring: Ring | None = None) -> None:
        self._ring = ring

    def make(self, newest: str | None) -> str | None:
        """Return the name of a data key for a new session; None where sessions are not sealed.

        Args:
            newest: the key's name of the youngest session, None where that has none.

        Raises:
            KeyMissing: that one is sealed, and this journal was opened without keys.
        """
        if self._ring is None and newest is not None:
            raise KeyMissing("the sessions of this journal are sealed: open it with keys=…, else a new one is not")
        return None if self._ring is None else self._ring.make()

    def of(self, key: str | None, session_id: str) -> Sealer:
        """Return what seals and opens what belongs to a session. Raises: KeyMissing."""
        if key is None:
            return PLAIN
        if self._ring is None:
            raise KeyMissing(f"session {session_id!r} is sealed with data key {key}: open the journal with keys=…")
        try:
            return Sealer(self._ring.box(key), session_id)
        except KeyMissing as error:
            raise KeyMissing(f"session {session_id!r}: {error}") from error

    def trouble(self, key: str | None, session_id: str, text: str | None) -> str | None:
        """Return the words of an error as the session's row is to hold them: they count also without the key."""
        if text is None:
            return None
        try:
            return self.of(key, session_id).trouble(text)
        except KeyMissing:
            return _UNSAID

    def trouble_of(self, key: str | None, session_id: str, text: str | None) -> str | None:
        """Return the words of an error from a session's row, as far as they can be opened."""
        if text is None or key is None or not text.startswith(_SEALED):
            return text
        try:
            return self.of(key, session_id).trouble_of(text)
        except KeyMissing:
            return _UNSAID

    def may_destroy(self, key: str | None) -> None:
        """Check before erasing. Raises: KeyMissing: the session has a data key, and there is no ring to destroy it."""
        if key is not None and self._ring is None:
            raise KeyMissing(
                f"the session is sealed with data key {key}, which has to be destroyed too: open the journal with "
                "keys=…. Nothing was erased"
            )

    def destroy(self, key: str) -> None:
        """Destroy the data key of an erased session.

        Raises: ErasureUnfinished: this journal was opened without keys. JournalError: as `KeyRing.destroy`.
        """
        if self._ring is None:
            raise ErasureUnfinished(
                f"data key {key} of an erased session is still to be destroyed: open the journal with keys=…, and do "
                "`agentkit vacuum` (`Journal.vacuum`)"
            )
        self._ring.forget(key)


def _event(seq: int, kind: str) -> bytes:
    return _place("event", f"{seq} {kind}")


def _place(what: str, name: str) -> bytes:
    return f"agentkit 1 {what} {name}".encode("utf-8", "backslashreplace")
