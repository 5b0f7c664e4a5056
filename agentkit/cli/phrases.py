"""What an event says to a person: one phrase per type, told the same way live (`live`) and afterwards (`page`).

A phrase is None where the event is told by other means (the answer itself, the turn's head) or says nothing new.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agentkit import Record, events
from agentkit.cli.screen import ASK, BAD, DIM, GOOD
from agentkit.core.messages import text_of
from agentkit.core.words import NOBODY

Names = Mapping[str, str]  # a call's tool, by the call's position


@dataclass(frozen=True, slots=True)
class Phrase:
    """A mark of one character, one line, its colour, and a longer text that belongs below it."""

    mark: str
    text: str
    style: str = ""
    more: str = ""


def call_text(tool: str, raw: str) -> str:
    """Return a call as one line of code-like text; arguments that are no plain JSON object as the raw text they are."""
    try:
        arguments = json.loads(raw or "{}", object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return f"{tool} {raw}"
    if not isinstance(arguments, dict):
        return f"{tool} {raw}"
    return f"{tool}({', '.join(f'{name}={value_text(value)}' for name, value in arguments.items())})"


def value_text(value: object) -> str:
    """Return an argument's value as JSON."""
    return json.dumps(value, ensure_ascii=False, default=str)


def shortened(text: str, lines: int, characters: int) -> str:
    """Return the beginning of a text, and how much is left out."""
    kept = "\n".join(text[:characters].split("\n")[:lines])
    left = len(text) - len(kept)
    return f"{kept} … (+{left:,} characters)" if left > 0 else text


def names_in(record: Record) -> dict[str, str]:
    """Return the tools of the calls that a record holds, by the calls' positions."""
    event = record.event
    calls = event.message.calls if isinstance(event, events.ModelResponded) else ()
    return {f"{record.turn}.{record.step}.{index}": call.name for index, call in enumerate(calls)}


def phrase(event: events.AnyEvent, names: Names) -> Phrase | None:
    """Return what an event says."""
    return TABLE[type(event)](event, names)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice: show it as it is")
    return found


def _named(call: str, names: Names) -> str:
    return f"{call} {names.get(call, '')}".rstrip()


def _nothing(_: Any, __: Names) -> None:
    return None


def _run_started(event: events.RunStarted, _: Names) -> Phrase:
    return Phrase("!", f"driven anew, by {event.process}: what was in flight is void", ASK)


def _model_started(event: events.ModelStarted, _: Names) -> Phrase | None:
    if event.purpose == "compaction":
        return Phrase("·", "the conversation is being summarised", DIM)
    return Phrase("·", f"asked again, attempt {event.attempt}", DIM) if event.attempt > 1 else None


def _rejected(event: events.ModelRejected, _: Names) -> Phrase:
    said = event.message.text or event.message.reasoning or ""
    return Phrase("✗", f"the answer cannot be used ({event.kind}): {event.why}", BAD, said)


def _interrupted(event: events.ModelInterrupted, _: Names) -> Phrase:
    return Phrase("✗", f"the answer broke off: {event.why}", BAD, event.text or event.reasoning)


def _failed(event: events.ModelFailed, _: Names) -> Phrase:
    status = "" if event.status is None else f", HTTP {event.status}"
    where = "" if event.message_index is None else f" (message {event.message_index} of the request)"
    own = event.provider_text if event.provider_text not in event.text else ""
    return Phrase("✗", f"the model service failed ({event.kind}{status}){where}: {event.text}", BAD, own)


def _turn_resumed(event: events.TurnResumed, _: Names) -> Phrase:
    return Phrase("·", f"the turn goes on{_by(event.by)}", DIM)


def _by(name: str | None) -> str:
    return f", by {name}" if name else ""


def _refused(event: events.CallRefused, names: Names) -> Phrase:
    what = event.kind.replace("_", " ")
    return Phrase("✗", f"{_named(event.call, names)} did not run ({what})", BAD, text_of(event.parts))


def _held(event: events.CallHeld, names: Names) -> Phrase:
    why = f": {event.why}" if event.why else ""
    return Phrase("?", f"{_named(event.call, names)} waits for approval{why}{_mended(event)}", ASK)


def _mended(event: events.CallHeld | events.CallDeferred | events.ToolStarted) -> str:
    return "" if event.mended is None else f", with {event.mended} ({event.how})"


def _deferred(event: events.CallDeferred, names: Names) -> Phrase:
    why = f": {event.why}" if event.why else ""
    return Phrase("?", f"{_named(event.call, names)} sent for approval, the talk goes on{why}{_mended(event)}", ASK)


def _took_over(event: events.PersonAnswered, _: Names) -> Phrase:
    return Phrase("✓", f"{event.by} answers in the agent's place", GOOD, event.text)


def _handed_back(event: events.HandedBack, _: Names) -> Phrase:
    return Phrase("·", f"{event.by} hands back: the agent answers again", DIM)


def _approved(event: events.CallApproved, names: Names) -> Phrase:
    edited = "" if event.edited is None else f", with other arguments: {event.edited}"
    return Phrase("✓", f"{_named(event.call, names)} approved by {event.by}{edited}", GOOD)


def _denied(event: events.CallDenied, names: Names) -> Phrase:
    reason = f": {event.reason}" if event.reason else ""
    return Phrase("✗", f"{_named(event.call, names)} denied by {event.by}{reason}", BAD)


