"""Attempts at a body: one, as most tools have it, or several (retrying.py)."""

from collections.abc import Awaitable, Callable
from importlib import import_module

from agentkit.core.values import dataclass
from agentkit.tools.results import Fact

FIRST = 0.5  # seconds: the first wait is random up to twice as long


@dataclass(frozen=True, slots=True)
class Tried:
    """How an attempt ended: the fact, why it failed where it did, and whether another one might go better."""

    fact: Fact
    why: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class Patience:
    """How many attempts, and the seconds between them: the first wait is random up to `first`, then they grow."""

    attempts: int
    first: float = FIRST


async def tried(attempt: Callable[[], Awaitable[Tried]], patience: Patience, tell: Callable[[str], None]) -> Fact:
    """Make attempts and return the fact of the last; `tell` is told of each that will be repeated."""
    if patience.attempts == 1:  # tenacity's own way through one attempt costs a tenth of a step
        return (await attempt()).fact
    last: Fact = await import_module("agentkit.tools.retrying").repeated(attempt, patience, tell)
    return last
