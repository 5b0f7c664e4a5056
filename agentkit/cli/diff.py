"""`diff`: the first step at which two sessions differ."""

import argparse
from collections.abc import AsyncIterable, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any, NamedTuple, TypeAlias

from agentkit import Record, events
from agentkit.cli.exits import Exit
from agentkit.cli.project import journal_of, known
from agentkit.cli.screen import BAD, BOLD, DIM, GOOD, Screen
from agentkit.core.loop import apply
from agentkit.core.messages import Part, Stored, UserMessage, text_of
from agentkit.core.state import State


class Fact(NamedTuple):
    """Something that was said or done in a step: what kind of thing, where, for people, and exactly."""

    what: str
    call: str
    text: str
    exact: tuple[Any, ...] = ()


Steps: TypeAlias = dict[str, list[Fact]]


async def diff(options: argparse.Namespace, screen: Screen) -> int:
    """Compare two sessions, and show where they part."""
    async with journal_of(options) as journal:
        for name in (options.id, options.other):
            await known(journal, name)
        ours, theirs = [await steps(journal.read(name)) for name in (options.id, options.other)]
    for (mine, my_facts), (other, other_facts) in zip_longest(ours.items(), theirs.items(), fillvalue=("", [])):
        if (mine, my_facts) != (other, other_facts):
            _tell(screen, options, mine or other, (my_facts if mine else None, other_facts if other else None))
            return Exit.DIFFERS
    if screen.json:
        screen.result({"same": True, "steps": len(ours)})
    else:
        screen.line(("✓ ", GOOD), f"{len(ours)} steps: nothing differs")
    return Exit.OK


async def steps(records: AsyncIterable[Record]) -> Steps:
    """Return what happened in each step, in order, without times, cost, ids and attempts.

    A message counts in the step whose request was the first to hold it, whenever it came. Results and decisions stand
    in the order the model asked, whichever came first.
    """
    told: Steps = {}
    state = State()
    async for record in records:
        before, state = state, apply(replace(state, seq=record.seq - 1), record.event)
        here = f"{record.turn}.{record.step}"
        for fact in _facts(record.event, here):
            told.setdefault(here, []).append(fact)
        for entry in state.transcript[len(before.transcript) :]:
            if isinstance(entry.message, UserMessage) and not isinstance(record.event, events.Compacted):
                step, parts = f"{entry.turn}.{entry.step}", entry.message.parts
                told.setdefault(step, []).append(Fact("message", "", text_of(parts), parts))
    for said in state.waiting:
        told.setdefault("waiting", []).append(Fact("message", "", text_of(said.parts), said.parts))
    return {
        step: sorted(facts, key=lambda fact: (_ORDER.index(fact.what), _place(fact.call)))
        for step, facts in told.items()
    }


_ORDER = ("message", "reasoning", "answer", "arguments", "decision", "result", "outcome")


def _place(call: str) -> list[int]:
    return [int(number) for number in call.split(".")] if call else []


def _facts(event: events.AnyEvent, here: str) -> Iterator[Fact]:
    match event:
        case events.ModelResponded(message=message):
            if message.reasoning is not None:
                yield Fact("reasoning", "", message.reasoning)
            if message.text:
                yield Fact("answer", "", message.text)
            for index, call in enumerate(message.calls):
                yield Fact("arguments", f"{here}.{index}", f"{call.name} {call.arguments}")
        case events.ModelFailed(text=text):
            yield Fact("outcome", "", f"failed: {text}")
        case events.TurnEnded(status=status, reason=reason):
            yield Fact("outcome", "", f"{status}: {reason}" if reason else status)
        case _:
            yield from _of_call(event)


def _of_call(event: events.AnyEvent) -> Iterator[Fact]:
    decision = _decision(event)
    call, parts = getattr(event, "call", ""), getattr(event, "parts", ())
    if decision:
        yield Fact("decision", call, decision)
    if call and parts:
        yield Fact("result", call, _words(parts), parts)


def _decision(event: events.AnyEvent) -> str:
    said = ""
    match event:
        case events.CallHeld(kind=kind):
            said = f"held ({kind})"
        case events.CallApproved(by=by, edited=edited):
            said = f"approved by {by}" + ("" if edited is None else f", with {edited}")
        case events.CallDenied(by=by, reason=reason):
            said = f"denied by {by}: {reason}"
        case events.CallAnswered(by=by):
            said = f"answered by {by}"
        case events.CallResolved(by=by, kind=kind):
            said = f"resolved by {by}: {kind}"
        case events.ToolUnknown(why=why):
            said = f"outcome unknown: {why}"
    return said


def _words(parts: Sequence[Part]) -> str:
    stored = [part.hash for part in parts if isinstance(part, Stored)]
    return text_of(parts) + (f" ({', '.join(stored)})" if stored else "")


def _tell(
    screen: Screen, options: argparse.Namespace, step: str, sides: tuple[list[Fact] | None, list[Fact] | None]
) -> None:
    ours, theirs = ([] if side is None else side for side in sides)
    names = (options.id, options.other)
    kinds = [what for what in _ORDER if _of(ours, what) != _of(theirs, what)]
    if screen.json:
        told = [
            None if side is None else {what: [fact.text for fact in _of(side, what)] for what in kinds}
            for side in sides
        ]
        screen.result({"same": False, "step": step, "differs": kinds, "sessions": dict(zip(names, told, strict=True))})
        return
    where = "the messages that wait differ" if step == "waiting" else f"step {step} differs"
    screen.line(("✗ ", BAD), f"{where}: {', '.join(kinds) or 'only one session has it'}")
    for name, side in zip(names, sides, strict=True):
        screen.line((name, BOLD), (" has nothing there" if side is None else "", DIM))
        for what in kinds if side is not None else ():
            _side(screen, what, _of(side or [], what))


def _of(facts: list[Fact], what: str) -> list[Fact]:
    return [fact for fact in facts if fact.what == what]


def _side(screen: Screen, what: str, facts: list[Fact]) -> None:
    for fact in facts:
        screen.line((f"{what} {fact.call}".rstrip(), DIM), indent=2)
        screen.block(fact.text, indent=4)
    if not facts:
        screen.line((f"{what}: none", DIM), indent=2)
