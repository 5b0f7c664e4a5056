"""docs/tools_dispatch.md is true: its programs run and print what it says, and its figures are the figures."""

import re
from pathlib import Path

from agentkit.tools import attempts, bounds, cutting, retrying, worker
from agentkit.tools.declared import Declared
from tests.pages import Page

PAGE = Page("tools_dispatch")
FIRST, MODULE, PROGRAM = PAGE.programs


def test_the_first_program_prints_what_it_says(tmp_path: Path) -> None:
    (printed,) = PAGE.said
    assert PAGE.apart(FIRST, tmp_path) == printed


def test_the_program_with_a_process_counts(tmp_path: Path) -> None:
    (tmp_path / "primes.py").write_text(MODULE, "utf-8")
    assert PAGE.apart(PROGRAM, tmp_path) == "the tool said 9592\n"


def test_its_figures_are_the_figures() -> None:
    assert (cutting.LIMIT, bounds.MOST, cutting.KEPT) == (100_000, 1_000_000, 16 * 2**20)
    assert (attempts.FIRST, retrying.LONGEST, worker.MOST) == (0.5, 20.0, 64 * 2**20)
    for told in re.findall(r"^\| `(\w+)=", PAGE.text, re.MULTILINE):
        assert told in Declared.__dataclass_fields__
