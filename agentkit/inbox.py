"""Facts from outside the driving process (law 12): an inbox row's body is the event it wants to become."""

from agentkit.core.events import (
    AnyEvent,
    CallAnswered,
    CallApproved,
    CallDenied,
    CallResolved,
    CancelRequested,
    TurnResumed,
    UserSaid,
)
from agentkit.core.events_people import CallWoken, HandedBack, PersonAnswered
from agentkit.errors import AgentkitError, ProtocolError
from agentkit.journal.base import InboxKind, InboxRow
from agentkit.journal.codec import Stored, codec

EVENT_OF: dict[InboxKind, type[AnyEvent]] = {
    "message": UserSaid,
    "approval": CallApproved,
    "denial": CallDenied,
    "answer": CallAnswered,
    "resolution": CallResolved,
    "cancel": CancelRequested,
    "child": CallWoken,
    "resume": TurnResumed,
    "takeover": PersonAnswered,
    "handback": HandedBack,
}


def body_of(event: AnyEvent) -> bytes:
    """Return an event as an inbox row holds it."""
    return codec().encode(event).body


def event_of(row: InboxRow) -> AnyEvent:
    """Return the event a row wants to become.

    Raises:
        ProtocolError: the row's kind has no event, or its body is not that event.
    """
    wanted = EVENT_OF.get(row.kind)
    if wanted is None:
        raise ProtocolError(f"nothing can be done here with a {row.kind}")
    try:
        event = codec().decode(Stored(wanted.__name__, row.body))
    except ProtocolError:
        raise
    except AgentkitError as error:
        raise ProtocolError(f"the row cannot be read: {error}") from error
    if event is None:
        raise ProtocolError("the row is of a later version")
    return event
