"""Place by place: what happens where reasoning is missing, and whether it is read where it is not asked for.

A service either refuses a request that lacks reasoning, or is silent about it. Of a silent one the count of the
prompt's tokens tells: the same history with a long reasoning at a place and with none, and the service reads it there
or it does not.
"""

from dataclasses import dataclass, field
from typing import Final

from agentkit.core.contract import INLINE_TAGS, ITEMS, THINKING_PARTS
from agentkit.probe import talk
from agentkit.probe.answers import Answer
from agentkit.probe.bench import Bench
from agentkit.probe.chat import TEXT_FIELDS, other_field, own_field, private
from agentkit.probe.facts import Notes
from agentkit.probe.talk import BEHIND, BETWEEN, CALLED, EARLY, LAST, Ask, Line, Treatment

_OUT: Final = "old reasoning left out, place by place"
_LONG: Final = "old reasoning made long, place by place"
_ALL: Final = "retention missing applies_to empty validated write other_field refusal"
_PLACES: Final = {
    EARLY: "an earlier turn without tools",
    CALLED: "an earlier call",
    BEHIND: "an earlier text behind a call",
}
_WRITTEN: Final[tuple[Treatment, ...]] = ("long", "moved", "moved_long")
_WITHOUT: Final[tuple[Treatment, ...]] = ("absent", "empty", "blank")


@dataclass(slots=True)
class Looks:
    """The answers to what was tried, by place and treatment; `bare` are those without tools in the request.

    `private`: reasoning came in fields that only the service can read, perhaps beside a text.
    """

    whole: Answer
    private: bool = False
    tried: dict[tuple[int, Treatment], Answer] = field(default_factory=dict)
    bare: dict[tuple[int, Treatment], Answer] = field(default_factory=dict)

    def refused(self, place: int) -> Answer | None:
        """Return the refusal that a missing reasoning met there."""
        answer = self.tried.get((place, "absent"))
        return None if answer is None or answer.ok else answer

    def reads(self, place: int, how: Treatment = "long") -> bool | None:
        """Tell whether the reasoning there is part of the prompt; None: it cannot be seen."""
        bare = (self.tried.get((place, treatment)) for treatment in _WITHOUT)
        without = next((answer for answer in bare if answer is not None and answer.ok), None)
        if without is None or without.prompt is None:
            return None
        filled = self.tried.get((place, how))
        if filled is not None and filled.ok and filled.prompt is not None:
            if filled.prompt - without.prompt > talk.FILLER_COUNTS:
                return True
            if how != "long" or not self.private:
                return False
        return True if how == "long" and self.reads_private(without) else None

    def reads_private(self, without: Answer) -> bool:
        """Tell whether reasoning as it came counts: what is sealed cannot be made longer."""
        if self.whole.prompt is None or without.prompt is None:
            return False
        return self.whole.prompt - without.prompt > talk.COUNTS

    def reads_without_tools(self) -> bool | None:
        """Tell the same of the first answer, where the request offers no tools."""
        short, long = self.bare.get((EARLY, "absent")), self.bare.get((EARLY, "long"))
        if short is None or long is None or not short.ok or not long.ok or short.prompt is None or long.prompt is None:
            return None
        return long.prompt - short.prompt > (talk.COUNTS if self.private else talk.FILLER_COUNTS)

    def numbers(self) -> tuple[int, ...]:
        """Return the requests that were tried."""
        return tuple(answer.number for answer in (self.whole, *self.tried.values(), *self.bare.values()))


async def looked(bench: Bench, notes: Notes) -> None:
    """Find out about old reasoning, as far as the conversation got."""
    if bench.usual == "absent":
        return _forbidden(bench, notes)
    if not notes.value("carrier"):
        return _hidden(notes)
    if not bench.tools:
        return notes.unknown(_ALL, "without tools there is no turn of several answers to look at")
    if LAST not in bench.answers:
        return notes.unknown(_ALL, "the model did not call the tool it was asked to call, or was not let")
    bench.cold = True
    whole = await bench.whole(_OUT, Ask(talk.WHOLE))
    if not whole.ok:
        bench.cold = False
        whole = await bench.whole(_OUT, Ask(talk.WHOLE))
    if not whole.ok:
        return notes.unknown(_ALL, f'the whole conversation was refused: "{whole.said}"', whole.number)
    looks = Looks(whole, private(bench.answers[LAST]) if bench.wire == "chat" else True)
    await _left_out(bench, looks)
    await _made_long(bench, looks)
    bench.cold = False
    _judge(bench, notes, looks)
    return None


