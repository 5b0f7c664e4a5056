"""What is said about keeping and erasing: sizes, ages, the structure that outlives an erased conversation."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b

from agentkit.core.spec import Usage
from agentkit.core.values import dataclass
from agentkit.errors import ErasureUnfinished, JournalError

AT_REST = ("completed", "cancelled", "limit", "failed", "idle")
"""Statuses of sessions that nobody waits for: what retention by age takes unless it is told otherwise."""

SPOKEN = (
    *("UserSaid", "ModelResponded", "ToolFinished", "CallRefused", "CallDenied", "CallClosed", "CallAnswered"),
    *("CallResolved", "Compacted"),
)
"""Types of events that hold what was said; the others are the journal's own."""

FINISH = "`agentkit vacuum` (`Journal.vacuum`) finishes the erasing"

REMOVED = "removed"
"""Status of an erased session of which nothing is to stay, and whose data key may be there still."""

_TOMBSTONE = "erased-"


@dataclass(frozen=True, slots=True)
class Size:
    """What one session takes, in bytes of its rows."""

    session_id: str
    status: str
    events: int  # how many
    event_bytes: int
    spoken_bytes: int  # of these, the conversation
    blob_bytes: int
    inbox_bytes: int
    question_bytes: int

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.event_bytes + self.blob_bytes + self.inbox_bytes + self.question_bytes

    @property
    def ratio(self) -> float | None:
        """How many bytes are kept for each byte of the conversation; None where nothing was said."""
        spoken = self.spoken_bytes + self.blob_bytes
        return self.bytes / spoken if spoken else None


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a journal takes. `file`, `log` and `free` are None where the database does not tell."""

    sessions: Sequence[Size]  # largest first
    shared: int  # contents that belong to no session: tool schemas, static instructions
    file: int | None  # of the database, with its indexes
    log: int | None  # of the write-ahead log beside it
    free: int | None  # of `file`: pages that hold nothing


@dataclass(frozen=True, slots=True)
class Old:
    """A session whose last fact is older than was asked for. `held`: a live process drives it, or it has mail."""

    session_id: str
    status: str
    at: datetime  # of its last event
    held: bool
    erased: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """What is left of an event when its content is gone."""

    seq: int
    at: datetime
    turn: int
    step: int | None
    epoch: int
    type: str
    usage: Usage | None


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased: ids as they were, forks and sub-agents' sessions included.

    `remains` says what is left elsewhere; "" where nothing is.
    """

    session_ids: Sequence[str]
    remains: str = ""


async def finished(vacuum: Callable[[], Awaitable[None]]) -> None:
    """Give back the space of what was just erased. Raises: ErasureUnfinished: that failed; what was erased stays so."""
    try:
        await vacuum()
    except ErasureUnfinished:
        raise
    except JournalError as error:
        raise ErasureUnfinished(
            f"erased, but its bytes may still lie in files: {error}. When that is mended, {FINISH}"
        ) from error


@dataclass(frozen=True, slots=True)
class Wanted:
    """An erasure as it is asked for: see `Journal.erase`."""

    session_ids: Sequence[str]
    forks: bool
    structure: bool
    older: float | None  # seconds
    calls: Sequence[str] = ()  # of these sessions: they go with them


def tombstone(session_id: str) -> str:
    """Return the name under which the structure of an erased session stays: its id may hold a person's name.

    It is a hash without a secret: who guesses the id can tell that it is this one.
    """
    digest = blake2b(session_id.encode("utf-8", "surrogatepass"), digest_size=16, person=b"agentkit erased").hexdigest()
    return _TOMBSTONE + digest


def refuse_news(going: Collection[str], old: Sequence[Old]) -> None:
    """Ask, where nothing can come any more, whether all that goes is old still. Raises: JournalError."""
    still = {each.session_id for each in old if not each.held}
    if fresh := sorted(name for name in going if name not in still):
        raise JournalError(
            f"there is news of session {fresh[0]!r} since its age was looked at: nothing was erased. Do the same again"
        )


@dataclass(frozen=True, slots=True)
class Kin:
    """Which sessions go together: the direct forks and the direct calls of each, those that are not old included."""

    forks: Mapping[str, Collection[str]]
    calls: Mapping[str, Collection[str]]

    def callers(self) -> dict[str, str]:
        """Return whose call each session is."""
        return {call: caller for caller, below in self.calls.items() for call in below}


def ready_to_go(old: Sequence[Old], kin: Kin, statuses: Collection[str]) -> tuple[list[Old], list[tuple[Old, str]]]:
    """Return which of the old sessions retention takes, and which it leaves, each with why.

    A sub-agent's session goes with its caller, however it rests, and not before it.

    Args:
        old: sessions by age.
        kin: what goes together.
        statuses: what a session may rest as.
    """
    callers = kin.callers()
    able = [each for each in old if not each.held and not each.erased]
    going = {each.session_id: each for each in able if each.status in statuses or each.session_id in callers}

    def stays(name: str) -> bool:
        together = (*kin.forks.get(name, ()), *kin.calls.get(name, ()), callers.get(name, name))
        return any(each not in going for each in together)

    while kept := [name for name in going if stays(name)]:
        for name in kept:
            del going[name]
    left = [each for each in old if each.session_id not in going and not each.erased]
    return list(going.values()), [(each, _why(each, statuses, kin, callers)) for each in left]


def _why(old: Old, statuses: Collection[str], kin: Kin, callers: Mapping[str, str]) -> str:
    if old.held:
        return "it is driven, or has mail"
    if old.session_id in callers:
        return "it is a call of a session that stays"
    if old.status not in statuses:
        return f"its status is {old.status}"
    if forks := kin.forks.get(old.session_id):
        return f"a fork of it stays ({', '.join(sorted(forks))})"
    return "a call of it has news, or a fork that stays"
