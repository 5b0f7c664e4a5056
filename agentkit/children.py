"""Sessions that are a call of another session: who waits below, who is told above.

A sub-agent's session id is the key of its call (`uid/turn.step.index`). Its parent's id is in its `SessionStarted`. It
is driven by its parent only; whoever leaves a decision for it leaves word for its parent, too (inbox kind `child`), and
a parent that is driven looks by itself, so nothing hangs on that word.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentkit.core.events import SessionStarted
from agentkit.core.events_people import CallWoken
from agentkit.core.sharing import shared
from agentkit.core.spec import Limits
from agentkit.core.state import Call, State
from agentkit.core.waiting import Waiting
from agentkit.errors import NoSuchSession, SessionErased
from agentkit.inbox import body_of
from agentkit.journal.base import Journal
from agentkit.questions import key_of, open_calls, shown
from agentkit.recorder import Recorder

if TYPE_CHECKING:
    from agentkit.agent import Agent

_KEY = re.compile(r".+/(\d+\.\d+\.\d+)")


@dataclass(frozen=True)
class Above:
    """The session that a sub-agent is called in, as far as the call may know it (`tools.child.Above`)."""

    recorder: Recorder
    call: str

    @property
    def journal(self) -> Journal:
        """Its journal, which is open."""
        return self.recorder.journal

    def shared(self, own: Limits) -> Limits:
        """Return what the sub-agent may use, of what it may use by itself."""
        return shared(self.recorder.state, own)

    def ending(self) -> str:
        """Return why the turn is to end, as far as the call has to end with it; empty where it is not."""
        call, ending = self.recorder.state.call(self.call), self.recorder.state.ending
        return "" if ending is None or (call is not None and call.deferred) else ending.reason


@dataclass(frozen=True)
class Member:
    """A child session that its parent waits for, loaded; with who answers there, where today's agent has it."""

    recorder: Recorder
    agent: "Agent[Any, Any] | None"
    deps: object


def _suspended(state: State) -> Iterator[Call]:
    return (call for call in state.every_call if call.status == "suspended" and call.kind == "child")


async def woken(recorder: Recorder) -> tuple[CallWoken, ...]:
    """Return the calls that go on, because their child session does not just wait; without those told of already."""
    found, journal = [], recorder.journal
    for call in _suspended(recorder.state):
        child = key_of(call, recorder.state.uid)
        head = await journal.head(child)
        if head is None or head.status != "waiting" or await journal.inbox(child):
            rows = await journal.inbox(recorder.session_id)
            if not any(row.kind == "child" and row.dedup.startswith(f"{child}/") for row in rows):
                found.append(CallWoken(call.key))
    return tuple(found)


async def tell(journal: Journal, session_id: str, parent: str, news: str) -> None:
    """Leave word for those above a session, up to the topmost, that there is news in it. `news` names it."""
    while parent:
        call = _KEY.fullmatch(session_id)
        body = body_of(CallWoken(call[1] if call else ""))
        try:
            await journal.put(parent, "child", f"{session_id}/{news}", body, None)
        except (NoSuchSession, SessionErased):
            return  # nobody waits for it any more
        session_id, parent = parent, await parent_of(journal, parent)


async def parent_of(journal: Journal, session_id: str) -> str:
    """Return the id of the session whose call this one is; empty where it is nobody's."""
    if _KEY.fullmatch(session_id) is None:
        return ""
    async for record in journal.read(session_id):
        return record.event.parent if isinstance(record.event, SessionStarted) else ""
    return ""


async def descends(journal: Journal, session_id: str, above: str) -> bool:
    """Tell whether a session is a call of another one, or of one below that."""
    while session_id := await parent_of(journal, session_id):
        if session_id == above:
            return True
    return False


async def below(recorder: Recorder, agent: "Agent[Any, Any] | None", deps: Any) -> AsyncIterator[Member]:
    """Yield the child sessions that a loaded session waits for, and those below them."""
    tools: dict[str, Any] = {} if agent is None else {each.name: each for each in agent.tools}
    for call in _suspended(recorder.state):
        child = Recorder(recorder.journal, key_of(call, recorder.state.uid))
        await child.load()
        tool = tools.get(call.tool)
        who: Agent[Any, Any] | None = getattr(tool, "agent", None)
        theirs: Callable[[Any], Any] | None = getattr(tool, "deps", None)
        member = Member(child, who, None if theirs is None else theirs(deps))
        yield member
        async for each in below(child, who, member.deps):
            yield each


async def waiting(recorder: Recorder) -> tuple[Waiting, ...]:
    """Return everything that waits for people in the sessions below a loaded one."""
    found: list[Waiting] = []
    async for member in below(recorder, None, None):
        child = member.recorder
        found += shown(child.session_id, child.state, child.clock.times)
    return tuple(found)


async def asked_in(members: AsyncIterator[Member], question: str, session_id: str | None) -> Member | None:
    """Return who asks a question, by the session's id, else by the question's."""
    async for member in members:
        if member.recorder.session_id == session_id:
            return member
        if session_id is None and question in open_calls(member.recorder.state):
            return member
    return None
