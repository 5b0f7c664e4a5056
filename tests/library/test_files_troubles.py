"""The files tools on disks that fail, and on files made to take long."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agentkit import ToolError
from agentkit_tools import files

NO_BOX = "bubblewrap (`bwrap`) is not here, or user namespaces are switched off; .ci/run installs it"
ATTEMPT = """
import sys
from agentkit import ToolError
from agentkit_tools import files
for each in files.tools(sys.argv[1], write=True):
    if each.name in {"write_file", "edit_file", "delete_file"}:
        try:
            each(*{"write_file": ("b.md", "x"), "edit_file": ("a.md", "one", "x"), "delete_file": ("a.md",)}[each.name])
        except ToolError as error:
            print(error)
"""


def test_a_disk_that_is_not_to_be_written_is_a_refusal_and_no_riddle(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("one")
    box = [shutil.which("bwrap") or "bwrap", *("--ro-bind", "/", "/", "--dev", "/dev")]
    try:
        subprocess.run([*box, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(NO_BOX)
    run = subprocess.run([*box, sys.executable, "-c", ATTEMPT, tmp_path], check=True, capture_output=True, text=True)
    assert run.stdout.splitlines() == [f"{name}: read-only file system." for name in ("b.md", "a.md", "a.md")]


def test_a_file_that_fails_when_it_is_read_is_told() -> None:
    tools = {each.name: each for each in files.tools(f"/proc/{os.getpid()}/task/{os.getpid()}")}
    with pytest.raises(ToolError, match=r"^mem: input/output error\.$"):
        tools["read_file"]("mem")


def test_a_file_of_a_million_lines_takes_no_longer_than_said(tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"\n" * 3_000_000)
    tools = {each.name: each for each in files.tools(tmp_path, limits=files.Limits(seconds=0.2))}
    begun = time.monotonic()
    with pytest.raises(ToolError, match=r"takes longer to read than the 0\.2 s allowed"):
        tools["read_file"]("lines", start=10**9)
    assert time.monotonic() - begun < 1
