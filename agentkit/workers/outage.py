"""What is told of something that does not answer: a line when it begins, one when it is over, no flood between."""

import logging
import time
from random import Random

_LOG = logging.getLogger("agentkit")
_CHANCE = Random()  # noqa: S311 - jitter, so that not all workers come back at once
_FIRST, _LONGEST = 0.25, 15.0  # seconds between two attempts


def jittered(seconds: float) -> float:
    """Return a time between half of `seconds` and one and a half of it."""
    return seconds * (0.5 + _CHANCE.random())


class Outage:
    """What is known of one thing that does not answer.

    Attributes:
        times: how often it did not, since it last did.
    """

    def __init__(self, what: str) -> None:
        self.times = 0
        self._what, self._since = what, 0.0

    @property
    def on(self) -> bool:
        """Tell whether it is still out."""
        return self.times > 0

    def again(self, error: BaseException) -> float:
        """Note that it did not answer, and return how many seconds to wait before the next attempt."""
        if not self.times:
            self._since = time.monotonic()
            _LOG.error("%s: %s. Nothing is lost; it is tried again until it answers", self._what, error)
        self.times += 1
        return jittered(min(_LONGEST, _FIRST * 2 ** min(self.times - 1, 10)))

    def over(self) -> None:
        """Note that it answered."""
        if self.times:
            _LOG.warning("%s: it answers again, after %.0f s", self._what, time.monotonic() - self._since)
            self.times = 0
