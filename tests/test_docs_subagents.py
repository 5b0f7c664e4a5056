"""docs/subagents.md is true: its program runs, and says what it says."""

from pathlib import Path

from tests.pages import Page

PAGE = Page("subagents")


def test_the_program_says_what_the_page_says(tmp_path: Path) -> None:
    (program,), (said,) = PAGE.programs, PAGE.said
    assert PAGE.apart(program, tmp_path) == said
