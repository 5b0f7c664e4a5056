"""The bounds that agentkit has to keep, and whether it does: pure, from what the measures returned."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.sides import BARE, BARE_FAST, MEMORY, MEMORY_FAST, PEERS, SDK, SDK_FAST, SQLITE, SQLITE_FAST, Side

Results = dict[str, Any]
"""What each measure returned, by its name."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One bound: what was found, against what, and how much is allowed. `found` or `against` is None: not measured."""

    what: str
    found: float | None
    against: float | None
    limit: float
    beside: str = ""

    @property
    def ratio(self) -> float | None:
        """What was found per what it is compared with."""
        return None if self.found is None or not self.against else self.found / self.against

    @property
    def verdict(self) -> str:
        """Whether it is kept."""
        if self.ratio is None:
            return "not measured"
        return "kept" if self.ratio <= self.limit else "**missed**"


TRANSPORTS = (("httpx2", SQLITE, MEMORY, SDK, BARE), ("aiohttp", SQLITE_FAST, MEMORY_FAST, SDK_FAST, BARE_FAST))


def figure(results: Results, measure: str, side: Side, name: str) -> float | None:
    """Return one figure, or None where it was not measured."""
    value = results.get(measure, {}).get(side.key, {}).get(name)
    return None if value is None else float(value)


def best(results: Results, measure: str, name: str) -> tuple[float | None, str]:
    """Return the least figure of the peers, and whose it is."""
    found = [(value, side.title) for side in PEERS if (value := figure(results, measure, side, name)) is not None]
    return min(found, default=(None, "no peer"))


def bounds(results: Results) -> Iterator[Bound]:
    """Yield every bound."""
    for transport, ours, unrecorded, sdk, bare in TRANSPORTS:

        def mine(measure: str, name: str, side: Side = ours) -> float | None:
            return figure(results, measure, side, name)

        yield from _requests(results, transport, mine, (unrecorded, sdk))
        yield from _streams(results, transport, mine, sdk)
        yield from _crowds(results, transport, mine, bare)
        yield from _alone(results, transport, mine, bare)
    grown = results.get("alone", {}).get("SQLiteJournal", {})
    yield Bound("CPU of 1,000 steps, sending left out", grown.get("cpu 1000"), grown.get("cpu 100"), 12, "100 steps")
    for journal, limit in (
        ("MemoryJournal", 1),
        ("SQLiteJournal", 1.01),
    ):  # a file's threads wake the loop as they will
        each = results.get("alone", {}).get(journal, {})
        yield Bound(f"Python calls in step 950, {journal}", each.get("late"), each.get("early"), limit, "step 50")


_Mine = Callable[[str, str], float | None]


def _requests(results: Results, transport: str, mine: _Mine, beside: tuple[Side, Side]) -> Iterator[Bound]:
    unrecorded, sdk = beside
    for name, part, shown in (
        ("cpu 10", 3, "CPU per request, 10 steps"),
        ("cpu 100", 15, "CPU per request, 100 steps"),
        ("last 100", 15, "CPU per request, requests 90 to 99 of 100"),
    ):
        least, who = best(results, "requests", name)
        told = f"{shown}, {transport}"
        yield Bound(told, mine("requests", name), least, 1 / part, f"best peer, {who}")
        floor = figure(results, "requests", sdk, name)
        yield Bound(told, mine("requests", name), floor, 1.6, "SDK fed with bytes")
        off = figure(results, "requests", unrecorded, name)
        yield Bound(f"{told}, recording off", off, floor, 1.3, "SDK fed with bytes")


def _streams(results: Results, transport: str, mine: _Mine, sdk: Side) -> Iterator[Bound]:
    least, who = best(results, "deltas", "cpu delta")
    told = f"CPU per streamed delta, {transport}"
    yield Bound(told, mine("deltas", "cpu delta"), least, 1 / 15, f"best peer, {who}")
    yield Bound(told, mine("deltas", "cpu delta"), figure(results, "deltas", sdk, "cpu delta"), 3, "SDK fed with bytes")


def _crowds(results: Results, transport: str, mine: _Mine, bare: Side) -> Iterator[Bound]:
    least, who = best(results, "crowd", "wall 500")
    told = f"500 sessions at once, wall, {transport}"
    yield Bound(told, mine("crowd", "wall 500"), least, 1 / 5, f"best peer, {who}")
    yield Bound(told, mine("crowd", "wall 500"), figure(results, "crowd", bare, "wall 500"), 3, "bare loop")
    memory = mine("crowd", "memory 5000")
    yield Bound(f"5,000 sessions at once, bytes each, {transport}", memory, 100_000, 1, "100 KB")


def _alone(results: Results, transport: str, mine: _Mine, bare: Side) -> Iterator[Bound]:
    conversation = mine("recording", "conversation")
    yield Bound(f"bytes on disk, 200 steps, {transport}", mine("recording", "bytes"), conversation, 1.5, "conversation")
    for name, told, seconds in (
        ("import", "CPU of `import agentkit`", 0.25),
        ("built", "CPU until an agent is built", 0.3),
        ("construct", "CPU of an agent with ten tools", 0.001),
    ):
        yield Bound(f"{told}, {transport}", mine("starting", name), seconds, 1, f"{seconds:g} s")
    floor = figure(results, "conformance", bare, "cost")
    yield Bound(
        f"billed cost of 20 steps, {transport}", mine("conformance", "cost"), floor, 1, "floor, never a byte changed"
    )
    yield Bound(f"opening 1,000 steps, {transport}", mine("recording", "long opening"), 0.05, 1, "50 ms")
