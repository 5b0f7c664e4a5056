"""An answer from its deltas, or from one piece: the same message either way; and the verdict on it. Pure.

The first rule is that nothing is invented: reasoning is absent, empty or text exactly as it came (CONTRACTS.md, fact
3), arguments stay the raw characters, private fields are kept for sending back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from agentkit.core.contract import THINKING_PARTS, Contract
from agentkit.core.messages import AssistantMessage, Json, Producer
from agentkit.core.spec import Usage
from agentkit.models.base import Answered, Broken, Piece, Reply, Unusable
from agentkit.models.calls import Calls, ShapeError
from agentkit.models.faults import words
from agentkit.models.private import OPAQUE, merged
from agentkit.models.text import Track

_CUT: Final = frozenset({"length", "model_length", "max_tokens"})
_FILTERED: Final = frozenset({"content_filter", "sensitive", "safety"})


@dataclass(slots=True)
class Assembly:
    """One answer while it comes in. Feed it decoded JSON values; ask `judge` what came of it."""

    contract: Contract
    producer: Producer
    text: Track = field(default_factory=Track)
    reasoning: Track = field(default_factory=Track)
    calls: Calls = field(default_factory=Calls)
    carrier: str | None = None
    extras: dict[str, Json] = field(default_factory=dict)
    finish: str = ""
    usage: Usage | None = None
    done: bool = False  # the service said that this is all
    error: Any = None  # an error object in place of (the rest of) the answer
    wrong: str = ""  # what makes it malformed

    @property
    def begun(self) -> bool:
        """Whether anything of an answer has come."""
        return bool(self.text.seen or self.reasoning.seen or len(self.calls))

    def add(self, value: Any) -> list[Piece]:
        """Take one value: a chunk of a stream, or a whole answer. Returns what there is to show."""
        try:
            return self._add(value)
        except ShapeError as error:
            self.wrong = self.wrong or str(error)
            return []

    def _add(self, value: Any) -> list[Piece]:
        if not isinstance(value, dict):
            self.error = value if isinstance(value, list) else self.error  # some services wrap an error in a list
            return []
        self.usage = usage_of(value.get("usage")) or self.usage
        choices = value.get("choices") or []
        bare = value if not choices and isinstance(value.get("message"), str) else None  # an error without its wrapping
        self.error = value.get("error") or bare or self.error
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise ShapeError("`choices` is not a list of objects")
        return [piece for choice in choices if not choice.get("index") for piece in self._choice(choice)]

    def _choice(self, choice: Mapping[str, Any]) -> list[Piece]:
        self.usage = usage_of(choice.get("usage")) or self.usage
        self.error = choice.get("error") or self.error
        self.finish = str(choice.get("finish_reason") or self.finish)
        apart = "delta" not in choice and "message" in choice
        said = choice.get("message") if apart else choice.get("delta")
        self.done = self.done or apart
        if said is None or (apart and self.begun):  # the latter: a stream that ends by repeating the whole message
            return []
        if not isinstance(said, dict):
            raise ShapeError("a message is not an object")
        return [piece for piece in self._said(said, apart=apart) if piece.text]

    def _said(self, said: Mapping[str, Any], *, apart: bool) -> Iterable[Piece]:
        yield from self._reasoned(said)
        yield from self._spoke(said.get("content"))
        yield from self._spoke(said.get("refusal"))
        calls = said.get("tool_calls") or []
        if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
            raise ShapeError("`tool_calls` is not a list of objects")
        for call in calls:
            yield Piece("arguments", self.calls.add(call, apart=apart))
        for name in OPAQUE:
            if said.get(name):
                self.extras[name] = merged(self.extras.get(name), said[name])

    def _reasoned(self, said: Mapping[str, Any]) -> Iterable[Piece]:
        """Read the reasoning field, one per delta: where a service fills two with the same text, the first counts."""
        fields = [name for name in self.contract.carrier.read if isinstance(said.get(name), str)]
        for name in sorted(fields, key=lambda name: not said[name]):
            if said[name] or not self.reasoning.seen:
                self.carrier = self.carrier if self.reasoning.filled else name
                yield Piece("reasoning", self.reasoning.add(said[name]))
            break

    def _spoke(self, content: object) -> Iterable[Piece]:
        """Read `content`: text, or a list of chunks of text and thinking."""
        if isinstance(content, str):
            yield Piece("text", self.text.add(content))
        elif isinstance(content, list):
            for chunk in content:
                yield from self._chunk(chunk)
        elif content is not None:
            raise ShapeError("`content` is neither text nor a list")

    def _chunk(self, chunk: Any) -> Iterable[Piece]:
        kind = chunk.get("type") if isinstance(chunk, dict) else None
        if kind == "text":
            yield Piece("text", self.text.add(str(chunk.get("text") or "")))
        elif kind == "thinking":
            self.carrier = THINKING_PARTS
            thinking = chunk.get("thinking")
            for item in thinking if isinstance(thinking, list) else [{"text": thinking}]:
                thought = item.get("text") if isinstance(item, dict) else item
                yield Piece("reasoning", self.reasoning.add(str(thought or "")))

    def message(self) -> AssistantMessage:
        """Return what has come so far as a message."""
        return AssistantMessage(
            text=self.text.text() or None,
            reasoning=self.reasoning.text() if self.reasoning.seen else None,
            calls=self.calls.settled(self.contract),
            carrier=self.carrier,
            extras=self.extras,
            producer=self.producer,
        )


def judge(answer: Assembly, broke: str = "") -> Reply:
    """Say what came of an answer; `broke` tells why nothing more will come, where that was not the service's will.

    An answer that is whole counts, also if the connection broke behind it.
    """
    message = answer.message()
    if answer.error is not None:
        why = f"the service reported an error in place of the answer's rest: {words(answer.error)}"
        return Broken(why, message.text or "", message.reasoning or "", answer.usage)
    if not (answer.finish or answer.done or answer.wrong):
        why = broke or "the stream ended before the answer did"
        return Broken(why, message.text or "", message.reasoning or "", answer.usage)
    fault = _fault(answer, message)
    if fault is not None:
        return Unusable(*fault, message, answer.finish, answer.usage)
    notes = list(answer.calls.notes)
    if not answer.finish:
        notes.append("no finish reason was given")
    if broke:
        notes.append(f"behind the answer: {broke}")
    return Answered(message, answer.finish or "stop", answer.usage, notes=tuple(notes))


_Kind = Literal["empty", "cut_off", "filtered", "malformed"]


def _fault(answer: Assembly, message: AssistantMessage) -> tuple[_Kind, str] | None:
    """Return the first thing that makes the answer of no use, None where it is good."""
    finish = answer.finish
    nothing = not message.calls and not (message.text or "").strip()
    faults: tuple[tuple[bool, _Kind, str], ...] = (
        (bool(answer.wrong), "malformed", f"not an answer as documented: {answer.wrong}"),
        (finish in _CUT, "cut_off", "the answer met the limit of output tokens"),
        (finish in answer.contract.retried_finishes, "cut_off", f"the service stopped in the middle ({finish})"),
        (finish in _FILTERED, "filtered", f"the service held the answer back ({finish})"),
        (any(not call.name for call in message.calls), "malformed", "a tool call without a name"),
        (nothing, "empty", f"neither text nor a tool call{', only reasoning' if message.reasoning else ''}"),
    )
    return next(((kind, why) for found, kind, why in faults if found), None)


def usage_of(given: object) -> Usage | None:
    """Read a `usage` object; None where it says nothing.

    Reasoning tokens are part of the output; where a service counts them apart, its total tells so.
    """
    if not isinstance(given, dict):
        return None
    prompt, completion = _count(given, "prompt_tokens"), _count(given, "completion_tokens")
    if not prompt and not completion:
        return None
    return Usage(
        input_tokens=prompt,
        cached_tokens=_count(given, "prompt_cache_hit_tokens")
        or _count(given.get("prompt_tokens_details"), "cached_tokens")
        or _count(given, "cached_tokens"),
        output_tokens=max(completion, _count(given, "total_tokens") - prompt),
        reasoning_tokens=_count(given.get("completion_tokens_details"), "reasoning_tokens"),
        cost=None,
    )


def _count(given: object, name: str) -> int:
    value = given.get(name) if isinstance(given, dict) else None
    return value if isinstance(value, int) and value > 0 else 0
