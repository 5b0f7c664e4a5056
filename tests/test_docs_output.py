"""docs/output.md is true: its programs run, and say what it says."""

import contextlib
import io
import logging
import re
import threading
from pathlib import Path
from typing import Any, get_args

import pytest

from agentkit.core.output import Form

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "output.md").read_text("utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SAID = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def run(program: str) -> None:
    names: dict[str, Any] = {"__name__": "docs"}
    exec(compile(program, "docs/output.md", "exec"), names)  # noqa: S102 - the document's own program


def test_the_first_program_says_what_stands_there() -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        thread = threading.Thread(target=run, args=(PROGRAMS[0],))  # an event loop of its own
        thread.start()
        thread.join()
    assert out.getvalue() == SAID[0]


def test_the_second_program_logs_what_stands_there(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "agentkit"):
        run(PROGRAMS[1])
    assert [record.getMessage() for record in caplog.records] == SAID[1].splitlines()


def test_the_forms_are_the_forms() -> None:
    assert tuple(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == get_args(Form)
