"""For tests, yours included: a journal that fails where you say, and a judge of what the model gets to see.

`FaultyJournal` wraps a real journal and lets one append fail: the process "dies" there (`Died` is no `Exception`, so
nothing catches it and nothing is cleaned up), or the disk is full, or the commit's fate is lost.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, TypeVar

from agentkit.core.record import Record
from agentkit.core.spec import Status
from agentkit.core.waiting import Waiting
from agentkit.errors import AppendUncertain, JournalError
from agentkit.journal.base import Appended, Asked, Batch, Branch, Head, Imported, InboxKind, InboxRow, Journal, Lease

T = TypeVar("T")

Fault: TypeAlias = Literal["die before", "die after", "full", "uncertain before", "uncertain after", "call"]


class Died(BaseException):
    """The process died here: raised by a `FaultyJournal`, and by everything asked of it afterwards."""


class FaultyJournal(Journal):
    """A journal whose append number `at` (from 1) meets `fault`; all others are the inner journal's.

    Args:
        inner: the real journal.
        at: which append fails; 0: none, for counting them (`appends`).
        fault: "die before" or "die after" the append; "full": a full disk, nothing was written; "uncertain before" or
            "uncertain after": the connection broke at commit, and it was not or was written; "call": `calls` is called.
        calls: what fault "call" does before the append.
    """

    def __init__(
        self, inner: Journal, *, at: int = 0, fault: Fault = "die before", calls: Callable[[], object] | None = None
    ) -> None:
        self._inner, self._at, self._fault, self._calls = inner, at, fault, calls
        self._lease: Lease | None = None
        self.appends = 0
        self.dead = False

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
        return await self._faulty(lambda: inner.append(lease, after, batch))

    async def fork(self, branch: Branch) -> None:  # noqa: D102 - as in Journal; it counts as an append
        inner = self._alive()
        await self._faulty(lambda: inner.fork(branch))

    async def _faulty(self, write: Callable[[], Awaitable[T]]) -> T:
        self.appends += 1
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

    async def release(self, lease: Lease) -> None:  # noqa: D102
        await self._alive().release(lease)

    async def adopt(self, session: Imported) -> None:  # noqa: D102
        await self._alive().adopt(session)

    def read(self, session_id: str, *, after: int = 0) -> AsyncIterator[Record]:  # noqa: D102
        return self._alive().read(session_id, after=after)

    async def blob(self, session_id: str, name: str) -> bytes:  # noqa: D102
        return await self._alive().blob(session_id, name)

    async def put(self, session_id: str, kind: InboxKind, dedup: str, body: bytes, by: str | None) -> InboxRow:  # noqa: D102
        return await self._alive().put(session_id, kind, dedup, body, by)

    async def inbox(self, session_id: str, *, taken: bool = False) -> Sequence[InboxRow]:  # noqa: D102
        return await self._alive().inbox(session_id, taken=taken)

    def asked(self, session_id: str | None = None) -> AsyncIterator[tuple[str, Asked]]:  # noqa: D102
        return self._alive().asked(session_id)

    async def changed(self, session_id: str, seen: int, timeout: float) -> None:  # noqa: D102, ASYNC109 - a long poll
        await self._alive().changed(session_id, seen, timeout)


def ill_formed(request: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a Chat Completions request, None if nothing is.

    Each call of an assistant message is answered by exactly one tool message right behind it, in any order; no tool
    message stands elsewhere; ids are unique in their message; the first message of the talk is the user's.
    """
    owed: list[str] = []
    for index, message in enumerate(request["messages"]):
        role = message["role"]
        if role == "tool":
            if message["tool_call_id"] not in owed:
                return f"message {index}: a result nobody asked for ({message['tool_call_id']})"
            owed.remove(message["tool_call_id"])
            continue
        if owed:
            return f"message {index}: {role} stands where the results of {owed} are owed"
        if role == "assistant":
            owed = [call["id"] for call in message.get("tool_calls") or ()]
            if len(set(owed)) != len(owed):
                return f"message {index}: two calls have one id"
            if not owed and not message.get("content"):
                return f"message {index}: an empty answer"
    return f"the results of {owed} are missing" if owed else None
