"""What the emulator plays: replies and faults, by conversation and position.

A script is a mapping from the text of a conversation's first user message (`"*"`: any) to its turns. Which turn is
played follows from the request alone: the number of assistant messages it holds. So a client that comes back after a
crash, or with a new process, or to a new emulator, just goes on. A turn may be a sequence of attempts: the k-th request
for that position gets the k-th, and the last one repeats.

The same as a JSON file: an object from first user message to a list of turns; a turn is a reply (an object with the
fields of `Reply`, `calls` holding objects with the fields of `Call`), a fault (an object with `status`), or a list of
those (attempts).
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeAlias, TypeVar, get_args

from agentkit.emulator.bodies import FAILED, FAULT_TEXTS, error_body
from agentkit.emulator.row import Contract, ErrorForm

Quirk = Literal[
    "index_missing",
    "index_repeated",
    "id_missing",
    "id_empty_later",
    "id_null_later",
    "arguments_null",
    "whole_arguments",
    "empty_tool_calls",
    "content_null",
    "choices_empty",
    "no_done",
    "split_surrogates",
    "crlf",
    "arguments_twice",
    "error_event",
    "reasoning_after_content",
    "calls_interleaved",
]
"""Ways in which real services stream, all met in the wild.

* `index_missing`: call deltas carry no index; `index_repeated`: every call has index 0.
* `id_missing`: calls come without an id.
* `id_empty_later`, `id_null_later`: fragments after the first carry `""` or null as id and name.
* `arguments_null`: the first delta of a call has null arguments; `whole_arguments`: all of them come with the id.
* `arguments_twice`: after its arguments a call comes again, with all of them (where they are a JSON object).
* `empty_tool_calls`: text deltas carry `tool_calls: []`; `content_null`: other deltas carry `content: null`.
* `choices_empty`: chunks without choices and without usage in between; `no_done`: no `[DONE]`.
* `split_surrogates`: a character outside the basic plane is split over two deltas as two lone surrogates.
* `crlf`: lines end in CR LF; `error_event`: an error object half-way through a 200 stream, and then its end.
* `reasoning_after_content`: reasoning follows the text.
* `calls_interleaved`: the events of parallel calls alternate (on the Responses wire).
"""

Lapse = Literal["dsml_leak", "think_leak", "error_list"]
"""Ways in which real services fail, to be recognised.

* `dsml_leak`: the calls stand in the text, in DeepSeek's DSML notation; `think_leak`: the reasoning does, in tags.
* `error_list`: as `error_event`, and the error object is in a list; without streaming it stands for the answer.
"""

UsagePlace = Literal["finish", "trailing", "absent"]
USAGE_PLACES: tuple[str, ...] = get_args(UsagePlace)

LEAKS: frozenset[str] = frozenset({"dsml_leak", "think_leak"})
ERRORS: frozenset[str] = frozenset({"error_event", "error_list"})
QUIRKS: frozenset[str] = frozenset(get_args(Quirk)) | frozenset(get_args(Lapse))


class ScriptError(ValueError):
    """A script that cannot be played; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call to emit.

    Attributes:
        name: the tool's name.
        arguments: text is sent as it is, well-formed or not; a mapping as compact JSON.
        id: None derives one from conversation and position; `""` is sent as `""`.
    """

    name: str
    arguments: str | Mapping[str, Any] = ""
    id: str | None = None

    @property
    def raw(self) -> str:
        """The arguments as they go over the wire."""
        if isinstance(self.arguments, str):
            return self.arguments
        return json.dumps(self.arguments, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to play, and how it travels.

    Attributes:
        content: the text; None for none.
        reasoning: the thinking; `""` for an empty field, None for no field. Not sent where thinking is off.
        calls: the tool calls.
        finish_reason: None means `tool_calls` or `stop`, whichever fits.
        cut_after: the connection is dropped after so many deltas (streaming) or bytes (otherwise).
        usage_at: where a stream reports usage; `trailing` does so only if the request asks for it.
        keep_alives: comments (streaming) or blank lines (otherwise) before the answer, and comments between deltas.
        chunk: characters per delta; 0 sends each part whole.
        delay: seconds before the first byte of the answer; keep-alives are spread over it.
        pace: seconds between deltas.
        hang_after: after so many deltas, silence until the client goes away; without streaming, silence after headers.
        quirks: see `Quirk` and `Lapse`; those of the contract's `manner` come by themselves.
    """

    content: str | None = None
    reasoning: str | None = ""
    calls: Sequence[Call] = ()
    finish_reason: str | None = None
    cut_after: int | None = None
    usage_at: UsagePlace = "trailing"
    keep_alives: int = 0
    chunk: int = 3
    delay: float = 0.0
    pace: float = 0.0
    hang_after: int | None = None
    quirks: Collection[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "calls", tuple(self.calls))
        if unknown := set(self.quirks) - QUIRKS:
            raise ScriptError(f"unknown quirks {sorted(unknown)}; known are {sorted(QUIRKS)}")
        if min(self.keep_alives, self.chunk, self.delay, self.pace, self.cut_after or 0, self.hang_after or 0) < 0:
            raise ScriptError("the numbers of a reply are not negative")
        if self.usage_at not in USAGE_PLACES:
            raise ScriptError(f"usage_at is one of {', '.join(USAGE_PLACES)}, not {self.usage_at!r}")

    @property
    def ending(self) -> str:
        """The finish reason that is sent."""
        return self.finish_reason or ("tool_calls" if self.calls else "stop")