async def _left_out(bench: Bench, looks: Looks) -> None:
    for place in (LAST, CALLED, BEHIND, EARLY):
        await _try(bench, looks, place, "absent")
    await _try(bench, looks, LAST, "empty")
    if not looks.tried[LAST, "empty"].ok:
        await _try(bench, looks, LAST, "blank")
    await _try(bench, looks, LAST, "changed")
    await _try(bench, looks, LAST, "moved")
    bench.answers[BETWEEN] = bench.answers[EARLY]
    with_text = await bench.whole(_OUT, Ask(talk.WITH_TEXT))
    if with_text.ok:
        await _try(bench, looks, BETWEEN, "absent", talk.WITH_TEXT)
    bare: dict[int, Treatment] = dict.fromkeys((EARLY, CALLED, BEHIND, LAST), "absent")
    looks.bare[EARLY, "absent"] = await bench.whole(_OUT, Ask(talk.WHOLE, bare, tools=False))


async def _made_long(bench: Bench, looks: Looks) -> None:
    for place in (LAST, CALLED, EARLY):
        await _try(bench, looks, place, "long", what=_LONG)
    if bench.wire == "chat":
        await _try(bench, looks, LAST, "moved_long", what=_LONG)
    bare: dict[int, Treatment] = dict.fromkeys((CALLED, BEHIND, LAST), "absent")
    longer: dict[int, Treatment] = {EARLY: bench.usual if looks.private else "long"}
    looks.bare[EARLY, "long"] = await bench.whole(_LONG, Ask(talk.WHOLE, bare | longer, tools=False))


async def _try(
    bench: Bench,
    looks: Looks,
    place: int,
    how: Treatment,
    lines: tuple[Line, ...] = talk.WHOLE,
    what: str = _OUT,
) -> None:
    looks.tried[place, how] = await bench.whole(what, Ask(lines, {place: how}))


def _forbidden(bench: Bench, notes: Notes) -> None:
    why = "a conversation with the reasoning as it came was refused, the same without it was not"
    notes.found("retention", "forbid", why, bench.requests)
    notes.unknown(_ALL, "reasoning may not be sent back")


def _hidden(notes: Notes) -> None:
    if notes.value("thinks"):
        notes.found("retention", "hidden", "reasoning is counted and never shown")
        notes.unknown(_ALL, "there is nothing to send back")
    else:
        notes.unknown(_ALL, "no reasoning came: to probe a model that thinks only when told to, tell it so by --set")


def _judge(bench: Bench, notes: Notes, looks: Looks) -> None:
    asked = {
        place: answer
        for place in (EARLY, CALLED, BEHIND, LAST, BETWEEN)
        if (answer := looks.refused(place)) is not None
    }
    if asked:
        first = next(iter(asked.values()))
        why = "a request without it was refused"
        notes.found("missing", "error", why, *(answer.number for answer in asked.values()))
        notes.found("refusal", first.said, "the service's own words", first.number)
        _applies(notes, looks, asked)
    else:
        by = [looks.tried[place, "absent"].number for place in (LAST, CALLED, BEHIND, EARLY)]
        notes.found("missing", "accepted", "no request without it was refused", *by)
        notes.unknown("applies_to refusal", "it is asked for nowhere")
    _retention(notes, looks, set(asked))
    _form(bench, notes, looks, needed=LAST in asked)


def _applies(notes: Notes, looks: Looks, asked: dict[int, Answer]) -> None:
    texts = [place for place in (BETWEEN, BEHIND, EARLY) if place in asked]
    if texts:
        numbers = [asked[place].number for place in texts]
        notes.found("applies_to", "all_assistant", "a text without it was refused too", *numbers)
    elif (BETWEEN, "absent") in looks.tried:
        by = [looks.tried[place, "absent"].number for place in (BETWEEN, LAST)]
        notes.found("applies_to", "tool_call_messages", "a call without it was refused, a text was not", *by)
    else:
        notes.unknown("applies_to", "a text before a call in one turn was refused whatever it carried")


def _retention(notes: Notes, looks: Looks, asked: set[int]) -> None:
    reads = {place: looks.reads(place) for place in (EARLY, CALLED, LAST)}
    by = looks.numbers()
    if EARLY in asked or reads[EARLY]:
        _everywhere(notes, looks, "asked for" if EARLY in asked else "read")
    elif asked & {CALLED, BEHIND} or reads[CALLED]:
        if reads[EARLY] is None and EARLY not in asked and not asked & {CALLED, BEHIND}:
            notes.unknown("retention", f"whether it is read in {_PLACES[EARLY]} cannot be seen", *by)
            return
        place = CALLED if CALLED in asked or reads[CALLED] else BEHIND
        verb = "asked for" if asked & {CALLED, BEHIND} else "read"
        notes.found("retention", "sticky-tools", f"{verb} in {_PLACES[place]}, not in {_PLACES[EARLY]}", *by)
    elif None in (reads[EARLY], reads[CALLED]):
        since = "asked for in the open turn; " if asked else ""
        notes.unknown("retention", f"{since}whether older reasoning is read cannot be seen: it is not counted", *by)
    elif LAST in asked or BETWEEN in asked or reads[LAST]:
        notes.found("retention", "turn", "in the open turn only: older reasoning is not read", *by)
    else:
        notes.unknown("retention", "nothing that was sent back is read: the prompt counts no more tokens with it", *by)


