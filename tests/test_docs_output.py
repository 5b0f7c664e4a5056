"""docs/output.md is true: its programs run, and say what it says."""

import contextlib
import io
import logging
import re
import threading
from typing import get_args

import pytest

from agentkit.core.output import Form
from tests.pages import Page

PAGE = Page("output")


def test_the_first_program_says_what_stands_there() -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        thread = threading.Thread(target=PAGE.here, args=(PAGE.programs[0],))  # an event loop of its own
        thread.start()
        thread.join()
    assert out.getvalue() == PAGE.said[0]


def test_the_second_program_logs_what_stands_there(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "agentkit"):
        PAGE.here(PAGE.programs[1])
    assert [record.getMessage() for record in caplog.records] == PAGE.said[1].splitlines()


def test_the_forms_are_the_forms() -> None:
    assert tuple(re.findall(r"^\| `(\w+)` \|", PAGE.text, re.MULTILINE)) == get_args(Form)
