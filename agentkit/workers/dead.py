"""Dead letters: sessions that were driven in vain so often that no worker drives them until a person says so."""

from datetime import UTC, datetime

from agentkit.journal.base import MAX_TRIES, Head

DIED = "its process died and left no word"


def is_dead(head: Head) -> bool:
    """Tell whether a session is a dead letter: driven in vain too often, and by nobody now."""
    return head.tries >= MAX_TRIES and not _is_driven(head)


def is_last_try(head: Head) -> bool:
    """Tell whether the next drive is the last, should it come to nothing. Its process may die and say nothing then."""
    return head.tries == MAX_TRIES - 1 and not _is_driven(head)


def reason(head: Head) -> str:
    """Return why driving a session came to nothing, in the words of the last try that left any."""
    return head.trouble or DIED


def obituary(head: Head) -> str:
    """Return what became of a session that is driven in vain, and what to do."""
    if not is_dead(head):
        return f"{head.tries} tries in a row came to nothing ({reason(head)}); one more, and it is a dead letter"
    return (
        f"session {head.session_id!r} is a dead letter: {head.tries} tries in a row came to nothing. The last: "
        f"{reason(head)}. No worker drives it until `agentkit revive {head.session_id}`"
    )


def _is_driven(head: Head) -> bool:
    return head.owner is not None and (head.lease_until is None or head.lease_until > datetime.now(UTC))