def _everywhere(notes: Notes, looks: Looks, verb: str) -> None:
    """Tell apart who reads reasoning always, and who does only where the request carries tools."""
    by = looks.numbers()
    without, long = looks.bare[EARLY, "absent"], looks.bare[EARLY, "long"]
    if not without.ok or looks.reads_without_tools():
        notes.found("retention", "all", f"{verb} in {_PLACES[EARLY]}, also where the request has no tools", *by)
    elif looks.reads_without_tools() is False or (verb == "asked for" and without.ok):
        notes.found(
            "retention", "sticky-if-tools", f"{verb} in {_PLACES[EARLY]}, but only with tools in the request", *by
        )
    else:
        said = f' ("{long.said}")' if long.said else ""
        notes.unknown("retention", f"{verb} in {_PLACES[EARLY]}; without tools nothing could be seen{said}", *by)


def _form(bench: Bench, notes: Notes, looks: Looks, *, needed: bool) -> None:
    empty, changed = looks.tried[LAST, "empty"], looks.tried[LAST, "changed"]
    blank = looks.tried.get((LAST, "blank"))
    if empty.ok:
        notes.found("empty", "send", "an empty one was accepted", empty.number)
    elif blank is not None and (blank.ok or changed.ok):
        taken = blank if blank.ok else changed
        notes.found("empty", "placeholder", f'empty: "{empty.said}"; another was accepted', empty.number, taken.number)
    else:
        notes.unknown("empty", f'empty: "{empty.said}"; so was any text', empty.number)
    if not changed.ok:
        notes.found("validated", "signature", f'changed: "{changed.said}"', changed.number)
    elif needed:
        notes.found("validated", "presence", "any text is accepted", changed.number)
    else:
        notes.found("validated", "none", "absent and changed reasoning were accepted", changed.number)
    _written(bench, notes, looks, needed=needed)


def _written(bench: Bench, notes: Notes, looks: Looks, *, needed: bool) -> None:
    own = _own(bench)
    moved = looks.tried[LAST, "moved"]
    elsewhere = looks.reads(LAST, "moved_long")
    here = looks.reads(LAST)
    by = [looks.tried[LAST, how].number for how in _WRITTEN if (LAST, how) in looks.tried]
    if bench.wire == "responses":
        notes.found("write", ITEMS, "items go back as items", moved.number)
        notes.found("other_field", "taken" if moved.ok else "refused", "items behind the call", moved.number)
        return
    other = other_field(own_field([own]))
    long = looks.tried[LAST, "long"]
    if here and looks.private and not _counted(long, looks):
        own = _sealed(bench)
    if (needed and not moved.ok) or here:
        notes.found("write", own, "asked for there" if needed else "its tokens are counted there", *by)
    elif elsewhere:
        notes.found("write", other, f"its tokens are counted there, and not in {own}", *by)
    else:
        notes.unknown("write", "in no field it changes what the service counts", *by)
    if not moved.ok and not needed:
        notes.found("other_field", "refused", f'{other}: "{moved.said}"', moved.number)
    elif elsewhere:
        notes.found("other_field", "read", f"the tokens of {other} are counted", *by)
    elif elsewhere is False or not moved.ok:
        notes.found("other_field", "ignored", f"{other} is not read", *by)
    else:
        notes.unknown("other_field", f"whether {other} is read cannot be seen", *by)


def _counted(long: Answer, looks: Looks) -> bool:
    """Tell whether a long text in the text field is counted, and not only what stands in the private ones."""
    whole = looks.whole.prompt
    return bool(long.ok and long.prompt and whole and long.prompt - whole > talk.FILLER_COUNTS)


def _sealed(bench: Bench) -> str:
    """Return the private field that reasoning came in."""
    answer = bench.answers[LAST]
    return next(name for name in answer.carriers if not isinstance(answer.back.get(name), str))


def _own(bench: Bench) -> str:
    """Return where the last call's reasoning is written: a text field before anything else."""
    if bench.into is not None:
        return bench.into
    carriers = list(bench.answers[LAST].carriers) or list(bench.answers[CALLED].carriers) or [TEXT_FIELDS[0]]
    framed = [name for name in carriers if name in {INLINE_TAGS, THINKING_PARTS}]
    return own_field(carriers) or next(iter(framed or carriers))
