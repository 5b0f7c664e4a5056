"""What the service asks of the Responses wire: its path, how an answer travels, where things are, what is stored."""

from collections.abc import Iterator, Sequence

from agentkit.emulator.asked import Asked
from agentkit.emulator.responses import stream
from agentkit.emulator.responses.items import Conversation
from agentkit.emulator.responses.output import Spoken
from agentkit.emulator.responses.shelf import Shelf
from agentkit.emulator.returned import Returned
from agentkit.emulator.stream import Answer, Step, streamed, whole

PATH = "/responses"


def timeline(asked: Asked, answer: Answer) -> Iterator[Step]:
    """Return how an answer travels, on whichever wire it was asked for."""
    if isinstance(asked, Conversation):
        spoken = Spoken(asked, answer)
        return stream.streamed(spoken) if asked.streams else stream.whole(spoken)
    return streamed(answer) if asked.streams else whole(answer)


def located(asked: Asked, seen: Sequence[Returned]) -> tuple[Returned, ...]:
    """Return what was seen of each answer, `at` being an index into what the client sent: of messages, or of items."""
    if isinstance(asked, Conversation):
        return tuple(one._replace(at=asked.told[one.at][1]) for one in seen)
    return tuple(seen)


def shelve(shelf: Shelf, asked: Asked, answer: Answer) -> None:
    """Store an answer that was sent to its end, where the client wants it stored."""
    if isinstance(asked, Conversation) and asked.stores:
        spoken = Spoken(asked, answer)
        shelf.keep(spoken.id, asked.items, spoken.items)
