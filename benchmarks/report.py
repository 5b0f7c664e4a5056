"""The tables of RESULTS.md, from what the measures returned. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from benchmarks.peers.shape import LAST
from benchmarks.sides import ALL, Side
from benchmarks.verdicts import Results, bounds

_MS, _US = 1e3, 1e6
_WORST = 160  # characters of an error that are shown

Cell = Callable[[dict[str, Any]], str]


def table(results: Results, measure: str, columns: Sequence[tuple[str, Cell]]) -> Iterator[str]:
    """Yield the rows of a table, one a side that was measured."""
    yield "| who | " + " | ".join(head for head, _ in columns) + " |"
    yield "|---|" + "---:|" * len(columns)
    for side in ALL:
        if (figures := results[measure].get(side.key)) is not None:
            yield f"| {side.title} | " + " | ".join(cell(figures) for _, cell in columns) + " |"


def number(name: str, factor: float = 1.0, form: str = ",.2f") -> Cell:
    """Return a cell with one figure, or with why there is none."""

    def cell(figures: dict[str, Any]) -> str:
        part = name.partition(" ")[2]
        if figures.get(name) is not None:
            return format(figures[name] * factor, form)
        if f"cut {part}" in figures:
            return f"cut at {figures[f'cut {part}']:.0f} s, {figures[f'ran {part}']:,} tools had run"
        error = figures.get(f"error {part}") or figures.get("error")
        return "failed" if error else ""

    return cell


def _conformance(results: Results) -> Iterator[str]:
    def survives(figures: dict[str, Any]) -> str:
        return "yes" if figures["contract"] != "generic" else f"**no**: {figures['error'][:_WORST]}".replace("|", "/")

    def kept(name: str) -> Cell:
        return lambda figures: "yes" if not figures[name] else f"no ({figures[name]} times)"

    floor: dict[str, Any] = next(iter(results["conformance"].values()), {})
    yield from table(
        results,
        "conformance",
        (
            ("survives the contract", survives),
            ("reasoning exact", kept("reasoning")),
            ("arguments byte-equal", kept("arguments")),
            ("tokens from the cache", number("hit", form=",.0f")),
            ("not from it", number("miss", form=",.0f")),
            ("billed, micro-dollars", number("cost", 1e6, ",.0f")),
            ("x floor", lambda figures: f"{figures['cost'] / floor['cost']:.3f}" if floor.get("cost") else ""),
        ),
    )


def _requests(results: Results) -> Iterator[str]:
    lengths = _numbers(results["requests"], "cpu")
    columns = [(f"CPU ms, {n} steps", number(f"cpu {n}", _MS)) for n in lengths]
    late = [n for n in lengths if any(f"last {n}" in each for each in results["requests"].values())]
    columns += [(f"CPU ms, requests {n - LAST} to {n - 1}", number(f"last {n}", _MS)) for n in late]
    columns += [(f"wall ms, {n} steps", number(f"wall {n}", _MS)) for n in lengths]
    columns.append(("contract", lambda figures: {"generic": "off", None: ""}.get(figures.get("contract"), "on")))
    yield from table(results, "requests", columns)


def _deltas(results: Results) -> Iterator[str]:
    yield from table(
        results, "deltas", (("CPU µs per delta", number("cpu delta", _US)), ("wall µs", number("wall delta", _US)))
    )


def _growth(results: Results) -> Iterator[str]:
    lengths = _numbers(results["growth"], "cpu")
    yield from table(
        results, "growth", [(f"CPU ms per request, {n:,} steps", number(f"cpu {n}", _MS)) for n in lengths]
    )


def _crowd(results: Results) -> Iterator[str]:
    columns: list[tuple[str, Cell]] = []
    for n in _numbers(results["crowd"], "wall"):
        columns += [(f"{n:,} sessions: wall s", number(f"wall {n}")), ("CPU s", number(f"cpu {n}"))]
        columns.append(("KB each", number(f"memory {n}", 1e-3, ",.0f")))
    yield from table(results, "crowd", columns)


def _starting(results: Results) -> Iterator[str]:
    columns = (
        ("import, CPU s", number("import")),
        ("agent built, CPU s", number("built")),
        ("agent built, wall s", number("wall")),
        ("ten tools declared, CPU ms", number("declare", _MS, ",.3f")),
        ("agent with them, CPU ms", number("construct", _MS, ",.3f")),
    )
    yield from table(results, "starting", columns)


def _recording(results: Results) -> Iterator[str]:
    columns = (
        ("steps", number("steps", form=",.0f")),
        ("CPU ms per step, off", number("cpu off", _MS)),
        ("on", number("cpu on", _MS)),
        ("bytes", number("bytes", form=",.0f")),
        ("x conversation", lambda each: f"{each['bytes'] / each['conversation']:.2f}" if "bytes" in each else "failed"),
        ("opening it, ms", number("opening", _MS, ",.1f")),
        ("steps", number("long steps", form=",.0f")),
        ("opening it, ms", number("long opening", _MS, ",.1f")),
    )
    yield from table(results, "recording", columns)


SECTIONS: dict[str, tuple[str, Callable[[Results], Iterator[str]]]] = {
    "conformance": ("Conformance and billed cost: 20 steps, argument strings with blanks", _conformance),
    "requests": ("A request: sessions with results of 1,000 bytes", _requests),
    "deltas": ("A streamed delta: one answer of 3,000", _deltas),
    "growth": ("Growth: a request in sessions of growing length, whose bytes all have to be sent", _growth),
    "crowd": ("Many at once: sessions of five steps, an answer takes 50 ms", _crowd),
    "starting": ("Starting, in asyncio's own loop", _starting),
    "recording": ("Recording and opening again", _recording),
}


def section(results: Results, measure: str) -> Iterator[str]:
    """Yield one measure's heading and table, and what went wrong in it."""
    heading, rows = SECTIONS[measure]
    yield from (f"## {heading}", "", *rows(results), "")
    if wrong := list(_wrong(results[measure])):
        yield from (*wrong, "")


