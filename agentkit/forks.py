"""Forks: a new session that shares the past of another one, up to the model call of a step."""

import re
from dataclasses import replace

from agentkit.core.events import AnyEvent, Forked, ModelStarted, UserSaid
from agentkit.core.loop import apply
from agentkit.core.messages import Content, parts_of
from agentkit.core.record import Record
from agentkit.core.state import State
from agentkit.core.values import dataclass
from agentkit.errors import ConfigurationError, NoSuchSession
from agentkit.ids import message_id, uuid7
from agentkit.journal.base import Branch, Journal, Placed
from agentkit.redaction import redacted

_STEP = re.compile("[1-9][0-9]*[.][1-9][0-9]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A fork as it is asked for: its id, before which step ("2.3"), who drives it, and what it is told first.

    `agent` is None where nobody is known yet: the parent's name stays. `asks`: every `once` tool asks a person.
    """

    session_id: str
    before: str
    agent: str | None = None
    say: Content | None = None
    asks: bool = True


async def fork(journal: Journal, parent: str, wanted: Wanted) -> None:
    """Make a session that shares the events of `parent` up to the model call of step `wanted.before`.

    The parent may be driven meanwhile: nothing of it changes, and it is not claimed.

    Raises:
        ConfigurationError: the step is not one that has asked a model. NoSuchSession: there is no parent.
        JournalError: there is a session of the new id; nothing was written.
    """
    if _STEP.fullmatch(wanted.before) is None:
        raise ConfigurationError(f"before={wanted.before!r}: a step is named TURN.STEP, like 2.3")
    head = await journal.head(parent)
    if head is None or not head.last_seq:
        raise NoSuchSession(f"the journal holds no session {parent!r} with anything to fork")
    state, seq = await _state_before(journal, parent, wanted.before)
    uid = uuid7()
    events: list[AnyEvent] = [Forked(state.uid, seq, uid, wanted.before, asks=wanted.asks)]
    if wanted.say is not None:
        events.append(redacted(journal.redaction, UserSaid(parts_of(wanted.say), message_id(), now=True)))
    for event in events:
        state = apply(state, event)
    placed = [Placed(event, state.turn, state.step) for event in events]
    agent = head.agent if wanted.agent is None else wanted.agent
    await journal.fork(Branch(wanted.session_id, uid, agent, parent, seq, placed))


async def _state_before(journal: Journal, parent: str, step: str) -> tuple[State, int]:
    """Return the state before the first model call of a step, and the number of the last event before it."""
    state = State()
    async for record in journal.read(parent):
        if _begins(record, step):
            return replace(state, seq=record.seq - 1), record.seq - 1
        state = apply(replace(state, seq=record.seq - 1), record.event)
    raise ConfigurationError(_no_such(state, parent, step))


def _begins(record: Record, step: str) -> bool:
    """Tell whether an event is the first model call of a step. One of a compaction is not for an answer."""
    event = record.event
    if not isinstance(event, ModelStarted) or event.purpose != "answer" or event.attempt != 1:
        return False
    return f"{record.turn}.{record.step}" == step


def _no_such(state: State, parent: str, step: str) -> str:
    last = f"{state.turn}.{state.step}"
    if state.calls and step == f"{state.turn}.{state.step + 1}":
        return (
            f"the calls of step {last} of session {parent!r} are not settled: a fork begins where no call is open. "
            f"Fork before {last}, or settle them first"
        )
    return f"session {parent!r} has asked no model for an answer in step {step}; it stands at step {last}"
