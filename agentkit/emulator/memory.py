"""What the emulator emitted, by conversation and position, and which attempt a request is.

After a restart the script takes its place: a table says what was emitted at a position. What a function emitted is
known to the process that called it only.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from agentkit.emulator.asked import Asked
from agentkit.emulator.returned import Came, Emitted, EmittedCall, Returned, came, compare, joined
from agentkit.emulator.script import Reply, Script, attempts


def emission(reply: Reply, conversation: str, position: int, *, thinks: bool) -> Emitted:
    """Return what a reply emits: no reasoning where thinking is off, and ids that follow from the place."""
    calls = tuple(
        EmittedCall(_id(call.id, reply, (conversation, position, at)), joined(call.name), joined(call.raw))
        for at, call in enumerate(reply.calls)
    )
    reasoning = joined(reply.reasoning) if thinks and reply.reasoning is not None else None
    return Emitted(reasoning, joined(reply.content or ""), calls)


def _id(given: str | None, reply: Reply, place: tuple[str, int, int]) -> str | None:
    if "id_missing" in reply.quirks:
        return None
    if given is not None:
        return given
    digest = hashlib.blake2b(repr(place).encode("utf-8", "backslashreplace"), digest_size=12).hexdigest()
    return f"call_{place[2]:02d}_{digest}"


class Memory:
    """What was emitted, in this process or before it."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.minted: set[str] = set()
        """Ids of the calls made in this process: for these a warm service tolerates missing reasoning."""
        self._emitted: defaultdict[tuple[str, int], Counter[Emitted]] = defaultdict(Counter)
        self._anywhere: set[Came] = set()
        self._tries: Counter[tuple[str, int]] = Counter()

    def attempt(self, asked: Asked) -> int:
        """Count a request and return which attempt at its position it is, from 0."""
        place = (asked.conversation, asked.position)
        self._tries[place] += 1
        return self._tries[place] - 1

    def begin(self, asked: Asked, emitted: Emitted) -> None:
        """Remember an answer that is being sent: unless it is finished, its beginning may come back."""
        self._emitted[asked.conversation, asked.position][replace(emitted, whole=False)] += 1
        self.minted.update(call.id for call in emitted.calls if call.id)

    def finish(self, asked: Asked, emitted: Emitted) -> None:
        """Remember that an answer was sent to its end."""
        held = self._emitted[asked.conversation, asked.position]
        held -= Counter([replace(emitted, whole=False)])
        held[emitted] = 1
        self._anywhere.add(Came(emitted.reasoning, emitted.content, emitted.calls))

    def look(self, asked: Asked) -> tuple[Returned, ...]:
        """Compare every assistant message of a request with what was emitted at its place."""
        contract = asked.contract
        first = asked.first_in(contract.demands)
        found = []
        for position, index in enumerate(asked.answers):
            back = came(asked.messages[index], contract.carrier)
            candidates = self._candidates(asked, position, back)
            seen = compare(back, candidates, at=index, position=position, demanded=index >= first)
            if not contract.missing and seen.lost:
                seen = seen._replace(demanded=True)
            found.append(seen)
        return tuple(found)

    def _candidates(self, asked: Asked, position: int, back: Came) -> Collection[Emitted]:
        if held := self._emitted.get((asked.conversation, position)):
            return held
        if back in self._anywhere:
            # A compaction opens a new conversation: what it kept was emitted elsewhere.
            return (Emitted(*back),)
        return self._scripted(asked, position)

    def _scripted(self, asked: Asked, position: int) -> Sequence[Emitted]:
        found = []
        for reply in attempts(self.script, asked.conversation, position):
            if isinstance(reply, Reply):
                whole = reply.cut_after is None and reply.hang_after is None and "error_event" not in reply.quirks
                for thinks in (asked.thinks, not asked.thinks):
                    sent = emission(reply, asked.conversation, position, thinks=thinks)
                    found.append(Emitted(sent.reasoning, sent.content, sent.calls, whole=whole))
        return found
