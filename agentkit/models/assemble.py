"""An answer from its deltas, or from one piece: the same message either way; and the verdict on it. Pure.

The first rule is that nothing is invented: reasoning is absent, empty or text exactly as it came (CONTRACTS.md, fact
3), arguments stay the raw characters, private fields are kept for sending back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from agentkit.core.contract import INLINE_TAGS, THINKING_PARTS, Contract
from agentkit.core.messages import AssistantMessage, Json, Producer
from agentkit.core.spec import Usage
from agentkit.models import dsml, tags
from agentkit.models.base import Answered, Broken, Piece, Reply, Unusable
from agentkit.models.calls import Calls, ShapeError
from agentkit.models.faults import words
from agentkit.models.parts import Parts, heard
from agentkit.models.plain import FIRST, NOTHING, Plain
from agentkit.models.private import Private, hollow, readable
from agentkit.models.text import Track
from agentkit.models.usage import usage_of

_CUT: Final = frozenset({"length", "model_length", "max_tokens", "max_output_tokens", "model_context_window_exceeded"})
_STOPPED: Final = frozenset({"aborted", "abort", "cancelled", "canceled", "error", "network_error"})
_FILTERED: Final = frozenset({"content_filter", "sensitive", "safety", "recitation", "prohibited_content", "blocklist"})


@dataclass(slots=True)
class Assembly:
    """One answer while it comes in. Feed it decoded JSON values; ask `judge` what came of it."""

    contract: Contract
    producer: Producer
    text: Track = field(default_factory=Track)
    reasoning: Track = field(default_factory=Track)
    calls: Calls = field(init=False)
    carrier: str | None = None
    extras: dict[str, Json] = field(default_factory=dict)
    finish: str = ""
    usage: Usage | None = None
    done: bool = False  # the service said that this is all
    error: Any = None  # an error object in place of (the rest of) the answer
    wrong: str = ""  # what makes it malformed
    notes: list[str] = field(default_factory=list)
    _private: Private = field(default_factory=Private)
    _splitter: tags.Splitter | None = field(init=False)
    _gate: dsml.Gate | None = field(init=False)
    _parts: Parts | None = None
    _plain: Plain = field(init=False)

    def __post_init__(self) -> None:
        row = self.contract
        self.calls = Calls(row.carrier.beside_calls)
        pairs = row.carrier.tags or (tags.KNOWN if "think" in row.repairs else ())
        self._splitter = tags.Splitter(pairs) if pairs else None
        self._gate = dsml.Gate() if "dsml" in row.repairs else None
        self._plain = Plain(row, self.text, self.reasoning, self.calls)

    @property
    def begun(self) -> bool:
        """Whether anything of an answer has come."""
        return bool(self.text.seen or self.reasoning.seen or len(self.calls))

    def take(self, values: Iterable[Any]) -> list[Piece]:
        """Take what one read brought, as `add` does one by one: bits of one text are put together first."""
        pieces: list[Piece] = []
        name, bits = "", list[str]()
        for value in values:
            said = None if self.finish or self._parts else self._plain.said(value)
            if said is not None and (said[0] == name or said is NOTHING):
                bits.append(said[1])
                continue
            pieces += self._run(name, bits)
            name, bits = ("", []) if said is None else (said[0], [said[1]])
            pieces += self.add(value) if said is None else ()
        return pieces + self._run(name, bits)

    def _run(self, name: str, bits: list[str]) -> list[Piece]:
        text = "".join(bits)
        if not text:
            return []
        if name == "tool_calls":
            return [Piece("arguments", text)]
        pieces = self._heard(text) if name == "content" else [self._think(name, text)]
        return [piece for piece in pieces if piece.text]

    def add(self, value: Any) -> list[Piece]:
        """Take one value: a chunk of a stream, or a whole answer. Returns what there is to show."""
        try:
            return self._add(value)
        except ShapeError as error:
            self.wrong = self.wrong or str(error)
            return []

    def _add(self, value: Any) -> list[Piece]:
        if not isinstance(value, dict):
            return self._listed(value) if isinstance(value, list) else []
        self.usage = usage_of(value.get("usage")) or self.usage
        choices = value.get("choices") or []
        self.error = value.get("error") or (None if choices else _bare(value)) or self.error
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise ShapeError("`choices` is not a list of objects")
        pieces = [piece for choice in choices if choice.get("index") in FIRST for piece in self._choice(choice)]
        if self.finish and self.usage is None:
            self.usage = next(filter(None, (usage_of(member.get("usage")) for member in _objects(value))), None)
        return pieces

    def _listed(self, values: list[Any]) -> list[Piece]:
        """Take a list: some services wrap an error in one, and gateways an answer."""
        if any(isinstance(value, dict) and "choices" in value for value in values):
            return [piece for value in values for piece in self._add(value)]
        self.error = values or self.error
        return []

    def _choice(self, choice: Mapping[str, Any]) -> list[Piece]:
        self.usage = usage_of(choice.get("usage")) or self.usage
        self.error = choice.get("error") or self.error
        self.finish = str(choice.get("finish_reason") or self.finish)
        said = choice.get("delta")
        apart = said is None and "message" in choice
        if apart:
            said, self.done = choice["message"], True
        elif said is None and isinstance(choice.get("text"), str):  # the form before messages
            said = {"content": choice["text"]}
        pieces: list[Piece] = []
        if said is not None:
            if not isinstance(said, dict):
                raise ShapeError("a message is not an object")
            if apart and self.begun:  # a stream may end by repeating the whole message
                said = self._news(said)
            pieces = [piece for piece in self._said(said, apart=apart) if piece.text]
        if self.finish or apart:
            pieces += self.close()
        return pieces

    def _news(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a message says that nothing was heard of yet."""
        known = set(self._private.values())
        if self.text.filled or self.carrier in {INLINE_TAGS, THINKING_PARTS}:
            known |= {"content", "refusal"}
        if self.reasoning.filled:
            known |= set(self.contract.carrier.read)
        if len(self.calls):
            known |= {"tool_calls", "function_call"}
        return {name: value for name, value in said.items() if name not in known}

    def _said(self, said: Mapping[str, Any], *, apart: bool) -> Iterable[Piece]:
        yield from self._reasoned(said, apart=apart)
        yield from self._spoke(said.get("content"), apart=apart)
        yield from self._spoke(said.get("refusal"), apart=apart)
        calls = said.get("tool_calls") or []
        if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
            raise ShapeError("`tool_calls` is not a list of objects")
        for call in calls:
            yield Piece("arguments", self.calls.add(call, apart=apart))
        alone = said.get("function_call")  # the form before `tool_calls`
        if isinstance(alone, dict) and not calls and not hollow(alone):
            yield Piece("arguments", self.calls.add({"function": alone}, apart=apart))

    def _reasoned(self, said: Mapping[str, Any], *, apart: bool) -> Iterable[Piece]:
        """Read the reasoning field, one per delta: where a service fills two with the same text, the first counts."""
        found: str | None = None
        self._odd({name: said.get(name) for name in self.contract.carrier.read})
        for name in self.contract.carrier.read:
            value = said.get(name)
            if isinstance(value, str) and (value or found is None):
                found = name
                if value:
                    break
        if found is not None and (said[found] or not self.reasoning.seen):
            yield self._think(found, said[found])
        for name in self.contract.carrier.opaque:
            value = said.get(name)
            if not hollow(value):
                self._private.add(name, value, apart=apart)
                repeated = (found and said[found]) or (self.reasoning.filled and self.carrier != name)
                if not repeated and (thought := readable(value)):
                    yield self._think(name, thought)

    def _odd(self, fields: Mapping[str, Any]) -> None:
        """Report reasoning that is no text: nothing tells how it would have to go back."""
        for name, value in fields.items():
            note = f"`{name}` came as {type(value).__name__}, not as text: it was not read"
            if not isinstance(value, str) and not hollow(value) and note not in self.notes:
                self.notes.append(note)

    def _think(self, carrier: str | None, thought: str) -> Piece:
        self.carrier = self.carrier if self.reasoning.filled else carrier
        return Piece("reasoning", self.reasoning.add(thought))

    def _spoke(self, content: object, *, apart: bool) -> Iterable[Piece]:
        """Read `content`: text, or a list of chunks of text and thinking."""
        if isinstance(content, str):
            if self._parts is not None:
                self._parts.say(content)
            yield from self._heard(content)
        elif isinstance(content, list | dict):
            self._parts = self._parts or Parts(self.text.text())
            for chunk in content if isinstance(content, list) else [content]:
                yield from self._chunk(chunk, self._parts, apart=apart)
        elif content is not None:
            raise ShapeError("`content` is neither text nor a list")

    def _chunk(self, chunk: Any, parts: Parts, *, apart: bool) -> Iterable[Piece]:
        parts.add(chunk, apart=apart)
        text, thought = heard(chunk)
        if thought is not None:
            self.carrier = THINKING_PARTS
            yield Piece("reasoning", self.reasoning.add(thought))
        if text is not None:
            yield from self._heard(text)

    def _heard(self, text: str) -> Iterable[Piece]:
        if self._splitter is None or self._splitter.answering:
            yield Piece("text", self.text.add(self._gate.feed(text) if self._gate else text))
        else:
            self.text.seen = True
            for shown in self._splitter.feed(text):
                yield self._split(*shown)

    def _split(self, kind: Literal["text", "reasoning"], text: str) -> Piece:
        if kind == "text":
            return Piece("text", self.text.add(self._gate.feed(text) if self._gate else text))
        inline = self.contract.carrier.tags
        if inline and self.reasoning.filled and self.carrier != INLINE_TAGS:
            return Piece("reasoning", "")  # a field has it too; the content is kept as it came
        return self._think(INLINE_TAGS if inline else self._field(), text)

    def _field(self) -> str | None:
        return next(iter(self.contract.carrier.read), None)

    def close(self) -> list[Piece]:
        """Settle what was held back, now that the answer is whole: to be done once, and harmless twice."""
        pieces = [self._split(*shown) for shown in self._splitter.flush()] if self._splitter else []
        if self._gate is not None:
            held, markup = self._gate.flush()
            pieces.append(Piece("text", self.text.add(held) if held else ""))
            pieces += self._markup(markup) if markup else []
        return [piece for piece in pieces if piece.text]

    def _markup(self, markup: str) -> Iterable[Piece]:
        """Put calls that came as text where they belong; what cannot be read stays text."""
        try:
            calls, behind = dsml.parse(markup)
        except dsml.MarkupError as error:
            self.notes.append(f"calls written as DSML could not be read: {error}")
            calls, behind = [], markup
        if len(self.calls):
            calls, behind = [], markup
        for name, arguments in calls:
            yield Piece("arguments", self.calls.add({"function": {"name": name, "arguments": arguments}}, apart=True))
        if calls:
            self.notes.append(f"repaired: {len(calls)} calls came as DSML markup in the text")
        if behind.strip():
            yield Piece("text", self.text.add(behind))

    @property
    def leaked(self) -> bool:
        """Whether reasoning was found between tags."""
        splitter = self._splitter
        return splitter is not None and bool(splitter.blocks or splitter.unopened(self.text.text()))

    def message(self) -> AssistantMessage:
        """Return what has come so far as a message."""
        text = self.text.text()
        thought = self.reasoning.text() if self.reasoning.seen else None
        extras = self.extras | self._private.values()
        carrier = self.carrier
        if self._splitter is not None:
            text, thought, carrier, kept = self._inline(self._splitter, text, thought)
            extras[INLINE_TAGS] = kept
        if self._parts is not None:
            extras[THINKING_PARTS] = self._parts.kept(thought or "", text)
        return AssistantMessage(
            text=text or None,
            reasoning=thought,
            calls=self.calls.settled(self.contract),
            carrier=carrier,
            extras={name: value for name, value in extras.items() if value is not None},
            producer=self.producer,
        )

    def _inline(
        self, splitter: tags.Splitter, text: str, thought: str | None
    ) -> tuple[str, str | None, str | None, Json]:
        """Return text, thinking, carrier, and what it takes to rebuild the content, where it may hold tags."""
        inline = bool(self.contract.carrier.tags)
        unopened = None if thought else splitter.unopened(text)
        if unopened is not None:
            thought, text, kept = unopened
            return text, thought, INLINE_TAGS if inline else self._field(), kept if inline else None
        if not splitter.blocks or not inline or self._parts is not None:
            return text, thought, self.carrier, None
        return text, thought or "", self.carrier or INLINE_TAGS, splitter.kept(thought or "")


