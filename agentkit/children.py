"""Sessions that are a call of another session: who waits below, who is told above.

A sub-agent's session id is the key of its call (`uid/turn.step.index`). Its parent's id is in its `SessionStarted`. It
is driven by its parent only; whoever leaves a decision for it leaves word for its parent, too (inbox kind `child`), and
a parent that is driven looks by itself, so nothing hangs on that word.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from agentkit.core.events_people import CallWoken
from agentkit.core.sharing import inherited, shared
from agentkit.core.spec import Inherited, Limits
from agentkit.core.state import Call, State
from agentkit.core.values import dataclass
from agentkit.core.waiting import Waiting
from agentkit.errors import ConfigurationError, NoSuchSession, SessionErased
from agentkit.inbox import body_of
from agentkit.journal.base import Journal
from agentkit.journal.calls import KEY, caller_of
from agentkit.questions import key_of, open_calls, shown
from agentkit.recorder import Recorder

if TYPE_CHECKING:
    from agentkit.agent import Agent


@dataclass(frozen=True)
class Above:
    """The session that a sub-agent is called in, as far as the call may know it (`tools.child.Above`)."""

    recorder: Recorder
    call: str

    @property
    def journal(self) -> Journal:
        """Its journal, which is open."""
        return self.recorder.journal

    @property
    def inherited(self) -> Inherited | None:
        """What a sub-agent has to know of it."""
        return inherited(self.recorder.state)

    def shared(self, own: Limits) -> Limits:
        """Return what the sub-agent may use, of what it may use by itself."""
        call = self.recorder.state.call(self.call)
        return shared(self.recorder.state, own, deferred=call is not None and call.deferred)

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
    """Return the calls that go on, because their child session does not just wait; without those told of already.

    One that was imported, and has not been driven here (epoch 0), has to ask again.
    """
    found, journal = [], recorder.journal
    for call in _suspended(recorder.state):
        child = key_of(call, recorder.state.uid)
        head = await journal.head(child)
        if head is None or head.status != "waiting" or not head.epoch or await journal.inbox(child):
            rows = await journal.inbox(recorder.session_id)
            if not any(row.kind == "child" and row.dedup.startswith(f"{child}/") for row in rows):
                found.append(CallWoken(call.key))
    return tuple(found)


def refuse_another(agent: str, session_id: str, state: State) -> None:
    """Refuse to drive a sub-agent's session with another agent: its calls would be gone, and what was approved lost.

    Raises:
        ConfigurationError: the text says which session to drive.
    """
    if state.parent and state.agent != agent:
        raise ConfigurationError(
            f"session {session_id!r} is a call of agent {state.agent!r}, made in session {state.parent!r}: agent "
            f"{agent!r} cannot drive it. Resume session {state.parent!r}, which goes on with it"
        )


async def tell(journal: Journal, session_id: str, parent: str, news: str) -> None:
    """Leave word for those above a session, up to the topmost, that there is news in it. `news` names it."""
    while parent:
        call = KEY.fullmatch(session_id)
        body = body_of(CallWoken(call[2] if call else ""))
        try:
            await journal.put(parent, "child", f"{session_id}/{news}", body, None)
        except (NoSuchSession, SessionErased):
            return  # nobody waits for it any more
        session_id, parent = parent, await caller_of(journal, parent)


async def descends(journal: Journal, session_id: str, above: str) -> bool:
    """Tell whether a session is a call of another one, or of one below that."""
    while session_id := await caller_of(journal, session_id):
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
