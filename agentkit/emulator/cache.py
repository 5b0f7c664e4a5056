"""The provider's context cache: prefixes seen before, in full units.

The prefixes are a tree: a unit's number follows from the number of the unit before it and its own bytes. A look-up
walks one request once, and what is stored grows with new bytes only.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

from agentkit.emulator.prompt import BYTES_PER_TOKEN


@dataclass(frozen=True, slots=True)
class Stored:
    """A prompt's place in the tree.

    Attributes:
        hit: the tokens of it that had been stored before.
        node: its last full unit.
        rest: the bytes after that.
    """

    hit: int
    node: int
    rest: bytes


@dataclass
class PrefixCache:
    """Prefixes, apart for every owner (account, user and model).

    Attributes:
        unit: tokens per unit; a hit is a whole number of units.
    """

    unit: int = 64
    _units: dict[tuple[int, bytes], int] = field(default_factory=dict)
    _roots: dict[Hashable, int] = field(default_factory=dict)

    def store(self, owner: Hashable, prompt: bytes) -> Stored:
        """Store all prefixes of a prompt that are full units."""
        return self._walk(self._roots.setdefault(owner, -1 - len(self._roots)), prompt)

    def extend(self, prompt: Stored, more: bytes) -> None:
        """Store the prefixes of a stored prompt and what follows it."""
        self._walk(prompt.node, prompt.rest + more)

    def _walk(self, node: int, text: bytes) -> Stored:
        size = self.unit * BYTES_PER_TOKEN
        end = len(text) - len(text) % size
        found = 0
        for start in range(0, end, size):
            step = (node, text[start : start + size])
            known = self._units.get(step)
            if known is None:
                node = self._units[step] = len(self._units)
            else:
                node = known
                found += 1
        return Stored(found * self.unit, node, text[end:])
