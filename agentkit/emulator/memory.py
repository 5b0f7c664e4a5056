"""What the emulator emitted, by conversation and position, and which attempt a request is.

After a restart the script takes its place: a table says what was emitted at a position. What a function emitted is
known to the process that called it only.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from agentkit.emulator.asked import Asked
from agentkit.emulator.carriers import CARRIAGES, SENTINEL, Place
from agentkit.emulator.leaks import leaked, repaired
from agentkit.emulator.returned import Came, Emitted, EmittedCall, Returned, compare, joined
from agentkit.emulator.row import Contract
from agentkit.emulator.script import ERRORS, LEAKS, Reply, Script, attempts


def emission(reply: Reply, contract: Contract, place: Place, *, thinks: bool) -> Emitted:
    """Return what a reply emits: no reasoning where thinking is off, and ids and seals that follow from the place."""
    calls = tuple(
        EmittedCall(_id(call.id, reply, contract, (*place, at)), joined(call.name), joined(call.raw))
        for at, call in enumerate(reply.calls)
    )
    thought = joined(reply.reasoning) if thinks and reply.reasoning is not None else None
    told = Emitted(thought, joined(reply.content or ""), calls, thought=thought or "")
    sent = CARRIAGES[contract.form].seals(leaked(told, reply.quirks, contract.dsml_wrapper), contract, place)
    if LEAKS.isdisjoint(reply.quirks):
        return sent
    return replace(sent, repaired=repaired(told, sent, reply.quirks))


def _id(given: str | None, reply: Reply, contract: Contract, place: tuple[str, int, int]) -> str | None:
    if "id_missing" in reply.quirks:
        return None
    if given is not None:
        return given
    digest = hashlib.blake2b(repr(place).encode("utf-8", "backslashreplace"), digest_size=12).hexdigest()
    usual = f"call_{place[2]:02d}_{digest}"
    return usual if re.fullmatch(contract.call_ids or ".*", usual) else digest[:9]


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
        held = self._emitted[asked.conversation, asked.position]
        held.update(replace(version, whole=False) for version in _versions(emitted))
        self.minted.update(call.id for call in emitted.calls if call.id)

    def finish(self, asked: Asked, emitted: Emitted) -> None:
        """Remember that an answer was sent to its end."""
        held = self._emitted[asked.conversation, asked.position]
        for version in _versions(emitted):
            held -= Counter([replace(version, whole=False)])
            held[version] = 1
            self._anywhere |= {version.came, version.came._replace(seal="")}

    def look(self, asked: Asked) -> tuple[Returned, ...]:
        """Compare every assistant message of a request with what was emitted at its place."""
        contract = asked.contract
        demanded, wanted, kept = map(asked.scope, (contract.demands, contract.wanted, contract.keeps))
        found = []
        for position, index in enumerate(asked.answers):
            back = asked.back[index]
            candidates = self._candidates(asked, position, back)
            seen = compare(back, candidates, at=index, position=position, demanded=index in demanded)
            if index in wanted and (seen.lost or index not in kept):
                unread = bool(back.reasoning) and index not in kept
                seen = seen._replace(demanded=seen.demanded or seen.lost, unread=unread)
            found.append(self._filled(asked, seen, back) if seen.reasoning in ("invented", "altered") else seen)
        return tuple(found)

    def _filled(self, asked: Asked, seen: Returned, back: Came) -> Returned:
        """Something stands where nothing was sent, because the contract wants something there: it is no invention."""
        placeholder = seen.reasoning == "invented" and seen.demanded and asked.contract.placeholders
        foreign = back.reasoning == SENTINEL and (asked.conversation, seen.position) not in self._emitted
        return seen._replace(reasoning="filled") if placeholder or foreign else seen

    def _candidates(self, asked: Asked, position: int, back: Came) -> Collection[Emitted]:
        if held := self._emitted.get((asked.conversation, position)):
            return held
        if back in self._anywhere:
            # A compaction opens a new conversation: what it kept was emitted elsewhere.
            return (Emitted(back.reasoning, back.content, back.calls, seal=back.seal),)
        return self._scripted(asked, position)

    def _scripted(self, asked: Asked, position: int) -> Sequence[Emitted]:
        found: list[Emitted] = []
        for reply in attempts(self.script, asked.conversation, position):
            if isinstance(reply, Reply):
                whole = reply.cut_after is None and reply.hang_after is None and ERRORS.isdisjoint(reply.quirks)
                for thinks in (asked.thinks, not asked.thinks):
                    sent = emission(reply, asked.contract, (asked.conversation, position), thinks=thinks)
                    found.extend(replace(version, whole=whole) for version in _versions(sent))
        return found


def _versions(emitted: Emitted) -> Sequence[Emitted]:
    return (emitted,) if emitted.repaired is None else (emitted, emitted.repaired)