def _escalated(event: events.CallEscalated, names: Names) -> Phrase:
    return Phrase("?", f"{_named(event.call, names)}: nobody decided, so {event.to} is to know of it", ASK)


def _closed(event: events.CallClosed, names: Names) -> Phrase:
    return Phrase("·", f"{_named(event.call, names)} closed ({event.why})", DIM, text_of(event.parts))


def _started(event: events.ToolStarted, names: Names) -> Phrase | None:
    if event.effect == "read" and event.mended is None:
        return None
    return Phrase("▸", f"{_named(event.call, names)} started ({event.effect}){_mended(event)}", DIM)


def _woken(event: events.CallWoken, names: Names) -> Phrase:
    return Phrase("·", f"{_named(event.call, names)}: there is news in its session, and it goes on", DIM)


def _finished(event: events.ToolFinished, names: Names) -> Phrase:
    failed = " failed" if event.failed else ""
    failed += "" if event.child is None else f" (session {event.child.session_id})"
    detail = "" if event.detail is None else f"\n{event.detail}"
    style = BAD if event.failed else ""
    return Phrase("←", f"{_named(event.call, names)}{failed}", style, text_of(event.parts) + event.hint + detail)


def _unknown(event: events.ToolUnknown, names: Names) -> Phrase:
    return Phrase("!", f"{_named(event.call, names)}: outcome unknown: {event.why}", BAD, event.detail or "")


def _suspended(event: events.CallSuspended, names: Names) -> Phrase:
    if event.kind == "child":
        return Phrase("·", f"{_named(event.call, names)} waits for a session of its own: {event.text}", DIM)
    return Phrase("?", f"{_named(event.call, names)} asks: {event.text}", ASK)


def _answered(event: events.CallAnswered, names: Names) -> Phrase:
    if event.by == NOBODY:
        return Phrase("✗", f"{_named(event.call, names)}: nobody answered in time", BAD, text_of(event.parts))
    return Phrase("✓", f"{_named(event.call, names)} answered by {event.by}", GOOD, text_of(event.parts))


_FOUND = {"happened": "it happened", "not_happened": "it did not happen", "unknown": "the outcome stays unknown"}


def _resolved(event: events.CallResolved, names: Names) -> Phrase:
    why = f" ({event.why})" if event.why else ""
    who = f"reconcile of {event.by}" if event.source == "reconcile" else event.by
    style = ASK if event.kind == "unknown" else GOOD
    return Phrase(
        "✓", f"{_named(event.call, names)}: {_FOUND[event.kind]}, says {who}{why}", style, text_of(event.parts)
    )


def _cancel(event: events.CancelRequested, _: Names) -> Phrase:
    return Phrase("■", f"cancelled by {event.by}", ASK)


def _limit(event: events.LimitReached, _: Names) -> Phrase:
    return Phrase("■", event.why, ASK)


def _inbox_refused(event: events.InboxRefused, _: Names) -> Phrase:
    article = "an" if event.kind[:1] in "aeiou" else "a"
    return Phrase("✗", f"the session refused {article} {event.kind}: {event.why}", BAD)


def _output_refused(event: events.OutputRefused, _: Names) -> Phrase:
    return Phrase("✗", "the answer was of the wrong type; the model was told", BAD, event.text)


def _compacted(event: events.Compacted, _: Names) -> Phrase:
    return Phrase("·", f"the first {event.upto} messages are now a summary for the model", DIM, event.summary)


def _forked(event: events.Forked, _: Names) -> Phrase:
    if event.before:
        asks = "every tool that acts once asks" if event.asks else "tools that act once do not ask because of it"
        return Phrase("·", f"a fork begins here, before {event.before}: {asks} from here on", ASK)
    return Phrase("·", f"copied here from another session ({event.parent}): approvals given there are void", ASK)


TABLE: Mapping[type[events.AnyEvent], Callable[[Any, Names], Phrase | None]] = {
    events.SessionStarted: _nothing,
    events.AgentBound: _nothing,
    events.UserSaid: _nothing,
    events.ModelResponded: _nothing,
    events.TurnEnded: _nothing,
    events.RunStarted: _run_started,
    events.ModelStarted: _model_started,
    events.ModelRejected: _rejected,
    events.ModelInterrupted: _interrupted,
    events.ModelFailed: _failed,
    events.TurnResumed: _turn_resumed,
    events.OutputRefused: _output_refused,
    events.CallRefused: _refused,
    events.CallHeld: _held,
    events.CallDeferred: _deferred,
    events.CallApproved: _approved,
    events.CallDenied: _denied,
    events.CallClosed: _closed,
    events.ToolStarted: _started,
    events.ToolFinished: _finished,
    events.ToolUnknown: _unknown,
    events.CallSuspended: _suspended,
    events.CallWoken: _woken,
    events.CallAnswered: _answered,
    events.CallResolved: _resolved,
    events.CallEscalated: _escalated,
    events.CancelRequested: _cancel,
    events.LimitReached: _limit,
    events.InboxRefused: _inbox_refused,
    events.PersonAnswered: _took_over,
    events.HandedBack: _handed_back,
    events.Compacted: _compacted,
    events.Forked: _forked,
}
