"""What a person needs to decide, beyond the question itself: what was asked for, and what has been tried."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from agentkit.cli.figures import moment
from agentkit.cli.screen import DIM, Screen
from agentkit.core.loop import apply
from agentkit.core.messages import AssistantMessage, text_of
from agentkit.core.state import State
from agentkit.journal.base import Journal
from agentkit.ledger import Book, Decision, Line, Start

_MOST = 400  # characters of what somebody said


@dataclass(frozen=True, slots=True)
class Dossier:
    """One call that waits: the user's words, the model's, how often it was started and by whom, what reconcile said."""

    key: str
    said: tuple[str, ...]
    answered: str
    caller: str  # the session whose model gave the words as a task; empty where a user said them
    starts: tuple[Start, ...]
    found: tuple[Decision, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "idempotency_key": self.key,
            "user_said": self.said,
            "model_said": self.answered,
            "called_by": self.caller,
            "starts": [
                {"at": each.at.isoformat(), "process": each.process, "run": each.epoch, "event": each.seq}
                for each in self.starts
            ],
            "reconcile": [{"at": each.at.isoformat(), "said": each.what, "why": each.why} for each in self.found],
        }


async def dossiers(journal: Journal, session_id: str) -> Mapping[str, Dossier]:
    """Return what is known of each call that is open in a session, by its position."""
    state, book = State(), Book(session_id)
    async for record in journal.read(session_id):
        state = apply(replace(state, seq=record.seq - 1), record.event)
        book.take(record)
    lines = {call.key: book.lines.get(call.key, Line(call.key, call.tool)) for call in state.every_call}
    return {key: _dossier(state, line, key) for key, line in lines.items()}


def _dossier(state: State, line: Line, key: str) -> Dossier:
    """Return it with the words of the step that asked: a deferred call may be of an earlier turn."""
    turn, step, _ = map(int, key.split("."))
    messages = next((each.messages for each in state.turns if each.number == turn), state.said)
    answers = (
        entry.message.text
        for entry in reversed(state.transcript)
        if (entry.turn, entry.step) == (turn, step) and isinstance(entry.message, AssistantMessage)
    )
    return Dossier(
        key=f"{line.uid or state.uid}/{line.call}",
        said=tuple(text_of(message.parts) for message in messages),
        answered=next(answers, None) or "",
        caller=state.parent,
        starts=tuple(line.starts),
        found=tuple(each for each in line.decisions if each.source == "reconcile"),
    )


def tell(screen: Screen, dossier: Dossier) -> None:
    """Write it below the question."""
    if dossier.caller:
        screen.line(("called by session ", DIM), dossier.caller, indent=4)
    asker = "the task is" if dossier.caller else "the user said"
    for who, text in (*((asker, text) for text in dossier.said), ("the model said", dossier.answered)):
        if text:
            screen.line((f"{who}  ", DIM), text if len(text) <= _MOST else f"{text[:_MOST]}…", indent=4)
    for each in dossier.starts:
        by = f" by {each.process}" if each.process else ""
        screen.line(("started  ", DIM), f"{moment(each.at)}{by}", (f"   run {each.epoch}", DIM), indent=4)
    for said in dossier.found:
        why = f": {said.why}" if said.why else ""
        screen.line(("reconcile  ", DIM), f"{moment(said.at)}  {said.what.replace('_', ' ')}{why}", indent=4)
