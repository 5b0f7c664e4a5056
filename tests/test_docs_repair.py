"""docs/repair.md is true: its program runs and prints what was done, and its defaults are those of today."""

import re
from pathlib import Path

import pytest

from agentkit import Limits
from agentkit.tools import patterns, validate
from agentkit.tools.declared import Declared

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "repair.md").read_text("utf-8")
(PROGRAM,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_its_program(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(PROGRAM, "docs/repair.md", "exec"), {"__name__": "page"})  # noqa: S102 - the document's own program
    assert capsys.readouterr().out == ('{"order_id": "7"} - broken JSON repaired; not parameters, dropped: lang\n')


def test_its_figures() -> None:
    assert [f"| `{name}` | {getattr(Limits(), name)} |" in PAGE for name in ("repairs", "repeats")] == [True, True]
    assert (patterns.SECONDS, patterns.LONGEST, validate.SECONDS) == (0.2, 2_000, 1.0)
    bare = Declared("x", "read")
    assert (bare.nulls, bare.extras, bare.repair) == ("reject", "reject", False)
