"""The picture of RESULTS.md: `PYTHON picture.py RESULTS.json PICTURE.svg`, in an environment that has matplotlib."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

_LINE = 1.14  # a line of small print on the logarithmic axis
_COLOURS = {"floor": "#9e9e9e", "agentkit": "#1565c0", "peer": "#ef6c00"}
_BARS = (
    ("requests", "cpu 100", 1e3, "CPU ms per request, 100 steps"),
    ("deltas", "cpu delta", 1e6, "CPU µs per streamed delta"),
    ("crowd", "wall 500", 1.0, "500 sessions at once: seconds"),
)


def draw(told: dict[str, Any], path: Path) -> None:
    """Draw growth as lines and three measures as bars; both axes of cost are logarithmic."""
    mpl.rcParams.update({"svg.hashsalt": "agentkit", "svg.fonttype": "none", "font.size": 8})
    figure = Figure(figsize=(13, 9.5), layout="constrained")
    grown, *barred = figure.subplots(2, 2).flat
    results, sides = told["results"], told["sides"]
    ends: dict[int, list[tuple[float, str]]] = {}  # by steps: where lines end, and what they are called
    for key, figures in results.get("growth", {}).items():
        points = sorted((int(name[4:]), value * 1e3) for name, value in figures.items() if name.startswith("cpu "))
        if points:
            side = sides[key]
            grown.plot(*zip(*points, strict=True), marker="o", ms=3, lw=1, color=_COLOURS[side["kind"]])
            ends.setdefault(points[-1][0], []).append((points[-1][1], side["title"]))
    for steps, told_there in ends.items():
        for height, title in _spread(sorted(told_there)):
            grown.annotate(title, (steps, height), fontsize=5, xytext=(5, 0), textcoords="offset points", va="center")
    grown.set(xscale="log", yscale="log", title="CPU ms per request, by the steps of a session")
    grown.margins(x=0.45)
    grown.xaxis.set_major_formatter(ScalarFormatter())
    grown.xaxis.set_minor_formatter(NullFormatter())
    for axes, (measure, name, factor, title) in zip(barred, _BARS, strict=True):
        found = [(each[name] * factor, key) for key, each in results.get(measure, {}).items() if name in each]
        found.sort(reverse=True)
        titles = [sides[key]["title"] for _, key in found]
        shown = axes.barh(
            titles, [value for value, _ in found], color=[_COLOURS[sides[key]["kind"]] for _, key in found]
        )
        axes.bar_label(shown, fmt="%.3g", padding=2, fontsize=7)
        axes.set(xscale="log", title=title)
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.1)
    figure.savefig(path, format="svg", metadata={"Date": None})


def _spread(named: Iterable[tuple[float, str]]) -> Iterator[tuple[float, str]]:
    """Yield names with heights at which none covers the one below; given lowest first."""
    free = 0.0
    for height, name in named:
        yield max(height, free), name
        free = max(height, free) * _LINE


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2]))
