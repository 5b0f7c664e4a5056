"""The opening: which route answers, what a request has to look like, and a conversation to probe with."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from agentkit.core.contract import Wire
from agentkit.errors import ModelError
from agentkit.probe import talk
from agentkit.probe.answers import Answer
from agentkit.probe.bench import WIRES, Bench
from agentkit.probe.chat import other_field, own_field
from agentkit.probe.facts import Notes
from agentkit.probe.talk import Ask, Treatment

_OPEN: Final = "finding the route and a first answer"
_TALK: Final = "a conversation with tools"
_FORM: Final = "which form of reasoning goes back"


@dataclass(frozen=True, slots=True)
class _Variant:
    """A way to ask: tools offered, streamed, and the name of the token limit."""

    tools: bool
    streams: bool
    cap_key: str | None


def _variants(wire: Wire) -> Iterator[_Variant]:
    first, *others = WIRES[wire].CAP
    yield _Variant(tools=True, streams=False, cap_key=first)
    yield from (_Variant(tools=True, streams=False, cap_key=key) for key in others)
    yield _Variant(tools=True, streams=True, cap_key=first)
    yield _Variant(tools=False, streams=False, cap_key=first)
    yield _Variant(tools=False, streams=True, cap_key=first)
    yield _Variant(tools=False, streams=False, cap_key=None)


async def opened(bench: Bench, notes: Notes) -> None:
    """Get a first answer, whatever it takes.

    Raises:
        ModelError: no way of asking was accepted; the error is that of the plainest one.
    """
    wires: tuple[Wire, ...] = (bench.target.wire,) if bench.target.wire else ("chat", "responses")
    refusal: ModelError | None = None
    for bench.wire in wires:
        refused: list[Answer] = []
        for variant in _variants(bench.wire):
            bench.tools, bench.streams, bench.cap_key = variant.tools, variant.streams, variant.cap_key
            answer = await bench.ask(_OPEN, Ask(talk.TO_SUM, tools=bench.tools, stream=bench.streams))
            if answer.ok:
                _note(bench, notes, answer, refused)
                return
            refusal = refusal or bench.refusal(answer)
            refused.append(answer)
            if answer.status == 404 or not answer.values:  # noqa: PLR2004 - the route is not there
                break
    raise refusal or ModelError("no way to ask")


def _note(bench: Bench, notes: Notes, answer: Answer, refused: list[Answer]) -> None:
    bench.answers[talk.EARLY] = answer
    before = f'; another way was refused: "{refused[-1].said}"' if refused else ""
    route = bench.dialect.ROUTE
    notes.found("wire", bench.wire, f"POST {route} answered", answer.number)
    notes.found("always_stream", bench.streams, f"answered {'only streamed' if bench.streams else 'whole'}{before}")
    if not bench.tools:
        notes.found("tools", "refused", f'with a tool: "{refused[0].said}"', refused[0].number, answer.number)


async def talked(bench: Bench, notes: Notes) -> None:
    """Hold the conversation of `talk`, as far as the model goes along."""
    lines = (talk.TO_FIRST, talk.TO_RESULT, talk.TO_SECOND)
    if not bench.tools:
        await _echoed(bench, _FORM, (*talk.TO_SUM, talk.answer(0), talk.user(talk.SUM)))
    for place, asked in enumerate(lines if bench.tools else (), 1):
        answer = await _echoed(bench, _TALK, asked)
        if place in {talk.CALLED, talk.LAST} and answer.ok and not answer.calls:
            answer = await bench.whole(_TALK, Ask(asked, extra={"tool_choice": "required"}))
        if not answer.ok or (place in {talk.CALLED, talk.LAST} and not answer.calls):
            break
        bench.answers[place] = answer
    seen = list(dict.fromkeys(name for answer in bench.answers.values() for name in answer.carriers))
    numbers = [answer.number for answer in bench.answers.values()]
    said = "what the answers hold beside text and calls" if seen else "no answer holds any reasoning"
    notes.found("carrier", seen, said, *numbers)
    thought = [answer.number for answer in bench.answers.values() if answer.thought]
    counted = "reasoning came, or was counted" if thought else "no reasoning came, and none was counted"
    if thought or _counts(bench):
        notes.found("thinks", bool(thought), counted, *(thought or numbers))
    else:
        notes.unknown("thinks", "no reasoning came, and the service does not say whether it counted any", *numbers)


def _counts(bench: Bench) -> bool:
    """Tell whether the service counts reasoning at all."""
    names = ("completion_tokens_details", "output_tokens_details")
    usages = [answer.usage for answer in bench.answers.values()]
    return any("reasoning_tokens" in (usage.get(name) or {}) for usage in usages for name in names)


async def _echoed(bench: Bench, what: str, lines: tuple[talk.Line, ...]) -> Answer:
    """Ask with the answers so far as they came; where that is refused, find the form that is not."""
    asked = await bench.whole(what, Ask(lines))
    if asked.ok or bench.usual == "absent":
        return asked
    forms: tuple[Treatment, ...] = ("plain", "copied", "absent")
    for form in forms[forms.index(bench.usual) + 1 if bench.usual in forms else 0 :]:
        again = await bench.whole(_FORM, Ask(lines, dict.fromkeys(range(4), form)))
        if again.ok:
            bench.usual = form
            own = own_field(bench.answers[talk.EARLY].carriers)
            bench.into = other_field(own) if form == "copied" else None
            return again
    return asked
