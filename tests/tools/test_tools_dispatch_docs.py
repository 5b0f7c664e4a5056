"""docs/tools_dispatch.md is true: its programs run and print what it says, and its figures are the figures."""

import re
import subprocess
import sys
from pathlib import Path

from agentkit.tools import bounds, cutting, retrying, worker
from agentkit.tools.declared import Declared

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "tools_dispatch.md").read_text("utf-8")
FIRST, MODULE, PROGRAM = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def run(folder: Path, program: str) -> str:
    (folder / "program.py").write_text(program, "utf-8")
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_program_prints_what_it_says(tmp_path: Path) -> None:
    (printed,) = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert run(tmp_path, FIRST) == printed


def test_the_program_with_a_process_counts(tmp_path: Path) -> None:
    (tmp_path / "primes.py").write_text(MODULE, "utf-8")
    assert run(tmp_path, PROGRAM) == "the tool said 9592\n"


def test_its_figures_are_the_figures() -> None:
    assert (cutting.LIMIT, bounds.MOST, cutting.KEPT) == (100_000, 1_000_000, 16 * 2**20)
    assert (retrying.FIRST, retrying.LONGEST, worker.MOST) == (0.5, 20.0, 64 * 2**20)
    for told in re.findall(r"^\| `(\w+)=", PAGE, re.MULTILINE):
        assert told in Declared.__dataclass_fields__
