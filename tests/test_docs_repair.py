"""docs/repair.md is true: its program runs and prints what was done, and its defaults are those of today."""

import pytest

from agentkit import Limits
from agentkit.tools import patterns, validate
from agentkit.tools.declared import Declared
from tests.pages import Page

PAGE = Page("repair")
(PROGRAM,) = PAGE.programs


def test_its_program(capsys: pytest.CaptureFixture[str]) -> None:
    PAGE.here(PROGRAM)
    assert capsys.readouterr().out == ('{"order_id": "7"} - broken JSON repaired; not parameters, dropped: lang\n')


def test_its_figures() -> None:
    assert [f"| `{name}` | {getattr(Limits(), name)} |" in PAGE.text for name in ("repairs", "repeats")] == [True, True]
    assert (patterns.SECONDS, patterns.LONGEST, validate.SECONDS) == (0.2, 2_000, 1.0)
    bare = Declared("x", "read")
    assert (bare.nulls, bare.extras, bare.repair) == ("reject", "reject", False)
