"""What `agentkit worker --engine` says where an engine and its options do not go together, or a package is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

from agentkit.cli import main

SHOP = ["--agent", "tests.workers.shop:support"]


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SHOP", str(tmp_path))
    place = str(tmp_path / "db")
    assert main(["say", "a", "look:1 a", "--agent-name", "support", "--journal", place]) == 0
    return place


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--engine", "dbos"), "dispatches through the journal's own Postgres"),
        (("--temporal", "127.0.0.1:7233"), "go with --engine temporal, not with embedded"),
        (("--engine", "dbos", "--namespace", "x"), "go with --engine temporal, not with dbos"),
        (("--engine", "temporal", "--once"), "--once goes with --engine embedded"),
    ],
)
def test_what_does_not_go_together(
    db: str, words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["worker", *SHOP, "--journal", db, *words]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(("engine", "package"), [("dbos", "dbos"), ("temporal", "temporalio")])
def test_a_package_that_is_not_installed_is_named(db: str, engine: str, package: str) -> None:
    program = f"""
import sys
sys.modules[{package!r}] = None  # as if it were not there
from agentkit.cli import main
sys.exit(main(["worker", *{SHOP!r}, "--journal", {db!r}, "--engine", {engine!r}]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert f"pip install 'agentkit-reasoning[{engine}]'" in done.stderr
