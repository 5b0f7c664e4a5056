"""What people leave for a session, from any process: messages, decisions, their own words in the agent's place.

Nothing here drives or needs the lease: each is a row of the inbox (law 12), and whoever drives makes a fact of it.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from agentkit import decisions
from agentkit.children import tell
from agentkit.core import words
from agentkit.core.commands import Refuse
from agentkit.core.events import AnyEvent, InboxRefused, UserSaid
from agentkit.core.events_people import HandedBack, PersonAnswered
from agentkit.core.messages import Content, parts_of, text_of
from agentkit.core.spec import Inherited
from agentkit.core.state import Call, State
from agentkit.core.values import dataclass
from agentkit.errors import ApprovalVoid, ConfigurationError, MessageIdReused
from agentkit.ids import message_id
from agentkit.inbox import body_of, event_of
from agentkit.journal.base import InboxKind, Journal
from agentkit.questions import key_of, open_calls
from agentkit.recorder import Recorder
from agentkit.redaction import redacted, redacting

if TYPE_CHECKING:
    from agentkit.agent import Agent


@dataclass(frozen=True)
class Desk:
    """Where people's words for one session are left.

    Args:
        recorder: the session. agent: what changed arguments are checked with, where it is known. deps: of the same.
        under: the name of the agent whose workers drive the session.
        inherited: of a sub-agent's session, what it has to know of the one that calls it.
    """

    recorder: Recorder
    agent: "Agent[Any, Any] | None"
    deps: object
    under: str = ""
    inherited: Inherited | None = None

    @property
    def _journal(self) -> Journal:
        return self.recorder.journal

    @property
    def _id(self) -> str:
        return self.recorder.session_id

    # --- words -------------------------------------------------------------------------------------------------------

    async def message(self, message: Content, name: str | None, *, now: bool) -> str:
        """Leave a message and return its id. Raises: MessageIdReused."""
        name = message_id() if name is None else name
        said = redacted(self._journal.redaction, UserSaid(parts_of(message), name, now=now, inherited=self.inherited))
        await self.recorder.load()
        before: AnyEvent | None = _said_before(self.recorder.state, str(said.id))
        if before is None and name not in self.recorder.state.ids:
            before = await self._put("message", str(said.id), said, None)
        if not isinstance(before, UserSaid) or before.parts != said.parts:
            raise self._reused(name)
        return str(said.id)

    async def answer_as(self, text: str, by: str, name: str | None) -> str:
        """Leave a person's answer in the agent's place and return its id.

        Raises: MessageIdReused. ConfigurationError: there is no text, or nobody who says it.
        """
        if not text or not by:
            raise ConfigurationError("say_as: it needs a text, and by=… says whose words they are")
        name = message_id() if name is None else name
        said = redacted(self._journal.redaction, PersonAnswered(text, by, words.took_over(by), name))
        await self.recorder.load()
        taken = name in self.recorder.state.ids
        before = await self._answered_before(name) if taken else await self._put("takeover", name, said, by)
        if before != said:
            raise self._reused(name)
        return name

    async def check_answered(self, name: str) -> None:
        """Raise MessageIdReused where a message that had not been taken yet came before the answer."""
        await self.recorder.load()
        if name in self.recorder.state.ids and await self._answered_before(name) is None:
            raise self._reused(name)

    async def _answered_before(self, name: str) -> AnyEvent | None:
        """Return the person's answer that was taken under this id; None where the id is a message's."""
        events = [record.event async for record in self._journal.read(self._id)]
        return next((each for each in events if isinstance(each, PersonAnswered) and each.id == name), None)

    async def hand_back(self, by: str) -> None:
        """Leave word that the agent answers again."""
        await self.recorder.load()
        await self._put("handback", str(self.recorder.state.seq), HandedBack(by), by)

    async def _put(self, kind: InboxKind, dedup: str, event: AnyEvent, by: str | None) -> AnyEvent:
        """Leave a fact; return the one that was left under this name first."""
        return event_of(await self._journal.put(self._id, kind, dedup, body_of(event), by, agent=self.under))

    def _reused(self, name: str) -> MessageIdReused:
        return MessageIdReused(
            f"message id {name!r} was used in session {self._id!r} with another text. A new message needs a new id."
        )

    # --- decisions ---------------------------------------------------------------------------------------------------

    async def check_edit(self, name: str, arguments: Mapping[str, object]) -> None:
        """Check what a person changed arguments to. Raises: ConfigurationError: they do not fit the tool."""
        await self.recorder.load()
        call = open_calls(self.recorder.state).get(name)
        if call is None or self.agent is None:
            return
        edited = decisions.approval(call, "", arguments).edited or ""
        key = key_of(call, self.recorder.state.uid)
        verdict = self.agent.dispatch.check(call.key, call.tool, edited, self.deps, session_id=self._id, key=key)
        if isinstance(verdict, Refuse) and verdict.event.kind != "unknown_tool":  # the driver's agent may know it
            problem = text_of(verdict.event.parts)
            raise ConfigurationError(f"{name}: the changed arguments do not fit {call.tool}: {problem}")

    async def check_result(self, name: str, value: object) -> None:
        """Check what a person says a call returned. Raises: ConfigurationError: the tool declares another form."""
        await self.recorder.load()
        call = open_calls(self.recorder.state).get(name)
        problem = "" if call is None or self.agent is None else self.agent.dispatch.misfit(call.tool, value)
        if call is not None and problem:
            raise ConfigurationError(f"{name}: the result does not have the form that {call.tool} declares: {problem}")

    async def decide(
        self, name: str, kind: type[decisions.Decision], make: Callable[[Call], decisions.Decision]
    ) -> None:
        """Leave a decision about the question `name`. Raises: AlreadyDecided, ApprovalVoid."""
        await self.recorder.load()
        state, make = self.recorder.state, redacting(self._journal.redaction, make)
        call = open_calls(state).get(name)
        rows, head = await self._journal.inbox(self._id), await self._journal.head(self._id)
        if call is not None and call.status == "held" and head is not None and head.uid != state.uid:
            raise ApprovalVoid(f"{name}: it was asked where this session was imported from; resume() asks again here")
        if call is not None and decisions.fits(call, kind):
            decision = make(call)
            decisions.earlier(name, decision, rows, ())
            letter = decisions.letter(decision)
            await self._post(letter, decision.by)
            return
        before = decisions.asked_before(name)
        if before is None:
            raise decisions.why_void(name, state)
        records = [record async for record in self._journal.read(self._id) if decisions.is_about(record.event, before)]
        if not records:
            raise decisions.why_void(name, state)
        decisions.earlier(name, make(before), (), records)

    async def _post(self, letter: decisions.Letter, by: str) -> None:
        """Leave a decision; where the same one was refused before, and the question is still open, leave it again."""
        dedup = letter.dedup
        while True:
            row = await self._journal.put(self._id, letter.kind, dedup, letter.body, by)
            if row.taken_seq is None:
                await tell(self._journal, self._id, self.recorder.state.parent, dedup)
                return
            since = [record.event async for record in self._journal.read(self._id, after=row.taken_seq - 1)]
            if not isinstance(since[0], InboxRefused):
                return
            dedup = f"{letter.dedup}/{row.taken_seq}"


def _said_before(state: State, name: str) -> UserSaid | None:
    """Return the message that was taken under this id, None if none was."""
    if name not in state.ids:
        return None
    taken = (*state.waiting, *state.said, *(said for turn in state.turns for said in turn.messages))
    return next((said for said in taken if said.id == name), None)
