"""What docs/testing.md says is true: its programs run, and its tables name what is there."""

import re
from typing import get_args

import pytest

from agentkit.testing import EVERYTHING, Fault
from tests.pages import Page

pytestmark = pytest.mark.anyio

PAGE = Page("testing")


async def test_the_example_passes() -> None:
    first, second = map(PAGE.here, PAGE.programs)
    await first["test_refund_is_safe"]()
    assert callable(second["freeze_and_thaw"])


def test_the_accidents_and_faults_are_those_there_are() -> None:
    table = PAGE.text.partition("| accident | where |")[2].partition("\n\n")[0]
    named = [name for line in table.splitlines() for name in re.findall(r"`([^`]+)`", line.split(" | ")[0])]
    assert sorted(named) == sorted(EVERYTHING)
    assert set(get_args(Fault)) == set(re.findall(r'`"([a-z ]+)"`', PAGE.text)) | {"full"}
