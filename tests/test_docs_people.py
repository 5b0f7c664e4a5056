"""docs/people.md is true: its programs run, and say what it says."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from agentkit import Agent, Approvals, Upgrades, tool
from agentkit.core.changes import KINDS
from agentkit.core.policy import Policy

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "people.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def run(block: str, folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", block],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_first_program_goes_on_without_waiting(tmp_path: Path) -> None:
    assert run(BLOCKS[0], tmp_path) == ["I have asked for it.", "It is blue.", "Good news: your refund is on its way."]


def test_the_second_program_escalates_and_expires(tmp_path: Path) -> None:
    first, second, third = run(BLOCKS[1], tmp_path)
    assert re.fullmatch(r"refund waits until \d\d:\d\d:\d\d", first)
    assert second == "nobody decided, so the shift lead is to know of it"
    assert third == "I could not refund it: nobody approved in time."


def test_the_third_program_is_an_agent() -> None:
    @tool(effect="once", needs_approval=True)
    async def refund(order_id: str) -> str:
        """Refund an order."""
        return order_id

    names: dict[str, Any] = {"Agent": Agent, "refund": refund}
    exec(compile(BLOCKS[2], "docs/people.md", "exec"), names)  # noqa: S102 - the document's own program
    assert names["careful"].upgrades == Upgrades(instructions="ask", tools="ask", model="refuse")


def test_its_words_are_the_words() -> None:
    told = re.findall(r'^\| `"(\w+)"` \|', PAGE, re.MULTILINE)
    assert tuple(told) == get_args(Policy)
    (kinds,) = re.findall(r"^Kinds: (.*?)\.\s", PAGE, re.MULTILINE | re.DOTALL)
    assert tuple(re.findall(r"`(\w+)`", kinds)) == KINDS
    for field in fields(Approvals):
        assert f"{field.name}=" in PAGE
