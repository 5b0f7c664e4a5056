"""Messages as plain frozen values: what was said, kept as it came. Identity and time belong to the journal."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Literal, TypeAlias

from agentkit.core.values import dataclass

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: an `https:` or `data:` URL, as the service will get it."""

    url: str


@dataclass(frozen=True, slots=True)
class File:
    """A file: its name and a `data:` URL, as the service will get it."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A part kept outside its event, in the journal's blobs: the driver fetches it when a request needs it.

    Attributes:
        hash: of its contents: a text, or the URL of a picture or of a file.
        size: of its contents in bytes, UTF-8.
        kind: what the contents are. name: of a file.
    """

    hash: str
    size: int
    kind: Literal["text", "image", "file"] = "text"
    name: str = ""

    def holding(self, contents: str) -> "Part":
        """Return the part that was stored."""
        match self.kind:
            case "text":
                return Text(contents)
            case "image":
                return Image(contents)
            case "file":  # pragma: no branch - the last kind
                return File(self.name, contents)


Part: TypeAlias = Text | Image | File | Stored
Content: TypeAlias = str | Sequence[Text | Image | File]


@dataclass(frozen=True, slots=True)
class Producer:
    """Who made an assistant message: reasoning is bound to it (CONTRACTS.md, section 8, storage rule 4)."""

    model: str
    contract: str
    host: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call as the model asked for it. `arguments` are the raw characters that came; they are never re-encoded."""

    id: str
    name: str
    arguments: str
    given_id: str | None = None  # what the provider sent, where it was empty, repeated or illegal and `id` replaces it
    extras: Mapping[str, Json] = field(default_factory=dict)  # provider-private fields beside the call, sent back as is


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What a person (or a notice in a person's place) said."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)  # without slots: `replace` is fast then, and each one is stamped with who made it
class AssistantMessage:
    """What the model said.

    `reasoning` has three states (CONTRACTS.md, fact 3): None (the field was absent), "" (present and empty), text.
    `carrier` names the field it came in; `extras` holds provider-private fields of the message, sent back as they came.
    """

    text: str | None = None
    reasoning: str | None = None
    calls: tuple[ToolCall, ...] = ()
    carrier: str | None = None
    extras: Mapping[str, Json] = field(default_factory=dict)
    producer: Producer | None = None
    redacted: bool = False  # a rule changed its reasoning, or took what came beside it, before it was recorded


@dataclass(frozen=True, slots=True)
class ToolMessage:
    """The result of one call, as the model gets it."""

    call_id: str
    name: str
    parts: tuple[Part, ...]


Message: TypeAlias = UserMessage | AssistantMessage | ToolMessage


def parts_of(content: Content) -> tuple[Part, ...]:
    """Turn what a caller gave (`str`, or a sequence of parts) into parts.

    Raises:
        TypeError: something in the sequence is neither Text, Image nor File.
    """
    if isinstance(content, str):
        return (Text(content),)
    parts = tuple(content)
    for part in parts:
        if not isinstance(part, Text | Image | File):
            raise TypeError(f"a message holds str or parts (Text, Image, File), not {type(part).__name__}")
    return parts


def text_of(parts: Sequence[Part]) -> str:
    """Return the readable text of parts; pictures, files and stored texts are named, not shown."""
    return "".join(_shown(part) for part in parts)


def _shown(part: Part) -> str:
    match part:
        case Text(text):
            return text
        case Image():
            return "[image]"
        case File(name, _):
            return f"[file {name}]"
        case Stored(_, size, "text"):
            return f"[{size} bytes, stored]"
        case Stored():  # pragma: no branch - the last kind of part
            return _shown(part.holding(""))


def weigh(message: Message) -> int:
    """Return roughly how many bytes a message has on the wire (UTF-8)."""
    if isinstance(message, AssistantMessage):
        heft = _bytes(message.text or "") + _bytes(message.reasoning or "")
        for call in message.calls:
            heft += _bytes(call.name) + _bytes(call.arguments)
        return heft
    return sum([_weight(part) for part in message.parts])


def _weight(part: Part) -> int:
    if isinstance(part, Text):
        return _bytes(part.text)
    return getattr(part, "size", 0) or 0


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
