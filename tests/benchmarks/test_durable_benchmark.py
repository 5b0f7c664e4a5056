"""The benchmark of recording, in its small form: it measures, and what it counts is really in the journals."""

import re
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from agentkit import SQLiteJournal
from benchmarks import durable
from benchmarks.growth import hold


def test_its_small_form_measures_on_both_databases_and_leaves_no_file() -> None:
    written = Path(durable.__file__).with_name("DURABLE.md")
    before = written.read_bytes() if written.exists() else None
    program = [sys.executable, "-m", "benchmarks", "durable", "--small"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=100, check=False)
    assert done.stderr == ""
    rates = re.findall(r"\n\| (SQLite|Postgres) \| \d+ \| \d \| agentkit, [a-z ]+ \| ([\d,]+) \|", done.stdout)
    assert [database for database, _ in rates] == ["SQLite", "Postgres"]
    assert all(int(rate.replace(",", "")) > 0 for _, rate in rates)
    assert "| open one and load it, journal open | 200 |" in done.stdout
    assert (written.read_bytes() if written.exists() else None) == before


def test_a_step_that_is_not_in_the_journal_is_missed(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    anyio.run(hold, SQLiteJournal(path), "s", 3, 10)
    durable.check(str(path), 3)
    with pytest.raises(RuntimeError, match="holds 3 steps of 4"):
        durable.check(str(path), 4)
