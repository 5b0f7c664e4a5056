"""What is said to who appends to a session that is not his any more."""

from agentkit.errors import Fenced
from agentkit.journal.base import Lease


def fenced(lease: Lease, after: int) -> Fenced:
    """Return the error of an append by who no longer owns the session."""
    return Fenced(
        f"session {lease.session_id!r} was taken over behind event {after}: nothing was written. "
        "Run again with the same message id to get its result"
    )
