"""The Responses wire: a second way to ask the same service. What it needs of the first is a conversation.

`responses_read` refuses what is malformed, `responses_items` makes a conversation of items, `responses_rules` judges
it, `responses_output` makes items of an answer, `responses_stream` sends them. `responses_seal` makes blobs and ids,
`responses_shelf` keeps what the client asked to store.
"""

from collections.abc import Iterator, Sequence

from agentkit.emulator import responses_stream
from agentkit.emulator.asked import Asked
from agentkit.emulator.responses_items import Conversation
from agentkit.emulator.responses_output import Spoken
from agentkit.emulator.responses_shelf import Shelf
from agentkit.emulator.returned import Returned
from agentkit.emulator.stream import Answer, Step, streamed, whole

PATH = "/responses"


def timeline(asked: Asked, answer: Answer) -> Iterator[Step]:
    """Return how an answer travels, on whichever wire it was asked for."""
    if isinstance(asked, Conversation):
        spoken = Spoken(asked, answer)
        return responses_stream.streamed(spoken) if asked.streams else responses_stream.whole(spoken)
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