def _wrong(figures: dict[str, Any]) -> Iterator[str]:
    for side in ALL:
        for name, told in figures.get(side.key, {}).items():
            if name.startswith("error ") or (name == "error" and "contract" not in figures[side.key]):
                yield f"* {side.title}{name.removeprefix('error')}: {told[:_WORST]}"


def _numbers(figures: dict[str, dict[str, Any]], of: str) -> list[int]:
    found = {
        name.split()[-1] for each in figures.values() for name in each if name.startswith((f"{of} ", "cut ", "error "))
    }
    return sorted(int(each) for each in found if each.isdigit())


def held(results: Results) -> Iterator[str]:
    """Yield the table of the bounds."""
    yield "| what must hold | found | against | ratio | at most | |"
    yield "|---|---:|---|---:|---:|---|"
    for bound in bounds(results):
        found, ratio = _shown(bound.found), "" if bound.ratio is None else f"{bound.ratio:.3g}"
        yield f"| {bound.what} | {found} | {bound.beside} | {ratio} | {bound.limit:.3g} | {bound.verdict} |"


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"  # noqa: PLR2004


def sides(
    measured: Iterable[Side], docs: dict[str, str], versions: dict[str, dict[str, str]], failed: dict[str, str]
) -> Iterator[str]:
    """Yield who was compared and how each was configured: its driver's docstring, and versions."""
    for side in measured:
        if side.home.name in failed:
            yield f"* {side.title}: **not installed**: {failed[side.home.name]}"
            continue
        found = versions[side.home.name]
        told = ", ".join(f"{name} {found[name]}" for name in _named(side, found))
        loop = "" if side.home.loop == "asyncio" else f", on {side.home.loop}"
        yield f"* {side.title} ({told}; {len(found)} packages{loop}). {' '.join(docs[side.driver].split())}"


def _named(side: Side, found: dict[str, str]) -> list[str]:
    asked = [
        each.partition("[")[0].partition("=")[0].partition(">")[0].partition("<")[0] for each in side.home.requires
    ]
    return [name for name in dict.fromkeys([*asked, "openai", "aiohttp", "uvloop"]) if name in found]
