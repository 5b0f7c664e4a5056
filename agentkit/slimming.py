"""Long texts go beside the events that hold them, as blobs."""

from collections.abc import Sequence
from typing import assert_never

from agentkit.core.binding import Blob, hashed
from agentkit.core.events import AnyEvent, CallResolved, ToolFinished
from agentkit.core.messages import File, Image, Part, Stored, Text
from agentkit.core.replacing import replace

LARGE = 64 * 1024  # bytes: a longer text is a blob of its own (DURABLE.md, Tables)


def slimmed(events: Sequence[AnyEvent]) -> tuple[list[AnyEvent], list[Blob]]:
    """Return facts as they are recorded, and the blobs that hold their long texts."""
    blobs: list[Blob] = []
    slim = [_slim(event, blobs) if isinstance(event, (ToolFinished, CallResolved)) else event for event in events]
    return slim, blobs


def _slim(event: ToolFinished | CallResolved, blobs: list[Blob]) -> AnyEvent:
    parts = tuple([_stored(part, blobs) for part in event.parts])
    event = event if parts == event.parts else replace(event, parts=parts)
    if event.cut is None or not isinstance(event.cut.whole, Text):
        return event
    whole = event.cut.whole.text.encode("utf-8", "surrogatepass")
    blobs.append(Blob(hashed(whole), whole))
    return replace(event, cut=replace(event.cut, whole=Stored(blobs[-1].hash, len(whole))))


def _stored(part: Part, blobs: list[Blob]) -> Part:
    if isinstance(part, Stored):
        return part
    held = part.text if isinstance(part, Text) else part.url
    if len(held) * 4 < LARGE:
        return part
    data = held.encode("utf-8", "surrogatepass")
    if len(data) <= LARGE:
        return part
    blobs.append(Blob(hashed(data), data))
    match part:
        case Text():
            return Stored(blobs[-1].hash, len(data))
        case Image():
            return Stored(blobs[-1].hash, len(data), "image")
        case File(name):
            return Stored(blobs[-1].hash, len(data), "file", name)
        case _:
            assert_never(part)
