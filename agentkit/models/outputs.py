"""An answer on the Responses wire, from its events or from one response object: the same message either way. Pure.

Finished items are the truth, deltas are for showing; where a service (or a connection that broke) left finished items
out, what the deltas told stands in for them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, NamedTuple

from agentkit.core.contract import ITEMS
from agentkit.core.messages import AssistantMessage
from agentkit.models.assemble import Assembly
from agentkit.models.base import Piece
from agentkit.models.calls import Calls, ShapeError
from agentkit.models.items import CALL, MESSAGE, REASONING, Item, Said, kept, kind_of, read, slots
from agentkit.models.text import Track
from agentkit.models.usage import usage_of


class _Channel(NamedTuple):
    """Where an event's fragment belongs: which kind of item, and which list of parts of which type inside it."""

    item: str
    shown: Said
    list: Literal["content", "summary", ""]
    part: str = ""
    key: str = "text"


_TEXT: Final = _Channel(MESSAGE, "text", "content", "output_text")
_REFUSAL: Final = _Channel(MESSAGE, "text", "content", "refusal", "refusal")
_WORDS: Final = _Channel(REASONING, "reasoning", "content", "reasoning_text")
_SUMMARY: Final = _Channel(REASONING, "reasoning", "summary", "summary_text")
_ARGUMENTS: Final = _Channel(CALL, "arguments", "", "", "arguments")
_CHANNELS: Final = {
    "response.output_text": _TEXT,
    "response.refusal": _REFUSAL,
    "response.reasoning_text": _WORDS,
    "response.reasoning": _WORDS,  # its name before it was documented
    "response.reasoning_summary_text": _SUMMARY,
    "response.function_call_arguments": _ARGUMENTS,
}
_DELTAS: Final = {f"{name}.delta": channel for name, channel in _CHANNELS.items()}
_WHOLES: Final = {f"{name}.done": channel for name, channel in _CHANNELS.items()}
_PLACES: Final[Mapping[str, str]] = {"content": "content_index", "summary": "summary_index"}
_ENDS: Final = frozenset({"completed", "incomplete", "failed", "cancelled"})
_CUTS: Final = {"max_output_tokens": "length", "max_tokens": "length", "content_filter": "content_filter"}


@dataclass(slots=True)
class _Growing:
    """One item while it comes in: how it was opened, its fragments, how it was closed."""

    kind: str
    index: object = None
    opened: Item | None = None
    closed: Item | None = None
    tracks: dict[tuple[_Channel, int], Track] = field(default_factory=dict)

    def add(self, channel: _Channel, part: int, text: str) -> Piece:
        track = self.tracks.get((channel, part))
        if track is None:
            track = self.tracks[channel, part] = Track()
        return Piece(channel.shown, track.add(text))

    def built(self) -> Item:
        """Return the item as far as its fragments tell."""
        item: Item = dict(self.closed or self.opened or {"type": self.kind})
        if self.kind == MESSAGE:
            item.setdefault("role", "assistant")
        told: dict[str, list[tuple[int, Item]]] = {}
        for (channel, place), track in self.tracks.items():
            if channel.list:
                told.setdefault(channel.list, []).append((place, {"type": channel.part, channel.key: track.text()}))
            else:
                item[channel.key] = track.text()
        for name, parts in told.items():
            item[name] = [part for _, part in sorted(parts, key=lambda pair: pair[0])]
        return item


