"""A journal that fails where you say.

`FaultyJournal` wraps a real journal and lets one append fail: the process "dies" there (`Died` is no `Exception`, so
nothing catches it and nothing is cleaned up), or the disk is full, or the commit's fate is lost.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Literal, Self, TypeAlias, TypeVar

from agentkit.core.record import Record, Row
from agentkit.core.spec import Status
from agentkit.core.waiting import Waiting
from agentkit.errors import AppendUncertain, JournalError
from agentkit.journal.base import (
    Appended,
    Asked,
    Batch,
    Branch,
    Head,
    Imported,
    InboxKind,
    InboxRow,
    Journal,
    Lease,
    Ready,
)
from agentkit.journal.keeping import Erasure, Old, Sizes, Trace

T = TypeVar("T")

Fault: TypeAlias = Literal["die before", "die after", "full", "uncertain before", "uncertain after", "call"]


class Died(BaseException):
    """The process died here: raised by a `FaultyJournal`, and by everything asked of it afterwards."""


async def until_death(work: Callable[[], Awaitable[object]]) -> bool:
    """Do work, which may "die" in it; tell whether it did. Raises: what else it raises."""
    try:
        await work()
    except Died:
        return True
    except BaseExceptionGroup as group:
        rest = group.split(Died)[1]
        if rest is not None:
            raise rest from None
        return True
    return False


class FaultyJournal(Journal):
    """A journal whose append number `at` (from 1) meets `fault`; all others are the inner journal's.

    Args:
        inner: the real journal.
        at: which append fails; 0: none, for counting them (`appends`).
        fault: "die before" or "die after" the append; "full": a full disk, nothing was written; "uncertain before" or
            "uncertain after": the connection broke at commit, and it was not or was written; "call": `calls` is called.
        calls: what fault "call" does before the append.

    Attributes:
        written: the names of the events in each append so far, the failing one included.
        dead: whether the process has "died": whatever is asked of the journal then raises `Died`.
    """

    def __init__(
        self, inner: Journal, *, at: int = 0, fault: Fault = "die before", calls: Callable[[], object] | None = None
    ) -> None:
        self._inner, self._at, self._fault, self._calls = inner, at, fault, calls
        self.redaction = inner.redaction
        self._lease: Lease | None = None
        self.written: list[tuple[str, ...]] = []
        self.dead = False

    @property
    def appends(self) -> int:
        """How many appends there were."""
        return len(self.written)

    async def bury(self) -> None:
        """Free what the dead process held, as the proof of its death would."""
        if self._lease is not None:
            await self._inner.release(self._lease)

    def _alive(self) -> Journal:
        if self.dead:
            raise Died
        return self._inner

    async def append(self, lease: Lease, after: int, batch: Batch) -> Appended:  # noqa: D102 - as in Journal
        inner = self._alive()
        self.written.append(tuple(type(placed.event).__name__ for placed in batch.events))
        return await self._faulty(lambda: inner.append(lease, after, batch))

    async def fork(self, branch: Branch) -> None:  # noqa: D102 - as in Journal; it counts as an append
        inner = self._alive()
        self.written.append(tuple(type(placed.event).__name__ for placed in branch.events))
        await self._faulty(lambda: inner.fork(branch))

    async def _faulty(self, write: Callable[[], Awaitable[T]]) -> T:
        if self.appends != self._at:
            return await write()
        before = self._failing(self._fault)
        if before is not None:
            raise before
        appended = await write()
        if self._fault == "die after":
            self.dead = True
            raise Died
        if self._fault == "uncertain after":
            raise AppendUncertain("the connection was lost at commit")
        return appended

    def _failing(self, fault: Fault) -> BaseException | None:
        if fault == "call" and self._calls is not None:
            self._calls()
        if fault == "die before":
            self.dead = True
        errors: dict[str, BaseException] = {
            "die before": Died(),
            "full": JournalError("the disk is full: nothing was written"),
            "uncertain before": AppendUncertain("the connection was lost at commit"),
        }
        return errors.get(fault)

    async def __aenter__(self) -> Self:
        await self._alive().__aenter__()
        return self

    async def __aexit__(self, t: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        await self._inner.__aexit__(t, e, tb)

    def sessions(self, *, status: Status | None = None) -> AsyncIterator[str]:  # noqa: D102
        return self._alive().sessions(status=status)

    def pending(self) -> AsyncIterator[Waiting]:  # noqa: D102
        return self._alive().pending()

    async def head(self, session_id: str) -> Head | None:  # noqa: D102
        return await self._alive().head(session_id)

    async def claim(self, session_id: str, *, uid: str, agent: str, owner: str) -> Lease:  # noqa: D102
        self._lease = await self._alive().claim(session_id, uid=uid, agent=agent, owner=owner)
        return self._lease

    async def release(self, lease: Lease, *, trouble: str | None = None) -> None:  # noqa: D102
        await self._alive().release(lease, trouble=trouble)

    async def adopt(self, session: Imported) -> None:  # noqa: D102
        await self._alive().adopt(session)

    def read(self, session_id: str, *, after: int = 0) -> AsyncIterator[Record]:  # noqa: D102
        return self._alive().read(session_id, after=after)

    def pages(self, session_id: str, *, after: int = 0) -> AsyncIterator[Sequence[Row]]:  # noqa: D102
        return self._alive().pages(session_id, after=after)

    async def blob(self, session_id: str, name: str) -> bytes:  # noqa: D102
        return await self._alive().blob(session_id, name)

    async def put(  # noqa: D102
        self, session_id: str, kind: InboxKind, dedup: str, body: bytes, by: str | None, *, agent: str = ""
    ) -> InboxRow:
        return await self._alive().put(session_id, kind, dedup, body, by, agent=agent)

    async def inbox(self, session_id: str, *, taken: bool = False) -> Sequence[InboxRow]:  # noqa: D102
        return await self._alive().inbox(session_id, taken=taken)

    async def ready(self, *, agents: Sequence[str] = (), limit: int = 100) -> Sequence[Ready]:  # noqa: D102
        return await self._alive().ready(agents=agents, limit=limit)

    async def forks(self, session_id: str) -> Sequence[str]:  # noqa: D102
        return await self._alive().forks(session_id)

    def asked(self, session_id: str | None = None) -> AsyncIterator[tuple[str, Asked]]:  # noqa: D102
        return self._alive().asked(session_id)

    async def erase(  # noqa: D102
        self, *session_ids: str, forks: bool = False, structure: bool = True, older: float | None = None
    ) -> Erasure:
        return await self._alive().erase(*session_ids, forks=forks, structure=structure, older=older)

    async def vacuum(self) -> None:  # noqa: D102
        await self._alive().vacuum()

    async def older(self, seconds: float) -> Sequence[Old]:  # noqa: D102
        return await self._alive().older(seconds)

    async def sizes(self) -> Sizes:  # noqa: D102
        return await self._alive().sizes()

    def traces(self, session_id: str) -> AsyncIterator[Trace]:  # noqa: D102
        return self._alive().traces(session_id)

    async def changed(self, session_id: str, seen: int, timeout: float) -> None:  # noqa: D102, ASYNC109 - a long poll
        await self._alive().changed(session_id, seen, timeout)