@dataclass(frozen=True, slots=True)
class Fault:
    """An error answer: to play, or the judge's refusal.

    Attributes:
        status: the HTTP status; 401, 402, 429, 500 and 503 have the provider's texts by default.
        message: the error's text.
        type: the error's type.
        code: the error's code.
        headers: further headers, such as Retry-After.
        form: the body's shape; None means the shape that the contract's service has.
        upstream: the provider that a wrapped error names; empty means the contract's.
        gateway: a gateway says so itself: nothing is wrapped.
    """

    status: int
    message: str | None = None
    type: str | None = None
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    form: ErrorForm | None = None
    upstream: str = ""
    gateway: bool = False

    def of(self, contract: Contract) -> Self:
        """Return the fault as a service of that contract tells it."""
        return replace(self, form=self.form or contract.errors, upstream=self.upstream or contract.upstream)

    @property
    def text(self) -> str:
        """The error's text."""
        return FAULT_TEXTS.get(self.status, FAILED).message if self.message is None else self.message

    @property
    def error(self) -> dict[str, Any]:
        """The error object that most services send."""
        known = FAULT_TEXTS.get(self.status, FAILED)
        return {
            "message": self.text,
            "type": self.type or known.type,
            "param": None,
            "code": self.code or known.code,
        }

    @property
    def body(self) -> Any:
        """The decoded body."""
        return error_body(self.error, self.status, self.form or "object", "" if self.gateway else self.upstream)


_T = TypeVar("_T", Call, Reply, Fault)

Turn: TypeAlias = Reply | Fault | Sequence[Reply | Fault]
Table: TypeAlias = Mapping[str, Sequence[Turn]]
Play: TypeAlias = Callable[[dict[str, Any]], Reply | Fault]
Script: TypeAlias = Table | Play

CANNED = Reply(
    "I am agentkit's emulator, not a model: without a script I answer everything with this sentence. "
    "Give me one with --script, or use a real model."
)


def canned(_request: dict[str, Any]) -> Reply:
    """Play the answer of an emulator that was given no script."""
    return CANNED


def attempts(script: Script, conversation: str, position: int) -> Sequence[Reply | Fault]:
    """Return what a table plays at a position, in the order of attempts.

    Args:
        script: the script; one that is a function has no table, so nothing can be said beforehand.
        conversation: the text of the first user message.
        position: the number of assistant messages before the answer.

    Returns:
        At least one turn, or none where the script ends before that position.
    """
    if callable(script):
        return ()
    turns = script.get(conversation, script.get("*", ()))
    if position >= len(turns):
        return ()
    turn = turns[position]
    return (turn,) if isinstance(turn, Reply | Fault) else turn


_NONE = type(None)
_TYPES: Mapping[str, tuple[type, ...]] = {
    "name": (str,),
    "arguments": (str, dict),
    "id": (str, _NONE),
    "content": (str, _NONE),
    "reasoning": (str, _NONE),
    "calls": (list,),
    "finish_reason": (str, _NONE),
    "cut_after": (int, _NONE),
    "usage_at": (str,),
    "keep_alives": (int,),
    "chunk": (int,),
    "delay": (int, float),
    "pace": (int, float),
    "hang_after": (int, _NONE),
    "quirks": (list,),
    "status": (int,),
    "message": (str, _NONE),
    "type": (str, _NONE),
    "code": (str, _NONE),
    "headers": (dict,),
    "form": (str, _NONE),
    "upstream": (str,),
    "gateway": (bool,),
}


def read_script(text: str) -> Table:
    """Read a script from JSON; the format is this module's docstring.

    Raises:
        ScriptError: naming the conversation and the turn that cannot be read.
    """
    try:
        decoded = json.loads(text)
    except ValueError as error:
        raise ScriptError(f"the script is not JSON: {error}") from error
    if not isinstance(decoded, dict) or not all(isinstance(turns, list) for turns in decoded.values()):
        raise ScriptError('a script is an object {"first user message, or *": [turn, …]}')
    return {
        opening: tuple(_turn(turn, f"{opening!r}, turn {at}") for at, turn in enumerate(turns))
        for opening, turns in decoded.items()
    }


def _turn(value: Any, where: str) -> Turn:
    if not isinstance(value, list):
        return _attempt(value, where)
    if not value:
        raise ScriptError(f"{where}: a list of attempts is not empty")
    return tuple(_attempt(attempt, f"{where}, attempt {at}") for at, attempt in enumerate(value))


def _attempt(value: Any, where: str) -> Reply | Fault:
    if isinstance(value, dict) and "status" in value:
        return _built(Fault, value, where)
    reply = _checked(Reply, value, where)
    calls = [_built(Call, call, f"{where}, call {at}") for at, call in enumerate(reply.get("calls", ()))]
    return _built(Reply, {**reply, "calls": calls}, where)


def _checked(kind: type[_T], value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ScriptError(f"{where}: a {kind.__name__.lower()} is an object, not {value!r}")
    if unknown := value.keys() - kind.__dataclass_fields__.keys():
        words, known = ", ".join(sorted(unknown)), ", ".join(kind.__dataclass_fields__)
        raise ScriptError(f"{where}: a {kind.__name__.lower()} has no {words}; its fields are {known}")
    for name, given in value.items():
        if not isinstance(given, _TYPES[name]):
            raise ScriptError(f"{where}: {name} cannot be {given!r}")
    return value


def _built(kind: type[_T], value: Any, where: str) -> _T:
    try:
        return kind(**_checked(kind, value, where))
    except (TypeError, ScriptError) as error:
        raise ScriptError(f"{where}: {error}") from error