def judge(answer: Assembly, broke: str = "") -> Reply:
    """Say what came of an answer; `broke` tells why nothing more will come, where that was not the service's will.

    An answer that is whole counts, also if the connection broke behind it.
    """
    if answer.error is not None:
        why = f"the service reported an error in place of the answer's rest: {words(answer.error)}"
        return _broken(answer, why)
    if not (answer.finish or answer.done or answer.wrong):
        return _broken(answer, broke or "the stream ended before the answer did")
    answer.close()
    message = answer.message()
    fault = _fault(answer, message)
    if fault is not None:
        return Unusable(*fault, message, answer.finish, answer.usage)
    notes = [*answer.notes, *answer.calls.notes, *_leaks(answer, message)]
    if not answer.finish:
        notes.append("no finish reason was given")
    if broke:
        notes.append(f"behind the answer: {broke}")
    return Answered(message, answer.finish or "stop", answer.usage, notes=tuple(notes))


def _broken(answer: Assembly, why: str) -> Broken:
    message = answer.message()
    return Broken(why, message.text or "", message.reasoning or "", answer.usage)


_Kind = Literal["empty", "cut_off", "filtered", "malformed"]


def _fault(answer: Assembly, message: AssistantMessage) -> tuple[_Kind, str] | None:
    """Return the first thing that makes the answer of no use, None where it is good."""
    finish, row = answer.finish, answer.contract
    plain = finish.lower().partition(":")[0].strip()
    nothing = not message.calls and not (message.text or "").strip()
    markup = not message.calls and dsml.found(message.text or "") is not None
    faults: tuple[tuple[bool, _Kind, str], ...] = (
        (bool(answer.wrong), "malformed", f"not an answer as documented: {answer.wrong}"),
        (plain in _CUT, "cut_off", "the answer met the limit of output tokens"),
        (
            plain in _STOPPED or finish in row.retried_finishes,
            "cut_off",
            f"the service stopped in the middle ({finish})",
        ),
        (plain in _FILTERED, "filtered", f"the service held the answer back ({finish})"),
        ("malformed_function_call" in finish.lower(), "malformed", f"the service could not read a call ({finish})"),
        (any(not call.name for call in message.calls), "malformed", "a tool call without a name"),
        (markup, "malformed", "; ".join(["calls came as text in DSML markup instead of `tool_calls`", *answer.notes])),
        (nothing, "empty", f"neither text nor a tool call{', only reasoning' if message.reasoning else ''}"),
    )
    return next(((kind, why) for found, kind, why in faults if found), None)


def _leaks(answer: Assembly, message: AssistantMessage) -> Iterable[str]:
    """Report markup that came in `content` where the row does not expect it."""
    row, text = answer.contract, message.text or ""
    tag = tags.leaked(text)
    if tag is not None:
        yield f"reasoning may have leaked into the text: it holds {tag!r}, which contract row {row.id!r} does not read"
    elif answer.leaked and not row.carrier.tags:
        yield "repaired: reasoning came between tags in the text"
    if message.calls and dsml.found(text) is not None:
        yield "the text holds DSML markup besides the calls"


def _objects(value: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return (member for member in value.values() if isinstance(member, dict))


def _bare(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return a value that is an error without its wrapping."""
    told = any(isinstance(value.get(name), str) for name in ("message", "detail"))
    return value if told else None
