"""Leases that this process holds, and when they are renewed: all at once, each third of the shortest TTL."""

import math
import threading
import time
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from agentkit.journal.base import Lease

C = TypeVar("C")
Held = tuple[Lease, int]  # a lease, with its TTL in milliseconds


class Renewal(Generic[C]):
    """The chore of one thread: renew every held lease at least three times within its TTL.

    Args:
        renew: does it, for all at once; behind so many seconds it is not tried again. It may fail: the fence
            protects the journal, the lease only saves work.
        clock: seconds that never go back.
    """

    def __init__(
        self, renew: Callable[[C, Collection[Held], float], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._renew, self._clock = renew, clock
        self._held: dict[str, Held] = {}  # by session id
        self._shortest = 0  # of their TTLs, and of those that were held since the last time
        self._looked = self._due = 0.0  # when it was asked last; when there will be something to do
        self._lock = threading.Lock()

    def hold(self, lease: Lease, ttl: int) -> bool:
        """Renew a lease from now on; tell whether `pause` is shorter for it: the thread sleeps as it was told before.

        Asked between all jobs, `pause` must not walk over a crowd's leases.
        """
        with self._lock:
            before, now = self._shortest, self._clock()
            self._held[lease.session_id] = (lease, ttl)
            self._shortest = min(ttl, before or ttl)
            if self._shortest == before:
                return False
            # As if it had just looked: its last chore may have taken long, and the pause counts from that one's end.
            self._looked, self._due = now, min(self._due if before else math.inf, now + ttl / 3000)
        return True

    def drop(self, lease: Lease) -> bool:
        """Renew a lease no longer; tell whether no later one of its session is held."""
        with self._lock:
            held, _ = self._held.get(lease.session_id, (None, 0))
            if held is not None and (held.uid, held.epoch) != (lease.uid, lease.epoch):
                return False
            self._held.pop(lease.session_id, None)
        return True

    def drop_all(self) -> list[Lease]:
        """Renew nothing any longer; return what was held."""
        with self._lock:
            dropped = [lease for lease, _ in self._held.values()]
            self._held.clear()
        return dropped

    def pause(self) -> float | None:
        """Return the time from the last look until a third of the shortest lease is over; None: none is held.

        Slept from the end of a look that took long, it makes the next one so much later, and leaves jobs their turn.
        """
        with self._lock:
            return max(0.0, self._due - self._looked) if self._shortest else None

    def __call__(self, db: C) -> None:
        """Renew, if it is time.

        Whoever is frozen while he writes holds up all others: nothing is written before it is due. Jobs may wait
        behind it, and where it fails a lease should live to see the next time: it is tried for half the time till then.
        """
        with self._lock:
            held, self._looked = list(self._held.values()), self._clock()
            if held and self._looked < self._due:
                return
            self._shortest = min((ttl for _, ttl in held), default=0)
            third = self._shortest / 3000
            self._due = self._looked + third
        if held:
            self._renew(db, held, third / 2)
