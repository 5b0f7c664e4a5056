"""docs/proof.md tells the verdicts there are, and the words a person would type."""

import re
from pathlib import Path

from agentkit.ledger import RULES

PAGE = (Path(__file__).parents[2] / "docs" / "proof.md").read_text("utf-8")


def test_the_table_names_every_verdict() -> None:
    assert sorted(re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)) == sorted(RULES)
