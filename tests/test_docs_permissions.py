"""docs/permissions.md is true: its programs run, and what they print is what the page says."""

from pathlib import Path

import pytest

from tests.pages import Page

PAGE = Page("permissions")
PRINTED = [
    [
        "refund - amount is 250, above 100",
        "250.00 refunded",
        "Not run: this agent is not allowed to use 'close_account'. Do without it.",
    ],
    [
        "{'order_id': '8'} - data from outside (reviews) is in this conversation, and order_id \"8\" occurs only in it",
    ],
    ["[secret stripe] 12 euros.", '{"balance":"12.00","signed with":"[secret stripe]"}'],
]


@pytest.mark.parametrize("number", range(len(PRINTED)))
def test_its_programs(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    PAGE.here(PAGE.programs[number])
    assert capsys.readouterr().out.splitlines() == PRINTED[number]


def test_all_of_them_are_tried() -> None:
    assert len(PAGE.programs) == len(PRINTED)
