"""The proof: would today's code, with this agent, have sent the same bytes? Without model or network."""

from dataclasses import dataclass
from dataclasses import replace as replaced
from typing import Any

from agentkit.agent import Agent
from agentkit.core.binding import unbind
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
from agentkit.core.spec import Binding
from agentkit.core.state import State
from agentkit.errors import NoSuchSession
from agentkit.journal.base import Journal
from agentkit.models.base import Endpoint
from agentkit.prefix import Prefix

_OUTCOMES = (ModelResponded, ModelRejected, ModelInterrupted, ModelFailed, Compacted)
_AROUND = 24  # bytes shown on either side of a difference


@dataclass(frozen=True)
class Replay:
    """What a replay found. `difference` names the first request and message that differ, and the byte."""

    same: bool
    difference: str | None
    requests: int = 0


async def replay(journal: Journal, session_id: str, agent: Agent[Any, Any]) -> Replay:
    """Replay a session offline, against the recording and against `agent` as it is today.

    Of a fork, what was sent before it counts for the session it was made from: its own requests are compared.

    Raises:
        NoSuchSession: the journal holds no session of this id.
    """
    async with journal:
        return await _Replayer(journal, session_id, agent).run()


class _Replayer:
    def __init__(self, journal: Journal, session_id: str, agent: Agent[Any, Any]) -> None:
        self._journal, self._session_id, self._agent = journal, session_id, agent
        self._sides: dict[Endpoint, tuple[Prefix, Prefix]] = {}
        self._who = agent.endpoints[0]
        self._recorded: Binding | None = None
        self._now: Binding | None = None
        self._requests = 0

    async def run(self) -> Replay:
        then = today = State()
        difference: str | None = None
        async for record in self._journal.read(self._session_id):
            event = record.event
            sent = event.sent if isinstance(event, _OUTCOMES) else None
            if sent is not None and difference is None:
                difference = await self._compare(then, today, sent, f"{record.turn}.{record.step}")
            if isinstance(event, Forked) and event.before:
                difference, self._requests = None, 0
            then = apply(replaced(then, seq=record.seq - 1), event)
            if isinstance(event, AgentBound):
                event = await self._bind(event)
            today = apply(replaced(today, seq=record.seq - 1), event)
        if not then.seq:
            raise NoSuchSession(f"the journal holds no session {self._session_id!r}")
        return Replay(same=difference is None, difference=difference, requests=self._requests)

    async def _bind(self, event: AgentBound) -> AgentBound:
        """Take a binding as recorded and as it would be today; return what today's would fold."""
        names = (event.instructions, event.schemas, event.settings, event.contract)
        contents = {name: await self._journal.blob(self._session_id, name) for name in names}
        self._recorded = unbind(event, contents)
        told = self._agent.instructions
        instructions = told if isinstance(told, str) else self._recorded.instructions
        self._who = self._meant(event)
        self._now = self._agent.binding(instructions, self._who)
        return replaced(event, bridges=self._now.contract.bridges)

    def _meant(self, event: AgentBound) -> Endpoint:
        """Return the model of the agent that a binding is of; the first one, where the agent has none like it today."""
        recorded = (event.model, event.host, event.contract_id)
        endpoints = self._agent.endpoints
        alike = (each for each in endpoints if (each.name, each.host, each.resolve().id) == recorded)
        return next(alike, endpoints[0])

    def _prefixes(self) -> tuple[Prefix, Prefix]:
        """Return the requests to the model bound now: as recorded, and as they would be today."""
        who = self._who
        return self._sides.setdefault(who, (Prefix(who.head, who.encode), Prefix(who.head, who.encode)))

    async def _compare(self, then: State, today: State, sent: Sent, step: str) -> str | None:
        if self._recorded is None or self._now is None:
            return f"request {step} was recorded before any binding"
        self._requests += 1
        old, new = self._prefixes()
        await self._update(old, then, self._recorded)
        now = old.sent(then)
        if (now.kept, now.hashes) != (sent.kept, sent.hashes):
            return _encoded_otherwise(old.hashes, [*then.sent[: sent.kept], *sent.hashes], step)
        await self._update(new, today, self._now)
        if new.digest == old.digest:
            return None
        return _first_difference(old.fragments, new.fragments, step)

    async def _update(self, prefix: Prefix, state: State, binding: Binding) -> None:
        missing = prefix.missing(state, binding)
        contents = {name: await self._text(name) for name in missing}
        prefix.update(state, binding, contents)

    async def _text(self, name: str) -> str:
        return (await self._journal.blob(self._session_id, name)).decode("utf-8", "surrogatepass")


def _encoded_otherwise(now: list[str], recorded: list[str], step: str) -> str:
    pairs = zip(now, recorded, strict=False)
    index = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(now), len(recorded)))
    return (
        f"request {step}, {_named(index)}: this version of agentkit encodes it otherwise than when it was recorded "
        f"({len(recorded)} fragments then, {len(now)} now)"
    )


def _first_difference(then: list[bytes], today: list[bytes], step: str) -> str:
    for index, (old, new) in enumerate(zip(then, today, strict=False)):
        if old != new:
            return f"request {step}, {_named(index)}: {_byte(old, new)}"
    return f"request {step}: {len(then)} fragments were sent, {len(today)} would be sent today"


def _byte(old: bytes, new: bytes) -> str:
    at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    window = slice(max(0, at - _AROUND), at + _AROUND)
    was, now = (text[window].decode("utf-8", "replace") for text in (old, new))
    return f"byte {at} differs: sent …{was}…, today …{now}…"


def _named(index: int) -> str:
    return "the settings and tools" if index == 0 else f"message {index - 1}"
