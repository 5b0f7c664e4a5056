"""A session's request as encoded fragments: it grows at the tail, and what did not change is not encoded again.

Fragment 0 is everything but the messages, the others are one message each. What one request shares with the one
before it is found by their hashes, so the journal holds only the hashes of what was new (law 2).
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import blake2b

from agentkit.core.contract import Contract
from agentkit.core.events import Sent
from agentkit.core.log import Log
from agentkit.core.request import Instructions, Reach, Reader, Sending, moves_with_user, render
from agentkit.core.spec import Binding
from agentkit.core.state import Entry, State

Encode = Callable[[Sending, Contract], bytes]


class Prefix:
    """The fragments of a session's next request.

    Args:
        head: encodes fragment 0. encode: encodes one message.
    """

    def __init__(self, head: Callable[[Binding], bytes], encode: Encode) -> None:
        self._head, self._encode = head, encode
        self._binding: Binding | None = None
        self._entries: Log[Entry] = Log()
        self._reach = Reach()
        self._lead = 1  # fragments before the first entry's
        self.fragments: list[bytes] = []
        self.hashes: list[str] = []  # chained: each covers all fragments up to its own
        self._decisions: dict[int, str] = {}  # by fragment
        self._agreed = 0  # leading fragments known to be those of `_before`
        self._before: Log[str] = Log()  # the last recorded request, by hashes

    def update(self, state: State, binding: Binding, first: int, contents: Mapping[str, str]) -> None:
        """Bring the fragments up to date with `state`; `first` was just asked for.

        `contents` holds the texts that are stored apart (`request.stored`) of the entries from `first` on.
        """
        if binding is not self._binding:
            self._replace(0, self._opening(binding))
            self._lead = len(self.fragments)
        start = len(self._entries) if first == len(self._entries) else 0
        self._reach = (self._reach if start else Reach()).over(state.transcript, start)
        reader = Reader(binding.contract, binding.model, contents)
        sendings = render(state.transcript, first, self._reach, reader)
        self._replace(self._lead + first, [self._encode(sending, binding.contract) for sending in sendings])
        for at, sending in enumerate(sendings, self._lead + first):
            if sending.decision in {"placeholder", "dropped", "redacted"}:
                self._decisions[at] = f"message {at - 1}: {sending.decision}, {sending.why}"
            elif sending.bridge is not None:
                self._decisions[at] = f"message {at - 1}: bridge, this service refuses its role behind the one before"
        self._binding, self._entries = binding, state.transcript

    def holds(self, state: State) -> bool:
        """Tell whether the fragments are those of the request that `state` asks for."""
        return len(self._entries) == len(state.transcript) and state.transcript.extends(self._entries)

    def sent(self, state: State) -> Sent:
        """Return what a request of these fragments is recorded as."""
        before = state.sent
        kept = self._agreed if before.extends(self._before) else 0
        while kept < min(len(self.hashes), len(before)) and self.hashes[kept] == before[kept]:
            kept += 1
        self._agreed, self._before = kept, before
        fresh = range(kept, len(self.hashes))
        decisions = tuple(self._decisions[at] for at in fresh if at in self._decisions)
        return Sent(kept, tuple(self.hashes[kept:]), decisions)

    @property
    def digest(self) -> str:
        """The digest over all fragments."""
        return self.hashes[-1]

    def _opening(self, binding: Binding) -> list[bytes]:
        system = [self._encode(Sending(Instructions(binding.system)), binding.contract)]
        return [self._head(binding), *(system if binding.system else [])]

    def first(self, state: State, binding: Binding) -> int:
        """Return where `update` has to begin: the first entry that is new, or is sent otherwise than before."""
        if binding is not self._binding or not state.transcript.extends(self._entries):
            return 0
        known = len(self._entries)
        if not moves_with_user(binding.contract):
            return known
        later = Reach().over(state.transcript, known)
        first = min(known, self._reach.last_user + 1) if later.last_user >= 0 else known
        return self._back_to(later.called - self._reach.called, first)

    def _back_to(self, turns: frozenset[int], first: int) -> int:
        """Return where the earliest of `turns` begins, `first` at the latest: its answers are sent otherwise now."""
        while first > 0 and self._entries[first - 1].turn in turns:
            first -= 1
        return first

    def _replace(self, at: int, fragments: list[bytes]) -> None:
        for kept in (self.fragments, self.hashes):
            del kept[at:]
        self._agreed = min(self._agreed, at)
        if self._decisions and at <= next(reversed(self._decisions)):
            self._decisions = {known: why for known, why in self._decisions.items() if known < at}
        for fragment in fragments:
            self.hashes.append(chained(self.hashes[-1] if self.hashes else "", fragment))
            self.fragments.append(fragment)


def chained(before: str, fragment: bytes) -> str:
    """Return the hash of a fragment and all before it: BLAKE2b, 96 bit, in 16 URL-safe characters."""
    return urlsafe_b64encode(blake2b(before.encode() + fragment, digest_size=12).digest()).decode()
