"""A session walked through twice at once: as it was recorded, and as it would be with `agent` today."""

from dataclasses import dataclass
from dataclasses import replace as replaced
from typing import Any, Protocol

from agentkit.agent import Agent
from agentkit.core.binding import unbind
from agentkit.core.cutting import Cut
from agentkit.core.events import (
    AgentBound,
    Compacted,
    Forked,
    ModelFailed,
    ModelInterrupted,
    ModelRejected,
    ModelResponded,
    Sent,
)
from agentkit.core.loop import apply
from agentkit.core.messages import Part, Stored, Text
from agentkit.core.record import Record
from agentkit.core.request import stored
from agentkit.core.spec import Binding
from agentkit.core.state import State
from agentkit.errors import NoSuchSession
from agentkit.journal.base import Journal
from agentkit.models.base import Endpoint
from agentkit.prefix import Prefix
from agentkit.proof.difference import encoded_otherwise, first_difference, reasons

_OUTCOMES = (ModelResponded, ModelRejected, ModelInterrupted, ModelFailed, Compacted)


@dataclass(frozen=True, slots=True)
class Today:
    """What would be asked today: of whom, told what, in these fragments."""

    who: Endpoint
    binding: Binding
    prefix: Prefix


class Beside(Protocol):
    """What is asked again, beside the recording."""

    async def see(self, record: Record, walk: "Walk") -> None:
        """Look at an event that the session is about to take."""
        ...


class Walk:
    """One session's events, folded as recorded (`then`) and as they would be today (`today`).

    Attributes:
        difference, why: the first difference of bytes, and what explains it. requests: how many were compared.
    """

    def __init__(self, journal: Journal, session_id: str, agent: Agent[Any, Any]) -> None:
        self.journal, self.session_id, self.agent = journal, session_id, agent
        self.then = self.today = State()
        self.difference: str | None = None
        self.why: tuple[str, ...] = ()
        self.requests = 0
        self._sides: dict[Endpoint, tuple[Prefix, Prefix]] = {}
        self._who = agent.endpoints[0]
        self._bound: AgentBound | None = None
        self._recorded: Binding | None = None
        self._now: Binding | None = None

    async def go(self, beside: Beside | None = None) -> None:
        """Walk to the end. Raises: NoSuchSession: there is no event."""
        own = await own_from(self.journal, self.session_id) if beside is not None else 0
        async for record in self.journal.read(self.session_id):
            sent = record.event.sent if isinstance(record.event, _OUTCOMES) else None
            if sent is not None:
                await self._compare(sent, f"{record.turn}.{record.step}", asks=beside is not None)
            if beside is not None and record.seq > own:
                await beside.see(record, self)
            await self._take(record)
        if not self.then.seq:
            raise NoSuchSession(f"the journal holds no session {self.session_id!r}")

    async def _take(self, record: Record) -> None:
        event = record.event
        if isinstance(event, Forked) and event.before:
            self.difference, self.why, self.requests = None, (), 0
        self.then = apply(replaced(self.then, seq=record.seq - 1), event)
        if isinstance(event, AgentBound):
            event = await self._bind(event)
        self.today = apply(replaced(self.today, seq=record.seq - 1), event)

    async def _bind(self, event: AgentBound) -> AgentBound:
        """Take a binding as recorded and as it would be today; return what today's would fold."""
        names = (event.instructions, event.schemas, event.settings, event.contract)
        contents = {name: await self.journal.blob(self.session_id, name) for name in names}
        self._bound, self._recorded = event, unbind(event, contents)
        told = self.agent.instructions
        instructions = told if isinstance(told, str) else self._recorded.instructions
        self._who = meant(self.agent, event)
        self._now = self.agent.binding(instructions, self._who)
        return replaced(event, bridges=self._now.contract.bridges)

    def _prefixes(self) -> tuple[Prefix, Prefix]:
        """Return the requests to the model bound now: as recorded, and as they would be today."""
        who = self._who
        return self._sides.setdefault(who, (Prefix(who.head, who.encode), Prefix(who.head, who.encode)))

    async def _compare(self, sent: Sent, step: str, *, asks: bool) -> None:
        if self.difference is not None and not asks:
            return
        self.requests += self.difference is None
        if self._recorded is None or self._now is None:
            self.difference = self.difference or f"request {step} was recorded before any binding"
            return
        old, new = self._prefixes()
        await self._update(old, self.then, self._recorded)
        now = old.sent(self.then)
        await self._update(new, self.today, self._now)
        if self.difference is not None:
            return
        if (now.kept, now.hashes) != (sent.kept, sent.hashes):
            self.difference = encoded_otherwise(old.hashes, [*self.then.sent[: sent.kept], *sent.hashes], step)
            self.why = reasons(self._recorded, self._recorded, ("", ""))
        elif new.digest != old.digest:
            self.difference = first_difference(old.fragments, new.fragments, step)
            hosts = (self._bound.host if self._bound else "", self._who.host)
            self.why = reasons(self._recorded, self._now, hosts)

    async def asked(self) -> Today | None:
        """Return the request that today's code makes at this place; None before any binding."""
        if self._now is None:
            return None
        prefix = self._prefixes()[1]
        await self._update(prefix, self.today, self._now)
        return Today(self._who, self._now, prefix)

    async def _update(self, prefix: Prefix, state: State, binding: Binding) -> None:
        first = prefix.first(state, binding)
        contents = {name: await self._text(name) for name in stored(state.transcript, first)}
        prefix.update(state, binding, first, contents)

    async def whole(self, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        """Return parts with the texts that are stored apart."""
        return tuple([p.holding(await self._text(p.hash)) if isinstance(p, Stored) else p for p in parts])

    async def kept(self, call: str) -> tuple[str, Cut] | None:
        """Return the whole text of a result that was cut, and the cut; None where none was."""
        cut = self.then.cut(call)
        if cut is None:
            return None
        return cut.whole.text if isinstance(cut.whole, Text) else await self._text(cut.whole.hash), cut

    async def _text(self, name: str) -> str:
        return (await self.journal.blob(self.session_id, name)).decode("utf-8", "surrogatepass")


async def own_from(journal: Journal, session_id: str) -> int:
    """Return the number of the event behind which a session is its own: what it shares is not asked again."""
    events = journal.read(session_id)
    marks = [record.seq async for record in events if isinstance(record.event, Forked) and record.event.before]
    return max(marks, default=0)


def meant(agent: Agent[Any, Any], bound: AgentBound) -> Endpoint:
    """Return the model of the agent that a binding is of; the first one, where the agent has none like it today."""
    recorded = (bound.model, bound.host, bound.contract_id)
    alike = (each for each in agent.endpoints if (each.name, each.host, each.resolve().id) == recorded)
    return next(alike, agent.endpoints[0])