@dataclass(slots=True)
class Outputs(Assembly):
    """One answer while it comes in, like `Assembly`, of a service that answers in items."""

    growing: list[_Growing] = field(default_factory=list)
    known: dict[object, _Growing] = field(default_factory=dict)  # by id and by index
    final: list[Item] = field(default_factory=list)  # of the response object at the end

    @property
    def begun(self) -> bool:
        """Whether anything of an answer has come."""
        return bool(self.growing or self.final or self.text.seen)

    def _add(self, value: Any) -> list[Piece]:
        if not isinstance(value, dict):
            self.error = value if isinstance(value, list) else self.error
            return []
        kind = value.get("type")
        channel = _DELTAS.get(kind) if isinstance(kind, str) else None
        if channel is not None:
            return self._delta(channel, value)
        return [piece for piece in self._event(str(kind or ""), value) if piece.text]

    def _delta(self, channel: _Channel, event: Mapping[str, Any]) -> list[Piece]:
        delta = event.get("delta")
        if not isinstance(delta, str):
            return []
        piece = self._found(channel.item, event).add(channel, _place(channel, event), delta)
        return [piece] if piece.text else []

    def _event(self, kind: str, value: Mapping[str, Any]) -> Iterable[Piece]:
        if (channel := _WHOLES.get(kind)) is not None:
            return self._whole(channel, value)
        response = value.get("response", value if "output" in value else None)
        if isinstance(response, dict):
            named = kind.removeprefix("response.") if kind else response.get("status", "completed")
            return self._response(response, str(named))
        item = value.get("item")
        if isinstance(item, dict):
            return self._opened(item, value) if kind.endswith(".added") else self._closed(item, value)
        if kind == "error" or value.get("error") or (not kind and isinstance(value.get("message"), str)):
            inner = value.get("error")
            self.error = inner if isinstance(inner, dict) else value
        return ()

    def _whole(self, channel: _Channel, event: Mapping[str, Any]) -> Iterator[Piece]:
        """Take a text that is said to be whole; where its deltas were left out it is shown now."""
        text = event.get(channel.key)
        if isinstance(text, str):
            growing, place = self._found(channel.item, event), _place(channel, event)
            before = growing.tracks.pop((channel, place), None)
            piece = growing.add(channel, place, text)
            if before is None or not before.filled:
                yield piece

    def _opened(self, item: Item, event: Mapping[str, Any]) -> Iterable[Piece]:
        by_index = self._at(event.get("output_index"), kind_of(item))
        growing = self._at(item.get("id"), kind_of(item))
        if growing is None and by_index is not None and by_index.opened is None:
            growing = by_index
        if growing is None:
            growing = self._new(kind_of(item), event.get("output_index"), item.get("id"))
        growing.opened = item
        return ()

    def _closed(self, item: Item, event: Mapping[str, Any]) -> Iterator[Piece]:
        growing = self._found(kind_of(item), {**event, "item_id": item.get("id")})
        if growing.closed is not None and growing.closed.get("id") != item.get("id"):
            growing = self._new(kind_of(item), event.get("output_index"), item.get("id"))
        growing.closed = item
        if not any(track.filled for track in growing.tracks.values()):
            yield from _shown(item)

    def _response(self, response: Mapping[str, Any], status: str) -> Iterable[Piece]:
        """Take a response object; only one at the end says anything."""
        self.usage = usage_of(response.get("usage")) or self.usage
        if status not in _ENDS:
            return ()
        output = [] if response.get("output") is None else response["output"]
        if not isinstance(output, list) or not all(isinstance(item, dict) for item in output):
            raise ShapeError("`output` is not a list of objects")
        news = not self.growing
        self.final = output
        self._ended(status, response)
        return [piece for item in output for piece in _shown(item)] if news else ()

    def _ended(self, status: str, response: Mapping[str, Any]) -> None:
        self.done = True
        if status == "completed":
            self.finish = "tool_calls" if any(kind_of(item) == CALL for item in self.output()) else "stop"
        elif status == "incomplete":
            details = response.get("incomplete_details")
            why = details.get("reason") if isinstance(details, dict) else None
            self.finish = _CUTS.get(str(why), "incomplete")
            if self.finish == "incomplete":
                raise ShapeError(f"it is incomplete, the reason given is {why!r}")
        else:
            self.error = response.get("error") or {"message": f"the response ended as {status!r}"}

    def output(self) -> Sequence[Item]:
        """Return the items of the answer as far as it has come."""
        places = [growing.index for growing in self.growing]
        grown = self.growing
        if all(isinstance(place, int) for place in places) and len(set(places)) == len(places):
            grown = sorted(grown, key=lambda growing: growing.index)  # type: ignore[arg-type,return-value]  # integers
        closed = [growing.closed for growing in grown if growing.closed is not None]
        built = [growing.built() for growing in grown]
        told = _told_in([*built, *self.final])
        # The documents name the closed item as the one to send back; the last event repeats it, or adds to it.
        for items in sorted((closed, self.final), key=len, reverse=True):
            if len(items) >= len(built) and told <= _told_in(items):
                return items
        return built

    def message(self) -> AssistantMessage:
        """Return what has come so far as a message."""
        items = self.output()
        self.calls = Calls()
        for item in items:
            if kind_of(item) == CALL:
                function = {"name": item.get("name"), "arguments": item.get("arguments")}
                self.calls.add({"id": item.get("call_id"), "function": function}, apart=True)
        message = AssistantMessage(
            text=read(items, "text") or self.text.text() or None,
            reasoning=read(items, "reasoning"),
            calls=self.calls.settled(self.contract),
            producer=self.producer,
        )
        return replace(message, carrier=ITEMS, extras={ITEMS: kept(items, message)}) if items else message

    def _found(self, kind: str, event: Mapping[str, Any]) -> _Growing:
        """Find the item an event speaks of: by id or by index, where these can be believed, else the last open one.

        Met: another id in each event of an item, one index for all items, neither.
        """
        name, index = event.get("item_id"), event.get("output_index")
        growing = self._at(name, kind) or self._at(index, kind)
        if growing is None and (index is None or self._taken(index)):
            still_open = (known for known in reversed(self.growing) if known.kind == kind and known.closed is None)
            growing = next(still_open, None)
        return growing or self._new(kind, index, name)

    def _taken(self, index: object) -> bool:
        return isinstance(index, int) and index in self.known

    def _at(self, key: object, kind: str) -> _Growing | None:
        growing = self.known.get(key) if isinstance(key, int | str) else None
        return growing if growing is not None and growing.kind == kind else None

    def _new(self, kind: str, index: object, name: object) -> _Growing:
        growing = _Growing(kind, index)
        self.growing.append(growing)
        self.known.update({key: growing for key in (index, name) if isinstance(key, int | str)})
        return growing


def _place(channel: _Channel, event: Mapping[str, Any]) -> int:
    place = event.get(_PLACES.get(channel.list, ""))
    return place if isinstance(place, int) else 0


def _shown(item: Item) -> Iterator[Piece]:
    return (Piece(slot.said, slot.value) for slot in slots(item) if isinstance(slot.value, str) and slot.value)


def _told_in(items: Iterable[Item]) -> set[str]:
    """Return what items hold: which kinds of words, and anything sealed."""
    return {said for item in items for said in _told(item)}


def _told(item: Item) -> Iterator[str]:
    yield from (slot.said for slot in slots(item) if slot.value)
    if item.get("encrypted_content"):
        yield "encrypted_content"
