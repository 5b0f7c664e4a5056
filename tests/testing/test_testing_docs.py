"""What docs/testing.md says is true: its programs run, and its tables name what is there."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from agentkit.testing import EVERYTHING, Fault

pytestmark = pytest.mark.anyio

TEXT = (Path(__file__).parents[2] / "docs/testing.md").read_text("utf-8")


def programs() -> list[dict[str, Any]]:
    found = []
    for code in re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        names: dict[str, Any] = {}
        exec(compile(code, "docs/testing.md", "exec"), names)  # noqa: S102 - the document's own program
        found.append(names)
    return found


async def test_the_example_passes() -> None:
    first, second = programs()
    await first["test_refund_is_safe"]()
    assert callable(second["freeze_and_thaw"])


def test_the_accidents_and_faults_are_those_there_are() -> None:
    table = TEXT.partition("| accident | where |")[2].partition("\n\n")[0]
    named = [name for line in table.splitlines() for name in re.findall(r"`([^`]+)`", line.split(" | ")[0])]
    assert sorted(named) == sorted(EVERYTHING)
    assert set(get_args(Fault)) == set(re.findall(r'`"([a-z ]+)"`', TEXT)) | {"full"}
